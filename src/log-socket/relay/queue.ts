/**
 * Messages on their way to the host's log daemon, in order, in one buffer. Each is queued, then sent, then confirmed: it
 * is kept until the daemon is known to have read it, since unread messages are lost when a daemon ends.
 */
export interface Queue {
  /** The whole buffer. */
  readonly bytes: Buffer;
  /** Finds room for `most` bytes and a NUL. Returns their offset, or -1. `commit` takes it. */
  reserve(most: number): number;
  /** Adds the bytes that were written at the reserved offset, and a NUL. `owner` is the id of its socket. */
  commit(length: number, owner: number): void;
  /** The number of messages that are not sent. */
  waiting(): number;
  /** The number of messages that are sent and not confirmed. */
  unconfirmed(): number;
  /** Of waiting message `i`. */
  offset(i: number): number;
  length(i: number): number;
  owner(i: number): number;
  /** The first `count` waiting messages were sent. */
  sent(count: number): void;
  /** The number of messages that were ever sent, for `confirm`. */
  mark(): number;
  /** Confirms messages up to a mark, except the last ones, which take `unread` bytes of kernel memory. */
  confirm(mark: number, unread: number): void;
  /** Sends again what was sent and not confirmed. */
  rewind(): void;
}

// The least kernel memory of a datagram: sk_buff, shared info, and 192 bytes for its content.
const SMALLEST_IN_KERNEL = 768;

/** Creates a queue of `size` bytes for at most `most` messages (a power of two). */
export function createQueue(size: number, most: number): Queue {
  const bytes = Buffer.from(new ArrayBuffer(size));
  const offsets = new Int32Array(most);
  const lengths = new Int32Array(most);
  const owners = new Int32Array(most);
  const mask = most - 1;
  // Counts that only grow; message N is at N & mask.
  let confirmed = 0;
  let sent = 0;
  let queued = 0;
  // The offset of the next message.
  let tail = 0;

  /** The sizes of the free pieces: from `tail` on, and at the start of the buffer. */
  function pieces(): [atTail: number, atStart: number] {
    if (confirmed === queued) {
      tail = 0;
      return [size, 0];
    }
    const head = offsets[confirmed & mask] ?? 0;
    return tail > head ? [size - tail, head] : [head - tail, 0];
  }

  return {
    bytes,
    reserve(wanted) {
      if (queued - confirmed === most) return -1;
      const [atTail, atStart] = pieces();
      if (atTail > wanted) return tail;
      if (atStart <= wanted) return -1;
      tail = 0;
      return 0;
    },
    commit(length, owner) {
      const at = queued & mask;
      offsets[at] = tail;
      lengths[at] = length;
      owners[at] = owner;
      bytes[tail + length] = 0;
      tail += length + 1;
      queued++;
    },
    waiting: () => queued - sent,
    unconfirmed: () => sent - confirmed,
    offset: (i) => offsets[(sent + i) & mask] ?? 0,
    length: (i) => lengths[(sent + i) & mask] ?? 0,
    owner: (i) => owners[(sent + i) & mask] ?? 0,
    sent(count) {
      sent += count;
    },
    mark: () => sent,
    confirm(mark, unread) {
      let rest = unread;
      // They may have been rewound in the meantime.
      let first = Math.min(mark, sent);
      while (first > confirmed && rest > 0) {
        first--;
        rest -= Math.max(SMALLEST_IN_KERNEL, lengths[first & mask] ?? 0);
      }
      confirmed = Math.max(confirmed, first);
    },
    rewind() {
      sent = confirmed;
    },
  };
}
