import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { isDirectory, isLink, type JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import { type JailState, look, type Standing } from "../state.ts";
import type { Kept, Removal } from "./compare.ts";
import { namesAt } from "./scan.ts";

/** What goes, and what of the record is not there any more. */
export interface Removals {
  /** In the order in which it goes: directories last, each after what was in it. */
  readonly removals: readonly Removal[];
  readonly kept: readonly Kept[];
  /** Entries of the record of which nothing is left. */
  readonly forgotten: readonly ByteString[];
}

/** Something that may go: what no request wants, or what the host does not have any more. */
export interface Candidate {
  readonly path: ByteString;
  readonly record: ManifestEntry | undefined;
}

const LIBRARY = /\.so(?:\.|$)/;

/** Links before what they lead to, programs before libraries, directories from the bottom up. */
function rank({ path, type }: Removal): number {
  if (type === "directory") return 1_000_000 - path.split("/").length;
  if (type === "link") return LIBRARY.test(baseName(path)) ? 2 : 0;
  return LIBRARY.test(baseName(path)) ? 3 : 1;
}

/**
 * Decides what of the candidates goes: only what is as it was put there, or, of what nobody recorded, what was copied
 * and not made in the jail. A directory goes when all that is in it does. `prune`: whatever it is.
 */
export function decideRemovals(
  state: JailState,
  candidates: readonly Candidate[],
  stays: (path: ByteString) => boolean,
  prune: boolean,
): Removals {
  const { root } = state;
  const kept: Kept[] = [];
  const forgotten: ByteString[] = [];
  const going = new Map<ByteString, Removal>();
  const directories: { path: ByteString; record: ManifestEntry | undefined; standing: Standing }[] = [];
  const links: { path: ByteString; seen: Stat }[] = [];

  for (const { path, record } of candidates) {
    const standing = state.at(path);
    if (standing === undefined) {
      if (record !== undefined) forgotten.push(path);
      continue;
    }
    if (isDirectory(standing.stat)) directories.push({ path, record, standing });
    else if (
      prune ||
      standing.whose === "as-put" ||
      (record === undefined && standing.whose === "unrecorded")
    )
      going.set(path, { path, type: typeOf(standing), seen: standing.stat });
    else if (record === undefined && isLink(standing.stat) && standing.stat.uid === 0)
      links.push({ path, seen: standing.stat });
    else kept.push({ path, reason: reasonOf(standing) });
  }
  for (const { path, seen } of links) {
    // Nothing tells who made a link; one that leads nowhere is of no use to anybody.
    if (leadsNowhere(root, path, going)) going.set(path, { path, type: "link", seen });
    else kept.push({ path, reason: "was made in the jail" });
  }
  directories.sort((a, b) => b.path.length - a.path.length);
  for (const { path, record, standing } of directories) {
    const names = namesAt(root, path);
    const emptied = names.every((name) => going.has(`${path}/${name}`));
    const { whose } = standing;
    const may =
      record !== undefined
        ? whose === "as-put"
        : whose === "unrecorded" || (names.length > 0 && whose === "made-here");
    if (emptied && !stays(path) && (may || prune))
      going.set(path, { path, type: "directory", seen: standing.stat });
    else if (record === undefined && emptied) kept.push({ path, reason: reasonOf(standing) });
  }
  const removals = [...going.values()].sort((a, b) => rank(a) - rank(b) || (a.path < b.path ? -1 : 1));
  return { removals, kept, forgotten };
}

function reasonOf({ whose, stat }: Standing): string {
  if (whose === "user") return `belongs to uid ${stat.uid}`;
  return whose === "changed" ? "was changed in the jail" : "was made in the jail";
}

function typeOf({ stat, target }: Standing): Removal["type"] {
  if (target !== undefined) return "link";
  const types: Readonly<Record<number, Removal["type"]>> = {
    2: "char",
    4: "directory",
    6: "block",
    1: "fifo",
    12: "socket",
  };
  return types[stat.mode >> 12] ?? "file";
}

function leadsNowhere(root: JailRoot, path: ByteString, going: ReadonlyMap<ByteString, Removal>): boolean {
  const target = look(root, path)?.target ?? "";
  let at = target.startsWith("/") ? "" : parentOf(path);
  for (const part of target.split("/")) {
    if (part === "" || part === ".") continue;
    at = part === ".." ? parentOf(at) : `${at}/${part}`;
  }
  return going.has(at) || (at !== "" && look(root, at) === undefined);
}
