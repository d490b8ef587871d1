import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { normalPath, parentOf } from "../../../ffi/paths.ts";
import type { JailkitError } from "../../cli/error.ts";
import { isDirectory, isLink, type JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import { isLibraryName } from "../../libraries/dependency.ts";
import { hiddenFile } from "../../populate/hidden-place.ts";
import { type JailObject, type JailState, lookAt } from "../state.ts";
import type { Kept, Removal } from "./compare.ts";
import { namesAt } from "./scan.ts";

export interface Removals {
  /** In the order of removal: each directory after its content. */
  readonly removals: readonly Removal[];
  readonly kept: readonly Kept[];
  /** Entries of the record that are no longer in the jail, or that it had before, and that nothing recorded needs now. */
  readonly forgotten: readonly ByteString[];
  /** Why none is forgotten now: a mount may hide what is no longer there. */
  readonly hidden: JailkitError | undefined;
}

/** A file that may be removed: no request wants it, or the host no longer has it. */
export interface Candidate {
  readonly path: ByteString;
  readonly record: ManifestEntry | undefined;
}

interface Found extends Candidate {
  readonly existing: JailObject;
}

/** Symbolic links before their targets, programs before libraries, directories from the bottom up. */
function rank({ path, type }: Removal): number {
  if (type === "directory") return 1_000_000 - path.split("/").length;
  if (type === "link") return isLibraryName(path) ? 2 : 0;
  return isLibraryName(path) ? 3 : 1;
}

/**
 * Decides which candidates are removed: those that are unchanged, and, without a record, those that were copied and not
 * created in the jail. A directory is removed if all its content is, unless it `stays`. With `prune` all are removed.
 */
export function decideRemovals(
  state: JailState,
  candidates: readonly Candidate[],
  stays: (path: ByteString) => boolean,
  prune: boolean,
): Removals {
  const { root } = state;
  const kept: Kept[] = [];
  const going = new Map<ByteString, Removal>();
  const keep = (one: Found) => kept.push({ path: one.path, reason: reasonOf(one) });
  const remove = ({ path, existing }: Found) =>
    going.set(path, { path, type: typeOf(existing), seen: existing.stat });

  const found = candidates.flatMap(({ path, record }): Found[] => {
    const existing = state.at(path);
    return existing === undefined ? [] : [{ path, record, existing }];
  });
  const links: Found[] = [];
  for (const one of found) {
    if (isDirectory(one.existing.stat)) continue;
    if (prune || isOurs(one)) remove(one);
    else if (isUnknownLink(one)) links.push(one);
    else keep(one);
  }
  // The origin of a symbolic link is unknown; remove it if it is dangling.
  for (const one of links) {
    if (leadsNowhere(root, one.path, going)) remove(one);
    else keep(one);
  }
  const missing = candidates.filter(
    ({ path, record }) => record !== undefined && state.at(path) === undefined,
  );
  const hidden = hiddenFile(
    root,
    missing.map(({ path }) => path),
  );
  // What may still be in it is not seen.
  const mayHold = (directory: ByteString) =>
    hidden !== undefined && missing.some(({ path }) => path.startsWith(`${directory}/`));
  const directories = found.filter(({ existing }) => isDirectory(existing.stat));
  for (const one of directories.sort((a, b) => b.path.length - a.path.length)) {
    if (mayHold(one.path)) continue;
    const names = namesAt(root, one.path);
    if (!names.every((name) => going.has(`${one.path}/${name}`))) continue;
    if (!stays(one.path) && (prune || isOurs(one) || wasFilled(one, names))) remove(one);
    else if (one.record === undefined) keep(one);
  }
  const removals = [...going.values()].sort((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1));
  const isForgotten = ({ path, record }: Candidate) =>
    record !== undefined && (state.at(path) === undefined || (record.before && !going.has(path)));
  const forgotten = candidates.filter(isForgotten).map(({ path }) => path);
  return { removals, kept, forgotten: hidden === undefined ? forgotten : [], hidden };
}

/** True if it is unchanged and the jail did not have it before, or, if not recorded, a copy. */
function isOurs({ record, existing: { origin } }: Found): boolean {
  // What is not recorded may need it.
  if (record?.before === true) return false;
  return origin === "as-put" || (record === undefined && origin === "unrecorded");
}

function isUnknownLink({ record, existing: { stat } }: Found): boolean {
  return record === undefined && isLink(stat) && stat.uid === 0;
}

/** True for a directory that looks new only because files were put into it. */
function wasFilled({ record, existing: { origin } }: Found, names: readonly ByteString[]): boolean {
  return record === undefined && names.length > 0 && origin === "made-here";
}

function reasonOf({ record, existing: { origin, stat } }: Found): string {
  if (record?.before === true) return "was in the jail before jailkit recorded it";
  if (origin === "user") return `belongs to uid ${stat.uid}`;
  return origin === "changed" ? "was changed in the jail" : "was created in the jail";
}

const TYPES: Readonly<Record<number, Removal["type"]>> = {
  [C.S_IFCHR]: "char",
  [C.S_IFDIR]: "directory",
  [C.S_IFBLK]: "block",
  [C.S_IFIFO]: "fifo",
  [C.S_IFSOCK]: "socket",
  [C.S_IFLNK]: "link",
};

const typeOf = ({ stat }: JailObject): Removal["type"] => TYPES[stat.mode & C.S_IFMT] ?? "file";

function leadsNowhere(root: JailRoot, path: ByteString, going: ReadonlyMap<ByteString, Removal>): boolean {
  const target = lookAt(root, path)?.target ?? "";
  const at = normalPath(target.startsWith("/") ? target : `${parentOf(path)}/${target}`);
  return going.has(at) || (at !== "/" && lookAt(root, at) === undefined);
}
