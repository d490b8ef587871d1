import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createQueue, type Queue } from "../../src/log-socket/relay/queue.ts";

function put(queue: Queue, text: string, owner = 0): boolean {
  const offset = queue.reserve(text.length);
  if (offset < 0) return false;
  queue.bytes.write(text, offset, "latin1");
  queue.commit(text.length, owner);
  return true;
}

function waiting(queue: Queue): string[] {
  return Array.from({ length: queue.waiting() }, (_, i) => {
    const start = queue.offset(i);
    return queue.bytes.toString("latin1", start, start + queue.length(i));
  });
}

describe("messages in transit", () => {
  test("stay in order, end with a NUL, and keep their owner", () => {
    const queue = createQueue(64, 8);
    expect(put(queue, "one", 1) && put(queue, "two", 2)).toBe(true);
    expect(waiting(queue)).toEqual(["one", "two"]);
    expect([queue.owner(0), queue.owner(1)]).toEqual([1, 2]);
    expect(queue.bytes[queue.offset(0) + 3]).toBe(0);
    queue.sent(1);
    expect(waiting(queue)).toEqual(["two"]);
    expect(queue.unconfirmed()).toBe(1);
  });

  test("are sent again if they were not confirmed", () => {
    const queue = createQueue(64, 8);
    for (const text of ["a", "b", "c"]) put(queue, text);
    queue.sent(3);
    // 768 bytes of the kernel are one small message
    queue.confirm(queue.mark(), 768);
    queue.rewind();
    expect(waiting(queue)).toEqual(["c"]);
    queue.sent(1);
    queue.confirm(queue.mark(), 769);
    queue.rewind();
    expect(waiting(queue)).toEqual(["c"]);
    queue.sent(1);
    queue.confirm(queue.mark(), 0);
    queue.rewind();
    expect(waiting(queue)).toEqual([]);
  });

  test("that were sent after a check of the daemon are not confirmed by it", () => {
    const queue = createQueue(64, 8);
    for (const text of ["a", "b", "c"]) put(queue, text);
    queue.sent(1);
    const mark = queue.mark();
    queue.sent(2);
    queue.confirm(mark, 0);
    queue.rewind();
    expect(waiting(queue)).toEqual(["b", "c"]);
    // An old mark takes nothing back, and one beyond what is sent confirms no more than that.
    queue.confirm(mark + 5, 0);
    queue.confirm(0, 0);
    expect(waiting(queue)).toEqual(["b", "c"]);
  });

  test("do not fit if the memory or the list is full", () => {
    const queue = createQueue(16, 2);
    expect(queue.reserve(15)).toBe(0);
    expect(queue.reserve(16)).toBe(-1);
    expect([put(queue, "a"), put(queue, "b"), put(queue, "c")]).toEqual([true, true, false]);
    queue.sent(1);
    expect(put(queue, "c")).toBe(false);
    queue.confirm(queue.mark(), 0);
    expect(put(queue, "c")).toBe(true);
  });

  test("of any length, in any order of steps, are never lost, mixed up or overwritten", () => {
    const step = fc.oneof(
      fc.record({ is: fc.constant("put" as const), length: fc.integer({ min: 0, max: 40 }) }),
      fc.record({ is: fc.constantFrom("send" as const, "confirm" as const, "rewind" as const) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = createQueue(100, 8);
        let unconfirmed: string[] = [];
        let unsent: string[] = [];
        let number = 0;
        for (const one of steps) {
          if (one.is === "put") {
            const text = String.fromCharCode(33 + (number++ % 90)).repeat(one.length);
            if (put(queue, text)) unsent.push(text);
            else expect(unsent.length + unconfirmed.length).toBeGreaterThan(0);
          } else if (one.is === "send" && queue.waiting() > 0) {
            unconfirmed.push(unsent.shift() ?? "");
            queue.sent(1);
          } else if (one.is === "confirm") {
            unconfirmed = [];
            queue.confirm(queue.mark(), 0);
          } else if (one.is === "rewind") {
            unsent = [...unconfirmed, ...unsent];
            unconfirmed = [];
            queue.rewind();
          }
          expect(waiting(queue)).toEqual(unsent);
        }
      }),
      { numRuns: 300 },
    );
  });
});
