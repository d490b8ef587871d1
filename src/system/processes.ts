import type { ByteString } from "../../ffi/bytes.ts";
import { fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, openAt, readAllFd, readDirectory } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { JailkitError } from "../cli/error.ts";

/** Real, effective and saved user id of a process (proc(5), the `Uid:` line of status). */
const UIDS = /^Uid:\t(\d+)\t(\d+)\t(\d+)/m;

/**
 * The pids of all processes that run as `uid` (real, effective or saved), without those that end meanwhile. Throws
 * JailkitError if /proc is not mounted.
 */
export function processesOf(uid: number): number[] {
  const proc = openAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  try {
    const entries = readDirectory(proc).filter((entry) => /^\d+$/.test(entry.name));
    if (entries.length === 0) {
      throw new JailkitError("no-proc", 1, "/proc is not mounted, so the user's processes cannot be seen");
    }
    const wanted = String(uid);
    return entries
      .filter(({ name }) => UIDS.exec(readStatus(proc, name))?.slice(1).includes(wanted) ?? false)
      .map(({ name }) => Number(name));
  } finally {
    close(proc);
  }
}

/** True if root has another process with one of these names (proc(5), `Name:`). Throws SystemError. */
export function rootRuns(names: ReadonlySet<ByteString>): boolean {
  const proc = openAt(AT_FDCWD, "/proc", O_RDONLY | O_DIRECTORY);
  try {
    return readDirectory(proc).some(({ name: pid }) => {
      if (!/^\d+$/.test(pid) || Number(pid) === libc.getpid()) return false;
      const status = readStatus(proc, pid);
      const name = /^Name:\t(.*)/.exec(status)?.[1];
      return name !== undefined && names.has(name) && UIDS.exec(status)?.[2] === "0";
    });
  } finally {
    close(proc);
  }
}

function readStatus(proc: number, pid: ByteString): ByteString {
  let fd: number;
  try {
    fd = openAt(proc, `${pid}/status`, O_RDONLY);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return "";
    throw error;
  }
  try {
    return fromBytes(readAllFd(fd, 1 << 16));
  } catch (error) {
    if (isErrno(error, "ESRCH")) return "";
    throw error;
  } finally {
    close(fd);
  }
}
