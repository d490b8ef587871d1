import type { Pointer } from "bun:ffi";
import { type ByteString, fromBytes } from "./bytes.ts";
import { EINVAL, PATH_MAX } from "./constants.ts";
import { SystemError } from "./error.ts";
import { kernelCalls, type SystemCall } from "./kernel.ts";
import { dlopen, i32, i64_fast, pointer, ptr, read, toBuffer, u32, u64 } from "./native.ts";

// An argument that is a number or an array, of which the address is passed.
const word = pointer;

const LIBC = "libc.so.6";

// What a login needs besides the calls of ffi/kernel.ts. Each name costs some microseconds, so the others are looked up at
// the first use of one.
const login = dlopen(LIBC, {
  __errno_location: { args: [], returns: pointer },
  syscall: { args: [word, word, word, word, word, word, word], returns: i64_fast },
  // of all threads
  setresuid: { args: [u32, u32, u32], returns: i32 },
  setresgid: { args: [u32, u32, u32], returns: i32 },
  localtime_r: { args: [pointer, pointer], returns: pointer },
  // users and groups, through NSS
  getpwnam_r: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
  getpwuid_r: { args: [u32, pointer, pointer, u64, pointer], returns: i32 },
  getgrgid_r: { args: [u32, pointer, pointer, u64, pointer], returns: i32 },
}).symbols;

// No result is too large for a number.
const systemCall = login.syscall as unknown as SystemCall;

function openRest() {
  return dlopen(LIBC, {
    // files
    pread: { args: [i32, pointer, u64, u64], returns: i32 },
    ftruncate: { args: [i32, u64], returns: i32 },
    fsync: { args: [i32], returns: i32 },
    syncfs: { args: [i32], returns: i32 },
    mkdirat: { args: [i32, pointer, u32], returns: i32 },
    mknodat: { args: [i32, pointer, u32, u64], returns: i32 },
    symlinkat: { args: [pointer, i32, pointer], returns: i32 },
    linkat: { args: [i32, pointer, i32, pointer, i32], returns: i32 },
    unlinkat: { args: [i32, pointer, i32], returns: i32 },
    renameat2: { args: [i32, pointer, i32, pointer, u32], returns: i32 },
    fchmod: { args: [i32, u32], returns: i32 },
    fchownat: { args: [i32, pointer, u32, u32, i32], returns: i32 },
    utimensat: { args: [i32, pointer, pointer, i32], returns: i32 },
    copy_file_range: { args: [i32, pointer, i32, pointer, u64, u32], returns: i32 },
    sendfile: { args: [i32, i32, pointer, u64], returns: i32 },
    ioctl: { args: [i32, u64, u64], returns: i32 },
    pipe2: { args: [pointer, i32], returns: i32 },
    dup3: { args: [i32, i32, i32], returns: i32 },
    flistxattr: { args: [i32, pointer, u64], returns: i32 },
    fgetxattr: { args: [i32, pointer, pointer, u64], returns: i32 },
    fsetxattr: { args: [i32, pointer, pointer, u64, i32], returns: i32 },
    fremovexattr: { args: [i32, pointer], returns: i32 },
    getxattr: { args: [pointer, pointer, pointer, u64], returns: i32 },
    lgetxattr: { args: [pointer, pointer, pointer, u64], returns: i32 },
    removexattr: { args: [pointer, pointer], returns: i32 },
    flock: { args: [i32, i32], returns: i32 },
    mount: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
    umount2: { args: [pointer, i32], returns: i32 },
    // the process
    geteuid: { args: [], returns: u32 },
    getgid: { args: [], returns: u32 },
    getegid: { args: [], returns: u32 },
    setgroups: { args: [u64, pointer], returns: i32 },
    close_range: { args: [u32, u32, i32], returns: i32 },
    kill: { args: [i32, i32], returns: i32 },
    raise: { args: [i32], returns: i32 },
    isatty: { args: [i32], returns: i32 },
    execve: { args: [pointer, pointer, pointer], returns: i32 },
    // users and groups, through NSS
    getspnam_r: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
    getgrnam_r: { args: [pointer, pointer, pointer, u64, pointer], returns: i32 },
    getgrouplist: { args: [pointer, u32, pointer, pointer], returns: i32 },
  }).symbols;
}

type Numbers = [number: number, a: number, b: number, c: number, d: number, e: number, f: number];
type Libc = Omit<typeof login, "syscall"> &
  ReturnType<typeof kernelCalls> &
  ReturnType<typeof openRest> & { syscall: (...given: Numbers) => number };

// Sees only names that `login` lacks. The first one adds all the rest to `libc` itself.
const onDemand = new Proxy(
  {},
  {
    get(_, name): unknown {
      const rest = openRest();
      Object.assign(libc, rest);
      return Reflect.get(rest, name);
    },
  },
);

/**
 * The C library. Variadic functions (ioctl, syscall) get integers and pointers only, which x86-64 and aarch64
 * pass like other arguments. A call moves less than 2^31 bytes, so counts of bytes are 32-bit numbers.
 *
 * Each call that passes a pointer has a SAFETY note: what keeps the memory alive, and why its length is right. A typed
 * array as an argument stays alive and in place during the call. build/check-structure.ts looks for the notes.
 */
export const libc: Libc = Object.assign(Object.create(onDemand), login, kernelCalls(systemCall));

// The address of errno of this thread. JavaScript runs on no other thread.
const errnoAddress = libc.__errno_location();

/** errno(3) as the last call left it. Read it before any other call. */
export function errno(): number {
  // SAFETY: the C library keeps errno, an int, as long as the thread lives.
  return errnoAddress === null ? 0 : read.i32(errnoAddress, 0);
}

/** syscall(2): a system call without a wrapper in the C library. Buffers among the arguments are passed by addressOf. */
export function syscall(number: number, a = 0, b = 0, c = 0, d = 0, e = 0, f = 0): number {
  return libc.syscall(number, a, b, c, d, e, f);
}

/** Throws errno of the last call as a SystemError. `path` is for the message. */
export function fail(call: string, path?: ByteString): never {
  throw new SystemError(errno(), call, path);
}

/** Returns a call's result, or throws SystemError if it is negative. */
export function check(result: number, call: string, path?: ByteString): number {
  if (result < 0) fail(call, path);
  return result;
}

// Longer than most paths. A larger buffer takes a login pages of memory that it does not use.
const SHORT = 512;
// Arguments are written into these in turn. A longer one gets a new buffer, and the kernel's ENAMETOOLONG if it is a path.
const scratch = [Buffer.alloc(SHORT), Buffer.alloc(SHORT), Buffer.alloc(SHORT), Buffer.alloc(SHORT)];
let turn = 0;

/**
 * A path or another NUL-terminated argument of a call. SAFETY: the buffer is held here until four more arguments were
 * made, it ends with a NUL, and a NUL within the text is refused.
 */
export function cArgument(text: ByteString): Uint8Array {
  if (text.includes("\0")) throw new SystemError(EINVAL, "a NUL byte in an argument", text);
  const length = text.length;
  turn = (turn + 1) & 3;
  let buffer = scratch[turn];
  if (buffer === undefined || buffer.length <= length) {
    buffer = Buffer.alloc(Math.max(length + 1, PATH_MAX));
    scratch[turn] = buffer;
  }
  buffer.write(text, 0, length, "latin1");
  buffer[length] = 0;
  return buffer;
}

/** The bytes before the first NUL at an address of this process; undefined for a null pointer. */
export function stringAt(address: number): ByteString | undefined {
  if (address === 0) return undefined;
  let length = 0;
  // SAFETY: the caller keeps a string with a NUL there; nothing behind the NUL is read.
  while (read.u8(address as Pointer, length) !== 0) length++;
  return length === 0 ? "" : fromBytes(toBuffer(address as Pointer, 0, length));
}

type Buffers = Uint8Array | Int32Array | Uint32Array | BigInt64Array | BigUint64Array;

const recent: (Buffers | undefined)[] = [undefined, undefined, undefined, undefined];
let next = 0;

/**
 * The address of a buffer, for the call that follows. SAFETY: the buffer is held here until four more addresses were
 * taken. Code that stores an address for longer holds the buffer itself.
 */
export function addressOf(buffer: Buffers): number {
  // SAFETY: see above.
  next = (next + 1) & 3;
  recent[next] = buffer;
  return ptr(buffer) as number;
}

/** A signed number of 64 bits at `address + offset`. */
export function i64At(address: number, offset = 0): bigint {
  // SAFETY: the caller keeps a structure there, and `offset` is one of its members.
  return read.i64(address as Pointer, offset);
}

/** A pointer (unsigned 64 bits) at `address + offset`. */
export function pointerAt(address: number, offset = 0): number {
  // SAFETY: as in i64At.
  return Number(read.u64(address as Pointer, offset));
}

/** An unsigned 32-bit number at `address + offset`. */
export function u32At(address: number, offset = 0): number {
  // SAFETY: as in i64At.
  return read.u32(address as Pointer, offset);
}
