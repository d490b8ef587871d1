/**
 * npm run build [-- [--target x64|arm64] TOOL...]
 *
 * Compiles src/tools/TOOL.ts to dist/bin/TOOL for every tool, or for the named ones: executables that need only glibc,
 * each with the guard (ffi/guard/) in it. For tools that any user may start, dist/entry/TOOL is the native entry
 * (ffi/guard/entry/) that starts the same program in the executable of all tools, dist/bin/jailkit. For another
 * architecture, both are below dist/ARCHITECTURE/. Two builds of one commit have the same bytes.
 */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { ElfError } from "./elf-file.ts";
import { buildExecutable } from "./executable.ts";
import { areWordsCurrent, WORDS } from "./filters/source.ts";
import { type Architecture, buildEntry } from "./guard.ts";
import { PRIVILEGED_FOLDERS } from "./layout.ts";

const root = join(import.meta.dir, "..");
const tools = join(root, "src/tools");
// Programs of logins. A mail, and a user who types jk_uchroot, can wait a millisecond, and the executable is the larger for each.
const BUNDLED = ["logins"];

function fail(message: string): never {
  console.error(`build: ${message}`);
  process.exit(1);
}

/** The programs: jk_*.ts and jailkit.ts. The other files are parts of jailkit.ts. */
function allTools(): string[] {
  return readdirSync(tools)
    .filter((file) => /^(jk_\w+|jailkit)\.ts$/.test(file))
    .map((file) => file.slice(0, -3))
    .sort();
}

function isArchitecture(name: string | undefined): name is Architecture {
  return name === "x64" || name === "arm64";
}

function build(name: string, architecture: Architecture): void {
  const isPrivileged = name in PRIVILEGED_FOLDERS;
  const isShared = name === "jailkit";
  const other = architecture !== process.arch;
  const output = other ? join(root, "dist", architecture) : join(root, "dist");
  const file = join(output, "bin", name);
  mkdirSync(join(output, "bin"), { recursive: true });
  buildExecutable({
    root,
    entry: join(tools, isShared ? "shared.ts" : `${name}.ts`),
    ...(isShared ? { bundles: BUNDLED } : {}),
    output: file,
    // The executable of all tools becomes a privileged program if an entry starts it.
    privileged: isShared ? "by entry" : isPrivileged,
    ...(other ? { target: architecture } : {}),
  });
  console.log(relative(process.cwd(), file));
  if (!isPrivileged) return;
  const entry = join(output, "entry", name);
  mkdirSync(join(output, "entry"), { recursive: true });
  buildEntry({ name, output: entry, architecture });
  console.log(relative(process.cwd(), entry));
}

function main(words: string[]): void {
  const wanted = packageJson.devDependencies.bun;
  if (Bun.version !== wanted) fail(`this is Bun ${Bun.version}, and jailkit needs Bun ${wanted}: npm ci`);
  const targeted = words[0] === "--target";
  const architecture = targeted ? words[1] : process.arch;
  if (process.platform !== "linux" || !isArchitecture(architecture))
    fail("jailkit runs on Linux, on x86-64 (x64) and aarch64 (arm64)");
  const names = targeted ? words.slice(2) : words;
  const unknown = names.find((name) => !existsSync(join(tools, `${name}.ts`)));
  if (unknown !== undefined) fail(`src/tools/${unknown}.ts does not exist`);
  if (!areWordsCurrent())
    fail(
      `${Object.values(WORDS).join(", ")}: not written from config/filters/ and build/filters/ as they are now: npm run filters`,
    );
  for (const name of names.length > 0 ? names : allTools()) build(name, architecture);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (error instanceof ElfError) fail(error.message);
  throw error;
}
