import type { KeyTable } from "../keys.ts";

/** Sections of jk_socketd.ini: the absolute path of a socket. */
export const socketdKeys = {
  base: {
    kind: "integer",
    security: false,
    initial: 511,
    minimum: 10,
    maximum: 1_000_000,
    help: "bytes that are always relayed in an interval",
  },
  peak: {
    kind: "integer",
    security: false,
    initial: 2048,
    minimum: 100,
    maximum: 10_000_000,
    help: "bytes that are relayed in an interval after a quiet one; at least base",
  },
  interval: {
    kind: "decimal",
    security: false,
    initial: 5,
    minimum: 0.01,
    maximum: 60,
    help: "length of an interval, in seconds",
  },
  type: {
    kind: "choice",
    security: false,
    choices: { datagram: "dgram", dgram: "dgram", stream: "stream" },
    initial: "dgram",
    help: "datagram, as syslog(3) wants it, or stream",
  },
  trust: {
    kind: "choice",
    security: false,
    choices: { kernel: "kernel", sender: "sender" },
    initial: "kernel",
    help: "kernel: a message shows the sender that the kernel knows; sender: the one that it claims, as in jailkit 2.23",
  },
} as const satisfies KeyTable;
