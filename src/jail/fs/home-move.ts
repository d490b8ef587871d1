import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { close, fstat, openAt, openAt2, type Stat, sameFile, statAt, withFd } from "../../../ffi/files.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { getXattr, listXattrs, setXattr } from "../../../ffi/xattrs.ts";
import { display, quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { grantsRights } from "../../system/grants.ts";
import { setAttributes } from "./attributes.ts";
import { makeDirectories, makeDirectoryIn } from "./directories.ts";
import { type HomeCopy, makeCopy, NOTHING_MOVED, whyNotCopied } from "./home-copy.ts";
import { scanTree, type TreeEntry, WITHIN } from "./home-scan.ts";
import { atSpot, lookUp, withJailFile } from "./look.ts";
import { renameNew, requireStage } from "./place.ts";
import { removeTree } from "./remove.ts";
import {
  hostPath,
  isDirectory,
  isRegular,
  type JailRoot,
  joinPath,
  namedError,
  openDirectory,
  release,
  withDirectory,
} from "./walk.ts";
import { putDevice, putFile, putHardLink, putSymlink } from "./write.ts";

/** A home to move: its open directory, and all entries in it. */
export interface HomeSource {
  readonly path: ByteString;
  /** O_PATH; close it with closeHome. */
  readonly fd: number;
  readonly entries: readonly TreeEntry[];
}

function openOwn(host: JailRoot, path: ByteString, uid: number): number {
  const fd = withDirectory(host, path, (home) => openAt(home.fd, ".", C.O_PATH | C.O_DIRECTORY));
  if (fstat(fd).uid === uid) return fd;
  close(fd);
  const message = `${quoted(path)} does not belong to the user (uid ${uid}): nothing is moved`;
  throw new JailkitError("not-their-home", 1, message);
}

/** Throws if openHome would refuse the home itself, or if `to` exists in the other tree. The content is not checked. */
export function requireMovable(
  host: JailRoot,
  path: ByteString,
  uid: number,
  root: JailRoot,
  to: ByteString,
) {
  close(openOwn(host, path, uid));
  if (lookUp(root, to) !== undefined) throw homeExists(root, to);
}

function homeExists(root: JailRoot, to: ByteString): JailkitError {
  const message = `${quoted(hostPath(root, to))} exists already: move it out of the way, or leave -m out`;
  return new JailkitError("home-exists", 1, message);
}

/**
 * Opens and scans the home of `uid`. `host` is the host's root (openTree("/")); symbolic links on the way are followed
 * only in directories that only root can write. Throws JailkitError if the home cannot be moved: it is not a directory of
 * that user, or see scanTree.
 */
export function openHome(host: JailRoot, path: ByteString, uid: number): HomeSource {
  const fd = openOwn(host, path, uid);
  try {
    return { path, fd, entries: scanTree(fd, path) };
  } catch (error) {
    close(fd);
    throw error;
  }
}

/** Closes a home that openHome returned. */
export function closeHome(home: HomeSource): void {
  close(home.fd);
}

/** True if every inode and change time in the home is still as scanned. */
export function isUnchanged(home: HomeSource): boolean {
  const now = new Map(scanTree(home.fd, home.path).map((entry) => [entry.path, entry.stat]));
  const same = (a: Stat, b: Stat | undefined) => b !== undefined && sameFile(a, b) && a.ctime === b.ctime;
  return (
    now.size === home.entries.length && home.entries.every(({ path, stat }) => same(stat, now.get(path)))
  );
}

/**
 * Copies a home to `to` in the jail, which must not exist. The copy is made in a directory that only root can write, on the
 * same mount, and appears complete by one rename. It keeps owners, modes, times, extended attributes, hard links, sockets
 * and FIFOs, but not setuid, setgid (of files) and security.capability. Missing directories above are root's and 0755.
 * Returns an O_PATH descriptor of the copy, to recognise it later. Throws JailkitError if `to` exists, no directory there
 * is trusted, or the source changes meanwhile.
 */
export function copyHome(
  home: HomeSource,
  root: JailRoot,
  to: ByteString,
  step: (done: number, total: number) => void = () => undefined,
): number {
  const above = directoryOf(to);
  makeDirectories(root, above, () => ({ mode: 0o755, uid: 0, gid: 0 }));
  const parent = openDirectory(root, above);
  let made: HomeCopy | undefined;
  let copy = "";
  try {
    const stage = requireStage(root, parent);
    made = makeCopy(root, stage);
    copy = joinPath(stage.path, made.name);
    fillCopy(home, root, copy, step);
    if (!isUnchanged(home)) throw homeChanged(home);
    if (!sameFile(statAt(stage.fd, made.name), fstat(made.fd)))
      throw new SystemError(C.ESTALE, "rename", undefined);
    renameNew(stage, made.name, parent, baseName(to), true);
    return made.fd;
  } catch (error) {
    if (made !== undefined) {
      try {
        removeTree(root, copy, fstat(made.fd));
      } catch (failure) {
        // The next run removes it; the error that led here says more.
        if (!isErrno(failure, "EROFS")) throw failure;
      } finally {
        close(made.fd);
      }
    }
    throw isErrno(error, "EEXIST", "ENOTEMPTY")
      ? homeExists(root, to)
      : whyNotCopied(root, home.entries, error);
  } finally {
    if (made !== undefined) close(made.lock);
    release(parent);
  }
}

function fillCopy(
  home: HomeSource,
  root: JailRoot,
  copy: ByteString,
  step: (done: number, total: number) => void,
): void {
  const linked = new Map<string, ByteString>();
  const identity = ({ ino, devMajor, devMinor }: Stat) => `${devMajor}:${devMinor}:${ino}`;
  const target = (path: ByteString) => (path === "" ? copy : joinPath(copy, path));
  let done = 0;
  for (const entry of home.entries) {
    const to = target(entry.path);
    step(done++, home.entries.length);
    stopIfInterrupted(NOTHING_MOVED);
    if (isDirectory(entry.stat)) {
      if (entry.path !== "") makeNewDirectory(home, root, to);
      continue;
    }
    const first = linked.get(identity(entry.stat));
    if (first !== undefined) {
      withJailFile(root, first, (fd) => putHardLink(root, to, fd), { follow: false });
      continue;
    }
    named(home, entry, () => copyEntry(home, root, entry, to));
    if (isRegular(entry.stat) && entry.stat.nlink > 1) linked.set(identity(entry.stat), to);
  }
  // A directory gets its owner after its content is complete: until then only root can change names in it.
  for (const entry of home.entries.toReversed().filter(({ stat }) => isDirectory(stat))) {
    const to = target(entry.path);
    named(home, entry, () => copyDirectoryXattrs(home, root, entry, to));
    setAttributes(root, to, attributesOf(entry.stat));
  }
}

function named(home: HomeSource, { path }: TreeEntry, work: () => void): void {
  const whole = path === "" ? home.path : joinPath(home.path, path);
  try {
    work();
  } catch (error) {
    if (error instanceof SystemError && error.call === "flistxattr" && error.code === "E2BIG") {
      const [word, copy] = [shellWord(whole), shellWord(`${whole}.new`)];
      const aside = shellWord(`/var/tmp/${baseName(whole)}`);
      const message =
        `${quoted(whole)} has more extended attributes than a program can list: its owner can put a copy without them ` +
        `in its place: cp -r ${word} ${copy} && mv -nT ${word} ${aside} && mv -nT ${copy} ${word}`;
      throw new JailkitError("home-not-movable", 1, message);
    }
    throw namedError(error, whole);
  }
}

/**
 * Creates a directory of the copy, which must not exist. If the owner exchanges a name meanwhile, a file system such as
 * XFS may list it twice: then a symbolic link may have been created under that name already, and must not be followed.
 */
function makeNewDirectory(home: HomeSource, root: JailRoot, to: ByteString): void {
  const attributes = { mode: 0o700, uid: 0, gid: 0 };
  const placement = atSpot(root, to, ({ parent, name }) => makeDirectoryIn(root, parent, name, attributes));
  if (placement !== "created") throw homeChanged(home);
}

function homeChanged({ path }: HomeSource): JailkitError {
  const message = `${quoted(path)} was changed while it was copied; nothing was moved, try again`;
  return new JailkitError("home-changed", 1, message);
}

function attributesOf(stat: Stat) {
  // A directory keeps setgid, which only passes its group on.
  const kept = isDirectory(stat) ? 0o3777 : 0o1777;
  return { mode: stat.mode & kept, uid: stat.uid, gid: stat.gid, atime: stat.atime, mtime: stat.mtime };
}

function copyEntry(home: HomeSource, root: JailRoot, entry: TreeEntry, to: ByteString): void {
  const attributes = attributesOf(entry.stat);
  switch (entry.stat.mode & C.S_IFMT) {
    case C.S_IFREG:
      withSource(home, entry, (fd, stat) => {
        putFile(root, to, { fd, size: stat.size }, attributes);
        const xattrs = xattrsOf(fd);
        if (xattrs.length === 0) return;
        withJailFile(root, to, (copied) => setXattrs(copied, xattrs), { follow: false });
        setAttributes(root, to, { atime: attributes.atime, mtime: attributes.mtime });
      });
      return;
    case C.S_IFLNK:
      putSymlink(root, to, entry.target ?? "", { attributes });
      return;
    case C.S_IFIFO:
      putDevice(root, to, { type: "fifo", major: 0, minor: 0 }, attributes);
      return;
    case C.S_IFSOCK:
      putDevice(root, to, { type: "socket", major: 0, minor: 0 }, attributes);
      return;
    default:
      throw new JailkitError("home-not-movable", 1, `${display(entry.path)}: of a type that cannot be moved`);
  }
}

/** Opens the same file that was scanned: by a path without symbolic links, then compared. */
function withSource(home: HomeSource, entry: TreeEntry, use: (fd: number, stat: Stat) => void): void {
  const flags = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
  withFd(openAt2(home.fd, entry.path, flags, WITHIN), (fd) => {
    const stat = fstat(fd);
    if (!sameFile(stat, entry.stat))
      throw new SystemError(C.EAGAIN, "changed while it was copied", entry.path);
    use(fd, stat);
  });
}

// ACLs are kept: they name the same users and groups as in the old home.
type Xattrs = readonly (readonly [name: ByteString, value: Uint8Array])[];

function xattrsOf(fd: number): Xattrs {
  return listXattrs(fd)
    .filter((name) => !grantsRights(name))
    .flatMap((name) => {
      const value = getXattr(fd, name);
      return value === undefined ? [] : [[name, value] as const];
    });
}

function setXattrs(fd: number, xattrs: Xattrs): void {
  for (const [name, value] of xattrs) setXattr(fd, name, value);
}

function copyDirectoryXattrs(home: HomeSource, root: JailRoot, entry: TreeEntry, to: ByteString): void {
  const flags = C.O_RDONLY | C.O_DIRECTORY;
  const xattrs = withFd(openAt2(home.fd, entry.path || ".", flags, WITHIN), xattrsOf);
  if (xattrs.length === 0) return;
  withDirectory(root, to, ({ fd }) => withFd(openAt(fd, ".", flags), (copied) => setXattrs(copied, xattrs)));
}
