import type { ByteString } from "../../ffi/bytes.ts";
import type { Usage } from "../../ffi/extents.ts";
import { display } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { jsonTextOrNull } from "../cli/report.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import type { ManifestEntry } from "../jail/record/manifest.ts";
import { hostAccounts } from "../system/host-accounts.ts";
import { collectInodes, inodeKey } from "./disk.ts";
import type { OwnerReport } from "./report-schema.ts";

/** The files of one uid in a jail. */
export interface Owner {
  readonly uid: number;
  /** Undefined if no account has the uid, or that is unknown. */
  readonly name: ByteString | undefined;
  /** All inodes. */
  readonly objects: number;
  /** Their size on disk. */
  readonly bytes: number;
  /** One of them, as the jail sees it. */
  readonly example: ByteString;
}

/**
 * As collectInodes, and the owners of the files except root; only files for which `counts` is true count, and `most` of them
 * are enough.
 */
export function collectOwners(
  root: JailRoot,
  counts: (path: ByteString, usage: Usage) => boolean = () => true,
  most = Number.POSITIVE_INFINITY,
) {
  let count = 0;
  const sums = new Map<number, { objects: number; bytes: number; example: ByteString }>();
  const linked = new Set<string>();
  const collected = collectInodes(root, (path, usage) => {
    const { uid, nlink, allocated } = usage;
    if (uid === 0 || !counts(path, usage)) return undefined;
    if (nlink > 1) {
      if (linked.has(inodeKey(usage))) return undefined;
      linked.add(inodeKey(usage));
    }
    const sum = sums.getOrInsert(uid, { objects: 0, bytes: 0, example: path });
    sum.objects++;
    sum.bytes += allocated;
    return ++count >= most ? "enough" : undefined;
  });
  // If a name service does not answer, only the name is unknown.
  const { userByUid } = hostAccounts();
  const nameOf = (uid: number) => answered(() => userByUid(uid))?.name;
  const byUid = [...sums].sort(([a], [b]) => a - b);
  const owners: Owner[] = byUid.map(([uid, sum]) => ({ uid, name: nameOf(uid), ...sum }));
  return { ...collected, owners };
}

/** Whether a file is as recorded: if its owner has changed it, it is that user's work. */
export function isAsPut(entry: ManifestEntry | undefined, { uid, size, mtime }: Usage): boolean {
  if (entry?.uid !== uid) return false;
  return entry.type !== "file" || (entry.size === size && (entry.mtime ?? mtime) === mtime);
}

/** "alice (uid 1001)", or "uid 1001". */
export function ownerName({ name, uid }: Pick<Owner, "name" | "uid">): string {
  return name === undefined ? `uid ${uid}` : `${display(name)} (uid ${uid})`;
}

/** An owner in a report. */
export function ownerReport({ uid, name, objects, bytes }: Owner): OwnerReport {
  return { uid, name: jsonTextOrNull(name), objects, bytes };
}
