import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import {
  close,
  openAt,
  renameAt,
  type Stat,
  sameFile,
  statAt,
  statIfPresent,
  unlinkAt,
} from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import {
  bindIn,
  listen,
  openSocket,
  passCredentials,
  SOCK_DGRAM,
  SOCK_STREAM,
} from "../../../ffi/sockets.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { chmodPath } from "../../jail/fs/attributes.ts";
import { directoryFindings } from "../../jail/fs/safety.ts";
import { closeJailRoot, type JailRoot, openTree, release, walk } from "../../jail/fs/walk.ts";

/** A socket with a name in a directory. */
export interface PlacedSocket {
  readonly fd: number;
  /** O_PATH. */
  readonly directory: number;
  readonly name: ByteString;
  /** The directory, and the name in it, as they were made. */
  readonly directoryStat: Stat;
  readonly stat: Stat;
}

const BACKLOG = 64;
const MODE = 0o666;

/**
 * Opens the directory of a socket. Links are followed where root alone can have made them; the directory must be
 * root's own, and nobody else may be able to put another in its place. Throws JailkitError, SystemError.
 */
function openPlace(path: ByteString): JailRoot {
  const tree = openTree("/");
  let canonical: ByteString;
  try {
    const directory = walk(tree, path.slice(0, path.lastIndexOf("/")));
    canonical = directory.path;
    release(directory);
  } finally {
    closeJailRoot(tree);
  }
  const place = openTree(canonical);
  const [finding] = directoryFindings(place);
  if (finding === undefined) return place;
  closeJailRoot(place);
  const message = `${finding.message}, and jk_socketd makes no socket there; mend it with: ${finding.remedy}`;
  throw new JailkitError("unsafe-directory", 1, message);
}

function temporaryName(): ByteString {
  const random = crypto.getRandomValues(new Uint8Array(8));
  return `.jk${Buffer.from(random).toString("hex")}`;
}

/**
 * Binds under a name of its own and makes sure of the mode before anybody knows the name. This is the one thing in a
 * jail that src/jail/fs/write.ts does not make, since only bind(2) makes a socket.
 */
function bindNew(fd: number, directory: number): ByteString {
  const temporary = temporaryName();
  const umask = libc.umask(0o777 & ~MODE);
  try {
    bindIn(fd, directory, temporary);
  } finally {
    libc.umask(umask);
  }
  // A default ACL of the directory takes bits away even where the umask does not.
  if ((statAt(directory, temporary).mode & 0o7777) !== MODE) {
    const path = openAt(directory, temporary, C.O_PATH | C.O_NOFOLLOW);
    try {
      chmodPath(path, MODE);
    } finally {
      close(path);
    }
  }
  return temporary;
}

/** A path of a device is a mistake, and every program would be without it. */
function requireNoDevice(path: ByteString, standing: Stat | undefined): void {
  const type = standing && standing.mode & C.S_IFMT;
  if (type !== C.S_IFCHR && type !== C.S_IFBLK) return;
  throw new JailkitError("in-the-way", 1, `${display(path)}: a device is in the way`);
}

/**
 * Makes a socket at an absolute path of any length, in place of what is there, unless that is a directory or a device: it
 * appears by rename, ready, with mode 0666, and every message that comes tells who sent it. Throws JailkitError, SystemError.
 */
export function placeSocket(path: ByteString, type: "dgram" | "stream"): PlacedSocket {
  const place = openPlace(path);
  const name = path.slice(path.lastIndexOf("/") + 1);
  const fd = openSocket(type === "stream" ? SOCK_STREAM : SOCK_DGRAM, true);
  let directory = -1;
  let temporary: ByteString | undefined;
  try {
    passCredentials(fd);
    directory = openAt(place.fd, ".", C.O_PATH | C.O_DIRECTORY);
    requireNoDevice(path, statIfPresent(directory, name));
    temporary = bindNew(fd, directory);
    if (type === "stream") listen(fd, BACKLOG);
    renameAt(directory, temporary, directory, name);
    return { fd, directory, name, directoryStat: place.top.stat, stat: statAt(directory, name) };
  } catch (error) {
    if (temporary !== undefined) removeIfThere(directory, temporary);
    if (directory >= 0) close(directory);
    close(fd);
    if (!isErrno(error, "EISDIR")) throw error;
    throw new JailkitError("in-the-way", 1, `${display(path)}: a directory is in the way`);
  } finally {
    closeJailRoot(place);
  }
}

function removeIfThere(directory: number, name: ByteString): void {
  try {
    unlinkAt(directory, name);
  } catch (error) {
    if (!isErrno(error, "ENOENT")) throw error;
  }
}

/** Whether the name still leads to the socket, by the path too. */
export function isInPlace(placed: PlacedSocket, path: ByteString): boolean {
  const stat = statIfPresent(placed.directory, placed.name);
  if (stat === undefined || !sameFile(stat, placed.stat)) return false;
  const parent = statIfPresent(C.AT_FDCWD, directoryOf(path), true);
  return parent !== undefined && sameFile(parent, placed.directoryStat);
}

/** Closes the socket; its name goes too where it is still this socket's, and `keepName` is not set. */
export function removeSocket(placed: PlacedSocket, keepName = false): void {
  const stat = keepName ? undefined : statIfPresent(placed.directory, placed.name);
  if (stat !== undefined && sameFile(stat, placed.stat)) removeIfThere(placed.directory, placed.name);
  close(placed.fd);
  close(placed.directory);
}
