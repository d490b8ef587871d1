import { chmodSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { ElfError } from "./elf-file.ts";

export type Architecture = "x64" | "arm64";

/** The compiler for each architecture, and Debian's packages with it and its headers. */
const COMPILERS: Readonly<Record<Architecture, readonly [name: string, packages: string]>> = {
  x64: ["x86_64-linux-gnu-gcc", "gcc libc6-dev"],
  arm64: ["aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu libc6-dev-arm64-cross"],
};

/** Flags for code without a C library, and without additions of the compiler for a hosted program. */
const FREESTANDING = [
  ..."-Os -std=gnu11 -Wall -Wextra -Werror -ffreestanding -nostdlib".split(" "),
  ..."-fno-stack-protector -fno-asynchronous-unwind-tables -Wl,--build-id=none -Wl,-z,noexecstack".split(" "),
  // It would turn loops into calls of memset and memcpy, which do not exist.
  "-fno-tree-loop-distribute-patterns",
];

// At a fixed address.
const GUARD_FLAGS = [...FREESTANDING, "-static", "-fno-pic", "-fno-pie", "-no-pie", "-Wl,-T,guard.ld"];

const sources = join(import.meta.dir, "../ffi/guard");
const built = new Map<Architecture, Buffer>();

function compilerFor(architecture: Architecture): string {
  const [name, packages] = COMPILERS[architecture];
  const names = architecture === process.arch ? [name, "gcc", "cc"] : [name];
  const [path] = names.flatMap((one) => Bun.which(one) ?? []);
  if (path === undefined)
    throw new ElfError(`no C compiler for ${architecture}: apt-get install ${packages}`);
  return path;
}

/** Calls `use` with a new folder, and removes it afterwards. */
export function inFolder<T>(prefix: string, use: (folder: string) => T): T {
  const folder = mkdtempSync(prefix);
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs the C compiler of an architecture in a folder below ffi/guard/. Throws `ElfError` with its output. */
function runCompiler(architecture: Architecture, folder: string, words: readonly string[]): void {
  const { exitCode, stderr } = Bun.spawnSync([compilerFor(architecture), ...words], {
    cwd: join(sources, folder),
    stdout: "ignore",
    stderr: "pipe",
  });
  if (exitCode !== 0) throw new ElfError(`ffi/guard/${folder} does not compile:\n${stderr}`);
}

/** The guard as an ELF file, compiled from ffi/guard/ once per process. Throws `ElfError`. */
export function buildGuard(architecture: Architecture): Buffer {
  const present = built.get(architecture);
  if (present !== undefined) return present;
  const files = readdirSync(sources).filter((name) => name.endsWith(".c"));
  const guard = inFolder(join(tmpdir(), "jailkit-guard-"), (folder) => {
    const output = join(folder, "guard.elf");
    // Otherwise gcc calls functions of its library for them.
    const atomics = architecture === "arm64" ? ["-mno-outline-atomics"] : [];
    runCompiler(architecture, ".", [...GUARD_FLAGS, ...atomics, "-o", output, ...files.sort()]);
    return readFileSync(output);
  });
  built.set(architecture, guard);
  return guard;
}

const LARGEST_ENTRY = 10_240;

// It runs at any address without relocations, which ffi/guard/entry/entry.ld ensures.
const ENTRY_FLAGS = [
  ...FREESTANDING,
  ..."-static-pie -fPIE -fvisibility=hidden -ffunction-sections".split(" "),
  ..."-Wl,--gc-sections -Wl,-T,entry.ld -Wl,-s".split(" "),
];

// Shared with the guard.
const ENTRY_SOURCES = ["main.c", "../privileges.c", "../descriptors.c", "../limits.c", "../refusal.c"];

interface EntryOptions {
  /** The program: jk_chrootsh, jk_uchroot or jk_procmailwrapper. */
  name: string;
  output: string;
  architecture: Architecture;
  /** The executable that it starts, by its absolute path; compiled in. */
  target?: string;
}

/** Compiles a native entry (ffi/guard/entry/) and renames it into place. Throws `ElfError`. */
export function buildEntry({ name, output, architecture, target = "/usr/sbin/jailkit" }: EntryOptions): void {
  if (!/^\w+$/.test(name) || !/^\/[\w./+-]+$/.test(target))
    throw new ElfError(`an entry ${name} for ${target}: names of letters, digits and a few signs only`);
  inFolder(join(dirname(output), ".build-entry-"), (folder) => {
    const compiled = join(folder, basename(output));
    const names = [`-DENTRY_NAME="${name}"`, `-DENTRY_TARGET="${target}"`];
    runCompiler(architecture, "entry", [...ENTRY_FLAGS, ...names, "-o", compiled, ...ENTRY_SOURCES]);
    const { size } = statSync(compiled);
    if (size > LARGEST_ENTRY)
      throw new ElfError(`the entry ${name} has ${size} bytes, more than ${LARGEST_ENTRY}`);
    chmodSync(compiled, 0o755);
    renameSync(compiled, output);
  });
}
