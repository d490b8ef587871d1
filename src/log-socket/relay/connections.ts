import type { Receiver } from "../../../ffi/datagrams.ts";
import { close } from "../../../ffi/files.ts";
import { accept, passCredentials } from "../../../ffi/sockets.ts";
import { type Inlet, type InletContext, isHolding, relayOrHold } from "./inlet.ts";

/** A connection to a stream socket, and what has come of a message. */
export interface Connection {
  readonly fd: number;
  readonly inlet: Inlet;
  /** What came and is not relayed: `used` bytes, all of them from one sender. */
  buffer: Buffer;
  used: number;
  /** How many of them were looked through for the end of a message, and have none. */
  scanned: number;
  pid: number;
  uid: number;
  /** The other end is closed. */
  over: boolean;
  /** When something came last (microseconds). */
  heardAt: number;
}

/** Connections of one socket at once. For one more, another is closed (connectionToClose). */
export const MOST_CONNECTIONS = 128;

/**
 * Which of the connections of a socket is to make room: of whoever has most of them (those that have sent nothing yet
 * count as one's), the one that was silent for longest. So nobody can keep the others of a jail from the log, whose
 * programs would wait in connect(2); syslog(3) connects anew when its connection is closed. Undefined where there is none.
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

/** Accepts a connection to a stream socket; undefined where there is none, or one is not to be had now. */
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
 * Where the message ends that begins at `start`: at a NUL, a newline, or the longest that a message may be; undefined: not
 * yet. It is looked for from `from` on: who sends byte by byte is not to have all of them looked through each time.
 */
function messageEnd({ buffer, used, over }: Connection, start: number, from: number): number | undefined {
  for (let i = from; i < used; i++) {
    if (buffer[i] === 0 || buffer[i] === NEWLINE || i - start === LONGEST_MESSAGE) return i;
  }
  return over && used > start ? used : undefined;
}

/**
 * Relays the messages that are complete, until a limit or the log daemon stops it. True where nothing is left that
 * could be relayed now.
 */
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
  // An idle connection is not to hold the room that one long message took.
  if (connection.used === 0 && buffer.length > 4096) connection.buffer = Buffer.alloc(0);
  return !stopped;
}

/** What one sender began and another goes on with is a message of its own: nobody speaks in the name of another. */
export function endUnfinished(context: InletContext, connection: Connection, now: number): void {
  const { inlet, buffer, used, pid, uid } = connection;
  if (used === 0) return;
  relayOrHold(context, inlet, buffer, 0, used, pid, uid, now);
  connection.used = 0;
  connection.scanned = 0;
}

/**
 * Reads what came, once, and relays what is complete. False where the connection is to be closed. To be called only
 * where everything that is complete was relayed: what is left is of one message.
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
