import type { ByteString } from "../../../ffi/bytes.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { isEmptied } from "../../jail/record/emptied.ts";
import {
  changeManifest,
  type Manifest,
  type ManifestContent,
  saveManifest,
} from "../../jail/record/manifest.ts";
import { asksForFiles } from "./requests.ts";

/**
 * Begins the record of an emptied jail anew, before it is filled again: what was asked for before is not wanted any more.
 * If another run has begun to fill it meanwhile, its record stays. Returns the directories with sockets of the host that
 * were asked for before. `manifest`: its record. Throws JailkitError, SystemError.
 */
export function startOver(root: JailRoot, manifest: Manifest): readonly ByteString[] {
  // Before the entries are parsed.
  if (statIfPresent(root.fd, "usr") !== undefined) return [];
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
