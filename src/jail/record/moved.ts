import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, DT_DIR, DT_UNKNOWN, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { fstat, isMissing, openAt, readDirectory, type Stat, withFd } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";
import { servedMounts } from "../../system/mounts.ts";
import { withTree } from "../fs/look.ts";
import { type JailRoot, joinPath, openJailRoot } from "../fs/walk.ts";
import { readContent, readIdentity } from "./record-file.ts";
import { describes, findManifest, isRecordOf, type KnownJail, knownJails, REGISTRY } from "./registry.ts";

// A jail is usually moved nearby, so the search ends after this many directories.
const MOST_DIRECTORIES = 4000;
const DEEPEST = 4;

/** Ends the name of what `jailkit apply` has made in the place of a jail that was moved, once a remedy has moved that away. */
export const ANEW = ".anew";

/** The directory at a path and the names of those in it; undefined if it cannot be read. */
export const directoriesIn = (path: ByteString) =>
  attempt(() =>
    withFd(openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), (fd) => {
      const entries = readDirectory(fd).filter(({ type }) => type === DT_DIR || type === DT_UNKNOWN);
      return { names: entries.map(({ name }) => name), stat: fstat(fd) };
    }),
  );

function nearest(path: ByteString): ByteString {
  let at = directoryOf(path);
  while (at !== "/" && isMissing(at)) at = directoryOf(at);
  return at;
}

/**
 * True if the directory at a path is the jail of a record. A jail that has another record is not. `unsure`: the answer for
 * a record that says nothing of its jail.
 */
export function isRecorded(
  path: ByteString,
  { id }: KnownJail,
  registry: ByteString = REGISTRY,
  unsure = true,
): boolean {
  const recorded = answered(() => {
    using root = openJailRoot(path);
    return withTree((tree) => {
      // Jails of the same sections have the same content, and on another file system perhaps the same inode.
      const own = findManifest(tree, root, registry);
      if (own.content !== undefined) return own.id === id;
      // Accounts of the other jail may live at its path, wherever its directory is.
      if (own.id !== id && readIdentity(tree, registry, own.id)?.path === path) return false;
      const content = readContent(tree, registry, id);
      return content !== undefined && (describes(content, root) ?? unsure);
    });
  });
  return recorded ?? false;
}

/**
 * True if a directory that was found has the inode of a jail and its recorded content. Users can create a directory with
 * any inode on another file system, and read what most jails contain; so only where root alone can move it.
 */
export function isFound(path: ByteString, stat: Stat, lost: KnownJail, registry: ByteString): boolean {
  if (stat.ino !== lost.jail.ino || stat.uid !== 0 || !onlyRootExchanges(path)) return false;
  return isRecorded(path, lost, registry, false);
}

/**
 * The present path of a recorded jail that was moved: the directory with its inode and its recorded content. Searches
 * below the directories where this and other jails are or were, nearest first.
 */
export function findMoved(lost: KnownJail, registry: ByteString = REGISTRY): ByteString | undefined {
  const places = [lost.jail.path, ...knownJails(registry).map(({ jail }) => jail.path)].map(nearest);
  let left = MOST_DIRECTORIES;
  const seen = servedMounts();
  const search = (start: ByteString, deepest: number): ByteString | undefined => {
    const queue: { path: ByteString; depth: number }[] = [{ path: start, depth: 0 }];
    for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
      if (left-- <= 0) return undefined;
      const { path, depth } = next;
      if (seen.has(path)) continue;
      seen.add(path);
      const found = directoriesIn(path);
      if (found === undefined) continue;
      // The remedy may have been stopped before the jail of before followed.
      const isAside = () => path.replace(/\d+$/, "") === lost.jail.path + ANEW;
      if (isFound(path, found.stat, lost, registry) && !isAside()) return path;
      if (depth < deepest) {
        for (const name of found.names) queue.push({ path: joinPath(path, name), depth: depth + 1 });
      }
    }
    return undefined;
  };
  for (const place of new Set(places)) {
    // Below the root are all other mounts, so do not search it deeply.
    const found = search(place, place === "/" ? 2 : DEEPEST);
    if (found !== undefined) return found;
    const above = directoryOf(place);
    const near = above === "/" ? undefined : search(above, 2);
    if (near !== undefined) return near;
  }
  return undefined;
}

/**
 * The present path of a jail that is no longer at `path`: the one of `places` that its record describes, or another one.
 * Undefined if it is not found, or no record can be read.
 */
export function whereMoved(path: ByteString, places: readonly ByteString[] = []): ByteString | undefined {
  return answered(() => {
    const lost = lostJail(path);
    return lost && (places.find((place) => isRecorded(place, lost, REGISTRY, false)) ?? findMoved(lost));
  });
}

/** The path that the record of an open jail has, if it is another one, and nothing is there any more. */
export function formerPath(root: JailRoot, id: ByteString, registry: ByteString = REGISTRY) {
  // Nearly always the record has the id of the path.
  if (isRecordOf(id, root.path)) return undefined;
  const path = withTree((tree) => readIdentity(tree, registry, id))?.path;
  const isHere = path === undefined || path === root.path;
  return isHere || !isMissing(path) ? undefined : path;
}

/** True if nothing is at `from`, and the jail at `to` may be the one that was there: no record says otherwise. */
export function mayHaveMoved(from: ByteString, to: ByteString): boolean {
  if (!isMissing(from)) return false;
  const lost = answered(() => lostJail(from));
  return lost === undefined || isRecorded(to, lost);
}

/** The record of a path that has no jail any more. */
export function lostJail(path: ByteString, registry: ByteString = REGISTRY): KnownJail | undefined {
  if (!isMissing(path)) return undefined;
  return knownJails(registry).find(({ jail }) => jail.path === path);
}
