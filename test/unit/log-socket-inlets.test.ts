/** What the relay listens to, and in which order it reads: connections that wait, and what is left at the end. */
import { afterEach, describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { createReceiver } from "../../ffi/datagrams.ts";
import type { EventSet } from "../../ffi/events.ts";
import { close, openDirectoryPath, writeAll } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import {
  bindIn,
  connectTo,
  listen,
  openPair,
  openSocket,
  passCredentials,
  SOCK_DGRAM,
  SOCK_STREAM,
} from "../../ffi/sockets.ts";
import { Inlets } from "../../src/log-socket/relay/inlets.ts";
import { type Chunk, line, receiverOf, relayContext, settings } from "./log-socket-relay.ts";
import { temporaryRoot } from "./temporary-root.ts";

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup();
});

/** A stream socket that is served, into which clients connect; each read brings the next of `chunks`. */
function scene(chunks: Chunk[] = [], limits = {}) {
  let connected = 0;
  const { context, setFull, relayed } = relayContext(() => connected++);
  const watched = new Set<number>();
  const set: EventSet = {
    add: (fd) => void watched.add(fd),
    remove: (fd) => void watched.delete(fd),
    wait: () => [],
    fd: -1,
  };
  const receiver = receiverOf(chunks, 0);
  const root = temporaryRoot();
  cleanups.push(() => root[Symbol.dispose]());
  const before = process.cwd();
  const directory = openDirectoryPath(root.path);
  const fd = openSocket(SOCK_STREAM, true);
  bindIn(fd, directory, "log");
  process.chdir(before);
  close(directory);
  listen(fd, 8);
  const inlets = new Inlets(context, set, receiver);
  inlets.open(1, fd, { ...settings, ...limits });
  cleanups.push(() => inlets.close(1));
  const inlet = inlets.byId.get(1);
  if (inlet === undefined) throw new Error("there is no inlet");
  return {
    inlets,
    inlet,
    watched,
    fd,
    connectedCount: () => connected,
    readCount: receiver.readCount,
    setFull,
    relayed,
    /** Connects; the descriptor of the relay's end. */
    connect(): number {
      const client = connectTo(`${root.path}/log`, SOCK_STREAM);
      cleanups.push(() => close(client));
      const known = new Set(watched);
      inlets.read(fd);
      const [accepted = -1] = [...watched].filter((one) => !known.has(one));
      return accepted;
    },
  };
}

test("the first connection is reported, and the first after none", () => {
  const one = scene([{ uid: 1, text: "" }]);
  const first = one.connect();
  expect(one.connectedCount()).toBe(1);
  const second = one.connect();
  expect(one.connectedCount()).toBe(1);
  expect(second).not.toBe(first);
  one.inlets.close(1);
  expect(one.inlets.connectionCount).toBe(0);
  const other = scene([{ uid: 1, text: "" }]);
  const closed = other.connect();
  // The end of the connection.
  other.inlets.read(closed);
  expect(other.inlets.connectionCount).toBe(0);
  other.connect();
  expect(other.connectedCount()).toBe(2);
});

test("without room nothing is accepted or read; with room everything is again", () => {
  const one = scene([
    { uid: 1, text: "<13>t: 1\n" },
    { uid: 1, text: "<13>t: 2\n" },
  ]);
  const [a, b] = [one.connect(), one.connect()];
  expect([...one.watched].sort()).toEqual([one.fd, a, b].sort());
  one.setFull(true);
  one.inlets.read(a);
  expect([...one.watched]).toEqual([]);
  expect(one.inlets.read(b)).toBe(0);
  one.inlets.releaseStalled();
  expect([...one.watched]).toEqual([]);
  expect(one.readCount()).toBe(1);
  one.setFull(false);
  one.inlets.releaseStalled();
  expect([...one.watched].sort()).toEqual([one.fd, a, b].sort());
  one.inlets.read(b);
  expect(one.relayed()).toEqual([line("1", 1), line("2", 1)]);
});

test("at the end waiting messages are relayed before more is read, and keep their sender", () => {
  const chunks = [
    { uid: 1, text: "<13>t: 1\n<13>t: 2\n<13>t: 3\n<13>t: 4\n" },
    { uid: 2, text: "<13>t: 5\n" },
  ];
  const one = scene(chunks, { base: 5, peak: 5 });
  one.inlets.read(one.connect());
  expect(one.relayed()).toEqual([line("1", 1)]);
  while (!one.inlets.drain(one.inlet));
  const expected = [line("1", 1), line("2", 1), line("3", 1), line("4", 1), line("5", 2)];
  expect(one.relayed()).toEqual(expected);
});

test("at the end too, nothing is read without room", () => {
  const one = scene([
    { uid: 1, text: "<13>t: 1\n<13>t: 2\n" },
    { uid: 2, text: "<13>t: 3\n" },
  ]);
  one.setFull(true);
  one.inlets.read(one.connect());
  expect(one.inlets.drain(one.inlet)).toBe(false);
  expect(one.readCount()).toBe(1);
  one.setFull(false);
  while (!one.inlets.drain(one.inlet));
  expect(one.relayed()).toEqual([line("1", 1), line("2", 1), line("3", 2)]);
});

describe("the sender of a message", () => {
  const SAME = 0xffffffff;

  test.skipIf(process.getuid?.() !== 0)("is known for each of several received together", () => {
    const [sender, fd] = openPair(SOCK_DGRAM);
    cleanups.push(
      () => close(sender),
      () => close(fd),
    );
    passCredentials(fd);
    for (const uid of [4001, 4002, 0]) {
      libc.setresuid(uid, SAME, SAME);
      writeAll(sender, toBytes(`of ${uid}`));
      libc.setresuid(0, 0, 0);
    }
    const receiver = createReceiver(3, 64);
    expect(receiver.receive(fd, 3)).toBe(3);
    expect([0, 1, 2].map(receiver.uid)).toEqual([4001, 4002, 0]);
    expect([0, 1, 2].map(receiver.pid)).toEqual([process.pid, process.pid, process.pid]);
  });

  test("is nobody if the kernel does not report it, whoever sent the previous one", () => {
    const receiver = createReceiver(1, 64);
    const told = [true, false].map((passing) => {
      const [sender, fd] = openPair(SOCK_DGRAM);
      cleanups.push(
        () => close(sender),
        () => close(fd),
      );
      if (passing) passCredentials(fd);
      writeAll(sender, toBytes("x"));
      expect(receiver.receive(fd, 1)).toBe(1);
      return [receiver.uid(0), receiver.pid(0)];
    });
    expect(told).toEqual([
      [process.getuid?.() ?? -1, process.pid],
      [SAME, 0],
    ]);
  });
});
