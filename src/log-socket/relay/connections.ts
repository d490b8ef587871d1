import type { Receiver } from "../../../ffi/datagrams.ts";
import { close } from "../../../ffi/files.ts";
import { accept, passCredentials } from "../../../ffi/sockets.ts";
import { type Inlet, type InletContext, isHolding, relayOrHold } from "./inlet.ts";

/** A connection to a stream socket, and what has arrived of a message. */
export interface Connection {
  readonly fd: number;
  readonly inlet: Inlet;
  /** What has arrived and is not relayed: `used` bytes, all from one sender. */
  buffer: Buffer;
  used: number;
  /** How many of them were searched for the end of a message, without a result. */
  scanned: number;
  pid: number;
  uid: number;
  /** The other end is closed. */
  over: boolean;
  /** When something arrived last (microseconds). */
  heardAt: number;
}

/** The most connections of one socket. For one more, another is closed (connectionToClose). */
export const MOST_CONNECTIONS = 128;

/**
 * The connection of a socket that must make room: of the user with the most connections, the one that was silent for
 * longest. Connections that have sent nothing yet count as those of one user. So nobody can keep the other users of a
 * jail from the log; syslog(3) connects again when its connection is closed. Undefined if there is none.
 */
export function connectionToClose(connections: readonly Connection[]): Connection | undefined {
  const counts = new Map<number, number>();
  for (const { uid } of connections) counts.set(uid, (counts.get(uid) ?? 0) + 1);
  const most = Math.max(0, ...counts.values());
  let found: Connection | undefined;
  for (const one of connections) {
    if (counts.get(one.uid) === most && one.heardAt < (found?.heardAt ?? Number.POSITIVE_INFINITY))
      found = one;
  }
  return found;
}

const LONGEST_MESSAGE = 1 << 16;
const NEWLINE = 0x0a;

/** Accepts a connection to a stream socket; undefined if there is none, or no descriptor is free. */
export function acceptConnection(inlet: Inlet, now: number): Connection | undefined {
  const fd = accept(inlet.fd);
  if (fd === undefined) return undefined;
  passCredentials(fd);
  inlet.counters.connections++;
  return {
    fd,
    inlet,
    buffer: Buffer.alloc(0),
    used: 0,
    scanned: 0,
    pid: 0,
    uid: 0xffffffff,
    over: false,
    heardAt: now,
  };
}

/** Closes a connection; what is left in it is lost. */
export function closeConnection(connection: Connection): void {
  close(connection.fd);
  connection.inlet.counters.connections--;
}

function append(connection: Connection, bytes: Uint8Array): void {
  const needed = connection.used + bytes.length;
  if (needed > connection.buffer.length) {
    const larger = Buffer.alloc(Math.max(1024, 2 ** Math.ceil(Math.log2(needed))));
    larger.set(connection.buffer.subarray(0, connection.used));
    connection.buffer = larger;
  }
  connection.buffer.set(bytes, connection.used);
  connection.used = needed;
}

/**
 * Where the message that begins at `start` ends: at a NUL, at a newline, or at its greatest length; undefined if it is
 * not complete. The search begins at `from`, so that a sender of single bytes does not make every byte be read again.
 */
function messageEnd({ buffer, used, over }: Connection, start: number, from: number): number | undefined {
  for (let i = from; i < used; i++) {
    if (buffer[i] === 0 || buffer[i] === NEWLINE || i - start === LONGEST_MESSAGE) return i;
  }
  return over && used > start ? used : undefined;
}

/** Relays complete messages, until a limit or the log daemon stops it. True if no complete message is left. */
export function relayBuffered(context: InletContext, connection: Connection, now: number): boolean {
  const { inlet, pid, uid, buffer } = connection;
  let start = 0;
  let from = connection.scanned;
  let stopped = false;
  for (;;) {
    const end = messageEnd(connection, start, from);
    if (end === undefined) break;
    stopped = isHolding(inlet);
    if (stopped) break;
    relayOrHold(context, inlet, buffer, start, end, pid, uid, now);
    start = end < connection.used && end - start < LONGEST_MESSAGE ? end + 1 : end;
    from = start;
  }
  if (start > 0) buffer.copyWithin(0, start, connection.used);
  connection.used -= start;
  connection.scanned = stopped ? 0 : connection.used;
  // An idle connection must not keep the memory that one long message took.
  if (connection.used === 0 && buffer.length > 4096) connection.buffer = Buffer.alloc(0);
  return !stopped;
}

/** Ends a message that another sender would continue: nobody speaks in the name of another. */
export function endUnfinished(context: InletContext, connection: Connection, now: number): void {
  const { inlet, buffer, used, pid, uid } = connection;
  if (used === 0) return;
  relayOrHold(context, inlet, buffer, 0, used, pid, uid, now);
  connection.used = 0;
  connection.scanned = 0;
}

/**
 * Reads once, and relays what is complete. False if the connection must be closed. Call it only when every complete
 * message was relayed, so that what is left is part of one message.
 */
export function readConnection(
  context: InletContext,
  connection: Connection,
  receiver: Receiver,
  now: number,
): boolean {
  const count = receiver.receive(connection.fd, 1);
  if (count === 0) return true;
  const length = count < 0 ? 0 : receiver.length(0);
  if (length === 0) {
    connection.over = true;
    return !relayBuffered(context, connection, now);
  }
  const [pid, uid] = [receiver.pid(0), receiver.uid(0)];
  if (uid !== connection.uid || pid !== connection.pid) endUnfinished(context, connection, now);
  connection.pid = pid;
  connection.uid = uid;
  connection.heardAt = now;
  append(connection, receiver.bytes.subarray(0, length));
  relayBuffered(context, connection, now);
  return true;
}
