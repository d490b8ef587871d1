import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { lockFile } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { entriesOf, isEmptyDirectory, openAt, withFd } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { ownMounts } from "../../system/mountinfo.ts";
import { leadingInto } from "../fs/leads-into.ts";
import { lookUp, readJailFile, withTree } from "../fs/look.ts";
import { isDirectory, type JailRoot, joinPath, withDirectory } from "../fs/walk.ts";
import { makeDirectories, removePath } from "../fs/write.ts";
import type { JailIdentity, ManifestContent, ReadManifest } from "./manifest-text.ts";
import { manifestPath, RecordError, readContent, readIdentity } from "./record-file.ts";

/** The records of all jails: a directory for each, named by an id, with manifest.json. */
export const REGISTRY = "/var/lib/jailkit/jails";

const AN_ID = /^[0-9a-f]{20}(-[0-9]+)?$/;
const SAMPLE = 16;
const LARGE_SAMPLE = 256;
const LARGEST_PASSWD = 1 << 24;

/** A jail of the registry. */
export interface KnownJail {
  id: ByteString;
  jail: JailIdentity;
}

/** False if the registry is missing. Throws JailkitError "unsafe-registry", "registry-unreadable". */
export function registryExists(tree: JailRoot, registry: ByteString): boolean {
  const found = lookUp(tree, registry, { follow: true });
  if (found === undefined) return false;
  const { uid, mode } = found.stat;
  const shown = display(registry);
  const me = libc.geteuid();
  if (!isDirectory(found.stat))
    throw new JailkitError("unsafe-registry", 1, `${shown}: must be a directory; move it away`);
  if ((uid !== 0 && uid !== me) || (mode & 0o022) !== 0) {
    const what = "users other than root can write it; check its contents, and then";
    const remedy: Remedy = `chown root:root ${shellWord(registry)} && chmod 0700 ${shellWord(registry)}`;
    throw new JailkitError("unsafe-registry", 1, `${shown}: ${what}: ${remedy}`, undefined, remedy);
  }
  if (uid === me || me === 0) return true;
  throw new JailkitError("registry-unreadable", 1, `${shown}: only root can read it; run this as root`);
}

/** A record that cannot be used, and its id. */
export interface DamagedRecord {
  id: ByteString;
  error: RecordError;
}

/** The jails of the registry, and the records that cannot be used, in no order. */
export interface Registry {
  jails: KnownJail[];
  damaged: DamagedRecord[];
}

const EMPTY: Registry = { jails: [], damaged: [] };

/** Reads the registry: of each record the first line. `paths`: jails that a damaged record may be of. */
export function readRegistry(paths: readonly ByteString[] = [], registry: ByteString = REGISTRY): Registry {
  return withTree((tree) => (registryExists(tree, registry) ? recordsIn(tree, registry, paths) : EMPTY));
}

/** The jails of the registry, in no order, without those whose record is damaged. */
export const knownJails = (registry: ByteString = REGISTRY): KnownJail[] => readRegistry([], registry).jails;

/** What a path of the host has to do with a known jail that is there or in it, also by a mount, and must not be moved away; printable. */
export function holdsJail(path: ByteString): string | undefined {
  // Where proc(5) is not mounted, names alone tell.
  const leads = leadingInto(answered(ownMounts) ?? []);
  const found = knownJails().find(({ jail }) => leads(jail.path, path))?.jail.path;
  if (found === undefined) return undefined;
  return found === path ? "is a jail" : `holds the jail ${quoted(found)}`;
}

function recordsIn(tree: JailRoot, registry: ByteString, paths: readonly ByteString[]): Registry {
  const names = withDirectory(tree, registry, ({ fd }) => entriesOf(fd));
  const byId = new Map(paths.map((path) => [idFor(path), path]));
  const jails: KnownJail[] = [];
  const damaged: DamagedRecord[] = [];
  for (const { name: id, type } of names) {
    try {
      if (AN_ID.test(id) && type === C.DT_REG)
        throw new RecordError(joinPath(registry, id), "is not a directory", undefined);
      const jail = readIdentity(tree, registry, id);
      if (jail !== undefined) jails.push({ id, jail });
    } catch (error) {
      if (!(error instanceof RecordError)) throw error;
      const jail = error.jail ?? byId.get(firstId(id));
      damaged.push({ id, error: jail === undefined ? error : error.of(jail) });
    }
  }
  return { jails, damaged };
}

/** The path, device and inode of an open jail. */
export function identityOf(root: JailRoot): JailIdentity {
  const { devMajor, devMinor, ino } = root.top.stat;
  return { path: root.path, devMajor, devMinor, ino };
}

/** An id made from the path where the jail was first seen. */
function idFor(path: ByteString): ByteString {
  return new Bun.CryptoHasher("sha256").update(toBytes(path)).digest("hex").slice(0, 20);
}

/** True for a jail whose record is where that of a jail at this path is made first; false if that cannot be known. */
export const isRecorded = (path: ByteString): boolean =>
  answered(() =>
    withTree(
      (tree) =>
        lookUp(tree, path) !== undefined &&
        registryExists(tree, REGISTRY) &&
        readIdentity(tree, REGISTRY, idFor(path))?.path === path,
    ),
  ) ?? false;

/** The id without the number of a later jail at the same path. */
const firstId = (id: ByteString): ByteString => id.replace(/-[0-9]+$/, "");

/** True if the id is one that jails at a path get. */
export const isRecordOf = (id: ByteString, path: ByteString): boolean => firstId(id) === idFor(path);

/**
 * True if a manifest describes this jail: of a sample of its files, links and devices, at least half are there; if it has
 * none, an account that lives in it. Undefined if it says nothing: it would fit every directory, and a file system uses
 * inodes again.
 */
export function describes(content: ReadManifest, root: JailRoot): boolean | undefined {
  const sample = content.sample(SAMPLE);
  if (sample.length === 0) return hasAccount(content, root);
  const there = sample.filter(({ path, type, size }) => {
    const stat = answered(() => lookUp(root, path)?.stat);
    return stat !== undefined && (type !== "file" || stat.size === size);
  });
  return there.length * 2 >= sample.length;
}

/** Whether a jail's etc/passwd has a line of an account that its manifest names; undefined if that names none. */
function hasAccount({ requests }: ReadManifest, root: JailRoot): boolean | undefined {
  const names = requests.flatMap(({ tool, operands }) =>
    tool === "jk_jailuser" ? operands.slice(0, 1) : [],
  );
  if (names.length === 0) return undefined;
  const passwd = answered(() => readJailFile(root, "/etc/passwd", LARGEST_PASSWD)) ?? new Uint8Array(0);
  const lines = `\n${fromBytes(passwd)}`;
  return names.some((name) => lines.includes(`\n${name}:`));
}

/** The records that may be of the jail at a path. */
function recordsFor(tree: JailRoot, path: ByteString, registry: ByteString): Registry {
  const id = idFor(path);
  const here = answered(() => readIdentity(tree, registry, id));
  if (here?.path === path) return { jails: [{ id, jail: here }], damaged: [] };
  return recordsIn(tree, registry, [path]);
}

/** True if there is a record of a path, or one that is damaged may be of it. Throws as registryExists. */
export const hasRecord = (path: ByteString, registry: ByteString = REGISTRY): boolean =>
  withTree((tree) => {
    if (!registryExists(tree, registry)) return false;
    const { jails, damaged } = recordsFor(tree, path, registry);
    return jails.some(({ jail }) => jail.path === path) || damaged.some(({ error }) => isOf(error, path));
  });

const isOf = ({ jail }: RecordError, path: ByteString): boolean => jail === undefined || jail === path;

/**
 * True if the path of an open jail has a record, which is that of another directory, and nothing of what it has is here. Of one
 * that has nothing, nothing at all must be here. A jail that was restored from a backup is another directory, too. Throws
 * RecordError.
 */
export const isInPlaceOf = (root: JailRoot, registry: ByteString = REGISTRY): boolean =>
  withTree((tree) => {
    if (!registryExists(tree, registry)) return false;
    const here = recordsFor(tree, root.path, registry).jails.filter(({ jail }) => jail.path === root.path);
    // Device numbers change between boots.
    if (here.length === 0 || here.some(({ jail }) => jail.ino === root.top.stat.ino)) return false;
    return (
      isEmptyDirectory(root.fd) || here.every(({ id }) => hasNothingOf(readContent(tree, registry, id), root))
    );
  });

function hasNothingOf(content: ReadManifest | undefined, root: JailRoot): boolean {
  const sample = content?.sample(LARGE_SAMPLE) ?? [];
  if (content === undefined || sample.length === 0) return false;
  // A boot mounts live directories where a jail was, and creates their mount points.
  const paths = [...sample.map(({ path }) => path), ...(content.live ?? [])];
  return paths.every((path) => answered(() => lookUp(root, path)) === undefined);
}

/** Finds the manifest of a jail by its path or, if it was moved, by device and inode. */
export function findManifest(
  tree: JailRoot,
  root: JailRoot,
  registry: ByteString,
): { id: ByteString; content?: ManifestContent } {
  const identity = identityOf(root);
  const usual = idFor(root.path);
  if (!registryExists(tree, registry)) return { id: usual };
  // Device numbers change between boots. An inode at the same path changes only if the jail was created anew.
  const isOf = (content: ReadManifest) =>
    content.jail.path === root.path
      ? content.jail.ino === identity.ino || describes(content, root) !== false
      : describes(content, root) === true;
  // Nearly always it is the usual one, whole.
  const here = answered(() => readContent(tree, registry, usual));
  if (here?.jail.path === root.path) return isOf(here) ? { id: usual, content: here } : { id: usual };
  const { jails: known, damaged } = recordsFor(tree, root.path, registry);
  const mine = damaged.find(({ error }) => error.jail === root.path);
  if (mine !== undefined) throw mine.error;
  const sameInode = (jail: JailIdentity) =>
    jail.ino === identity.ino && jail.devMajor === identity.devMajor && jail.devMinor === identity.devMinor;
  const candidates = [
    ...known.filter(({ jail }) => jail.path === root.path),
    ...known.filter(({ jail }) => jail.path !== root.path && sameInode(jail)),
  ];
  for (const { id } of candidates) {
    const content = contentOf(tree, registry, id, root.path);
    if (content !== undefined && isOf(content)) return { id, content };
  }
  const others = known.filter(({ jail }) => jail.path !== root.path);
  const taken = new Set([...others, ...damaged].map(({ id }) => id));
  let id = usual;
  for (let number = 2; taken.has(id); number++) id = `${usual}-${number}`;
  return { id };
}

/** The content of a record of the jail at a path; undefined if missing. Throws RecordError. */
export function contentOf(tree: JailRoot, registry: ByteString, id: ByteString, path: ByteString) {
  try {
    return readContent(tree, registry, id);
  } catch (error) {
    throw error instanceof RecordError ? error.of(path) : error;
  }
}

/** Calls `use` while no other process can write the manifest of `id`. */
export function locked<T>(tree: JailRoot, registry: ByteString, id: ByteString, use: () => T): T {
  return lockedAt(tree, registry, joinPath(registry, id), use);
}

/** Calls `use` while no other process can change our lines in files of the host, such as fstab(5). */
export function hostLocked<T>(registry: ByteString, use: () => T): T {
  return withTree((tree) => lockedAt(tree, registry, registry, use));
}

/** Creates the registry, or a directory in it, if it is missing. Throws JailkitError "unsafe-registry". */
export function makeOwnDirectory(tree: JailRoot, registry: ByteString, directory = registry): void {
  const owner = { uid: libc.geteuid(), gid: libc.getegid() };
  const own = (path: ByteString) => path === registry || path === directory;
  makeDirectories(tree, directory, (path) => ({ ...owner, mode: own(path) ? 0o700 : 0o755 }));
  registryExists(tree, registry);
}

function lockedAt<T>(tree: JailRoot, registry: ByteString, directory: ByteString, use: () => T): T {
  makeOwnDirectory(tree, registry, directory);
  // The directory itself is the lock: no user can open it, so no user can hold its lock.
  const opened = withDirectory(tree, directory, ({ fd }) => openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY));
  return withFd(opened, (fd) => {
    lockFile(fd, C.LOCK_EX);
    return use();
  });
}

/** Removes a file or an empty directory of the registry; false if missing. */
export function removeOwn(tree: JailRoot, path: ByteString): boolean {
  const found = lookUp(tree, path);
  return found !== undefined && removePath(tree, path, found.stat);
}

/** Removes the record of a jail, not the jail. False if there is none. */
export function forgetJail(id: ByteString, registry: ByteString = REGISTRY): boolean {
  return withTree((tree) => {
    const removed = removeOwn(tree, manifestPath(registry, id));
    for (const name of ["verified.json", "fill.json", "update.json"])
      removeOwn(tree, `${registry}/${id}/${name}`);
    removeIfEmpty(tree, joinPath(registry, id));
    return removed;
  });
}

/** Removes a directory of the registry that has nothing in it; another one stays. */
export function removeIfEmpty(tree: JailRoot, path: ByteString): void {
  try {
    removeOwn(tree, path);
  } catch (error) {
    if (!isErrno(error, "ENOTEMPTY")) throw error;
  }
}
