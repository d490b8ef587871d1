import { appendFileSync, chmodSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { ElfError } from "./elf-file.ts";
import { injectGuard, type Privileged } from "./elf-inject.ts";
import { type Architecture, buildGuard } from "./guard.ts";
import { runtimeFor } from "./runtime.ts";

// Bytecode and code splitting save start-up time. Files in the working directory have no effect.
const FLAGS = [
  "--compile",
  "--bytecode",
  "--minify",
  "--format=esm",
  "--splitting",
  "--no-compile-autoload-dotenv",
  "--no-compile-autoload-bunfig",
  "--no-compile-autoload-tsconfig",
  "--no-compile-autoload-package-json",
];

// Most programs end before the JIT has paid for itself; those that copy thousands of files do not.
const LATE_JIT = "--compile-jit-policy=1000";
const BUSY: ReadonlySet<string> = new Set(["jk_init", "jk_cp"]);
// Late enough for a handful of files, early enough for thousands (both measured).
const EARLIER_JIT = "--compile-jit-policy=20";

interface ExecutableOptions {
  /** The project, or another folder: paths in the executable are relative to it. */
  root: string;
  entry: string;
  output: string;
  privileged: Privileged;
  /** Without a guard, for tests. */
  unguarded?: boolean;
  /** Another architecture, whose runtime is fetched if necessary. */
  target?: Architecture;
}

function bunBuild(options: ExecutableOptions, temporary: string): void {
  const jit = BUSY.has(basename(options.entry, ".ts")) ? EARLIER_JIT : LATE_JIT;
  const { target } = options;
  const other =
    target === undefined
      ? []
      : [`--target=bun-linux-${target}`, `--compile-executable-path=${runtimeFor(target)}`];
  // Relative names, since an absolute one would be in the executable, and two folders would build different ones.
  const { exitCode, stdout, stderr } = Bun.spawnSync(
    [
      process.execPath,
      "build",
      ...FLAGS,
      jit,
      ...other,
      `./${relative(options.root, options.entry)}`,
      "--outfile",
      temporary,
    ],
    // Without bunfig.toml, .env and settings in the environment.
    {
      cwd: options.root,
      env: { PATH: "/usr/bin:/bin", HOME: "/nonexistent" },
      stdout: "pipe",
      stderr: "pipe",
    },
  );
  if (exitCode !== 0)
    throw new ElfError(`${relative(options.root, options.entry)}: ${stderr.toString()}${stdout.toString()}`);
}

/**
 * Compiles one TypeScript file to an executable with the guard in it, and renames it into place. Throws `ElfError` with
 * the output of the compilers.
 */
export function buildExecutable(options: ExecutableOptions): void {
  const architecture = options.target ?? (process.arch === "arm64" ? "arm64" : "x64");
  const folder = join(dirname(options.output), `.build-${basename(options.output)}-${process.pid}`);
  // It has its final name, which is in the executable.
  const compiled = join(folder, basename(options.output));
  mkdirSync(folder, { recursive: true });
  try {
    bunBuild(options, compiled);
    if (options.unguarded !== true) {
      // Mapped, since only a few words of more than 100 MB change.
      const mapped = Bun.mmap(compiled, { shared: true });
      const executable = Buffer.from(mapped.buffer, mapped.byteOffset, mapped.byteLength);
      const { tail } = injectGuard(executable, buildGuard(architecture), options);
      appendFileSync(compiled, tail);
    }
    chmodSync(compiled, 0o755);
    renameSync(compiled, options.output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
