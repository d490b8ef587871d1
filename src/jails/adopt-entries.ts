import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { parentOf } from "../../ffi/paths.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import type { ManifestEntry } from "../jail/record/manifest.ts";
import type { FileSystem } from "../populate/file-system.ts";
import type { Draft } from "../populate/plan/draft.ts";
import { manifestEntry } from "../populate/record/record.ts";
import { isShared, type MatchedFile } from "./adopt-match.ts";

type Original = Pick<Stat, "mode" | "uid" | "gid">;

/**
 * The mode to record: the mode in the jail. If that gives the group or others nothing at all, they get their rights to read
 * and execute from `original`: a jail that was copied with a umask lacks these, so that logins fail, and jk_check will
 * report them as changed. A file of another group is closed on purpose.
 */
function openMode({ mode, gid }: Stat, original: Original | undefined): number {
  if (original === undefined || gid !== original.gid) return mode & 0o7777;
  const given = [0o070, 0o007].filter((bits) => (mode & bits) === 0).reduce((sum, bits) => sum | bits, 0);
  // A directory such as /tmp, which everybody may write: never without the sticky bit.
  if (isShared(original) && (given & 0o007) !== 0) return (mode | original.mode) & 0o1777;
  return (mode & 0o7777) | (original.mode & given & 0o055);
}

/** The entries of the plan that exist in the jail and the directories above them, with their owners in the jail. */
export function recordedEntries(
  plan: Draft,
  byPath: ReadonlyMap<ByteString, MatchedFile>,
  hardlink: boolean,
  host: FileSystem,
): ManifestEntry[] {
  const planned = plan.entries.flatMap((entry): ManifestEntry[] => {
    const file = byPath.get(entry.path);
    if (file === undefined) return [];
    const { stat, target, likeness } = file;
    // The host need not have an empty directory that a section creates.
    if (!isDirectory(stat) && (likeness === "edited" || likeness === "only-here")) return [];
    const record = manifestEntry(entry);
    const type = record.type === "directory" ? isDirectory(stat) : !isDirectory(stat);
    if (!type || (stat.uid !== 0 && stat.uid !== entry.uid)) return [];
    Object.assign(record, {
      mode: openMode(stat, isDirectory(stat) ? host.stat(entry.path) : entry),
      uid: stat.uid,
      gid: stat.gid,
    });
    if (record.type === "file") Object.assign(record, { size: stat.size, mtime: stat.mtime });
    if (record.type === "link") record.target = target;
    if (file.linked && hardlink) record.hardLink = true;
    return [record];
  });
  return withParents(planned, byPath, host);
}

/** The entries, and the directories above them. */
function withParents(
  entries: readonly ManifestEntry[],
  byPath: ReadonlyMap<ByteString, MatchedFile>,
  host: FileSystem,
): ManifestEntry[] {
  const all = new Map(entries.map((entry) => [entry.path, entry]));
  for (const { path, sections, source } of entries) {
    for (let above = parentOf(path); above !== "" && !all.has(above); above = parentOf(above)) {
      const file = byPath.get(above);
      if (file === undefined || file.likeness !== "same" || file.stat.uid !== 0) continue;
      const { uid, gid } = file.stat;
      const neededBy = source ?? path;
      const common = { path: above, type: "directory", source: above, reason: "parent", neededBy } as const;
      all.set(above, {
        ...common,
        sections: [...sections],
        mode: openMode(file.stat, host.stat(above)),
        uid,
        gid,
      });
    }
  }
  return [...all.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}
