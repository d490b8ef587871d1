import { type BasicStat, basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import {
  AT_FDCWD,
  ENOENT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  S_IFDIR,
  S_IFLNK,
  S_IFMT,
} from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, openAt, readDirectory, readLink } from "../../ffi/files.ts";
import { normalPath } from "../../ffi/paths.ts";
import { workingDirectory } from "../../ffi/process.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type AclReading, aclAt } from "../system/acl.ts";
import { type MountRestrictions, mountRestrictions } from "../system/mounts.ts";

/** A name in a directory, and what stands there. */
export interface Listed {
  readonly name: ByteString;
  readonly stat: BasicStat;
}

/** What planning may ask about a file system. Nothing here changes anything, so a plan can be made of pure data. */
export interface FileSystem {
  /** lstat(2); undefined where nothing stands at `path`. */
  lstat(path: ByteString): BasicStat | undefined;
  /** stat(2): links are followed. */
  stat(path: ByteString): BasicStat | undefined;
  /** The ACL of what stands at `path`, which links lead to with `follow`. */
  acl(path: ByteString, follow?: boolean): AclReading;
  /** What the mount on which something stands takes away from it; a link is not followed. */
  withheld(path: ByteString): MountRestrictions;
  /** The text of a symbolic link. Throws as list does where `expected` is given. */
  readlink(path: ByteString, expected?: BasicStat): ByteString;
  /** The names in a directory, in any order. */
  names(path: ByteString): ByteString[];
  /**
   * What is in a directory, sorted by the bytes of the names; links in it are not followed. Throws JailkitError
   * "changed" where `expected` is given, and another directory stands there than that.
   */
  list(path: ByteString, expected?: BasicStat): Listed[];
}

/** The file system as it is, below `dirfd`: the host's by default; paths then are absolute. */
export function fileSystemAt(dirfd: number = AT_FDCWD): FileSystem {
  return {
    lstat: (path) => basicStat(dirfd, path),
    stat: (path) => basicStat(dirfd, path, true),
    acl: (path, follow) => aclAt(dirfd, path, follow),
    withheld: (path) => withheldAt(dirfd, path),
    readlink(path, expected) {
      if (expected === undefined) return readLink(dirfd, path);
      const fd = openAt(dirfd, path, O_PATH | O_NOFOLLOW);
      try {
        requireSame(fd, expected, path);
        return readLink(fd, "");
      } finally {
        close(fd);
      }
    },
    names: (path) => withDirectory(dirfd, path, namesOf),
    list: (path, expected) =>
      withDirectory(dirfd, path, (fd) => {
        if (expected !== undefined) requireSame(fd, expected, path);
        // Code units are bytes: the default order is theirs.
        return namesOf(fd)
          .sort()
          .flatMap((name) => {
            const stat = basicStat(fd, name);
            return stat === undefined ? [] : [{ name, stat }];
          });
      }),
  };
}

function withheldAt(dirfd: number, path: ByteString): MountRestrictions {
  try {
    const fd = openAt(dirfd, path, O_PATH | O_NOFOLLOW);
    try {
      return mountRestrictions(fd);
    } finally {
      close(fd);
    }
  } catch (error) {
    // It has gone meanwhile: nothing is known of it.
    if (error instanceof SystemError) return { devices: true, setuid: true };
    throw error;
  }
}

function requireSame(fd: number, expected: BasicStat, path: ByteString): void {
  if (sameFile(basicFstat(fd), expected)) return;
  throw new JailkitError("changed", 1, `${display(path)}: was exchanged while it was being looked at`);
}

function withDirectory<T>(dirfd: number, path: ByteString, use: (fd: number) => T): T {
  const fd = openAt(dirfd, path, O_RDONLY | O_DIRECTORY);
  try {
    return use(fd);
  } finally {
    close(fd);
  }
}

const namesOf = (fd: number): ByteString[] => readDirectory(fd).map((entry) => entry.name);

/** What a mount without options withholds. */
export const NOTHING_WITHHELD: MountRestrictions = { devices: false, setuid: false };

/** A file system in which there is nothing: a jail that does not exist yet. */
export const emptyFileSystem: FileSystem = {
  lstat: () => undefined,
  stat: () => undefined,
  acl: () => "none",
  withheld: () => NOTHING_WITHHELD,
  readlink: () => "",
  names: () => [],
  list: () => [],
};

/** True where both are the same inode. */
export function sameFile(a: BasicStat | undefined, b: BasicStat): boolean {
  return (
    a?.inoLow === b.inoLow &&
    a.inoHigh === b.inoHigh &&
    a.devMajor === b.devMajor &&
    a.devMinor === b.devMinor
  );
}

/** True where a mode is that of a directory. */
export const isDirectory = (mode: number): boolean => (mode & S_IFMT) === S_IFDIR;

/** True where a mode is that of a symbolic link. */
export const isSymlink = (mode: number): boolean => (mode & S_IFMT) === S_IFLNK;

/** An absolute path without empty components, `.` and a final slash; `..` stays, since a link may stand before it. */
export function tidy(path: ByteString): ByteString {
  if (!/\/\/|\/\.(?:\/|$)|.\/$/.test(path)) return path;
  const parts = path.split("/").filter((part) => part !== "" && part !== ".");
  return `/${parts.join("/")}`;
}

/**
 * A path as the caller means it, from the root on: one without a leading slash starts at the working directory, and
 * `.`, `..` and doubled slashes are taken out of the text. Throws SystemError where the working directory has no name.
 */
export function absolutePath(path: ByteString): ByteString {
  let whole = path;
  if (!path.startsWith("/")) {
    const directory = workingDirectory();
    if (directory === undefined) throw new SystemError(ENOENT, "getcwd", path);
    whole = `${directory}/${path}`;
  }
  return normalPath(whole);
}
