import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { usageAt } from "../../../ffi/extents.ts";
import {
  close,
  type DirectoryEntry,
  fstat,
  openAt2,
  readEntries,
  type Stat,
  statAt,
} from "../../../ffi/files.ts";
import { lookAtOpen } from "../../../ffi/stat-keys.ts";
import { quoted, shortPath } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { SizedEntry } from "./room.ts";
import { namedError } from "./root.ts";

/** A name in a directory of a home. */
export interface HomeName {
  readonly name: ByteString;
  /** DT_*, never DT_UNKNOWN. */
  readonly type: number;
}

/** An open directory of a home. */
export interface HomeLevel {
  /** Relative to the home, without a leading slash; "" is the home itself. */
  readonly path: ByteString;
  /** Readable; open during the call, and longer if it is kept: then the caller closes it. */
  readonly fd: number;
  readonly keep: () => number;
  /** Go through all of them, once. There is never more than one piece in memory. */
  readonly pieces: Iterable<readonly HomeName[]>;
}

/** Lists an open directory, at its start, in pieces of any size. */
export type List = (fd: number) => Iterable<readonly HomeName[]>;

/** No symbolic link is followed below the top, even if a rename puts one there meanwhile. */
export const WITHIN = C.RESOLVE_BENEATH | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS | C.RESOLVE_NO_XDEV;

const DIRECTORY = C.O_RDONLY | C.O_DIRECTORY;
// PATH_MAX limits a path in one system call.
const LONGEST_PATH = 4000;

/** The path of `name` in a level. */
export const pathIn = ({ path }: Pick<HomeLevel, "path">, name: ByteString): ByteString =>
  path === "" ? name : `${path}/${name}`;

const wholePath = (shown: ByteString, path: ByteString): ByteString =>
  path === "" ? shown : `${shown}/${path}`;

/** The names in a level that are not directories, in pieces. */
export function* namesOfFiles({ pieces }: Pick<HomeLevel, "pieces">): Generator<ByteString[]> {
  for (const names of pieces) yield names.filter(({ type }) => type !== C.DT_DIR).map(({ name }) => name);
}

function* listPieces(fd: number): Generator<readonly HomeName[]> {
  for (let more = true; more; ) {
    const piece: DirectoryEntry[] = [];
    more = readEntries(fd, piece);
    if (piece.length > 0) yield piece;
  }
}

/**
 * Calls `each` for every directory at and below the open directory `top`, each before those in it, just after the directory
 * was looked at (statx(2)). Symbolic links are not followed, and other file systems not entered. Only the directories that
 * are left are remembered, no files. `shown` names the tree in messages. Throws JailkitError for a device, a mount point,
 * or a tree that is too deep.
 */
export function walkHome(
  top: number,
  shown: ByteString,
  each: (level: HomeLevel) => void,
  list: List = listPieces,
): void {
  const mount = fstat(top).mountId;
  const left: ByteString[] = [""];
  for (let path = left.pop(); path !== undefined; path = left.pop()) {
    const fd = openLevel(top, path, shown);
    let kept = false;
    const keep = () => {
      kept = true;
      return fd;
    };
    try {
      requireMount(shown, path, { mountId: lookAtOpen(fd) }, mount);
      each({ path, fd, keep, pieces: checked(list(fd), { fd, path, shown, left }) });
    } finally {
      if (!kept) close(fd);
    }
  }
}

function openLevel(top: number, path: ByteString, shown: ByteString): number {
  try {
    return openAt2(top, path || ".", DIRECTORY, WITHIN);
  } catch (error) {
    throw isErrno(error, "EXDEV") ? mountPoint(shown, path) : namedError(error, wholePath(shown, path));
  }
}

interface Listed {
  readonly fd: number;
  readonly path: ByteString;
  readonly shown: ByteString;
  readonly left: ByteString[];
}

/** Checks each piece, and notes the directories in it. */
function* checked(
  pieces: Iterable<readonly HomeName[]>,
  { fd, path, shown, left }: Listed,
): Generator<readonly HomeName[]> {
  for (const piece of pieces) {
    const names = typed(fd, piece);
    for (const { name, type } of names) {
      const why = obstacle(path.length + 1 + name.length, isDevice(fd, name, type));
      if (why !== undefined) throw notMovable(shown, pathIn({ path }, name), why);
      if (type === C.DT_DIR) left.push(pathIn({ path }, name));
    }
    yield names;
  }
}

function typed(fd: number, names: readonly HomeName[]): readonly HomeName[] {
  if (names.every(({ type }) => type !== C.DT_UNKNOWN)) return names;
  // As glibc converts a mode: IFTODT.
  const typeOf = (name: ByteString) => (statAt(fd, name).mode & C.S_IFMT) >> 12;
  return names.map(({ name, type }) => ({ name, type: type === C.DT_UNKNOWN ? typeOf(name) : type }));
}

/** True for a device, but a whiteout: that is none, and any user can make one (mknod(2)). */
function isDevice(fd: number, name: ByteString, type: number): boolean {
  if (type === C.DT_BLK) return true;
  return type === C.DT_CHR && !isWhiteout(statAt(fd, name));
}

/** True for the number that an overlay of file systems uses in its upper layer for a name that was removed. */
export const isWhiteout = ({ mode, rdevMajor, rdevMinor }: Stat): boolean =>
  (mode & C.S_IFMT) === C.S_IFCHR && rdevMajor === 0 && rdevMinor === 0;

/** The reason why an entry, with a path of this length, cannot be moved, with the remedy. */
function obstacle(length: number, isDevice: boolean): string | undefined {
  if (length > LONGEST_PATH) return "is too deep: move it out of the way";
  if (isDevice) return "is a device, which no home should hold: move it out of the way";
  return undefined;
}

/** Throws JailkitError "home-not-movable" for a file of another mount than `mount`. */
export function requireMount(
  shown: ByteString,
  path: ByteString,
  { mountId }: Pick<Stat, "mountId">,
  mount: Stat["mountId"],
): void {
  // Not the device number: files of an overlay have those of its layers.
  if (mountId !== mount) throw mountPoint(shown, path);
}

/** The error "home-not-movable" for a file of another mount. */
export const mountPoint = (shown: ByteString, path: ByteString): JailkitError =>
  notMovable(shown, path, "is a mount point: unmount it first");

function notMovable(shown: ByteString, path: ByteString, why: string): JailkitError {
  return new JailkitError("home-not-movable", 1, `${quoted(shortPath(wholePath(shown, path)))} ${why}`);
}

/** The number of names in a tree, without its top; `soFar` is called for each directory. Throws as walkHome. */
export function countHome(top: number, shown: ByteString, soFar: (count: number) => void): number {
  let count = 0;
  walkHome(top, shown, ({ pieces }) => {
    for (const names of pieces) count += names.length;
    soFar(count);
  });
  return count;
}

/** What a copy of a tree has below its top: a file with several names is one. Throws as walkHome. */
export function sizesIn(top: number, shown: ByteString): SizedEntry[] {
  const sizes: SizedEntry[] = [];
  const linked = new Set<bigint>();
  walkHome(top, shown, ({ fd, pieces }) => {
    for (const names of pieces)
      for (const { name, type } of names) {
        const usage = type === C.DT_REG ? usageAt(fd, name) : undefined;
        if (usage !== undefined && usage.nlink > 1 && linked.has(usage.ino)) continue;
        if (usage !== undefined && usage.nlink > 1) linked.add(usage.ino);
        sizes.push({ size: usage?.size ?? 0, allocated: usage?.allocated ?? 0 });
      }
  });
  return sizes;
}
