import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";

/** The folder that holds package.json. */
export const checkout = join(import.meta.dir, "../..");

/** Where compiled helpers are kept between runs. */
export const cache = join(checkout, "node_modules/.cache/jailkit");

/**
 * The path of a C file's executable, compiled at first use and kept below node_modules under a name that changes
 * with the source, and with the files beside it that it includes. Throws where there is no C compiler.
 */
export function compiledC(source: string, flags: readonly string[] = []): string {
  const hash = createHash("sha256").update(flags.join(" "));
  const read = (file: string) => {
    const text = readFileSync(file);
    hash.update(text);
    for (const [, part = ""] of text.toString("latin1").matchAll(/^#include "(.+)"$/gm))
      read(join(dirname(file), part));
  };
  read(source);
  const digest = hash.digest("hex");
  const program = join(cache, `${basename(source, ".c")}-${digest.slice(0, 16)}`);
  if (existsSync(program)) return program;
  mkdirSync(cache, { recursive: true });
  const unfinished = `${program}.${process.pid}`;
  const compiler = Bun.which("cc") ?? Bun.which("gcc");
  if (compiler === null) throw new Error("the tests need a C compiler: install gcc");
  const words = [compiler, "-O1", "-Wall", ...flags, "-o", unfinished, source];
  const { exitCode, stderr } = Bun.spawnSync(words);
  if (exitCode !== 0) {
    rmSync(unfinished, { force: true });
    throw new Error(`${source} does not compile: ${stderr}`);
  }
  renameSync(unfinished, program);
  return program;
}

let machine: string | undefined;

/** The path of machine.c's executable. */
export function helperProgram(): string {
  machine ??= compiledC(join(import.meta.dir, "machine.c"));
  return machine;
}
