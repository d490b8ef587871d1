import { EAGAIN, EINTR } from "./constants.ts";
import { addressOf, errno } from "./libc.ts";
import { dlopen, i32, pointer, u32 } from "./native.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL, MSG_TRUNC } from "./sockets.ts";

const libc = dlopen("libc.so.6", {
  recvmmsg: { args: [i32, pointer, u32, i32, pointer], returns: i32 },
  sendmmsg: { args: [i32, pointer, u32, i32], returns: i32 },
}).symbols;

// struct mmsghdr on 64-bit Linux, in words of 32 bits: msg_iov, msg_iovlen, msg_control, msg_controllen, msg_flags,
// msg_len. The machine is little endian, so the low word of a pointer comes first.
const HEADER_WORDS = 16;
const IOV = 4;
const IOVLEN = 6;
const CONTROL = 8;
const CONTROLLEN = 10;
const FLAGS = 12;
const LENGTH = 14;
// A cmsghdr of 16 bytes and a ucred of 12, rounded up: room for the sender's credentials and nothing else, so that
// descriptors that a sender passes are never installed here.
const CREDENTIAL_WORDS = 8;
const SCM_CREDENTIALS = 2;
const NO_UID = 0xffffffff;
// CMSG_LEN of a ucred
const CREDENTIAL_LENGTH = 28;

interface Headers {
  words: Uint32Array;
  iovecs: Uint32Array;
}

function putAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address >>> 0;
  words[at + 1] = Math.floor(address / 0x100000000);
}

// What the headers point to, for good.
const held: ArrayBufferView[] = [];

/** The headers of `count` messages, with an iovec each; its address and length are still to be set. */
function createHeaders(count: number): Headers {
  const words = new Uint32Array(new ArrayBuffer(count * HEADER_WORDS * 4));
  const iovecs = new Uint32Array(new ArrayBuffer(count * 16));
  held.push(words, iovecs);
  // SAFETY: held for good.
  const address = addressOf(iovecs);
  for (let i = 0; i < count; i++) {
    putAddress(words, i * HEADER_WORDS + IOV, address + 16 * i);
    words[i * HEADER_WORDS + IOVLEN] = 1;
  }
  return { words, iovecs };
}

/** Receives several messages at once, each with the credentials of its sender. */
export interface Receiver {
  /** recvmmsg(2) of at most `most`, without waiting: the number of messages, which may be 0, or -errno. */
  receive(fd: number, most: number): number;
  readonly count: number;
  /** Message `i` begins at `i * size` of this. */
  readonly bytes: Buffer;
  readonly size: number;
  length(i: number): number;
  /** Whether it was longer than `size`. */
  isCut(i: number): boolean;
  /** The sender, according to the kernel; pid 0 for a process that this one cannot see. */
  pid(i: number): number;
  uid(i: number): number;
}

/** Creates a receiver of up to `count` messages, each of at most `size` bytes. */
export function createReceiver(count: number, size: number): Receiver {
  const { words, iovecs } = createHeaders(count);
  const bytes = Buffer.from(new ArrayBuffer(count * size));
  const credentials = new Uint32Array(new ArrayBuffer(count * CREDENTIAL_WORDS * 4));
  held.push(bytes, credentials);
  // SAFETY: both are held for good; each message has `size` bytes and CREDENTIAL_WORDS of them.
  const start = addressOf(bytes);
  const credentialStart = addressOf(credentials);
  for (let i = 0; i < count; i++) {
    putAddress(iovecs, i * 4, start + i * size);
    iovecs[i * 4 + 2] = size;
    putAddress(words, i * HEADER_WORDS + CONTROL, credentialStart + i * CREDENTIAL_WORDS * 4);
  }
  const hasSender = (i: number) => {
    const at = i * CREDENTIAL_WORDS;
    return (
      (words[i * HEADER_WORDS + CONTROLLEN] ?? 0) >= CREDENTIAL_LENGTH &&
      credentials[at + 3] === SCM_CREDENTIALS
    );
  };
  return {
    bytes,
    size,
    count,
    receive(fd, most) {
      for (let i = 0; i < most; i++) words[i * HEADER_WORDS + CONTROLLEN] = CREDENTIAL_WORDS * 4;
      // SAFETY: the callers' `most` is at most `count`, for which there are headers.
      const received = libc.recvmmsg(fd, words, most, MSG_DONTWAIT, null);
      if (received >= 0) return received;
      const number = errno();
      return number === EAGAIN || number === EINTR ? 0 : -number;
    },
    length: (i) => words[i * HEADER_WORDS + LENGTH] ?? 0,
    isCut: (i) => ((words[i * HEADER_WORDS + FLAGS] ?? 0) & MSG_TRUNC) !== 0,
    pid: (i) => (hasSender(i) ? (credentials[i * CREDENTIAL_WORDS + 4] ?? 0) : 0),
    // Without credentials it is nobody's uid, and never root's.
    uid: (i) => (hasSender(i) ? (credentials[i * CREDENTIAL_WORDS + 5] ?? 0) : NO_UID),
  };
}

interface Sender {
  /** The next message is `length` bytes from `offset` on. */
  put(i: number, offset: number, length: number): void;
  /** sendmmsg(2) of the first `count`, without waiting: the number of sent messages, or -errno. */
  send(fd: number, count: number): number;
}

/** Creates a sender of up to `most` messages out of `memory`. */
export function createSender(memory: Uint8Array, most: number): Sender {
  const { words, iovecs } = createHeaders(most);
  held.push(memory);
  // SAFETY: held for good; `put` gets offsets and lengths within it.
  const start = addressOf(memory);
  return {
    put(i, offset, length) {
      putAddress(iovecs, i * 4, start + offset);
      iovecs[i * 4 + 2] = length;
    },
    send(fd, count) {
      // SAFETY: the caller's `count` is at most `most`, for which there are headers.
      const sent = libc.sendmmsg(fd, words, count, MSG_DONTWAIT | MSG_NOSIGNAL);
      return sent >= 0 ? sent : -errno();
    },
  };
}
