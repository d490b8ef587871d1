import { dlopen, FFIType } from "bun:ffi";
import { type ByteString, cString, fromBytes } from "./bytes.ts";
import { EAGAIN, EINTR, EINVAL, ENAMETOOLONG } from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf, libc as base, check, errno, fail } from "./libc.ts";
import { fchdir } from "./process.ts";

const { i32, u32, u64, ptr: pointer } = FFIType;

// Apart from ffi/libc.ts: a login needs none of these.
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
const SO_SNDTIMEO = 21;
const SO_DOMAIN = 39;
const SCM_RIGHTS = 1;
const SIOCOUTQ = 0x5411;
const F_SETFL = 4;
const F_GETFL = 3;

// recvmsg(2), sendmsg(2)
export const MSG_CTRUNC = 0x08;
export const MSG_TRUNC = 0x20;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x40000000;

/** The most bytes that sun_path takes, without its NUL. */
export const LONGEST_SOCKET_PATH = 107;

/** sockaddr_un for a path, or for an abstract name where it begins with a NUL. Throws SystemError ENAMETOOLONG. */
function unixAddress(path: ByteString): Uint8Array {
  if (path.length > LONGEST_SOCKET_PATH) throw new SystemError(ENAMETOOLONG, "socket address", path);
  const abstract = path.startsWith("\0");
  const address = new Uint8Array(2 + path.length + (abstract ? 0 : 1));
  address[0] = AF_UNIX;
  address.set(cString(path).subarray(0, address.length - 2), 2);
  return address;
}

/** An unconnected socket of the family AF_UNIX; close-on-exec. */
export function openSocket(type: number, nonblocking = false): number {
  return check(base.socket(AF_UNIX, type | SOCK_CLOEXEC | (nonblocking ? SOCK_NONBLOCK : 0), 0), "socket");
}

/** A connected pair of sockets; close-on-exec. */
export function openPair(type: number): [number, number] {
  const pair = Buffer.alloc(8);
  check(libc.socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), "socketpair");
  return [pair.readInt32LE(0), pair.readInt32LE(4)];
}

/** A socket that is connected to `path`. Throws SystemError. */
export function connectTo(path: ByteString, type: number, nonblocking = false): number {
  const fd = openSocket(type, nonblocking);
  const address = unixAddress(path);
  if (base.connect(fd, address, address.length) === 0) return fd;
  const error = new SystemError(errno(), "connect", path);
  base.close(fd);
  throw error;
}

/**
 * bind(2) to `name` in an open directory (O_PATH will do), by way of the working directory, which is `/` afterwards:
 * a socket's address has no directory descriptor, and no more than 107 bytes.
 */
export function bindIn(fd: number, directory: number, name: ByteString): void {
  if (name.includes("/")) throw new SystemError(EINVAL, "bind", name);
  const address = unixAddress(name);
  const root = base.openat(-100, cString("/"), 0o10000000 | SOCK_CLOEXEC, 0);
  if (root < 0) fail("open", "/");
  try {
    fchdir(directory);
    try {
      check(libc.bind(fd, address, address.length), "bind", name);
    } finally {
      fchdir(root);
    }
  } finally {
    base.close(root);
  }
}

/** listen(2). */
export function listen(fd: number, backlog: number): void {
  check(libc.listen(fd, backlog), "listen");
}

/** accept4(2), nonblocking and close-on-exec; undefined where nobody waits, or no descriptor is free. */
export function accept(fd: number): number | undefined {
  const connection = libc.accept4(fd, null, null, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (connection >= 0) return connection;
  // EINTR, EAGAIN, ECONNABORTED, EMFILE, ENFILE
  if ([4, 11, 103, 24, 23].includes(errno())) return undefined;
  return fail("accept");
}

/** SO_PASSCRED: with each message comes who sent it. */
export function passCredentials(fd: number): void {
  const on = Buffer.from([1, 0, 0, 0]);
  check(libc.setsockopt(fd, SOL_SOCKET, SO_PASSCRED, on, 4), "setsockopt");
}

/** SO_SNDTIMEO: how many seconds a call that sends waits for room; then it is as with MSG_DONTWAIT. */
export function setSendTimeout(fd: number, seconds: number): void {
  const time = Buffer.alloc(16);
  time.writeBigInt64LE(BigInt(seconds), 0);
  check(libc.setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, time, 16), "setsockopt");
}

function socketOption(fd: number, option: number): number {
  const value = Buffer.alloc(4);
  const length = Buffer.from([4, 0, 0, 0]);
  check(libc.getsockopt(fd, SOL_SOCKET, option, value, length), "getsockopt");
  return value.readInt32LE(0);
}

/** What an inherited descriptor is: the type and the name of an AF_UNIX socket, undefined for everything else. */
export function describeSocket(fd: number): { type: number; path: ByteString } | undefined {
  try {
    if (socketOption(fd, SO_DOMAIN) !== AF_UNIX) return undefined;
  } catch {
    return undefined;
  }
  const address = Buffer.alloc(110);
  const length = Buffer.from([110, 0, 0, 0]);
  check(libc.getsockname(fd, address, length), "getsockname");
  const end = Math.max(2, length.readUInt32LE(0));
  const path = fromBytes(address.subarray(2, end));
  return {
    type: socketOption(fd, SO_TYPE),
    path: path.startsWith("\0") ? path : (path.split("\0")[0] ?? ""),
  };
}

/** Sets or takes away O_NONBLOCK of the open file. */
export function setNonblocking(fd: number, nonblocking: boolean): void {
  const flags = check(base.fcntl(fd, F_GETFL, 0), "fcntl");
  const wanted = nonblocking ? flags | SOCK_NONBLOCK : flags & ~SOCK_NONBLOCK;
  check(base.fcntl(fd, F_SETFL, wanted), "fcntl");
}

// Memory of its own: that of a small array moves when it is first looked at as a Buffer, and its address with it.
const outq = new Int32Array(new ArrayBuffer(4));
const outqAddress = addressOf(new Uint8Array(outq.buffer));

/** SIOCOUTQ: how much memory of the kernel holds what was sent and not yet received; 0 where it cannot be told. */
export function unreceived(fd: number): number {
  if (base.ioctl(fd, SIOCOUTQ, outqAddress) < 0) return 0;
  return outq[0] ?? 0;
}

/** gethostname(2). */
export function hostName(): ByteString {
  const name = Buffer.alloc(256);
  check(libc.gethostname(name, 255), "gethostname");
  return fromBytes(name, 0, name.indexOf(0));
}

/** send(2) without waiting and without SIGPIPE: the number of bytes, or -1 with errno. */
export function sendNow(fd: number, bytes: Uint8Array): number {
  // SAFETY: the caller's reference keeps `bytes` alive during the call, which reads exactly its length.
  return base.send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/** sendto(2) to a path or an abstract name (a leading NUL), from a socket of its own. Throws SystemError. */
export function sendDatagram(path: ByteString, bytes: Uint8Array): void {
  const fd = openSocket(SOCK_DGRAM);
  const address = unixAddress(path);
  try {
    check(libc.sendto(fd, bytes, bytes.length, MSG_NOSIGNAL, address, address.length), "sendto", path);
  } finally {
    base.close(fd);
  }
}

const MOST_DESCRIPTORS = 8;

// struct msghdr, an iovec, and room for descriptors, in memory that does not move.
const HEADER = 56;
const CONTROL = HEADER + 16;
const CONTROL_BYTES = 16 + 4 * MOST_DESCRIPTORS;
const message = Buffer.from(new ArrayBuffer(CONTROL + CONTROL_BYTES));
const messageAddress = addressOf(message);

// The kernel reads it by its address, of which the collector of garbage knows nothing.
const held: Uint8Array[] = [];

function prepare(bytes: Uint8Array, controlLength: number): void {
  held[0] = bytes;
  message.fill(0, 0, HEADER);
  message.writeBigUInt64LE(BigInt(messageAddress + HEADER), 16);
  message.writeBigUInt64LE(1n, 24);
  if (controlLength > 0) message.writeBigUInt64LE(BigInt(messageAddress + CONTROL), 32);
  message.writeBigUInt64LE(BigInt(controlLength), 40);
  message.writeBigUInt64LE(BigInt(addressOf(bytes)), HEADER);
  message.writeBigUInt64LE(BigInt(bytes.length), HEADER + 8);
}

/**
 * sendmsg(2) of bytes (at least one) and, by SCM_RIGHTS, descriptors (at most 8). False where `flags` hold
 * MSG_DONTWAIT and it would wait. Throws SystemError.
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
    if (libc.sendmsg(fd, message, flags | MSG_NOSIGNAL) >= 0) return true;
    const number = errno();
    if (number === EAGAIN) return false;
    if (number !== EINTR) throw new SystemError(number, "sendmsg", undefined);
  }
}

/** A packet and the descriptors that came with it, which are close-on-exec; length 0 at the end of the stream. */
export interface Packet {
  length: number;
  truncated: boolean;
  descriptors: number[];
}

/**
 * recvmsg(2) into `buffer`. Undefined where `flags` hold MSG_DONTWAIT and nothing is there. Without `descriptors` the
 * kernel lets go of those that come along. Throws SystemError.
 */
export function receivePacket(
  fd: number,
  buffer: Uint8Array,
  flags = 0,
  descriptors = true,
): Packet | undefined {
  for (;;) {
    prepare(buffer, descriptors ? CONTROL_BYTES : 0);
    const length = libc.recvmsg(fd, message, flags | MSG_CMSG_CLOEXEC);
    if (length < 0) {
      const number = errno();
      if (number === EAGAIN) return undefined;
      if (number === EINTR) continue;
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
