import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ElfError } from "./elf-file.ts";

export type Architecture = "x64" | "arm64";

const COMPILERS: Readonly<Record<Architecture, { names: string[]; debianPackage: string }>> = {
  x64: { names: ["x86_64-linux-gnu-gcc", "gcc", "cc"], debianPackage: "gcc" },
  arm64: { names: ["aarch64-linux-gnu-gcc", "gcc", "cc"], debianPackage: "gcc-aarch64-linux-gnu" },
};

// Freestanding, at a fixed address, without anything that the compiler would add for a hosted program.
const FLAGS = [
  "-Os",
  "-std=gnu11",
  "-Wall",
  "-Wextra",
  "-Werror",
  "-ffreestanding",
  "-nostdlib",
  "-static",
  "-fno-pic",
  "-fno-pie",
  "-no-pie",
  "-fno-stack-protector",
  "-fno-asynchronous-unwind-tables",
  // It would turn loops into calls of memset and memcpy, which nobody provides.
  "-fno-tree-loop-distribute-patterns",
  "-Wl,--build-id=none",
  "-Wl,-z,noexecstack",
];

const sources = join(import.meta.dir, "../ffi/guard");
const built = new Map<Architecture, Buffer>();

function compilerFor(architecture: Architecture): string {
  const { names, debianPackage } = COMPILERS[architecture];
  for (const name of names) {
    // Only the compiler of this very machine answers to a name without an architecture.
    if (!name.includes("-") && architecture !== process.arch) continue;
    const path = Bun.which(name);
    if (path !== null) return path;
  }
  throw new ElfError(`no C compiler for ${architecture}: apt-get install ${debianPackage}`);
}

/** The guard as an ELF file, compiled from ffi/guard/ once in this process. Throws `ElfError`. */
export function buildGuard(architecture: Architecture): Buffer {
  const present = built.get(architecture);
  if (present !== undefined) return present;
  const directory = mkdtempSync(join(tmpdir(), "jailkit-guard-"));
  try {
    const output = join(directory, "guard.elf");
    const files = readdirSync(sources)
      .filter((name) => name.endsWith(".c"))
      .sort();
    const { exitCode, stderr } = Bun.spawnSync(
      [compilerFor(architecture), ...FLAGS, "-Wl,-T,guard.ld", "-o", output, ...files],
      { cwd: sources, stdout: "ignore", stderr: "pipe" },
    );
    if (exitCode !== 0) throw new ElfError(`the guard does not compile:\n${stderr.toString()}`);
    const guard = readFileSync(output);
    built.set(architecture, guard);
    return guard;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
