import { type ByteString, fromCString } from "./bytes.ts";
import { EAGAIN, EINTR, O_CLOEXEC, O_NONBLOCK } from "./constants.ts";
import { isErrno } from "./error.ts";
import { readInto } from "./files.ts";
import { libc as base, cArgument, check, errno } from "./libc.ts";
import { dlopen, i32, pointer, u32, u64 } from "./native.ts";

// Not in ffi/libc.ts, since a login needs none of these.
const libc = dlopen("libc.so.6", {
  epoll_create1: { args: [i32], returns: i32 },
  epoll_ctl: { args: [i32, i32, i32, pointer], returns: i32 },
  epoll_wait: { args: [i32, pointer, i32, i32], returns: i32 },
  poll: { args: [pointer, u64, i32], returns: i32 },
  signalfd: { args: [i32, pointer, i32], returns: i32 },
  sigprocmask: { args: [i32, pointer, pointer], returns: i32 },
  inotify_init1: { args: [i32], returns: i32 },
  inotify_add_watch: { args: [i32, pointer, u32], returns: i32 },
  inotify_rm_watch: { args: [i32, i32], returns: i32 },
}).symbols;

// epoll_ctl(2)
export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLRDHUP = 0x2000;

const ADD = 1;
const DELETE = 2;
const MOST_EVENTS = 64;
// struct epoll_event is packed on x86-64 alone.
const EVENT_SIZE = process.arch === "x64" ? 12 : 16;
const DATA = process.arch === "x64" ? 4 : 8;

/** An event of epoll_wait(2): a descriptor, and EPOLL*. */
interface Event {
  fd: number;
  events: number;
}

/** A set of descriptors to wait for: epoll(7), level-triggered. */
export interface EventSet {
  add(fd: number, events: number): void;
  remove(fd: number): void;
  /** Waits for events, at most `timeout` milliseconds (-1: forever). The next call uses the array again. */
  wait(timeout: number): readonly Event[];
  readonly fd: number;
}

/** epoll_create1(2). */
export function createEventSet(): EventSet {
  const fd = check(libc.epoll_create1(O_CLOEXEC), "epoll_create1");
  const one = Buffer.alloc(EVENT_SIZE);
  const many = Buffer.alloc(EVENT_SIZE * MOST_EVENTS);
  const pool: Event[] = Array.from({ length: MOST_EVENTS }, () => ({ fd: 0, events: 0 }));
  return {
    fd,
    add(member, events) {
      one.writeUInt32LE(events, 0);
      one.writeInt32LE(member, DATA);
      // SAFETY: one struct epoll_event.
      check(libc.epoll_ctl(fd, ADD, member, one), "epoll_ctl");
    },
    remove(member) {
      check(libc.epoll_ctl(fd, DELETE, member, null), "epoll_ctl");
    },
    wait(timeout) {
      // SAFETY: the buffer has room for MOST_EVENTS.
      const count = libc.epoll_wait(fd, many, MOST_EVENTS, timeout);
      if (count < 0) {
        if (isAgain()) return [];
        check(count, "epoll_wait");
      }
      const events = pool.slice(0, count);
      for (let i = 0; i < count; i++) {
        const event = events[i];
        if (event === undefined) continue;
        event.events = many.readUInt32LE(i * EVENT_SIZE);
        event.fd = many.readInt32LE(i * EVENT_SIZE + DATA);
      }
      return events;
    },
  };
}

/** EINTR; or EAGAIN, which src/log-socket/relay/filter.ts may have put in its place. */
const isAgain = (): boolean => errno() === EINTR || errno() === EAGAIN;

const pollEntries = Buffer.alloc(16);

/**
 * poll(2) of two descriptors, at most `timeout` milliseconds (-1: forever). Returns the events of each, as EPOLL*, whose
 * numbers are the same.
 */
export function pollTwo(a: Event, b: Event, timeout: number): [a: number, b: number] {
  pollEntries.writeInt32LE(a.fd, 0);
  pollEntries.writeUInt32LE(a.events, 4);
  pollEntries.writeInt32LE(b.fd, 8);
  pollEntries.writeUInt32LE(b.events, 12);
  // SAFETY: two struct pollfd of 8 bytes, which this module holds.
  const count = libc.poll(pollEntries, 2, timeout);
  if (count < 0 && !isAgain()) check(count, "poll");
  return count <= 0 ? [0, 0] : [pollEntries.readUInt16LE(6), pollEntries.readUInt16LE(14)];
}

const SIG_BLOCK = 0;

/** The set of these signals: bit N - 1 is signal N. */
export function signalSet(signals: readonly number[]): bigint {
  return signals.reduce((set, signal) => set | (1n << BigInt(signal - 1)), 0n);
}

/** A sigset_t of the C library: 1024 bits. */
const encodeSignals = (set: bigint) => BigUint64Array.of(set, ...new Array<bigint>(15).fill(0n));

/**
 * Blocks signals in this thread, and in threads that it starts from now on. A signal does not reach the process only
 * if every thread blocks it, so call this while there is one thread.
 */
export function blockSignals(set: bigint): void {
  // SAFETY: a whole sigset_t.
  check(libc.sigprocmask(SIG_BLOCK, encodeSignals(set), null), "sigprocmask");
}

/** signalfd(2): a descriptor that is readable after one of these blocked signals arrived. */
export function openSignals(set: bigint): number {
  // SAFETY: a whole sigset_t.
  return check(libc.signalfd(-1, encodeSignals(set), O_CLOEXEC | O_NONBLOCK), "signalfd");
}

// struct signalfd_siginfo begins with the signal's number.
const SIGNAL_INFO = 128;
const signalBuffer = Buffer.alloc(SIGNAL_INFO * 16);

/** The numbers of the signals that arrived. */
export function readSignals(fd: number): number[] {
  const count = readOrNothing(fd, signalBuffer) / SIGNAL_INFO;
  return Array.from({ length: count }, (_, i) => signalBuffer.readUInt32LE(i * SIGNAL_INFO));
}

function readOrNothing(fd: number, buffer: Uint8Array): number {
  try {
    return readInto(fd, buffer);
  } catch (error) {
    if (isErrno(error, "EAGAIN")) return 0;
    throw error;
  }
}

// inotify(7)
export const IN_ATTRIB = 0x004;
export const IN_CLOSE_WRITE = 0x008;
export const IN_MOVED_FROM = 0x040;
export const IN_MOVED_TO = 0x080;
export const IN_CREATE = 0x100;
export const IN_DELETE = 0x200;
export const IN_DELETE_SELF = 0x400;
export const IN_MOVE_SELF = 0x800;
export const IN_IGNORED = 0x8000;
export const IN_ONLYDIR = 0x01000000;
export const IN_Q_OVERFLOW = 0x4000;
export const IN_MASK_ADD = 0x20000000;

/** An event of inotify(7): its watch, IN_*, and the name in the directory, or "" for the directory itself. */
export interface FileEvent {
  watch: number;
  mask: number;
  name: ByteString;
}

/** inotify_init1(2), nonblocking. */
export function openInotify(): number {
  return check(libc.inotify_init1(O_CLOEXEC | O_NONBLOCK), "inotify_init1");
}

/** inotify_add_watch(2). Returns the number of the watch, which is the same for the same directory. */
export function addWatch(inotify: number, path: ByteString, mask: number): number {
  return check(libc.inotify_add_watch(inotify, cArgument(path), mask), "inotify_add_watch", path);
}

/** inotify_rm_watch(2); does nothing if the watch is already gone. */
export function removeWatch(inotify: number, watch: number): void {
  libc.inotify_rm_watch(inotify, watch);
}

const fileEvents = Buffer.alloc(16384);

/** All events since the last call. */
export function readFileEvents(inotify: number): FileEvent[] {
  const events: FileEvent[] = [];
  for (;;) {
    const count = readOrNothing(inotify, fileEvents);
    if (count === 0) return events;
    for (let at = 0; at < count; ) {
      const length = fileEvents.readUInt32LE(at + 12);
      const name = fromCString(fileEvents.subarray(at + 16, at + 16 + length));
      events.push({ watch: fileEvents.readInt32LE(at), mask: fileEvents.readUInt32LE(at + 4), name });
      at += 16 + length;
    }
  }
}

const CLOCK_MONOTONIC = 1;

/** CLOCK_MONOTONIC of clock_gettime(2), in microseconds. */
export function monotonicMicroseconds(): number {
  const time = new BigInt64Array(2);
  // SAFETY: struct timespec is two 64-bit words, in a buffer that this function holds.
  base.clock_gettime(CLOCK_MONOTONIC, time);
  return Number(time[0] ?? 0n) * 1_000_000 + Math.floor(Number(time[1] ?? 0n) / 1000);
}
