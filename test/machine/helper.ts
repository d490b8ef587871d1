import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";

/** The folder that holds package.json. */
export const checkout = join(import.meta.dir, "../..");

let built: string | undefined;

/**
 * The path of machine.c's executable, compiled at first use and kept below node_modules under a name that changes
 * with the source. Throws where there is no C compiler.
 */
export function helperProgram(): string {
  if (built !== undefined) return built;
  const source = join(import.meta.dir, "machine.c");
  const digest = createHash("sha256").update(readFileSync(source)).digest("hex").slice(0, 16);
  const folder = join(checkout, "node_modules/.cache/jailkit");
  const program = join(folder, `machine-${digest}`);
  if (!existsSync(program)) {
    mkdirSync(folder, { recursive: true });
    const unfinished = `${program}.${process.pid}`;
    const compiler = Bun.which("cc") ?? Bun.which("gcc");
    if (compiler === null) throw new Error("the tests need a C compiler: install gcc");
    const { exitCode, stderr } = Bun.spawnSync([compiler, "-O1", "-Wall", "-o", unfinished, source]);
    if (exitCode !== 0) {
      rmSync(unfinished, { force: true });
      throw new Error(`machine.c does not compile: ${stderr}`);
    }
    renameSync(unfinished, program);
  }
  built = program;
  return program;
}
