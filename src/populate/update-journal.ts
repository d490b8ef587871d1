import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { close, lockFile, openAt, readAllFd, statIfPresent } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { withJailFile } from "../jail/look.ts";
import { REGISTRY } from "../jail/manifest.ts";
import {
  formatManifest,
  type ManifestContent,
  type ManifestEntry,
  parseManifest,
} from "../jail/manifest-text.ts";
import { identityOf, registryExists, removeOwn, withTree } from "../jail/registry.ts";
import { isDirectory, type JailRoot, openDirectory, release } from "../jail/walk.ts";
import { makeDirectories, putFile, removeTree } from "../jail/write.ts";
import { namesIn } from "./update-scan.ts";

/**
 * What a run is about to do, beside the jail's record: /var/lib/jailkit/jails/ID/update.json. It is there while a run
 * changes the jail, and stays if that is cut short; the next one then knows which of the files are ours, and in which
 * directories something half-made may lie.
 */
export interface Journal {
  readonly intended: ReadonlyMap<ByteString, ManifestEntry>;
  readonly directories: readonly ByteString[];
}

const LIMIT = 1 << 28;
const TEMPORARY = /^\.jk-[\w-]{12}$/;

const directoryOf = (id: ByteString): ByteString => `${REGISTRY}/${id}`;
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
  if (content === undefined) return { intended: new Map(), directories: [] };
  const { directories } = content.unknown;
  const list = Array.isArray(directories) ? directories.filter((each) => typeof each === "string") : [];
  return {
    intended: content.entries,
    directories: list.map((text) => Buffer.from(text, "base64").toString("latin1")),
  };
}

/** Writes down what is about to be put into a jail, and in which directories things are made ready for it. */
export function writeJournal(
  root: JailRoot,
  id: ByteString,
  entries: readonly ManifestEntry[],
  directories: readonly ByteString[],
): void {
  const content: ManifestContent = {
    jail: identityOf(root),
    requests: [],
    entries: new Map(entries.map((entry) => [entry.path, entry])),
    unknown: {
      directories: [...new Set(directories)].map((path) => Buffer.from(path, "latin1").toString("base64")),
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

/** Removes what a run that was cut short has left half-made: names that only jailkit gives, in the directories it was in. */
export function sweep(root: JailRoot, { directories }: Journal): void {
  for (const path of directories) sweepDirectory(root, path);
}

/** The same beside the record of a jail. */
export function sweepRegistry(id: ByteString): void {
  withTree((tree) => sweepDirectory(tree, directoryOf(id)));
}

/** Removes half-made files of root's from a directory of a tree; one that users can write is left alone. */
function sweepDirectory(root: JailRoot, path: ByteString): void {
  let directory: ReturnType<typeof openDirectory>;
  try {
    directory = openDirectory(root, path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR", "ELOOP")) return;
    throw error;
  }
  try {
    if (!directory.trusted || !isDirectory(directory.stat)) return;
    for (const name of namesIn(directory)) {
      const seen = TEMPORARY.test(name) ? statIfPresent(directory.fd, name) : undefined;
      if (seen !== undefined) removeTree(root, `${directory.path}/${name}`, seen);
    }
  } finally {
    release(directory);
  }
}
