import type { Pointer } from "bun:ffi";

/** A pointer as an argument: null, an address, or an array, which stays alive and in place during the call. */
export type Memory = NodeJS.TypedArray | Pointer | null;

type Word = Memory | number;

/** syscall(2): the result, or -1 and errno. No argument is left out: native code would read what is not there. */
export type SystemCall = (
  ...given: [number: number, a: Word, b: Word, c: Word, d: Word, e: Word, f: Word]
) => number;

const ARM = process.arch === "arm64";

/**
 * System calls that a login makes, by number: that takes less time than to look for each by its name in the C library, where
 * they do the same. Not those that the C library makes for all threads, such as setresuid(2). The build leaves out the
 * numbers of the other architecture.
 */
export const kernelCalls = (call: SystemCall) => ({
  // files
  openat: (at: number, path: Memory, flags: number, mode: number) =>
    call(ARM ? 56 : 257, at, path, flags, mode, 0, 0),
  close: (fd: number) => call(ARM ? 57 : 3, fd, 0, 0, 0, 0, 0),
  read: (fd: number, buffer: Memory, size: number) => call(ARM ? 63 : 0, fd, buffer, size, 0, 0, 0),
  write: (fd: number, buffer: Memory, size: number) => call(ARM ? 64 : 1, fd, buffer, size, 0, 0, 0),
  lseek: (fd: number, offset: number, whence: number) => call(ARM ? 62 : 8, fd, offset, whence, 0, 0, 0),
  statx: (at: number, path: Memory, flags: number, mask: number, stat: Memory) =>
    call(ARM ? 291 : 332, at, path, flags, mask, stat, 0),
  fstatfs: (fd: number, buffer: Memory) => call(ARM ? 44 : 138, fd, buffer, 0, 0, 0, 0),
  fcntl: (fd: number, command: number, argument: number) =>
    call(ARM ? 25 : 72, fd, command, argument, 0, 0, 0),
  readlinkat: (at: number, path: Memory, buffer: Memory, size: number) =>
    call(ARM ? 78 : 267, at, path, buffer, size, 0, 0),
  getdents64: (fd: number, buffer: Memory, size: number) => call(ARM ? 61 : 217, fd, buffer, size, 0, 0, 0),
  // the process
  getpid: () => call(ARM ? 172 : 39, 0, 0, 0, 0, 0, 0),
  getuid: () => call(ARM ? 174 : 102, 0, 0, 0, 0, 0, 0),
  getresuid: (real: Memory, effective: Memory, saved: Memory) =>
    call(ARM ? 148 : 118, real, effective, saved, 0, 0, 0),
  getresgid: (real: Memory, effective: Memory, saved: Memory) =>
    call(ARM ? 150 : 120, real, effective, saved, 0, 0, 0),
  getgroups: (count: number, ids: Memory) => call(ARM ? 158 : 115, count, ids, 0, 0, 0, 0),
  umask: (mask: number) => call(ARM ? 166 : 95, mask, 0, 0, 0, 0, 0),
  chroot: (path: Memory) => call(ARM ? 51 : 161, path, 0, 0, 0, 0, 0),
  chdir: (path: Memory) => call(ARM ? 49 : 80, path, 0, 0, 0, 0, 0),
  fchdir: (fd: number) => call(ARM ? 50 : 81, fd, 0, 0, 0, 0, 0),
  /** The length of the path with its NUL. */
  getcwd: (buffer: Memory, size: number) => call(ARM ? 17 : 79, buffer, size, 0, 0, 0, 0),
  prctl: (option: number, a: number, b: number, c: number, d: number) =>
    call(ARM ? 167 : 157, option, a, b, c, d, 0),
  unshare: (flags: number) => call(ARM ? 97 : 272, flags, 0, 0, 0, 0, 0),
  _exit: (status: number) => call(ARM ? 94 : 231, status, 0, 0, 0, 0, 0),
  mincore: (address: number, length: number, pages: Memory) =>
    call(ARM ? 232 : 27, address, length, pages, 0, 0, 0),
  clock_gettime: (clock: number, time: Memory) => call(ARM ? 113 : 228, clock, time, 0, 0, 0, 0),
  // sockets
  socket: (family: number, type: number, protocol: number) =>
    call(ARM ? 198 : 41, family, type, protocol, 0, 0, 0),
  connect: (fd: number, address: Memory, size: number) => call(ARM ? 203 : 42, fd, address, size, 0, 0, 0),
  send: (fd: number, buffer: Memory, size: number, flags: number) =>
    call(ARM ? 206 : 44, fd, buffer, size, flags, null, 0),
});
