import type { ByteString } from "../../../ffi/bytes.ts";
import { renameAt, unlinkIfPresent } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import {
  close,
  type FileIdentity,
  openAt,
  type Stat,
  sameFile,
  statAt,
  statIfPresent,
  withFd,
} from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { baseName, directoryOf, parentOf } from "../../../ffi/paths.ts";
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
import { withAdvice } from "../../cli/remedy.ts";
import { chmodPath } from "../../jail/fs/attributes.ts";
import { withTree } from "../../jail/fs/look.ts";
import { hostDirectory } from "../../jail/fs/no-jails.ts";
import { directoryFindings } from "../../jail/fs/safety.ts";
import { closeJailRoot, type JailRoot, openTree, release, walk } from "../../jail/fs/walk.ts";

/** A socket that is bound to a name in a directory. */
export interface BoundSocket {
  readonly fd: number;
  /** An O_PATH descriptor. */
  readonly directory: number;
  readonly name: ByteString;
  /** The directory and the socket when it was bound. */
  readonly directoryStat: FileIdentity;
  readonly stat: FileIdentity;
}

/** The rest of a stat is large, and there may be thousands. */
const identityOf = ({ ino, devMajor, devMinor }: Stat): FileIdentity => ({ ino, devMajor, devMinor });

const BACKLOG = 64;
const MODE = 0o666;

/** What leaves the home of a user, if the socket is in one: the jail of a /dev/log, else the socket. */
function mustMove(path: ByteString, directory: ByteString) {
  const jail = parentOf(directory);
  const isJails = `${directory}/${baseName(path)}` === `${jail}/dev/log` && jail !== "";
  return isJails ? { path: jail, stat: statIfPresent(C.AT_FDCWD, jail) } : { path, stat: undefined };
}

/**
 * Opens the directory of a socket. Only symbolic links that root created are followed. The directory must belong to
 * root, and only root may be able to replace it. Throws JailkitError, SystemError.
 */
function openDirectoryOf(path: ByteString): JailRoot {
  const canonical = withTree((tree) => {
    const directory = walk(tree, parentOf(path));
    release(directory);
    return directory.path;
  });
  const directory = openTree(canonical);
  const system = hostDirectory(directory.top.stat);
  if (system !== undefined) {
    closeJailRoot(directory);
    const message = `${display(canonical)}: is the host's ${system}: jk_socketd creates no socket there`;
    throw new JailkitError("host-directory", 1, message);
  }
  const [finding] = directoryFindings(directory, mustMove(path, canonical));
  if (finding === undefined) return directory;
  closeJailRoot(directory);
  const message = withAdvice(`${finding.message}, so jk_socketd creates no socket there`, finding.advice);
  throw new JailkitError("unsafe-directory", 1, message);
}

/**
 * Binds to a temporary name, and sets the mode before anyone knows that name. Everything else in a jail is created by
 * src/jail/fs/, but only bind(2) creates a socket.
 */
function bindNew(fd: number, directory: number): ByteString {
  const temporary = `.jk${Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString("hex")}`;
  const umask = libc.umask(0o777 & ~MODE);
  try {
    bindIn(fd, directory, temporary);
  } finally {
    libc.umask(umask);
  }
  // A default ACL of the directory can clear bits that the umask does not.
  if ((statAt(directory, temporary).mode & 0o7777) !== MODE)
    withFd(openAt(directory, temporary, C.O_PATH | C.O_NOFOLLOW), (path) => chmodPath(path, MODE));
  return temporary;
}

/** Refuses to replace a device, which other programs need. */
function requireNoDevice(path: ByteString, existing: Stat | undefined): void {
  const type = existing && existing.mode & C.S_IFMT;
  if (type !== C.S_IFCHR && type !== C.S_IFBLK) return;
  throw new JailkitError("in-the-way", 1, `${display(path)}: a device is in the way`);
}

/**
 * Creates a socket at an absolute path of any length. It appears by rename, ready, with mode 0666, and replaces what is
 * there, unless that is a directory or a device. Each message carries its sender's ids. Throws JailkitError, SystemError.
 */
export function bindSocket(path: ByteString, type: "dgram" | "stream"): BoundSocket {
  using parent = openDirectoryOf(path);
  const name = baseName(path);
  const fd = openSocket(type === "stream" ? SOCK_STREAM : SOCK_DGRAM, true);
  let directory = -1;
  let temporary: ByteString | undefined;
  try {
    passCredentials(fd);
    directory = openAt(parent.fd, ".", C.O_PATH | C.O_DIRECTORY);
    requireNoDevice(path, statIfPresent(directory, name));
    temporary = bindNew(fd, directory);
    if (type === "stream") listen(fd, BACKLOG);
    renameAt(directory, temporary, directory, name);
    const directoryStat = identityOf(parent.top.stat);
    return { fd, directory, name, directoryStat, stat: identityOf(statAt(directory, name)) };
  } catch (error) {
    if (temporary !== undefined) unlinkIfPresent(directory, temporary);
    if (directory >= 0) close(directory);
    close(fd);
    if (!isErrno(error, "EISDIR")) throw error;
    throw new JailkitError("in-the-way", 1, `${display(path)}: a directory is in the way`);
  }
}

/** Whether the name and the path still lead to the socket. */
export function isStillBound(bound: BoundSocket, path: ByteString): boolean {
  const stat = statIfPresent(bound.directory, bound.name);
  if (stat === undefined || !sameFile(stat, bound.stat)) return false;
  const parent = statIfPresent(C.AT_FDCWD, directoryOf(path), true);
  return parent !== undefined && sameFile(parent, bound.directoryStat);
}

/** Closes the socket, and removes its name unless the name is another file's now or `keepName` is set. */
export function removeSocket({ fd, directory, name, stat }: BoundSocket, keepName = false): void {
  const present = keepName ? undefined : statIfPresent(directory, name);
  if (present !== undefined && sameFile(present, stat)) unlinkIfPresent(directory, name);
  close(fd);
  close(directory);
}
