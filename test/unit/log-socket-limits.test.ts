import { describe, expect, test } from "bun:test";
import { perSecond, Rate } from "../../src/log-socket/relay/limits.ts";

const limits = { base: 100, peak: 300, interval: 1000 };

/** Messages as [time, bytes]; what each led to: "" or the reason of the pause and its end. */
function run(trace: readonly (readonly [at: number, bytes: number])[], given = limits): string[] {
  const rate = new Rate(0);
  let free = 0;
  return trace.map(([at, bytes]) => {
    const now = Math.max(at, free);
    if (free > 0 && now >= free) {
      rate.restart(free);
      free = 0;
    }
    const verdict = rate.count(given, bytes, now);
    if (verdict === undefined) return "";
    if (verdict.until <= now) rate.restart(now);
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
      "at its end it is the same interval over base, too",
      [
        [0, 50],
        [1000, 60],
        [1000, 191],
      ],
      ["", "", "peak 1000"],
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
    const rate = new Rate(0);
    rate.count(limits, 90, 10);
    rate.count(limits, 5, 1001);
    expect(rate).toMatchObject({ bytes: 0, since: 1001, wasPeak: false });
    rate.count(limits, 101, 2002);
    expect(rate.count(limits, 101, 3004)).toBeUndefined();
    expect(rate).toMatchObject({ bytes: 0, since: 3004, wasPeak: true });
  });

  test("a new socket has had no peak", () => {
    expect(new Rate(7)).toMatchObject({ bytes: 0, since: 7, wasPeak: false });
  });
});

/**
 * What jailkit 2.23 did with base = 200, peak = 500, interval = 0.5: when a message was sent and how long it was, when
 * it was relayed (milliseconds), and the limit in the warning that followed it.
 */
const recorded: [sent: number, bytes: number, relayed: number, warning: "" | "peak" | "normal"][] = [
  [0.032, 20, 0.248, ""],
  [50.128, 150, 50.282, ""],
  [100.109, 100, 100.263, ""],
  [150.122, 260, 150.307, "peak"],
  [160.115, 50, 500.409, ""],
  [700.108, 160, 700.335, "normal"],
  [710.115, 30, 1000.544, ""],
  [1600.133, 20, 1600.339, ""],
  [1650.107, 400, 1650.259, ""],
  [2200.136, 50, 2200.317, ""],
  [2250.135, 210, 2251.354, "normal"],
  [2260.169, 505, 2700.576, "peak"],
  [3300.115, 20, 3300.285, ""],
  [3310.114, 480, 3310.231, "normal"],
  [3900.128, 20, 3900.284, ""],
  [3910.12, 201, 3910.248, "normal"],
  [3920.121, 299, 4202.352, "normal"],
  [3930.1, 20, 4702.493, ""],
];

test("a recorded trace of jailkit 2.23 gives the same result, by message and interval", () => {
  const given = { base: 200, peak: 500, interval: 500_000 };
  // The first interval was over long before.
  const rate = new Rate(-800_000);
  const reasons = { peak: "peak", "base-after-peak": "normal" } as const;
  let until: number | undefined;
  let waited = 0;
  for (const [sent, bytes, relayed, warning] of recorded) {
    if (until !== undefined) {
      // A timer is a little late, and never early; a message that came meanwhile waited for it.
      const late = relayed - Math.max(sent, until / 1000);
      expect(late).toBeGreaterThanOrEqual(0);
      expect(late).toBeLessThan(3);
      if (sent * 1000 < until) waited++;
      rate.restart(Math.min(relayed * 1000, until + 300));
    }
    const verdict = rate.count(given, bytes, relayed * 1000);
    expect(verdict === undefined ? "" : reasons[verdict.reason]).toBe(warning);
    until = verdict?.until;
  }
  expect(waited).toBe(5);
});

test("limits per second, also beyond 32 bits", () => {
  expect(perSecond(2048, { base: 0, peak: 0, interval: 10_000_000 })).toBe(204);
  expect(perSecond(1_000_000, { base: 0, peak: 0, interval: 10_000 })).toBe(100_000_000);
});
