import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, EDQUOT, ENOSPC, EROFS } from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { directoryOf, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, isReported } from "../../cli/error.ts";
import { interruption } from "../../cli/interrupt.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { isWritableFileSystem, remountCommand } from "../../system/mounts.ts";
import { withTree } from "./look.ts";
import { nearestDirectory } from "./nearest.ts";
import { undeletableDirectory } from "./no-jails.ts";
import { allocatedAt, bytesOf, type Entry, isPlain, leastBytes, type Room, roomAt } from "./room.ts";
import { type Directory, type JailRoot, release, walk } from "./walk.ts";

/** A failure, for the report of a tool. */
export interface Failure {
  /** A stable name, such as "no-room". */
  readonly code: ProblemCode;
  readonly path: ByteString;
  /** One printable line. */
  readonly message: string;
  /** The command in it, if one command is the remedy. */
  readonly remedy?: Remedy | undefined;
  /** The exit status if there is no worse problem; 1 if not given. */
  readonly exitStatus?: number;
}

/** An entry of a plan. */
interface RoomEntry extends Entry {
  readonly path: ByteString;
  readonly source: ByteString | undefined;
}

/**
 * The problem that new entries of a jail certainly have too little room on its file system, in files or bytes; undefined if
 * there may be enough. `root`: the jail, or the nearest directory above it. What is on other file systems does not count.
 */
export function roomProblem(
  root: JailRoot,
  jail: ByteString,
  entries: readonly RoomEntry[],
): Failure | undefined {
  const room = roomAt(root.fd);
  if (room === undefined) return undefined;
  const lacks = (some: readonly RoomEntry[], bytes: () => number) =>
    (room.files ?? some.length) < some.length || (isPlain(room) && bytes() > room.free);
  if (!lacks(entries, () => bytesOf(entries, room.block))) return undefined;
  const own = root.path === jail ? entries.filter(({ path }) => isOnMount(root, path)) : entries;
  if (!lacks(own, () => leastBytes(own, room, ({ source }) => allocatedAt(source)))) return undefined;
  return full("ENOSPC", jail, own, `0 of ${entries.length} objects are in place`, room);
}

/**
 * The problem that a file of at least `size` bytes certainly has no room in a directory, or in the nearest above it; undefined
 * if there may be enough. `progress`: as for noRoom.
 */
export function fullProblem(
  tree: JailRoot,
  directory: ByteString,
  size: number,
  progress: string,
): Failure | undefined {
  const place = nearest(tree, directory);
  const room = roomAt(place.fd);
  release(place);
  if (room === undefined) return undefined;
  const needed = isPlain(room) ? Math.ceil(size / room.block) * room.block : 0;
  const lacks = room.files === 0 || needed > room.free;
  return lacks ? full("ENOSPC", directory, [{ size }], progress, room) : undefined;
}

/** Whether a path of a jail is on the same mount as its root. */
export function isOnMount(root: JailRoot, path: ByteString): boolean {
  const directory = answered(() => nearestDirectory(root, parentOf(path)));
  if (directory === undefined) return false;
  release(directory);
  return directory.stat.mountId === root.top.stat.mountId;
}

/** True if a file system is full or cannot be written. */
export const isNoRoom = (error: unknown): error is SystemError => isErrno(error, "ENOSPC", "EDQUOT", "EROFS");

/** The same error of a program, if `line`, printed in the locale C, ends with its text. `path`: the file to be written. */
export function noRoomSaid(line: ByteString, program: ByteString, path: ByteString): SystemError | undefined {
  const errors = [ENOSPC, EROFS, EDQUOT].map((number) => new SystemError(number, program, path));
  return errors.find(({ reason }) => line.endsWith(`: ${reason}`));
}

/** True for a problem after which a tool must stop, from noRoom or interrupted. */
export const endsRun = ({ code }: { readonly code: string }): boolean =>
  code === "no-room" || code === "read-only" || code === "interrupted";

/** The problem to report if a signal asked us to end, else undefined. */
export function interrupted(jail: ByteString, progress: string): Failure | undefined {
  const stop = interruption(progress);
  if (stop === undefined) return undefined;
  const { code, exitStatus } = stop;
  return { code, path: jail, exitStatus, message: `${display(jail)}: ${stop.message}; run this again` };
}

/** Rounded up, printable. */
export const megabytes = (bytes: number) => `${Math.ceil(bytes / 2 ** 20)} MiB`;

/** The work in a jail, for a message about its progress. */
export interface Work {
  /** The entries that still need room. */
  readonly left: readonly Entry[];
  /** For example "3 of 7 objects are in place". */
  readonly progress: string;
}

/**
 * One problem in place of an error for each file, if a file system is full or cannot be written: it says how much is
 * missing. The file system may be another than the jail's, such as that of the records. Undefined for any other error.
 */
export function noRoom(error: unknown, jail: ByteString, { left, progress }: Work): Failure | undefined {
  if (!isNoRoom(error)) return undefined;
  return withTree((tree) => {
    const place = nearest(tree, error.path ?? jail);
    const isIn = place.path === jail || place.path.startsWith(`${jail}/`);
    const inJail = isIn && mountOf(tree, jail) === place.stat.mountId;
    const path = inJail ? jail : place.path;
    const how = inJail ? progress : `${progress} in ${display(jail)}`;
    const room = roomAt(place.fd);
    const { trusted, stat } = place;
    release(place);
    if (error.code !== "EROFS") return full(error.code, path, inJail ? left : [], how, room);
    const host = shownDirectory(tree, path, stat.mountId);
    if (host !== undefined) {
      const message = `${display(path)}: its file system is read-only (${how}): it shows the host's ${host}, and stays so; choose another directory`;
      return { code: "read-only", path, message };
    }
    // Where users can write above it, they could put a symbolic link in its place.
    const remedy = trusted ? remountCommand("rw", path, isWritableFileSystem(stat.mountId)) : undefined;
    const fix = remedy ?? "make it writable, as mount(8) says";
    const message = `${display(path)}: its file system is read-only (${how}): ${fix}, and run this again`;
    return { code: "read-only", path, message, remedy };
  });
}

/** The host's own directory that a mount shows elsewhere, as in a live jail: it must not become writable there. */
function shownDirectory(
  tree: JailRoot,
  path: ByteString,
  mount: Directory["stat"]["mountId"],
): ByteString | undefined {
  let top = path;
  while (top !== "/" && mountOf(tree, directoryOf(top)) === mount) top = directoryOf(top);
  const stat = statIfPresent(AT_FDCWD, top);
  const host = stat === undefined ? undefined : undeletableDirectory(stat);
  return host === top ? undefined : host;
}

/** The problem of a full file system, or of one that has too little room for what is left. */
export function full(
  code: string,
  path: ByteString,
  left: readonly Entry[],
  progress: string,
  room?: Room,
): Failure {
  const needed = bytesOf(left, room?.block ?? 1);
  const files = left.length;
  // In a container, even root may not get the reserved blocks.
  const free = room !== undefined && room.free < needed ? room.free : room?.available;
  const noFiles = room?.files !== undefined && room.files < Math.max(1, files);
  const isQuota = code === "EDQUOT";
  const lacks = isQuota
    ? "the quota is used up"
    : noFiles
      ? "no more files can be created on its file system (see df -i)"
      : "its file system is full";
  const lacksBytes = free !== undefined && free < Math.max(1, needed);
  const amounts = [
    ...(noFiles && files > 0 ? [`${files} more are needed`] : []),
    ...(noFiles ? [`${room.files} can be created`] : []),
    ...(needed === 0 || (noFiles && !lacksBytes) ? [] : [`${megabytes(needed)} more are needed`]),
    // The file system does not report what a user's quota leaves.
    ...(free === undefined || ((noFiles || isQuota) && !lacksBytes)
      ? []
      : [`${Math.floor(free / 2 ** 20)} MiB are free`]),
  ].join(", ");
  const message = `${display(path)}: ${lacks}${amounts === "" ? "" : `: ${amounts}`} (${progress}); make room, and run this again`;
  return { code: "no-room", path, message };
}

/** The nearest existing directory at or above a path of the host. */
export function nearest(tree: JailRoot, path: ByteString): Directory {
  for (let at = path; at !== "" && at !== "/"; at = directoryOf(at)) {
    try {
      return walk(tree, at);
    } catch (error) {
      if (!isReported(error)) throw error;
    }
  }
  return walk(tree, "/");
}

/** The mount of the nearest existing directory at or above a path of the host. */
export function mountOf(tree: JailRoot, path: ByteString): Directory["stat"]["mountId"] {
  const directory = nearest(tree, path);
  release(directory);
  return directory.stat.mountId;
}
