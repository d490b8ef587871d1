import { CFunction, FFIType } from "bun:ffi";
import { type ByteString, toBytes } from "./bytes.ts";
import { guardFunction, signalWord } from "./guard.ts";
import { addressOf, libc, syscall } from "./libc.ts";

// A look-up of the C library may wait for a server for minutes, and JavaScript waits with it. The guard then writes a line
// that was prepared before, when the signal of a timer comes. Nobody else uses that signal, nor is the timer that of
// alarm(2), which may be a caller's.

const arm = process.arch === "arm64";
const SYS_timer_create = arm ? 107 : 222;
const SYS_timer_settime = arm ? 110 : 223;
const CLOCK_MONOTONIC = 1;
const SIGEV_THREAD_ID = 4;
// A real-time one: nss-systemd(8) blocks SIGALRM, SIGURG and others while it waits.
const SIGNAL = 63;

// For all look-ups together: each of thousands may take a second.
const FIRST_SECONDS = 5n;
const AGAIN_SECONDS = 60n;

/** The line for a look-up, by its call, such as getpwnam, and the name or number that it looks for. */
type LineOf = (call: string, key: ByteString) => ByteString;

// struct notice of ffi/guard/guard.h: a descriptor, a length, and the bytes
const HEAD = 16;
const notice = new Uint8Array(HEAD + 4096);
const head = new BigInt64Array(notice.buffer, 0, 2);
// struct itimerspec: the interval, and the time until the next signal, as seconds and nanoseconds
const until = BigInt64Array.of(AGAIN_SECONDS, 0n, FIRST_SECONDS, 0n);
const never = new BigInt64Array(4);

let lineOf: LineOf | undefined;
let timer: number | undefined;

/** From now on, look-ups that wait for 5 seconds in all write a line to `fd`. Nothing happens in privileged programs. */
export function writeNotices(fd: number, line: LineOf): void {
  if (signalWord() === 0) return;
  timer ??= startTimer();
  head[0] = BigInt(fd);
  lineOf = timer === undefined ? undefined : line;
}

/** A timer whose signal goes to this thread; undefined if there is none. */
function startTimer(): number | undefined {
  const install = CFunction({
    ptr: guardFunction("writeNotices"),
    args: [FFIType.u64, FFIType.u64],
    returns: FFIType.i32,
  });
  // struct sigevent: a value, the signal, how it is sent, and the thread, which is the first of the process
  const event = new Int32Array(16);
  event[2] = SIGNAL;
  event[3] = SIGEV_THREAD_ID;
  event[4] = libc.getpid();
  const id = new Int32Array(1);
  // SAFETY: the module keeps `notice`; `event` has the length of a struct sigevent, and `id` that of a timer_t.
  if (install(addressOf(notice), SIGNAL) !== 0) return undefined;
  return syscall(SYS_timer_create, CLOCK_MONOTONIC, addressOf(event), addressOf(id)) === 0
    ? id[0]
    : undefined;
}

/** Call it before a look-up, and endLookUp after it. */
export function beginLookUp(call: string, key: ByteString): void {
  if (lineOf === undefined || timer === undefined) return;
  const line = toBytes(lineOf(call, key)).subarray(0, notice.length - HEAD);
  notice.set(line, HEAD);
  head[1] = BigInt(line.length);
  // SAFETY: the module keeps `until`, which has the length of a struct itimerspec.
  syscall(SYS_timer_settime, timer, 0, addressOf(until), 0);
}

/** Ends what beginLookUp began; the rest of the time is for the next look-up. */
export function endLookUp(): void {
  if (lineOf === undefined || timer === undefined) return;
  // SAFETY: the module keeps both, which have the length of a struct itimerspec.
  syscall(SYS_timer_settime, timer, 0, addressOf(never), addressOf(until));
  head[1] = 0n;
}
