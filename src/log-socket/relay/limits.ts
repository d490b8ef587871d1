/** The limits of a socket: bytes in an interval, and its length in microseconds. */
export interface Limits {
  base: number;
  peak: number;
  interval: number;
}

/** What a socket has relayed in the current interval. Times are microseconds of one clock. */
export interface LimitState {
  bytes: number;
  since: number;
  /** Whether the previous interval went over `base`. */
  wasPeak: boolean;
}

/** Which limit a socket went over. */
export type PauseReason = "peak" | "base-after-peak";

/** A socket went over a limit: read nothing more until `until`. */
interface Pause {
  reason: PauseReason;
  until: number;
}

/** The state of a new socket. */
export function startLimits(now: number): LimitState {
  return { bytes: 0, since: now, wasPeak: false };
}

/**
 * Counts a message of `bytes` that was relayed at `now`, and updates `state`. Returns a pause, at whose end `resume`
 * must be called, if a limit is crossed. The rules are those of jailkit 2.23: `base` bytes pass in each interval, and
 * up to `peak` if the previous interval stayed under `base`. The message that crosses a limit is relayed in full.
 */
export function countMessage(
  state: LimitState,
  limits: Limits,
  bytes: number,
  now: number,
): Pause | undefined {
  state.bytes += bytes;
  const elapsed = now - state.since;
  const pause = (reason: PauseReason): Pause => {
    const rest = limits.interval - elapsed;
    return { reason, until: rest > 0 ? now + rest : now };
  };
  if (state.bytes > limits.peak) return pause("peak");
  if (state.bytes > limits.base) {
    if (elapsed <= limits.interval) return state.wasPeak ? pause("base-after-peak") : undefined;
    resume(state, now);
  } else if (elapsed > limits.interval) {
    state.bytes = 0;
    state.since = now;
    state.wasPeak = false;
  }
  return undefined;
}

/** Starts a new interval after one that went over `base`. */
export function resume(state: LimitState, now: number): void {
  state.bytes = 0;
  state.since = now;
  state.wasPeak = true;
}

/** A limit in bytes per second, as the log shows it. */
export function perSecond(bytes: number, limits: Limits): number {
  return Math.floor((bytes * 1_000_000) / limits.interval);
}
