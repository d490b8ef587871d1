import { O_DIRECTORY, O_RDONLY, SIGKILL } from "../../../ffi/constants.ts";
import { EPOLLIN, pollTwo } from "../../../ffi/events.ts";
import { close, openAt, readDirectory, withFd } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { setSendTimeout } from "../../../ffi/sockets.ts";
import { isStopped, waitFor } from "../../../ffi/spawn.ts";
import { JailkitError } from "../../cli/error.ts";
import { withTree } from "../../jail/fs/look.ts";
import { directoryFindings } from "../../jail/fs/safety.ts";
import { openTree } from "../../jail/fs/walk.ts";
import { makeDirectories } from "../../jail/fs/write.ts";
import { type Command, type Counters, type RelayReport, receiveReport, sendMessage } from "../protocol.ts";
import { type StartedProcess, startRelay } from "../roles.ts";
import type { RelayAccount } from "./account.ts";

/** How the relay is started. */
export interface RelayOptions {
  account: RelayAccount;
  /** Also show the lines that it logs. */
  mirror: boolean;
}

/** What the relay reports of its sockets, by id, and of itself. */
export interface RelayStatus {
  counters: Map<number, Counters>;
  connected: boolean;
}

const EMPTY_DIRECTORY = "/var/lib/jailkit/empty";
const NO_DESCRIPTOR = { fd: -1, events: 0 } as const;
const READY_TIME = 10_000;
const ANSWER_TIME = 2000;
const FINISH_TIME = 3000;
const SEND_SECONDS = 5;
// After it closed its descriptors, until the kernel reports its end.
const REAP_TIME = 200;
// How often to check whether a new relay was stopped.
const STOP_CHECK = 200;

const clock = () => Bun.nanoseconds() / 1e6;

/** Opens the relay's root directory, which only root may write, and which is empty. Creates it if it is missing. */
function openEmptyDirectory(): number {
  const refuse = (why: string) => new JailkitError("not-empty", 1, `${EMPTY_DIRECTORY} ${why}`);
  withTree((tree) => makeDirectories(tree, EMPTY_DIRECTORY, () => ({ mode: 0o755, uid: 0, gid: 0 })));
  using root = openTree(EMPTY_DIRECTORY);
  const [finding] = directoryFindings(root);
  if (finding !== undefined) throw refuse(`cannot be the relay's root directory: ${finding.message}`);
  const fd = openAt(root.fd, ".", O_RDONLY | O_DIRECTORY);
  if (readDirectory(fd).length === 0) return fd;
  close(fd);
  throw refuse("must be empty, since it is the relay's root directory; move its contents away");
}

/**
 * Starts the relay, and returns once it has checked that it has no privilege. Throws JailkitError if it could not give
 * them up, SystemError.
 */
export function openRelay(
  { account: { uid, gid }, mirror }: RelayOptions,
  handle: (report: RelayReport) => void,
): RelayLink {
  const relay = withFd(openEmptyDirectory(), (root) => {
    const started = new RelayLink(startRelay(), handle);
    started.command({ is: "start", uid, gid, mirror }, root);
    return started;
  });
  relay.waitUntilReady();
  return relay;
}

/** The relay as the monitor sees it. */
export class RelayLink {
  readonly pid: number;
  /** The descriptor to wait for. */
  readonly control: number;
  private over = false;

  constructor(
    { pid, control }: StartedProcess,
    /** Gets each report, except those that a call waits for. */
    private readonly report: (report: RelayReport) => void,
  ) {
    this.pid = pid;
    this.control = control;
    // A relay that does not read must not stop the monitor.
    setSendTimeout(control, SEND_SECONDS);
  }

  /** Sends a command; does nothing if the relay is dead. */
  command(message: Command, descriptor?: number): void {
    if (this.over) return;
    try {
      if (!sendMessage(this.control, message, true, descriptor)) this.kill();
    } catch {
      // The relay has ended; the monitor notices when it reads.
    }
  }

  /** Throws JailkitError if the relay does not get ready; it is ended then. */
  waitUntilReady(): void {
    const report = this.nextReport(clock() + READY_TIME, () => isStopped(this.pid));
    if (report?.is === "ready") return;
    this.kill();
    this.reap();
    const reason = report?.is === "failed" ? report.message : "the relay ended before it was ready";
    throw new JailkitError("no-relay", 1, reason);
  }

  /** Handles its reports; false if it has ended. */
  handle(): boolean {
    for (;;) {
      const report = receiveReport(this.control);
      if (report === undefined) return true;
      if (report === "over") {
        this.kill();
        return false;
      }
      // The last reports of a killed relay do not count.
      if (!this.over) this.report(report);
    }
  }

  /** Asks for counters; undefined if it does not answer. */
  status(): RelayStatus | undefined {
    this.command({ is: "status" });
    const deadline = clock() + ANSWER_TIME;
    const counters = new Map<number, Counters>();
    for (;;) {
      const report = this.nextReport(deadline);
      if (report === undefined) return undefined;
      if (report.is === "end") return { counters, connected: report.connected };
      if (report.is === "counters") counters.set(report.id, report.counters);
      else this.report(report);
    }
  }

  /** Whether a signal has stopped it. */
  isStopped(): boolean {
    return !this.over && isStopped(this.pid);
  }

  /** Ends it at once; `handle` reports the end. */
  kill(): void {
    this.over = true;
    libc.kill(this.pid, SIGKILL);
  }

  /** Lets it relay what waits, and end. */
  finish(): void {
    this.command({ is: "finish" });
    const deadline = clock() + FINISH_TIME;
    while (this.nextReport(deadline) !== undefined);
    // It has ended, or had its time.
    this.kill();
    this.reap();
  }

  /** The exit status after its end; undefined if a debugger keeps it. */
  reap(): number | undefined {
    const { pid } = this;
    close(this.control);
    const deadline = clock() + REAP_TIME;
    for (;;) {
      const status = waitFor(pid, true);
      if (status !== undefined || clock() > deadline) return status;
      pollTwo(NO_DESCRIPTOR, NO_DESCRIPTOR, 1);
    }
  }

  /** The next report before the deadline; undefined if there is none, or `stopped` says so. */
  private nextReport(deadline: number, stopped = () => false): RelayReport | undefined {
    let ready = 0;
    while (ready === 0) {
      const rest = Math.ceil(deadline - clock());
      if (this.over || rest <= 0) return undefined;
      const control = { fd: this.control, events: EPOLLIN };
      [ready] = pollTwo(control, NO_DESCRIPTOR, Math.min(rest, STOP_CHECK));
      if (ready === 0 && stopped()) this.kill();
    }
    const report = receiveReport(this.control);
    if (report !== "over") return report;
    this.kill();
    return undefined;
  }
}
