import type { ByteString } from "../../../ffi/bytes.ts";
import { EPOLLIN, pollTwo } from "../../../ffi/events.ts";
import { close } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { setSendTimeout } from "../../../ffi/sockets.ts";
import { isStopped, waitFor } from "../../../ffi/spawn.ts";
import { JailkitError } from "../../cli/error.ts";
import { type Command, type Counters, hearReport, type Report, tell } from "../protocol.ts";
import { type Half, startRelay } from "../roles.ts";
import type { RelayAccount } from "./account.ts";
import { openEmptyDirectory } from "./empty.ts";

/** What the relay is started with. */
export interface RelayOptions {
  account: RelayAccount;
  /** Lines that it logs are to be shown too. */
  mirror: boolean;
}

/** What the relay wants. */
export interface RelayEvents {
  gone(): void;
  askedAlive(question: number): void;
  /** There is a connection. */
  connected(): void;
  /** It is at work. */
  there(question: number, connections: number): void;
  line(text: ByteString): void;
}

/** What the relay tells of its sockets, by id, and of itself. */
export interface RelayStatus {
  counters: Map<number, Counters>;
  connected: boolean;
  waiting: number;
}

/** The relay as the monitor sees it. */
export interface RelayLink {
  /** The descriptor to be watched. */
  readonly control: number;
  readonly pid: number;
  /** Tells it something; nothing happens where it is dead. */
  command(command: Command, descriptor?: number): void;
  /** Takes what it reports; false where it has ended. */
  handle(): boolean;
  /** Asks for counters; undefined where it does not answer. */
  status(): RelayStatus | undefined;
  /** Whether somebody has stopped it by a signal. */
  isStopped(): boolean;
  /** Ends it at once; that it has ended is told as always. */
  kill(): void;
  /** Lets it relay what waits, and end. Afterwards it is gone. */
  finish(): void;
  /** After it has ended: how; undefined where a debugger keeps that for itself. */
  reap(): number | undefined;
}

const NOBODY = { fd: -1, events: 0 } as const;
const READY_TIME = 10_000;
const ANSWER_TIME = 2000;
const FINISH_TIME = 3000;
const SEND_SECONDS = 5;
// It has closed its descriptors, and the kernel is about to say that it has ended.
const REAP_TIME = 200;
const SIGKILL = 9;
// Waiting for a new relay, how often to look whether it was stopped.
const LOOK = 200;

const clock = () => Bun.nanoseconds() / 1e6;

/**
 * Starts the relay and returns when it has proved that it has no privilege. Throws JailkitError where it could not,
 * SystemError.
 */
export function openRelay(options: RelayOptions, events: RelayEvents): RelayLink {
  const { mirror } = options;
  const { uid, gid } = options.account;
  const root = openEmptyDirectory();
  let half: Half;
  try {
    half = startRelay();
  } catch (error) {
    close(root);
    throw error;
  }
  const { pid, control } = half;
  // A relay that hears nothing must not stop the monitor.
  setSendTimeout(control, SEND_SECONDS);
  let over = false;

  function reap(): number | undefined {
    close(control);
    const deadline = clock() + REAP_TIME;
    for (;;) {
      const status = waitFor(pid, true);
      if (status !== undefined || clock() > deadline) return status;
      pollTwo(NOBODY, NOBODY, 1);
    }
  }

  function end(): void {
    over = true;
    libc.kill(pid, SIGKILL);
  }

  /** The next report, if it comes before the deadline, and before it is `stopped`. */
  function before(deadline: number, stopped = () => false): Report | undefined {
    let came = 0;
    while (came === 0) {
      const rest = Math.ceil(deadline - clock());
      if (over || rest <= 0) return undefined;
      [came] = pollTwo({ fd: control, events: EPOLLIN }, NOBODY, Math.min(rest, LOOK));
      if (came === 0 && stopped()) end();
    }
    const report = hearReport(control);
    if (report === "over") end();
    return report === "over" ? undefined : report;
  }

  function take(report: Report): void {
    if (report.is === "gone") events.gone();
    else if (report.is === "alive?") events.askedAlive(report.question);
    else if (report.is === "connected") events.connected();
    else if (report.is === "there") events.there(report.question, report.connections);
    else if (report.is === "line") events.line(report.text);
  }

  function command(message: Command, descriptor?: number): void {
    if (over) return;
    try {
      if (!tell(control, message, true, descriptor)) end();
    } catch {
      // It has ended; the monitor finds out by the end of what it reads.
    }
  }

  command({ is: "start", uid, gid, mirror }, root);
  close(root);
  const first = before(clock() + READY_TIME, () => isStopped(pid));
  if (first?.is !== "ready") {
    end();
    reap();
    const reason = first?.is === "failed" ? first.message : "the relay ended before it was ready";
    throw new JailkitError("no-relay", 1, reason);
  }

  return {
    control,
    pid,
    reap,
    command,
    isStopped: () => !over && isStopped(pid),
    kill: end,
    handle() {
      for (;;) {
        const report = hearReport(control);
        if (report === undefined) return true;
        if (report === "over") {
          end();
          return false;
        }
        // What one that is killed has still said does not count.
        if (!over) take(report);
      }
    },
    status() {
      command({ is: "status" });
      const deadline = clock() + ANSWER_TIME;
      const counters = new Map<number, Counters>();
      for (let report = before(deadline); report !== undefined; report = before(deadline)) {
        if (report.is === "counters") counters.set(report.id, report.counters);
        else if (report.is === "end") {
          return { counters, connected: report.connected, waiting: report.waiting };
        } else take(report);
      }
      return undefined;
    },
    finish() {
      command({ is: "finish" });
      const deadline = clock() + FINISH_TIME;
      while (before(deadline) !== undefined);
      // It is over, or had its time.
      end();
      reap();
    },
  };
}
