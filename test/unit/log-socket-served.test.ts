import { expect, test } from "bun:test";
import { Backoff } from "../../src/log-socket/monitor/backoff.ts";
import { jailOf, showLimits, socketOfOptions } from "../../src/log-socket/monitor/settings.ts";

test("a removed socket is created again at once, but not for ever", () => {
  const backoff = new Backoff({ atOnce: 5, longestPause: 60_000, calm: 120_000 });
  let [created, next] = [0, 0];
  const waits = Array.from({ length: 14 }, () => {
    const now = next;
    next = backoff.next(created, now);
    created = now;
    return next - now;
  });
  const doubled = [1000, 2000, 4000, 8000, 16_000, 32_000];
  expect(waits).toEqual([0, 0, 0, 0, 0, ...doubled, 60_000, 60_000, 60_000]);
  expect(backoff.next(created, created + 120_001)).toBe(created + 120_001);
});

test("the jail of a socket is the directory with dev/log, or its directory", () => {
  expect(jailOf("/srv/j/dev/log")).toBe("/srv/j");
  expect(jailOf("/srv/j/run/log")).toBe("/srv/j/run");
  expect(jailOf("/srv/j/xdev/log")).toBe("/srv/j/xdev");
});

const none = { base: undefined, peak: undefined, interval: undefined, type: undefined, trust: undefined };

test.each([
  [{}, "[511:2048]/10.000000"],
  [{ base: "1", interval: "100" }, "[511:2048]/5.000000"],
  [{ base: "10", peak: "100", interval: "0.01" }, "[10:100]/0.010000"],
  [{ base: "9", peak: "99", interval: "0.009" }, "[511:2048]/5.000000"],
  [{ base: "1000000", peak: "10000000", interval: "60" }, "[1000000:10000000]/60.000000"],
  [{ base: "1000001", peak: "10000001" }, "[511:2048]/10.000000"],
  [{ base: "5000" }, "[5000:5000]/10.000000"],
  [{ base: "600", peak: "500" }, "[600:2048]/10.000000"],
  [{ base: "x", peak: "", interval: "-" }, "[511:2048]/5.000000"],
  [{ base: "20 bytes" }, "[20:2048]/10.000000"],
])("limits from options: %j", (given, expected) => {
  const { sockets } = socketOfOptions({ ...none, path: "/srv/j/dev/log", ...given });
  expect(sockets.map(showLimits)).toEqual([expected]);
});

test.each(["rel", "/", "/dev/log", "//dev/./log", "/srv/../dev/log", "/srv/j/", ""])(
  "%p is no path of a socket",
  (path) => {
    const { sockets, notes } = socketOfOptions({ ...none, path });
    expect(sockets).toEqual([]);
    expect(notes.map(({ severity }) => severity)).toEqual(["crit"]);
  },
);
