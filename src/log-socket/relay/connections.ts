import type { Receiver } from "../../../ffi/datagrams.ts";
import type { Inlet } from "./inlet.ts";

/** The most connections of one socket. For one more, another is closed (connectionToClose). */
export const MOST_CONNECTIONS = 128;

const LONGEST_MESSAGE = 1 << 16;
const NEWLINE = 0x0a;

/** A connection to a stream socket. */
export class Connection {
  /** The other end is closed. */
  over = false;
  /** The last sender; at first nobody. */
  uid = 0xffffffff;
  private pid = 0;
  /** What has arrived and is not relayed: `used` bytes, all from one sender. */
  private buffer = Buffer.alloc(0);
  used = 0;
  /** How many of them were searched for the end of a message, without a result. */
  scanned = 0;
  /** When something arrived last (microseconds). */
  heardAt: number;

  constructor(
    readonly fd: number,
    readonly inlet: Inlet,
  ) {
    this.heardAt = inlet.context.now;
  }

  /**
   * Reads once, and relays what is complete. False if the connection must be closed. Call it only when every complete
   * message was relayed, so that what is left is part of one message.
   */
  read(receiver: Receiver): boolean {
    const count = receiver.receive(this.fd, 1);
    if (count === 0) return true;
    const length = count < 0 ? 0 : receiver.length(0);
    if (length === 0) {
      this.over = true;
      return !this.relayBuffered();
    }
    const [pid, uid] = [receiver.pid(0), receiver.uid(0)];
    if (uid !== this.uid || pid !== this.pid) this.endUnfinished();
    this.pid = pid;
    this.uid = uid;
    this.heardAt = this.inlet.context.now;
    this.append(receiver.bytes.subarray(0, length));
    this.relayBuffered();
    return true;
  }

  /** Relays complete messages, until a limit or the log daemon stops it. True if no complete message is left. */
  relayBuffered(): boolean {
    const { inlet, buffer } = this;
    let start = 0;
    let from = this.scanned;
    let stopped = false;
    for (;;) {
      const end = this.messageEnd(start, from);
      if (end === undefined) break;
      stopped = inlet.isHolding;
      if (stopped) break;
      this.relay(start, end);
      start = end < this.used && end - start < LONGEST_MESSAGE ? end + 1 : end;
      from = start;
    }
    if (start > 0) buffer.copyWithin(0, start, this.used);
    this.used -= start;
    this.scanned = stopped ? 0 : this.used;
    // An idle connection must not keep the memory that one long message took.
    if (this.used === 0 && buffer.length > 4096) this.buffer = Buffer.alloc(0);
    return !stopped;
  }

  /** Ends a message that another sender would continue: nobody speaks in the name of another. */
  endUnfinished(): void {
    if (this.used === 0) return;
    this.relay(0, this.used);
    this.used = 0;
    this.scanned = 0;
  }

  private relay(start: number, end: number): void {
    this.inlet.relayOrHold({ bytes: this.buffer, start, end, pid: this.pid, uid: this.uid });
  }

  private append(bytes: Uint8Array): void {
    const needed = this.used + bytes.length;
    if (needed > this.buffer.length) {
      const larger = Buffer.alloc(Math.max(1024, 2 ** Math.ceil(Math.log2(needed))));
      larger.set(this.buffer.subarray(0, this.used));
      this.buffer = larger;
    }
    this.buffer.set(bytes, this.used);
    this.used = needed;
  }

  /**
   * The end of the message that begins at `start`: a NUL, a newline, or its greatest length; undefined if it is not
   * complete. The search begins at `from`, so that a sender of single bytes does not make every byte be read again.
   */
  private messageEnd(start: number, from: number): number | undefined {
    const { buffer, used } = this;
    for (let i = from; i < used; i++) {
      if (buffer[i] === 0 || buffer[i] === NEWLINE || i - start === LONGEST_MESSAGE) return i;
    }
    return this.over && used > start ? used : undefined;
  }
}

/**
 * The connection of a socket that must make room: of the user with the most connections, the one that was silent for
 * longest. Connections that have sent nothing yet count as those of one user. So nobody can keep the other users of a
 * jail from the log; syslog(3) connects again when its connection is closed. Undefined if there is none.
 */
export function connectionToClose(connections: readonly Connection[]): Connection | undefined {
  const counts = new Map<number, number>();
  for (const { uid } of connections) counts.set(uid, (counts.get(uid) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  const candidates = connections.filter(({ uid }) => counts.get(uid) === most);
  return candidates.sort((a, b) => a.heardAt - b.heardAt)[0];
}
