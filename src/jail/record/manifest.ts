import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { sameFile, statIfPresent } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { answered } from "../../cli/error.ts";
import { linkIn } from "../fs/leads-into.ts";
import { withTree } from "../fs/look.ts";
import type { JailRoot } from "../fs/walk.ts";
import { putFile } from "../fs/write.ts";
import {
  formatManifest,
  type JailIdentity,
  type ManifestContent,
  type ManifestEntry,
  type ManifestRequest,
} from "./manifest-text.ts";
import { MANIFEST_LIMIT, manifestPath } from "./record-file.ts";
import { recovered } from "./recover.ts";
import { contentOf, findManifest, identityOf, type KnownJail, locked, REGISTRY } from "./registry.ts";

export type { ManifestContent, ManifestEntry, ManifestRequest } from "./manifest-text.ts";
export {
  type DamagedRecord,
  forgetJail,
  type KnownJail,
  knownJails,
  REGISTRY,
  readRegistry,
} from "./registry.ts";

type Change = (content: ManifestContent) => void;

/** The manifest of a jail while a tool runs. `content` has all changes at once; saveManifest writes them. */
export interface Manifest {
  readonly id: ByteString;
  /** The registry's directory on the host. */
  readonly registry: ByteString;
  content: ManifestContent;
  /** Changes since the last save; a save applies them to the file as another run may have left it. */
  pending: Change[];
}

function empty(jail: JailIdentity): ManifestContent {
  return { jail, requests: [], entries: new Map(), unknown: {} };
}

/**
 * The manifest of a jail, empty if it has none. A jail that moved on its file system is found by device and inode, one
 * that was copied to the same path by its content; nothing that the jail says about itself is trusted. One that a mount shows at
 * another path, too, keeps its own. What a run that was killed has put into the jail is in it. Writes nothing.
 * `from`: the record to use if there is none, of a jail that was copied from elsewhere; see isRecorded. Throws
 * JailkitError "bad-manifest", "unsafe-registry".
 */
export function openManifest(
  root: JailRoot,
  options: { registry?: ByteString; from?: KnownJail | undefined } = {},
): Manifest {
  const { registry = REGISTRY, from } = options;
  const { id, content } = withTree((tree) => {
    const found = findManifest(tree, root, registry);
    if (found.content !== undefined || from === undefined) return found;
    return { id: from.id, content: contentOf(tree, registry, from.id, root.path) };
  });
  const jail = identityOf(root);
  if (content !== undefined) {
    content.jail = isAlsoAt(content.jail.path, root) ? { ...jail, path: content.jail.path } : jail;
    const manifest: Manifest = { id, registry, content, pending: [] };
    updateEntries(manifest, recovered(root, manifest));
    if (manifest.pending.length > 0) content.lines = content.entries.size;
    return manifest;
  }
  // The first save removes entries of an earlier jail at this path.
  const start: Change = (old) => {
    if (old.jail.path !== root.path || old.jail.ino === root.top.stat.ino) return;
    old.requests.length = 0;
    old.live = undefined;
    old.without = undefined;
    old.others = undefined;
    old.imported = undefined;
    old.entries.clear();
  };
  return { id, registry, content: empty(jail), pending: [start] };
}

/** True for another path than that of an open jail, at which the same directory is. */
function isAlsoAt(path: ByteString, { path: own, top }: JailRoot): boolean {
  if (path === own) return false;
  const stat = answered(() => statIfPresent(AT_FDCWD, path));
  return stat !== undefined && sameFile(stat, top.stat) && linkIn(path) === undefined;
}

/** Changes a manifest. `apply` is called again when it is saved. */
export function changeManifest(manifest: Manifest, apply: Change): void {
  apply(manifest.content);
  manifest.pending.push(apply);
}

/** What two requests for the same have in common, as text: everything but the time. */
export const keyOf = ({ tool, sections, operands, options }: ManifestRequest) =>
  JSON.stringify([tool, sections, operands, Object.entries(options).sort()]);

/**
 * Adds a request to the recipe; a repeated one keeps its place and gets the new time. What it has brought, interrupted ones in
 * another grouping need not bring any more.
 */
export function recordRequest(manifest: Manifest, request: ManifestRequest): void {
  changeManifest(manifest, ({ requests }) => {
    const earlier = requests.find((candidate) => keyOf(candidate) === keyOf(request));
    if (earlier === undefined) requests.push({ ...request });
    else Object.assign(earlier, { time: request.time, unfinished: request.unfinished });
    if (request.unfinished === true) return;
    const left = requests.flatMap((one) => (one.unfinished === true ? withoutNames(one, request) : [one]));
    requests.splice(0, requests.length, ...left);
  });
}

/** A request without the names of another one of the same tool and options; none if it has no others. */
function withoutNames(one: ManifestRequest, other: ManifestRequest): ManifestRequest[] {
  const kindOf = (request: ManifestRequest) => keyOf({ ...request, sections: [], operands: [] });
  if (kindOf(one) !== kindOf(other)) return [one];
  const sections = one.sections.filter((name) => !other.sections.includes(name));
  const operands = one.operands.filter((name) => !other.operands.includes(name));
  return sections.length + operands.length === 0 ? [] : [{ ...one, sections, operands }];
}

/** Removes requests from the recipe. */
export function removeRequests(manifest: Manifest, which: (request: ManifestRequest) => boolean): void {
  changeManifest(manifest, ({ requests }) => {
    requests.splice(0, requests.length, ...requests.filter((request) => !which(request)));
  });
}

/**
 * Records entries that were put into the jail. Sections of an existing entry stay too, unless `replaceSections`; that the
 * jail had it before stays, unless `replaceBefore`.
 */
export function updateEntries(
  manifest: Manifest,
  entries: Iterable<ManifestEntry>,
  { replaceSections = false, replaceBefore = false } = {},
): void {
  const list = [...entries];
  if (list.length === 0) return;
  changeManifest(manifest, (content) => {
    for (const entry of list) {
      const there = content.entries.get(entry.path);
      if (there === undefined) {
        content.entries.set(entry.path, entry);
        continue;
      }
      const earlier = replaceSections ? [] : there.sections;
      const sections = [...new Set([...earlier, ...entry.sections])];
      const before = entry.before ?? (replaceBefore ? undefined : there.before);
      content.entries.set(entry.path, {
        ...entry,
        sections,
        before,
        unknown: entry.unknown ?? there.unknown,
      });
    }
  });
}

/** Removes entries from the manifest, by path as the jail sees it. */
export function removeEntries(manifest: Manifest, paths: Iterable<ByteString>): void {
  const list = [...paths];
  changeManifest(manifest, ({ entries }) => {
    for (const path of list) entries.delete(path);
  });
}

/**
 * Writes the manifest: under a lock, applies the changes since openManifest to the present file, so that two runs at once
 * lose nothing. The file is replaced by rename(2), 0600, in a directory 0700. Throws JailkitError "file-full", SystemError.
 */
export function saveManifest(manifest: Manifest): void {
  const { id, registry, pending } = manifest;
  withTree((tree) => {
    locked(tree, registry, id, () => {
      const { jail } = manifest.content;
      const content = contentOf(tree, registry, id, jail.path) ?? empty(jail);
      for (const apply of pending) apply(content);
      content.jail = jail;
      const attributes = { uid: libc.geteuid(), gid: libc.getegid(), mode: 0o600 };
      const options = { replace: true, most: MANIFEST_LIMIT };
      putFile(tree, manifestPath(registry, id), formatManifest(content), attributes, options);
      manifest.content = content;
      manifest.pending = [];
    });
  });
}
