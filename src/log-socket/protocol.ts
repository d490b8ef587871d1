import { type ByteString, fromBytes, toBytes } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import { MSG_DONTWAIT, type Packet, receivePacket, sendPacket } from "../../ffi/sockets.ts";
import type { Severity } from "../system/syslog.ts";

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
  /** What it wrote to the log, where the monitor is to show it too. */
  | { is: "line"; severity: Severity; text: ByteString }
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

/** A packet that came. `over`: the other end is gone. Undefined: there is none now. */
export type Received<T> = { message: T; descriptor: number | undefined } | "over" | undefined;

const buffer = new Uint8Array(LONGEST);

/** Receives a packet; with `wait` it is waited for. What comes is from the other half of this program. */
export function hear<T extends Command | Report>(fd: number, wait: boolean): Received<T> {
  let packet: Packet | undefined;
  try {
    packet = receivePacket(fd, buffer, wait ? 0 : MSG_DONTWAIT);
  } catch (error) {
    // It ended with something unread.
    if (isErrno(error, "ECONNRESET")) return "over";
    throw error;
  }
  if (packet === undefined) return undefined;
  if (packet.length === 0) return "over";
  const message = JSON.parse(fromBytes(buffer, 0, packet.length)) as T;
  return { message, descriptor: packet.descriptors[0] };
}
