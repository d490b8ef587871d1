import type { ByteString } from "../../../ffi/bytes.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import {
  type ManifestEntry,
  openManifest,
  recordRequest,
  saveManifest,
  updateEntries,
} from "../../jail/record/manifest.ts";
import type { Entry } from "../entry.ts";
import type { PopulateRequest } from "../request.ts";

/** Records the request and its entries that are in the jail. */
export function recordJail(
  root: JailRoot,
  request: PopulateRequest,
  hardlink: boolean,
  entries: readonly Entry[],
  links: ReadonlySet<Entry>,
): void {
  const manifest = openManifest(root);
  const options: Record<string, boolean | ByteString> = { ...request.recordedOptions };
  if (hardlink) options.hardlink = true;
  const init = request.tool === "jk_init";
  const some = request.asked.length > 0;
  if (some)
    recordRequest(manifest, {
      tool: request.tool,
      sections: init ? [...request.asked] : [],
      operands: init ? [] : [...request.asked],
      options,
      time: Math.floor(Date.now() / 1000),
    });
  const records: ManifestEntry[] = [];
  for (const entry of entries) {
    // A file that the administrator put there instead is not ours.
    if (entry.differs) continue;
    const record = manifestEntry(entry);
    if (links.has(entry)) record.hardLink = true;
    records.push(record);
  }
  updateEntries(manifest, records);
  saveManifest(manifest);
}

/** Converts an entry of a plan for the record. */
export function manifestEntry(entry: Entry): ManifestEntry {
  const record: ManifestEntry = {
    path: entry.path,
    type:
      entry.type === "symlink"
        ? "link"
        : entry.type === "device"
          ? (entry.device?.type ?? "char")
          : entry.type,
    source: entry.source,
    sections: entry.because.map(({ section }) => section),
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
  };
  const reason = entry.because[0]?.reason;
  if (reason !== undefined && reason.kind !== "asked") {
    record.reason = reason.kind;
    record.neededBy = reason.kind === "parent" ? reason.of : reason.from.path;
  }
  if (entry.type === "file") {
    record.size = entry.size;
    record.mtime = entry.mtime;
  }
  if (entry.target !== undefined) record.target = entry.target;
  if (entry.device !== undefined) {
    record.major = entry.device.major;
    record.minor = entry.device.minor;
  }
  return record;
}
