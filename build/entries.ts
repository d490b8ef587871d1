import { chmodSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { ElfError } from "./elf-file.ts";
import { type Architecture, FREESTANDING, runCompiler } from "./guard.ts";

/** The default path of the executable that an entry starts. */
const SHARED_EXECUTABLE = "/usr/sbin/jailkit";

const LARGEST = 10_240;

// It runs at any address without relocations, which ffi/guard/entry/entry.ld ensures.
const FLAGS = [
  ...FREESTANDING,
  "-static-pie",
  "-fPIE",
  "-fvisibility=hidden",
  "-ffunction-sections",
  "-Wl,--gc-sections",
  "-Wl,-T,entry.ld",
  "-Wl,-s",
];

// Shared with the guard.
const SOURCES = ["main.c", "../privileges.c", "../descriptors.c", "../limits.c", "../refusal.c"];

interface EntryOptions {
  /** The program: jk_chrootsh, jk_uchroot or jk_procmailwrapper. */
  name: string;
  output: string;
  architecture: Architecture;
  /** The executable that it starts, by its absolute path; compiled in. */
  target?: string;
}

/** Compiles a native entry (ffi/guard/entry/) and renames it into place. Throws `ElfError`. */
export function buildEntry({ name, output, architecture, target = SHARED_EXECUTABLE }: EntryOptions): void {
  if (!/^\w+$/.test(name) || !/^\/[\w./+-]+$/.test(target))
    throw new ElfError(`an entry ${name} for ${target}: names of letters, digits and a few signs only`);
  const folder = mkdtempSync(join(dirname(output), ".build-entry-"));
  try {
    const compiled = join(folder, basename(output));
    const names = [`-DENTRY_NAME="${name}"`, `-DENTRY_TARGET="${target}"`];
    runCompiler(architecture, "entry", [...FLAGS, ...names, "-o", compiled, ...SOURCES]);
    const size = readFileSync(compiled).length;
    if (size > LARGEST) throw new ElfError(`the entry ${name} has ${size} bytes, more than ${LARGEST}`);
    chmodSync(compiled, 0o755);
    renameSync(compiled, output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
