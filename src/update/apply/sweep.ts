import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../../ffi/files.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { lookUp, readJailLink, withTree } from "../../jail/fs/look.ts";
import { moveInPlace } from "../../jail/fs/move.ts";
import { hostPath, isDirectory, isLink, type JailRoot, openDirectory, release } from "../../jail/fs/walk.ts";
import { type Among, removePath, removeTree } from "../../jail/fs/write.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import { directoryOf, type Journal } from "../journal.ts";
import { namesIn } from "../plan/scan.ts";
import { isAsRecorded } from "../state.ts";

const TEMPORARY = /^\.jk-[\w-]{12}$/;

type Entries = ReadonlyMap<ByteString, ManifestEntry>;

/**
 * What stands below `from` and is what the entries have below one of `places`: what is made ready for these, or what
 * stood there. A directory of users' may get something else at any time, which is not ours to remove.
 */
export function putFor(
  root: JailRoot,
  from: ByteString,
  places: readonly ByteString[],
  entries: readonly Entries[],
): Among {
  return (stat, path) => {
    // Made by root alone, and not yet under its name.
    if (stat.uid === 0 && TEMPORARY.test(baseName(path))) return true;
    const rest = path.slice(from.length);
    const told = places.flatMap((place) => entries.flatMap((all) => all.get(place + rest) ?? []));
    return told.some((entry) => isAsRecorded(entry, stat, targetOf(root, path, stat)));
  };
}

const targetOf = (root: JailRoot, path: ByteString, stat: Stat) =>
  isLink(stat) ? readJailLink(root, path) : undefined;

/**
 * Removes what a run that was cut short has left half-made: what has a name that only jailkit gives, in the directories that
 * it was in. What jailkit has not put there stays: `records` and the journal tell what it has. Returns warnings.
 */
export function sweep(root: JailRoot, journal: Journal, records: Entries): string[] {
  return journal.directories.flatMap((path) =>
    inTrusted(root, path, (at, stat) => sweepOne(root, journal, records, at, stat)),
  );
}

/** The same beside the record of a jail, where root alone can have put anything. */
export function sweepRegistry(id: ByteString): void {
  withTree((tree) =>
    inTrusted(tree, directoryOf(id), (at, stat) => {
      removeTree(tree, at, stat);
      return [];
    }),
  );
}

/** Calls `use` for each half-made thing in a directory; one that users can write is left alone. */
function inTrusted(
  root: JailRoot,
  path: ByteString,
  use: (at: ByteString, stat: Stat) => string[],
): string[] {
  let directory: ReturnType<typeof openDirectory>;
  try {
    directory = openDirectory(root, path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return [];
    throw error;
  }
  try {
    if (!directory.trusted || !isDirectory(directory.stat)) return [];
    return namesIn(directory).flatMap((name) => {
      const stat = TEMPORARY.test(name) ? statIfPresent(directory.fd, name) : undefined;
      return stat === undefined ? [] : use(`${directory.path === "/" ? "" : directory.path}/${name}`, stat);
    });
  } finally {
    release(directory);
  }
}

function sweepOne(
  root: JailRoot,
  { put, exchanged }: Journal,
  records: Entries,
  at: ByteString,
  stat: Stat,
): string[] {
  const left = `${display(hostPath(root, at))}: an update that was cut short has left it`;
  const stays = `${left}, and not all of it is jailkit's: it stays; see jk_check`;
  if (!isDirectory(stat)) {
    // What is not finished is root's.
    const all = [...put.values(), ...records.values()];
    const ours = () => all.some((entry) => isAsRecorded(entry, stat, targetOf(root, at, stat)));
    if (stat.uid !== 0 && !ours()) return [stays];
    removeTree(root, at, stat);
    return [];
  }
  const places = [...put.keys()].filter((path) => parentOf(path) === parentOf(at));
  try {
    removeTree(root, at, stat, putFor(root, at, places, [put, records]));
    return [];
  } catch (error) {
    if (!(error instanceof JailkitError && error.code === "appeared")) throw error;
  }
  const old = exchanged.find(({ path, ino }) => ino === stat.ino && parentOf(path) === parentOf(at));
  if (old === undefined || !putBack(root, at, stat, old.path, put.get(old.path))) return [stays];
  const where = display(hostPath(root, old.path));
  const had = "an update that was cut short had replaced it, and not all of it is jailkit's";
  return [`${where}: ${had}: it is back in its place, and stays`];
}

/** A directory that was replaced comes back to its place, if what an update put there is still there, or nothing. */
function putBack(
  root: JailRoot,
  from: ByteString,
  made: Stat,
  to: ByteString,
  entry: ManifestEntry | undefined,
): boolean {
  const standing = lookUp(root, to)?.stat;
  if (standing === undefined)
    return moveInPlace(root, from, to, "new", { made, present: standing }) !== "kept";
  if (entry === undefined || !isAsRecorded(entry, standing, targetOf(root, to, standing))) return false;
  if (moveInPlace(root, from, to, "exchange", { made, present: standing }) === "kept") return false;
  removePath(root, from, standing);
  return true;
}
