import type { Receiver } from "../../../ffi/datagrams.ts";
import { EPOLLIN, type EventSet } from "../../../ffi/events.ts";
import { close } from "../../../ffi/files.ts";
import { accept, passCredentials } from "../../../ffi/sockets.ts";
import type { SocketSettings } from "../protocol.ts";
import { Connection, connectionToClose, MOST_CONNECTIONS } from "./connections.ts";
import { Inlet, type InletContext } from "./inlet.ts";

/** All sockets that the relay serves, and the connections to them. */
export class Inlets {
  readonly byId = new Map<number, Inlet>();
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

  open(id: number, fd: number, settings: SocketSettings): void {
    const inlet = new Inlet(this.context, id, fd, settings);
    this.byId.set(id, inlet);
    this.byFd.set(fd, inlet);
    this.updateWatches(inlet);
  }

  close(id: number): void {
    const inlet = this.byId.get(id);
    if (inlet === undefined) return;
    for (const connection of this.connectionsOf(inlet)) this.endConnection(connection);
    this.watch(inlet.fd, false);
    close(inlet.fd);
    this.byId.delete(id);
    this.byFd.delete(inlet.fd);
    for (const each of [this.paused, this.stalled, this.context.unreported]) each.delete(inlet);
  }

  /** Reads once from a descriptor. Returns the number of messages; undefined if the descriptor is not one of these. */
  read(fd: number): number | undefined {
    const inlet = this.byFd.get(fd);
    if (inlet === undefined) {
      const connection = this.connections.get(fd);
      return connection === undefined ? undefined : this.readStream(connection);
    }
    if (inlet.settings.type === "stream") return this.accept(inlet);
    const count = inlet.readDatagrams(this.receiver);
    if (inlet.isHolding) this.updateWatches(inlet);
    return count;
  }

  /** Resumes those whose pause is over. */
  releaseDue(): void {
    for (const inlet of [...this.paused]) {
      if (inlet.pausedUntil === undefined || inlet.pausedUntil > this.context.now) continue;
      inlet.resume();
      this.release(inlet);
    }
  }

  /** Resumes those for which there was no room. */
  releaseStalled(): void {
    // A copy, since one that must wait again is added again.
    for (const inlet of [...this.stalled]) this.release(inlet);
  }

  get hasStalled(): boolean {
    return this.stalled.size > 0;
  }

  get connectionCount(): number {
    return this.connections.size;
  }

  /** When the next pause is over, or Infinity. */
  nextRelease(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { pausedUntil } of this.paused) next = Math.min(next, pausedUntil ?? 0);
    return next;
  }

  /** Relays what has arrived, and lifts the limits; true if nothing more is waiting. */
  drain(inlet: Inlet): boolean {
    const { receiver } = this;
    const before = inlet.counters.messages;
    inlet.pausedUntil = undefined;
    inlet.settings = { ...inlet.settings, base: Number.POSITIVE_INFINITY, peak: Number.POSITIVE_INFINITY };
    const count = inlet.relayHeld() && inlet.settings.type === "dgram" ? inlet.readDatagrams(receiver) : 0;
    for (const connection of this.connectionsOf(inlet)) {
      connection.relayBuffered();
      if (inlet.isHolding) break;
      connection.read(receiver);
    }
    return count <= 0 && inlet.held.length === 0 && inlet.counters.messages === before;
  }

  private connectionsOf(inlet: Inlet): Connection[] {
    return [...this.connections.values()].filter((one) => one.inlet === inlet);
  }

  private watch(fd: number, isWanted: boolean): void {
    if (isWanted === this.watched.has(fd)) return;
    if (isWanted) {
      this.set.add(fd, EPOLLIN);
      this.watched.add(fd);
    } else {
      this.set.remove(fd);
      this.watched.delete(fd);
    }
  }

  /** Waits for an inlet and its connections exactly while they may be read. */
  private updateWatches(inlet: Inlet): void {
    const { isHolding } = inlet;
    if (inlet.pausedUntil !== undefined) this.paused.add(inlet);
    else if (isHolding) this.stalled.add(inlet);
    this.watch(inlet.fd, !isHolding);
    if (inlet.settings.type !== "stream") return;
    for (const { fd, over } of this.connectionsOf(inlet)) this.watch(fd, !isHolding && !over);
  }

  private release(inlet: Inlet): void {
    this.paused.delete(inlet);
    this.stalled.delete(inlet);
    if (inlet.relayHeld() && inlet.settings.type === "stream") {
      for (const connection of this.connectionsOf(inlet)) {
        if (inlet.isHolding) break;
        if (connection.relayBuffered() && connection.over) this.endConnection(connection);
      }
    }
    this.updateWatches(inlet);
  }

  private readStream(connection: Connection): number {
    if (connection.inlet.isHolding) return 0;
    if (!connection.read(this.receiver)) this.endConnection(connection);
    this.updateWatches(connection.inlet);
    return 1;
  }

  private accept(inlet: Inlet): number {
    const fd = inlet.isHolding ? undefined : accept(inlet.fd);
    if (fd === undefined) return 0;
    passCredentials(fd);
    if (++inlet.counters.connections > MOST_CONNECTIONS) this.makeRoom(inlet);
    this.connections.set(fd, new Connection(fd, inlet));
    if (this.connections.size === 1) this.context.connected();
    this.updateWatches(inlet);
    return 0;
  }

  /** Closes a connection in favour of a new one, after relaying what arrived through it. */
  private makeRoom(inlet: Inlet): void {
    const connection = connectionToClose(this.connectionsOf(inlet));
    if (connection === undefined) return;
    connection.read(this.receiver);
    connection.endUnfinished();
    this.endConnection(connection);
  }

  private endConnection(connection: Connection): void {
    this.watch(connection.fd, false);
    this.connections.delete(connection.fd);
    close(connection.fd);
    connection.inlet.counters.connections--;
  }
}
