import type { ByteString } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { FOUND_SECTION } from "../jail/record/journal.ts";
import { type Manifest, type ManifestEntry, removeEntries, updateEntries } from "../jail/record/manifest.ts";
import type { Entry } from "../populate/entry.ts";
import { jailFileSystem } from "../populate/open-jail.ts";
import { manifestEntry } from "../populate/record/record.ts";
import { modeBesideAcl } from "../system/acl.ts";
import type { UpdatePlan } from "./plan/plan.ts";
import { isFound } from "./plan/scan.ts";
import type { JailObject } from "./state.ts";

/** The entry of the record for an entry of a plan. `existing`: what the jail had there before the update. */
export function recordOf(entry: Entry, hardlink: boolean, existing: JailObject | undefined): ManifestEntry {
  const record = manifestEntry(entry);
  record.sections = record.sections.filter((section) => section !== FOUND_SECTION);
  if (existing !== undefined && existing.records.length === 0) record.before = true;
  return hardlink ? { ...record, hardLink: true } : record;
}

/** Records entries that are in the jail already, if their record differs. True if the record was changed. */
export function settle(root: JailRoot, manifest: Manifest, plan: UpdatePlan): boolean {
  const { entries } = manifest.content;
  const changed: ManifestEntry[] = [];
  for (const { entry, hardlink, existing } of plan.present) {
    // If a file that nobody requested were recorded, the next run would remove it.
    if (isFound(entry)) continue;
    const before = entries.get(entry.path);
    const record = recordOf(entry, hardlink && before?.hardLink === true, existing);
    record.before ??= before?.before;
    // A change made in the jail must remain visible as a change.
    if (existing !== undefined) {
      const { mode, uid, gid } = before ?? attributesAt(root, entry.path, existing.stat);
      Object.assign(record, { mode, uid, gid });
      if (record.type === "file") record.mtime = existing.stat.mtime;
    }
    if (before === undefined || !isSameRecord(record, before)) changed.push(record);
  }
  if (changed.length > 0) updateEntries(manifest, changed, { replaceSections: true });
  if (plan.forgotten.length > 0) removeEntries(manifest, plan.forgotten);
  return changed.length + plan.forgotten.length > 0;
}

/** Owner and mode of a file in the jail, as a copy without an ACL would have them. */
function attributesAt(root: JailRoot, path: ByteString, { mode, uid, gid }: Stat) {
  return { mode: modeBesideAcl(mode, jailFileSystem(root).acl(path)) & 0o7777, uid, gid };
}

/** True if all known fields are the same. */
function isSameRecord(one: ManifestEntry, other: ManifestEntry): boolean {
  const differs = (key: keyof ManifestEntry) =>
    key !== "unknown" && key !== "sections" && one[key] !== other[key];
  for (const record of [one, other])
    for (const key in record) if (differs(key as keyof ManifestEntry)) return false;
  return isSameList(one.sections, other.sections);
}

const isSameList = (one: readonly ByteString[], other: readonly ByteString[]): boolean =>
  one.length === other.length && one.every((item, index) => item === other[index]);
