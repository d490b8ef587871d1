import type { Receiver } from "../../../ffi/datagrams.ts";
import { EPOLLIN, type EventSet } from "../../../ffi/events.ts";
import { close } from "../../../ffi/files.ts";
import type { SocketSettings } from "../protocol.ts";
import {
  acceptConnection,
  type Connection,
  closeConnection,
  connectionToClose,
  endUnfinished,
  MOST_CONNECTIONS,
  readConnection,
  relayBuffered,
} from "./connections.ts";
import { createInlet, type Inlet, type InletContext, isHolding, readDatagrams, relayHeld } from "./inlet.ts";
import { resume } from "./limits.ts";

/** All sockets that the relay serves, and the connections to them. Times are microseconds. */
export interface Inlets {
  all(): Iterable<Inlet>;
  get(id: number): Inlet | undefined;
  open(id: number, fd: number, settings: SocketSettings, now: number): void;
  change(id: number, settings: SocketSettings): void;
  close(id: number): void;
  /** Reads what came to a descriptor, once; how many messages, or undefined for a descriptor that is not theirs. */
  read(fd: number, now: number): number | undefined;
  /** Goes on with those whose pause is over. */
  releaseDue(now: number): void;
  /** Goes on with those for which there was no room. */
  releaseStalled(now: number): void;
  hasStalled(): boolean;
  /** How many connections are open. */
  connectionCount(): number;
  /** When the next pause is over, or Infinity. */
  nextRelease(): number;
  /** What came is relayed, and no limit holds any more; true where there is nothing more of it. */
  drain(inlet: Inlet, now: number): boolean;
}

/** Makes an empty collection that reads through `receiver` and is woken up through `set`. */
export function createInlets(context: InletContext, set: EventSet, receiver: Receiver): Inlets {
  const inlets = new Map<number, Inlet>();
  const byFd = new Map<number, Inlet>();
  const connections = new Map<number, Connection>();
  const watched = new Set<number>();
  const paused = new Set<Inlet>();
  const stalled = new Set<Inlet>();

  function watch(fd: number): void {
    if (watched.has(fd)) return;
    set.add(fd, EPOLLIN);
    watched.add(fd);
  }

  function unwatch(fd: number): void {
    if (watched.delete(fd)) set.remove(fd);
  }

  const connectionsOf = (inlet: Inlet) => [...connections.values()].filter((one) => one.inlet === inlet);

  /** Listens to an inlet exactly while something may be read from it. */
  function arrange(inlet: Inlet): void {
    const holding = isHolding(inlet);
    if (inlet.pausedUntil !== undefined) paused.add(inlet);
    else if (holding) stalled.add(inlet);
    if (holding) unwatch(inlet.fd);
    else watch(inlet.fd);
    if (inlet.settings.type !== "stream") return;
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

  function release(inlet: Inlet, now: number): void {
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

  function readStream(connection: Connection, now: number): number {
    if (isHolding(connection.inlet)) return 0;
    if (!readConnection(context, connection, receiver, now)) endConnection(connection);
    arrange(connection.inlet);
    return 1;
  }

  /** Closes a connection for one that waits; what came through it is relayed first. */
  function makeRoom(inlet: Inlet, now: number): void {
    const connection = connectionToClose(connectionsOf(inlet));
    if (connection === undefined) return;
    readConnection(context, connection, receiver, now);
    endUnfinished(context, connection, now);
    endConnection(connection);
  }

  function accept(inlet: Inlet, now: number): number {
    if (isHolding(inlet)) return 0;
    const connection = acceptConnection(inlet, now);
    if (connection === undefined) return 0;
    if (inlet.counters.connections > MOST_CONNECTIONS) makeRoom(inlet, now);
    connections.set(connection.fd, connection);
    if (connections.size === 1) context.connected();
    watch(connection.fd);
    arrange(inlet);
    return 0;
  }

  return {
    all: () => inlets.values(),
    get: (id) => inlets.get(id),
    open(id, fd, settings, now) {
      const inlet = createInlet(id, fd, settings, now);
      inlets.set(id, inlet);
      byFd.set(fd, inlet);
      arrange(inlet);
    },
    change(id, settings) {
      const inlet = inlets.get(id);
      if (inlet === undefined) return;
      inlet.settings = settings;
      inlet.marks.clear();
    },
    close(id) {
      const inlet = inlets.get(id);
      if (inlet === undefined) return;
      for (const connection of connectionsOf(inlet)) endConnection(connection);
      unwatch(inlet.fd);
      close(inlet.fd);
      inlets.delete(id);
      byFd.delete(inlet.fd);
      for (const each of [paused, stalled, context.untold]) each.delete(inlet);
    },
    read(fd, now) {
      const inlet = byFd.get(fd);
      if (inlet === undefined) {
        const connection = connections.get(fd);
        return connection === undefined ? undefined : readStream(connection, now);
      }
      if (inlet.settings.type === "stream") return accept(inlet, now);
      const count = readDatagrams(context, inlet, receiver, now);
      if (isHolding(inlet)) arrange(inlet);
      return count;
    },
    releaseDue(now) {
      for (const inlet of [...paused]) {
        if (inlet.pausedUntil === undefined || inlet.pausedUntil > now) continue;
        inlet.pausedUntil = undefined;
        resume(inlet.limits, now);
        release(inlet, now);
      }
    },
    releaseStalled(now) {
      // A copy: who has to wait again is added again.
      for (const inlet of [...stalled]) release(inlet, now);
    },
    hasStalled: () => stalled.size > 0,
    connectionCount: () => connections.size,
    nextRelease() {
      let next = Number.POSITIVE_INFINITY;
      for (const { pausedUntil } of paused) next = Math.min(next, pausedUntil ?? 0);
      return next;
    },
    drain(inlet, now) {
      const before = inlet.counters.messages;
      inlet.pausedUntil = undefined;
      inlet.settings = { ...inlet.settings, base: Number.POSITIVE_INFINITY, peak: Number.POSITIVE_INFINITY };
      let came = 0;
      if (relayHeld(context, inlet, now) && inlet.settings.type === "dgram") {
        came = readDatagrams(context, inlet, receiver, now);
      }
      for (const connection of connectionsOf(inlet)) {
        relayBuffered(context, connection, now);
        if (isHolding(inlet)) break;
        readConnection(context, connection, receiver, now);
      }
      return came <= 0 && inlet.held.length === 0 && inlet.counters.messages === before;
    },
  };
}
