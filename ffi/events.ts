import { dlopen, FFIType } from "bun:ffi";
import { type ByteString, fromCString } from "./bytes.ts";
import { EINTR } from "./constants.ts";
import { isErrno } from "./error.ts";
import { readInto } from "./files.ts";
import { cArgument, check, errno } from "./libc.ts";

const { i32, u32, u64, ptr: pointer } = FFIType;

// Apart from ffi/libc.ts: a login needs none of these.
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

const CLOEXEC = 0o2000000;
const NONBLOCK = 0o4000;

// epoll_ctl(2)
export const EPOLLIN = 0x001;
export const EPOLLOUT = 0x004;
export const EPOLLERR = 0x008;
export const EPOLLHUP = 0x010;
export const EPOLLRDHUP = 0x2000;

const ADD = 1;
const DELETE = 2;
const MOST_EVENTS = 64;
// struct epoll_event is packed on x86-64 alone.
const EVENT_SIZE = process.arch === "x64" ? 12 : 16;
const DATA = process.arch === "x64" ? 4 : 8;

/** What epoll_wait(2) tells: of which descriptor, and EPOLL*. */
export interface Event {
  fd: number;
  events: number;
}

/** A set of descriptors that are waited for: epoll(7), level-triggered. */
export interface EventSet {
  add(fd: number, events: number): void;
  remove(fd: number): void;
  /**
   * Waits until something happens, or `timeout` milliseconds long (-1: for ever), and returns what did; at most 64 at
   * a time. The array is used anew by the next call.
   */
  wait(timeout: number): readonly Event[];
  readonly fd: number;
}

/** epoll_create1(2). */
export function createEventSet(): EventSet {
  const fd = check(libc.epoll_create1(CLOEXEC), "epoll_create1");
  const one = Buffer.alloc(EVENT_SIZE);
  const many = Buffer.alloc(EVENT_SIZE * MOST_EVENTS);
  const pool: Event[] = Array.from({ length: MOST_EVENTS }, () => ({ fd: 0, events: 0 }));
  return {
    fd,
    add(member, events) {
      one.writeUInt32LE(events, 0);
      one.writeInt32LE(member, DATA);
      check(libc.epoll_ctl(fd, ADD, member, one), "epoll_ctl");
    },
    remove(member) {
      check(libc.epoll_ctl(fd, DELETE, member, one), "epoll_ctl");
    },
    wait(timeout) {
      const count = libc.epoll_wait(fd, many, MOST_EVENTS, timeout);
      if (count < 0) {
        if (errno() === EINTR) return [];
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

const pollEntries = Buffer.alloc(16);

/**
 * poll(2) of two descriptors, for `timeout` milliseconds at most (-1: for ever). Returns what happened to each,
 * EPOLL* (the numbers are the same); both 0 where nothing did.
 */
export function pollTwo(a: Event, b: Event, timeout: number): [a: number, b: number] {
  pollEntries.writeInt32LE(a.fd, 0);
  pollEntries.writeUInt32LE(a.events, 4);
  pollEntries.writeInt32LE(b.fd, 8);
  pollEntries.writeUInt32LE(b.events, 12);
  const count = libc.poll(pollEntries, 2, timeout);
  if (count < 0 && errno() !== EINTR) check(count, "poll");
  return count <= 0 ? [0, 0] : [pollEntries.readUInt16LE(6), pollEntries.readUInt16LE(14)];
}

const SIG_BLOCK = 0;

/** The set of these signals, as bits: N - 1 for signal N. */
export function signalSet(signals: readonly number[]): bigint {
  return signals.reduce((set, signal) => set | (1n << BigInt(signal - 1)), 0n);
}

function encodeSignals(set: bigint): Buffer {
  // sigset_t of the C library: 1024 bits
  const bytes = Buffer.alloc(128);
  bytes.writeBigUInt64LE(set, 0);
  return bytes;
}

/**
 * Blocks signals in this thread, and in those that it starts from here on. A signal is held back from the process
 * only where every thread blocks it, so call this while there is one thread.
 */
export function blockSignals(set: bigint): void {
  check(libc.sigprocmask(SIG_BLOCK, encodeSignals(set), null), "sigprocmask");
}

/** signalfd(2): a descriptor that is readable when one of these blocked signals came. */
export function openSignals(set: bigint): number {
  return check(libc.signalfd(-1, encodeSignals(set), CLOEXEC | NONBLOCK), "signalfd");
}

const signalBuffer = Buffer.alloc(128 * 16);

/** The numbers of the signals that came. */
export function readSignals(fd: number): number[] {
  const count = readOrNothing(fd, signalBuffer);
  return Array.from({ length: count / 128 }, (_, i) => signalBuffer.readUInt32LE(i * 128));
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

/** What happened, to which watch, and to which name in it ("" where to the watched directory itself). */
export interface FileEvent {
  watch: number;
  mask: number;
  name: ByteString;
}

/** inotify_init1(2). Reading never waits. */
export function openInotify(): number {
  return check(libc.inotify_init1(CLOEXEC | NONBLOCK), "inotify_init1");
}

/** inotify_add_watch(2); returns the number of the watch, the same for the same directory. */
export function addWatch(inotify: number, path: ByteString, mask: number): number {
  return check(libc.inotify_add_watch(inotify, cArgument(path), mask), "inotify_add_watch", path);
}

/** inotify_rm_watch(2); nothing happens where the watch is gone already. */
export function removeWatch(inotify: number, watch: number): void {
  libc.inotify_rm_watch(inotify, watch);
}

const fileEvents = Buffer.alloc(16384);

/** All that came since the last call. */
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
