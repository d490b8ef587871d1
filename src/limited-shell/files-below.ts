import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, openAt2, readDirectory, readLink, type Stat } from "../../ffi/files.ts";
import { identityOf } from "../programs/recognise.ts";
import type { FileView } from "./file-view.ts";

/** The Stat of a path, as a process sees it that has the open directory as its root; undefined if it does not exist. */
function statBelow(rootFd: number, path: ByteString, follow = true): Stat | undefined {
  return useBelow(rootFd, path, follow, fstat);
}

/** Calls `use` with an O_PATH descriptor of such a path; undefined if it does not exist, or on an error. */
export function useBelow<T>(
  rootFd: number,
  path: ByteString,
  follow: boolean,
  use: (fd: number) => T,
): T | undefined {
  try {
    const flags = C.O_PATH | (follow ? 0 : C.O_NOFOLLOW);
    const fd = openAt2(rootFd, path, flags, C.RESOLVE_IN_ROOT | C.RESOLVE_NO_MAGICLINKS);
    try {
      return use(fd);
    } finally {
      close(fd);
    }
  } catch (error) {
    // A file that cannot be examined counts as missing.
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/**
 * The files below an open directory, as a process in the working directory `cwd` there sees them: for the limited shell's
 * decision from outside the jail.
 */
export function filesBelow(rootFd: number, cwd: ByteString, homeOf: FileView["homeOf"]): FileView {
  const absolute = (path: ByteString) => (path.startsWith("/") ? path : `${cwd}/${path}`);
  const type = (path: ByteString, follow: boolean) => {
    const stat = statBelow(rootFd, absolute(path), follow);
    return stat === undefined ? undefined : stat.mode & C.S_IFMT;
  };
  return {
    isRegularFile: (path) => type(path, true) === C.S_IFREG,
    isDirectory: (path) => type(path, true) === C.S_IFDIR,
    exists: (path) => type(path, false) !== undefined,
    readDirectory: (path) =>
      useBelow(rootFd, absolute(path), true, (directory) => {
        const fd = openAt(directory, ".", C.O_RDONLY | C.O_DIRECTORY);
        try {
          return readDirectory(fd).map(({ name }) => name);
        } finally {
          close(fd);
        }
      }),
    readLink: (path) => useBelow(rootFd, absolute(path), false, (fd) => readLink(fd, "")),
    identity: (path) => useBelow(rootFd, absolute(path), true, (fd) => identityOf(fstat(fd))),
    look: (path) => statBelow(rootFd, absolute(path), false),
    homeOf,
  };
}
