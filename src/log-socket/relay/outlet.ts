import { EAGAIN, EINTR, EMSGSIZE, ENOBUFS, ENOMEM } from "../../../ffi/constants.ts";
import { createSender } from "../../../ffi/datagrams.ts";
import { close } from "../../../ffi/files.ts";
import { errno } from "../../../ffi/libc.ts";
import { sendNow, unreceived } from "../../../ffi/sockets.ts";
import { createQueue } from "./queue.ts";

/** Called by the outlet. */
export interface OutletEvents {
  /** The connection to the log daemon is lost. */
  lost(): void;
  /** The daemon refuses a message because it is too long. */
  refused(owner: number, length: number): void;
}

// How much is kept while the log daemon is away.
const QUEUE_BYTES = 4 << 20;
const QUEUE_MESSAGES = 1 << 16;

const BATCH = 64;
const FIRST_SETTLE = 20_000;
const LAST_SETTLE = 5_000_000;
const NEVER = Number.POSITIVE_INFINITY;

/**
 * The way to the host's log daemon: a queue, and a connection or none. Its fields are for reading. Times are
 * microseconds.
 */
export class Outlet {
  readonly queue = createQueue(QUEUE_BYTES, QUEUE_MESSAGES);
  /** The connection, or -1. */
  fd = -1;
  isStream = false;
  /** Since when there is no connection; undefined while there is one. */
  awaySince: number | undefined;
  /** The daemon accepts nothing at the moment. */
  isBlocked = false;
  /** When `settle` is due, or Infinity. */
  settleAt = NEVER;

  private readonly sender = createSender(this.queue.bytes, BATCH);
  /** How many bytes of the first waiting message are already in the stream. */
  private begun = 0;
  private settlePause = FIRST_SETTLE;
  private settledMark = 0;
  /** How many messages the current `send` dropped. */
  private dropped = 0;

  constructor(
    private readonly events: OutletEvents,
    private readonly clock: () => number,
  ) {
    this.awaySince = clock();
  }

  /** Takes a new connection; what the old daemon may have left unread is sent again. */
  connect(fd: number, isStream: boolean): void {
    this.disconnect();
    this.fd = fd;
    this.awaySince = undefined;
    this.isStream = isStream;
  }

  /** The daemon is gone. */
  lose(): void {
    this.disconnect();
    this.awaySince ??= this.clock();
    this.events.lost();
  }

  private disconnect(): void {
    if (this.fd >= 0) close(this.fd);
    this.fd = -1;
    this.begun = 0;
    this.settledMark = 0;
    this.isBlocked = false;
    this.settleAt = NEVER;
    this.queue.rewind();
  }

  /** Sends waiting messages until the daemon accepts no more. */
  flush(now: number): void {
    this.isBlocked = false;
    while (this.fd >= 0 && this.queue.waiting() > 0 && this.send(now));
  }

  /** Sends some of the waiting messages; false if the daemon accepts no more, or is gone. */
  private send(now: number): boolean {
    const { queue } = this;
    const mark = queue.mark();
    const unread = unreceived(this.fd);
    this.dropped = 0;
    const more = this.isStream ? this.sendStream() : this.sendDatagrams();
    if (this.fd < 0 || queue.mark() === mark + this.dropped) return more;
    // A daemon that accepts a message now was alive all the time, so it has read what its socket did not hold a
    // moment ago. A daemon that is gone may have taken unread messages with it.
    queue.confirm(mark, unread);
    this.settlePause = FIRST_SETTLE;
    this.settleAt = now + this.settlePause;
    return more;
  }

  private sendDatagrams(): boolean {
    const { queue, sender } = this;
    const count = Math.min(queue.waiting(), BATCH);
    for (let i = 0; i < count; i++) sender.put(i, queue.offset(i), queue.length(i));
    const sent = sender.send(this.fd, count);
    if (sent < 0) return this.sendFailed(-sent);
    queue.sent(sent);
    return true;
  }

  /** In a stream a NUL ends each message. */
  private sendStream(): boolean {
    const { queue } = this;
    const whole = queue.length(0) + 1;
    const start = queue.offset(0) + this.begun;
    const sent = sendNow(this.fd, queue.bytes.subarray(start, start + whole - this.begun));
    if (sent < 0) return this.sendFailed(errno());
    this.begun += sent;
    if (this.begun < whole) return true;
    queue.sent(1);
    this.begun = 0;
    return true;
  }

  /** Handles an errno; true if sending goes on. */
  private sendFailed(number: number): boolean {
    if (number === EINTR) return true;
    if (number === EAGAIN || number === ENOBUFS || number === ENOMEM) {
      this.isBlocked = true;
      return false;
    }
    if (number === EMSGSIZE) {
      this.events.refused(this.queue.owner(0), this.queue.length(0));
      this.queue.sent(1);
      this.dropped++;
      return true;
    }
    this.lose();
    return false;
  }

  /** The daemon was alive after the `settle` that returned this number: what it had read by then is forgotten. */
  confirmed(question: number): void {
    if (this.fd >= 0 && question === this.settledMark) this.queue.confirm(this.settledMark, 0);
  }

  /** Checks whether the daemon has read everything. If so, returns a number with which to ask whether it is alive. */
  settle(now: number): number | undefined {
    this.settleAt = NEVER;
    if (this.fd < 0 || this.queue.unconfirmed() === 0) return undefined;
    this.settledMark = this.queue.mark();
    if (unreceived(this.fd) === 0) return this.settledMark;
    this.settlePause = Math.min(this.settlePause * 4, LAST_SETTLE);
    this.settleAt = now + this.settlePause;
    return undefined;
  }
}
