import type { ByteString } from "../../../ffi/bytes.ts";
import { readAllFd, statIfPresent } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { withJailFile, withTree } from "../fs/look.ts";
import { type JailRoot, withDirectory } from "../fs/walk.ts";
import { putFile } from "../fs/write.ts";
import { formatManifest, type ManifestContent, type ManifestEntry, parseManifest } from "./manifest-text.ts";
import {
  identityOf,
  makeOwnDirectory,
  REGISTRY,
  registryExists,
  removeIfEmpty,
  removeOwn,
} from "./registry.ts";

/**
 * The plan of a run: /var/lib/jailkit/jails/ID/NAME, beside the record of the jail, removed when the run is complete.
 * After an interrupted run, it tells the next one which files are ours, and which directories may have temporary files.
 */
export interface Journal {
  /** The entries that it puts into the jail. */
  readonly put: ReadonlyMap<ByteString, ManifestEntry>;
  /** Those to record, because somebody asked for them. */
  readonly intended: ReadonlyMap<ByteString, ManifestEntry>;
  readonly directories: readonly ByteString[];
  /** Directories that another type of file replaces. */
  readonly exchanged: readonly { readonly path: ByteString; readonly ino: bigint }[];
}

/** The section of what jk_update found in a jail, and nobody asked for. */
export const FOUND_SECTION = "jk_update";

/** Whose plan it is: of jk_update, or of jk_init and jk_cp. */
export type JournalName = "update.json" | "fill.json";

const LIMIT = 1 << 28;

/** The directory of the record of a jail. */
export const recordDirectory = (id: ByteString, registry: ByteString = REGISTRY): ByteString =>
  `${registry}/${id}`;

const journalPath = (id: ByteString, name: JournalName, registry?: ByteString): ByteString =>
  `${recordDirectory(id, registry)}/${name}`;

/** True if a run of jk_update was interrupted, by the id of a record that was found. */
export function isInterrupted(id: ByteString): boolean {
  const name = "update.json";
  const isThere = withTree((tree) => {
    if (!registryExists(tree, REGISTRY)) return false;
    return withDirectory(tree, REGISTRY, ({ fd }) => statIfPresent(fd, `${id}/${name}`) !== undefined);
  });
  return isThere && readJournal(id, name) !== undefined;
}

/** The journal of an interrupted run. */
export function readJournal(
  id: ByteString,
  name: JournalName,
  registry: ByteString = REGISTRY,
): Journal | undefined {
  const bytes = withTree((tree) =>
    registryExists(tree, registry)
      ? withJailFile(tree, journalPath(id, name, registry), (fd) => readAllFd(fd, LIMIT), { follow: false })
      : undefined,
  );
  if (bytes === undefined) return undefined;
  const content = parseManifest(bytes);
  // A journal of a newer version cannot be read, but shows that there was a run.
  if (content === undefined) return { put: new Map(), intended: new Map(), directories: [], exchanged: [] };
  const { directories, exchanged } = content.unknown;
  const isAsked = ({ sections }: ManifestEntry) => sections.some((one) => one !== FOUND_SECTION);
  return {
    put: content.entries,
    intended: new Map([...content.entries].filter(([, entry]) => isAsked(entry))),
    directories: textsOf(directories).map(decoded),
    exchanged: textsOf(exchanged).map((text) => {
      const [path = "", ino = ""] = text.split(" ");
      return { path: decoded(path), ino: BigInt(/^[0-9]{1,20}$/.test(ino) ? ino : "0") };
    }),
  };
}

const textsOf = (value: unknown) =>
  Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
const encoded = (path: ByteString) => Buffer.from(path, "latin1").toString("base64");
const decoded = (text: string): ByteString => Buffer.from(text, "base64").toString("latin1");

/** Writes the journal of a run. */
export function writeJournal(
  root: JailRoot,
  id: ByteString,
  name: JournalName,
  { put, directories, exchanged }: Omit<Journal, "intended">,
): void {
  const content: ManifestContent = {
    jail: identityOf(root),
    requests: [],
    entries: new Map(put),
    unknown: {
      directories: [...new Set(directories)].map(encoded),
      exchanged: exchanged.map(({ path, ino }) => `${encoded(path)} ${ino}`),
    },
  };
  const owner = { uid: libc.geteuid(), gid: libc.getegid(), mode: 0o600 };
  withTree((tree) => {
    makeOwnDirectory(tree, REGISTRY, recordDirectory(id));
    putFile(tree, journalPath(id, name), formatManifest(content), owner, { replace: true, most: LIMIT });
  });
}

/** Removes the journal of a complete run, and its directory if the jail has no record. */
export function removeJournal(id: ByteString, name: JournalName): void {
  withTree((tree) => {
    removeOwn(tree, journalPath(id, name));
    removeIfEmpty(tree, recordDirectory(id));
  });
}
