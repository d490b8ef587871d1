import type { ByteString } from "../../../ffi/bytes.ts";
import { SIGSYS } from "../../../ffi/constants.ts";
import { createEventSet, EPOLLIN, type EventSet } from "../../../ffi/events.ts";
import { close } from "../../../ffi/files.ts";
import { waitFor } from "../../../ffi/spawn.ts";
import { describeError } from "../../cli/error.ts";
import type { Command, RelayReport } from "../protocol.ts";
import { Backoff } from "./backoff.ts";
import { ANSWER_WITHIN, Heartbeat } from "./heartbeat.ts";
import { openRelay, type RelayLink, type RelayOptions, type RelayStatus } from "./relay-link.ts";

interface KeeperOptions extends RelayOptions {
  /** What the monitor waits for. */
  set: EventSet;
  /** The descriptors of the served sockets. */
  readonly sockets: () => Iterable<number>;
  /** Handles a report that is not the keeper's. */
  report(report: RelayReport): void;
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
  private startedAt = Number.NEGATIVE_INFINITY;
  // The pause stays short, since nothing is logged until then; messages wait in the sockets.
  private readonly backoff = new Backoff({ atOnce: 1, longestPause: 8000, calm: 60_000 });
  /** Why the monitor killed the relay. */
  private killReason: ByteString | undefined;
  /** Ended relays whose status a debugger keeps. */
  private readonly unreaped = new Set<number>();
  /** The sockets, while the arrival of a message matters. Closing this set of its own unwatches all at once. */
  private watched: EventSet | undefined;
  private readonly heartbeat: Heartbeat;

  constructor(private readonly options: KeeperOptions) {
    this.heartbeat = new Heartbeat({
      watch: (isWanted) => this.watch(isWanted),
      ask: (question) => this.command({ is: "ping", question }),
    });
  }

  /** Starts a relay. Throws JailkitError, SystemError. */
  start(): void {
    const { options } = this;
    this.startedAt = clock();
    this.relay = openRelay(options, (report) => this.report(report));
    this.killReason = undefined;
    options.set.add(this.relay.control, EPOLLIN);
    options.started();
    this.heartbeat.restart();
  }

  command(command: Command, descriptor?: number): void {
    this.relay?.command(command, descriptor);
  }

  status(): RelayStatus | undefined {
    const answer = this.relay?.status();
    if (answer === undefined && this.relay !== undefined) this.heartbeat.work(clock());
    return answer;
  }

  /** One more socket is served. */
  socketAdded(descriptor: number): void {
    this.watched?.add(descriptor, EPOLLIN);
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

  private watch(isWanted: boolean): void {
    const { set, sockets } = this.options;
    if (this.watched !== undefined) {
      set.remove(this.watched.fd);
      close(this.watched.fd);
    }
    this.watched = isWanted ? createEventSet() : undefined;
    if (this.watched === undefined) return;
    for (const socket of sockets()) this.watched.add(socket, EPOLLIN);
    set.add(this.watched.fd, EPOLLIN);
  }

  private report(report: RelayReport): void {
    const { heartbeat } = this;
    if (report.is === "pong") heartbeat.answered(report.question, report.connections, clock());
    else if (report.is === "connected") heartbeat.connected(clock());
    else this.options.report(report);
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
    this.startAt = this.backoff.next(this.startedAt, clock());
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
      this.startAt = Math.max(this.backoff.next(this.startedAt, clock()), clock() + RETRY);
    }
  }
}
