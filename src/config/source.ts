import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../ffi/error.ts";
import { fstat, openAt, openAt2, readAllFd, type Stat, statIfPresent, withFd } from "../../ffi/files.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type AclReading, aclOf, showEntries, writersOf } from "../system/acl.ts";
import { COPY_ANEW, onlyRootWrites } from "../system/exchange.ts";
import { type Dialect, largestFile } from "./model.ts";
import { linkAside, placeOfName, putAside } from "./put-aside.ts";
import { insteadOfCommand, openTrusted, ownRemedy, placeOf, type Unsafe, unsafeConfig } from "./trusted.ts";

/** A config file that was read. */
export interface ConfigSource {
  file: ByteString;
  /** Where it is, without symbolic links, if others than root can change it: for commands, which follow them. */
  place: ByteString;
  bytes: Uint8Array;
  stat: Stat;
  /** Read only if the group may write: the group's bits hide the ACL. */
  acl: AclReading;
}

const NOT_A_FILE = "not a regular file";
const A_LINK = "a symbolic link, which is not followed here, or leads nowhere";

/** Reads an open file and closes it; errors name `file`. */
function readSource(file: ByteString, fd: number, dialect: Dialect): ConfigSource {
  return withFd(fd, () => {
    const stat = fstat(fd);
    if ((stat.mode & C.S_IFMT) !== C.S_IFREG) throw new SystemError(C.EINVAL, NOT_A_FILE, file);
    const acl = (stat.mode & 0o020) === 0 ? "none" : aclOf(fd);
    const place = onlyRootWrites(stat) ? file : placeOf(fd, file);
    return { file, place, stat, acl, bytes: readAllFd(fd, largestFile(dialect)) };
  });
}

/** How a config file is read. */
export interface Reading {
  readonly exitStatus: number;
  readonly dialect: Dialect;
  /** The jail that it is in, if this process is outside. */
  readonly jail: ByteString | undefined;
}

/** The error of a file that cannot be read, with the command that puts what is in its place aside. */
export function unreadable(
  file: ByteString,
  error: SystemError,
  { exitStatus, jail }: Pick<Reading, "exitStatus" | "jail">,
): JailkitError {
  const { call, reason } = error;
  // A socket cannot even be opened.
  const isOther = call === NOT_A_FILE || isErrno(error, "ENXIO");
  const isLink = isErrno(error, "ELOOP");
  const isNoDirectory = isErrno(error, "ENOTDIR");
  // From outside of a jail its links lead elsewhere: nothing is copied.
  const stat = isNoDirectory ? statIfPresent(C.AT_FDCWD, file) : undefined;
  if (stat !== undefined && (stat.mode & C.S_IFMT) === C.S_IFLNK) {
    const what = `${display(file)} is a symbolic link, which it may not be: a directory of files is wanted, not a link to one`;
    return jail === undefined
      ? linkAside(file, what, exitStatus, C.S_IFDIR)
      : putAside(placeOfName(file), what, exitStatus);
  }
  const why = isOther ? NOT_A_FILE : isLink ? A_LINK : `${call}: ${reason}`;
  const message = `cannot read ${display(file)}: ${why}`;
  if (isLink && jail === undefined) return linkAside(file, message, exitStatus, C.S_IFREG);
  // Something else is in its place: a directory, a FIFO, or a link that leads nowhere or may not be one.
  const away = isOther || isLink || isNoDirectory || isErrno(error, "ENOENT");
  return away
    ? putAside(placeOfName(file), message, exitStatus)
    : new JailkitError("config-unreadable", exitStatus, message);
}

/** As unsafeAs, with the entries of an ACL that lets others write: the group's bits hide them. */
function unsafeSource({ place, stat, acl }: ConfigSource): Unsafe | undefined {
  const writers = writersOf(acl);
  if (stat.uid !== 0 || writers.length === 0) return unsafeAs(place, stat);
  const because = `can be written by others through its ACL (${showEntries(writers)})`;
  const remedy = ownRemedy(place, stat);
  return { because: `${because}; ${remedy === undefined ? insteadOfCommand(place) : COPY_ANEW}`, remedy };
}

/** Why users other than root can change a file or a directory, with the remedy; undefined if they cannot. */
export function unsafeAs(place: ByteString, stat: Stat): Unsafe | undefined {
  const because = unsafeConfig(stat, place);
  return because === undefined ? undefined : { because, remedy: ownRemedy(place, stat) };
}

/** Opens what is at a path; undefined if nothing is there. Links in `jail` lead where they lead inside. */
export function openIfPresent(
  path: ByteString,
  flags: number,
  jail: ByteString | undefined,
): number | undefined {
  try {
    if (jail === undefined)
      return statIfPresent(C.AT_FDCWD, path) === undefined ? undefined : openAt(C.AT_FDCWD, path, flags);
    return withFd(openAt(C.AT_FDCWD, jail, C.O_PATH | C.O_DIRECTORY), (root) =>
      openAt2(root, path.slice(jail.length + 1) || ".", flags, C.RESOLVE_IN_ROOT),
    );
  } catch (error) {
    // Of the host, a file in the place of a directory is there.
    if (isErrno(error, "ENOENT") || (jail !== undefined && isErrno(error, "ENOTDIR"))) return undefined;
    throw error;
  }
}

/** How drop-ins and their directory are opened. */
export const DROP_IN_FLAGS = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK;

/** What was read of a file or a directory: nothing of one that is missing. */
export interface Found {
  /** As it was then. */
  readonly state: ByteString;
  /** When it was written last, or a directory changed, in nanoseconds since the epoch. */
  readonly changed?: bigint | undefined;
  readonly source?: ConfigSource | undefined;
  readonly unsafe?: Unsafe | undefined;
  readonly error?: SystemError;
}

/** What changes when a file is written, renamed or exchanged; "" for a missing one. */
export const stateOf = (stat: Stat | undefined): ByteString =>
  stat === undefined
    ? ""
    : `${stat.devMajor}:${stat.devMinor} ${stat.ino} ${stat.size} ${stat.mtime} ${stat.ctime}`;

// A user who may give a file another name (link(2), where fs.protected_hardlinks is 0) changes its ctime, again and again if it
// likes. Who writes a file can set its mtime back, but not its ctime. So a file with another ctime is read again, and has changed
// only if that finds anything else; nobody waits for it.

const withoutNames = ({ state: _, source, ...rest }: Found) => ({
  ...rest,
  source: source && { ...source, stat: { ...source.stat, nlink: 0, atime: 0n, ctime: 0n } },
});

/** What was read again; the same object as before, if nothing has changed but when it was, and how many names the file has. */
export const sameFound = (before: Found | undefined, now: Found): Found =>
  before !== undefined && Bun.deepEquals(withoutNames(before), withoutNames(now)) ? before : now;

/** What is at the end of a path; undefined if nothing is there. Links in `jail` lead where they lead inside. */
function statOf(path: ByteString, jail: ByteString | undefined): Stat | undefined {
  if (jail === undefined) return statIfPresent(C.AT_FDCWD, path, true);
  const fd = openIfPresent(path, C.O_PATH, jail);
  return fd === undefined ? undefined : withFd(fd, fstat);
}

/** What changes when what is at a path does, as stateOf; of what cannot be looked at, why. */
export function stateAt(path: ByteString, jail?: ByteString): ByteString {
  try {
    return stateOf(statOf(path, jail));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return error.message;
  }
}

/**
 * When the nearest directory above a missing file was changed last, as Found; undefined if that is unknown, or if it is one like
 * /tmp, where others come and go all the time.
 */
export function changedAbove(file: ByteString, jail: ByteString | undefined): bigint | undefined {
  for (let path = directoryOf(file); ; path = directoryOf(path)) {
    const stat = attempt(() => statOf(path, jail));
    if (stat !== undefined) return (stat.mode & C.S_ISVTX) === 0 ? stat.ctime : undefined;
    if (path === jail || path === "/") return undefined;
  }
}

/** Reads a file by its path. `state`: what stateAt says of it. */
export function readMain(file: ByteString, state: ByteString, { jail, dialect }: Reading): Found {
  try {
    const { fd, unsafe } = openTrusted(file, jail);
    const source = fd === undefined ? undefined : readSource(file, fd, dialect);
    // Also for a missing file: somebody else may have removed it.
    const problem = (source && unsafeSource(source)) ?? unsafe;
    return { state: stateOf(source?.stat), changed: source?.stat.mtime, source, unsafe: problem };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { state, error };
  }
}

/** Reads a file in an open drop-in directory, which had that state; undefined if it is not there any more. */
export function readDropIn(
  file: ByteString,
  fd: number,
  state: ByteString,
  dialect: Dialect,
): Found | undefined {
  try {
    const source = readSource(file, openAt(fd, baseName(file), DROP_IN_FLAGS | C.O_NOCTTY), dialect);
    const { stat } = source;
    return { state: stateOf(stat), changed: stat.mtime, source, unsafe: unsafeSource(source) };
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    if (!(error instanceof SystemError)) throw error;
    return { state, error };
  }
}
