/**
 * npm run build [-- [--target x64|arm64] TOOL...]
 *
 * Makes dist/bin/TOOL from src/tools/TOOL.ts for every tool, or for those named: executables that need nothing but
 * glibc, each with the guard (ffi/guard/) in it. For the tools that any user may start, dist/entry/TOOL is the native
 * entry (ffi/guard/entry/) that starts the same program in the one executable of all, dist/bin/jailkit. For another
 * machine than this one, both are made below dist/MACHINE/. Two builds of one commit are the same to the byte.
 */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { ElfError } from "./elf-file.ts";
import { buildEntry } from "./entries.ts";
import { buildExecutable, PRIVILEGED } from "./executable.ts";
import type { Architecture } from "./guard.ts";

const root = join(import.meta.dir, "..");
const tools = join(root, "src/tools");

function fail(message: string): never {
  console.error(`build: ${message}`);
  process.exit(1);
}

/** The files that are programs: jk_*.ts and jailkit.ts. The others are parts of jailkit.ts. */
function allTools(): string[] {
  return readdirSync(tools)
    .filter((file) => /^(jk_\w+|jailkit)\.ts$/.test(file))
    .map((file) => file.slice(0, -3))
    .sort();
}

function isArchitecture(name: string | undefined): name is Architecture {
  return name === "x64" || name === "arm64";
}

/** The one executable of all tools becomes a privileged program where an entry starts it. */
function privilegeOf(name: string): boolean | "by entry" {
  return name === "jailkit" ? "by entry" : PRIVILEGED.has(name);
}

function build(name: string, architecture: Architecture): void {
  const other = architecture !== process.arch;
  const output = other ? join(root, "dist", architecture) : join(root, "dist");
  const file = join(output, "bin", name);
  mkdirSync(join(output, "bin"), { recursive: true });
  buildExecutable({
    root,
    entry: join(tools, `${name}.ts`),
    output: file,
    privileged: privilegeOf(name),
    ...(other ? { target: architecture } : {}),
  });
  console.log(relative(process.cwd(), file));
  if (!PRIVILEGED.has(name)) return;
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
  if (unknown !== undefined) fail(`there is no src/tools/${unknown}.ts`);
  for (const name of names.length > 0 ? names : allTools()) build(name, architecture);
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (error instanceof ElfError) fail(error.message);
  throw error;
}
