import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, UnansweredMount } from "../../ffi/error.ts";
import { type Extent, extentsOf, type Usage, usageAt } from "../../ffi/extents.ts";
import { type DirectoryEntry, openAt, readEntries, withFd } from "../../ffi/files.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import type { DiskReport } from "./report-schema.ts";

/** The disk space of a jail in bytes, its mounts, and the number of files that could not be read. */
export type DiskUse = DiskReport["total"] & {
  readonly mounts: readonly ByteString[];
  readonly unread: number;
};

/** One inode. */
export interface Inode {
  readonly usage: Usage;
  /** The number of its names in the jail. */
  names: number;
  /** Undefined if it has none, or the file system does not report them. */
  readonly extents: readonly Extent[] | undefined;
}

/** What was counted already, in one jail or in several: all inodes, and shared extents. */
export const newLedger = () => ({ inodes: new Map<string, Inode>(), extents: new Set<string>() });

const isType = ({ mode }: Usage, type: number) => (mode & C.S_IFMT) === type;
/** Identifies an inode of any file system. */
export const inodeKey = ({ devMajor, devMinor, ino }: Usage) => `${devMajor}:${devMinor}:${ino}`;

/**
 * All inodes of a jail, by descriptors and never through a link, without other file systems. `each` is called for every
 * name below the jail's root, with its path as the jail sees it; "enough" ends it.
 */
export function collectInodes(
  root: JailRoot,
  each: (path: ByteString, usage: Usage) => "enough" | undefined = () => undefined,
) {
  const inodes = new Map<string, Inode>();
  const mounts: ByteString[] = [];
  // File systems that do not report extents.
  const silent = new Set<string>();
  let unread = 0;
  let ended = false;

  function extents(fd: number, name: ByteString, usage: Usage): Extent[] | undefined {
    const device = `${usage.devMajor}:${usage.devMinor}`;
    if (!isType(usage, C.S_IFREG) || usage.allocated === 0 || silent.has(device)) return undefined;
    const found = withFd(openAt(fd, name, C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY), extentsOf);
    if (found === undefined) silent.add(device);
    return found;
  }

  function visit(fd: number, name: ByteString, path: ByteString): void {
    const usage = usageAt(fd, name);
    if (usage === undefined) return;
    if (usage.mountId !== root.top.stat.mountId) {
      mounts.push(path);
      return;
    }
    const known = inodes.get(inodeKey(usage));
    if (known !== undefined) known.names++;
    else inodes.set(inodeKey(usage), { usage, names: 1, extents: extents(fd, name, usage) });
    ended = each(path, usage) === "enough";
    if (!ended && isType(usage, C.S_IFDIR)) enter(fd, name, path);
  }

  function enter(parent: number, name: ByteString, path: ByteString): void {
    withFd(openAt(parent, name, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK), (fd) => {
      for (let more = true; more && !ended; ) {
        // In pieces: a user may have made millions.
        const piece: DirectoryEntry[] = [];
        more = readEntries(fd, piece);
        for (const entry of piece) visitOne(fd, entry.name, path);
      }
    });
  }

  function visitOne(fd: number, name: ByteString, above: ByteString): void {
    try {
      if (!ended) visit(fd, name, `${above}/${name}`);
    } catch (error) {
      if (error instanceof UnansweredMount) mounts.push(`${above}/${name}`);
      // A user may have removed it meanwhile.
      else if (!isErrno(error, "ENOENT")) unread++;
    }
  }

  const top = usageAt(root.fd, ".");
  if (top !== undefined) inodes.set(inodeKey(top), { usage: top, names: 1, extents: undefined });
  enter(root.fd, ".", "");
  return { inodes, mounts, unread };
}

/** Counts the shared extents of a file: those not counted before (`shared`), and those in `counted` (`seen`). */
function sharedExtents({ usage, extents }: Inode, counted: Set<string>) {
  let shared = 0;
  let seen = 0;
  for (const extent of extents ?? []) {
    if (!extent.shared || extent.placeless) continue;
    const length = Number(extent.length);
    const key = `${usage.devMajor}:${usage.devMinor}:${extent.physical}:${extent.length}`;
    if (counted.has(key)) seen += length;
    else shared += length;
    counted.add(key);
  }
  // Compressed extents take less space than their length.
  const whole = Math.max(1, shared + seen);
  const scale = Math.min(1, usage.allocated / whole);
  return { shared: Math.round(shared * scale), seen: Math.round(seen * scale) };
}

/** Adds up the disk space of inodes. Those in `ledger` are not counted again; the others are added to it. */
export function addUp(
  inodes: ReadonlyMap<string, Inode>,
  ledger: ReturnType<typeof newLedger>,
): DiskReport["total"] {
  const sum = { files: 0, directories: 0, apparent: 0, allocated: 0, linked: 0, shared: 0, own: 0, users: 0 };
  let sharingKnown = true;
  for (const [key, inode] of inodes) {
    const { usage, names } = inode;
    const directory = isType(usage, C.S_IFDIR);
    sum[directory ? "directories" : "files"]++;
    if (ledger.inodes.has(key)) continue;
    ledger.inodes.set(key, inode);
    if (isType(usage, C.S_IFREG) && usage.allocated > 0 && inode.extents === undefined) sharingKnown = false;
    if (!directory) sum.apparent += usage.size;
    const { shared, seen } = sharedExtents(inode, ledger.extents);
    const counted = usage.allocated - seen;
    sum.allocated += counted;
    if (!directory && usage.nlink > names) sum.linked += counted;
    else {
      sum.shared += shared;
      const own = counted - shared;
      sum.own += own;
      if (usage.uid !== 0) sum.users += own;
    }
  }
  return { ...sum, sharingKnown };
}
