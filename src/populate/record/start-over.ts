import type { ByteString } from "../../../ffi/bytes.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { isEmptied } from "../../jail/record/emptied.ts";
import {
  changeManifest,
  type Manifest,
  type ManifestContent,
  saveManifest,
} from "../../jail/record/manifest.ts";
import { hideFromJail, hideLeft } from "../apply/live.ts";
import { directoriesInFstab } from "../apply/live-lines.ts";
import { hasUsr, isGone, leftIn } from "./left-mounts.ts";
import { asksForFiles } from "./requests.ts";

/** The directories that should be mounted in a live jail. Of an emptied one, nothing is wanted any more. */
export function recordedLive(root: JailRoot, manifest: Manifest | undefined): readonly ByteString[] {
  const { live = [] } = manifest?.content ?? {};
  if (manifest === undefined || live.length === 0) return [];
  return isGone(root, manifest.content) ? [] : live;
}

/**
 * What was live in a jail that was emptied or removed, and is not `wanted` any more: `recorded` directories, and those
 * that only fstab(5) has (`left`), of a jail with another record. `root`: the jail, if it is there.
 */
export function formerLive(
  jail: ByteString,
  root: JailRoot | undefined,
  manifest: Manifest | undefined,
  wanted: readonly ByteString[],
): Record<"recorded" | "left", readonly ByteString[]> {
  if (root !== undefined && recordedLive(root, manifest).length > 0) return { recorded: [], left: [] };
  const isFormer = (path: ByteString) => !wanted.includes(path);
  const recorded = (manifest?.content.live ?? []).filter(isFormer);
  const isNew = root === undefined || (manifest?.content.entries.size === 0 && !hasUsr(root));
  if (!isNew) return { recorded, left: [] };
  const named = directoriesInFstab(jail).filter(isFormer);
  return { recorded, left: root && manifest ? leftIn(root, manifest.content, named) : named };
}

/**
 * Takes out what was live in a jail that was emptied or removed, before the record begins anew: the next boot would mount
 * it over what is copied. Throws JailkitError, SystemError.
 */
export function endFormerLive(
  root: JailRoot,
  manifest: Manifest,
  wanted: readonly ByteString[],
  say: (line: ByteString) => void,
): void {
  const { recorded, left: directories } = formerLive(root.path, root, manifest, wanted);
  hideFromJail(root, "live", recorded, say);
  // These are not mounted.
  if (directories.length > 0) hideLeft(root.path, undefined, directories, say);
}

/**
 * Begins the record of an emptied jail anew, before it is filled again: what was asked for before is not wanted any more.
 * If another run has begun to fill it meanwhile, its record stays. Returns the directories with sockets of the host that
 * were asked for before. `manifest`: its record. Throws JailkitError, SystemError.
 */
export function startOver(root: JailRoot, manifest: Manifest): readonly ByteString[] {
  // Before the entries are parsed.
  if (hasUsr(root)) return [];
  if (!isEmptied(root, manifest.content)) return [];
  const files = ({ requests }: ManifestContent) => JSON.stringify(requests.filter(asksForFiles));
  const seen = files(manifest.content);
  changeManifest(manifest, (content) => {
    if (files(content) !== seen) return;
    const others = content.requests.filter((request) => !asksForFiles(request));
    content.requests.splice(0, content.requests.length, ...others);
    content.entries.clear();
    content.live = undefined;
    content.without = undefined;
  });
  saveManifest(manifest);
  return manifest.content.sockets ?? [];
}
