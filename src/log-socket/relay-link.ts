import type { ByteString } from "../../ffi/bytes.ts";
import { EPOLLIN, pollTwo } from "../../ffi/events.ts";
import { close } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { setSendTimeout } from "../../ffi/sockets.ts";
import { waitFor } from "../../ffi/spawn.ts";
import { JailkitError } from "../cli/error.ts";
import { openEmptyDirectory } from "./empty.ts";
import { type Command, type Counters, hearReport, type Report, tell } from "./protocol.ts";
import { type Half, startRelay } from "./roles.ts";

/** What the relay is started with. */
export interface RelayOptions {
  uid: number;
  gid: number;
  /** Lines that it logs are to be shown too. */
  mirror: boolean;
}

/** What the relay wants. */
export interface RelayEvents {
  gone(): void;
  askedAlive(question: number): void;
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
  /** Lets it relay what waits, and end. Afterwards it is gone. */
  finish(): void;
  /** After it has ended: how. */
  reap(): number;
}

const NOBODY = { fd: -1, events: 0 } as const;
const READY_TIME = 10_000;
const ANSWER_TIME = 2000;
const FINISH_TIME = 3000;
const SEND_SECONDS = 5;
const SIGKILL = 9;

const clock = () => Bun.nanoseconds() / 1e6;

/**
 * Starts the relay and returns when it has proved that it has no privilege. Throws JailkitError where it could not,
 * SystemError.
 */
export function openRelay(options: RelayOptions, events: RelayEvents): RelayLink {
  const { uid, gid, mirror } = options;
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

  const reap = () => {
    close(control);
    return waitFor(pid) ?? 0;
  };

  function end(): void {
    over = true;
    libc.kill(pid, SIGKILL);
  }

  /** The next report, if it comes before the deadline. */
  function before(deadline: number): Report | undefined {
    const rest = Math.ceil(deadline - clock());
    if (over || rest <= 0) return undefined;
    const [came] = pollTwo({ fd: control, events: EPOLLIN }, NOBODY, rest);
    if (came === 0) return undefined;
    const report = hearReport(control);
    if (report === "over") end();
    return report === "over" ? undefined : report;
  }

  function take(report: Report): void {
    if (report.is === "gone") events.gone();
    else if (report.is === "alive?") events.askedAlive(report.question);
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
  const first = before(clock() + READY_TIME);
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
    handle() {
      for (;;) {
        const report = hearReport(control);
        if (report === undefined) return !over;
        if (report === "over") {
          end();
          return false;
        }
        take(report);
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
