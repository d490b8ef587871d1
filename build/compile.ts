/**
 * npm run build [-- TOOL...]
 *
 * Makes dist/bin/TOOL from src/tools/TOOL.ts for every tool, or for those named: executables that need nothing but
 * glibc, each with the guard (ffi/guard/) in it. Two builds of one commit are the same to the byte.
 */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join, relative } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { ElfError } from "./elf-file.ts";
import { buildExecutable, PRIVILEGED } from "./executable.ts";

const root = join(import.meta.dir, "..");
const tools = join(root, "src/tools");
const output = join(root, "dist/bin");

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

function main(names: string[]): void {
  const wanted = packageJson.devDependencies.bun;
  if (Bun.version !== wanted) fail(`this is Bun ${Bun.version}, and jailkit needs Bun ${wanted}: npm ci`);
  if (process.platform !== "linux" || (process.arch !== "x64" && process.arch !== "arm64"))
    fail("jailkit runs on Linux, on x86-64 and aarch64");
  const unknown = names.find((name) => !existsSync(join(tools, `${name}.ts`)));
  if (unknown !== undefined) fail(`there is no src/tools/${unknown}.ts`);
  mkdirSync(output, { recursive: true });
  for (const name of names.length > 0 ? names : allTools()) {
    const file = join(output, name);
    buildExecutable({
      root,
      entry: join(tools, `${name}.ts`),
      output: file,
      privileged: PRIVILEGED.has(name),
    });
    console.log(relative(process.cwd(), file));
  }
}

try {
  main(process.argv.slice(2));
} catch (error) {
  if (error instanceof ElfError) fail(error.message);
  throw error;
}
