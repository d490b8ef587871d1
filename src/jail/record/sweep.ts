import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../../ffi/files.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { lookUp, readJailLink, withTree } from "../fs/look.ts";
import { namesIn } from "../fs/names.ts";
import { moveInPlace } from "../fs/place.ts";
import {
  type Directory,
  hostPath,
  isDirectory,
  isLink,
  type JailRoot,
  joinPath,
  openDirectory,
  release,
} from "../fs/walk.ts";
import { type Among, removePath, removeTree } from "../fs/write.ts";
import { isAsRecorded } from "./as-recorded.ts";
import { type Journal, recordDirectory } from "./journal.ts";
import type { ManifestEntry } from "./manifest-text.ts";

const TEMPORARY = /^\.jk-(?:put-)?[\w-]{12}$/;

/** True for the name of a file that has yet to get its real one, or that a run which was killed has left. Pure. */
export const isTemporaryName = (name: ByteString): boolean => TEMPORARY.test(name);

type Entries = ReadonlyMap<ByteString, ManifestEntry>;

/**
 * A test for files below `from` that the entries have below one of `places`: prepared for these places, or there before.
 * Users may put other files into their directories at any time, which must stay.
 */
export function putFor(
  root: JailRoot,
  from: ByteString,
  places: readonly ByteString[],
  entries: readonly Entries[],
): Among {
  return (stat, path) => {
    // Created by root, and not yet renamed.
    if (stat.uid === 0 && isTemporaryName(baseName(path))) return true;
    const rest = path.slice(from.length);
    const recorded = places.flatMap((place) => entries.flatMap((all) => all.get(place + rest) ?? []));
    return recorded.some((entry) => isAsRecorded(entry, stat, targetOf(root, path, stat)));
  };
}

const targetOf = (root: JailRoot, path: ByteString, stat: Stat) =>
  isLink(stat) ? readJailLink(root, path) : undefined;

/**
 * Removes the temporary files of an interrupted run, by their names and the directories in its journal. Keeps files that are
 * neither in `records` nor in the journal. Returns warnings.
 */
export function sweep(root: JailRoot, journal: Journal, records: Entries): string[] {
  return journal.directories.flatMap((path) =>
    inTrusted(root, path, (at, stat) => sweepOne(root, journal, records, at, stat)),
  );
}

/** The same beside the record of a jail, which only root can write. */
export function sweepRegistry(id: ByteString): void {
  withTree((tree) =>
    inTrusted(tree, recordDirectory(id), (at, stat) => {
      removeTree(tree, at, stat);
      return [];
    }),
  );
}

/** Calls `use` for each temporary file in a directory, unless users can write the directory. */
function inTrusted(
  root: JailRoot,
  path: ByteString,
  use: (at: ByteString, stat: Stat) => string[],
): string[] {
  let directory: Directory;
  try {
    directory = openDirectory(root, path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return [];
    throw error;
  }
  try {
    if (!directory.trusted || !isDirectory(directory.stat)) return [];
    return namesIn(directory).flatMap((name) => {
      const stat = isTemporaryName(name) ? statIfPresent(directory.fd, name) : undefined;
      return stat === undefined ? [] : use(joinPath(directory.path, name), stat);
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
  const shown = display(hostPath(root, at));
  const stays = `${shown}: left by an interrupted update, and not all of it is jailkit's: it stays; see jk_check`;
  if (!isDirectory(stat)) {
    // An unfinished file belongs to root.
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
  const had = "replaced by an interrupted update, though not all of it is jailkit's";
  return [`${display(hostPath(root, old.path))}: ${had}: it was moved back, and stays`];
}

/** Moves a replaced directory back, if its place is empty or has the file of the update. */
function putBack(
  root: JailRoot,
  from: ByteString,
  made: Stat,
  to: ByteString,
  entry: ManifestEntry | undefined,
): boolean {
  const existing = lookUp(root, to)?.stat;
  if (existing === undefined)
    return moveInPlace(root, from, to, "new", { made, present: existing }) !== "kept";
  if (entry === undefined || !isAsRecorded(entry, existing, targetOf(root, to, existing))) return false;
  if (moveInPlace(root, from, to, "exchange", { made, present: existing }) === "kept") return false;
  removePath(root, from, existing);
  return true;
}
