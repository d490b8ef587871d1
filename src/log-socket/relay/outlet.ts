import { EAGAIN, EINTR, EMSGSIZE, ENOBUFS, ENOMEM } from "../../../ffi/constants.ts";
import { createSender } from "../../../ffi/datagrams.ts";
import { close } from "../../../ffi/files.ts";
import { errno, libc } from "../../../ffi/libc.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL, unreceived } from "../../../ffi/sockets.ts";
import { createQueue, type Queue } from "./queue.ts";

/** The way to the host's log daemon: a queue, and a connection or none. */
export interface Outlet {
  readonly queue: Queue;
  /** The connection, or -1. */
  fd(): number;
  isStream(): boolean;
  /** Since when there is no connection (microseconds); undefined while there is one. */
  awaySince(): number | undefined;
  /** Whether the daemon takes nothing just now. */
  isBlocked(): boolean;
  /** Takes a new connection; what the old daemon may have left unread is sent again. */
  connect(fd: number, stream: boolean): void;
  /** The daemon was found to be gone. */
  lose(): void;
  /** Sends what waits, as far as the daemon takes it. */
  flush(now: number): void;
  /** The daemon proved to live after the `settle` that gave this number: what it had read by then is forgotten. */
  confirmed(question: number): void;
  /** When `settle` is to be called (microseconds), or Infinity. */
  settleAt(): number;
  /** Looks whether the daemon has read everything; where it seems so, a number to ask with whether it lives. */
  settle(now: number): number | undefined;
}

/** What happened to a message or to the connection. */
export interface OutletEvents {
  lost(): void;
  /** The daemon refuses this message, being too long for it. */
  refused(owner: number, length: number): void;
}

/** Bytes that are kept while the log daemon is away, and how many messages. */
export const QUEUE_BYTES = 4 << 20;
const QUEUE_MESSAGES = 1 << 16;

const BATCH = 64;
const FIRST_SETTLE = 20_000;
const LAST_SETTLE = 5_000_000;

/** Makes an outlet without a connection. `clock` tells microseconds. */
export function createOutlet(events: OutletEvents, clock: () => number): Outlet {
  const queue = createQueue(QUEUE_BYTES, QUEUE_MESSAGES);
  const sender = createSender(queue.bytes, BATCH);
  let fd = -1;
  let awaySince: number | undefined = clock();
  let stream = false;
  let blocked = false;
  // Of the first message that waits, how much went into a stream.
  let begun = 0;
  let settleAt = Number.POSITIVE_INFINITY;
  let settlePause = FIRST_SETTLE;
  let settledMark = 0;
  // Of those that the last flush took away, how many went nowhere.
  let tooLong = 0;

  function disconnect(): void {
    if (fd >= 0) close(fd);
    fd = -1;
    begun = 0;
    settledMark = 0;
    blocked = false;
    settleAt = Number.POSITIVE_INFINITY;
    queue.rewind();
  }

  function drop(): void {
    events.refused(queue.owner(0), queue.length(0));
    queue.sent(1);
    tooLong++;
  }

  /** What to do after a failed call: true to go on. */
  function failed(number: number): boolean {
    if (number === EINTR) return true;
    if (number === EAGAIN || number === ENOBUFS || number === ENOMEM) {
      blocked = true;
      return false;
    }
    if (number === EMSGSIZE) {
      drop();
      return true;
    }
    lose();
    return false;
  }

  function lose(): void {
    disconnect();
    awaySince ??= clock();
    events.lost();
  }

  function sendDatagrams(): boolean {
    const count = Math.min(queue.waiting(), BATCH);
    for (let i = 0; i < count; i++) sender.put(i, queue.offset(i), queue.length(i));
    const sent = sender.send(fd, count);
    if (sent < 0) return failed(-sent);
    queue.sent(sent);
    return true;
  }

  /** In a stream a NUL ends each message. */
  function sendStream(): boolean {
    const whole = queue.length(0) + 1;
    const start = queue.offset(0) + begun;
    const bytes = queue.bytes.subarray(start, start + whole - begun);
    const sent = libc.send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return failed(errno());
    begun += sent;
    if (begun < whole) return true;
    queue.sent(1);
    begun = 0;
    return true;
  }

  /** Sends some of what waits; false where the daemon takes no more, or is gone. */
  function send(now: number): boolean {
    const mark = queue.mark();
    const unread = unreceived(fd);
    tooLong = 0;
    const more = stream ? sendStream() : sendDatagrams();
    if (fd < 0 || queue.mark() === mark + tooLong) return more;
    // A daemon that takes a message now was there all the time: what it did not hold a moment ago, it has read. Of
    // one that is gone that cannot be said, for what it held is gone with it.
    queue.confirm(mark, unread);
    settlePause = FIRST_SETTLE;
    settleAt = now + settlePause;
    return more;
  }

  return {
    queue,
    fd: () => fd,
    isStream: () => stream,
    awaySince: () => awaySince,
    isBlocked: () => blocked,
    connect(connection, isStream) {
      disconnect();
      fd = connection;
      awaySince = undefined;
      stream = isStream;
    },
    lose,
    flush(now) {
      blocked = false;
      while (fd >= 0 && queue.waiting() > 0 && send(now));
    },
    confirmed(question) {
      if (fd >= 0 && question === settledMark) queue.confirm(settledMark, 0);
    },
    settleAt: () => settleAt,
    settle(now) {
      settleAt = Number.POSITIVE_INFINITY;
      if (fd < 0 || queue.unconfirmed() === 0) return undefined;
      settledMark = queue.mark();
      if (unreceived(fd) === 0) return settledMark;
      settlePause = Math.min(settlePause * 4, LAST_SETTLE);
      settleAt = now + settlePause;
      return undefined;
    },
  };
}
