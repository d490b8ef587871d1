import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import {
  close,
  fstat,
  openDirectoryPath,
  openIfPresent,
  readAllFd,
  readDirectory,
  readLink,
  type Stat,
} from "../../ffi/files.ts";

/** The files below a directory, seen as a process that has it as its root sees them. Nothing is written. */
export interface RootView {
  /** A regular file, opened for reading: its descriptor (the caller closes it) and what fstat(2) tells. */
  openFile(path: ByteString): { fd: number; stat: Stat } | undefined;
  /** All bytes of a regular file; undefined where there is none, or more than `limit` bytes of it. */
  readFile(path: ByteString, limit: number): Uint8Array | undefined;
  /** The names in a directory, sorted by their bytes; undefined where there is no such directory. */
  list(path: ByteString): ByteString[] | undefined;
  /** True for a directory, and for a link to one. */
  isDirectory(path: ByteString): boolean;
  /** The path without links, "." and ".."; undefined where nothing stands there. */
  realPath(path: ByteString): ByteString | undefined;
  /** Gives back the descriptor on the root. */
  close(): void;
}

const MAXIMUM_LINKS = 40;

/**
 * The view of the directory `root` ("/" for the file system as it is). With another root each look-up goes
 * through openat2(2) RESOLVE_IN_ROOT, so that an absolute link or ".." never leads out of it.
 */
export function createRootView(root: ByteString = "/"): RootView {
  const inRoot = root !== "/";
  const rootFd = inRoot ? openDirectoryPath(root) : C.AT_FDCWD;
  const resolve = inRoot ? C.RESOLVE_IN_ROOT | C.RESOLVE_NO_MAGICLINKS : 0;

  const open = (path: ByteString, flags: number) =>
    path.includes("\0") ? undefined : openIfPresent(rootFd, path, flags, resolve);

  function openFile(path: ByteString) {
    // A device may do something when it is opened: what it is, is looked at before, and that is what is opened.
    const found = open(path, C.O_PATH);
    if (found === undefined) return undefined;
    try {
      if ((fstat(found).mode & C.S_IFMT) !== C.S_IFREG) return undefined;
      const flags = C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY;
      // By its name where proc(5) is not mounted.
      const fd = openIfPresent(C.AT_FDCWD, `/proc/self/fd/${found}`, flags) ?? open(path, flags);
      if (fd === undefined) return undefined;
      const stat = fstat(fd);
      if ((stat.mode & C.S_IFMT) === C.S_IFREG) return { fd, stat };
      close(fd);
      return undefined;
    } finally {
      close(found);
    }
  }

  function linkText(path: ByteString): ByteString | "not a link" | undefined {
    const fd = open(path, C.O_PATH | C.O_NOFOLLOW);
    if (fd === undefined) return undefined;
    try {
      return (fstat(fd).mode & C.S_IFMT) === C.S_IFLNK ? readLink(fd, "") : "not a link";
    } finally {
      close(fd);
    }
  }

  function realPath(path: ByteString): ByteString | undefined {
    const pending = path.split("/").reverse();
    const done: ByteString[] = [];
    for (let links = 0; pending.length > 0; ) {
      const name = pending.pop();
      if (name === undefined || name === "" || name === ".") continue;
      if (name === "..") {
        done.pop();
        continue;
      }
      const here = `/${[...done, name].join("/")}`;
      const target = linkText(here);
      if (target === undefined) return undefined;
      if (target === "not a link") {
        done.push(name);
        continue;
      }
      if (++links > MAXIMUM_LINKS) return undefined;
      if (target.startsWith("/")) done.length = 0;
      pending.push(...target.split("/").reverse());
    }
    return `/${done.join("/")}`;
  }

  return {
    openFile,
    readFile(path, limit) {
      const opened = openFile(path);
      if (opened === undefined) return undefined;
      try {
        return opened.stat.size > limit ? undefined : readAllFd(opened.fd, limit);
      } finally {
        close(opened.fd);
      }
    },
    list(path) {
      const fd = open(path, C.O_RDONLY | C.O_DIRECTORY);
      if (fd === undefined) return undefined;
      try {
        return readDirectory(fd)
          .map((entry) => entry.name)
          .sort();
      } finally {
        close(fd);
      }
    },
    isDirectory(path) {
      const fd = open(path, C.O_PATH | C.O_DIRECTORY);
      if (fd !== undefined) close(fd);
      return fd !== undefined;
    },
    realPath,
    close() {
      if (inRoot) close(rootFd);
    },
  };
}
