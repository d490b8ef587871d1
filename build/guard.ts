import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ElfError } from "./elf-file.ts";

export type Architecture = "x64" | "arm64";

const COMPILERS: Readonly<Record<Architecture, { names: string[]; packages: string }>> = {
  x64: { names: ["x86_64-linux-gnu-gcc", "gcc", "cc"], packages: "gcc libc6-dev" },
  arm64: {
    names: ["aarch64-linux-gnu-gcc", "gcc", "cc"],
    packages: "gcc-aarch64-linux-gnu libc6-dev-arm64-cross",
  },
};

/** Flags for code without a C library, and without additions of the compiler for a hosted program. */
export const FREESTANDING: readonly string[] = [
  "-Os",
  "-std=gnu11",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-nostdlib",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  // It would turn loops into calls of memset and memcpy, which do not exist.
  "-fno-tree-loop-distribute-patterns",
  "-Wl,--build-id=none",
  "-Wl,-z,noexecstack",
];

// At a fixed address.
const FLAGS = [...FREESTANDING, "-static", "-fno-pic", "-fno-pie", "-no-pie", "-Wl,-T,guard.ld"];

const sources = join(import.meta.dir, "../ffi/guard");
const built = new Map<Architecture, Buffer>();

function compilerFor(architecture: Architecture): string {
  const { names, packages } = COMPILERS[architecture];
  for (const name of names) {
    // A compiler without an architecture in its name is for this machine.
    if (!name.includes("-") && architecture !== process.arch) continue;
    const path = Bun.which(name);
    if (path !== null) return path;
  }
  throw new ElfError(`no C compiler for ${architecture}: apt-get install ${packages}`);
}

/** Runs the C compiler of an architecture in a folder below ffi/guard/. Throws `ElfError` with its output. */
export function runCompiler(architecture: Architecture, folder: string, words: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([compilerFor(architecture), ...words], {
    cwd: join(sources, folder),
    stdout: "ignore",
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new ElfError(`ffi/guard/${folder} does not compile:\n${stderr.toString()}`);
}

/** The guard as an ELF file, compiled from ffi/guard/ once per process. Throws `ElfError`. */
export function buildGuard(architecture: Architecture): Buffer {
  const present = built.get(architecture);
  if (present !== undefined) return present;
  const directory = mkdtempSync(join(tmpdir(), "jailkit-guard-"));
  try {
    const output = join(directory, "guard.elf");
    const files = readdirSync(sources)
      .filter((name) => name.endsWith(".c"))
      .sort();
    runCompiler(architecture, ".", [...FLAGS, "-o", output, ...files]);
    const guard = readFileSync(output);
    built.set(architecture, guard);
    return guard;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
