import { type ByteString, fromBytes, toBytes } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import { MSG_DONTWAIT, type Packet, receivePacket, sendPacket } from "../../ffi/sockets.ts";
import { displayAgain } from "../cli/display.ts";

/** Who says who sent a message: the kernel, or the sender itself. */
type Trust = "kernel" | "sender";

/** What the relay needs to know of a socket. Times are microseconds. */
export interface SocketSettings {
  path: ByteString;
  /** The jail's name in the mark of a message; printable. */
  jail: ByteString;
  type: "dgram" | "stream";
  trust: Trust;
  base: number;
  peak: number;
  interval: number;
}

const COUNTS = {
  messages: 0,
  bytes: 0,
  /** How often reading paused for the rest of an interval. */
  pauses: 0,
  /** Messages that did not reach the log, and their bytes. */
  dropped: 0,
  droppedBytes: 0,
  /** Messages longer than 64 KiB, of which only the beginning was relayed. */
  cut: 0,
  /** Open connections of a stream socket. */
  connections: 0,
};

/** What a socket has done since it was opened. */
export type Counters = typeof COUNTS & { paused: boolean };

/** The counters of a new socket. */
export const NO_COUNTERS: Readonly<Counters> = { ...COUNTS, paused: false };

/** What the monitor sends to the relay. `host` and `open` carry a descriptor, `start` the new root directory. */
export type Command =
  | { is: "start"; uid: number; gid: number; mirror: boolean }
  | { is: "host"; connection: number; stream: boolean }
  | { is: "host-alive"; question: number }
  | { is: "open"; id: number; settings: SocketSettings }
  | { is: "change"; id: number; settings: SocketSettings }
  | { is: "close"; id: number }
  /** Is the relay at work? It answers between two messages. */
  | { is: "ping"; question: number }
  | { is: "status" }
  | { is: "finish" };

/** What the relay sends to the monitor. */
export type RelayReport =
  /** It has given up every privilege, and checked that. */
  | { is: "ready" }
  | { is: "failed"; message: ByteString }
  /** The log daemon of this connection is gone: a new one is needed, if this is the last one. */
  | { is: "host-lost"; connection: number }
  /** Is the log daemon of this connection still alive? */
  | { is: "check-host"; question: number }
  /** The first connection is open. The monitor does not see what arrives through connections. */
  | { is: "connected" }
  /** The relay is at work, with this number of open connections. */
  | { is: "pong"; question: number; connections: number }
  /** A line that it wrote to the log, for the monitor to show. */
  | { is: "line"; text: ByteString }
  /** The answer to `status`: one for each socket, then the end. */
  | { is: "counters"; id: number; counters: Counters }
  | { is: "end"; connected: boolean };

const LONGEST = 1 << 16;

/** The number of the relay's descriptor of its control socket. */
export const CONTROL = 3;

/** Sends a packet, with a descriptor or without. False if there is no room and `wait` is not set. */
export function sendMessage(
  fd: number,
  message: Command | RelayReport,
  wait: boolean,
  descriptor?: number,
): boolean {
  const bytes = toBytes(JSON.stringify(message));
  if (bytes.length > LONGEST) return false;
  return sendPacket(fd, bytes, descriptor === undefined ? [] : [descriptor], wait ? 0 : MSG_DONTWAIT);
}

/** A received packet. "over": the other end is gone. Undefined: there is none at the moment. */
type Received<T> = T | "over" | undefined;

const buffer = new Uint8Array(LONGEST);

/** The text of a packet and its descriptor; `wait` waits for one. */
function receive(
  fd: number,
  wait: boolean,
  descriptors: boolean,
): Received<[ByteString, number | undefined]> {
  let packet: Packet | undefined;
  try {
    packet = receivePacket(fd, buffer, wait ? 0 : MSG_DONTWAIT, descriptors);
  } catch (error) {
    // The other end closed with something unread.
    if (isErrno(error, "ECONNRESET")) return "over";
    throw error;
  }
  if (packet === undefined) return undefined;
  if (packet.length === 0) return "over";
  return [fromBytes(buffer, 0, packet.length), packet.descriptors[0]];
}

/** Receives a command, for the relay. It trusts the monitor, which is root. */
export function receiveCommand(
  fd: number,
  wait: boolean,
): Received<{ command: Command; descriptor: number | undefined }> {
  const received = receive(fd, wait, true);
  if (received === undefined || received === "over") return received;
  return { command: JSON.parse(received[0]) as Command, descriptor: received[1] };
}

/**
 * Receives a report, for the monitor. An intruder who took over the relay would attack here, so no descriptor is
 * accepted, and anything but a well-formed report is "over": the monitor must end the relay.
 */
export function receiveReport(fd: number): Received<RelayReport> {
  const received = receive(fd, false, false);
  if (received === undefined || received === "over") return received;
  try {
    return readReport(JSON.parse(received[0])) ?? "over";
  } catch {
    return "over";
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

function readCounters(value: unknown): Counters | undefined {
  if (!isRecord(value) || typeof value.paused !== "boolean") return undefined;
  const counters: Counters = { ...NO_COUNTERS, paused: value.paused };
  for (const key of Object.keys(COUNTS) as (keyof typeof COUNTS)[]) {
    const count = value[key];
    if (!isCount(count)) return undefined;
    counters[key] = count;
  }
  return counters;
}

/** A report with its own fields only; undefined for everything else. */
export function readReport(value: unknown): RelayReport | undefined {
  if (!isRecord(value)) return undefined;
  const { is, message, question, text, id, connected, connection, connections } = value;
  if (is === "ready" || is === "connected") return { is };
  if (is === "failed" && typeof message === "string") return { is, message: displayAgain(message) };
  if (is === "host-lost" && isCount(connection)) return { is, connection };
  if (is === "check-host" && isCount(question)) return { is, question };
  if (is === "pong" && isCount(question) && isCount(connections)) return { is, question, connections };
  if (is === "line" && typeof text === "string") return { is, text: displayAgain(text) };
  if (is === "end" && typeof connected === "boolean") return { is, connected };
  const counters = readCounters(value.counters);
  return is === "counters" && isCount(id) && counters !== undefined ? { is, id, counters } : undefined;
}
