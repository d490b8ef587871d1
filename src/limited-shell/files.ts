import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import {
  fstat,
  openAt,
  openAt2,
  readDirectory,
  readLink,
  type Stat,
  statIfPresent,
  withFd,
} from "../../ffi/files.ts";
import type { ProgramFiles } from "../known-programs/program.ts";
import { identityOf } from "../known-programs/recognise.ts";

/**
 * The file system and accounts, as the limited shell sees them. Relative paths start at the working directory. A file that
 * cannot be examined counts as missing.
 */
export interface FileView extends ProgramFiles {
  /** True for a regular file; symbolic links are followed. */
  isRegularFile(path: ByteString): boolean;
  /** True for a directory; symbolic links are followed. */
  isDirectory(path: ByteString): boolean;
  /** True if the path exists, also as a dangling symbolic link. */
  exists(path: ByteString): boolean;
  /**
   * The names in a directory, without "." and ".."; undefined if it cannot be read. Reading may stop after more than
   * `limit` names.
   */
  readDirectory(path: ByteString, limit: number): ByteString[] | undefined;
  /** The home directory of a user; undefined if there is no such user. */
  homeOf(user: ByteString): ByteString | undefined;
}

function viewOf(
  stat: (path: ByteString, follow: boolean) => Stat | undefined,
  rest: Pick<FileView, "readDirectory" | "readLink" | "homeOf">,
): FileView {
  const hasType = (path: ByteString, type: number) => ((stat(path, true)?.mode ?? 0) & C.S_IFMT) === type;
  return {
    isRegularFile: (path) => hasType(path, C.S_IFREG),
    isDirectory: (path) => hasType(path, C.S_IFDIR),
    exists: (path) => stat(path, false) !== undefined,
    identity(path) {
      const found = stat(path, true);
      return found && identityOf(found);
    },
    look: (path) => stat(path, false),
    ...rest,
  };
}

const namesIn = (dirfd: number, path: ByteString, limit: number) =>
  withFd(openAt(dirfd, path, C.O_RDONLY | C.O_DIRECTORY | C.O_NONBLOCK), (fd) =>
    readDirectory(fd, limit).map(({ name }) => name),
  );

/** Examined first, since the exception for another file would cost a login time. */
function linkAt(path: ByteString): ByteString | undefined {
  const stat = statIfPresent(C.AT_FDCWD, path);
  return stat && (stat.mode & C.S_IFMT) === C.S_IFLNK ? readLink(C.AT_FDCWD, path) : undefined;
}

/** The file system as this process sees it, with its rights. `homeOf` looks up an account. */
export function systemFiles(homeOf: FileView["homeOf"]): FileView {
  return viewOf((path, follow) => attempt(() => statIfPresent(C.AT_FDCWD, path, follow)), {
    readDirectory: (path, limit) => attempt(() => namesIn(C.AT_FDCWD, path, limit)),
    readLink: (path) => attempt(() => linkAt(path)),
    homeOf,
  });
}

/**
 * Calls `use` with an O_PATH descriptor of a path, as a process sees it that has the open directory as its root; undefined
 * if it does not exist, or on an error.
 */
export function useBelow<T>(rootFd: number, path: ByteString, follow: boolean, use: (fd: number) => T) {
  const flags = C.O_PATH | (follow ? 0 : C.O_NOFOLLOW);
  const resolve = C.RESOLVE_IN_ROOT | C.RESOLVE_NO_MAGICLINKS;
  return attempt(() => withFd(openAt2(rootFd, path, flags, resolve), use));
}

/**
 * The files below an open directory, as a process in the working directory `cwd` there sees them: for the limited shell's
 * decision from outside the jail.
 */
export function filesBelow(rootFd: number, cwd: ByteString, homeOf: FileView["homeOf"]): FileView {
  const below = <T>(path: ByteString, follow: boolean, use: (fd: number) => T) =>
    useBelow(rootFd, path.startsWith("/") ? path : `${cwd}/${path}`, follow, use);
  return viewOf((path, follow) => below(path, follow, fstat), {
    readDirectory: (path, limit) => below(path, true, (fd) => namesIn(fd, ".", limit)),
    readLink: (path) => below(path, false, (fd) => readLink(fd, "")),
    homeOf,
  });
}
