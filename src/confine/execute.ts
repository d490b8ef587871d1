import { basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { openDirectoryPath, openIfPresent, withFd } from "../../ffi/files.ts";
import {
  allowBeneath,
  createRuleset,
  EXECUTE,
  landlockVersion,
  MAKE_BLOCK,
  REFER,
  restrictSelf,
} from "../../ffi/landlock.ts";
import { addressOf, cArgument, errno, libc, syscall } from "../../ffi/libc.ts";
import { type ExecuteScope, eachTrustedDirectory, type LeftOut } from "./directories.ts";

// Version 1 (Linux 5.13 to 5.18) has no REFER, and denies everyone with a rule to move files to other directories, which
// uploads need.
const FIRST_WITH_REFER = 2;

/** The reason if canLimitExecution returns false. */
export const NO_LANDLOCK =
  "the kernel has no Landlock (Linux 5.19 and later have it, unless built or booted without)";

/** True if this kernel can limit what a session executes. Throws SystemError if that is unknown. */
export function canLimitExecution(): boolean {
  return landlockVersion() >= FIRST_WITH_REFER;
}

const SYS_mknodat = process.arch === "arm64" ? 33 : 259;
const PROBE = ".jailkit-probe";

/**
 * Checks that the rules are in force, if that is visible. They forbid creating a block device: Landlock refuses it with
 * EACCES, before the kernel checks the capability (EPERM). In a working directory that the user cannot write, or that was
 * removed, the error is the same without rules. Throws SystemError.
 */
function checkLimited(): void {
  const result = syscall(SYS_mknodat, C.AT_FDCWD, addressOf(cArgument(PROBE)), C.S_IFBLK);
  if (result < 0 && errno() !== C.EPERM) return;
  if (result === 0) libc.unlinkat(C.AT_FDCWD, cArgument(PROBE), 0);
  throw new SystemError(C.EPERM, "landlock_restrict_self", undefined);
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

/** Allows a program, unless it is in one of `directories` and is no symbolic link. */
function allowProgram(ruleset: number, path: ByteString, directories: ReadonlySet<ByteString>): void {
  if (!path.startsWith("/")) return;
  if (directories.has(path.slice(0, path.lastIndexOf("/")))) {
    const stat = basicStat(C.AT_FDCWD, path);
    if (stat === undefined || (stat.mode & C.S_IFMT) !== C.S_IFLNK) return;
  }
  const file = openIfPresent(C.AT_FDCWD, path, C.O_PATH);
  // execve(2) will fail with the same error.
  if (file === undefined) return;
  withFd(file, (fd) => {
    if ((basicFstat(fd).mode & C.S_IFMT) === C.S_IFREG) allowBeneath(ruleset, EXECUTE, fd);
  });
}

function limit(root: number, limits: ExecuteLimits): LeftOut[] {
  return withFd(createRuleset(EXECUTE | REFER | MAKE_BLOCK), (ruleset) => {
    allowBeneath(ruleset, REFER, root);
    const directories = new Set<ByteString>();
    const leftOut = eachTrustedDirectory(root, limits, (path, fd) => {
      allowBeneath(ruleset, EXECUTE, fd);
      directories.add(path);
    });
    for (const path of limits.executables) allowProgram(ruleset, path, directories);
    restrictSelf(ruleset);
    return leftOut;
  });
}

/**
 * Limits what this process and everything that it starts may execute: files in directories that only root can write, and
 * the programs of `limits`, by landlock(7). The dynamic linker and interpreters need to be among them. Checked if the
 * result is visible (checkLimited). no_new_privs must be set. Returns the directories that were left out; undefined,
 * without any limit, if the kernel has no Landlock or its version 1. Throws SystemError.
 */
export function limitExecution(limits: ExecuteLimits): LeftOut[] | undefined {
  if (!canLimitExecution()) return undefined;
  const leftOut = withFd(openDirectoryPath("/"), (root) => limit(root, limits));
  checkLimited();
  return leftOut;
}
