import { afterEach, beforeEach, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_RDONLY } from "../../ffi/constants.ts";
import { close, openAt } from "../../ffi/files.ts";
import { openPair, SOCK_SEQPACKET, sendPacket } from "../../ffi/sockets.ts";
import {
  type Command,
  type RelayReport,
  readReport,
  receiveCommand,
  receiveReport,
  sendMessage,
} from "../../src/log-socket/protocol.ts";

let monitor: number;
let relay: number;
beforeEach(() => {
  [monitor, relay] = openPair(SOCK_SEQPACKET);
});
afterEach(() => {
  close(monitor);
  close(relay);
});

const counters = {
  messages: 1,
  bytes: 2,
  pauses: 3,
  dropped: 4,
  droppedBytes: 5,
  cut: 6,
  connections: 7,
  paused: false,
};
const settings = {
  path: "/srv/\xff/dev/log",
  jail: "/srv/x",
  type: "dgram",
  trust: "kernel",
  base: 1,
  peak: 2,
  interval: 3,
} as const;

test("commands arrive unchanged, with a descriptor", () => {
  const command: Command = { is: "open", id: 5, settings };
  const fd = openAt(AT_FDCWD, "/dev/null", O_RDONLY);
  expect(sendMessage(monitor, command, true, fd)).toBe(true);
  close(fd);
  const received = receiveCommand(relay, true);
  expect(received).toEqual({ command, descriptor: expect.any(Number) });
  if (typeof received === "object" && received.descriptor !== undefined) close(received.descriptor);
  expect(receiveCommand(relay, false)).toBeUndefined();
});

const reports: RelayReport[] = [
  { is: "ready" },
  { is: "host-lost", connection: 4 },
  { is: "connected" },
  { is: "pong", question: 2, connections: 3 },
  { is: "failed", message: "no" },
  { is: "check-host", question: 7 },
  { is: "line", text: "a\\nb \\\\ c" },
  { is: "counters", id: 3, counters },
  { is: "end", connected: true },
];
test.each(reports)("a report arrives unchanged: %j", (report) => {
  sendMessage(relay, report, true);
  expect(receiveReport(monitor)).toEqual(report);
});

test.each(
  [
    null,
    1,
    "ready",
    [],
    {},
    { is: "host" },
    { is: "check-host", question: -1 },
    { is: "check-host", question: "1" },
    { is: "line" },
    { is: "pong", question: 1 },
    { is: "pong", question: 1, connections: -1 },
    { is: "pong", connections: 1 },
    { is: "end", connected: 1 },
    { is: "counters", id: 1.5, counters },
    { is: "counters", id: 1, counters: { ...counters, bytes: null } },
    { is: "counters", id: 1, counters: { ...counters, paused: "no" } },
    { is: "counters", id: 1, counters: [] },
  ].map((value) => ({ value })),
)("$value is not a report", ({ value }) => {
  expect(readReport(value)).toBeUndefined();
});

test("only the fields of a report are accepted, and no unprintable text", () => {
  expect(readReport({ is: "ready", extra: 1 })).toEqual({ is: "ready" });
  expect(readReport({ is: "line", text: "a\x1b[31m\n" })).toEqual({ is: "line", text: "a\\x1b[31m\\n" });
  expect(readReport({ is: "counters", id: 1, counters: { ...counters, more: "x" } })).toEqual({
    is: "counters",
    id: 1,
    counters,
  });
});

test("a relay that sends garbage or descriptors, or has ended", () => {
  sendPacket(relay, toBytes("{"));
  expect(receiveReport(monitor)).toBe("over");
  const before = readdirSync("/proc/self/fd").length;
  sendPacket(relay, toBytes('{"is":"host-lost","connection":4}'), [0, 1, 2]);
  expect(receiveReport(monitor)).toEqual({ is: "host-lost", connection: 4 });
  expect(readdirSync("/proc/self/fd").length).toBe(before);
  expect(receiveReport(monitor)).toBeUndefined();
  close(relay);
  expect(receiveReport(monitor)).toBe("over");
  [, relay] = openPair(SOCK_SEQPACKET);
});
