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
export class Inlets {
  private readonly inlets = new Map<number, Inlet>();
  private readonly byFd = new Map<number, Inlet>();
  private readonly connections = new Map<number, Connection>();
  private readonly watched = new Set<number>();
  private readonly paused = new Set<Inlet>();
  /** Those with messages for which the queue had no room. */
  private readonly stalled = new Set<Inlet>();

  /** Reads through `receiver`, and adds to `set` the descriptors to wait for. */
  constructor(
    private readonly context: InletContext,
    private readonly set: EventSet,
    private readonly receiver: Receiver,
  ) {}

  all(): Iterable<Inlet> {
    return this.inlets.values();
  }

  get(id: number): Inlet | undefined {
    return this.inlets.get(id);
  }

  open(id: number, fd: number, settings: SocketSettings, now: number): void {
    const inlet = createInlet(id, fd, settings, now);
    this.inlets.set(id, inlet);
    this.byFd.set(fd, inlet);
    this.updateWatches(inlet);
  }

  change(id: number, settings: SocketSettings): void {
    const inlet = this.inlets.get(id);
    if (inlet === undefined) return;
    inlet.settings = settings;
    inlet.marks.clear();
  }

  close(id: number): void {
    const inlet = this.inlets.get(id);
    if (inlet === undefined) return;
    for (const connection of this.connectionsOf(inlet)) this.endConnection(connection);
    this.unwatch(inlet.fd);
    close(inlet.fd);
    this.inlets.delete(id);
    this.byFd.delete(inlet.fd);
    for (const each of [this.paused, this.stalled, this.context.unreported]) each.delete(inlet);
  }

  /** Reads once from a descriptor. Returns the number of messages; undefined if the descriptor is not one of these. */
  read(fd: number, now: number): number | undefined {
    const inlet = this.byFd.get(fd);
    if (inlet === undefined) {
      const connection = this.connections.get(fd);
      return connection === undefined ? undefined : this.readStream(connection, now);
    }
    if (inlet.settings.type === "stream") return this.accept(inlet, now);
    const count = readDatagrams(this.context, inlet, this.receiver, now);
    if (isHolding(inlet)) this.updateWatches(inlet);
    return count;
  }

  /** Resumes those whose pause is over. */
  releaseDue(now: number): void {
    for (const inlet of [...this.paused]) {
      if (inlet.pausedUntil === undefined || inlet.pausedUntil > now) continue;
      inlet.pausedUntil = undefined;
      resume(inlet.limits, now);
      this.release(inlet, now);
    }
  }

  /** Resumes those for which there was no room. */
  releaseStalled(now: number): void {
    // A copy, since one that has to wait again is added again.
    for (const inlet of [...this.stalled]) this.release(inlet, now);
  }

  hasStalled(): boolean {
    return this.stalled.size > 0;
  }

  /** The number of open connections. */
  connectionCount(): number {
    return this.connections.size;
  }

  /** When the next pause is over, or Infinity. */
  nextRelease(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { pausedUntil } of this.paused) next = Math.min(next, pausedUntil ?? 0);
    return next;
  }

  /** Relays what has arrived, and lifts the limits; true if nothing more is waiting. */
  drain(inlet: Inlet, now: number): boolean {
    const { context, receiver } = this;
    const before = inlet.counters.messages;
    inlet.pausedUntil = undefined;
    inlet.settings = { ...inlet.settings, base: Number.POSITIVE_INFINITY, peak: Number.POSITIVE_INFINITY };
    let count = 0;
    if (relayHeld(context, inlet, now) && inlet.settings.type === "dgram") {
      count = readDatagrams(context, inlet, receiver, now);
    }
    for (const connection of this.connectionsOf(inlet)) {
      relayBuffered(context, connection, now);
      if (isHolding(inlet)) break;
      readConnection(context, connection, receiver, now);
    }
    return count <= 0 && inlet.held.length === 0 && inlet.counters.messages === before;
  }

  private connectionsOf(inlet: Inlet): Connection[] {
    return [...this.connections.values()].filter((one) => one.inlet === inlet);
  }

  private watch(fd: number): void {
    if (this.watched.has(fd)) return;
    this.set.add(fd, EPOLLIN);
    this.watched.add(fd);
  }

  private unwatch(fd: number): void {
    if (this.watched.delete(fd)) this.set.remove(fd);
  }

  /** Waits for an inlet and its connections exactly while they may be read. */
  private updateWatches(inlet: Inlet): void {
    const holding = isHolding(inlet);
    if (inlet.pausedUntil !== undefined) this.paused.add(inlet);
    else if (holding) this.stalled.add(inlet);
    if (holding) this.unwatch(inlet.fd);
    else this.watch(inlet.fd);
    if (inlet.settings.type !== "stream") return;
    for (const connection of this.connectionsOf(inlet)) {
      if (holding || connection.over) this.unwatch(connection.fd);
      else this.watch(connection.fd);
    }
  }

  private release(inlet: Inlet, now: number): void {
    this.paused.delete(inlet);
    this.stalled.delete(inlet);
    if (relayHeld(this.context, inlet, now) && inlet.settings.type === "stream") {
      for (const connection of this.connectionsOf(inlet)) {
        if (isHolding(inlet)) break;
        if (relayBuffered(this.context, connection, now) && connection.over) this.endConnection(connection);
      }
    }
    this.updateWatches(inlet);
  }

  private readStream(connection: Connection, now: number): number {
    if (isHolding(connection.inlet)) return 0;
    if (!readConnection(this.context, connection, this.receiver, now)) this.endConnection(connection);
    this.updateWatches(connection.inlet);
    return 1;
  }

  private accept(inlet: Inlet, now: number): number {
    if (isHolding(inlet)) return 0;
    const connection = acceptConnection(inlet, now);
    if (connection === undefined) return 0;
    if (inlet.counters.connections > MOST_CONNECTIONS) this.makeRoom(inlet, now);
    this.connections.set(connection.fd, connection);
    if (this.connections.size === 1) this.context.connected();
    this.watch(connection.fd);
    this.updateWatches(inlet);
    return 0;
  }

  /** Closes a connection in favour of a new one, after relaying what arrived through it. */
  private makeRoom(inlet: Inlet, now: number): void {
    const connection = connectionToClose(this.connectionsOf(inlet));
    if (connection === undefined) return;
    readConnection(this.context, connection, this.receiver, now);
    endUnfinished(this.context, connection, now);
    this.endConnection(connection);
  }

  private endConnection(connection: Connection): void {
    this.unwatch(connection.fd);
    this.connections.delete(connection.fd);
    closeConnection(connection);
  }
}
