import { type ByteString, cString, fromBytes, fromCString } from "./bytes.ts";
import * as C from "./constants.ts";
import { SystemError } from "./error.ts";
import { close, openDirectoryPath, withFd } from "./files.ts";
import { addressOf, libc as base, check, errno, fail } from "./libc.ts";
import { dlopen, i32, pointer, u32, u64 } from "./native.ts";
import { fchdir } from "./process.ts";

// Not in ffi/libc.ts, since a login needs none of these.
const libc = dlopen("libc.so.6", {
  bind: { args: [i32, pointer, u32], returns: i32 },
  listen: { args: [i32, i32], returns: i32 },
  accept4: { args: [i32, pointer, pointer, i32], returns: i32 },
  socketpair: { args: [i32, i32, i32, pointer], returns: i32 },
  setsockopt: { args: [i32, i32, i32, pointer, u32], returns: i32 },
  getsockopt: { args: [i32, i32, i32, pointer, pointer], returns: i32 },
  getsockname: { args: [i32, pointer, pointer], returns: i32 },
  sendto: { args: [i32, pointer, u64, i32, pointer, u32], returns: i32 },
  sendmsg: { args: [i32, pointer, i32], returns: i32 },
  recvmsg: { args: [i32, pointer, i32], returns: i32 },
  gethostname: { args: [pointer, u64], returns: i32 },
}).symbols;

// unix(7), socket(7)
export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_PASSCRED = 16;
const SO_RCVTIMEO = 20;
const SO_SNDTIMEO = 21;
const SO_DOMAIN = 39;
const SCM_RIGHTS = 1;
const SIOCOUTQ = 0x5411;
const F_SETFL = 4;
const F_GETFL = 3;

// recvmsg(2), sendmsg(2)
const MSG_CTRUNC = 0x08;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;

// The most bytes in sun_path, without its NUL, and the size of sockaddr_un.
const LONGEST_SOCKET_PATH = 107;
const ADDRESS_SIZE = 110;

/** A sockaddr_un for a path, or for an abstract name that begins with a NUL. Throws SystemError ENAMETOOLONG. */
function unixAddress(path: ByteString): Uint8Array {
  if (path.length > LONGEST_SOCKET_PATH) throw new SystemError(C.ENAMETOOLONG, "socket address", path);
  const abstract = path.startsWith("\0");
  const address = new Uint8Array(2 + path.length + (abstract ? 0 : 1));
  address[0] = AF_UNIX;
  address.set(cString(path).subarray(0, address.length - 2), 2);
  return address;
}

/** An unconnected AF_UNIX socket; close-on-exec. */
export function openSocket(type: number, nonblocking = false): number {
  return check(base.socket(AF_UNIX, type | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0), "socket");
}

/** A connected pair of sockets; close-on-exec. */
export function openPair(type: number): [number, number] {
  const pair = Buffer.alloc(8);
  // SAFETY: the buffer has room for two ints.
  check(libc.socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), "socketpair");
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/** A socket that is connected to `path`. Throws SystemError. */
export function connectTo(path: ByteString, type: number, nonblocking = false): number {
  const address = unixAddress(path);
  const fd = openSocket(type, nonblocking);
  // SAFETY: exactly the bytes of the address are read.
  if (base.connect(fd, address, address.length) === 0) return fd;
  const error = new SystemError(errno(), "connect", path);
  close(fd);
  throw error;
}

/**
 * bind(2) to `name` in an open directory, which may be O_PATH, through the working directory, which is `/` afterwards:
 * a socket's address has no directory descriptor, and at most 107 bytes.
 */
export function bindIn(fd: number, directory: number, name: ByteString): void {
  if (name.includes("/")) throw new SystemError(C.EINVAL, "bind", name);
  const address = unixAddress(name);
  withFd(openDirectoryPath("/"), (root) => {
    fchdir(directory);
    try {
      // SAFETY: exactly the bytes of the address are read.
      check(libc.bind(fd, address, address.length), "bind", name);
    } finally {
      fchdir(root);
    }
  });
}

/** listen(2). */
export function listen(fd: number, backlog: number): void {
  check(libc.listen(fd, backlog), "listen");
}

/** accept4(2), nonblocking and close-on-exec; undefined if nobody waits, or no descriptor is free. */
export function accept(fd: number): number | undefined {
  const connection = libc.accept4(fd, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (connection >= 0) return connection;
  if ([C.EINTR, C.EAGAIN, C.ECONNABORTED, C.EMFILE, C.ENFILE].includes(errno())) return undefined;
  return fail("accept");
}

/** SO_PASSCRED: each message carries its sender's ids. */
export function passCredentials(fd: number): void {
  const on = Int32Array.of(1);
  // SAFETY: an int.
  check(libc.setsockopt(fd, SOL_SOCKET, SO_PASSCRED, on, 4), "setsockopt");
}

function setTimeoutOf(fd: number, option: number, seconds: number): void {
  const time = BigInt64Array.of(BigInt(seconds), 0n);
  // SAFETY: struct timeval is two words.
  check(libc.setsockopt(fd, SOL_SOCKET, option, time, 16), "setsockopt");
}

/** SO_SNDTIMEO: how many seconds a sending call waits for room, before it acts as with MSG_DONTWAIT. */
export const setSendTimeout = (fd: number, seconds: number) => setTimeoutOf(fd, SO_SNDTIMEO, seconds);

/** SO_RCVTIMEO: how many seconds a receiving call waits, before it acts as with MSG_DONTWAIT. */
export const setReceiveTimeout = (fd: number, seconds: number) => setTimeoutOf(fd, SO_RCVTIMEO, seconds);

function socketOption(fd: number, option: number): number {
  const value = new Int32Array(1);
  const length = Uint32Array.of(4);
  // SAFETY: `length` says that the value has room for an int.
  check(libc.getsockopt(fd, SOL_SOCKET, option, value, length), "getsockopt");
  return value[0] ?? 0;
}

/** The type and the name of an inherited AF_UNIX socket; undefined for any other descriptor. */
export function describeSocket(fd: number): { type: number; path: ByteString } | undefined {
  try {
    if (socketOption(fd, SO_DOMAIN) !== AF_UNIX) return undefined;
  } catch {
    return undefined;
  }
  const address = new Uint8Array(ADDRESS_SIZE);
  const length = Uint32Array.of(ADDRESS_SIZE);
  // SAFETY: `length` says how much room the address has.
  check(libc.getsockname(fd, address, length), "getsockname");
  const path = fromBytes(address, 2, Math.max(2, length[0] ?? 0));
  return {
    type: socketOption(fd, SO_TYPE),
    path: path.startsWith("\0") ? path : (path.split("\0")[0] ?? ""),
  };
}

/** Sets or clears O_NONBLOCK of the open file. */
export function setNonblocking(fd: number, nonblocking: boolean): void {
  const flags = check(base.fcntl(fd, F_GETFL, 0), "fcntl");
  const wanted = nonblocking ? flags | SOCK_NONBLOCK : flags & ~SOCK_NONBLOCK;
  check(base.fcntl(fd, F_SETFL, wanted), "fcntl");
}

// With an ArrayBuffer of its own: without one, the memory moves when `buffer` is first used.
const outq = new Int32Array(new ArrayBuffer(4));
// SAFETY: this module holds the int.
const outqAddress = addressOf(outq);

/** SIOCOUTQ: how much memory of the kernel holds sent and unreceived messages; 0 if it is unknown. */
export function unreceived(fd: number): number {
  if (base.ioctl(fd, SIOCOUTQ, outqAddress) < 0) return 0;
  return outq[0] ?? 0;
}

/** gethostname(2). */
export function hostName(): ByteString {
  const name = new Uint8Array(256);
  // SAFETY: one byte less than the array has, so that it ends with a NUL.
  check(libc.gethostname(name, 255), "gethostname");
  return fromCString(name);
}

/** send(2) without waiting and without SIGPIPE: the number of bytes, or -1 with errno. */
export function sendNow(fd: number, bytes: Uint8Array): number {
  // SAFETY: the caller's reference keeps `bytes` alive during the call, which reads exactly its length.
  return base.send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/** sendto(2) from a new socket to a path, or to an abstract name (a leading NUL). Throws SystemError. */
export function sendDatagram(path: ByteString, bytes: Uint8Array): void {
  const address = unixAddress(path);
  withFd(openSocket(SOCK_DGRAM), (fd) => {
    // SAFETY: exactly the bytes of message and address are read.
    check(libc.sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length), "sendto", path);
  });
}

const MOST_DESCRIPTORS = 8;

// struct msghdr, an iovec, and room for descriptors, in memory that does not move.
const HEADER = 56;
const CONTROL = HEADER + 16;
const CONTROL_BYTES = 16 + 4 * MOST_DESCRIPTORS;
const message = Buffer.from(new ArrayBuffer(CONTROL + CONTROL_BYTES));
// SAFETY: this module holds the message, and the bytes that its iovec points to.
const messageAddress = addressOf(message);
const held: Uint8Array[] = [];

/** Fills in the header; SAFETY: the iovec has exactly the bytes, which are held, and the room for control is fixed. */
function prepare(bytes: Uint8Array, controlLength: number): void {
  held[0] = bytes;
  message.fill(0, 0, HEADER);
  message.writeBigUInt64LE(BigInt(messageAddress + HEADER), 16);
  message.writeBigUInt64LE(1n, 24);
  if (controlLength > 0) message.writeBigUInt64LE(BigInt(messageAddress + CONTROL), 32);
  message.writeBigUInt64LE(BigInt(controlLength), 40);
  // SAFETY: see above.
  message.writeBigUInt64LE(BigInt(addressOf(bytes)), HEADER);
  message.writeBigUInt64LE(BigInt(bytes.length), HEADER + 8);
}

/**
 * sendmsg(2) of bytes (at least one) and, by SCM_RIGHTS, descriptors (at most 8). False if `flags` has MSG_DONTWAIT and
 * it would wait. Throws SystemError.
 */
export function sendPacket(
  fd: number,
  bytes: Uint8Array,
  descriptors: readonly number[] = [],
  flags = 0,
): boolean {
  const length = descriptors.length === 0 ? 0 : 16 + 4 * descriptors.length;
  prepare(bytes, length);
  message.writeBigUInt64LE(BigInt(length), CONTROL);
  message.writeInt32LE(SOL_SOCKET, CONTROL + 8);
  message.writeInt32LE(SCM_RIGHTS, CONTROL + 12);
  descriptors.forEach((one, i) => {
    message.writeInt32LE(one, CONTROL + 16 + 4 * i);
  });
  for (;;) {
    // SAFETY: see prepare().
    if (libc.sendmsg(fd, message, flags | MSG_NOSIGNAL) >= 0) return true;
    const number = errno();
    if (number === C.EAGAIN) return false;
    if (number !== C.EINTR) throw new SystemError(number, "sendmsg", undefined);
  }
}

/** A packet and its descriptors, which are close-on-exec; length 0 at the end of the stream. */
export interface Packet {
  length: number;
  truncated: boolean;
  descriptors: number[];
}

/**
 * recvmsg(2) into `buffer`. Undefined if `flags` has MSG_DONTWAIT and there is no packet. Without `descriptors` the
 * kernel closes those of the packet. Throws SystemError.
 */
export function receivePacket(
  fd: number,
  buffer: Uint8Array,
  flags = 0,
  descriptors = true,
): Packet | undefined {
  for (;;) {
    prepare(buffer, descriptors ? CONTROL_BYTES : 0);
    // SAFETY: see prepare().
    const length = libc.recvmsg(fd, message, flags | MSG_CMSG_CLOEXEC);
    if (length < 0) {
      const number = errno();
      if (number === C.EAGAIN) return undefined;
      if (number === C.EINTR) continue;
      throw new SystemError(number, "recvmsg", undefined);
    }
    const received: number[] = [];
    const control = Number(message.readBigUInt64LE(40));
    if (control >= 16 && message.readInt32LE(CONTROL + 12) === SCM_RIGHTS) {
      const end = Math.min(control, Number(message.readBigUInt64LE(CONTROL)));
      for (let at = 16; at + 4 <= end; at += 4) received.push(message.readInt32LE(CONTROL + at));
    }
    return {
      length,
      truncated: (message.readUInt32LE(48) & (MSG_TRUNC | MSG_CTRUNC)) !== 0,
      descriptors: received,
    };
  }
}
