import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, readDirectory, type Stat } from "../../ffi/files.ts";
import { withTree } from "../jail/fs/look.ts";
import { joinPath } from "../jail/fs/walk.ts";
import { findMoved, isFound } from "../jail/record/moved.ts";
import { type KnownJail, knownJails, REGISTRY, readContent } from "../jail/record/registry.ts";
import { mountsText, mountTypes, servedMounts } from "../system/mounts.ts";

// About two seconds on a slow disk.
const MOST_DIRECTORIES = 20_000;
const DEEPEST = 6;
const USUAL = ["/home", "/srv", "/var", "/opt", "/usr/local", "/mnt", "/media", "/data", "/jails"];
const LOCAL = new Set(["btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "tmpfs", "xfs", "zfs"]);
const NEVER = /^\/(?:proc|sys|dev|run|boot|tmp|var\/lib\/(?:docker|containers))(?:\/|$)/;
const DT_UNKNOWN = 0;
const DT_DIRECTORY = 4;

/** The directories where local file systems are mounted, from the text of /proc/self/mounts. Pure. */
export function localMounts(text: ByteString): ByteString[] {
  return [...mountTypes(text)].flatMap(([path, type]) =>
    LOCAL.has(type) && path !== "/" && !NEVER.test(path) ? [path] : [],
  );
}

interface Listing {
  stat: Stat;
  names: ByteString[];
}

function list(path: ByteString): Listing | undefined {
  try {
    const fd = openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      const entries = readDirectory(fd).filter(({ type }) => type === DT_DIRECTORY || type === DT_UNKNOWN);
      return { stat: fstat(fd), names: entries.map(({ name }) => name) };
    } finally {
      close(fd);
    }
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** True if a directory with the inode of a jail is that jail. Device numbers may change between boots. */
function isLost(path: ByteString, stat: Stat, lost: KnownJail, registry: ByteString): boolean {
  const { devMajor, devMinor } = lost.jail;
  if (!isFound(path, stat, lost, registry)) return false;
  if (stat.devMajor === devMajor && stat.devMinor === devMinor) return true;
  // A record without files would fit every directory.
  return withTree((tree) => (readContent(tree, registry, lost.id)?.entries.size ?? 0) > 0);
}

/** The result of a search. */
interface Search {
  /** The present path of the jail; undefined if it was not found. */
  found: ByteString | undefined;
  /** The directories that were searched, in their order. */
  places: ByteString[];
  /** The search ended before it had seen all that is not too deep. */
  cutOff: boolean;
}

/**
 * Searches a recorded jail that was moved: first near its old path and near other jails, then in the usual directories
 * and on all local file systems, to a bounded depth and number of directories; not inside other jails.
 */
export function searchMoved(lost: KnownJail, registry: ByteString = REGISTRY): Search {
  const near = findMoved(lost, registry);
  const mounts = localMounts(mountsText());
  const served = servedMounts();
  const places = [...new Set([...USUAL, ...mounts])].filter(
    (path) => !served.has(path) && list(path) !== undefined,
  );
  if (near !== undefined) return { found: near, places, cutOff: false };
  const skipped = new Set([...served, ...knownJails(registry).map(({ jail }) => jail.path)]);
  const queue = places.map((path) => ({ path, depth: 0 }));
  const seen = new Set<ByteString>();
  // All places in turn, the nearest level first, so that a large one does not use up the number.
  for (let at = 0; at < queue.length; at++) {
    const { path, depth } = queue[at] ?? { path: "/", depth: DEEPEST };
    if (seen.has(path) || skipped.has(path) || NEVER.test(path)) continue;
    if (seen.size >= MOST_DIRECTORIES) return { found: undefined, places, cutOff: true };
    seen.add(path);
    const listing = list(path);
    if (listing === undefined) continue;
    if (isLost(path, listing.stat, lost, registry)) return { found: path, places, cutOff: false };
    if (depth < DEEPEST)
      for (const name of listing.names) queue.push({ path: joinPath(path, name), depth: depth + 1 });
  }
  return { found: undefined, places, cutOff: false };
}
