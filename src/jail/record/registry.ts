import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { lockFile } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { openAt, readAllFd, readDirectory, readInto, withFd } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { display } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { lookUp, withJailFile, withTree } from "../fs/look.ts";
import { isDirectory, type JailRoot, joinPath, withDirectory } from "../fs/walk.ts";
import { makeDirectories, removePath } from "../fs/write.ts";
import { type JailIdentity, type ManifestContent, parseIdentity, parseManifest } from "./manifest-text.ts";

/** The records of all jails: a directory for each, named by an id, with manifest.json. */
export const REGISTRY = "/var/lib/jailkit/jails";

// 100,000 entries of 300 bytes are 30 MB.
const MANIFEST_LIMIT = 1 << 28;
const HEAD_LIMIT = 1 << 16;
const SAMPLE = 16;

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
    const remedy = `chown 0:0 ${shellWord(registry)} && chmod 0700 ${shellWord(registry)}`;
    throw new JailkitError("unsafe-registry", 1, `${shown}: ${what}: ${remedy}`, undefined, remedy);
  }
  if (uid === me || me === 0) return true;
  throw new JailkitError("registry-unreadable", 1, `${shown}: only root can read it; run this as root`);
}

/** The manifest file of an id. */
export const manifestPath = (registry: ByteString, id: ByteString) => `${registry}/${id}/manifest.json`;

function readIdentity(tree: JailRoot, registry: ByteString, id: ByteString): JailIdentity | undefined {
  return withJailFile(tree, manifestPath(registry, id), (fd) => {
    const buffer = new Uint8Array(HEAD_LIMIT);
    return parseIdentity(buffer.subarray(0, readInto(fd, buffer)));
  });
}

/** The content of a manifest; undefined if missing. Throws JailkitError "bad-manifest". */
export function readContent(tree: JailRoot, registry: ByteString, id: ByteString) {
  const path = manifestPath(registry, id);
  const bytes = withJailFile(tree, path, (fd) => readAllFd(fd, MANIFEST_LIMIT));
  if (bytes === undefined) return undefined;
  const content = parseManifest(bytes);
  if (content !== undefined) return content;
  const message = `${display(path)}: damaged, or written by a newer version; install that version, or restore the file from a backup`;
  throw new JailkitError("bad-manifest", 1, message);
}

/** The jails of the registry, in no order, without those whose manifest cannot be read. */
export function knownJails(registry: ByteString = REGISTRY): KnownJail[] {
  return withTree((tree) => (registryExists(tree, registry) ? knownIn(tree, registry) : []));
}

function knownIn(tree: JailRoot, registry: ByteString): KnownJail[] {
  const names = withDirectory(tree, registry, ({ fd }) =>
    withFd(openAt(fd, ".", C.O_RDONLY | C.O_DIRECTORY), readDirectory),
  );
  return names.flatMap(({ name }) => {
    const jail = readIdentity(tree, registry, name);
    return jail === undefined ? [] : [{ id: name, jail }];
  });
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

/** True if a manifest describes this jail: of a sample of its files, links and devices, at least half are there. */
export function describes(content: ManifestContent, root: JailRoot): boolean {
  const entries = [...content.entries.values()].filter(({ type }) => type !== "directory");
  if (entries.length === 0) return true;
  const step = Math.ceil(entries.length / SAMPLE);
  const sample = entries.filter((_, index) => index % step === 0);
  const there = sample.filter(({ path, type, size }) => {
    const stat = answered(() => lookUp(root, path)?.stat);
    return stat !== undefined && (type !== "file" || stat.size === size);
  });
  return there.length * 2 >= sample.length;
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
  const here = readIdentity(tree, registry, usual);
  const known = here?.path === root.path ? [{ id: usual, jail: here }] : knownIn(tree, registry);
  const sameInode = (jail: JailIdentity) =>
    jail.ino === identity.ino && jail.devMajor === identity.devMajor && jail.devMinor === identity.devMinor;
  const candidates = [
    ...known.filter(({ jail }) => jail.path === root.path),
    ...known.filter(({ jail }) => jail.path !== root.path && sameInode(jail)),
  ];
  for (const { id, jail } of candidates) {
    const content = readContent(tree, registry, id);
    if (content === undefined) continue;
    // Device numbers change between boots. An inode at the same path changes only if the jail was created anew.
    const same = jail.path === root.path && jail.ino === identity.ino;
    if (same || describes(content, root)) return { id, content };
  }
  const taken = new Set(known.filter(({ jail }) => jail.path !== root.path).map(({ id }) => id));
  let id = usual;
  for (let number = 2; taken.has(id); number++) id = `${usual}-${number}`;
  return { id };
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
    removeOwn(tree, `${registry}/${id}/verified.json`);
    try {
      removeOwn(tree, joinPath(registry, id));
    } catch (error) {
      if (!isErrno(error, "ENOTEMPTY")) throw error;
    }
    return removed;
  });
}
