import type { ByteString } from "../../ffi/bytes.ts";
import { withFd } from "../../ffi/files.ts";
import { JailkitError } from "../cli/error.ts";
import { stopIfInterrupted } from "../cli/interrupt.ts";
import { FileTables } from "./file-tables.ts";
import { isInCall, timeOutside } from "./in-call.ts";
import { lookingAt } from "./looking-at.ts";
import { hidesIn, hidesInMemory, linkOf, NAMELESS, ownerOfOpen, TOO_MUCH } from "./open-files.ts";
import { SeenProcesses } from "./pids.ts";
import {
  examineThreads,
  MOST_PASSES,
  namesIn,
  openProc,
  uidsAtEnd,
  uidsOf,
  uidsToTake,
} from "./processes.ts";
import { MOST_MILLISECONDS, SumsByUser } from "./sums-by-user.ts";

/** A process that has a uid, or can get it. */
export interface Holder {
  readonly pid: number;
  /** Those of all its threads. */
  readonly uids: ReadonlySet<string>;
  /** The one that it can take in a user namespace: who has that ends it. */
  readonly takes?: number;
  /** If it is only possible that it has, or can get, another one: by what it has, printable. */
  readonly may?: string;
  /** If it is only possible that it has what was looked for: why, printable. */
  readonly unclear?: string;
}

/** One that may have any uid. */
type Doubtful = Holder & Required<Pick<Holder, "may">>;

/** Gets a uid that a process has; or the path, in an open /proc, of a file that it has open or executes, and the owner of that. */
type Note = (
  uid: number,
  holder: Holder,
  file?: { readonly proc: number; readonly path: ByteString },
) => void;

/**
 * For each of `uids` that processes have, can take in a user namespace, or can get by a setuid program that they execute or have
 * open, which need have no name any more, these processes. What one of another user than root has in an io_uring(7) is not known: the rights of any user, or any
 * file; nor which files are on their way to it (SCM_RIGHTS in unix(7)): where no process is known to have the uid, all such may.
 * Throws as lookAtHolders.
 */
export function holdersOf(
  uids: ReadonlySet<number>,
  stop: ByteString,
): ReadonlyMap<number, readonly Holder[]> {
  const found = new Map<number, Map<number, Holder>>();
  const doubtful = lookAtHolders((uid, holder) => {
    if (uids.has(uid)) found.getOrInsertComputed(uid, () => new Map()).getOrInsert(holder.pid, holder);
  }, stop);
  const all = new Map<number, readonly Holder[]>();
  for (const uid of uids) {
    const holders = [...(found.get(uid)?.values() ?? doubtful)].sort(byPid);
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

// Of the open files of all processes of a user.
const MOST_OPEN = 1 << 18;
const UNKNOWN = "an open file of which root cannot know the owner";

const byPid = (one: Holder, other: Holder) => one.pid - other.pid;

/** By what such processes may have any uid, printable. */
export const waysOf = (doubtful: readonly Holder[]): string =>
  [...new Set(doubtful.flatMap(({ may }) => may ?? []))].join(" or ");

const ENDING = "end before they can be looked at";

// What has a processor at each of many looks, and is never outside of the kernel, may be in such a call: one lasts a second at most.
const [LOOKS, MOST_LOOKS, PAUSE, MOST_TIMES] = [5, 30, 10, 3];
// The kernel knows only by samples where a thread was, and shares out its time by these.
const OUTSIDE = 3;
const IN_CALL = "a thread in a call that does not end, such as sendmsg(2)";

/** A thread in a call in which the kernel may have a file that it has not, or perhaps in one, each time that it was looked at. */
interface InCall {
  readonly holder: Holder;
  readonly thread: ByteString;
  readonly looks: number;
  /** How often it was certainly in one. */
  readonly times: number;
  /** The time that it had outside of the kernel at first, in hundredths of a second. */
  readonly outside: number;
}

class Look {
  readonly #doubtful = new Map<number, Doubtful>();
  readonly #seen = new SeenProcesses();
  /** How often a process was looked at: one whose threads come out of a call each time may pass a file to and fro. */
  readonly #times = new Map<number, number>();
  /** How many open files of a user were looked at, and for how many milliseconds its processes were. */
  readonly #open = new SumsByUser();
  readonly #spent = new SumsByUser();
  /** In how many passes users had new processes, with the last one. */
  readonly #fresh = new Map<string, { readonly holder: Holder; readonly passes: number }>();
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
    const start = performance.now();
    const isTooLong = () => performance.now() - start > MOST_MILLISECONDS && this.#busy().length > 0;
    for (let pass = 0; pass < MOST_PASSES && !isTooLong(); pass++) {
      if (isMissed) isMissed = this.#lookAtNew(pass === 0);
      else if (this.#waiting.size > 0) isLast = !this.#lookAgain() && isLast;
      else if (isLast) return [...this.#doubtful.values()].sort(byPid);
      // What was started meanwhile may have what another one had.
      else [isMissed, isLast] = [true, true];
    }
    return this.#passed();
  }

  readonly #busy = () => [...this.#fresh.values()].filter(({ passes }) => passes > MOST_PASSES / 10);

  /** Those that may have any uid if processes end all the time before they can be looked at: of the users who start them. */
  #passed(): readonly Doubtful[] {
    const busy = this.#busy();
    if (busy.length === 0) throw new JailkitError("failed", 1, `processes ${ENDING}`);
    for (const { holder } of busy) this.#doubt(holder, `others that ${ENDING}`);
    // Not yet looked at to the end.
    for (const { holder } of this.#waiting.values()) this.#doubt(holder, IN_CALL);
    return [...this.#doubtful.values()].sort(byPid);
  }

  /** Looks at each process that was not looked at; true if one had ended, which may have started another one before. */
  #lookAtNew(isFirst: boolean): boolean {
    let isMissed = false;
    const users = new Map<string, Holder>();
    for (const pid of this.#seen.newIn(this.proc)) {
      this.#times.delete(pid);
      if (!this.#examine(pid, isFirst ? undefined : users)) isMissed = true;
    }
    for (const [uid, holder] of users)
      this.#fresh.set(uid, { holder, passes: (this.#fresh.get(uid)?.passes ?? 0) + 1 });
    return isMissed;
  }

  /** Looks at all threads that were in a call, after one pause for them together: users may have thousands. True if one had left it. */
  #lookAgain(): boolean {
    stopIfInterrupted(this.stop);
    Bun.sleepSync(PAUSE);
    const waiting = this.#waiting;
    this.#waiting = new Map();
    const out = new Set<number>();
    for (const one of waiting.values()) {
      const { holder, thread, outside } = one;
      const isIn = isInCall(this.proc, thread);
      const [looks, times] = [one.looks + 1, isIn ? one.times + 1 : one.times];
      if (isIn === false || (isIn === undefined && timeOutside(this.proc, thread) >= outside + OUTSIDE)) {
        out.add(holder.pid);
      } else if (times === LOOKS || looks === MOST_LOOKS) this.#doubt(holder, IN_CALL);
      else this.#waiting.set(thread, { ...one, looks, times });
    }
    // What it had there it may have open now, or execute, or a process that it has started.
    for (const pid of out) this.#examine(pid);
    return out.size > 0;
  }

  /** Notes what a process has or can get; `users` gets it. False if it has ended. Throws SystemError and JailkitError. */
  #examine(pid: number, users?: Map<string, Holder>): boolean {
    stopIfInterrupted(this.stop);
    this.#times.set(pid, (this.#times.get(pid) ?? 0) + 1);
    const start = performance.now();
    const atEnd = uidsAtEnd(this.proc, pid);
    const uids = atEnd ?? uidsOf(this.proc, pid, undefined, this.stop);
    const holder = { pid, uids };
    if (atEnd === undefined) {
      for (const takes of uidsToTake(this.proc, pid, uids)) this.note(takes, { ...holder, takes });
      for (const uid of uids) this.note(Number(uid), holder);
    }
    for (const uid of usersOf(holder)) users?.set(uid, holder);
    // Root has no need of it.
    if (uids.size === 1 && uids.has("0")) return true;
    if (this.#spent.most(uids) > MOST_MILLISECONDS) {
      this.#doubt(holder, TOO_MUCH);
      return true;
    }
    const isThere = atEnd === undefined && lookingAt(pid, () => this.#lookAt(holder));
    this.#spent.add(uids, performance.now() - start);
    return isThere;
  }

  #lookAt(holder: Holder): boolean {
    const { proc } = this;
    const { pid } = holder;
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
      let isThere = false;
      for (const path of paths) {
        stopIfInterrupted(this.stop);
        isThere = this.#noteOwner(holder, path);
      }
      this.#shuffle(holder, thread, open);
      return isThere;
    });
    if (seen === "unknown") this.#doubt(holder, "threads that end before they can be looked at");
    // Last, as its user can make this wait, and once: threads have one memory, and may be many.
    let hides: string | false | undefined;
    for (const thread of threads) hides ??= hidesInMemory(proc, thread);
    this.#doubt(holder, hides || undefined);
    return seen === "examined";
  }

  /** Notes the owner of an open file; false if it is not there any more. */
  #noteOwner(holder: Holder, path: ByteString): boolean {
    const { proc } = this;
    const uid = ownerOfOpen(proc, path);
    if (uid === "unknown") this.#doubt(holder, UNKNOWN);
    else if (uid !== undefined) this.note(uid, holder, { proc, path });
    return uid !== undefined;
  }

  /** The names of the open files of a thread; none if its user has too many. */
  #openIn(holder: Holder, thread: ByteString): ByteString[] {
    const isTooMany = this.#open.most(holder.uids) > this.most;
    const names = isTooMany ? [] : namesIn(this.proc, `${thread}/fd`);
    if (this.#times.get(holder.pid) === 1) this.#open.add(holder.uids, names.length);
    if (this.#open.most(holder.uids) <= this.most) return names;
    this.#doubt(holder, TOO_MUCH);
    return [];
  }

  /** Looks once more, in any order: its process can exchange the first and the last one, each time when the other is looked at. */
  #shuffle(holder: Holder, thread: ByteString, names: readonly ByteString[]): void {
    for (let time = 0; time < MOST_TIMES; time++)
      for (const name of shuffled(names)) {
        stopIfInterrupted(this.stop);
        const path = `${thread}/fd/${name}`;
        // What has a name is found by that.
        if (!linkOf(this.proc, path)?.endsWith(NAMELESS)) continue;
        this.#noteOwner(holder, path);
      }
  }

  #doubt({ pid, uids }: Holder, may: string | undefined): void {
    if (may !== undefined) this.#doubtful.getOrInsert(pid, { pid, uids, may });
  }

  #await(holder: Holder, thread: ByteString): void {
    const isIn = this.#waiting.has(thread) ? false : isInCall(this.proc, thread);
    const times = this.#times.get(holder.pid) ?? 0;
    // It was outside of the kernel since the first look: whoever has begun a call then has changed what is looked at next.
    if (isIn === false || (isIn === undefined && times > 1)) return;
    if (times > MOST_TIMES) this.#doubt(holder, IN_CALL);
    else {
      const outside = timeOutside(this.proc, thread);
      this.#waiting.set(thread, { holder, thread, looks: 1, times: isIn ? 1 : 0, outside });
    }
  }
}

const usersOf = ({ uids }: Holder): string[] => [...uids].filter((uid) => uid !== "0");

function shuffled<T>(all: readonly T[]): T[] {
  const places = crypto.getRandomValues(new Uint32Array(all.length));
  return [...all.keys()].sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0)).flatMap((at) => all[at] ?? []);
}
