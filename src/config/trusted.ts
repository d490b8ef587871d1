import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, readLink, type Stat } from "../../ffi/files.ts";
import { pathComponents } from "../../ffi/paths.ts";
import { readFirst, shellWord } from "../cli/shell-word.ts";
import { aclAt, writersOf } from "../system/acl.ts";

const MOST_LINKS = 40;

const isFile = (stat: Stat) => (stat.mode & C.S_IFMT) === C.S_IFREG;

/** Why others than `owner` can change a file, as the end of a sentence; undefined where they cannot. */
export function unsafeBecause(stat: Stat, owner: number): ByteString | undefined {
  if (stat.uid !== owner) return `belongs to uid ${stat.uid} and not to ${owner === 0 ? "root" : owner}`;
  const first = isFile(stat) ? "read it first, then " : "";
  if ((stat.mode & 0o022) !== 0) return `can be written by its group or by others; ${first}chmod go-w it`;
  return undefined;
}

/** The command that makes a file of the configuration, or a directory, root's alone; a file is to be read before. */
export function ownRemedy(path: ByteString, stat: Stat, owner: number): ByteString {
  const word = shellWord(path);
  const commands: ByteString[] = [];
  if (stat.uid !== owner) commands.push(`chown ${owner === 0 ? "root" : owner} ${word}`);
  if ((stat.mode & 0o022) !== 0) commands.push(`chmod go-w ${word}`);
  return `${isFile(stat) ? readFirst(path) : ""}${commands.join(" && ")}`;
}

/** The same of a file of the configuration, with what heals it. */
export function unsafeConfig(stat: Stat, owner: number): ByteString | undefined {
  const unsafe = unsafeBecause(stat, owner);
  if (stat.uid === owner) return unsafe;
  return `${unsafe}; ${isFile(stat) ? "read it first, then " : ""}chown ${owner === 0 ? "root" : owner} it`;
}

/** Why others than root and `owner` decide which file a name in a directory is, and what heals it. */
function directoryUnsafe(fd: number, stat: Stat, owner: number): [ByteString, ByteString] | undefined {
  if (stat.uid !== 0 && stat.uid !== owner) return [`belongs to uid ${stat.uid}`, "chown root"];
  // In a sticky one, an entry is its owner's; and that is looked at next.
  if ((stat.mode & C.S_ISVTX) !== 0) return undefined;
  if ((stat.mode & 0o022) === 0) return undefined;
  // Group 0 may write; whom an ACL names besides hides behind the group's bits.
  if ((stat.mode & 0o002) === 0 && stat.gid === 0) {
    const acl = aclAt(fd, ".");
    if (acl !== "unknown" && writersOf(acl).length === 0) return undefined;
  }
  return ["can be written by its group or by others", "chmod go-w"];
}

/** What makes a file unsafe: the end of a sentence that begins with its path, and a command, if one heals it. */
export interface UnsafePlace {
  because: ByteString;
  remedy: ByteString | undefined;
  /** The directory on the way that is to blame, why, and what would make it root's alone. */
  directory?: { path: ByteString; because: ByteString; command: ByteString };
}

/** A file, and the first thing on the way to it that others than root and `owner` can exchange. */
export interface Opened {
  /** Undefined where nothing is there; what made it so is in `unsafe` all the same. */
  fd: number | undefined;
  unsafe: UnsafePlace | undefined;
}

/** Where a walk is: an open directory, its name, and the names that are left. */
interface Place {
  directory: number;
  path: ByteString;
  left: ByteString[];
}

function start(path: ByteString, from?: Place): Place {
  if (from !== undefined && !path.startsWith("/"))
    return { ...from, left: [...pathComponents(path), ...from.left] };
  const base = path.startsWith("/") ? "/" : ".";
  if (from !== undefined) close(from.directory);
  const directory = openAt(C.AT_FDCWD, base, C.O_PATH | C.O_DIRECTORY);
  return {
    directory,
    path: base === "/" ? "" : base,
    left: [...pathComponents(path), ...(from?.left ?? [])],
  };
}

function because(place: Place, stat: Stat, owner: number): UnsafePlace | undefined {
  const unsafe = directoryUnsafe(place.directory, stat, owner);
  if (unsafe === undefined) return undefined;
  const path = place.path || "/";
  const command = `${unsafe[1]} ${shellWord(path)}`;
  const directory = { path, because: unsafe[0], command };
  // The directory of the configuration can be mended; a home must stay its owner's.
  if (path.endsWith("/etc/jailkit")) return { ...inUnsafeDirectory(directory), directory };
  const remedy = "keep it where root alone can change it";
  return { because: `is in ${path}, which ${unsafe[0]}; ${remedy}`, remedy: undefined, directory };
}

/** The fault of a file in a directory that can be fixed. */
export function inUnsafeDirectory({
  path,
  because,
  command,
}: Required<UnsafePlace>["directory"]): UnsafePlace {
  return { because: `is in ${path}, which ${because}; fix it with: ${command}`, remedy: command };
}

/** Opens the next name; a link as such. */
function openNext(place: Place, name: ByteString, last: boolean): number {
  const flags = C.O_NOFOLLOW | (last ? C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY : C.O_PATH);
  try {
    return openAt(place.directory, name, flags);
  } catch (error) {
    if (!isErrno(error, "ELOOP")) throw error;
    return openAt(place.directory, name, C.O_NOFOLLOW | C.O_PATH);
  }
}

/**
 * Opens a file for reading as sshd(8) and sudo(8) do with their configuration: each directory on the way is looked at
 * through its descriptor, and links are followed one by one, those of root (or of `owner`) alone counting as safe.
 * What is found unsafe is told, and the file opened all the same. Throws SystemError, also for a link to nothing.
 */
export function openTrusted(path: ByteString, owner: number): Opened {
  let place = start(path);
  let unsafe: UnsafePlace | undefined;
  // A link in the place of the file leads on: then nothing at its end is not the same as nothing there.
  let followed = false;
  try {
    for (let links = 0; ; ) {
      unsafe ??= because(place, fstat(place.directory), owner);
      const [name = ".", ...left] = place.left;
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
      if (stat.uid !== 0 && stat.uid !== owner) {
        const why = `is reached by the link ${here}, which belongs to uid ${stat.uid}; read it first, then chown -h root it`;
        unsafe ??= { because: why, remedy: `${readFirst(here)}chown -h root ${shellWord(here)}` };
      }
      const target = readLink(fd, "");
      close(fd);
      if (++links > MOST_LINKS) throw new SystemError(C.ELOOP, "open", path);
      place = start(target, { ...place, left });
    }
  } catch (error) {
    if (followed || !isErrno(error, "ENOENT", "ENOTDIR")) throw error;
    return { fd: undefined, unsafe };
  } finally {
    close(place.directory);
  }
}
