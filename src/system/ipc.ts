import { type ByteString, trim } from "../../ffi/bytes.ts";
import { unlinkIfPresent } from "../../ffi/changes.ts";
import { AT_FDCWD, O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { attempt, isErrno } from "../../ffi/error.ts";
import { close, entriesOf, fstat, openIfPresent, ownerAt, withFd } from "../../ffi/files.ts";
import { receivedSignal } from "../../ffi/interrupts.ts";
import { type IpcKind, removeIpc } from "../../ffi/ipc.ts";
import { memoryFile } from "../../ffi/memory-file.ts";
import { newMount } from "../../ffi/mounts.ts";
import type { Holder } from "./holders.ts";
import { hostText } from "./host-files.ts";
import { lookingAt } from "./looking-at.ts";
import { kernelFileSystem } from "./mounts.ts";
import { pidsIn } from "./pids.ts";
import { openProc, readOf, uidsOf } from "./processes.ts";
import { MOST_MILLISECONDS, SumsByUser } from "./sums-by-user.ts";

/** What processes have in common by the kernel, and what stays there when they have ended. */
export type IpcObject =
  | { readonly kind: IpcKind; readonly id: number; readonly isMarked: boolean }
  /** A message queue of POSIX: mq_overview(7). */
  | { readonly kind: "queue"; readonly name: ByteString };

// A line of proc(5) has about 150 bytes, and the kernel counts up to 32,768 objects of each kind, or with a boot option more.
const LARGEST_TABLE = 1 << 26;
const ID_COLUMNS: Readonly<Record<IpcKind, string>> = { shm: "shmid", sem: "semid", msg: "msqid" };
const KINDS = Object.keys(ID_COLUMNS) as IpcKind[];
// Of a segment that goes with the last process that has it attached: SHM_DEST of shmctl(2).
const MARKED = 0o1000;

/** Gets the owner of an object, and the one who created it and keeps the same rights. */
type Note = (uids: readonly number[], object: IpcObject) => void;

/** Reads a table of System V IPC, as proc(5) shows it in /proc/sysvipc. */
export function readIpcTable(kind: IpcKind, text: ByteString, note: Note): void {
  const [columns = [], ...lines] = text.split("\n").map((line) => trim(line).split(/ +/));
  for (const fields of lines) {
    if (fields.length < columns.length) continue;
    const field = (name: string) => fields[columns.indexOf(name)] ?? "";
    const isMarked = kind === "shm" && (Number.parseInt(field("perms"), 8) & MARKED) !== 0;
    const uids = [Number(field("uid")), Number(field("cuid"))];
    note(uids, { kind, id: Number(field(ID_COLUMNS[kind])), isMarked });
  }
}

/** The message queues of POSIX of this machine, a directory; undefined if the kernel has none, or does not show them. */
function openQueues(): number | undefined {
  try {
    return newMount("mqueue");
  } catch (error) {
    // Before Linux 5.2, and in some containers, which have them at this place.
    if (!isErrno(error, "ENODEV", "ENOSYS", "EPERM", "EACCES")) throw error;
  }
  const fd = openIfPresent(AT_FDCWD, "/dev/mqueue", O_PATH | O_DIRECTORY);
  if (fd === undefined || kernelFileSystem(fd) === "mqueue") return fd;
  close(fd);
  return undefined;
}

function withQueues<T>(use: (directory: number) => T): T | undefined {
  const fd = openQueues();
  return fd === undefined ? undefined : withFd(fd, use);
}

/**
 * For each of `uids` that has created some, or is the owner of some that root has made, these objects; with `isAll`, also those that
 * another user has made. Throws SystemError.
 */
export function ipcOf(uids: ReadonlySet<number>, isAll = false): ReadonlyMap<number, readonly IpcObject[]> {
  const found = new Map<number, Set<IpcObject>>();
  const note: Note = ([owner = 0, creator = owner], object) => {
    // Users can give what they have made to any uid at any time (IPC_SET), also to one that has an account, and have the same rights
    // as before: if that reserved a uid, they could keep all reserved, and to reserve one would keep nothing from its next user.
    const owners = isAll || creator === 0 ? [owner, creator] : [creator];
    for (const uid of owners) if (uids.has(uid)) found.getOrInsertComputed(uid, () => new Set()).add(object);
  };
  // A kernel may be without it.
  for (const kind of KINDS) readIpcTable(kind, hostText(`/proc/sysvipc/${kind}`, LARGEST_TABLE) ?? "", note);
  withQueues((directory) => {
    for (const { name } of entriesOf(directory)) {
      const owner = ownerAt(directory, name);
      if (owner !== undefined) note([owner], { kind: "queue", name });
    }
  });
  return new Map([...found].map(([uid, objects]) => [uid, [...objects]]));
}

/**
 * Removes objects of a user who has no process any more. Nobody else gets the number of one, or its name in a sticky directory,
 * so soon. Throws SystemError.
 */
export function removeObjects(objects: readonly IpcObject[]): void {
  for (const object of objects) if (object.kind !== "queue") removeUnlessGone(object.kind, object.id);
  const names = objects.flatMap((object) => (object.kind === "queue" ? [object.name] : []));
  if (names.length > 0)
    withQueues((directory) => {
      for (const name of names) unlinkIfPresent(directory, name);
    });
}

function removeUnlessGone(kind: IpcKind, id: number): void {
  try {
    removeIpc(kind, id);
  } catch (error) {
    if (!isErrno(error, "EINVAL", "EIDRM")) throw error;
  }
}

const WORDS = [
  ["shm", "shared memory segment"],
  ["sem", "semaphore set"],
  // For who uses them these are the same.
  ["msg", "message queue"],
] as const;

/** How many of which kind, printable. */
export function ipcText(objects: readonly IpcObject[]): string {
  const kinds = objects.map(({ kind }) => (kind === "queue" ? "msg" : kind));
  const parts = WORDS.flatMap(([kind, word]) => {
    const count = kinds.filter((one) => one === kind).length;
    return count === 0 ? [] : [`${count} ${word}${count === 1 ? "" : "s"}`];
  });
  return parts.join(", ");
}

const MOST_MAPS = 1 << 26;
/**
 * What proc(5) shows of a segment in the memory of a process: its device, and its number as that of an inode. Users name files on
 * other devices, after the columns, and a blank in a path looks like one between these.
 */
const ATTACHED =
  /^[0-9a-f]+-[0-9a-f]+ [a-z-]{4} [0-9a-f]+ ([0-9a-f]+:[0-9a-f]+) (\d+) +\/SYSV[0-9a-f]{8} \(deleted\)$/gm;

/** The numbers of the segments of System V IPC that are in the memory of a process, by its maps of proc(5). */
export const segmentsIn = (maps: ByteString, devices: ReadonlySet<string>): ReadonlySet<number> =>
  new Set(
    maps.matchAll(ATTACHED).flatMap(([, device = "", id]) => (devices.has(device) ? [Number(id)] : [])),
  );

const SMALL = "00:01";
const LARGEST_LOG2 = 40;

/**
 * The devices on which the kernel alone names files, and has segments: one for each size of huge pages (SHM_HUGETLB), which is that
 * of a file in memory with such pages.
 */
function segmentDevices(): ReadonlySet<string> {
  const devices = new Set([SMALL]);
  for (let log2 = 12; log2 <= LARGEST_LOG2; log2++) {
    // The kernel has few sizes.
    const file = attempt(() => memoryFile("jailkit", log2));
    if (file === undefined) continue;
    const { devMajor, devMinor } = withFd(file, fstat);
    devices.add([devMajor, devMinor].map((part) => part.toString(16).padStart(2, "0")).join(":"));
  }
  return devices;
}

const UNCLEAR = "they have more in their memory than can be looked at";

/**
 * The processes that have one of some segments attached, and those that may: of the same users, or of any where none is known to.
 * A signal that is held back ends the look: whoever asked hears it at its next step. Throws SystemError.
 */
export function attachedTo(objects: readonly IpcObject[]): readonly Holder[] {
  const ids = new Set(objects.flatMap((object) => (object.kind === "shm" ? [object.id] : [])));
  if (ids.size === 0) return [];
  const sure: Holder[] = [];
  const perhaps: Holder[] = [];
  const spent = new SumsByUser();
  const devices = segmentDevices();
  const isOne = (maps: ByteString) => !segmentsIn(maps, devices).isDisjointFrom(ids);
  withFd(openProc(), (proc) => {
    for (const pid of pidsIn(proc)) {
      if (receivedSignal() !== undefined) break;
      const start = performance.now();
      const uids = uidsOf(proc, pid);
      const has =
        spent.most(uids) > MOST_MILLISECONDS
          ? undefined
          : lookingAt(pid, () => hasAttached(proc, pid, isOne));
      spent.add(uids, performance.now() - start);
      if (has === undefined) perhaps.push({ pid, uids, unclear: UNCLEAR });
      else if (has) sure.push({ pid, uids });
    }
  });
  const known = new Set(sure.flatMap(({ uids }) => [...uids].filter((uid) => uid !== "0")));
  return [...sure, ...perhaps.filter(({ uids }) => sure.length === 0 || !known.isDisjointFrom(uids))];
}

/** Undefined for a process with too many parts of memory: that is not known. */
function hasAttached(proc: number, pid: number, isOne: (maps: ByteString) => boolean): boolean | undefined {
  try {
    return isOne(readOf(proc, pid, "maps", MOST_MAPS));
  } catch (error) {
    if (isErrno(error, "EFBIG")) return undefined;
    throw error;
  }
}

/** The uids with keys of the kernel: proc(5). */
const KEY_USERS = "/proc/key-users";

/** Whether the kernel has keyrings of a user, which may be empty. Throws SystemError. */
export const hasKeyrings = (uid: number): boolean =>
  new RegExp(`^ *${uid}:`, "m").test(hostText(KEY_USERS, LARGEST_TABLE) ?? "");
