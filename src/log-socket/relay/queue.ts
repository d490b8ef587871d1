// The least kernel memory of a datagram: sk_buff, shared info, and 192 bytes for its content.
const SMALLEST_IN_KERNEL = 768;

export type Queue = ReturnType<typeof createQueue>;

/**
 * Messages on their way to the host's log daemon, in order, in one buffer of `size` bytes; at most `most` messages (a
 * power of two). Each is queued, then sent, then confirmed: it is kept until the daemon is known to have read it, since
 * unread messages are lost when a daemon ends.
 */
export function createQueue(size: number, most: number) {
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

  return {
    bytes,
    /** Finds room for `wanted` bytes and a NUL. Returns their offset, or -1. `commit` takes it. */
    reserve(wanted: number): number {
      if (queued - confirmed === most) return -1;
      const isEmpty = confirmed === queued;
      if (isEmpty) tail = 0;
      const head = isEmpty ? size : (offsets[confirmed & mask] ?? 0);
      if ((tail > head ? size : head) - tail > wanted) return tail;
      if (tail <= head || head <= wanted) return -1;
      tail = 0;
      return 0;
    },
    /** Adds the bytes that were written at the reserved offset, and a NUL. `owner` is the id of its socket. */
    commit(length: number, owner: number): void {
      const at = queued & mask;
      offsets[at] = tail;
      lengths[at] = length;
      owners[at] = owner;
      bytes[tail + length] = 0;
      tail += length + 1;
      queued++;
    },
    /** The number of messages that are not sent. */
    waiting: () => queued - sent,
    /** The number of messages that are sent and not confirmed. */
    unconfirmed: () => sent - confirmed,
    // Of waiting message `i`:
    offset: (i: number) => offsets[(sent + i) & mask] ?? 0,
    length: (i: number) => lengths[(sent + i) & mask] ?? 0,
    owner: (i: number) => owners[(sent + i) & mask] ?? 0,
    /** The first `count` waiting messages were sent. */
    sent(count: number): void {
      sent += count;
    },
    /** The number of messages that were ever sent, for `confirm`. */
    mark: () => sent,
    /** Confirms messages up to a mark, except the last ones, which take `unread` bytes of kernel memory. */
    confirm(mark: number, unread: number): void {
      let rest = unread;
      // They may have been rewound in the meantime.
      let first = Math.min(mark, sent);
      while (first > confirmed && rest > 0) {
        first--;
        rest -= Math.max(SMALLEST_IN_KERNEL, lengths[first & mask] ?? 0);
      }
      confirmed = Math.max(confirmed, first);
    },
    /** Sends again what was sent and not confirmed. */
    rewind(): void {
      sent = confirmed;
    },
  };
}
