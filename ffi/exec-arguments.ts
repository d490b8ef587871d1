import type { ByteString } from "./bytes.ts";
import { EINVAL } from "./constants.ts";
import { SystemError } from "./error.ts";
import { addressOf } from "./libc.ts";
import { workingDirectoryWasChanged } from "./process.ts";

// Flags and errors of guard_exec: ffi/guard/guard.h.
const EXEC_DIRECTORY_CHANGED = 1;
const EXEC_STANDARD_ONLY = 2;
const OF_A_LIMIT = 4096;

// What the kernel is about to read.
let held: unknown[] = [];

/** The array of pointers that argv and envp are; `held` gets the memory that must stay alive. */
export function cStrings(texts: readonly ByteString[], held: unknown[]): BigUint64Array {
  let length = 1;
  for (const text of texts) length += text.length + 1;
  const bytes = Buffer.alloc(length);
  // SAFETY: `held` has both; each string ends with a NUL, and the array with a null pointer.
  const start = addressOf(bytes);
  const pointers = new BigUint64Array(texts.length + 1);
  let at = 0;
  let i = 0;
  for (const text of texts) {
    if (text.includes("\0")) throw new SystemError(EINVAL, "execve with a NUL byte", text);
    pointers[i++] = BigInt(start + at);
    bytes.write(text, at, "latin1");
    at += text.length + 1;
  }
  held.push(bytes, pointers);
  return pointers;
}

/** A limit of setrlimit(2), hard and soft. */
export interface ResourceLimit {
  /** Its number. */
  readonly resource: number;
  /** In the unit of the resource; the program gets a lower one if this process has that. */
  readonly value: number;
}

/** How a program is executed. */
export interface ExecOptions {
  /** It gets no descriptors but 0, 1 and 2, which are open. */
  standardOnly?: boolean;
  /** Lowered just before execve(2), after everything else: no system call of the runtime is made below them. */
  limits?: readonly ResourceLimit[];
  /** A descriptor that gets a byte if execve(2) fails and the guard has to end this process. */
  failurePipe?: number;
}

/** A program to execute, as addresses for native code, which are valid until the next call of prepareExec. */
interface PreparedExec {
  path: number;
  argv: number;
  envp: number;
  flags: number;
  /** struct lowering of guard.h; 0 without limits. */
  lowering: number;
}

function loweringOf(limits: readonly ResourceLimit[], failurePipe: number): number {
  if (limits.length === 0) return 0;
  const words = new BigInt64Array(2 + 2 * limits.length);
  let at = 0;
  words[at++] = BigInt(limits.length);
  words[at++] = BigInt(failurePipe);
  for (const { resource, value } of limits) {
    words[at++] = BigInt(resource);
    words[at++] = BigInt(value);
  }
  held.push(words);
  // SAFETY: `held` has it.
  return addressOf(words);
}

/** Lays out what an exec needs in memory. */
export function prepareExec(
  path: ByteString,
  argv: readonly ByteString[],
  envp: readonly ByteString[],
  { standardOnly = false, limits = [], failurePipe = -1 }: ExecOptions,
): PreparedExec {
  held = [];
  const pathStrings = cStrings([path], held);
  const argvStrings = cStrings(argv, held);
  const envpStrings = cStrings(envp, held);
  const directory = workingDirectoryWasChanged() ? EXEC_DIRECTORY_CHANGED : 0;
  // SAFETY: `held` has them.
  return {
    path: Number(pathStrings[0]),
    argv: addressOf(argvStrings),
    envp: addressOf(envpStrings),
    flags: directory | (standardOnly ? EXEC_STANDARD_ONLY : 0),
    lowering: loweringOf(limits, failurePipe),
  };
}

/** The error of a result of guard_exec or guard_daemon; its call is "prlimit" if a limit cannot be set. */
export function execError(result: number, path: ByteString): SystemError {
  return result <= -OF_A_LIMIT
    ? new SystemError(-result - OF_A_LIMIT, "prlimit", path)
    : new SystemError(-result, "execve", path);
}
