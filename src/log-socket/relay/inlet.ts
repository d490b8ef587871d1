import type { Receiver } from "../../../ffi/datagrams.ts";
import type { Counters, SocketSettings } from "../protocol.ts";
import { countMessage, type LimitState, resume, startLimits } from "./limits.ts";
import { copyMessage, LONGEST_ADDITION, markOf, rewriteMessage } from "./message.ts";
import type { Outlet } from "./outlet.ts";

/** A message that was read and has to wait, with who sent it. */
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
  /** Bytes that were kept since the log daemon went away. */
  stored: number;
  /** Messages and bytes that were dropped since that was last told, and when it is to be told. */
  untold: { messages: number; bytes: number; at: number } | undefined;
  readonly marks: Map<number, Uint8Array>;
}

/** What an inlet needs of the relay. */
export interface InletContext {
  readonly outlet: Outlet;
  readonly hostName: Uint8Array;
  /** Those with messages that were dropped since that was last told. */
  readonly untold: Set<Inlet>;
  /** An inlet went over a limit: `pausedUntil` is set. */
  paused(inlet: Inlet, reason: "peak" | "base-after-peak", now: number): void;
  /** There is a connection, after there was none. */
  connected(): void;
}

// One jail is not to fill all of the memory while the log daemon is away.
const LARGEST_SHARE = 1 << 20;
const MOST_MARKS = 256;
/** How long senders wait for a log daemon that is away, once there is no room; after that messages are dropped. */
export const PATIENCE = 5_000_000;

/** Makes an inlet for a socket that just came. */
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
    untold: undefined,
    marks: new Map(),
  };
}

/** Counts a message that will not reach the log. */
export function countDropped(context: InletContext, inlet: Inlet, bytes: number, now: number): void {
  inlet.counters.dropped++;
  inlet.counters.droppedBytes += bytes;
  inlet.untold ??= { messages: 0, bytes: 0, at: now + inlet.settings.interval };
  inlet.untold.messages++;
  inlet.untold.bytes += bytes;
  context.untold.add(inlet);
}

function markFor(inlet: Inlet, uid: number): Uint8Array {
  const known = inlet.marks.get(uid);
  if (known !== undefined) return known;
  // Users of a jail are few; somebody who can take many uids is not to fill the memory.
  if (inlet.marks.size >= MOST_MARKS) inlet.marks.clear();
  const mark = markOf(inlet.settings.jail, uid);
  inlet.marks.set(uid, mark);
  return mark;
}

/** Writes a message into the queue; the number of bytes, 0 where nothing is to be relayed, or -1 without room. */
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
    stop = copyMessage(from, start, end, queue.bytes, offset, context.outlet.isStream());
  } else {
    const sender = { pid, mark, hostName: context.hostName };
    stop = rewriteMessage(from, start, end, queue.bytes, offset, sender);
  }
  if (stop > offset) queue.commit(stop - offset, inlet.id);
  return stop - offset;
}

/**
 * Relays one message and counts it. False where there is no room: the message is to be held back. Where the log
 * daemon is away for longer than a restart takes, it is dropped then.
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
  const since = context.outlet.awaySince();
  const away = since !== undefined;
  const written =
    away && inlet.stored > LARGEST_SHARE ? -1 : enqueue(context, inlet, from, start, end, pid, uid);
  if (written < 0 && (!away || now - since < PATIENCE)) return false;
  const { counters } = inlet;
  counters.messages++;
  counters.bytes += length;
  if (written < 0) countDropped(context, inlet, length, now);
  else if (away) inlet.stored += written;
  // One that is empty keeps the relay as busy as one of a byte.
  const verdict = countMessage(inlet.limits, inlet.settings, Math.max(1, length), now);
  if (verdict !== undefined) {
    counters.pauses++;
    if (verdict.until > now) inlet.pausedUntil = verdict.until;
    else resume(inlet.limits, now);
    context.paused(inlet, verdict.reason, now);
  }
  return true;
}

/** Whether nothing more is to be read just now. */
export function isHolding(inlet: Inlet): boolean {
  return inlet.pausedUntil !== undefined || inlet.held.length > 0;
}

/** Relays one message; where it cannot be yet, a copy is kept, with who sent it, until it can. */
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

/** Relays what was held back, until a limit or the log daemon stops it; true where nothing is left of it. */
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

/** Reads datagrams that came, and relays them. Returns how many there were, or -errno. */
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
