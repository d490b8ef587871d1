/**
 * Messages on their way to the host's log daemon, in one piece of memory, in order. Each is first queued, then sent,
 * then confirmed: until it is known that the daemon took a message out of its socket, the message is kept, for a
 * daemon that ends with messages unread takes them along.
 */
export interface Queue {
  /** All of the memory. */
  readonly bytes: Buffer;
  /** Finds room for `most` bytes and a NUL in a row; returns their offset, or -1. Nothing is taken until `commit`. */
  reserve(most: number): number;
  /** Takes what was written at the offset that `reserve` gave, and puts a NUL behind it. `owner` is whose it is. */
  commit(length: number, owner: number): void;
  /** How many are queued and not sent. */
  waiting(): number;
  /** How many were sent and are not confirmed. */
  unconfirmed(): number;
  /** The `i`th of those that wait. */
  offset(i: number): number;
  length(i: number): number;
  owner(i: number): number;
  /** The first `count` of those that wait were sent. */
  sent(count: number): void;
  /** How many were sent, since ever: for `confirm`. */
  mark(): number;
  /** Those sent up to a mark are confirmed, but for the last of them, which together take `unread` bytes of the kernel. */
  confirm(mark: number, unread: number): void;
  /** Those that were sent and not confirmed are to be sent again. */
  rewind(): void;
}

// What the kernel takes for a datagram at least: sk_buff, shared info, and 192 bytes for what is in it.
const SMALLEST_IN_KERNEL = 768;

/** Makes a queue of `size` bytes for at most `most` messages (a power of two). */
export function createQueue(size: number, most: number): Queue {
  const bytes = Buffer.from(new ArrayBuffer(size));
  const offsets = new Int32Array(most);
  const lengths = new Int32Array(most);
  const owners = new Int32Array(most);
  const mask = most - 1;
  // Counts that only grow; a message is at its count & mask.
  let confirmed = 0;
  let sent = 0;
  let queued = 0;
  // Where the next one goes.
  let tail = 0;

  /** The free pieces: from `tail` on, and where that reaches the end of the memory also the one at its start. */
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
      // They may have been taken back meanwhile.
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
