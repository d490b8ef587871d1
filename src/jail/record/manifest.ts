import type { ByteString } from "../../../ffi/bytes.ts";
import { libc } from "../../../ffi/libc.ts";
import { withTree } from "../fs/look.ts";
import type { JailRoot } from "../fs/walk.ts";
import { putFile } from "../fs/write.ts";
import {
  formatManifest,
  type ManifestContent,
  type ManifestEntry,
  type ManifestRequest,
} from "./manifest-text.ts";
import {
  findManifest,
  identityOf,
  type KnownJail,
  locked,
  manifestPath,
  REGISTRY,
  readContent,
} from "./registry.ts";

export type { ManifestContent, ManifestEntry, ManifestRequest } from "./manifest-text.ts";
export { forgetJail, type KnownJail, knownJails, REGISTRY } from "./registry.ts";

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

function empty(root: JailRoot): ManifestContent {
  return { jail: identityOf(root), requests: [], entries: new Map(), unknown: {} };
}

/**
 * The manifest of a jail, empty if it has none. A jail that moved on its file system is found by device and inode, one
 * that was copied to the same path by its content; nothing that the jail says about itself is trusted. Writes nothing.
 * `from`: the record to use if there is none, of a jail that was copied from elsewhere; see isRecorded. Throws
 * JailkitError "bad-manifest", "unsafe-registry".
 */
export function openManifest(
  root: JailRoot,
  options: { registry?: ByteString; from?: KnownJail | undefined } = {},
): Manifest {
  const registry = options.registry ?? REGISTRY;
  const { id, content } = withTree((tree) => {
    const found = findManifest(tree, root, registry);
    const { from } = options;
    if (found.content !== undefined || from === undefined) return found;
    return { id: from.id, content: readContent(tree, registry, from.id) };
  });
  if (content !== undefined)
    return { id, registry, content: { ...content, jail: identityOf(root) }, pending: [] };
  // The first save removes entries of an earlier jail at this path.
  const start: Change = (old) => {
    if (old.jail.path !== root.path || old.jail.ino === root.top.stat.ino) return;
    old.requests.length = 0;
    old.entries.clear();
  };
  return { id, registry, content: empty(root), pending: [start] };
}

function change(manifest: Manifest, apply: Change): void {
  apply(manifest.content);
  manifest.pending.push(apply);
}

/** Changes a manifest. `apply` is called again when it is saved. */
export function changeManifest(manifest: Manifest, apply: (content: ManifestContent) => void): void {
  change(manifest, apply);
}

const sameRequest = (a: ManifestRequest, b: ManifestRequest) =>
  JSON.stringify([a.tool, a.sections, a.operands, Object.entries(a.options).sort()]) ===
  JSON.stringify([b.tool, b.sections, b.operands, Object.entries(b.options).sort()]);

/** Adds a request to the recipe; a repeated one keeps its place and gets the new time. */
export function recordRequest(manifest: Manifest, request: ManifestRequest): void {
  change(manifest, ({ requests }) => {
    const earlier = requests.find((candidate) => sameRequest(candidate, request));
    if (earlier === undefined) requests.push({ ...request });
    else earlier.time = request.time;
  });
}

/** Removes requests from the recipe. */
export function removeRequests(manifest: Manifest, which: (request: ManifestRequest) => boolean): void {
  change(manifest, ({ requests }) => {
    requests.splice(0, requests.length, ...requests.filter((request) => !which(request)));
  });
}

/**
 * Records entries that were put into the jail. The sections of an existing entry are kept, and those of the new one
 * added, unless `replaceSections`.
 */
export function updateEntries(
  manifest: Manifest,
  entries: Iterable<ManifestEntry>,
  options: { replaceSections?: boolean } = {},
): void {
  const list = [...entries];
  change(manifest, (content) => {
    for (const entry of list) {
      const there = content.entries.get(entry.path);
      const earlier = options.replaceSections ? undefined : there;
      if (there === undefined) {
        content.entries.set(entry.path, entry);
        continue;
      }
      const sections = [...new Set([...(earlier?.sections ?? []), ...entry.sections])];
      const unknown = entry.unknown ?? there.unknown;
      content.entries.set(entry.path, { ...entry, sections, unknown });
    }
  });
}

/** Removes entries from the manifest, by path as the jail sees it. */
export function removeEntries(manifest: Manifest, paths: Iterable<ByteString>): void {
  const list = [...paths];
  change(manifest, ({ entries }) => {
    for (const path of list) entries.delete(path);
  });
}

/**
 * Writes the manifest: under a lock, applies the changes since openManifest to the present file, so that two runs at once
 * lose nothing. The file is replaced by rename(2), 0600, in a directory 0700.
 */
export function saveManifest(manifest: Manifest): void {
  const { id, registry, pending } = manifest;
  withTree((tree) => {
    locked(tree, registry, id, () => {
      const { jail } = manifest.content;
      const content = readContent(tree, registry, id) ?? {
        jail,
        requests: [],
        entries: new Map(),
        unknown: {},
      };
      for (const apply of pending) apply(content);
      content.jail = jail;
      const owner = { uid: libc.geteuid(), gid: libc.getegid() };
      const path = manifestPath(registry, id);
      putFile(tree, path, formatManifest(content), { ...owner, mode: 0o600 }, { replace: true });
      manifest.content = content;
      manifest.pending = [];
    });
  });
}
