const FIRST_PAUSE = 1000;

/** Longer and longer pauses for what happens in quick succession. Times are milliseconds. */
export class Backoff {
  private times = 0;

  /** It may happen `atOnce` times without a pause. After the time `calm` without it, counting begins again. */
  constructor(private readonly limits: { atOnce: number; longestPause: number; calm: number }) {}

  /** Counts an event at `now`, after one at `last`. Returns when the next may happen. */
  next(last: number, now: number): number {
    const { atOnce, longestPause, calm } = this.limits;
    this.times = now - last > calm ? 1 : this.times + 1;
    const excess = this.times - atOnce;
    return excess <= 0 ? now : now + Math.min(FIRST_PAUSE * 2 ** (excess - 1), longestPause);
  }
}
