import { type ByteString, fromBytes, toBytes } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import { MSG_DONTWAIT, type Packet, receivePacket, sendPacket } from "../../ffi/sockets.ts";
import { displayAgain } from "../cli/display.ts";

/** Whether a sender's words about itself are passed on as they are. */
export type Trust = "kernel" | "sender";

/** What the relay has to know of a socket. Times in microseconds. */
export interface SocketSettings {
  path: ByteString;
  /** What stands for the jail in the mark; printable. */
  jail: ByteString;
  type: "dgram" | "stream";
  trust: Trust;
  base: number;
  peak: number;
  interval: number;
}

/** What a socket has done since it was opened. */
export interface Counters {
  messages: number;
  bytes: number;
  /** How often nothing was read for the rest of an interval. */
  pauses: number;
  /** Messages that did not reach the log, and their bytes. */
  dropped: number;
  droppedBytes: number;
  /** Messages that were longer than 64 KiB, and relayed without the rest. */
  cut: number;
  /** Connections of a stream socket that are open. */
  connections: number;
  paused: boolean;
}

/** What the monitor tells the relay. `host` and `open` come with a descriptor, `start` with the new root. */
export type Command =
  | { is: "start"; uid: number; gid: number; mirror: boolean }
  | { is: "host"; stream: boolean }
  | { is: "alive"; question: number }
  | { is: "open"; id: number; settings: SocketSettings }
  | { is: "change"; id: number; settings: SocketSettings }
  | { is: "close"; id: number }
  /** Is it still at work? It answers between two messages. */
  | { is: "there?"; question: number }
  | { is: "status" }
  | { is: "finish" };

/** What the relay tells the monitor. */
export type Report =
  /** It has no privilege any more, and proved it. */
  | { is: "ready" }
  | { is: "failed"; message: ByteString }
  /** The log daemon is gone: a new connection is needed. */
  | { is: "gone" }
  /** Is the log daemon that it is connected to still there? */
  | { is: "alive?"; question: number }
  /** The first connection is open: what comes through connections the monitor does not see. */
  | { is: "connected" }
  /** It is at work, and so many connections are open. */
  | { is: "there"; question: number; connections: number }
  /** What it wrote to the log, where the monitor is to show it too. */
  | { is: "line"; text: ByteString }
  /** The answer to `status`: one for each socket, then the end. */
  | { is: "counters"; id: number; counters: Counters }
  | { is: "end"; connected: boolean; waiting: number };

/** The most bytes of a packet. */
const LONGEST = 1 << 16;

/** The number under which the relay finds its socket. */
export const CONTROL = 3;

/** Sends a packet, with a descriptor or without. False where `wait` is not set and there is no room. */
export function tell(fd: number, message: Command | Report, wait: boolean, descriptor?: number): boolean {
  const bytes = toBytes(JSON.stringify(message));
  if (bytes.length > LONGEST) return false;
  return sendPacket(fd, bytes, descriptor === undefined ? [] : [descriptor], wait ? 0 : MSG_DONTWAIT);
}

/** A packet that came. "over": the other end is gone. Undefined: there is none now. */
export type Received<T> = T | "over" | undefined;

const buffer = new Uint8Array(LONGEST);

/** The text of a packet, and the descriptor that came with it; with `wait` it is waited for. */
function receive(
  fd: number,
  wait: boolean,
  descriptors: boolean,
): Received<[ByteString, number | undefined]> {
  let packet: Packet | undefined;
  try {
    packet = receivePacket(fd, buffer, wait ? 0 : MSG_DONTWAIT, descriptors);
  } catch (error) {
    // It ended with something unread.
    if (isErrno(error, "ECONNRESET")) return "over";
    throw error;
  }
  if (packet === undefined) return undefined;
  if (packet.length === 0) return "over";
  return [fromBytes(buffer, 0, packet.length), packet.descriptors[0]];
}

/** For the relay: what the monitor tells it, which is root and is believed. */
export function hearCommand(
  fd: number,
  wait: boolean,
): Received<{ command: Command; descriptor: number | undefined }> {
  const received = receive(fd, wait, true);
  if (received === undefined || received === "over") return received;
  return { command: JSON.parse(received[0]) as Command, descriptor: received[1] };
}

/**
 * For the monitor: what the relay tells it. Were the relay taken over by somebody in a jail, this is where they would
 * go on, so no descriptor is taken, and what is not exactly a report is "over": the relay is to be ended.
 */
export function hearReport(fd: number): Received<Report> {
  const received = receive(fd, false, false);
  if (received === undefined || received === "over") return received;
  try {
    return readReport(JSON.parse(received[0])) ?? "over";
  } catch {
    return "over";
  }
}

const COUNTERS = ["messages", "bytes", "pauses", "dropped", "droppedBytes", "cut", "connections"] as const;

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function readCounters(value: unknown): Counters | undefined {
  if (!isRecord(value) || typeof value.paused !== "boolean") return undefined;
  const counts = COUNTERS.map((key) => value[key]);
  if (!counts.every(isCount)) return undefined;
  const [messages = 0, bytes = 0, pauses = 0, dropped = 0, droppedBytes = 0, cut = 0, connections = 0] =
    counts;
  return { messages, bytes, pauses, dropped, droppedBytes, cut, connections, paused: value.paused };
}

/** A report in its proper form; undefined for everything else. */
export function readReport(value: unknown): Report | undefined {
  if (!isRecord(value)) return undefined;
  const { is, message, question, text, id, connected, connections, waiting } = value;
  if (is === "ready" || is === "gone" || is === "connected") return { is };
  if (is === "failed" && typeof message === "string") return { is, message: displayAgain(message) };
  if (is === "alive?" && isCount(question)) return { is, question };
  if (is === "there" && isCount(question) && isCount(connections)) return { is, question, connections };
  if (is === "line" && typeof text === "string") return { is, text: displayAgain(text) };
  if (is === "end" && typeof connected === "boolean" && isCount(waiting)) return { is, connected, waiting };
  const counters = readCounters(value.counters);
  return is === "counters" && isCount(id) && counters !== undefined ? { is, id, counters } : undefined;
}
