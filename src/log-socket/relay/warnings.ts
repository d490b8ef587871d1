import { toBytes } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { syslogLine } from "../../system/syslog.ts";
import type { Inlet } from "./inlet.ts";
import { type PauseReason, perSecond } from "./limits.ts";
import type { Outlet } from "./outlet.ts";

/** A warning of the relay as a line for the host's log. The first call reads the time zone. */
export const warningLine = (text: string): string => syslogLine("jk_socketd", "daemon", "warning", text);

/** What the relay itself writes to the log. Times are microseconds. */
export class Warnings {
  /** Inlets whose dropped messages no warning has reported yet. */
  readonly unreported = new Set<Inlet>();

  /** `mirror` also gets each warning. */
  constructor(
    private readonly outlet: Outlet,
    private readonly mirror: (text: string) => void,
  ) {}

  /** Warns that a socket went over a limit, in the words of jailkit 2.23. */
  paused({ settings }: Inlet, reason: PauseReason): void {
    const [limit, which, after] =
      reason === "peak" ? [settings.peak, "peak", ""] : [settings.base, "normal", ", directly after a peak"];
    const rate = perSecond(limit, settings);
    this.write(`device ${display(settings.path)} is over the ${which} limit (${rate} bytes/s)${after}`);
  }

  /** Warns of dropped messages whose interval is over, once there is a log daemon. */
  reportDropped(now: number): void {
    if (this.outlet.fd < 0) return;
    for (const inlet of this.unreported) {
      const { unreported, settings } = inlet;
      if (unreported === undefined || unreported.reportAt > now) continue;
      inlet.unreported = undefined;
      this.unreported.delete(inlet);
      const what = `${unreported.messages} messages (${unreported.bytes} bytes) were dropped`;
      this.write(`device ${display(settings.path)}: ${what}`);
    }
  }

  /** When `reportDropped` is due, or Infinity. */
  nextReport(now: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const { unreported } of this.unreported) next = Math.min(next, unreported?.reportAt ?? now);
    return next;
  }

  private write(text: string): void {
    const { queue } = this.outlet;
    const line = toBytes(warningLine(text));
    const offset = queue.reserve(line.length);
    if (offset >= 0) {
      queue.bytes.set(line, offset);
      queue.commit(line.length, -1);
    }
    this.mirror(text);
  }
}
