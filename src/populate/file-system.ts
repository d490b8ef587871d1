import { type BasicStat, basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_PATH, O_RDONLY } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { openAt, readDirectory, readLink, withFd } from "../../ffi/files.ts";
import { parentOf, plainPath } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type AclReading, aclAt } from "../system/acl.ts";
import { type MountRestrictions, mountRestrictions } from "../system/mounts.ts";

/** The path of a name in a directory, and the lstat of its file. */
interface Listed {
  readonly path: ByteString;
  readonly stat: BasicStat;
}

/** The view of a file system for planning. Tests use one in memory. */
export interface FileSystem {
  /** lstat(2); undefined if `path` is missing. */
  lstat(path: ByteString): BasicStat | undefined;
  /** stat(2), which follows symbolic links. */
  stat(path: ByteString): BasicStat | undefined;
  /** The ACL of `path`, or, with `follow`, of the target of a symbolic link. */
  acl(path: ByteString, follow?: boolean): AclReading;
  /** The restrictions of the mount of a file (nodev, nosuid); symbolic links are not followed. */
  withheld(path: ByteString): MountRestrictions;
  /** The text of a symbolic link. With `expected` it throws as `list` does. */
  readlink(path: ByteString, expected?: BasicStat): ByteString;
  /** The names in a directory, in any order. */
  names(path: ByteString): ByteString[];
  /**
   * The files in a directory, sorted by the bytes of their names; symbolic links in it are not followed. Throws
   * JailkitError "changed" if `expected` is given and the directory is another one.
   */
  list(path: ByteString, expected?: BasicStat): Listed[];
}

/** The file system below `dirfd`; by default that of the host, with absolute paths. */
export function fileSystemAt(dirfd: number = AT_FDCWD): FileSystem {
  return {
    lstat: (path) => basicStat(dirfd, path),
    stat: (path) => basicStat(dirfd, path, true),
    acl: (path, follow) => aclAt(dirfd, path, follow),
    withheld: (path) => withheldAt(dirfd, path),
    readlink(path, expected) {
      if (expected === undefined) return readLink(dirfd, path);
      return withFd(openAt(dirfd, path, O_PATH | O_NOFOLLOW), (fd) => {
        requireSame(fd, expected, path);
        return readLink(fd, "");
      });
    },
    names: (path) => withFd(openAt(dirfd, path, O_RDONLY | O_DIRECTORY), namesOf),
    list: (path, expected) =>
      withFd(openAt(dirfd, path, O_RDONLY | O_DIRECTORY), (fd) => {
        if (expected !== undefined) requireSame(fd, expected, path);
        // Code units are bytes, so the default order is that of bytes.
        return namesOf(fd)
          .sort()
          .flatMap((name) => {
            const stat = basicStat(fd, name);
            return stat === undefined ? [] : [{ path: `${path}/${name}`, stat }];
          });
      }),
  };
}

function withheldAt(dirfd: number, path: ByteString): MountRestrictions {
  const found = attempt(() => withFd(openAt(dirfd, path, O_PATH | O_NOFOLLOW), mountRestrictions));
  // It was removed meanwhile.
  return found ?? { devices: true, setuid: true };
}

function requireSame(fd: number, expected: BasicStat, path: ByteString): void {
  if (sameFile(basicFstat(fd), expected)) return;
  throw new JailkitError("changed", 1, `${display(path)}: was replaced while it was being read`);
}

const namesOf = (fd: number): ByteString[] => readDirectory(fd).map((entry) => entry.name);

/** An empty file system: a jail that does not exist yet. */
export const emptyFileSystem: FileSystem = {
  lstat: () => undefined,
  stat: () => undefined,
  acl: () => "none",
  withheld: () => ({ devices: false, setuid: false }),
  readlink: () => "",
  names: () => [],
  list: () => [],
};

/** True if both are the same inode. */
export function sameFile(a: BasicStat | undefined, b: BasicStat): boolean {
  return (
    a?.inoLow === b.inoLow &&
    a.inoHigh === b.inoHigh &&
    a.devMajor === b.devMajor &&
    a.devMinor === b.devMinor
  );
}

/** The path in the text of a symbolic link at an absolute path; `..` stays, since it may follow a symbolic link. */
export function linkTarget(path: ByteString, text: ByteString): ByteString {
  return plainPath(text.startsWith("/") ? text : `${parentOf(path)}/${text}`);
}
