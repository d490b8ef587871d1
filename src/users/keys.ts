import { type ByteString, fromBytes, toBytes } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { fstat, openAt, readAllFd, type Stat, sameFile, statIfPresent, withFd } from "../../ffi/files.ts";
import { baseName } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import type { JailkitError } from "../cli/error.ts";
import { withAdvice } from "../cli/remedy.ts";
import { readFirst, shellWord } from "../cli/shell-word.ts";
import { chmodPath } from "../jail/fs/attributes.ts";
import { makeDirectoryIn } from "../jail/fs/directories.ts";
import { isIn } from "../jail/fs/look.ts";
import {
  type Directory,
  hostPath,
  isDirectory,
  isLink,
  isRegular,
  type JailRoot,
  joinPath,
  namedError,
  openChild,
  openDirectory,
  release,
} from "../jail/fs/walk.ts";
import { putFileIn } from "../jail/fs/write.ts";
import { asUser, copyAnewAs } from "../system/as-user.ts";
import { adviceAt, adviceOf } from "../system/exchange.ts";
import { freeName } from "../system/free-name.ts";
import { othersWrite } from "../system/sshd/strict-modes.ts";
import type { KeyLine } from "./key-lines.ts";
import {
  KEYS_DIRECTORY,
  KEYS_FILE,
  KEYS_FILE_LIMIT,
  type KeyPlace,
  keyFileName,
  refuseKeys,
} from "./key-place.ts";
import { type KeyMerge, mergeKeys } from "./key-text.ts";
import { requireOneHome } from "./one-home.ts";
import { inPlaceOfOther, otherHomeAdvice } from "./own-home.ts";
import { atWork, leasedText } from "./sessions.ts";

export { KEYS_FILE, type KeyPlace } from "./key-place.ts";

const ANOTHER_HOME = { advice: "give the account another home", remedy: undefined };

function withHome<T>({ root, home, user }: KeyPlace, use: (home: Directory) => T): T {
  requireOneHome(root, home);
  let directory: Directory;
  try {
    directory = openDirectory(root, home);
  } catch (error) {
    if (!isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    throw refuseKeys(root, home, "is not a directory: without a home, keys have no place");
  }
  try {
    const { uid } = directory.stat;
    if (uid === user.uid || uid === 0) return use(directory);
    const elsewhere = root.isJail ? otherHomeAdvice(user, root, home) : ANOTHER_HOME;
    const { advice, remedy } = inPlaceOfOther(root, user, home, elsewhere);
    const why = `belongs to uid ${uid}, not to ${quoted(user.name)}: no key is written there`;
    throw refuseKeys(root, home, `${why}; ${advice}`, remedy);
  } finally {
    release(directory);
  }
}

const actor = ({ root, user }: KeyPlace) => ({ name: user.name, jail: root.isJail ? root.path : undefined });

/**
 * The error for an unsuitable file in the open directory `above`. If the user could exchange it, the remedy has the rights of
 * the user, not those of root. It never gives the file to the user, who may have moved somebody else's file there.
 */
function inTheWay(place: KeyPlace, above: Directory, path: ByteString, why: string): JailkitError {
  const { root, user } = place;
  const [from, to] = [hostPath(root, path), hostPath(root, freeName(path, ".moved", isIn(root)))];
  const { advice, remedy } =
    above.stat.uid === user.uid
      ? asUser(actor(place), "mv -nT", from, to)
      : adviceAt(from, `mv -nT ${shellWord(from)} ${shellWord(to)}`);
  return refuseKeys(root, path, `${why}: no key is written there; move it away with: ${advice}`, remedy);
}

/** Throws unless the file belongs to the user: another one may be a link to a file that only root should read. */
function requireOwn(place: KeyPlace, above: Directory, path: ByteString, stat: Stat): void {
  const { uid, name } = place.user;
  if (stat.uid === uid) return;
  throw inTheWay(place, above, path, `belongs to uid ${stat.uid}, not to ${quoted(name)}`);
}

/** Opens .ssh in an open home; undefined if missing. Throws unless it is the user's own directory. */
function openKeyDirectory(place: KeyPlace, home: Directory): Directory | undefined {
  const { root } = place;
  const path = joinPath(home.path, KEYS_DIRECTORY);
  const stat = statIfPresent(home.fd, KEYS_DIRECTORY);
  if (stat === undefined) return undefined;
  if (!isDirectory(stat)) {
    const what = isLink(stat) ? "is a symbolic link" : "is not a directory";
    throw inTheWay(place, home, path, what);
  }
  const directory = openChild(root, home, KEYS_DIRECTORY);
  try {
    requireOwn(place, home, path, directory.stat);
    return directory;
  } catch (error) {
    release(directory);
    throw error;
  }
}

/** Calls `use`, and closes .ssh, which is open. Errors of system calls name the file. */
function inKeyDirectory<T>(place: KeyPlace, directory: Directory, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw namedError(error, hostPath(place.root, joinPath(directory.path, keyFileName(place))));
  } finally {
    release(directory);
  }
}

/** Reads the authorized_keys in an open directory; undefined if missing. */
function readExisting(place: KeyPlace, directory: Directory): { text: ByteString; stat: Stat } | undefined {
  const { root } = place;
  const path = joinPath(directory.path, keyFileName(place));
  const seen = statIfPresent(directory.fd, keyFileName(place));
  if (seen === undefined) return undefined;
  if (!isRegular(seen)) {
    const what = isLink(seen) ? "is a symbolic link" : "is not a regular file";
    throw inTheWay(place, directory, path, what);
  }
  // A file with another name may hold what this user may not read.
  if (seen.nlink > 1) {
    // sed(1) with -i replaces a file by a copy.
    const { advice, remedy } = asUser(actor(place), "sed -i ''", hostPath(root, path));
    const why = `has another name elsewhere (a hard link); put a copy in its place with: ${advice}`;
    throw refuseKeys(root, path, why, remedy);
  }
  requireOwn(place, directory, path, seen);
  return withFd(openExisting(place, directory, path), (fd) => {
    const stat = fstat(fd);
    if (!sameFile(stat, seen)) throw changed(root, path);
    if (stat.size > KEYS_FILE_LIMIT)
      throw inTheWay(place, directory, path, `is longer than ${KEYS_FILE_LIMIT} bytes`);
    return { text: fromBytes(readAllFd(fd, KEYS_FILE_LIMIT, stat.size)), stat };
  });
}

/** Those of .ssh and authorized_keys that others can write: sshd(8) accepts no key there, but would after a change of the modes. */
function openToOthers(place: KeyPlace, directory: Directory, file: Stat | undefined): ByteString[] {
  const isOpen = (stat: Stat) => othersWrite(stat, place.user.uid);
  const keys = file !== undefined && isOpen(file) ? [joinPath(directory.path, keyFileName(place))] : [];
  return isOpen(directory.stat) ? [directory.path, ...keys] : keys;
}

const NOT_ADDED = "can be written by others, whose keys would become valid: no key is written there";

/** The error about keys in what others can write. Of a file they may have it open: a change of its mode would not end that. */
function openError(place: KeyPlace, [open = "", file]: readonly ByteString[], why = NOT_ADDED): JailkitError {
  const { root, home } = place;
  const path = hostPath(root, open);
  if (baseName(open) === keyFileName(place))
    return refuseKeys(root, open, `${why}; ${copyAnewAs(actor(place), path)}`);
  const close = asUser(actor(place), "chmod go-w", path);
  // An open file is next, and none of its keys is valid until then.
  if (file !== undefined) return refuseKeys(root, open, withAdvice(why, adviceOf(close)), close.remedy);
  const read = readFirst(hostPath(root, joinPath(home, KEYS_FILE)));
  return refuseKeys(root, open, `${why}; ${read}${close.advice}`);
}

function openExisting(place: KeyPlace, directory: Directory, path: ByteString): number {
  const { root } = place;
  try {
    return openAt(directory.fd, keyFileName(place), C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY);
  } catch (error) {
    if (!isErrno(error, "EAGAIN")) throw error;
    const holder = atWork(directory.fd);
    if (holder === undefined) throw refuseKeys(root, path, `${leasedText()}; no key is written there`);
    const { whose, remedy } = holder;
    const why = `is kept from others by processes of ${whose} (a lease, see fcntl(2)): no key is written there`;
    throw refuseKeys(root, path, `${why}; end them with: ${remedy}`, remedy);
  }
}

function changed(root: JailRoot, path: ByteString): JailkitError {
  return refuseKeys(root, path, "was changed meanwhile: no key was written; run it again");
}

/**
 * Plans to add keys to the authorized_keys of a home; writes nothing. Throws JailkitError "keys-not-written" if that is
 * impossible: no home, a symbolic link, a file that is not the user's own, or one that others can write.
 */
export function planKeys(place: KeyPlace, keys: readonly KeyLine[]): KeyMerge {
  const { text, open } = readKeys(place);
  const merge = readable(place, mergeKeys(text, keys));
  if (merge.added > 0 && open.length > 0) throw openError(place, open);
  return merge;
}

/** The same, unless the file would not be read again: no key could be taken out of it later. */
function readable<T extends Pick<KeyMerge, "text">>({ root, home }: KeyPlace, merge: T): T {
  if ((merge.text ?? "").length <= KEYS_FILE_LIMIT) return merge;
  throw refuseKeys(root, joinPath(home, KEYS_FILE), `would be longer than ${KEYS_FILE_LIMIT} bytes`);
}

/** The text of the authorized_keys of a home, "" if it is missing. Throws JailkitError "keys-not-written" if it cannot be read. */
export const keysText = (place: KeyPlace): ByteString => readKeys(place).text;

/** The same, and why sshd(8) accepts none of its keys, since others can write it. */
export function keysWithFault(place: KeyPlace): { text: ByteString; fault: JailkitError | undefined } {
  const { text, open } = readKeys(place);
  const why = "can be written by others, so that sshd accepts no key there";
  return { text, fault: open.length === 0 ? undefined : openError(place, open, why) };
}

function readKeys(place: KeyPlace): { text: ByteString; open: readonly ByteString[] } {
  return withHome(place, (home) => {
    const directory = openKeyDirectory(place, home);
    if (directory === undefined) return { text: "", open: [] };
    return inKeyDirectory(place, directory, () => {
      const existing = readExisting(place, directory);
      return { text: existing?.text ?? "", open: openToOthers(place, directory, existing?.stat) };
    });
  });
}

/**
 * Adds the missing keys to .ssh/authorized_keys of a home: the directory is the user's, 0700, and the file too, 0600; its
 * content stays, and is nothing that others could have written. The user may change the home meanwhile: no link is followed, and
 * files that are not the user's own are neither read nor written. Throws as planKeys does.
 */
export const writeKeys = (place: KeyPlace, keys: readonly KeyLine[]): KeyMerge =>
  changeKeys(place, (text) => mergeKeys(text, keys));

/** The new text, and how many keys are new in it. */
type NewKeys = Pick<KeyMerge, "text"> & Partial<Pick<KeyMerge, "added">>;

/** Changes the file by a pure function of its text. Throws as planKeys does. */
export function changeKeys<T extends NewKeys>(place: KeyPlace, change: (text: ByteString) => T): T {
  const { root, user } = place;
  return withHome(place, (home) => {
    let directory = openKeyDirectory(place, home);
    if (directory === undefined) {
      makeDirectoryIn(root, home, KEYS_DIRECTORY, { uid: user.uid, gid: user.gid, mode: 0o700 });
      directory = openKeyDirectory(place, home);
    }
    if (directory === undefined) throw changed(root, joinPath(home.path, KEYS_DIRECTORY));
    const opened = directory;
    return inKeyDirectory(place, opened, () => writeIn(place, opened, change));
  });
}

function writeIn<T extends NewKeys>(
  place: KeyPlace,
  directory: Directory,
  change: (text: ByteString) => T,
): T {
  const { root, user } = place;
  const existing = readExisting(place, directory);
  const merge = readable(place, change(existing?.text ?? ""));
  if (merge.text === undefined) return merge;
  const open = openToOthers(place, directory, existing?.stat);
  const isOpen = open.length > 0;
  if (isOpen && (merge.added ?? 0) > 0) throw openError(place, open);
  if (!isOpen && (directory.stat.mode & 0o7777) !== 0o700) chmodPath(directory.fd, 0o700);
  const now = statIfPresent(directory.fd, keyFileName(place));
  const same =
    now === undefined || existing === undefined ? now === existing?.stat : isSame(now, existing.stat);
  const path = joinPath(directory.path, keyFileName(place));
  if (!same) throw changed(root, path);
  // With another mode, sshd(8) would accept the lines of others.
  const mode = isOpen ? (existing?.stat.mode ?? 0) & 0o777 : 0o600;
  const attributes = { mode, uid: user.uid, gid: isOpen ? (existing?.stat.gid ?? user.gid) : user.gid };
  const options = { replace: existing !== undefined };
  const spot = { root, parent: directory, name: keyFileName(place) };
  const placement = putFileIn(spot, toBytes(merge.text), attributes, options);
  if (placement === "kept") throw changed(root, path);
  return merge;
}

const isSame = (a: Stat, b: Stat) => sameFile(a, b) && a.ctime === b.ctime && a.size === b.size;
