import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { answered } from "../../cli/error.ts";
import { lookUp, readJailLink } from "../fs/look.ts";
import { isLink, type JailRoot } from "../fs/walk.ts";
import { isAsRecorded } from "./as-recorded.ts";
import { readJournal } from "./journal.ts";
import type { ManifestContent, ManifestEntry } from "./manifest-text.ts";

/**
 * What a run of jk_init or jk_cp that was killed has put into a jail: those entries of its journal that are there as it has
 * planned them. None without an interrupted request: the journal is not looked for then.
 */
export function recovered(
  root: JailRoot,
  { id, registry, content }: { id: ByteString; registry: ByteString; content: ManifestContent },
): ManifestEntry[] {
  if (!content.requests.some(({ unfinished }) => unfinished)) return [];
  const planned = readJournal(id, "fill.json", registry)?.intended ?? new Map<ByteString, ManifestEntry>();
  return [...planned.values()].flatMap((entry) => answered(() => thereAs(root, entry)) ?? []);
}

function thereAs(root: JailRoot, entry: ManifestEntry): ManifestEntry | undefined {
  const found = lookUp(root, entry.path);
  if (found === undefined || found.canonicalPath !== entry.path) return undefined;
  const target = isLink(found.stat) ? readJailLink(root, entry.path) : undefined;
  if (!isAsRecorded(entry, found.stat, target)) return undefined;
  // A hard link that was not possible became a copy.
  return { ...entry, hardLink: (entry.hardLink && isHosts(entry, found.stat)) || undefined };
}

function isHosts({ source = "" }: ManifestEntry, stat: Stat): boolean {
  const host = statIfPresent(AT_FDCWD, source);
  return host !== undefined && sameFile(host, stat);
}
