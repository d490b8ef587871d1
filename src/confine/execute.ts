import { basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
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
import { hasFilters } from "../../ffi/seccomp.ts";
import { type ExecuteScope, eachTrustedDirectory, type LeftOut } from "./directories.ts";

/** The reason if canLimitExecution returns false. */
export const NO_LANDLOCK =
  "the kernel has no Landlock (Linux 5.19 and later have it, unless built or booted without)";

/** True if this kernel can limit what a session executes. Throws SystemError if that is unknown. */
export function canLimitExecution(): boolean {
  return landlockVersion() >= WITH_FILES;
}

/** True if this kernel can also keep a server from executing what others may: forbidExecution of calls.ts. Throws as above. */
export const canLimitServers = (): boolean => canLimitExecution() && hasFilters();

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

/** Allows a program, unless it is in one of `directories` and is no symbolic link. */
function allowProgram(
  ruleset: number,
  path: ByteString,
  rights: number,
  directories: ReadonlySet<ByteString>,
): void {
  if (!path.startsWith("/")) return;
  if (directories.has(path.slice(0, path.lastIndexOf("/")))) {
    const stat = basicStat(C.AT_FDCWD, path);
    if (stat === undefined || (stat.mode & C.S_IFMT) !== C.S_IFLNK) return;
  }
  allowFile(ruleset, path, rights);
}

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
  const directories = new Set<ByteString>();
  const leftOut = eachTrustedDirectory(root, limits, (path, fd) => {
    allowBeneath(ruleset, rights, fd);
    directories.add(path);
  });
  for (const path of limits.executables) allowProgram(ruleset, path, rights & FILE_RIGHTS, directories);
  return leftOut;
}
