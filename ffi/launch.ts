import { CFunction, FFIType } from "bun:ffi";
import { type ByteString, cString } from "./bytes.ts";
import { O_CLOEXEC } from "./constants.ts";
import { SystemError } from "./error.ts";
import { close, readInto, writeAll } from "./files.ts";
import { guardFunction, prepareExec } from "./guard.ts";
import { addressOf, check, libc } from "./libc.ts";

/**
 * What ffi/guard/launch.c does: processes besides this one, which JavaScript must not fork, since it has threads.
 */

/** The two ends of a pipe; both are closed on exec. */
export interface Pipe {
  out: number;
  in: number;
}

/** pipe2(2). */
export function makePipe(): Pipe {
  const ends = new Int32Array(2);
  check(libc.pipe2(new Uint8Array(ends.buffer), O_CLOEXEC), "pipe2");
  return { out: ends[0] ?? -1, in: ends[1] ?? -1 };
}

/** A pidfile to be: an empty file that is open for writing, and what it will be called. */
export interface UnwrittenPidfile {
  /** An open directory, and the file in it with its present name. */
  directory: number;
  file: number;
  temporary: ByteString;
  name: ByteString;
}

/** A process that waits for a program to be executed, and then writes its pid. */
export interface PidWriter {
  /** To be told a pid of eight bytes; a further byte means that the program was not executed. */
  readonly pipe: number;
  /** Closes the pipe of this process, if that was not done yet. */
  release(): void;
  /** Waits until the pidfile is written or given up. Every process must have closed the pipe by then. */
  wait(): void;
}

const { u64, i32, i64_fast } = FFIType;

// Held here so that no garbage collection can take what the native side is about to read.
const held: unknown[] = [];

/**
 * Starts a process that renames the pidfile into place, with the pid in it, once the program is executed, and removes
 * it if that fails. It is nobody's child. Throws SystemError.
 */
export function startPidWriter(pidfile: UnwrittenPidfile): PidWriter {
  const start = CFunction({ ptr: guardFunction("writePid"), args: [u64], returns: i32 });
  const told = makePipe();
  const done = makePipe();
  const temporary = cString(pidfile.temporary);
  const name = cString(pidfile.name);
  const request = BigUint64Array.of(
    BigInt(told.out),
    BigInt(told.in),
    BigInt(pidfile.directory),
    BigInt(pidfile.file),
    BigInt(addressOf(temporary)),
    BigInt(addressOf(name)),
  );
  held.push(temporary, name, request);
  const result: number = start(addressOf(request));
  close(told.out);
  // The writer holds the other one, and never writes: it ends with the process.
  close(done.in);
  if (result < 0) {
    close(told.in);
    close(done.out);
    throw new SystemError(-result, "fork", undefined);
  }
  let open = true;
  return {
    pipe: told.in,
    release() {
      if (open) close(told.in);
      open = false;
    },
    wait() {
      readInto(done.out, new Uint8Array(1));
      close(done.out);
    },
  };
}

/** Tells the writer which process is going to execute the program: this one. */
export function announcePid(writer: PidWriter): void {
  writeAll(writer.pipe, new Uint8Array(BigUint64Array.of(BigInt(libc.getpid())).buffer));
}

/** Tells the writer that the process, which was announced, does not execute the program. */
export function withdrawPid(writer: PidWriter): void {
  writeAll(writer.pipe, new Uint8Array(1));
}

/** A program that is to run in the background. */
export interface Daemon {
  path: ByteString;
  argv: readonly ByteString[];
  envp: readonly ByteString[];
  /** An open descriptor that becomes its standard input, output and error. */
  nothing: number;
  writer: PidWriter | undefined;
}

/**
 * As execve of ffi/guard.ts with `standardOnly`, but in a new process, which leads no session and has no terminal
 * (daemon(7)); comes back when the program was executed. Throws SystemError where it was not.
 */
export function executeDaemon(daemon: Daemon): void {
  const start = CFunction({ ptr: guardFunction("daemon"), args: [u64], returns: i64_fast });
  const { path, argv, envp, flags } = prepareExec(daemon.path, daemon.argv, daemon.envp, true);
  const report = makePipe();
  const { nothing, writer } = daemon;
  const request = BigInt64Array.of(
    BigInt(nothing),
    BigInt(writer?.pipe ?? -1),
    BigInt(report.out),
    BigInt(report.in),
    BigInt(path),
    BigInt(argv),
    BigInt(envp),
    BigInt(flags),
  );
  const words = new Uint8Array(request.buffer);
  held.push(words);
  // The native side closes report.in.
  const result = Number(start(addressOf(words)));
  close(report.out);
  writer?.release();
  if (result < 0) throw new SystemError(-result, "execve", daemon.path);
}
