import { type ByteString, cString } from "./bytes.ts";
import { O_CLOEXEC } from "./constants.ts";
import { SystemError } from "./error.ts";
import { execError, prepareExec, type ResourceLimit } from "./exec-arguments.ts";
import { close, readInto, writeAll } from "./files.ts";
import { guardFunction } from "./guard.ts";
import { addressOf, check, libc } from "./libc.ts";
import { i32, i64_fast, linkSymbols, u64 } from "./native.ts";

// Calls ffi/guard/launch.c, which starts other processes. JavaScript must not fork, since it has threads.

interface Pipe {
  out: number;
  in: number;
}

/** pipe2(2); no program that is executed gets the descriptors. Throws SystemError. */
export function makePipe(): Pipe {
  const ends = new Int32Array(2);
  // SAFETY: two ints.
  check(libc.pipe2(ends, O_CLOEXEC), "pipe2");
  return { out: ends[0] ?? -1, in: ends[1] ?? -1 };
}

/** An empty file, open for writing, that will become a pidfile. */
export interface UnwrittenPidfile {
  /** An open directory, and the file in it with its present name and its later one. */
  directory: number;
  file: number;
  temporary: ByteString;
  name: ByteString;
}

/** A process that waits for a program to be executed, and then writes its pid. */
export interface PidWriter {
  /** Takes a pid of eight bytes; another byte means that the program was not executed. */
  readonly pipe: number;
  /** Closes this process's end of the pipe, if it is open. */
  release(): void;
  /** Waits until the pidfile is written or given up. Every process must have closed the pipe before. */
  wait(): void;
}

// What the native side reads, for good.
const held: unknown[] = [];

/**
 * Starts a process that writes the pid into the pidfile and renames it once the program is executed, and removes it if
 * that fails. It is no child of this process. Throws SystemError.
 */
export function startPidWriter(pidfile: UnwrittenPidfile): PidWriter {
  const { start } = linkSymbols({
    start: { ptr: guardFunction("writePid"), args: [u64], returns: i32 },
  }).symbols;
  const pids = makePipe();
  const done = makePipe();
  const temporary = cString(pidfile.temporary);
  const name = cString(pidfile.name);
  // SAFETY: struct pid_request is these six words. They and both names are held for good.
  const { directory, file } = pidfile;
  const words = [pids.out, pids.in, directory, file, addressOf(temporary), addressOf(name)];
  const request = BigUint64Array.from(words, BigInt);
  held.push(temporary, name, request);
  // SAFETY: held.
  const result: number = start(addressOf(request));
  close(pids.out);
  // The writer has the other end, and never writes; its end closes it.
  close(done.in);
  if (result < 0) {
    close(pids.in);
    close(done.out);
    throw new SystemError(-result, "fork", undefined);
  }
  let open = true;
  return {
    pipe: pids.in,
    release() {
      if (open) close(pids.in);
      open = false;
    },
    wait() {
      readInto(done.out, new Uint8Array(1));
      close(done.out);
    },
  };
}

/** Tells the writer that this process is going to execute the program. */
export function announcePid(writer: PidWriter): void {
  writeAll(writer.pipe, new Uint8Array(BigUint64Array.of(BigInt(libc.getpid())).buffer));
}

/** Tells the writer that the announced process does not execute the program. */
export function withdrawPid(writer: PidWriter): void {
  writeAll(writer.pipe, new Uint8Array(1));
}

interface Daemon {
  path: ByteString;
  argv: readonly ByteString[];
  envp: readonly ByteString[];
  /** A descriptor of /dev/null, which becomes its standard input, output and error. */
  devNull: number;
  writer: PidWriter | undefined;
  limits: readonly ResourceLimit[];
}

/**
 * As execve of ffi/guard.ts with `standardOnly`, but in a new process without a terminal (daemon(7)). Returns once the
 * program is executed. Throws SystemError if it is not.
 */
export function executeDaemon(daemon: Daemon): void {
  const { start } = linkSymbols({
    start: { ptr: guardFunction("daemon"), args: [u64], returns: i64_fast },
  }).symbols;
  const { devNull, writer, limits } = daemon;
  const options = { standardOnly: true, limits };
  const { path, argv, envp, flags, lowering } = prepareExec(daemon.path, daemon.argv, daemon.envp, options);
  const report = makePipe();
  // SAFETY: struct daemon_request is these nine words; what they point to is held by prepareExec.
  const words = [devNull, writer?.pipe ?? -1, report.out, report.in, path, argv, envp, flags, lowering];
  const request = BigInt64Array.from(words, BigInt);
  held.push(request);
  // The native side closes report.in. SAFETY: held.
  const result = Number(start(addressOf(request)));
  close(report.out);
  writer?.release();
  if (result < 0) throw execError(result, daemon.path);
}
