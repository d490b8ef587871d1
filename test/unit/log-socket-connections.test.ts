/** Whose words the bytes of a connection are, whatever happens between them. */
import { expect, test } from "bun:test";
import type { Receiver } from "../../ffi/datagrams.ts";
import { Connection } from "../../src/log-socket/relay/connections.ts";
import { Inlet } from "../../src/log-socket/relay/inlet.ts";
import { type Chunk, line, receiverOf, relayContext, settings } from "./log-socket-relay.ts";

/** A connection through which one after another of `chunks` comes. */
function scene(chunks: Chunk[], limits = {}) {
  const relay = relayContext();
  const inlet = new Inlet(relay.context, 1, -1, { ...settings, ...limits });
  const connection = new Connection(-1, inlet);
  const receiver = receiverOf(chunks, 1);
  return {
    ...relay,
    inlet,
    connection,
    read: () => connection.read(receiver),
    /** As the relay does when there is room, or the pause is over. */
    release() {
      inlet.pausedUntil = undefined;
      return inlet.relayHeld() && connection.relayBuffered();
    },
  };
}

test("a message that one user began is not continued by another, with or without room", () => {
  for (const full of [false, true]) {
    const one = scene([
      { uid: 4001, text: "<13>t: of 4001" },
      { uid: 0, text: "<13>t: of root\n<13>t: more" },
      { uid: 4001, text: " of 4001\n" },
    ]);
    one.read();
    one.setFull(full);
    one.read();
    one.setFull(false);
    one.release();
    one.read();
    const expected = [
      line("of 4001", 4001),
      line("of root", 0),
      line("more", 0),
      "<13> of 4001 (jail=/j uid=4001)",
    ];
    expect(one.relayed()).toEqual(expected);
  }
});

test("nor another process's", () => {
  const one = scene([
    { pid: 5, uid: 4001, text: "<13>a[1]: x" },
    { pid: 6, uid: 4001, text: "<13>b[1]: y\n" },
  ]);
  one.read();
  one.read();
  expect(one.relayed()).toEqual(["<13>a[5]: x (jail=/j uid=4001)", "<13>b[6]: y (jail=/j uid=4001)"]);
});

test("no byte is examined twice", () => {
  const text = `<13>t: one\n<13>t: two\0<13>t: ${"x".repeat(70_000)}\n<13>t: half`;
  const relay = (length: (at: number) => number) => {
    const pieces: Chunk[] = [];
    for (let at = 0; at < text.length; at += length(at))
      pieces.push({ uid: 1, text: text.slice(at, at + length(at)) });
    const one = scene(pieces);
    for (const _ of pieces) {
      one.read();
      expect(one.connection.scanned).toBe(one.connection.used);
    }
    expect(one.connection.used).toBe("<13>t: half".length);
    return one.relayed();
  };
  const bytes = relay((at) => (at < 40 || at > 65_000 ? 1 : 100));
  expect(bytes).toHaveLength(4);
  expect(bytes).toEqual(relay(() => 1000));
});

test("without room nothing more is read, and everything follows in order later", () => {
  const one = scene([
    { uid: 1, text: "<13>t: 1\n<13>t: 2\n<13>t: 3\n<13>t: 4" },
    { uid: 2, text: "<13>t: 5\n" },
  ]);
  one.setFull(true);
  one.read();
  expect(one.inlet.isHolding).toBe(true);
  // One is set aside, and the others stay where they are.
  expect(one.inlet.held).toHaveLength(1);
  expect(one.relayed()).toEqual([]);
  one.setFull(false);
  expect(one.release()).toBe(true);
  one.read();
  expect(one.relayed()).toEqual([line("1", 1), line("2", 1), line("3", 1), line("4", 1), line("5", 2)]);
});

test("above a limit complete messages wait, and keep their sender", () => {
  const one = scene(
    [
      { uid: 1, text: "<13>t: 1\n<13>t: 2\n<13>t: half" },
      { uid: 2, text: "<13>t: 3\n" },
    ],
    { base: 5, peak: 5 },
  );
  one.read();
  expect(one.inlet.isHolding).toBe(true);
  expect(one.relayed()).toEqual([line("1", 1)]);
  while (!one.release());
  one.inlet.pausedUntil = undefined;
  one.read();
  while (!one.release());
  expect(one.relayed()).toEqual([line("1", 1), line("2", 1), line("half", 1), line("3", 2)]);
});

test("the end of a connection ends its message, which keeps its sender without room", () => {
  const one = scene([{ uid: 7, text: "<13>t: last" }]);
  one.read();
  one.setFull(true);
  expect(one.read()).toBe(false);
  one.setFull(false);
  one.release();
  expect(one.relayed()).toEqual([line("last", 7)]);
});

test.each([
  ["over a limit", { base: 5, peak: 5 }, false, 1],
  ["without room", {}, true, 0],
])(
  "datagrams that were read together, %s: each waits in order, with its sender",
  (_, limits, full, atOnce) => {
    const one = scene([], limits);
    const texts = ["<13>t: 0", "<13>t: 1", "<13>t: 2"];
    const bytes = Buffer.alloc(3 * 64);
    texts.forEach((text, i) => {
      bytes.write(text, 64 * i);
    });
    const receiver: Receiver = {
      bytes,
      size: 64,
      count: 3,
      receive: () => 3,
      length: (i) => texts[i]?.length ?? 0,
      isCut: () => false,
      pid: (i) => i,
      uid: (i) => 100 + i,
    };
    one.setFull(full);
    expect(one.inlet.readDatagrams(receiver)).toBe(3);
    expect(one.relayed()).toHaveLength(atOnce);
    expect(one.inlet.held).toHaveLength(3 - atOnce);
    // What is read next goes into the same memory.
    bytes.fill(0x78);
    one.setFull(false);
    while (!one.release());
    expect(one.relayed()).toEqual([line("0", 100), line("1", 101), line("2", 102)]);
  },
);
