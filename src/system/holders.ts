import type { ByteString } from "../../ffi/bytes.ts";
import { attempt, isErrno } from "../../ffi/error.ts";
import { ownerAt, readLink, withFd } from "../../ffi/files.ts";
import { JailkitError } from "../cli/error.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { FileTables } from "./file-tables.ts";
import { examineThreads, MOST_PASSES, namesIn, openProc, pidsIn, readOf, uidsOf } from "./processes.ts";

/** A process that has a uid, or can get it. */
export interface Holder {
  readonly pid: number;
  /** Those of all its threads. */
  readonly uids: ReadonlySet<string>;
  /** If it is only possible that it has, or can get, another one: by what it has, printable. */
  readonly may?: string;
}

/** One that may have any uid. */
type Doubtful = Required<Holder>;

/** Gets a uid that a process has; or the path, in an open /proc, of a file that it has open or executes, and the owner of that. */
type Note = (
  uid: number,
  holder: Holder,
  file?: { readonly proc: number; readonly path: ByteString },
) => void;

/**
 * For each of `uids` that processes have, or can get by a setuid program that they execute or have open, which need have no name any
 * more, these processes. What one of another user than root has in an io_uring(7) is not known: the rights of any user, or any
 * file; nor which files are on their way to it (SCM_RIGHTS in unix(7)): where no process is known to have the uid, all such may.
 * Throws as lookAtHolders.
 */
export function holdersOf(
  uids: ReadonlySet<number>,
  stop: ByteString,
): ReadonlyMap<number, readonly Holder[]> {
  const found = new Map<number, Map<number, Holder>>();
  const doubtful = lookAtHolders((uid, holder) => {
    if (uids.has(uid)) found.getOrInsertComputed(uid, () => new Map()).set(holder.pid, holder);
  }, stop);
  const all = new Map<number, readonly Holder[]>();
  for (const uid of uids) {
    const holders = [...(found.get(uid)?.values() ?? doubtful)];
    if (holders.length > 0) all.set(uid, holders);
  }
  return all;
}

/**
 * Calls `note` for what the processes of other users than root have, and returns those that may have any. Of more open files of one
 * user than `most` each may be any. Throws SystemError, and JailkitError if /proc is not mounted, if processes end all the time
 * before they can be looked at, or, with `stop`, for a signal.
 */
export const lookAtHolders = (note: Note, stop: ByteString, most = MOST_OPEN): readonly Doubtful[] =>
  withFd(openProc(), (proc) => new Look(proc, note, stop, most).run());

// Some seconds: a user has that many processes, each with as many open files as all of a large service.
const MOST_OPEN = 1 << 18;
const TOO_MANY_OPEN = "more open files than can be looked at";

/** By what such processes may have any uid, printable. */
export const waysOf = (doubtful: readonly Holder[]): string =>
  [...new Set(doubtful.flatMap(({ may }) => may ?? []))].join(" or ");

const passing = (what: string) => new JailkitError("failed", 1, `${what} end before they can be looked at`);

/** A thread in a call in which the kernel may have a file that it has not, or perhaps in one, each time that it was looked at. */
interface InCall {
  readonly holder: Holder;
  readonly thread: ByteString;
  readonly looks: number;
}

/** Whether a thread is in such a call; undefined if that is not known, since it is on a processor. */
type IsInCall = boolean | undefined;

class Look {
  readonly #doubtful = new Map<number, Doubtful>();
  readonly #seen = new Set<number>();
  /** How often a process was looked at: one whose threads come out of a call each time may pass a file to and fro. */
  readonly #times = new Map<number, number>();
  /** How many of its open files were looked at, by uid. */
  readonly #open = new Map<string, number>();
  /** By thread. */
  #waiting = new Map<ByteString, InCall>();

  constructor(
    private readonly proc: number,
    private readonly note: Note,
    private readonly stop: ByteString,
    private readonly most: number,
  ) {}

  run(): readonly Doubtful[] {
    let [isMissed, isLast] = [true, false];
    for (let pass = 0; pass < MOST_PASSES; pass++) {
      if (isMissed) isMissed = this.#lookAtNew();
      else if (this.#waiting.size > 0) isLast = !this.#lookAgain() && isLast;
      else if (isLast) return [...this.#doubtful.values()];
      // What was started meanwhile may have what another one had.
      else [isMissed, isLast] = [true, true];
    }
    throw passing("processes");
  }

  /** Looks at each process that was not looked at; true if one had ended, which may have started another one before. */
  #lookAtNew(): boolean {
    let isMissed = false;
    for (const pid of pidsIn(this.proc)) {
      if (this.#seen.has(pid)) continue;
      this.#seen.add(pid);
      if (!this.#examine(pid)) isMissed = true;
    }
    return isMissed;
  }

  /** Looks at all threads that were in a call, after one pause for them together: users may have thousands. True if one had left it. */
  #lookAgain(): boolean {
    stopIfInterrupted(this.stop);
    Bun.sleepSync(PAUSE);
    const waiting = this.#waiting;
    this.#waiting = new Map();
    const out = new Set<number>();
    for (const { holder, thread, looks } of waiting.values()) {
      const isIn = isInCall(this.proc, thread);
      const isLast = looks + 1 === LOOKS;
      if (isIn === false || (isLast && isIn === undefined)) out.add(holder.pid);
      else if (isLast) this.#doubt(holder, IN_CALL);
      else this.#waiting.set(thread, { holder, thread, looks: looks + 1 });
    }
    // What it had there it may have open now, or execute, or a process that it has started.
    for (const pid of out) this.#examine(pid);
    return out.size > 0;
  }

  /** Notes what a process has or can get. False if it has ended. Throws SystemError and JailkitError. */
  #examine(pid: number): boolean {
    stopIfInterrupted(this.stop);
    const { proc } = this;
    this.#times.set(pid, (this.#times.get(pid) ?? 0) + 1);
    const uids = uidsOf(proc, pid);
    const holder = { pid, uids };
    for (const uid of uids) this.note(Number(uid), holder);
    // Root has no need of it.
    if (uids.size === 1 && uids.has("0")) return true;
    const threads: ByteString[] = [];
    using tables = new FileTables(proc);
    const seen = examineThreads(proc, pid, (thread) => {
      const open = tables.isKnown(thread) ? [] : this.#openIn(holder, thread);
      for (const name of open) {
        // There may be many.
        stopIfInterrupted(this.stop);
        if (!this.#doubtful.has(pid)) this.#doubt(holder, hidesIn(proc, thread, name));
      }
      if (!this.#doubtful.has(pid)) this.#await(holder, thread);
      threads.push(thread);
      // The program comes last: a thread that has ended executes none, and what it had open was not seen.
      const paths = [...open.map((name) => `fd/${name}`), "exe"].map((name) => `${thread}/${name}`);
      let last: number | undefined;
      for (const path of paths) {
        stopIfInterrupted(this.stop);
        last = ownerOfOpen(proc, path);
        if (last !== undefined) this.note(last, holder, { proc, path });
      }
      return last !== undefined;
    });
    if (seen === "unknown") throw passing(`threads of the process ${pid}`);
    // Last, as its user can make this wait, and once: threads have one memory, and may be many.
    let isMapped: boolean | undefined;
    for (const thread of threads) isMapped ??= mapsRing(proc, thread);
    if (isMapped) this.#doubt(holder, AN_IO_URING);
    return seen === "examined";
  }

  /** The names of the open files of a thread; none if its user has too many. */
  #openIn(holder: Holder, thread: ByteString): ByteString[] {
    const users = [...holder.uids].filter((uid) => uid !== "0");
    const before = Math.max(...users.map((uid) => this.#open.get(uid) ?? 0));
    const names = before > this.most ? [] : namesIn(this.proc, `${thread}/fd`);
    for (const uid of users) this.#open.set(uid, before + names.length);
    if (before + names.length <= this.most) return names;
    this.#doubt(holder, TOO_MANY_OPEN);
    return [];
  }

  #doubt({ pid, uids }: Holder, may: string | undefined): void {
    if (may !== undefined) this.#doubtful.getOrInsert(pid, { pid, uids, may });
  }

  #await(holder: Holder, thread: ByteString): void {
    const isIn = this.#waiting.has(thread) ? false : isInCall(this.proc, thread);
    const times = this.#times.get(holder.pid) ?? 0;
    // What works all the time is in none of these calls for so long that the next looks see nothing else.
    if (isIn === false || (isIn === undefined && times > 1)) return;
    if (times > MOST_TIMES) this.#doubt(holder, IN_CALL);
    else this.#waiting.set(thread, { holder, thread, looks: 1 });
  }
}

/** What proc(5) calls an io_uring, and no file. */
const RING = "anon_inode:[io_uring]";
const AN_IO_URING = "an io_uring";
const MOST_MAPS = 1 << 26;

/** What an open file is, printable, if files may be in it that are not known; otherwise undefined. */
function hidesIn(proc: number, thread: ByteString, name: ByteString): string | undefined {
  const link = linkOf(proc, `${thread}/fd/${name}`) ?? "";
  if (link === RING) return AN_IO_URING;
  if (!link.startsWith("socket:")) return undefined;
  // Of a socket that listens, those of its connections are counted, too.
  const count = /^scm_fds:[\t ]*(\d+)/m.exec(readOf(proc, thread, `fdinfo/${name}`))?.[1];
  return Number(count ?? 0) > 0 ? "a socket with open files in its queue" : undefined;
}

// In these the kernel may have a file that the process has closed, and somebody can keep them from ending; also those of programs
// for 32 bits, and for x32.
interface Calls {
  /** execve, execveat, sendmsg, sendmmsg, and socketcall. */
  readonly always: readonly number[];
  /** fork, vfork, clone, clone3, recvmsg, recvmmsg, accept, accept4: where many wait for others, which do not count. */
  readonly stuck: readonly number[];
}
const X32 = 0x4000_0000;
const CALLS: Partial<Record<string, Calls>> = {
  x64: {
    always: [59, 322, 46, 307, 11, 358, 370, 345, 102, ...[520, 545, 518, 538].map((call) => X32 + call)],
    stuck: [
      ...[57, 58, 56, 435, 47, 299, 43, 288, 2, 190, 120, 372, 337, 417, 364],
      ...[57, 58, 56, 435, 519, 537, 43, 288].map((call) => X32 + call),
    ],
  },
  arm64: {
    always: [221, 281, 211, 269, 11, 387, 296, 374],
    stuck: [220, 435, 212, 243, 202, 242, 2, 190, 120, 297, 365, 417, 285, 366],
  },
};
const ALWAYS = new Set(CALLS[process.arch]?.always);
const STUCK = new Set(CALLS[process.arch]?.stuck);
const [LOOKS, PAUSE, MOST_TIMES] = [5, 10, 3];
const IN_CALL = "a thread in a call that does not end, such as sendmsg(2)";

const isInCall = (proc: number, thread: ByteString): IsInCall =>
  mayHoldFile(
    readOf(proc, thread, "syscall"),
    () => readOf(proc, thread, "status"),
    () => attempt(() => readOf(proc, thread, "stack")) ?? "",
  );

// Functions of the kernel in these calls.
const FUNCTIONS = /exec|sendm?msg|recvm?msg|accept|clone|fork/;

/** Whether a thread is in one of these calls, by the texts of proc(5): its system call, its status, and its stack in the kernel. */
export function mayHoldFile(
  call: ByteString,
  status: () => ByteString,
  stack: () => ByteString,
): boolean | undefined {
  // It runs, or waits for a processor, for as long as its user likes.
  if (call.startsWith("running")) {
    const functions = stack();
    return functions === "" ? undefined : FUNCTIONS.test(functions);
  }
  // The number, and arguments.
  const number = Number(call.split(" ", 1)[0] || "-1");
  // It waits for its memory, and not for what others do.
  return ALWAYS.has(number) || (STUCK.has(number) && /^State:\tD/m.test(status()));
}

/** Whether an io_uring is in the memory of a thread, or may be, as in one of too many parts; undefined if it has ended. */
function mapsRing(proc: number, thread: ByteString): boolean | undefined {
  try {
    const maps = readOf(proc, thread, "maps", MOST_MAPS);
    return maps === "" ? undefined : maps.includes(` ${RING}\n`);
  } catch (error) {
    if (isErrno(error, "EFBIG")) return true;
    throw error;
  }
}

/** The text of a link of proc(5); undefined if it is not there any more. */
function linkOf(proc: number, path: ByteString): ByteString | undefined {
  try {
    return readLink(proc, path);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ESRCH")) return undefined;
    throw error;
  }
}

/** The owner of what a link of proc(5) is; undefined if it is not there any more. */
function ownerOfOpen(proc: number, path: ByteString): number | undefined {
  try {
    return ownerAt(proc, path, true);
  } catch (error) {
    if (isErrno(error, "ESRCH")) return undefined;
    throw error;
  }
}
