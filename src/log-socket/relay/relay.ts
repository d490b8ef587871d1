import { toBytes } from "../../../ffi/bytes.ts";
import { createReceiver } from "../../../ffi/datagrams.ts";
import { createEventSet, EPOLLIN, EPOLLOUT, EPOLLRDHUP, pollTwo } from "../../../ffi/events.ts";
import { hostName } from "../../../ffi/sockets.ts";
import { display } from "../../cli/display.ts";
import { describeError } from "../../cli/error.ts";
import { type Severity, syslogLine } from "../../system/syslog.ts";
import { CONTROL, type Command, hearCommand, type Report, type SocketSettings, tell } from "../protocol.ts";
import { takeName } from "../roles.ts";
import { confine } from "./confine.ts";
import { countDropped, type InletContext, PATIENCE } from "./inlet.ts";
import { createInlets } from "./inlets.ts";
import { perSecond } from "./limits.ts";
import { createOutlet, type OutletEvents } from "./outlet.ts";

const BATCH = 16;
// Datagrams of 64 KiB pass whole.
const LONGEST = 1 << 16;
// With more than these waiting, senders wait too.
const MOST_WAITING = 512;
const MOST_REPORTS = 64;
const RETRY = 100_000;
const FINISH_TIME = 1_000_000;
const FINISH_ROUNDS = 64;
// How often one socket, while it is the only one with messages, is read without a look at the others.
const MOST_IN_A_ROW = 16;

const clock = () => Bun.nanoseconds() / 1000;

/** Waits for the first command, gives up all privileges, and relays until the monitor says otherwise. */
export function runRelay(): number {
  takeName();
  const first = hearCommand(CONTROL, true);
  if (first === undefined || first === "over" || first.command.is !== "start") return 1;
  const { uid, gid, mirror } = first.command;
  const name = toBytes(hostName());
  // Reads the time zone, which is out of reach later.
  syslogLine("jk_socketd", "daemon", "info", "");
  try {
    confine(first.descriptor ?? -1, uid, gid);
  } catch (error) {
    tell(CONTROL, { is: "failed", message: describeError(error) }, true);
    return 1;
  }
  // The executables are built for short lives; this one relays for months, and its code is worth compiling.
  Bun.unsafe.setJITPolicy(1);
  tell(CONTROL, { is: "ready" }, true);
  serve(name, mirror);
  return 0;
}

function serve(name: Uint8Array, mirror: boolean): void {
  const set = createEventSet();
  let reports: Report[] = [];
  let now = clock();

  const events: OutletEvents = {
    lost() {
      for (const inlet of inlets.all()) inlet.stored = 0;
      const { queue } = outlet;
      for (let i = 0; i < queue.waiting(); i++) {
        const inlet = inlets.get(queue.owner(i));
        if (inlet !== undefined) inlet.stored += queue.length(i);
      }
      report({ is: "gone" });
    },
    refused(owner, length) {
      const inlet = inlets.get(owner);
      if (inlet !== undefined) countDropped(context, inlet, length, now);
    },
  };
  const outlet = createOutlet(events, clock);
  const context: InletContext = {
    outlet,
    hostName: name,
    untold: new Set(),
    paused: tellPause,
    connected: () => report({ is: "connected" }),
  };
  const inlets = createInlets(context, set, createReceiver(BATCH, LONGEST));

  function report(message: Report): void {
    if (reports.length === 0 && tell(CONTROL, message, false)) return;
    // Lines for a terminal may get lost; what the monitor has to act on may not.
    if (message.is !== "line" || reports.length < MOST_REPORTS) reports.push(message);
  }

  function log(severity: Severity, text: string): void {
    const line = toBytes(syslogLine("jk_socketd", "daemon", severity, text));
    const offset = outlet.queue.reserve(line.length);
    if (offset >= 0) {
      outlet.queue.bytes.set(line, offset);
      outlet.queue.commit(line.length, -1);
    }
    if (mirror) report({ is: "line", text });
  }

  /** In the words of jailkit 2.23. */
  function tellPause({ settings }: { settings: SocketSettings }, reason: "peak" | "base-after-peak"): void {
    const [limit, which, after] =
      reason === "peak" ? [settings.peak, "peak", ""] : [settings.base, "normal", ", directly after a peak"];
    const rate = perSecond(limit, settings);
    log("warning", `device ${display(settings.path)} is over the ${which} limit (${rate} bytes/s)${after}`);
  }

  function tellDropped(): void {
    if (outlet.fd() < 0) return;
    for (const inlet of context.untold) {
      const { untold, settings } = inlet;
      if (untold === undefined || untold.at > now) continue;
      inlet.untold = undefined;
      context.untold.delete(inlet);
      const what = `${untold.messages} messages (${untold.bytes} bytes) were dropped`;
      log("warning", `device ${display(settings.path)}: ${what}`);
    }
  }

  function status(): void {
    for (const inlet of inlets.all()) {
      const counters = { ...inlet.counters, paused: inlet.pausedUntil !== undefined };
      tell(CONTROL, { is: "counters", id: inlet.id, counters }, true);
    }
    tell(CONTROL, { is: "end", connected: outlet.fd() >= 0, waiting: outlet.queue.waiting() }, true);
  }

  /** Does what the monitor says; false where this is the end. */
  function obey(command: Command, descriptor: number | undefined): boolean {
    switch (command.is) {
      case "host":
        if (descriptor === undefined) return true;
        outlet.connect(descriptor, command.stream);
        // A stream tells when the other end goes; of a datagram socket only the next message does.
        if (command.stream) set.add(descriptor, EPOLLRDHUP);
        return true;
      case "alive":
        outlet.confirmed(command.question);
        return true;
      case "open":
        if (descriptor !== undefined) inlets.open(command.id, descriptor, command.settings, now);
        return true;
      case "change":
        inlets.change(command.id, command.settings);
        return true;
      case "close":
        inlets.close(command.id);
        return true;
      case "there?":
        report({ is: "there", question: command.question, connections: inlets.connectionCount() });
        return true;
      case "status":
        status();
        return true;
      default:
        return command.is === "start";
    }
  }

  function obeyAll(): boolean {
    for (;;) {
      const received = hearCommand(CONTROL, false);
      if (received === undefined) return true;
      if (received === "over" || !obey(received.command, received.descriptor)) return false;
    }
  }

  function read(fd: number): number {
    const count = inlets.read(fd, now);
    // The log daemon closed its stream.
    if (count === undefined && fd === outlet.fd()) outlet.lose();
    return count ?? 0;
  }

  /** Whether senders have to wait for the log daemon. */
  const isBusy = () => outlet.isBlocked() || (outlet.fd() >= 0 && outlet.queue.waiting() >= MOST_WAITING);

  function doWhatIsDue(): void {
    inlets.releaseDue(now);
    tellDropped();
    while (reports.length > 0 && reports[0] !== undefined && tell(CONTROL, reports[0], false)) {
      reports = reports.slice(1);
    }
    const question = outlet.settleAt() <= now ? outlet.settle(now) : undefined;
    if (question !== undefined) report({ is: "alive?", question });
    outlet.flush(now);
    if (inlets.hasStalled() && !isBusy()) inlets.releaseStalled(now);
  }

  /** Milliseconds until something is due; -1: nothing is. */
  function timeout(): number {
    let next = Math.min(outlet.settleAt(), inlets.nextRelease());
    if (outlet.fd() >= 0) {
      for (const { untold } of context.untold) next = Math.min(next, untold?.at ?? now);
      if (outlet.queue.waiting() > 0 && !outlet.isBlocked()) next = now;
    }
    if (reports.length > 0) next = Math.min(next, now + RETRY);
    // For as long as that they wait for the log daemon; then what they hold is dropped.
    const since = outlet.awaySince();
    if (since !== undefined && inlets.hasStalled()) next = Math.min(next, since + PATIENCE);
    return next === Number.POSITIVE_INFINITY ? -1 : Math.max(0, Math.ceil((next - now) / 1000));
  }

  /** Reads on while one socket alone has messages: that saves asking which one it is. */
  function readAlone(fd: number): void {
    for (let i = 0; i < MOST_IN_A_ROW && read(fd) > 0; i++) {
      outlet.flush(now);
      if (isBusy()) return;
      now = clock();
    }
  }

  /** What came before the end is not to be lost: everything that waits in the sockets, limits or not. */
  function finish(): void {
    const deadline = clock() + FINISH_TIME;
    for (const inlet of inlets.all()) {
      for (let round = 0; round < FINISH_ROUNDS && clock() < deadline; round++) {
        now = clock();
        const done = inlets.drain(inlet, now);
        outlet.flush(now);
        if (done) break;
      }
    }
    while (outlet.fd() >= 0 && outlet.queue.waiting() > 0 && clock() < deadline) {
      outlet.flush(clock());
      if (!outlet.isBlocked()) continue;
      const host = { fd: outlet.fd(), events: EPOLLOUT };
      pollTwo({ fd: -1, events: 0 }, host, Math.ceil((deadline - clock()) / 1000));
    }
  }

  set.add(CONTROL, EPOLLIN);
  for (;;) {
    now = clock();
    doWhatIsDue();
    if (isBusy()) {
      const host = { fd: outlet.fd(), events: EPOLLOUT };
      const [control] = pollTwo({ fd: CONTROL, events: EPOLLIN }, host, timeout());
      if (control !== 0 && !obeyAll()) break;
      continue;
    }
    const events = set.wait(timeout());
    now = clock();
    const [first] = events;
    if (first !== undefined && events.length === 1 && first.fd !== CONTROL) readAlone(first.fd);
    else for (const { fd } of events) if (fd !== CONTROL) read(fd);
    if (events.some(({ fd }) => fd === CONTROL) && !obeyAll()) break;
  }
  finish();
}
