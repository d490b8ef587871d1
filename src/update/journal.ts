import type { ByteString } from "../../ffi/bytes.ts";
import { readAllFd, statIfPresent } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { JailkitError } from "../cli/error.ts";
import { withJailFile, withTree } from "../jail/fs/look.ts";
import { type JailRoot, withDirectory } from "../jail/fs/walk.ts";
import { readOnlyProblem } from "../jail/fs/writable.ts";
import { putFile } from "../jail/fs/write.ts";
import { REGISTRY } from "../jail/record/manifest.ts";
import {
  formatManifest,
  type ManifestContent,
  type ManifestEntry,
  parseManifest,
} from "../jail/record/manifest-text.ts";
import {
  identityOf,
  makeOwnDirectory,
  registryExists,
  removeIfEmpty,
  removeOwn,
} from "../jail/record/registry.ts";
import { manifestEntry } from "../populate/record/record.ts";
import type { Change } from "./plan/compare.ts";
import { FOUND_SECTION } from "./plan/scan.ts";

/**
 * The plan of a run: /var/lib/jailkit/jails/ID/update.json, beside the record of the jail, removed when the run is
 * complete. After an interrupted run, it tells the next one which files are ours, and which directories may have
 * temporary files.
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

const LIMIT = 1 << 28;

/** The directory of the record of a jail. */
export const recordDirectory = (id: ByteString): ByteString => `${REGISTRY}/${id}`;
const JOURNAL = "update.json";
const journalPath = (id: ByteString): ByteString => `${recordDirectory(id)}/${JOURNAL}`;

/** True if a run was interrupted, by the id of a record that was found. */
export function isInterrupted(id: ByteString): boolean {
  const isThere = withTree((tree) => {
    if (!registryExists(tree, REGISTRY)) return false;
    return withDirectory(tree, REGISTRY, ({ fd }) => statIfPresent(fd, `${id}/${JOURNAL}`) !== undefined);
  });
  return isThere && readJournal(id) !== undefined;
}

/** The journal of an interrupted run. */
export function readJournal(id: ByteString): Journal | undefined {
  const bytes = withTree((tree) =>
    registryExists(tree, REGISTRY)
      ? withJailFile(tree, journalPath(id), (fd) => readAllFd(fd, LIMIT), { follow: false })
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

/** The journal for changes, with the plan of an interrupted run added. */
export function journalOf(changes: readonly Change[], before?: Journal): Omit<Journal, "intended"> {
  const exchanged = changes.flatMap(({ action, entry: { path }, existing }) =>
    action === "exchange" && existing !== undefined ? [{ path, ino: existing.stat.ino }] : [],
  );
  const put = changes.map(({ entry }) => [entry.path, manifestEntry(entry)] as const);
  return {
    put: new Map([...(before?.put ?? []), ...put]),
    directories: [...(before?.directories ?? []), ...changes.map(({ entry }) => directoryOf(entry.path))],
    exchanged: [...(before?.exchanged ?? []), ...exchanged],
  };
}

/** Writes the journal of a run. */
export function writeJournal(
  root: JailRoot,
  id: ByteString,
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
    putFile(tree, journalPath(id), formatManifest(content), owner, { replace: true });
  });
}

/** Removes the journal of a complete run, and its directory if the jail has no record. */
export function removeJournal(id: ByteString): void {
  withTree((tree) => {
    removeOwn(tree, journalPath(id));
    removeIfEmpty(tree, recordDirectory(id));
  });
}

/** Throws JailkitError "read-only" if the record of that id cannot be written: a dry run does not take its lock. */
export function requireWritableRecord(id: ByteString, jail: ByteString, progress?: string): void {
  const problem = withTree((tree) => readOnlyProblem(tree, [recordDirectory(id)], jail, progress));
  if (problem !== undefined)
    throw new JailkitError(problem.code, 1, problem.message, undefined, problem.remedy);
}
