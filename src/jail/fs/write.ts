import type { ByteString } from "../../../ffi/bytes.ts";
import { chmodFd, makeLink, makeNode, makeSymlink, syncFd } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { copyContents } from "../../../ffi/copy.ts";
import { attempt, isErrno, SystemError } from "../../../ffi/error.ts";
import {
  close,
  fstat,
  openAt,
  readLink,
  sameFile,
  seek,
  statAt,
  statIfPresent,
  withFd,
  writeAll,
} from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { setXattr } from "../../../ffi/xattrs.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { dropInheritedAcl, dropInheritedAclOfPath, hasDefaultAcl } from "../../system/acl.ts";
import { kernelFileSystem } from "../../system/mounts.ts";
import { type Attributes, chmodPath, setOwnerAndTimes, setTimesOf, verifyNew } from "./attributes.ts";
import { hostSystemOf, requireNoHostMount } from "./host-mounts.ts";
import { atSpot, type Spot, spotPath } from "./look.ts";
import { type Placement, type PutOptions, place, syncDirectory } from "./place.ts";
import { type Directory, type JailRoot, joinPath, namedError } from "./walk.ts";

export { type Attributes, setAttributes } from "./attributes.ts";
export { makeDirectories, makeDirectoryIn } from "./directories.ts";
export type { Placement } from "./place.ts";
export { type Among, isOneOf, removePath, removeTree } from "./remove.ts";

// Not before the first write: jk_uchroot loads this module and writes nothing.
let own: { uid: number; gid: number } | undefined;

/** The content of a new file: an open file of the host, from its offset on (`start`, if known), or bytes. */
type Source = { fd: number; size: number; start?: number } | Uint8Array;

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

function fill(fd: number, source: Source): void {
  if (source instanceof Uint8Array) {
    writeAll(fd, source);
    return;
  }
  const copied = copyContents(source.fd, fd, source.size);
  if (copied >= source.size) return;
  const type = kernelFileSystem(source.fd);
  if (type === undefined) throw new SystemError(C.EIO, "copy: the source became shorter", undefined);
  const message = `the source is a file that the kernel makes up (${type}): it cannot be copied`;
  throw new JailkitError("kernel-file", 1, message);
}

/** True if a new file here has the right owner already, which saves one call for each file. */
function isBornAs({ stat }: Directory, { uid, gid }: Omit<Attributes, "mode">): boolean {
  // In a setgid directory, or with the mount option grpid, the group is the directory's.
  own ??= { uid: libc.geteuid(), gid: libc.getegid() };
  return uid === own.uid && gid === own.gid && stat.gid === gid && (stat.mode & C.S_ISGID) === 0;
}

// Whether new files inherit an ACL. Only root can change that in a trusted directory, and most get many files.
const inheriting = new WeakMap<Directory, boolean>();

function inheritsAcl(stage: Directory): boolean {
  if (!stage.trusted || !stage.cached) return true;
  const known = inheriting.get(stage);
  if (known !== undefined) return known;
  const has = attempt(() => hasDefaultAcl(stage.fd)) ?? true;
  inheriting.set(stage, has);
  return has;
}

/** Sets the attributes of a new file with its content. */
function finish(
  root: JailRoot,
  stage: Directory,
  fd: number,
  attributes: Attributes,
  inherits = inheritsAcl(stage),
): void {
  // Before the mode, which would set the mask of an inherited ACL and leave its entries.
  if (inherits) dropInheritedAcl(fd, false);
  // The owner first: changing it clears setuid and setgid.
  if (isBornAs(stage, attributes)) setTimesOf(fd, attributes.atime, attributes.mtime);
  else setOwnerAndTimes(fd, attributes);
  chmodFd(fd, attributes.mode);
  if (root.sync) syncFd(fd);
}

let namelessFiles = true;

/**
 * Creates a file without a name, and links it to its name when it is finished: O_TMPFILE of open(2). Cheaper than a
 * temporary name, and a killed run leaves nothing. Undefined if the name exists or the file system has no such files.
 */
function putNameless(spot: Spot, source: Source, attributes: Attributes): Placement | undefined {
  const { root, parent, name } = spot;
  requireNoHostMount(root, parent, joinPath(parent.path, name));
  let fd: number;
  try {
    fd = openAt(parent.fd, ".", C.O_WRONLY | C.O_TMPFILE, 0o600);
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP", "EISDIR", "EINVAL")) namelessFiles = false;
    return undefined;
  }
  const start = source instanceof Uint8Array ? 0 : (source.start ?? seek(source.fd, 0, C.SEEK_CUR));
  try {
    fill(fd, source);
    finish(root, parent, fd, attributes);
    makeLink(fd, "", parent.fd, name, C.AT_EMPTY_PATH);
    syncDirectory(root, parent);
    return "created";
  } catch (error) {
    // ENOENT: before Linux 6.10 this needs CAP_DAC_READ_SEARCH.
    if (!isErrno(error, "EEXIST", "ENOENT", "EPERM", "EXDEV")) throw namedError(error, spotPath(spot));
    if (error.code !== "EEXIST") namelessFiles = false;
    // The other way starts again.
    if (!(source instanceof Uint8Array)) seek(source.fd, start, C.SEEK_SET);
    return undefined;
  } finally {
    close(fd);
  }
}

/**
 * Puts a regular file at a spot. It appears complete, with owner, mode and times, by rename(2); processes with the old file
 * open keep it. Shares the content with the source (reflink) if the file system can. Throws JailkitError
 * "directory-in-the-way", "link-in-untrusted-directory".
 */
export function putFileIn(spot: Spot, source: Source, attributes: Attributes, options: PutOptions = {}) {
  const placement = options.absent && namelessFiles ? putNameless(spot, source, attributes) : undefined;
  if (placement !== undefined) return placement;
  return place(spot, options, (stage, temporary, made) => {
    withFd(openAt(stage.fd, temporary, C.O_WRONLY | C.O_CREAT | C.O_EXCL | C.O_NOFOLLOW, 0o600), (fd) => {
      made(fstat(fd));
      fill(fd, source);
      finish(spot.root, stage, fd, attributes);
    });
  });
}

/**
 * Creates a regular file in a directory that nobody but root can reach, and that has no default ACL: there it needs no
 * temporary name. Throws SystemError with the path: EEXIST.
 */
export function createFileIn(spot: Spot, source: Source, attributes: Attributes, xattrs: Xattrs = []): void {
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
