import type { ByteString } from "../../../ffi/bytes.ts";
import { createEventSet, EPOLLIN, type EventSet } from "../../../ffi/events.ts";
import { close } from "../../../ffi/files.ts";
import { waitFor } from "../../../ffi/spawn.ts";
import { describeError } from "../../cli/error.ts";
import type { Command } from "../protocol.ts";
import { ANSWER_WITHIN, createHeartbeat, noteEnd, type Restarts } from "./heartbeat.ts";
import {
  openRelay,
  type RelayEvents,
  type RelayLink,
  type RelayOptions,
  type RelayStatus,
} from "./relay-link.ts";

/** What the keeper of the relay needs of the monitor. */
export interface KeeperOptions extends RelayOptions {
  /** What the monitor waits for. */
  set: EventSet;
  /** The descriptors of the sockets that are served. */
  sockets(): Iterable<number>;
  events: Omit<RelayEvents, "there" | "connected">;
  /** A relay was started: it is to be told everything. */
  started(): void;
  /** Logs why the relay is replaced. */
  tell(text: ByteString): void;
}

/** The relay, of which there is always one: another takes the place of one that ends, is stopped, or is silent. */
export interface Keeper {
  /** Starts the first one. Throws JailkitError, SystemError. */
  start(): void;
  command(command: Command, descriptor?: number): void;
  status(): RelayStatus | undefined;
  /** Other sockets are served than before. */
  socketsChanged(): void;
  /** A child has ended, or was stopped. */
  childChanged(): void;
  /** Takes what came to the descriptors that are the keeper's. */
  handle(fds: readonly number[]): void;
  /** Does what is due, and returns when there is something to do again, or Infinity. */
  doWhatIsDue(now: number): number;
  /** Lets the relay relay what waits, and end. */
  finish(): void;
}

const RETRY = 1000;
const SIGSYS = 31;
const clock = () => Bun.nanoseconds() / 1e6;
const NEVER = Number.POSITIVE_INFINITY;

/** Makes a keeper without a relay. */
export function createKeeper(options: KeeperOptions): Keeper {
  const { set, tell } = options;
  let relay: RelayLink | undefined;
  let startAt = NEVER;
  // Why the relay was killed, where the monitor did it.
  let reason: ByteString | undefined;
  // Those that have ended, which somebody keeps from being forgotten.
  const left = new Set<number>();
  const restarts: Restarts = { startedAt: Number.NEGATIVE_INFINITY, times: 0 };
  // The sockets, while it is of interest whether something comes. A set of its own: closed, it lets go of all of them.
  let watched: EventSet | undefined;

  const heartbeat = createHeartbeat({
    watch() {
      watched = createEventSet();
      for (const socket of options.sockets()) watched.add(socket, EPOLLIN);
      set.add(watched.fd, EPOLLIN);
    },
    unwatch() {
      if (watched === undefined) return;
      set.remove(watched.fd);
      close(watched.fd);
      watched = undefined;
    },
    ask: (question) => relay?.command({ is: "there?", question }),
  });

  function start(): void {
    restarts.startedAt = clock();
    const there = (question: number, connections: number) =>
      heartbeat.answered(question, connections, clock());
    const connected = () => heartbeat.connected(clock());
    relay = openRelay(options, { ...options.events, there, connected });
    reason = undefined;
    set.add(relay.control, EPOLLIN);
    options.started();
    heartbeat.restart();
  }

  function ended(): void {
    if (relay === undefined) return;
    heartbeat.stop();
    set.remove(relay.control);
    const status = relay.reap();
    if (status === undefined) left.add(relay.pid);
    relay = undefined;
    if (status === 128 + SIGSYS) reason ??= "made a system call that only an intruder makes, which ended it";
    tell(`the relay ${reason ?? `ended with status ${status ?? "unknown"}`}, and is started again`);
    startAt = noteEnd(restarts, clock());
  }

  function replace(why: ByteString): void {
    if (reason !== undefined) return;
    reason = why;
    relay?.kill();
  }

  function restart(): void {
    startAt = NEVER;
    try {
      start();
    } catch (error) {
      tell(describeError(error));
      startAt = Math.max(noteEnd(restarts, clock()), clock() + RETRY);
    }
  }

  const take = () => {
    if (relay !== undefined && !relay.handle()) ended();
  };

  return {
    start,
    command: (command, descriptor) => relay?.command(command, descriptor),
    status() {
      const answer = relay?.status();
      if (answer === undefined && relay !== undefined) heartbeat.work(clock());
      return answer;
    },
    socketsChanged() {
      if (relay !== undefined) heartbeat.restart();
    },
    childChanged() {
      if (relay?.isStopped()) replace("was stopped by a signal");
      for (const pid of left) if (waitFor(pid, true) !== undefined) left.delete(pid);
    },
    handle(fds) {
      if (watched !== undefined && fds.includes(watched.fd)) heartbeat.work(clock());
      if (relay !== undefined && fds.includes(relay.control)) take();
    },
    doWhatIsDue(now) {
      if (startAt <= now) restart();
      if (heartbeat.isOverdue(now)) {
        // This process may have been kept waiting itself, and the answer be there.
        take();
        if (heartbeat.isOverdue(now)) {
          replace(`did not answer for ${ANSWER_WITHIN / 1000} seconds`);
          heartbeat.stop();
        }
      }
      heartbeat.ask(now);
      return Math.min(startAt, heartbeat.next());
    },
    finish() {
      heartbeat.stop();
      relay?.finish();
    },
  };
}
