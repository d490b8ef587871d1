import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, readLink, type Stat, sameFile, withFd } from "../../ffi/files.ts";
import { pathComponents } from "../../ffi/paths.ts";
import { allOf, type Remedy } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { aclAt, writersOf } from "../system/acl.ts";
import { adviceAt, COPY_ANEW, closeFirst, copyAnew, onlyRootExchanges } from "../system/exchange.ts";

const isFile = (stat: Stat) => (stat.mode & C.S_IFMT) === C.S_IFREG;

const KEEP = "keep it where root alone can change it";

/** Whether the directory of the configuration is above: it can be fixed, and a home must stay its owner's. */
const isOfConfiguration = (path: ByteString) => `${path}/`.includes("/etc/jailkit/");

/** What to do about a place whose name others can exchange: a command would change what they put there meanwhile. */
export const insteadOfCommand = (place: ByteString): ByteString =>
  isOfConfiguration(place) ? closeFirst(place) : KEEP;

/** Where an open file is, without symbolic links; `path` if that is unknown, as without proc(5). */
export const placeOf = (fd: number, path: ByteString): ByteString =>
  attempt(() => readLink(C.AT_FDCWD, `/proc/self/fd/${fd}`)) ?? path;

/** The same of a path of the host. */
export const placeAt = (path: ByteString): ByteString =>
  attempt(() => withFd(openAt(C.AT_FDCWD, path, C.O_PATH), (fd) => placeOf(fd, path))) ?? path;

/** A fix in words. `place`: where the file is, if the directories above it are not known to be root's alone. */
const inWords = (stat: Stat, fix: string, place: ByteString | undefined): ByteString =>
  place !== undefined && ownRemedy(place, stat) === undefined
    ? insteadOfCommand(place)
    : isFile(stat)
      ? COPY_ANEW
      : `${fix} it`;

/**
 * Why users other than root can change a file, as the end of a sentence; undefined if they cannot. `place`: as for
 * ownRemedy; not needed where all directories above are root's alone.
 */
export function unsafeBecause(stat: Stat, place?: ByteString): ByteString | undefined {
  if (stat.uid !== 0) return `belongs to uid ${stat.uid} and not to root`;
  if ((stat.mode & 0o022) === 0) return undefined;
  return `can be written by its group or by others; ${inWords(stat, "chmod go-w", place)}`;
}

/**
 * The remedy that makes a file or directory trusted again; undefined if others could exchange it meanwhile. `place`: where it
 * is, without symbolic links.
 */
export function ownRemedy(place: ByteString, stat: Stat): Remedy | undefined {
  if (isFile(stat)) return copyAnew(place, stat);
  const word = shellWord(place);
  const commands: Remedy[] = [];
  if (stat.uid !== 0) commands.push(`chown root ${word}`);
  if ((stat.mode & 0o022) !== 0) commands.push(`chmod go-w ${word}`);
  return adviceAt(place, allOf(commands)).remedy;
}

/** As unsafeBecause, with the fix also for a wrong owner. */
export function unsafeConfig(stat: Stat, place?: ByteString): ByteString | undefined {
  const unsafe = unsafeBecause(stat, place);
  return stat.uid === 0 ? unsafe : `${unsafe}; ${inWords(stat, "chown root", place)}`;
}

/** Why users other than root can replace files in a directory, and the command that fixes it. */
function directoryUnsafe(fd: number, stat: Stat): [ByteString, "chown root" | "chmod go-w"] | undefined {
  if (stat.uid !== 0) return [`belongs to uid ${stat.uid}`, "chown root"];
  // In a sticky directory only the owner of an entry can replace it; the entry is checked next.
  if ((stat.mode & C.S_ISVTX) !== 0) return undefined;
  if ((stat.mode & 0o022) === 0) return undefined;
  // Group 0 may write, but the group's bits may hide an ACL.
  if ((stat.mode & 0o002) === 0 && stat.gid === 0) {
    const acl = aclAt(fd, ".");
    if (acl !== "unknown" && writersOf(acl).length === 0) return undefined;
  }
  return ["can be written by its group or by others", "chmod go-w"];
}

/** Why a file is unsafe: the end of a sentence that begins with its path, and the command that fixes it, if any. */
export interface Unsafe {
  because: ByteString;
  remedy: Remedy | undefined;
  /** The unsafe directory above the file, why it is unsafe, and the command that fixes it, if one can. */
  directory?: { path: ByteString; because: ByteString; command: Remedy | undefined };
}

/** A step of a walk: an open directory, its path, and the names that are left. */
interface Step {
  directory: number;
  path: ByteString;
  left: ByteString[];
}

function start(path: ByteString, from?: Step): Step {
  const left = [...pathComponents(path), ...(from?.left ?? [])];
  const isAbsolute = path.startsWith("/");
  if (from !== undefined && !isAbsolute) return { ...from, left };
  if (from !== undefined) close(from.directory);
  const directory = openAt(C.AT_FDCWD, isAbsolute ? "/" : ".", C.O_PATH | C.O_DIRECTORY);
  return { directory, path: isAbsolute ? "" : ".", left };
}

function because(place: Step, stat: Stat): Unsafe | undefined {
  const unsafe = directoryUnsafe(place.directory, stat);
  if (unsafe === undefined) return undefined;
  const path = place.path || "/";
  const [why, command] = unsafe;
  const directory = { path, because: why, command: adviceAt(path, `${command} ${shellWord(path)}`).remedy };
  if (path.endsWith("/etc/jailkit")) return { ...inUnsafeDirectory(directory), directory };
  return { because: `is in ${path}, which ${why}; ${KEEP}`, remedy: undefined, directory };
}

/** The fault of a file in a directory that can be fixed. */
export function inUnsafeDirectory({ path, because, command }: Required<Unsafe>["directory"]): Unsafe {
  const fix = command === undefined ? closeFirst(path) : `fix it with: ${command}`;
  return { because: `is in ${path}, which ${because}; ${fix}`, remedy: command };
}

function unsafeLink(path: ByteString, { uid }: Stat): Unsafe | undefined {
  if (uid === 0) return undefined;
  const fix = onlyRootExchanges(path) ? "read it first, then chown -h root it" : insteadOfCommand(path);
  return {
    because: `is reached by the link ${path}, which belongs to uid ${uid}; ${fix}`,
    remedy: undefined,
  };
}

/** Opens the next name; a symbolic link itself. */
function openNext(place: Step, name: ByteString, last: boolean): number {
  const flags = C.O_NOFOLLOW | (last ? C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY : C.O_PATH);
  try {
    return openAt(place.directory, name, flags);
  } catch (error) {
    if (!isErrno(error, "ELOOP")) throw error;
    return openAt(place.directory, name, C.O_NOFOLLOW | C.O_PATH);
  }
}

/**
 * Opens a file for reading as sshd(8) and sudo(8) open their configuration: checks each directory on the path through
 * its descriptor, and follows symbolic links one by one; a link is safe only if it belongs to root. `unsafe` is about the
 * first directory or link that users other than root can replace, also for a missing file, which has no `fd`. Throws
 * SystemError, also for a dangling link. With `jail`, a link in that directory leads where it leads inside.
 */
export function openTrusted(
  path: ByteString,
  jail?: ByteString,
): { fd: number | undefined; unsafe: Unsafe | undefined } {
  let place = start(path);
  let top: Stat | undefined;
  let unsafe: Unsafe | undefined;
  // A dangling link is not the same as a missing file.
  let followed = false;
  try {
    for (let links = 0; ; ) {
      unsafe ??= because(place, fstat(place.directory));
      const [name = ".", ...left] = place.left;
      if (place.path === jail) top = fstat(place.directory);
      // The root directory is its own parent.
      if (name === ".." && top !== undefined && sameFile(fstat(place.directory), top)) {
        place = { ...place, left };
        continue;
      }
      const last = left.length === 0;
      const fd = openNext(place, name, last);
      const stat = fstat(fd);
      const isLink = (stat.mode & C.S_IFMT) === C.S_IFLNK;
      if (last && !isLink) return { fd, unsafe };
      const here = `${place.path}/${name}`;
      if (!isLink) {
        close(place.directory);
        place = { directory: fd, path: here, left };
        continue;
      }
      followed ||= last;
      unsafe ??= unsafeLink(here, stat);
      const target = readLink(fd, "");
      close(fd);
      if (++links > C.MOST_LINKS) throw new SystemError(C.ELOOP, "open", path);
      const isInside = jail !== undefined && here.startsWith(`${jail}/`);
      place = start(isInside && target.startsWith("/") ? jail + target : target, { ...place, left });
    }
  } catch (error) {
    if (followed || !isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    return { fd: undefined, unsafe };
  } finally {
    close(place.directory);
  }
}
