import { toBytes } from "../../ffi/bytes.ts";
import { createReceiver } from "../../ffi/datagrams.ts";
import { createEventSet, EPOLLIN, EPOLLOUT, EPOLLRDHUP, pollTwo } from "../../ffi/events.ts";
import { close } from "../../ffi/files.ts";
import { hostName } from "../../ffi/sockets.ts";
import { describeError } from "../cli/error.ts";
import { type Severity, syslogLine } from "../system/syslog.ts";
import { confine } from "./confine.ts";
import {
  acceptConnection,
  type Connection,
  closeConnection,
  MOST_CONNECTIONS,
  readConnection,
  relayBuffered,
} from "./connections.ts";
import {
  countDropped,
  createInlet,
  type Inlet,
  type InletContext,
  isHolding,
  readDatagrams,
  relayHeld,
} from "./inlet.ts";
import { perSecond, resume } from "./limits.ts";
import { createOutlet } from "./outlet.ts";
import { CONTROL, type Command, hear, type Report, tell } from "./protocol.ts";
import { takeName } from "./roles.ts";

const BATCH = 16;
// Datagrams of 64 KiB pass whole.
const LONGEST = 1 << 16;
// With more than these waiting, senders wait too.
const MOST_WAITING = 512;
const MOST_REPORTS = 64;
const RETRY = 100_000;
const FINISH_TIME = 1_000_000;
const FINISH_ROUNDS = 64;

const clock = () => Bun.nanoseconds() / 1000;

/** Waits for the first command, gives up all privileges, and relays until the monitor says otherwise. */
export function runRelay(): number {
  takeName();
  const first = hear<Command>(CONTROL, true);
  if (first === undefined || first === "over" || first.message.is !== "start") return 1;
  const { uid, gid, mirror } = first.message;
  const name = toBytes(hostName());
  // Reads the time zone, which is out of reach later.
  syslogLine("jk_socketd", "daemon", "info", "");
  try {
    confine(first.descriptor ?? -1, uid, gid);
  } catch (error) {
    tell(CONTROL, { is: "failed", message: describeError(error) }, true);
    return 1;
  }
  tell(CONTROL, { is: "ready" }, true);
  serve(name, mirror);
  return 0;
}

function serve(name: Uint8Array, mirror: boolean): void {
  const inlets = new Map<number, Inlet>();
  const byFd = new Map<number, Inlet>();
  const connections = new Map<number, Connection>();
  const watched = new Set<number>();
  const paused = new Set<Inlet>();
  const stalled = new Set<Inlet>();
  const untold = new Set<Inlet>();
  const set = createEventSet();
  const receiver = createReceiver(BATCH, LONGEST);
  let reports: Report[] = [];
  let now = clock();

  const outlet = createOutlet({
    lost() {
      for (const inlet of inlets.values()) inlet.stored = 0;
      report({ is: "gone" });
    },
    refused(owner, length) {
      const inlet = inlets.get(owner);
      if (inlet !== undefined) countDropped(inlet, length, now);
    },
  });

  function report(message: Report): void {
    if (reports.length > 0 || !tell(CONTROL, message, false)) {
      // Lines for a terminal may get lost; what the monitor has to act on may not.
      if (message.is !== "line" || reports.length < MOST_REPORTS) reports.push(message);
    }
  }

  function log(severity: Severity, text: string): void {
    const line = toBytes(syslogLine("jk_socketd", "daemon", severity, text));
    const offset = outlet.queue.reserve(line.length);
    if (offset >= 0) {
      outlet.queue.bytes.set(line, offset);
      outlet.queue.commit(line.length, -1);
    }
    if (mirror) report({ is: "line", severity, text });
  }

  const context: InletContext = {
    outlet,
    hostName: name,
    paused(inlet, reason) {
      const { path, base, peak } = inlet.settings;
      const limit = reason === "peak" ? peak : base;
      const which = reason === "peak" ? "peak" : "normal";
      const after = reason === "peak" ? "" : ", directly after a peak";
      const rate = perSecond(limit, inlet.settings);
      log("warning", `device ${path} is over the ${which} limit (${rate} bytes/s)${after}`);
    },
  };

  function watch(fd: number): void {
    if (watched.has(fd)) return;
    set.add(fd, EPOLLIN);
    watched.add(fd);
  }

  function unwatch(fd: number): void {
    if (watched.delete(fd)) set.remove(fd);
  }

  const connectionsOf = (inlet: Inlet) => [...connections.values()].filter((one) => one.inlet === inlet);

  /** Reads from an inlet exactly while it may. */
  function arrange(inlet: Inlet): void {
    if (inlet.counters.dropped > 0 && inlet.untold !== undefined) untold.add(inlet);
    const holding = isHolding(inlet);
    if (inlet.pausedUntil !== undefined) paused.add(inlet);
    else if (holding) stalled.add(inlet);
    const stream = inlet.settings.type === "stream";
    if (holding || (stream && inlet.counters.connections >= MOST_CONNECTIONS)) unwatch(inlet.fd);
    else watch(inlet.fd);
    if (!stream) return;
    for (const connection of connectionsOf(inlet)) {
      if (holding || connection.over) unwatch(connection.fd);
      else watch(connection.fd);
    }
  }

  function endConnection(connection: Connection): void {
    unwatch(connection.fd);
    connections.delete(connection.fd);
    closeConnection(connection);
  }

  /** Goes on with an inlet whose pause is over, or for which there is room again. */
  function release(inlet: Inlet): void {
    paused.delete(inlet);
    stalled.delete(inlet);
    if (relayHeld(context, inlet, now) && inlet.settings.type === "stream") {
      for (const connection of connectionsOf(inlet)) {
        if (isHolding(inlet)) break;
        if (relayBuffered(context, connection, now) && connection.over) endConnection(connection);
      }
    }
    arrange(inlet);
  }

  function closeInlet(inlet: Inlet): void {
    for (const connection of connectionsOf(inlet)) endConnection(connection);
    unwatch(inlet.fd);
    close(inlet.fd);
    inlets.delete(inlet.id);
    byFd.delete(inlet.fd);
    for (const each of [paused, stalled, untold]) each.delete(inlet);
  }

  function status(): void {
    for (const inlet of inlets.values()) {
      const counters = { ...inlet.counters, paused: inlet.pausedUntil !== undefined };
      tell(CONTROL, { is: "counters", id: inlet.id, counters }, true);
    }
    const waiting = outlet.queue.waiting();
    tell(CONTROL, { is: "end", connected: outlet.fd() >= 0, waiting }, true);
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
        outlet.confirmed();
        return true;
      case "open": {
        if (descriptor === undefined) return true;
        const inlet = createInlet(command.id, descriptor, command.settings, now);
        inlets.set(inlet.id, inlet);
        byFd.set(inlet.fd, inlet);
        arrange(inlet);
        return true;
      }
      case "change": {
        const inlet = inlets.get(command.id);
        if (inlet !== undefined) inlet.settings = command.settings;
        inlet?.marks.clear();
        return true;
      }
      case "close": {
        const inlet = inlets.get(command.id);
        if (inlet !== undefined) closeInlet(inlet);
        return true;
      }
      case "status":
        status();
        return true;
      default:
        return command.is === "start";
    }
  }

  function obeyAll(): boolean {
    for (;;) {
      const received = hear<Command>(CONTROL, false);
      if (received === undefined) return true;
      if (received === "over" || !obey(received.message, received.descriptor)) return false;
    }
  }

  function read(fd: number): void {
    const inlet = byFd.get(fd);
    if (inlet === undefined) {
      const connection = connections.get(fd);
      if (connection === undefined) {
        // The log daemon closed its stream.
        if (fd === outlet.fd()) outlet.lose();
        return;
      }
      if (isHolding(connection.inlet)) return;
      if (!readConnection(context, connection, receiver, now)) endConnection(connection);
      arrange(connection.inlet);
    } else if (inlet.settings.type === "dgram") {
      readDatagrams(context, inlet, receiver, now);
      if (isHolding(inlet) || inlet.untold !== undefined) arrange(inlet);
    } else {
      const connection = acceptConnection(inlet);
      if (connection === undefined) return;
      connections.set(connection.fd, connection);
      watch(connection.fd);
      arrange(inlet);
    }
  }

  function tellDropped(): void {
    if (outlet.fd() < 0) return;
    for (const inlet of untold) {
      const { untold: lost, settings } = inlet;
      if (lost !== undefined && lost.at > now) continue;
      untold.delete(inlet);
      inlet.untold = undefined;
      if (lost === undefined) continue;
      log("warning", `device ${settings.path}: ${lost.messages} messages (${lost.bytes} bytes) were dropped`);
    }
  }

  function doWhatIsDue(): void {
    for (const inlet of paused) {
      if (inlet.pausedUntil === undefined || inlet.pausedUntil > now) continue;
      inlet.pausedUntil = undefined;
      resume(inlet.limits, now);
      release(inlet);
    }
    if (untold.size > 0) tellDropped();
    while (reports.length > 0 && reports[0] !== undefined && tell(CONTROL, reports[0], false)) {
      reports = reports.slice(1);
    }
    if (outlet.settleAt() <= now && outlet.settle(now)) report({ is: "alive?" });
    outlet.flush(now);
    if (stalled.size > 0 && outlet.queue.waiting() < MOST_WAITING)
      for (const inlet of stalled) release(inlet);
  }

  /** Milliseconds until something is due; -1: nothing is. */
  function timeout(): number {
    let next = outlet.settleAt();
    for (const inlet of paused) next = Math.min(next, inlet.pausedUntil ?? now);
    if (outlet.fd() >= 0) for (const inlet of untold) next = Math.min(next, inlet.untold?.at ?? now);
    if (reports.length > 0 || (stalled.size > 0 && !outlet.isBlocked())) next = Math.min(next, now + RETRY);
    return next === Number.POSITIVE_INFINITY ? -1 : Math.max(0, Math.ceil((next - now) / 1000));
  }

  /** What came before the end is not to be lost: everything that waits in the sockets, limits or not. */
  function finish(): void {
    const deadline = clock() + FINISH_TIME;
    for (const inlet of inlets.values()) {
      for (let round = 0; round < FINISH_ROUNDS && clock() < deadline; round++) {
        now = clock();
        inlet.pausedUntil = undefined;
        relayHeld(context, inlet, now);
        for (const connection of connectionsOf(inlet)) readConnection(context, connection, receiver, now);
        const came = inlet.settings.type === "dgram" ? readDatagrams(context, inlet, receiver, now) : 0;
        outlet.flush(now);
        if (came <= 0 && inlet.held.length === 0) break;
      }
    }
    while (outlet.fd() >= 0 && outlet.queue.waiting() > 0 && clock() < deadline) {
      outlet.flush(clock());
      if (outlet.isBlocked()) {
        const host = { fd: outlet.fd(), events: EPOLLOUT };
        pollTwo({ fd: -1, events: 0 }, host, Math.ceil((deadline - clock()) / 1000));
      }
    }
  }

  set.add(CONTROL, EPOLLIN);
  for (;;) {
    now = clock();
    doWhatIsDue();
    const busy = outlet.isBlocked() || (outlet.fd() >= 0 && outlet.queue.waiting() >= MOST_WAITING);
    if (busy) {
      const host = { fd: outlet.fd(), events: EPOLLOUT };
      const [control] = pollTwo({ fd: CONTROL, events: EPOLLIN }, host, timeout());
      if (control !== 0 && !obeyAll()) break;
      continue;
    }
    const events = set.wait(timeout());
    now = clock();
    for (const { fd } of events) if (fd !== CONTROL) read(fd);
    if (events.some(({ fd }) => fd === CONTROL) && !obeyAll()) break;
  }
  finish();
}
