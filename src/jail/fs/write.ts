import type { ByteString } from "../../../ffi/bytes.ts";
import { makeLink, makeNode, makeSymlink } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import {
  close,
  fstat,
  openAt,
  readLink,
  type Stat,
  sameFile,
  statAt,
  statIfPresent,
  withFd,
  writeAll,
} from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { setXattr } from "../../../ffi/xattrs.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { dropInheritedAclOfPath, hasDefaultAcl } from "../../system/acl.ts";
import { type Attributes, chmodPath, setOwnerAndTimes, verifyNew } from "./attributes.ts";
import { hostSystemOf } from "./host-mounts.ts";
import { createHeld, heldName } from "./left.ts";
import { atSpot, type CopySpot, type Spot, spotPath } from "./look.ts";
import { fill, finish, isBornAs, putNameless, type Source } from "./new-file.ts";
import { type Placement, type PutOptions, place, syncDirectory, temporaryName } from "./place.ts";
import { type Directory, type JailRoot, namedError } from "./walk.ts";

export { type Attributes, setAttributes } from "./attributes.ts";
export { makeDirectories, makeDirectoryIn } from "./directories.ts";
export type { Among, Watch } from "./empty.ts";
export { linkNameless, makeNameless, type Source } from "./new-file.ts";
export type { Placement } from "./place.ts";
export { isOneOf, removePath, removeTree } from "./remove.ts";

/** Extended attributes. */
export type Xattrs = readonly (readonly [name: ByteString, value: Uint8Array])[];

/** A device file, a FIFO or the name of a socket (without a listener). */
interface Node {
  type: "char" | "block" | "fifo" | "socket";
  major: number;
  minor: number;
}

/** The same function for a path of the jail, whose directory must exist (ENOENT). */
const byPath =
  <Rest extends unknown[]>(put: (spot: Spot, ...rest: Rest) => Placement) =>
  (root: JailRoot, path: ByteString, ...rest: Rest): Placement =>
    atSpot(root, path, (spot) => put(spot, ...rest));

/** Throws JailkitError "file-full" if a file of `size` bytes could not be read again, as its readers take `most`. */
export function requireReadable(path: ByteString, size: number, most: number): void {
  if (size <= most) return;
  const message = `${display(path)} would have ${size} bytes, and no more than ${most} are read of it: it stays as it is`;
  throw new JailkitError("file-full", 1, message);
}

/**
 * Puts a regular file at a spot. It appears complete, with owner, mode and times, by rename(2); processes with the old file
 * open keep it. Shares the content with the source (reflink) if the file system can. Throws JailkitError
 * "directory-in-the-way", "link-in-untrusted-directory", "file-full".
 */
export function putFileIn(spot: Spot, source: Source, attributes: Attributes, options: PutOptions = {}) {
  if (options.most !== undefined)
    requireReadable(spotPath(spot), source instanceof Uint8Array ? source.length : source.size, options.most);
  const placement = options.absent ? putNameless(spot, source, attributes) : undefined;
  if (placement !== undefined) return placement;
  // The kernel starts no program that is open for writing, as a file is that is held until it has its name.
  const isData = (attributes.mode & 0o111) === 0;
  let held: number | undefined;
  const make = (stage: Directory, temporary: ByteString, made: (stat: Stat) => void) => {
    const fd = isData ? createHeld(stage, temporary) : createNew(stage, temporary);
    try {
      made(fstat(fd));
      fill(fd, source);
      finish(spot.root, stage, fd, attributes);
    } finally {
      if (isData) held = fd;
      else close(fd);
    }
  };
  try {
    return place(spot, options, make, isData ? () => heldName(temporaryName()) : undefined);
  } finally {
    if (held !== undefined) close(held);
  }
}

const createNew = ({ fd }: Directory, name: ByteString): number =>
  openAt(fd, name, C.O_WRONLY | C.O_CREAT | C.O_EXCL | C.O_NOFOLLOW, 0o600);

/**
 * Creates a regular file in a directory that nobody but root can reach, and that has no default ACL: there it needs no
 * temporary name. Throws SystemError with the path: EEXIST.
 */
export function createFileIn(
  spot: CopySpot,
  source: Source,
  attributes: Attributes,
  xattrs: Xattrs = [],
): void {
  const { root, parent, name } = spot;
  const flags = C.O_WRONLY | C.O_CREAT | C.O_EXCL | C.O_NOFOLLOW;
  try {
    withFd(openAt(parent.fd, name, flags, 0o600), (fd) => {
      fill(fd, source);
      for (const [attribute, value] of xattrs) setXattr(fd, attribute, value);
      finish(root, parent, fd, attributes, false);
    });
  } catch (error) {
    throw namedError(error, spotPath(spot));
  }
}

/**
 * Makes a hard link to the file of `sourceFd` (O_PATH is enough), which shares owner, mode and times. EXDEV (another file
 * system), EMLINK, EPERM: copy it instead.
 */
export function putHardLinkIn(spot: Spot, sourceFd: number, options: PutOptions = {}): Placement {
  const { parent, name } = spot;
  try {
    const existing = statIfPresent(parent.fd, name);
    // rename(2) between two names of one file does nothing, and would leave the temporary name.
    if (existing !== undefined && sameFile(existing, fstat(sourceFd))) return "kept";
  } catch (error) {
    throw namedError(error, spotPath(spot));
  }
  return place(spot, options, (stage, temporary, made) => {
    makeLink(sourceFd, "", stage.fd, temporary, C.AT_EMPTY_PATH);
    made(fstat(sourceFd));
  });
}

/** Puts a symbolic link with the text `target`, which is not followed. It is root's unless `attributes` are given. */
export function putSymlinkIn(
  spot: Spot,
  target: ByteString,
  options: PutOptions & { attributes?: Omit<Attributes, "mode"> } = {},
): Placement {
  const { root, parent, name } = spot;
  const { attributes } = options;
  // symlink(2) creates a link at once and follows nothing: no temporary name is needed.
  if (attributes === undefined && !options.replace && isBornAs(parent, { uid: 0, gid: 0 })) {
    const isHosts = hostSystemOf(root, parent.mount) !== undefined;
    try {
      // `place` refuses, unless the name exists.
      if (isHosts) throw new SystemError(C.EEXIST, "symlink", undefined);
      makeSymlink(target, parent.fd, name);
      syncDirectory(root, parent);
      return "created";
    } catch (error) {
      // `place` decides by the existing file.
      if (!isErrno(error, "EEXIST")) throw namedError(error, spotPath(spot));
    }
  }
  return place(spot, options, (stage, temporary, made) => {
    makeSymlink(target, stage.fd, temporary);
    made(statAt(stage.fd, temporary));
    if (attributes === undefined) return;
    withFd(openAt(stage.fd, temporary, C.O_PATH | C.O_NOFOLLOW), (fd) => {
      verifyNew(stage, fstat(fd), C.S_IFLNK);
      if (readLink(fd, "") !== target) throw new SystemError(C.EAGAIN, "symlink", undefined);
      setOwnerAndTimes(fd, attributes);
    });
  });
}

/**
 * Puts a device, FIFO or socket name, with exactly `attributes.mode`. Never opens a device. Throws JailkitError
 * "device-in-untrusted-directory" if users can write the directory.
 */
export function putDeviceIn(spot: Spot, node: Node, attributes: Attributes, options: PutOptions = {}) {
  const { parent } = spot;
  if ((node.type === "char" || node.type === "block") && !parent.trusted) {
    const shown = display(spotPath(spot));
    const message = `${shown}: no device is created in a directory that users can write; give the directory to root`;
    throw new JailkitError("device-in-untrusted-directory", 1, message);
  }
  const type = { char: C.S_IFCHR, block: C.S_IFBLK, fifo: C.S_IFIFO, socket: C.S_IFSOCK }[node.type];
  return place(spot, options, (stage, temporary, made) => {
    // Users whom a default ACL names must not open it before the ACL is dropped: no group bits, so an empty mask.
    const inherits = hasDefaultAcl(stage.fd);
    const mode = inherits ? attributes.mode & 0o700 : attributes.mode;
    const umask = libc.umask(0);
    try {
      makeNode(stage.fd, temporary, type | mode, node.major, node.minor);
    } finally {
      libc.umask(umask);
    }
    withFd(openAt(stage.fd, temporary, C.O_PATH | C.O_NOFOLLOW), (fd) => {
      const stat = fstat(fd);
      verifyNew(stage, stat, type);
      made(stat);
      setOwnerAndTimes(fd, attributes);
      if (inherits) dropInheritedAclOfPath(fd);
      if ((fstat(fd).mode & 0o7777) !== attributes.mode) chmodPath(fd, attributes.mode);
    });
  });
}

/** As putFileIn, at a path. */
export const putFile = byPath(putFileIn);
/** As putHardLinkIn, at a path. */
export const putHardLink = byPath(putHardLinkIn);
/** As putSymlinkIn, at a path. */
export const putSymlink = byPath(putSymlinkIn);
/** As putDeviceIn, at a path. */
export const putDevice = byPath(putDeviceIn);

/**
 * Adds bytes at the end of a regular file (ENOENT) that only root can write, which keeps its inode: whoever reads it may see a
 * part of them. `most`: as in PutOptions. Throws SystemError, JailkitError.
 */
export function appendToFile(root: JailRoot, path: ByteString, bytes: Uint8Array, most: number): void {
  atSpot(root, path, (spot) => {
    const flags = C.O_WRONLY | C.O_APPEND | C.O_NOFOLLOW | C.O_NONBLOCK;
    withFd(openAt(spot.parent.fd, spot.name, flags), (fd) => {
      requireReadable(spotPath(spot), fstat(fd).size + bytes.length, most);
      writeAll(fd, bytes);
    });
  });
}
