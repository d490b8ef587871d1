/** The limits of a socket: bytes in an interval, and its length in microseconds. */
export interface Limits {
  base: number;
  peak: number;
  interval: number;
}

/** What a socket has relayed in the interval that is under way. Times are microseconds of one clock. */
export interface LimitState {
  bytes: number;
  since: number;
  /** Whether the interval before went over `base`. */
  wasPeak: boolean;
}

/** What follows from a message: nothing, or nothing more is read until `until`, and a warning is logged. */
export type Verdict = undefined | { reason: "peak" | "base-after-peak"; until: number };

/** The state of a socket at its opening. */
export function startLimits(now: number): LimitState {
  return { bytes: 0, since: now, wasPeak: false };
}

/**
 * Counts a message of `bytes` that was relayed at `now`; changes `state`. The rules are those of jailkit 2.23. In an
 * interval `base` bytes pass; between `base` and `peak` they do so only if the interval before stayed under `base`;
 * what goes over waits until the interval is over. The message that crosses a limit is relayed in full. Where there
 * is to be a pause, call `resume` at its end.
 */
export function countMessage(state: LimitState, limits: Limits, bytes: number, now: number): Verdict {
  state.bytes += bytes;
  const elapsed = now - state.since;
  const pause = (reason: "peak" | "base-after-peak"): Verdict => {
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

/** A limit in bytes a second, as the log tells it. */
export function perSecond(bytes: number, limits: Limits): number {
  return Math.floor((bytes * 1_000_000) / limits.interval);
}
