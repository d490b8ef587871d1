import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { withTree } from "../jail/fs/look.ts";
import { joinPath } from "../jail/fs/walk.ts";
import { directoriesIn, findMoved, isFound } from "../jail/record/moved.ts";
import { readContent } from "../jail/record/record-file.ts";
import { type KnownJail, knownJails, REGISTRY } from "../jail/record/registry.ts";
import { mountsText, mountTypes, servedMounts } from "../system/mounts.ts";

// About two seconds on a slow disk.
const MOST_DIRECTORIES = 20_000;
const DEEPEST = 6;
const USUAL = ["/home", "/srv", "/var", "/opt", "/usr/local", "/mnt", "/media", "/data", "/jails"];
const LOCAL = new Set(["btrfs", "ext2", "ext3", "ext4", "f2fs", "jfs", "overlay", "tmpfs", "xfs", "zfs"]);
const NEVER = /^\/(?:proc|sys|dev|run|boot|tmp|var\/lib\/(?:docker|containers))(?:\/|$)/;

/** The directories where local file systems are mounted, from the text of /proc/self/mounts. Pure. */
export function localMounts(text: ByteString): ByteString[] {
  return [...mountTypes(text)].flatMap(([path, type]) =>
    LOCAL.has(type) && path !== "/" && !NEVER.test(path) ? [path] : [],
  );
}

/** True if a directory with the inode of a jail is that jail. Device numbers may change between boots. */
function isLost(path: ByteString, stat: Stat, lost: KnownJail, registry: ByteString): boolean {
  const { devMajor, devMinor } = lost.jail;
  if (!isFound(path, stat, lost, registry)) return false;
  if (stat.devMajor === devMajor && stat.devMinor === devMinor) return true;
  // A record without files would fit every directory.
  return withTree((tree) => (readContent(tree, registry, lost.id)?.entries.size ?? 0) > 0);
}

/**
 * Searches for a recorded jail that was moved: first near its old path and near other jails, then in `places`, the usual
 * directories and all local file systems, to a bounded depth; not inside other jails. `cutOff`: there are too many
 * directories, and not all were searched.
 */
export function searchMoved(lost: KnownJail, registry: ByteString = REGISTRY) {
  const near = findMoved(lost, registry);
  const mounts = localMounts(mountsText());
  const served = servedMounts();
  const places = [...new Set([...USUAL, ...mounts])].filter(
    (path) => !served.has(path) && directoriesIn(path) !== undefined,
  );
  const end = (found: ByteString | undefined, cutOff = false) => ({ found, places, cutOff });
  if (near !== undefined) return end(near);
  const skipped = new Set([...served, ...knownJails(registry).map(({ jail }) => jail.path)]);
  const queue = places.map((path) => ({ path, depth: 0 }));
  const seen = new Set<ByteString>();
  // All places in turn, the nearest level first, so that a large one does not use up the number.
  for (const { path, depth } of queue) {
    if (seen.has(path) || skipped.has(path) || NEVER.test(path)) continue;
    if (seen.size >= MOST_DIRECTORIES) return end(undefined, true);
    seen.add(path);
    const listing = directoriesIn(path);
    if (listing === undefined) continue;
    if (isLost(path, listing.stat, lost, registry)) return end(path);
    if (depth < DEEPEST)
      for (const name of listing.names) queue.push({ path: joinPath(path, name), depth: depth + 1 });
  }
  return end(undefined);
}
