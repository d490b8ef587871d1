import { libc } from "./libc.ts";

const CLOCK_MONOTONIC = 1;

/** CLOCK_MONOTONIC of clock_gettime(2), in microseconds. */
export function monotonicMicroseconds(): number {
  const time = new BigInt64Array(2);
  // SAFETY: struct timespec is two 64-bit words, in a buffer that this function holds.
  libc.clock_gettime(CLOCK_MONOTONIC, time);
  return Number(time[0] ?? 0n) * 1_000_000 + Math.floor(Number(time[1] ?? 0n) / 1000);
}
