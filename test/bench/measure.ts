/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? upper)) / 2;
}

/**
 * The medians of several measurements in milliseconds, each taken `rounds` times in turn, so that what else the
 * machine does befalls all of them alike. One round before that is not counted, unless `warmUp` is false.
 */
export function interleave<Name extends string>(
  rounds: number,
  measurements: Record<Name, () => number>,
  warmUp = true,
): Record<Name, number> {
  const names = Object.keys(measurements) as Name[];
  const taken = Object.fromEntries(names.map((name) => [name, []])) as unknown as Record<Name, number[]>;
  for (let round = warmUp ? -1 : 0; round < rounds; round++)
    for (const name of names) {
      const value = measurements[name]();
      if (round >= 0) taken[name].push(value);
    }
  return Object.fromEntries(names.map((name) => [name, median(taken[name])])) as Record<Name, number>;
}

/** Two medians, in milliseconds. `than`: what ours is compared with. */
export interface Comparison {
  readonly what: string;
  readonly ours: number;
  readonly other: number;
  readonly than: string;
}

/** What this run has reported. */
export const comparisons: Comparison[] = [];

/** One line: what was compared, both times, how many times as long or as fast, and what is aimed at. */
export function report(what: string, ours: number, other: number, than: string, target: Target): void {
  comparisons.push({ what, ours, other, than });
  const ratio = "faster" in target ? other / ours : ours / other;
  const aim = "faster" in target ? `at least ${target.faster}` : `at most ${target.atMost}`;
  const met = "faster" in target ? ratio >= target.faster : ratio <= target.atMost;
  const word = "faster" in target ? "as fast" : "as long";
  const times = `${ours.toFixed(1)} ms, ${than} ${other.toFixed(1)} ms`;
  console.log(`${met ? " " : "!"} ${what}: ${times}: ${ratio.toFixed(2)} times ${word} (${aim})`);
}

/** `faster`: at least so many times as fast; `atMost`: at most so many times as long. */
export type Target = { faster: number } | { atMost: number };
