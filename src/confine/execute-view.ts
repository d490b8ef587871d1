import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { fstat, openAt2, readLink, withFd } from "../../ffi/files.ts";
import { getXattr } from "../../ffi/xattrs.ts";
import { eachTrustedDirectory, type UnsafeDirectory } from "./directories.ts";
import type { ExecuteLimits } from "./execute.ts";

/** Opens a path as a process with this root directory would, and calls `use`; undefined if that fails. */
export function withFileBelow<T>(
  root: number,
  path: ByteString,
  flags: number,
  use: (fd: number) => T,
): T | undefined {
  const resolve = C.RESOLVE_IN_ROOT | C.RESOLVE_NO_MAGICLINKS;
  const fd = attempt(() => openAt2(root, path, flags, resolve));
  return fd === undefined ? undefined : withFd(fd, use);
}

/** The path of `fd` below the open directory `root`; undefined without /proc, or outside of it. */
function pathBelow(root: number, fd: number): ByteString | undefined {
  return attempt(() => {
    const base = readLink(C.AT_FDCWD, `/proc/self/fd/${root}`).replace(/\/$/, "");
    const path = readLink(C.AT_FDCWD, `/proc/self/fd/${fd}`);
    return path.startsWith(`${base}/`) ? path.slice(base.length) : undefined;
  });
}

/** A path below the open directory `root` without symbolic links; undefined if it leads nowhere, or that is not known. */
export const canonicalBelow = (root: number, path: ByteString): ByteString | undefined =>
  withFileBelow(root, path, C.O_PATH, (fd) => pathBelow(root, fd));

/** The effect of limitExecution in an open root directory, for explanations. Throws SystemError. */
export function viewExecution(root: number, limits: ExecuteLimits) {
  const directories: ByteString[] = [];
  const leftOut = eachTrustedDirectory(root, limits, (path) => directories.push(path));
  const canonical = (path: ByteString) => canonicalBelow(root, path) ?? path;
  const programs = new Set(limits.executables.map(canonical));
  return {
    directories,
    leftOut,
    /** True if a file may be executed, by its path below the root; follows symbolic links. */
    mayExecute(path: ByteString): boolean {
      const real = canonical(path);
      return programs.has(real) || directories.some((directory) => real.startsWith(`${directory}/`));
    },
    /** The directory that prevents a file from being executed, because users other than root can write it. */
    unsafeFor(path: ByteString): UnsafeDirectory | undefined {
      const real = canonical(path);
      return leftOut.find((one) => real.startsWith(`${one.path}/`))?.unsafe;
    },
  };
}

/** The privilege that a program gives unless no_new_privs is set, as a phrase; undefined if there is none. */
export function grantedBy(root: number, path: ByteString): string | undefined {
  const mode = withFileBelow(root, path, C.O_PATH, (fd) => fstat(fd).mode) ?? 0;
  if ((mode & C.S_IFMT) !== C.S_IFREG) return undefined;
  if ((mode & C.S_ISUID) !== 0) return "is setuid";
  if ((mode & C.S_ISGID) !== 0) return "is setgid";
  // A file that cannot be read does not count.
  const flags = C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY;
  const capable = withFileBelow(root, path, flags, (fd) => getXattr(fd, "security.capability") !== undefined);
  return capable === true ? "has file capabilities" : undefined;
}
