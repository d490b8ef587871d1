import { toBytes } from "../../../ffi/bytes.ts";
import { createReceiver } from "../../../ffi/datagrams.ts";
import { createEventSet, EPOLLIN, EPOLLOUT, EPOLLRDHUP, pollTwo } from "../../../ffi/events.ts";
import { hostName } from "../../../ffi/sockets.ts";
import { describeError } from "../../cli/error.ts";
import { CONTROL, type Command, type RelayReport, receiveCommand, sendMessage } from "../protocol.ts";
import { setProcessName } from "../roles.ts";
import { confine } from "./confine.ts";
import { DROP_AFTER, type InletContext } from "./inlet.ts";
import { Inlets } from "./inlets.ts";
import { Outlet } from "./outlet.ts";
import { Warnings, warningLine } from "./warnings.ts";

const BATCH = 16;
// Datagrams of 64 KiB pass whole.
const LONGEST = 1 << 16;
// With more messages waiting, senders wait too.
const MOST_WAITING = 512;
const MOST_REPORTS = 64;
const RETRY = 100_000;
const FINISH_TIME = 1_000_000;
const FINISH_ROUNDS = 64;
// How often one socket is read before the others are checked, while it is the only one with messages.
const MOST_IN_A_ROW = 16;

const clock = () => Bun.nanoseconds() / 1000;

/** Waits for the first command, gives up all privileges, and relays until the monitor ends it. */
export function runRelay(): number {
  setProcessName();
  const first = receiveCommand(CONTROL, true);
  if (first === undefined || first === "over" || first.command.is !== "start") return 1;
  const { uid, gid, mirror } = first.command;
  const name = toBytes(hostName());
  // Reads the time zone, which is out of reach later.
  warningLine("");
  try {
    confine(first.descriptor ?? -1, uid, gid);
  } catch (error) {
    sendMessage(CONTROL, { is: "failed", message: describeError(error) }, true);
    return 1;
  }
  // The executables are built for short runs; this process runs for months, and its code is worth compiling.
  Bun.unsafe.setJITPolicy(1);
  sendMessage(CONTROL, { is: "ready" }, true);
  new Relay(name, mirror).run();
  return 0;
}

/** Reports on their way to the monitor. They wait here while its socket is full. */
class ReportQueue {
  private readonly waiting: RelayReport[] = [];

  get isEmpty(): boolean {
    return this.waiting.length === 0;
  }

  send(report: RelayReport): void {
    if (this.isEmpty && sendMessage(CONTROL, report, false)) return;
    // Lines for a terminal may get lost; reports that the monitor must act on may not.
    if (report.is !== "line" || this.waiting.length < MOST_REPORTS) this.waiting.push(report);
  }

  /** Sends waiting reports as far as there is room. */
  flush(): void {
    while (this.waiting[0] !== undefined && sendMessage(CONTROL, this.waiting[0], false))
      this.waiting.shift();
  }
}

/** Reads from the sockets of jails, writes to the host's log, and obeys the monitor. Times are microseconds. */
class Relay {
  private readonly set = createEventSet();
  private readonly reports = new ReportQueue();
  private readonly outlet: Outlet;
  private readonly warnings: Warnings;
  private readonly context: InletContext;
  private readonly inlets: Inlets;
  /** The number of the last connection to the log daemon. */
  private connection = 0;

  constructor(hostName: Uint8Array, mirror: boolean) {
    const { reports } = this;
    const refused = (owner: number, length: number) => this.inlets.byId.get(owner)?.countDropped(length);
    this.outlet = new Outlet({ lost: () => this.hostLost(), refused }, clock);
    this.warnings = new Warnings(this.outlet, (text) => {
      if (mirror) reports.send({ is: "line", text });
    });
    this.context = {
      outlet: this.outlet,
      hostName,
      now: clock(),
      unreported: this.warnings.unreported,
      paused: (inlet, reason) => this.warnings.paused(inlet, reason),
      connected: () => reports.send({ is: "connected" }),
    };
    this.inlets = new Inlets(this.context, this.set, createReceiver(BATCH, LONGEST));
  }

  /** Serves until the monitor ends it, then relays what is left. */
  run(): void {
    this.set.add(CONTROL, EPOLLIN);
    do {
      this.context.now = clock();
      this.doWhatIsDue();
    } while (this.isBusy() ? this.waitForHost() : this.waitForMessages());
    this.finish();
  }

  /** Whether senders have to wait for the log daemon. */
  private isBusy(): boolean {
    const { outlet } = this;
    return outlet.isBlocked || (outlet.fd >= 0 && outlet.queue.waiting() >= MOST_WAITING);
  }

  private doWhatIsDue(): void {
    const { inlets, outlet } = this;
    const { now } = this.context;
    inlets.releaseDue();
    this.warnings.reportDropped(now);
    this.reports.flush();
    const question = outlet.settleAt <= now ? outlet.settle(now) : undefined;
    if (question !== undefined) this.reports.send({ is: "check-host", question });
    outlet.flush(now);
    if (inlets.hasStalled && !this.isBusy()) inlets.releaseStalled();
  }

  /** Milliseconds until something is due; -1 if nothing is. */
  private timeout(): number {
    const { inlets, outlet } = this;
    const { now } = this.context;
    let next = Math.min(outlet.settleAt, inlets.nextRelease());
    if (outlet.fd >= 0) {
      next = Math.min(next, this.warnings.nextReport(now));
      if (outlet.queue.waiting() > 0 && !outlet.isBlocked) next = now;
    }
    if (!this.reports.isEmpty) next = Math.min(next, now + RETRY);
    // Stalled messages wait that long for the log daemon; then they are dropped.
    if (outlet.awaySince !== undefined && inlets.hasStalled) {
      next = Math.min(next, outlet.awaySince + DROP_AFTER);
    }
    return next === Number.POSITIVE_INFINITY ? -1 : Math.max(0, Math.ceil((next - now) / 1000));
  }

  /** Waits for the monitor, and for a log daemon that is behind. False: this is the end. */
  private waitForHost(): boolean {
    const host = { fd: this.outlet.fd, events: EPOLLOUT };
    const [control] = pollTwo({ fd: CONTROL, events: EPOLLIN }, host, this.timeout());
    return control === 0 || this.obeyAll();
  }

  /** Waits for messages and commands, and handles them. False: this is the end. */
  private waitForMessages(): boolean {
    const events = this.set.wait(this.timeout());
    this.context.now = clock();
    const [first] = events;
    if (first !== undefined && events.length === 1 && first.fd !== CONTROL) this.readAlone(first.fd);
    else for (const { fd } of events) if (fd !== CONTROL) this.read(fd);
    return !events.some(({ fd }) => fd === CONTROL) || this.obeyAll();
  }

  private read(fd: number): number {
    const count = this.inlets.read(fd);
    // The log daemon closed its stream.
    if (count === undefined && fd === this.outlet.fd) this.outlet.lose();
    return count ?? 0;
  }

  /** Reads the only socket with messages repeatedly, which saves a system call for each round. */
  private readAlone(fd: number): void {
    for (let i = 0; i < MOST_IN_A_ROW && this.read(fd) > 0; i++) {
      this.outlet.flush(this.context.now);
      if (this.isBusy()) return;
      this.context.now = clock();
    }
  }

  private hostLost(): void {
    for (const inlet of this.inlets.byId.values()) inlet.stored = 0;
    const { queue } = this.outlet;
    for (let i = 0; i < queue.waiting(); i++) {
      const inlet = this.inlets.byId.get(queue.owner(i));
      if (inlet !== undefined) inlet.stored += queue.length(i);
    }
    this.reports.send({ is: "host-lost", connection: this.connection });
  }

  private obeyAll(): boolean {
    for (;;) {
      const received = receiveCommand(CONTROL, false);
      if (received === undefined) return true;
      if (received === "over" || !this.obey(received.command, received.descriptor)) return false;
    }
  }

  /** Executes a command of the monitor; false if it is the last one. */
  private obey(command: Command, descriptor: number | undefined): boolean {
    const { inlets, outlet } = this;
    if (command.is === "host" && descriptor !== undefined) {
      this.connection = command.connection;
      outlet.connect(descriptor, command.stream);
      // A stream reports the end of the daemon; with datagrams only the next message finds out.
      if (command.stream) this.set.add(descriptor, EPOLLRDHUP);
    } else if (command.is === "host-alive") outlet.confirmed(command.question);
    else if (command.is === "open" && descriptor !== undefined)
      inlets.open(command.id, descriptor, command.settings);
    else if (command.is === "change") inlets.byId.get(command.id)?.change(command.settings);
    else if (command.is === "close") inlets.close(command.id);
    else if (command.is === "ping")
      this.reports.send({ is: "pong", question: command.question, connections: inlets.connectionCount });
    else if (command.is === "status") this.sendStatus();
    return command.is !== "finish";
  }

  private sendStatus(): void {
    for (const inlet of this.inlets.byId.values()) {
      const counters = { ...inlet.counters, paused: inlet.pausedUntil !== undefined };
      sendMessage(CONTROL, { is: "counters", id: inlet.id, counters }, true);
    }
    sendMessage(CONTROL, { is: "end", connected: this.outlet.fd >= 0 }, true);
  }

  /** Relays everything that waits in the sockets, limits or not, so that nothing sent before the end is lost. */
  private finish(): void {
    const { inlets, outlet } = this;
    const deadline = clock() + FINISH_TIME;
    for (const inlet of inlets.byId.values()) {
      for (let round = 0; round < FINISH_ROUNDS && clock() < deadline; round++) {
        this.context.now = clock();
        const done = inlets.drain(inlet);
        outlet.flush(this.context.now);
        if (done) break;
      }
    }
    while (outlet.fd >= 0 && outlet.queue.waiting() > 0 && clock() < deadline) {
      outlet.flush(clock());
      if (!outlet.isBlocked) continue;
      const host = { fd: outlet.fd, events: EPOLLOUT };
      pollTwo({ fd: -1, events: 0 }, host, Math.ceil((deadline - clock()) / 1000));
    }
  }
}
