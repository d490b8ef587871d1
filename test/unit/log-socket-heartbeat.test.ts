import { describe, expect, test } from "bun:test";
import { Backoff } from "../../src/log-socket/monitor/backoff.ts";
import {
  ANSWER_WITHIN,
  ASK_AFTER,
  ASK_WITH_CONNECTIONS,
  Heartbeat,
} from "../../src/log-socket/monitor/heartbeat.ts";

function scene() {
  const asked: number[] = [];
  let watching = false;
  const heartbeat = new Heartbeat({
    watch: (isWanted) => {
      watching = isWanted;
    },
    ask: (question) => asked.push(question),
  });
  heartbeat.restart();
  return { heartbeat, asked, isWatching: () => watching };
}

const NEVER = Number.POSITIVE_INFINITY;

describe("the heartbeat", () => {
  test("asks nothing while no message comes", () => {
    const { heartbeat, asked, isWatching } = scene();
    expect(heartbeat.next()).toBe(NEVER);
    heartbeat.ask(1e9);
    expect(heartbeat.isOverdue(1e9)).toBe(false);
    expect(asked).toEqual([]);
    expect(isWatching()).toBe(true);
  });

  test("asks once for all messages of an interval, and watches again after the answer", () => {
    const { heartbeat, asked, isWatching } = scene();
    heartbeat.work(0);
    expect(isWatching()).toBe(false);
    expect(heartbeat.next()).toBe(ASK_AFTER);
    heartbeat.ask(ASK_AFTER - 1);
    expect(asked).toEqual([]);
    heartbeat.ask(ASK_AFTER);
    heartbeat.ask(ASK_AFTER + 1);
    expect(asked).toEqual([1]);
    expect(heartbeat.next()).toBe(ASK_AFTER + ANSWER_WITHIN);
    heartbeat.answered(1, 0, ASK_AFTER + 2);
    expect(isWatching()).toBe(true);
    expect(heartbeat.next()).toBe(NEVER);
    expect(heartbeat.isOverdue(1e9)).toBe(false);
  });

  test("an answer to another question does not count, and changing sockets do not end the wait", () => {
    const { heartbeat, isWatching } = scene();
    heartbeat.answered(0, 0, 0);
    heartbeat.work(0);
    heartbeat.ask(ASK_AFTER);
    for (const number of [0, 2]) heartbeat.answered(number, 0, ASK_AFTER);
    heartbeat.restart();
    expect(isWatching()).toBe(false);
    expect(heartbeat.isOverdue(ASK_AFTER + ANSWER_WITHIN - 1)).toBe(false);
    expect(heartbeat.isOverdue(ASK_AFTER + ANSWER_WITHIN)).toBe(true);
    heartbeat.stop();
    expect(heartbeat.isOverdue(1e9)).toBe(false);
  });

  test("with connections it asks repeatedly", () => {
    const { heartbeat, asked } = scene();
    heartbeat.connected(0);
    expect(heartbeat.next()).toBe(ASK_WITH_CONNECTIONS);
    heartbeat.ask(ASK_WITH_CONNECTIONS);
    heartbeat.answered(1, 1, 6000);
    expect(heartbeat.next()).toBe(6000 + ASK_WITH_CONNECTIONS);
    heartbeat.connected(7000);
    heartbeat.ask(6000 + ASK_WITH_CONNECTIONS);
    expect(asked).toEqual([1, 2]);
    heartbeat.answered(2, 0, 20_000);
    expect(heartbeat.next()).toBe(NEVER);
  });
});

test("a relay that ends is started again at once, but not in quick succession, and never much later", () => {
  const backoff = new Backoff({ atOnce: 1, longestPause: 8000, calm: 60_000 });
  let startedAt = -1e9;
  let now = 0;
  const waits = Array.from({ length: 8 }, () => {
    const at = backoff.next(startedAt, now);
    const wait = at - now;
    startedAt = at;
    now = at + 10;
    return wait;
  });
  expect(waits).toEqual([0, 1000, 2000, 4000, 8000, 8000, 8000, 8000]);
  expect(backoff.next(startedAt, startedAt + 60_000)).toBe(startedAt + 68_000);
  expect(backoff.next(startedAt, startedAt + 60_001)).toBe(startedAt + 60_001);
});
