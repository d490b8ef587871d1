import { type ByteString, toBytes } from "./bytes.ts";
import { guardFunction, signalWord } from "./guard.ts";
import { addressOf, syscall, u32At } from "./libc.ts";
import { dlopen, i32, linkSymbols, pointer, u64 } from "./native.ts";

// A look-up of the C library may wait for a server for minutes, and JavaScript waits with it. The guard then writes a line
// that was prepared before, when the signal of a timer comes, in a thread that does nothing else: see
// ffi/guard/interrupts.c. Nobody else uses that signal, nor is the timer that of alarm(2), which may be a caller's.

const arm = process.arch === "arm64";
const SYS_timer_create = arm ? 107 : 222;
const SYS_timer_settime = arm ? 110 : 223;
const SYS_sched_yield = arm ? 124 : 24;
const SYS_tgkill = arm ? 131 : 234;
const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD_ID = 4;
const SIGNAL = 63;

// For all look-ups together: each of thousands may take a second.
const FIRST_SECONDS = 5n;
const AGAIN_SECONDS = 60n;

/** The line for a look-up, by its call, such as getpwnam, and the name or number that it looks for. */
type LineOf = (call: string, key: ByteString) => ByteString;

const HEAD = 16;
// The phases of a notice.
const IDLE = 0;
const ARMED = 1;
const WRITING = 2;
const LAST = 3;

/** sched_yield(2). */
export const yieldToOthers = (): number => syscall(SYS_sched_yield);

interface Thread {
  readonly id: number;
  /** Waits for its end. */
  join(): void;
}

/** Starts the thread that gets the signal; undefined if that fails. */
function startThread(): Thread | undefined {
  // Not in ffi/libc.ts, since a login needs none of these.
  const { symbols } = dlopen("libc.so.6", {
    pthread_create: { args: [pointer, u64, u64, u64], returns: i32 },
    pthread_join: { args: [u64, u64], returns: i32 },
  });
  const handle = new BigUint64Array(1);
  // SAFETY: a pthread_t, and a function of the guard, which stays.
  if (symbols.pthread_create(handle, 0, guardFunction("noticesThread"), SIGNAL) !== 0) return undefined;
  for (;;) {
    // SAFETY: what changes in the guard is there until the end.
    const id = u32At(signalWord(), 4);
    if (id !== 0) return { id, join: () => symbols.pthread_join(handle[0] ?? 0n, 0) };
    yieldToOthers();
  }
}

class Watch {
  // struct notice of ffi/guard/guard.h: a descriptor, a phase, a length, and the bytes
  readonly #notice = new Uint8Array(HEAD + 4096);
  readonly #head = new Int32Array(this.#notice.buffer, 0, 4);
  // struct itimerspec: the interval, and the time until the next signal, as seconds and nanoseconds
  readonly #until = BigInt64Array.of(AGAIN_SECONDS, 0n, FIRST_SECONDS, 0n);
  readonly #own = BigInt64Array.of(AGAIN_SECONDS, 0n, FIRST_SECONDS, 0n);
  readonly #never = new BigInt64Array(4);
  #timer: number | undefined;
  #thread: Thread | undefined;
  #made = false;
  #lineOf: LineOf = () => "";

  #make(): void {
    this.#made = true;
    const writeNotices = { ptr: guardFunction("writeNotices"), args: [u64, u64], returns: i32 } as const;
    const { install } = linkSymbols({ install: writeNotices }).symbols;
    // SAFETY: this object, which is never dropped, keeps the notice.
    if (install(addressOf(this.#notice), SIGNAL) !== 0) return;
    this.#thread = startThread();
    if (this.#thread === undefined) return;
    // struct sigevent: a value, the signal, how it is sent, and the thread
    const event = new Int32Array(16);
    event.set([SIGNAL, SIGEV_THREAD_ID, this.#thread.id], 2);
    const id = new Int32Array(1);
    // SAFETY: `event` has the length of a struct sigevent, and `id` that of a timer_t.
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, addressOf(event), addressOf(id)) === 0)
      this.#timer = id[0];
  }

  writeTo(fd: number, lineOf: LineOf): void {
    this.#head[0] = fd;
    this.#lineOf = lineOf;
  }

  begin(call: string, key: ByteString, isOwn: boolean): void {
    if (!this.#made) this.#make();
    if (this.#timer === undefined) return;
    const line = toBytes(this.#lineOf(call, key)).subarray(0, this.#notice.length - HEAD);
    this.#notice.set(line, HEAD);
    this.#head[2] = line.length;
    Atomics.store(this.#head, 1, ARMED);
    // SAFETY: the object keeps it, which has the length of a struct itimerspec.
    syscall(SYS_timer_settime, this.#timer, 0, addressOf(isOwn ? this.#own : this.#until), 0);
  }

  /** The rest of the time is for the next look-up, if that is not its own. */
  end(isOwn: boolean): void {
    if (this.#timer === undefined) return;
    // SAFETY: the object keeps both, which have the length of a struct itimerspec.
    syscall(SYS_timer_settime, this.#timer, 0, addressOf(this.#never), isOwn ? 0 : addressOf(this.#until));
    // The line is written whole before anything else is.
    while (Atomics.compareExchange(this.#head, 1, ARMED, IDLE) === WRITING) yieldToOthers();
  }

  stop(): void {
    this.#made = true;
    this.#timer = undefined;
    if (this.#thread === undefined) return;
    Atomics.store(this.#head, 1, LAST);
    syscall(SYS_tgkill, process.pid, this.#thread.id, SIGNAL);
    this.#thread.join();
    this.#thread = undefined;
  }
}

// Not made during a login.
let watch: Watch | undefined;

/** From now on, look-ups that wait for 5 seconds in all write a line to `fd`. Nothing happens in privileged programs. */
export function writeNotices(fd: number, lineOf: LineOf): void {
  if (signalWord() === 0) return;
  watch ??= new Watch();
  watch.writeTo(fd, lineOf);
}

/** What is done right before and after a look-up. */
interface Around {
  begin(): void;
  end(): void;
}
let around: Around | undefined;

/** From now on this is done around each look-up; nothing if it is undefined. */
export function doAroundLookUps(what: Around | undefined): void {
  around = what;
}

// Of look-ups within another one.
let depth = 0;

/** Call it before a look-up, and endLookUp after it: one within another is a part of that. `isOwn`: the seconds are its own alone. */
export function beginLookUp(call: string, key: ByteString, isOwn = false): void {
  if (depth++ > 0) return;
  watch?.begin(call, key, isOwn);
  around?.begin();
}

/** Ends what beginLookUp began, which had the same `isOwn`. */
export function endLookUp(isOwn = false): void {
  if (--depth > 0) return;
  around?.end();
  watch?.end(isOwn);
}

/** Ends the thread of the notices, before the ids of this process change. Later look-ups write none. */
export function stopNotices(): void {
  watch?.stop();
}
