import { basicFstat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { openIfPresent, withFd } from "../../ffi/files.ts";
import {
  allowBeneath,
  EXECUTE,
  FILE_RIGHTS,
  landlockVersion,
  READ_DIR,
  READ_FILE,
  WITH_FILES,
} from "../../ffi/landlock.ts";
import { allowNames, type Names, PROGRAM } from "../../ffi/landlock-names.ts";
import {
  type ExecuteScope,
  eachTrustedDirectory,
  type Group,
  type LeftOut,
  SYSTEM_GROUPS,
} from "./directories.ts";

/** The reason if canLimitExecution returns false. */
export const NO_LANDLOCK =
  "the kernel has no Landlock (Linux 5.19 and later have it, unless built or booted without)";

/** True if this kernel can limit what a session executes. Throws SystemError if that is unknown. */
export function canLimitExecution(): boolean {
  return landlockVersion() >= WITH_FILES;
}

/** The files that may be executed besides those in the system's directories. */
export interface ExecuteLimits extends ExecuteScope {
  /** Programs, by absolute path. Symbolic links are followed, and missing files do not count. */
  executables: readonly ByteString[];
}

// The dynamic linkers, which the kernel executes for each program that is not static.
const LOADERS = [
  "/lib64/ld-linux-x86-64.so.2",
  "/lib/ld-linux-aarch64.so.1",
  "/lib/ld-musl-x86_64.so.1",
  "/lib/ld-musl-aarch64.so.1",
];

/** The limits of a program that executes only itself and `starts` (directories and files). */
export function startsLimits(
  program: ByteString,
  starts: readonly ByteString[],
  home: ByteString,
): ExecuteLimits {
  return { named: starts, executables: [program, ...starts, ...LOADERS], home, onlyNamed: true };
}

/** Allows a file with these rights: a program, or another regular file. Symbolic links are followed. */
export function allowFile(ruleset: number, path: ByteString, rights: number): void {
  const file = openIfPresent(C.AT_FDCWD, path, C.O_PATH);
  // execve(2) will fail with the same error.
  if (file === undefined) return;
  withFd(file, (fd) => {
    if ((basicFstat(fd).mode & C.S_IFMT) === C.S_IFREG) allowBeneath(ruleset, rights, fd);
  });
}

function allowProgram(ruleset: number, path: ByteString, rights: number): void {
  if (path.startsWith("/")) allowFile(ruleset, path, rights);
}

/** SYSTEM_GROUPS as names for allowNames, each group in the directory of the one before; written out, to save time. */
export const SYSTEM_NAMES: Names = {
  count: 22,
  text:
    "/bin\0/sbin\0/lib\0/lib32\0/lib64\0/libx32\0/opt\0" +
    ">usr\0/bin\0/sbin\0/lib\0/lib32\0/lib64\0/libx32\0/libexec\0/share\0" +
    ">local\0/bin\0/sbin\0/lib\0/libexec\0/share\0",
};

/**
 * Adds the rules for the system's directories and for the programs in one call, as far as a directory is plainly trusted or
 * missing. Returns the others, of which eachTrustedDirectory knows more; undefined if there are no rules at all.
 */
function allowQuickly(
  ruleset: number,
  root: number,
  { executables, home }: ExecuteLimits,
  rights: number,
): readonly Group[] | undefined {
  let { text, count } = SYSTEM_NAMES;
  const paths: ByteString[] = [];
  for (const path of executables) {
    if (path.includes("\0")) return undefined;
    if (!path.startsWith("/")) continue;
    paths.push(path);
    text += `${PROGRAM}${path}\0`;
    count++;
  }
  const results = allowNames(ruleset, root, { text, count }, rights, home);
  if (results === undefined) return undefined;
  if (results.isPlain) return [];
  if (results.rule !== 0) throw new SystemError(results.rule, "landlock_add_rule", undefined);
  for (let i = SYSTEM_NAMES.count; i < count; i++) {
    const error = results.errorOf(i);
    // execve(2) will fail with the same error.
    if (error !== 0 && !isMissing(error)) throw new SystemError(error, "open", paths[i - SYSTEM_NAMES.count]);
  }
  const others: Group[] = [];
  let i = 0;
  let depth = 0;
  for (const [above, last] of SYSTEM_GROUPS) {
    i += above.length - depth;
    depth = above.length;
    const left: ByteString[] = [];
    for (const name of last) {
      const error = results.errorOf(i++);
      if (error !== 0 && error !== C.ELOOP && !isMissing(error)) left.push(name);
    }
    if (left.length > 0) others.push([above, left]);
  }
  return others;
}

const isMissing = (error: number): boolean => error === C.ENOENT || error === C.ENOTDIR;

/**
 * Adds the rules for `limits`: files in directories that only root can write, and its programs. The dynamic linker and
 * interpreters need to be among them. `handled`: the rights that the ruleset denies; execve(2) reads what it executes.
 * Returns the directories that were left out. Throws SystemError.
 */
export function allowExecution(
  ruleset: number,
  root: number,
  limits: ExecuteLimits,
  handled: number,
): LeftOut[] {
  const rights = handled & (EXECUTE | READ_FILE | READ_DIR);
  const use = (_: ByteString, fd: number) => allowBeneath(ruleset, rights, fd);
  const { onlyNamed = false, executables } = limits;
  const others = onlyNamed ? undefined : allowQuickly(ruleset, root, limits, rights);
  if (others !== undefined) return eachTrustedDirectory(root, { ...limits, system: others }, use);
  const leftOut = eachTrustedDirectory(root, limits, use);
  for (const path of executables) allowProgram(ruleset, path, rights & FILE_RIGHTS);
  return leftOut;
}
