import type { Receiver } from "../../../ffi/datagrams.ts";
import { type Counters, NO_COUNTERS, type SocketSettings } from "../protocol.ts";
import { type PauseReason, Rate } from "./limits.ts";
import { copyMessage, LONGEST_ADDITION, type Mark, type Message, markOf, rewriteMessage } from "./message.ts";
import type { Outlet } from "./outlet.ts";

/** What all inlets share. Times are microseconds. */
export interface InletContext {
  readonly outlet: Pick<Outlet, "queue" | "isStream" | "awaySince">;
  readonly hostName: Uint8Array;
  /** The time at which the relay began what it does now. */
  now: number;
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

/** A log socket in a jail, as the relay serves it. */
export class Inlet {
  readonly counters: Counters = { ...NO_COUNTERS };
  /** Nothing is relayed before this time. */
  pausedUntil: number | undefined;
  /** Messages that were read and must wait. */
  held: Message[] = [];
  /** Bytes kept since the log daemon went away. */
  stored = 0;
  /** Messages and bytes dropped since the last warning, and when the next one is due. */
  unreported: { messages: number; bytes: number; reportAt: number } | undefined;
  private readonly rate: Rate;
  private readonly marks = new Map<number, Mark>();

  constructor(
    readonly context: InletContext,
    readonly id: number,
    readonly fd: number,
    public settings: SocketSettings,
  ) {
    this.rate = new Rate(context.now);
  }

  change(settings: SocketSettings): void {
    this.settings = settings;
    this.marks.clear();
  }

  /** Whether nothing more may be read at the moment. */
  get isHolding(): boolean {
    return this.pausedUntil !== undefined || this.held.length > 0;
  }

  /** Ends a pause. */
  resume(): void {
    this.pausedUntil = undefined;
    this.rate.restart(this.context.now);
  }

  /** Counts a message that will not reach the log. */
  countDropped(bytes: number): void {
    const { counters, context } = this;
    counters.dropped++;
    counters.droppedBytes += bytes;
    this.unreported ??= { messages: 0, bytes: 0, reportAt: context.now + this.settings.interval };
    this.unreported.messages++;
    this.unreported.bytes += bytes;
    context.unreported.add(this);
  }

  /** Relays one message, or keeps a copy with its sender until it can be relayed. */
  relayOrHold(message: Message): void {
    if (!this.isHolding && this.relay(message)) return;
    const { bytes, start, end, pid, uid } = message;
    this.held.push({
      bytes: Uint8Array.from(bytes.subarray(start, end)),
      start: 0,
      end: end - start,
      pid,
      uid,
    });
  }

  /** Relays what was held back, until a limit or the log daemon stops it. True if nothing is left. */
  relayHeld(): boolean {
    const waiting = this.held;
    this.held = [];
    for (const message of waiting) if (this.isHolding || !this.relay(message)) this.held.push(message);
    return !this.isHolding;
  }

  /** Reads datagrams and relays them. Returns the number of datagrams, or -errno. */
  readDatagrams(receiver: Receiver): number {
    const { bytes, size } = receiver;
    const count = receiver.receive(this.fd, receiver.count);
    for (let i = 0; i < count; i++) {
      const start = i * size;
      if (receiver.isCut(i)) this.counters.cut++;
      const end = start + receiver.length(i);
      this.relayOrHold({ bytes, start, end, pid: receiver.pid(i), uid: receiver.uid(i) });
    }
    return count;
  }

  private markOf(uid: number): Mark {
    const { marks } = this;
    const cached = marks.get(uid);
    if (cached !== undefined) return cached;
    // A jail has few users; someone who can use many uids must not fill the memory.
    if (marks.size >= MOST_MARKS) marks.clear();
    const mark = markOf(this.settings.jail, uid);
    marks.set(uid, mark);
    return mark;
  }

  /** Writes a message into the queue. Returns the number of bytes, 0 for a message without content, -1 without room. */
  private enqueue(message: Message): number {
    const { queue, isStream } = this.context.outlet;
    const { hostName } = this.context;
    const verbatim = this.settings.trust === "sender";
    const mark = verbatim ? undefined : this.markOf(message.uid);
    const added = mark === undefined ? 0 : 2 * mark.text.length + hostName.length + LONGEST_ADDITION;
    const offset = queue.reserve(4 * (message.end - message.start) + added);
    if (offset < 0) return -1;
    const stop =
      mark === undefined
        ? copyMessage(message, queue.bytes, offset, isStream)
        : rewriteMessage(message, queue.bytes, offset, mark, hostName);
    if (stop > offset) queue.commit(stop - offset, this.id);
    return stop - offset;
  }

  /**
   * Relays one message and counts it. False if there is no room and the message must wait. If the log daemon is away for
   * longer than a restart takes, the message is dropped instead.
   */
  private relay(message: Message): boolean {
    const { counters, context } = this;
    const { now } = context;
    const { awaySince } = context.outlet;
    const away = awaySince !== undefined;
    const length = message.end - message.start;
    const written = away && this.stored > LARGEST_SHARE ? -1 : this.enqueue(message);
    if (written < 0 && (!away || now - awaySince < DROP_AFTER)) return false;
    counters.messages++;
    counters.bytes += length;
    if (written < 0) this.countDropped(length);
    else if (away) this.stored += written;
    // An empty message keeps the relay as busy as a message of one byte.
    const pause = this.rate.count(this.settings, Math.max(1, length), now);
    if (pause === undefined) return true;
    counters.pauses++;
    if (pause.until > now) this.pausedUntil = pause.until;
    else this.rate.restart(now);
    context.paused(this, pause.reason);
    return true;
  }
}
