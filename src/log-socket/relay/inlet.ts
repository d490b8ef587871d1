import type { Receiver } from "../../../ffi/datagrams.ts";
import type { Counters, SocketSettings } from "../protocol.ts";
import { countMessage, type LimitState, type PauseReason, resume, startLimits } from "./limits.ts";
import { copyMessage, LONGEST_ADDITION, markOf, rewriteMessage } from "./message.ts";
import type { Outlet } from "./outlet.ts";

/** A message that was read and has to wait, with its sender. */
interface Held {
  bytes: Uint8Array;
  pid: number;
  uid: number;
}

/** A log socket in a jail, as the relay serves it. */
export interface Inlet {
  readonly id: number;
  readonly fd: number;
  settings: SocketSettings;
  limits: LimitState;
  readonly counters: Counters;
  /** Nothing is relayed before this time (microseconds). */
  pausedUntil: number | undefined;
  held: Held[];
  /** Bytes kept since the log daemon went away. */
  stored: number;
  /** Messages and bytes dropped since the last warning, and when the next one is due. */
  unreported: { messages: number; bytes: number; reportAt: number } | undefined;
  /** The mark of each uid (markOf). */
  readonly marks: Map<number, Uint8Array>;
}

/** What an inlet needs of the relay. */
export interface InletContext {
  readonly outlet: Pick<Outlet, "queue" | "isStream" | "awaySince">;
  readonly hostName: Uint8Array;
  /** Inlets with dropped messages that no warning has reported yet. */
  readonly unreported: Set<Inlet>;
  /** An inlet went over a limit. */
  paused(inlet: Inlet, reason: PauseReason): void;
  /** The first connection was made, or the first after there was none. */
  connected(): void;
}

// One jail must not fill all of the memory while the log daemon is away.
const LARGEST_SHARE = 1 << 20;
const MOST_MARKS = 256;
/** How long senders wait for a log daemon that is away, once there is no room. Then messages are dropped. */
export const DROP_AFTER = 5_000_000;

/** Creates an inlet for a new socket. */
export function createInlet(id: number, fd: number, settings: SocketSettings, now: number): Inlet {
  return {
    id,
    fd,
    settings,
    limits: startLimits(now),
    counters: {
      messages: 0,
      bytes: 0,
      pauses: 0,
      dropped: 0,
      droppedBytes: 0,
      cut: 0,
      connections: 0,
      paused: false,
    },
    pausedUntil: undefined,
    held: [],
    stored: 0,
    unreported: undefined,
    marks: new Map(),
  };
}

/** Counts a message that will not reach the log. */
export function countDropped(context: InletContext, inlet: Inlet, bytes: number, now: number): void {
  inlet.counters.dropped++;
  inlet.counters.droppedBytes += bytes;
  inlet.unreported ??= { messages: 0, bytes: 0, reportAt: now + inlet.settings.interval };
  inlet.unreported.messages++;
  inlet.unreported.bytes += bytes;
  context.unreported.add(inlet);
}

function markFor(inlet: Inlet, uid: number): Uint8Array {
  const cached = inlet.marks.get(uid);
  if (cached !== undefined) return cached;
  // A jail has few users; someone who can use many uids must not fill the memory.
  if (inlet.marks.size >= MOST_MARKS) inlet.marks.clear();
  const mark = markOf(inlet.settings.jail, uid);
  inlet.marks.set(uid, mark);
  return mark;
}

/** Writes a message into the queue. Returns the number of bytes, 0 for a message without content, -1 without room. */
function enqueue(
  context: InletContext,
  inlet: Inlet,
  from: Uint8Array,
  start: number,
  end: number,
  pid: number,
  uid: number,
): number {
  const { queue } = context.outlet;
  const verbatim = inlet.settings.trust === "sender";
  const mark = verbatim ? undefined : markFor(inlet, uid);
  const most =
    mark === undefined
      ? 4 * (end - start)
      : 4 * (end - start) + 2 * mark.length + context.hostName.length + LONGEST_ADDITION;
  const offset = queue.reserve(most);
  if (offset < 0) return -1;
  let stop: number;
  if (mark === undefined) {
    stop = copyMessage(from, start, end, queue.bytes, offset, context.outlet.isStream);
  } else {
    const sender = { pid, mark, hostName: context.hostName };
    stop = rewriteMessage(from, start, end, queue.bytes, offset, sender);
  }
  if (stop > offset) queue.commit(stop - offset, inlet.id);
  return stop - offset;
}

/**
 * Relays one message and counts it. False if there is no room and the message must wait. If the log daemon is away for
 * longer than a restart takes, the message is dropped instead.
 */
export function relayMessage(
  context: InletContext,
  inlet: Inlet,
  from: Uint8Array,
  start: number,
  end: number,
  pid: number,
  uid: number,
  now: number,
): boolean {
  const length = end - start;
  const { awaySince } = context.outlet;
  const away = awaySince !== undefined;
  const written =
    away && inlet.stored > LARGEST_SHARE ? -1 : enqueue(context, inlet, from, start, end, pid, uid);
  if (written < 0 && (!away || now - awaySince < DROP_AFTER)) return false;
  const { counters } = inlet;
  counters.messages++;
  counters.bytes += length;
  if (written < 0) countDropped(context, inlet, length, now);
  else if (away) inlet.stored += written;
  // An empty message keeps the relay as busy as a message of one byte.
  const pause = countMessage(inlet.limits, inlet.settings, Math.max(1, length), now);
  if (pause !== undefined) {
    counters.pauses++;
    if (pause.until > now) inlet.pausedUntil = pause.until;
    else resume(inlet.limits, now);
    context.paused(inlet, pause.reason);
  }
  return true;
}

/** Whether nothing more may be read at the moment. */
export function isHolding(inlet: Inlet): boolean {
  return inlet.pausedUntil !== undefined || inlet.held.length > 0;
}

/** Relays one message, or keeps a copy with its sender until it can be relayed. */
export function relayOrHold(
  context: InletContext,
  inlet: Inlet,
  from: Uint8Array,
  start: number,
  end: number,
  pid: number,
  uid: number,
  now: number,
): void {
  if (!isHolding(inlet) && relayMessage(context, inlet, from, start, end, pid, uid, now)) return;
  inlet.held.push({ bytes: Uint8Array.from(from.subarray(start, end)), pid, uid });
}

/** Relays what was held back, until a limit or the log daemon stops it. True if nothing is left. */
export function relayHeld(context: InletContext, inlet: Inlet, now: number): boolean {
  if (inlet.held.length === 0) return inlet.pausedUntil === undefined;
  const waiting = inlet.held;
  inlet.held = [];
  for (const message of waiting) {
    const { bytes, pid, uid } = message;
    if (isHolding(inlet) || !relayMessage(context, inlet, bytes, 0, bytes.length, pid, uid, now)) {
      inlet.held.push(message);
    }
  }
  return !isHolding(inlet);
}

/** Reads datagrams and relays them. Returns the number of datagrams, or -errno. */
export function readDatagrams(context: InletContext, inlet: Inlet, receiver: Receiver, now: number): number {
  const count = receiver.receive(inlet.fd, receiver.count);
  for (let i = 0; i < count; i++) {
    const start = i * receiver.size;
    const end = start + receiver.length(i);
    const pid = receiver.pid(i);
    const uid = receiver.uid(i);
    if (receiver.isCut(i)) inlet.counters.cut++;
    relayOrHold(context, inlet, receiver.bytes, start, end, pid, uid, now);
  }
  return count;
}
