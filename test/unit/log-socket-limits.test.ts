import { describe, expect, test } from "bun:test";
import { countMessage, type Limits, perSecond, resume, startLimits } from "../../src/log-socket/limits.ts";

const limits: Limits = { base: 100, peak: 300, interval: 1000 };

/** Messages as [time, bytes]; what each led to: "" or the reason of the pause and its end. */
function run(trace: readonly (readonly [at: number, bytes: number])[], given = limits): string[] {
  const state = startLimits(0);
  let free = 0;
  return trace.map(([at, bytes]) => {
    const now = Math.max(at, free);
    if (free > 0 && now >= free) {
      resume(state, free);
      free = 0;
    }
    const verdict = countMessage(state, given, bytes, now);
    if (verdict === undefined) return "";
    if (verdict.until <= now) resume(state, now);
    else free = verdict.until;
    return `${verdict.reason} ${verdict.until}`;
  });
}

describe("bytes in an interval", () => {
  const rows: [string, [number, number][], string[]][] = [
    [
      "base itself passes",
      [
        [0, 100],
        [1, 0],
        [999, 0],
      ],
      ["", "", ""],
    ],
    [
      "over base passes once",
      [
        [0, 101],
        [1, 199],
      ],
      ["", ""],
    ],
    ["peak itself passes", [[0, 300]], [""]],
    ["over peak waits for the rest", [[0, 301]], ["peak 1000"]],
    [
      "one byte over peak, late",
      [
        [0, 300],
        [999, 1],
      ],
      ["", "peak 1000"],
    ],
    [
      "over peak after the interval waits for nothing",
      [
        [1001, 301],
        [1001, 101],
      ],
      ["peak 1001", "base-after-peak 2001"],
    ],
    [
      "after a pause for peak, base is the limit",
      [
        [0, 301],
        [1000, 101],
      ],
      ["peak 1000", "base-after-peak 2000"],
    ],
    [
      "after a peak that was over in time, too",
      [
        [0, 150],
        [1001, 101],
        [1002, 1],
      ],
      ["", "", ""],
    ],
    [
      "at the interval's end it is not over",
      [
        [0, 100],
        [1000, 1],
      ],
      ["", ""],
    ],
    [
      "just after it, it is",
      [
        [0, 100],
        [1001, 1],
        [1002, 101],
      ],
      ["", "", "base-after-peak 2001"],
    ],
    [
      "an interval under base allows a peak again",
      [
        [0, 301],
        [1000, 10],
        [2001, 10],
        [2002, 200],
      ],
      ["peak 1000", "", "", ""],
    ],
    [
      "without it none",
      [
        [0, 301],
        [1000, 10],
        [1999, 91],
      ],
      ["peak 1000", "", "base-after-peak 2000"],
    ],
  ];
  test.each(rows)("%s", (_, trace, expected) => {
    expect(run(trace)).toEqual(expected);
  });

  test("the message that ends an interval counts for neither", () => {
    const state = startLimits(0);
    countMessage(state, limits, 90, 10);
    countMessage(state, limits, 5, 1001);
    expect(state).toEqual({ bytes: 0, since: 1001, wasPeak: false });
    countMessage(state, limits, 101, 2002);
    expect(countMessage(state, limits, 101, 3004)).toBeUndefined();
    expect(state).toEqual({ bytes: 0, since: 3004, wasPeak: true });
  });

  test("a new socket has had no peak", () => {
    expect(startLimits(7)).toEqual({ bytes: 0, since: 7, wasPeak: false });
  });
});

test("limits by the second, also where 32 bits would not hold them", () => {
  expect(perSecond(2048, { base: 0, peak: 0, interval: 10_000_000 })).toBe(204);
  expect(perSecond(1_000_000, { base: 0, peak: 0, interval: 10_000 })).toBe(100_000_000);
});
