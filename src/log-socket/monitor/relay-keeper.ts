import type { ByteString } from "../../../ffi/bytes.ts";
import { SIGSYS } from "../../../ffi/constants.ts";
import { createEventSet, EPOLLIN, type EventSet } from "../../../ffi/events.ts";
import { close } from "../../../ffi/files.ts";
import { waitFor } from "../../../ffi/spawn.ts";
import { describeError } from "../../cli/error.ts";
import type { Command } from "../protocol.ts";
import { ANSWER_WITHIN, createHeartbeat, type Heartbeat, noteEnd, type Restarts } from "./heartbeat.ts";
import {
  openRelay,
  type RelayEvents,
  type RelayLink,
  type RelayOptions,
  type RelayStatus,
} from "./relay-link.ts";

interface KeeperOptions extends RelayOptions {
  /** What the monitor waits for. */
  set: EventSet;
  /** The descriptors of the served sockets. */
  sockets(): Iterable<number>;
  events: Omit<RelayEvents, "pong" | "connected">;
  /** A new relay has started: send it everything. */
  started(): void;
  /** Logs why the relay is replaced. */
  log(text: ByteString): void;
}

const RETRY = 1000;
const NEVER = Number.POSITIVE_INFINITY;
const clock = () => Bun.nanoseconds() / 1e6;

/** Keeps one relay running: a relay that ends, is stopped, or does not answer is replaced. Times are milliseconds. */
export class RelayKeeper {
  private relay: RelayLink | undefined;
  private startAt = NEVER;
  /** Why the monitor killed the relay. */
  private killReason: ByteString | undefined;
  /** Ended relays whose status a debugger keeps. */
  private readonly unreaped = new Set<number>();
  private readonly restarts: Restarts = { startedAt: Number.NEGATIVE_INFINITY, times: 0 };
  /** The sockets, while the arrival of a message matters. Closing this set of its own unwatches all at once. */
  private watched: EventSet | undefined;
  private readonly heartbeat: Heartbeat;

  constructor(private readonly options: KeeperOptions) {
    this.heartbeat = createHeartbeat({
      watch: () => this.watch(),
      unwatch: () => this.unwatch(),
      ask: (question) => this.command({ is: "ping", question }),
    });
  }

  /** Starts a relay. Throws JailkitError, SystemError. */
  start(): void {
    const { options, heartbeat } = this;
    this.restarts.startedAt = clock();
    this.relay = openRelay(options, {
      ...options.events,
      pong: (question, connections) => heartbeat.answered(question, connections, clock()),
      connected: () => heartbeat.connected(clock()),
    });
    this.killReason = undefined;
    options.set.add(this.relay.control, EPOLLIN);
    options.started();
    heartbeat.restart();
  }

  command(command: Command, descriptor?: number): void {
    this.relay?.command(command, descriptor);
  }

  status(): RelayStatus | undefined {
    const answer = this.relay?.status();
    if (answer === undefined && this.relay !== undefined) this.heartbeat.work(clock());
    return answer;
  }

  /** Other sockets are served than before. */
  socketsChanged(): void {
    if (this.relay !== undefined) this.heartbeat.restart();
  }

  /** A child has ended, or was stopped. */
  childChanged(): void {
    if (this.relay?.isStopped()) this.replace("was stopped by a signal");
    for (const pid of this.unreaped) if (waitFor(pid, true) !== undefined) this.unreaped.delete(pid);
  }

  /** Handles those of the ready descriptors that are the keeper's. */
  handle(fds: readonly number[]): void {
    if (this.watched !== undefined && fds.includes(this.watched.fd)) this.heartbeat.work(clock());
    if (this.relay !== undefined && fds.includes(this.relay.control)) this.handleReports();
  }

  /** Does what is due. Returns when something is due again, or Infinity. */
  doWhatIsDue(now: number): number {
    const { heartbeat } = this;
    if (this.startAt <= now) this.restart();
    if (heartbeat.isOverdue(now)) {
      // The monitor itself may have been delayed, and the answer may have arrived.
      this.handleReports();
      if (heartbeat.isOverdue(now)) {
        this.replace(`did not answer for ${ANSWER_WITHIN / 1000} seconds`);
        heartbeat.stop();
      }
    }
    heartbeat.ask(now);
    return Math.min(this.startAt, heartbeat.next());
  }

  /** Lets the relay relay what waits, and end. */
  finish(): void {
    this.heartbeat.stop();
    this.relay?.finish();
  }

  private watch(): void {
    this.watched = createEventSet();
    for (const socket of this.options.sockets()) this.watched.add(socket, EPOLLIN);
    this.options.set.add(this.watched.fd, EPOLLIN);
  }

  private unwatch(): void {
    if (this.watched === undefined) return;
    this.options.set.remove(this.watched.fd);
    close(this.watched.fd);
    this.watched = undefined;
  }

  private handleReports(): void {
    if (this.relay !== undefined && !this.relay.handle()) this.ended(this.relay);
  }

  private ended(relay: RelayLink): void {
    this.heartbeat.stop();
    this.options.set.remove(relay.control);
    const status = relay.reap();
    if (status === undefined) this.unreaped.add(relay.pid);
    this.relay = undefined;
    if (status === 128 + SIGSYS) {
      this.killReason ??= "made a system call that only an intruder makes, which ended it";
    }
    const reason = this.killReason ?? `ended with status ${status ?? "unknown"}`;
    this.options.log(`the relay ${reason}, and is started again`);
    this.startAt = noteEnd(this.restarts, clock());
  }

  private replace(reason: ByteString): void {
    if (this.killReason !== undefined) return;
    this.killReason = reason;
    this.relay?.kill();
  }

  private restart(): void {
    this.startAt = NEVER;
    try {
      this.start();
    } catch (error) {
      this.options.log(describeError(error));
      this.startAt = Math.max(noteEnd(this.restarts, clock()), clock() + RETRY);
    }
  }
}
