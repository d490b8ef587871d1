import type { ByteString } from "../../ffi/bytes.ts";
import { lockFile } from "../../ffi/changes.ts";
import * as C from "../../ffi/constants.ts";
import { close, openAt, readAllFd } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { withJailFile, withTree } from "../jail/fs/look.ts";
import { type JailRoot, openDirectory, release } from "../jail/fs/walk.ts";
import { makeDirectories, putFile } from "../jail/fs/write.ts";
import { REGISTRY } from "../jail/record/manifest.ts";
import {
  formatManifest,
  type ManifestContent,
  type ManifestEntry,
  parseManifest,
} from "../jail/record/manifest-text.ts";
import { identityOf, registryExists, removeOwn } from "../jail/record/registry.ts";
import { FOUND_SECTION } from "./plan/scan.ts";

/**
 * What a run is about to do, beside the jail's record: /var/lib/jailkit/jails/ID/update.json. It is there while a run
 * changes the jail, and stays if that is cut short; the next one then knows which of the files are ours, and in which
 * directories something half-made may lie.
 */
export interface Journal {
  /** What it puts into the jail. */
  readonly put: ReadonlyMap<ByteString, ManifestEntry>;
  /** Of that, what is to be recorded: what somebody asked for. */
  readonly intended: ReadonlyMap<ByteString, ManifestEntry>;
  readonly directories: readonly ByteString[];
  /** Directories that make room for something else. */
  readonly exchanged: readonly Exchanged[];
}

/** A directory that was exchanged for something else: where it was, and which it is. */
export interface Exchanged {
  readonly path: ByteString;
  readonly ino: bigint;
}

const LIMIT = 1 << 28;

/** Where the record of a jail is. */
export const directoryOf = (id: ByteString): ByteString => `${REGISTRY}/${id}`;
const journalPath = (id: ByteString): ByteString => `${directoryOf(id)}/update.json`;
const lockPath = (id: ByteString): ByteString => `${directoryOf(id)}/update.lock`;

/** True where a run was cut short. */
export function isInterrupted(id: ByteString): boolean {
  return readJournal(id) !== undefined;
}

/** What an earlier run left behind when it was cut short. */
export function readJournal(id: ByteString): Journal | undefined {
  const bytes = withTree((tree) =>
    registryExists(tree, REGISTRY)
      ? withJailFile(tree, journalPath(id), (fd) => readAllFd(fd, LIMIT), { follow: false })
      : undefined,
  );
  if (bytes === undefined) return undefined;
  const content = parseManifest(bytes);
  // One of a newer version is of no use, but that there is one tells enough.
  if (content === undefined) return { put: new Map(), intended: new Map(), directories: [], exchanged: [] };
  const { directories, exchanged } = content.unknown;
  const asked = [...content.entries].filter(([, { sections }]) =>
    sections.some((one) => one !== FOUND_SECTION),
  );
  return {
    put: content.entries,
    intended: new Map(asked),
    directories: textsOf(directories).map(decoded),
    exchanged: textsOf(exchanged).map((text): Exchanged => {
      const [path = "", ino = ""] = text.split(" ");
      return { path: decoded(path), ino: BigInt(/^[0-9]{1,20}$/.test(ino) ? ino : "0") };
    }),
  };
}

const textsOf = (value: unknown) =>
  Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
const encoded = (path: ByteString) => Buffer.from(path, "latin1").toString("base64");
const decoded = (text: string): ByteString => Buffer.from(text, "base64").toString("latin1");

/** Writes down what is about to be put into a jail, and in which directories things are made ready for it. */
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
  withTree((tree) => putFile(tree, journalPath(id), formatManifest(content), owner, { replace: true }));
}

/** The run is complete. */
export function removeJournal(id: ByteString): void {
  withTree((tree) => removeOwn(tree, journalPath(id)));
}

/** Calls `use` while no other run changes that jail; waits for one that does. */
export async function alone<T>(id: ByteString, use: () => Promise<T>): Promise<T> {
  const fd = withTree((tree) => {
    const owner = { uid: libc.geteuid(), gid: libc.getegid() };
    const directory = directoryOf(id);
    makeDirectories(tree, directory, (path) => ({
      ...owner,
      mode: path.startsWith(REGISTRY) ? 0o700 : 0o755,
    }));
    registryExists(tree, REGISTRY);
    putFile(tree, lockPath(id), new Uint8Array(0), { ...owner, mode: 0o600 }, { absent: true });
    const opened = openDirectory(tree, directory);
    try {
      return openAt(opened.fd, "update.lock", C.O_RDONLY | C.O_NOFOLLOW);
    } finally {
      release(opened);
    }
  });
  try {
    lockFile(fd, C.LOCK_EX);
    return await use();
  } finally {
    close(fd);
  }
}
