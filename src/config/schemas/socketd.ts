import type { KeyTable } from "../keys.ts";

/** Sections of jk_socketd.ini: the absolute path of a socket. */
export const socketdKeys = {
  base: {
    kind: "integer",
    security: false,
    initial: 511,
    minimum: 10,
    maximum: 1_000_000,
    help: "bytes in an interval that are relayed without further thought",
  },
  peak: {
    kind: "integer",
    security: false,
    initial: 2048,
    minimum: 100,
    maximum: 10_000_000,
    help: "bytes in an interval that are relayed once in a while; not under base",
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
    help: "kernel: senders are who the kernel says; sender: who they say, as in jailkit 2.23",
  },
} as const satisfies KeyTable;
