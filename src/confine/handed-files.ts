import { basicFstat } from "../../ffi/basic-stat.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { fstat, statAt, withFd } from "../../ffi/files.ts";
import { standardError } from "../../ffi/guard.ts";
import { allowBeneath, createRuleset, EXECUTE, landlockVersion } from "../../ffi/landlock.ts";
import { libc } from "../../ffi/libc.ts";
import { isReported } from "../cli/error.ts";
import { ownMounts } from "../system/mountinfo.ts";
import { keepsOwners } from "../system/mounts.ts";

const F_GET_SEALS = 1034;
// Linux 6.3: the mode gets no bit for executing then. MFD_NOEXEC_SEAL of memfd_create(2) sets it.
const F_SEAL_EXEC = 0x20;
const CAN_EXECUTE = 0o111;

/** True for a file without a path, which no rule of Landlock is about: one of memfd_create(2). Throws SystemError. */
function hasNoPath(fd: number): boolean {
  return withFd(createRuleset({ files: EXECUTE, ports: 0, scopes: 0 }), (unused) => {
    try {
      allowBeneath(unused, EXECUTE, fd);
      return false;
    } catch (error) {
      if (isErrno(error, "EBADFD")) return true;
      throw error;
    }
  });
}

/** True if the mount of a file is one that this process sees. Throws SystemError. */
function isOnOwnMount(fd: number): boolean {
  const { mountId } = fstat(fd);
  if (mountId === statAt(C.AT_FDCWD, "/").mountId) return true;
  for (const { id } of ownMounts()) if (id === mountId) return true;
  return false;
}

/** True if a file that nobody may execute stays so: the user cannot change its mode. Throws SystemError. */
function keepsMode(fd: number, uid: number): boolean {
  // -1: a file that cannot have seals.
  const seals = libc.fcntl(fd, F_GET_SEALS, 0);
  if (seals >= 0 && (seals & F_SEAL_EXEC) !== 0) return true;
  // Without a path it is of the kernel's own, such as a namespace, and not of a user's file system.
  return uid === 0 && (keepsOwners(fd) || hasNoPath(fd));
}

/** Why Landlock would not keep a session from executing an open file; undefined if it would, or if nobody can. */
function whyLoose(fd: number): string | undefined {
  const { mode, uid } = basicFstat(fd);
  if ((mode & C.S_IFMT) !== C.S_IFREG) return undefined;
  try {
    if (landlockVersion() === 0) return undefined;
    if ((mode & CAN_EXECUTE) === 0 && keepsMode(fd, uid)) return undefined;
    if (hasNoPath(fd)) return "a file in memory";
    return isOnOwnMount(fd) ? undefined : "a file of a mount that is not visible here";
  } catch (error) {
    if (isReported(error)) return "a file that cannot be examined";
    throw error;
  }
}

function judge(): string | undefined {
  const names = ["standard input", "standard output", "standard error"];
  let i = 0;
  for (const fd of [0, 1, standardError]) {
    const why = whyLoose(fd);
    if (why !== undefined) return `${names[i]} is ${why}`;
    i++;
  }
  return undefined;
}

let judged: { loose: string | undefined } | undefined;

/**
 * What is wrong with standard input, output and error as the caller opened them, for sessions that may execute only some
 * files: `execute` does not stop a file in memory, which has no path, and one of another process's mounts counts as below
 * the directory on which that process mounted it. Undefined if nothing is. A program that enters a jail calls this before,
 * since the host's mounts are not listed there; later calls return the same. Throws SystemError if one is not open.
 */
export function looseFile(): string | undefined {
  judged ??= { loose: judge() };
  return judged.loose;
}
