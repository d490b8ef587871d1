import type { ByteString } from "../../ffi/bytes.ts";
import { EPOLLIN, pollTwo } from "../../ffi/events.ts";
import { close } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { waitFor } from "../../ffi/spawn.ts";
import { JailkitError } from "../cli/error.ts";
import type { Severity } from "../system/syslog.ts";
import { openEmptyDirectory } from "./empty.ts";
import { type Command, type Counters, hear, type Report, tell } from "./protocol.ts";
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
  line(severity: Severity, text: ByteString): void;
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

const EVENTS = { fd: -1, events: 0 } as const;
const ANSWER_TIME = 2000;
const FINISH_TIME = 3000;
const SIGKILL = 9;

/**
 * Starts the relay and returns when it has proved that it has no privilege. Throws JailkitError where it could not,
 * SystemError.
 */
export function openRelay(options: RelayOptions, events: RelayEvents): RelayLink {
  const root = openEmptyDirectory();
  let half: Half;
  try {
    half = startRelay();
    tell(half.control, { is: "start", ...options }, true, root);
  } finally {
    close(root);
  }
  const { pid, control } = half;
  let over = false;

  const reap = () => {
    close(control);
    return waitFor(pid) ?? 0;
  };

  function take(report: Report): void {
    if (report.is === "gone") events.gone();
    else if (report.is === "alive?") events.askedAlive(report.question);
    else if (report.is === "line") events.line(report.severity, report.text);
  }

  const first = hear<Report>(control, true);
  if (first === undefined || first === "over" || first.message.is !== "ready") {
    libc.kill(pid, SIGKILL);
    reap();
    const failed =
      typeof first === "object" && first.message.is === "failed" ? first.message.message : undefined;
    throw new JailkitError("no-relay", 1, failed ?? "the relay ended before it was ready");
  }

  /** The next report, if it comes within so many milliseconds. */
  function within(milliseconds: number): Report | undefined {
    const [came] = pollTwo({ fd: control, events: EPOLLIN }, EVENTS, milliseconds);
    if (came === 0) return undefined;
    const received = hear<Report>(control, false);
    if (received === "over") over = true;
    return typeof received === "object" ? received.message : undefined;
  }

  return {
    control,
    pid,
    reap,
    command(command, descriptor) {
      if (over) return;
      try {
        tell(control, command, true, descriptor);
      } catch {
        // It has ended; the monitor finds out by the end of what it reads.
      }
    },
    handle() {
      for (;;) {
        const received = hear<Report>(control, false);
        if (received === undefined) return true;
        if (received === "over") return false;
        take(received.message);
      }
    },
    status() {
      this.command({ is: "status" });
      const counters = new Map<number, Counters>();
      for (let report = within(ANSWER_TIME); report !== undefined; report = within(ANSWER_TIME)) {
        if (report.is === "counters") counters.set(report.id, report.counters);
        else if (report.is === "end") {
          return { counters, connected: report.connected, waiting: report.waiting };
        } else take(report);
      }
      return undefined;
    },
    finish() {
      this.command({ is: "finish" });
      while (!over && within(FINISH_TIME) !== undefined);
      if (!over) libc.kill(pid, SIGKILL);
      reap();
    },
  };
}
