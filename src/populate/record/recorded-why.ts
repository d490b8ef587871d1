import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { type ManifestEntry, openManifest } from "../../jail/record/manifest.ts";
import { bySource, type Explanation, type Step } from "../plan/why.ts";

/**
 * Explains from the record why `path` is in a jail: one chain of reasons, for all sections (or operands of jk_cp) that
 * want it. Undefined if it is not recorded.
 */
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
