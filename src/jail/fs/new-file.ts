import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import { chmodFd, makeLink, syncFd } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { copyContents } from "../../../ffi/copy.ts";
import { attempt, isErrno, SystemError } from "../../../ffi/error.ts";
import { close, openAt, seek, writeAll } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { xattrAt } from "../../../ffi/xattrs.ts";
import { JailkitError } from "../../cli/error.ts";
import { dropInheritedAcl, hasDefaultAcl } from "../../system/acl.ts";
import { kernelFileSystem } from "../../system/mounts.ts";
import { type Attributes, setOwnerAndTimes, setTimesOf } from "./attributes.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { type Spot, spotPath } from "./look.ts";
import { type Placement, syncDirectory } from "./place.ts";
import { type Directory, type JailRoot, joinPath, namedError } from "./walk.ts";

// Not before the first write: jk_uchroot loads this module and writes nothing.
let own: { uid: number; gid: number } | undefined;

/** The content of a new file: an open file of the host, from its offset on (`start`, if known), or bytes. */
export type Source = { fd: number; size: number; start?: number } | Uint8Array;

/** Fills a new file. Throws SystemError; JailkitError "kernel-file" for a source that has no end. */
export function fill(fd: number, source: Source): void {
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
export function isBornAs(directory: Directory, { uid, gid }: Omit<Attributes, "mode">): boolean {
  // In a setgid directory, or with the mount option grpid, the group is the directory's.
  own ??= { uid: libc.geteuid(), gid: libc.getegid() };
  if (uid !== own.uid || gid !== own.gid) return false;
  const { stat } = directory;
  return stat.gid === gid && (stat.mode & C.S_ISGID) === 0;
}

// Whether new files inherit an ACL. Only root can change that in a trusted directory, and most get many files.
const inheriting = new WeakMap<Directory, boolean>();

/** True if new files in a directory inherit an ACL. */
export function inheritsAcl(stage: Directory): boolean {
  if (!stage.trusted || !stage.cached) return true;
  const known = inheriting.get(stage);
  if (known !== undefined) return known;
  const has = attempt(() => hasDefaultAcl(stage.fd)) ?? true;
  inheriting.set(stage, has);
  return has;
}

/** Sets the attributes of a new file with its content. */
export function finish(
  root: Pick<JailRoot, "sync">,
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

const openNameless = (directory: Directory) => openAt(directory.fd, ".", C.O_WRONLY | C.O_TMPFILE, 0o600);

/**
 * Creates a finished file without a name in a directory, for linkNameless, and returns its descriptor: O_TMPFILE of open(2).
 * Throws SystemError, also if the file system has no such files.
 */
export function makeNameless(
  root: JailRoot,
  directory: Directory,
  source: Source,
  attributes: Attributes,
): number {
  const fd = openNameless(directory);
  try {
    fill(fd, source);
    finish(root, directory, fd, attributes);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}

/**
 * Gives a file that makeNameless made in another directory its name. Undefined if that is impossible: the name exists, its
 * directory is on another mount, or a file that is created there would be another one for the kernel.
 */
export function linkNameless(spot: Spot, fd: number, madeIn: Directory): Placement | undefined {
  if (!namelessFiles || !hasLabelOf(spot.parent, madeIn)) return undefined;
  try {
    return giveName(spot, fd, madeIn);
  } catch (error) {
    throw namedError(error, spotPath(spot));
  }
}

function giveName({ root, parent, name }: Spot, fd: number, madeIn: Directory): Placement | undefined {
  try {
    makeLink(fd, "", parent.fd, name, C.AT_EMPTY_PATH);
  } catch (error) {
    // ENOENT: before Linux 6.10 this needs CAP_DAC_READ_SEARCH.
    if (!isErrno(error, "EEXIST", "ENOENT", "EPERM", "EXDEV")) throw error;
    // EXDEV also for a place on another mount, or in another project.
    if (error.code !== "EEXIST" && !(error.code === "EXDEV" && madeIn !== parent)) namelessFiles = false;
    return undefined;
  }
  syncDirectory(root, parent);
  return "created";
}

const labels = new WeakMap<Directory, ByteString>();

/** The security context of a directory, on which that of new files depends; "" if it has none (selinux(8)). */
function labelOf(directory: Directory): ByteString {
  const known = labels.get(directory);
  if (known !== undefined) return known;
  const reading = attempt(() => xattrAt(directory.fd, ".", "security.selinux"));
  const label = reading instanceof Uint8Array ? fromBytes(reading) : "";
  labels.set(directory, label);
  return label;
}

const hasLabelOf = (directory: Directory, other: Directory): boolean =>
  labelOf(other) === "" || labelOf(directory) === labelOf(other);

/**
 * Creates a file without a name, and links it to its name when it is finished. Cheaper than a temporary name, and a killed
 * run leaves nothing. Undefined if the name exists or the file system has no such files.
 */
export function putNameless(spot: Spot, source: Source, attributes: Attributes): Placement | undefined {
  if (!namelessFiles) return undefined;
  const { root, parent, name } = spot;
  requireNoHostMount(root, parent, joinPath(parent.path, name));
  let fd: number;
  try {
    fd = openNameless(parent);
  } catch (error) {
    if (isErrno(error, "EOPNOTSUPP", "EISDIR", "EINVAL")) namelessFiles = false;
    return undefined;
  }
  const start = source instanceof Uint8Array ? 0 : (source.start ?? seek(source.fd, 0, C.SEEK_CUR));
  try {
    fill(fd, source);
    finish(root, parent, fd, attributes);
    const placement = giveName(spot, fd, parent);
    // The other way starts again.
    if (placement === undefined && !(source instanceof Uint8Array)) seek(source.fd, start, C.SEEK_SET);
    return placement;
  } catch (error) {
    throw namedError(error, spotPath(spot));
  } finally {
    close(fd);
  }
}
