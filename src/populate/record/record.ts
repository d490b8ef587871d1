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
import type { Manner, Request } from "../request.ts";

/** Writes into the jail's manifest what was asked for and what stands there for it now. */
export function recordJail(
  root: JailRoot,
  request: Request,
  manner: Manner,
  entries: readonly Entry[],
  links: ReadonlySet<Entry>,
): void {
  const manifest = openManifest(root);
  const options: Record<string, boolean | ByteString> = { ...request.recordedOptions };
  if (manner.hardlink) options.hardlink = true;
  const init = request.tool === "jk_init";
  recordRequest(manifest, {
    tool: request.tool,
    sections: init ? [...request.asked] : [],
    operands: init ? [] : [...request.asked],
    options,
    time: Math.floor(Date.now() / 1000),
  });
  const records: ManifestEntry[] = [];
  for (const entry of entries) {
    // What the administrator put in the place of the host's file is not ours.
    if (entry.differs) continue;
    const kept = manifestEntry(entry);
    if (links.has(entry)) kept.hardLink = true;
    records.push(kept);
  }
  updateEntries(manifest, records);
  saveManifest(manifest);
}

/** An entry of a plan as the manifest keeps it. */
export function manifestEntry(entry: Entry): ManifestEntry {
  const kept: ManifestEntry = {
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
    kept.reason = reason.kind;
    kept.neededBy = reason.kind === "parent" ? reason.of : reason.from.path;
  }
  if (entry.type === "file") {
    kept.size = entry.size;
    kept.mtime = entry.mtime;
  }
  if (entry.target !== undefined) kept.target = entry.target;
  if (entry.device !== undefined) {
    kept.major = entry.device.major;
    kept.minor = entry.device.minor;
  }
  return kept;
}
