import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { display } from "../../cli/display.ts";
import { JailkitError, problemFrom } from "../../cli/error.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import {
  type Manifest,
  type ManifestEntry,
  openManifest,
  recordRequest,
  saveManifest,
  updateEntries,
} from "../../jail/record/manifest.ts";
import { RecordError } from "../../jail/record/record-file.ts";
import { setRefused } from "../../jail/record/without.ts";
import type { Applied } from "../apply/apply.ts";
import type { Entry, PopulateProblem } from "../entry.ts";
import { bySource, type Explanation, type Step } from "../plan/why.ts";
import type { PopulateRequest } from "../request.ts";

/** The record of a jail that is to be filled; or why it must not be filled: a damaged record is never replaced unasked. */
export function openRecord(root: JailRoot): { manifest?: Manifest; damage?: PopulateProblem } {
  try {
    return { manifest: openManifest(root) };
  } catch (error) {
    if (error instanceof RecordError) return { damage: problemFrom(error, error.code, error.file) };
    // Any other error is reported when the record is written.
    if (error instanceof JailkitError || error instanceof SystemError) return {};
    throw error;
  }
}

/** Records the request and its entries that are in the jail. */
export function recordJail(
  manifest: Manifest,
  { tool, asked, recordedOptions, needLogsocket, needProc }: PopulateRequest,
  hardlink: boolean,
  { present, links, stopped }: Omit<Applied, "problems">,
): void {
  // A file that the administrator put there instead is not ours.
  const ours = present.filter(({ differs }) => !differs);
  if (asked.length + ours.length === 0) return;
  const init = tool === "jk_init";
  const request = {
    tool,
    sections: init ? [...asked] : [],
    operands: init ? [] : [...asked],
    options: { ...recordedOptions, ...(hardlink ? { hardlink } : {}) },
    time: Math.floor(Date.now() / 1000),
    unfinished: stopped || undefined,
  };
  if (asked.length > 0) recordRequest(manifest, request);
  // Who asks for such a section now wants what it brings.
  if (needLogsocket) setRefused(manifest, "log-socket", false);
  if (needProc) setRefused(manifest, "proc", false);
  const records = ours.map((entry) => manifestEntry(entry, links.has(entry)));
  updateEntries(manifest, records);
  saveManifest(manifest);
}

/** Converts an entry of a plan for the record. `hardLink`: it is the file of the host. */
export function manifestEntry(entry: Entry, hardLink = false): ManifestEntry {
  const { path, type, source, because, mode, uid, gid, device } = entry;
  const record: ManifestEntry = {
    path,
    type: type === "symlink" ? "link" : type === "device" ? (device?.type ?? "char") : type,
    source,
    sections: because.map(({ section }) => section),
    ...{ mode, uid, gid },
  };
  const reason = because[0]?.reason;
  if (reason !== undefined && reason.kind !== "asked") {
    record.reason = reason.kind;
    record.neededBy = reason.kind === "parent" ? reason.of : reason.from.path;
  }
  if (type === "file") {
    record.size = entry.size;
    record.mtime = entry.mtime;
  }
  if (hardLink) record.hardLink = true;
  if (entry.target !== undefined) record.target = entry.target;
  if (device !== undefined) Object.assign(record, { major: device.major, minor: device.minor });
  return record;
}

/** Explains from the record why `path` is in a jail: one chain for all that want it; undefined if not recorded. */
export function explainRecorded(root: JailRoot, path: ByteString): Explanation[] | undefined {
  const { entries } = openManifest(root).content;
  const entry = entries.get(path) ?? bySource(entries.values(), path);
  if (entry === undefined) return undefined;
  const steps: Step[] = [];
  const visited = new Set<ManifestEntry>();
  for (let at: ManifestEntry | undefined = entry; at !== undefined && !visited.has(at); ) {
    visited.add(at);
    const { neededBy, reason = "needed" }: ManifestEntry = at;
    const why = neededBy === undefined ? "asked for" : `${display(reason)}: ${display(neededBy)}`;
    steps.push({ path: at.path, why });
    at = neededBy === undefined ? undefined : (entries.get(neededBy) ?? bySource(entries.values(), neededBy));
  }
  return entry.sections.map((section) => ({ section, steps }));
}
