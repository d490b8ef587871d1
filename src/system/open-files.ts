import type { ByteString } from "../../ffi/bytes.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { ownerAt, readLink } from "../../ffi/files.ts";
import { readOf } from "./processes.ts";

// What proc(5) tells of the files that a process has.

/** What proc(5) calls an io_uring, and no file. */
const RING = "anon_inode:[io_uring]";
/** The same in the memory of a process, right behind the columns: paths of files begin with a slash, and may have blanks in them. */
const RING_IN_MEMORY =
  /^[0-9a-f]+-[0-9a-f]+ [a-z-]{4} [0-9a-f]+ [0-9a-f]+:[0-9a-f]+ \d+ +anon_inode:\[io_uring\]$/m;
const AN_IO_URING = "an io_uring";
export const TOO_MUCH = "more than can be looked at";
/** How the link of a file without a name ends. */
export const NAMELESS = " (deleted)";
const MOST_MAPS = 1 << 26;

/** What an open file is, printable, if files may be in it that are not known; otherwise undefined. */
export function hidesIn(proc: number, thread: ByteString, name: ByteString): string | undefined {
  const link = linkOf(proc, `${thread}/fd/${name}`) ?? "";
  if (link === RING) return AN_IO_URING;
  if (!link.startsWith("socket:")) return undefined;
  // Of a socket that listens, those of its connections are counted, too.
  const count = /^scm_fds:[\t ]*(\d+)/m.exec(readOf(proc, thread, `fdinfo/${name}`))?.[1];
  return Number(count ?? 0) > 0 ? "a socket with open files in its queue" : undefined;
}

/** What files may be in that the memory of a thread has, printable, or false; undefined if it has ended. */
export function hidesInMemory(proc: number, thread: ByteString): string | false | undefined {
  try {
    const maps = readOf(proc, thread, "maps", MOST_MAPS);
    return maps === "" ? undefined : RING_IN_MEMORY.test(maps) && AN_IO_URING;
  } catch (error) {
    if (isErrno(error, "EFBIG")) return TOO_MUCH;
    throw error;
  }
}

/** The text of a link of proc(5), and of one that is too long its end; undefined if it is not there any more. */
export function linkOf(proc: number, path: ByteString): ByteString | undefined {
  try {
    return readLink(proc, path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return undefined;
    // Users can nest directories so deep: it may be one without a name.
    if (isErrno(error, "ENAMETOOLONG")) return NAMELESS;
    throw error;
  }
}

/**
 * The owner of what a link of proc(5) is; undefined if it is not there any more, "unknown" where the file system does not tell root,
 * such as one that a program of a user serves (FUSE), or that is gone.
 */
export function ownerOfOpen(proc: number, path: ByteString): number | "unknown" | undefined {
  try {
    return ownerAt(proc, path, true);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return undefined;
    if (error instanceof SystemError) return "unknown";
    throw error;
  }
}
