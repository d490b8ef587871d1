import type { SocketSettings } from "../protocol.ts";

/** Bytes in an interval, and its length in microseconds. */
type Limits = Pick<SocketSettings, "base" | "peak" | "interval">;

/** The limit that a socket went over. */
export type PauseReason = "peak" | "base-after-peak";

interface Pause {
  reason: PauseReason;
  until: number;
}

/** Counts what a socket relays in the current interval. Times are microseconds of one clock. */
export class Rate {
  private bytes = 0;
  /** Whether the previous interval went over `base`. */
  private wasPeak = false;

  constructor(private since: number) {}

  /**
   * Counts a message of `bytes` that was relayed at `now`. Returns a pause, at whose end `restart` must be called, if a
   * limit is crossed. The rules are those of jailkit 2.23: `base` bytes pass in each interval, and up to `peak` if the
   * previous interval stayed under `base`. The message that crosses a limit is relayed in full.
   */
  count(limits: Limits, bytes: number, now: number): Pause | undefined {
    this.bytes += bytes;
    const elapsed = now - this.since;
    const pause = (reason: PauseReason) => ({ reason, until: now + Math.max(0, limits.interval - elapsed) });
    if (this.bytes > limits.peak) return pause("peak");
    const isPeak = this.bytes > limits.base;
    if (elapsed > limits.interval) this.restart(now, isPeak);
    else if (isPeak && this.wasPeak) return pause("base-after-peak");
    return undefined;
  }

  /** Starts a new interval, by default after one that went over `base`. */
  restart(now: number, wasPeak = true): void {
    this.bytes = 0;
    this.since = now;
    this.wasPeak = wasPeak;
  }
}

/** A limit in bytes per second, as the log shows it. */
export function perSecond(bytes: number, limits: Limits): number {
  return Math.floor((bytes * 1_000_000) / limits.interval);
}
