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

const HEAD = 16;

class Watch {
  // struct notice of ffi/guard/guard.h: a descriptor, a length, and the bytes
  readonly #notice = new Uint8Array(HEAD + 4096);
  readonly #head = new BigInt64Array(this.#notice.buffer, 0, 2);
  // struct itimerspec: the interval, and the time until the next signal, as seconds and nanoseconds
  readonly #until = BigInt64Array.of(AGAIN_SECONDS, 0n, FIRST_SECONDS, 0n);
  readonly #never = new BigInt64Array(4);
  readonly #timer: number | undefined;
  #lineOf: LineOf = () => "";

  constructor() {
    const { u64, i32 } = FFIType;
    const install = CFunction({ ptr: guardFunction("writeNotices"), args: [u64, u64], returns: i32 });
    // struct sigevent: a value, the signal, how it is sent, and the thread, which is the first of the process
    const event = new Int32Array(16);
    event.set([SIGNAL, SIGEV_THREAD_ID, libc.getpid()], 2);
    const id = new Int32Array(1);
    // SAFETY: this object, which is never dropped, keeps the notice.
    if (install(addressOf(this.#notice), SIGNAL) !== 0) return;
    // SAFETY: `event` has the length of a struct sigevent, and `id` that of a timer_t.
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, addressOf(event), addressOf(id)) === 0)
      this.#timer = id[0];
  }

  writeTo(fd: number, lineOf: LineOf): void {
    this.#head[0] = BigInt(fd);
    this.#lineOf = lineOf;
  }

  begin(call: string, key: ByteString): void {
    if (this.#timer === undefined) return;
    const line = toBytes(this.#lineOf(call, key)).subarray(0, this.#notice.length - HEAD);
    this.#notice.set(line, HEAD);
    this.#head[1] = BigInt(line.length);
    // SAFETY: the object keeps it, which has the length of a struct itimerspec.
    syscall(SYS_timer_settime, this.#timer, 0, addressOf(this.#until), 0);
  }

  /** The rest of the time is for the next look-up. */
  end(): void {
    if (this.#timer === undefined) return;
    // SAFETY: the object keeps both, which have the length of a struct itimerspec.
    syscall(SYS_timer_settime, this.#timer, 0, addressOf(this.#never), addressOf(this.#until));
    this.#head[1] = 0n;
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

/** Call it before a look-up, and endLookUp after it. */
export function beginLookUp(call: string, key: ByteString): void {
  watch?.begin(call, key);
}

/** Ends what beginLookUp began. */
export function endLookUp(): void {
  watch?.end();
}
