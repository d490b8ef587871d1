import { fromBytes, toBytes } from "../../ffi/bytes.ts";
import type { Receiver } from "../../ffi/datagrams.ts";
import type { InletContext } from "../../src/log-socket/relay/inlet.ts";
import { Outlet } from "../../src/log-socket/relay/outlet.ts";

/** The settings of a stream socket with limits that no test meets. */
export const settings = {
  path: "/j/dev/log",
  jail: "/j",
  type: "stream",
  trust: "kernel",
  base: 1_000_000,
  peak: 10_000_000,
  interval: 1_000_000,
} as const;

/** What comes to a socket at once, and from whom. */
export interface Chunk {
  pid?: number;
  uid: number;
  text: string;
}

/** What relays a message of uid's makes of it, where its tag is "t". */
export const line = (text: string, uid: number) => `<13>t: ${text} (jail=/j uid=${uid})`;

/** What an inlet needs of the relay; there is a log daemon, and room for messages unless `setFull` says otherwise. */
export function relayContext(connected: () => void = () => {}) {
  let full = false;
  const outlet = new Outlet({ lost: () => {}, refused: () => {} }, () => 0);
  const { queue } = outlet;
  const context: InletContext = {
    outlet: {
      isStream: false,
      // There is a log daemon: what finds no room is to wait, and not to be dropped.
      awaySince: undefined,
      queue: { ...queue, reserve: (most) => (full ? -1 : queue.reserve(most)) },
    },
    hostName: toBytes("h"),
    now: 0,
    unreported: new Set(),
    paused: () => {},
    connected,
  };
  return {
    context,
    setFull: (now: boolean) => {
      full = now;
    },
    relayed: () =>
      Array.from({ length: queue.waiting() }, (_, i) =>
        fromBytes(queue.bytes, queue.offset(i), queue.offset(i) + queue.length(i)),
      ),
  };
}

/** Brings the next of `chunks` at each read; `atEnd`: what a read answers when there are no more (1: the end of it). */
export function receiverOf(chunks: readonly Chunk[], atEnd: 0 | 1): Receiver & { readCount(): number } {
  const bytes = Buffer.alloc(1 << 16);
  let at = -1;
  return {
    bytes,
    size: bytes.length,
    count: 1,
    receive() {
      if (at + 1 >= chunks.length && atEnd === 0) return 0;
      bytes.set(toBytes(chunks[++at]?.text ?? ""));
      return 1;
    },
    length: () => chunks[at]?.text.length ?? 0,
    isCut: () => false,
    pid: () => chunks[at]?.pid ?? 1,
    uid: () => chunks[at]?.uid ?? 0,
    readCount: () => at + 1,
  };
}
