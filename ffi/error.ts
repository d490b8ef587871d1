import type { ByteString } from "./bytes.ts";
import { EACCES } from "./constants.ts";
import { cstring, dlopen, i32 } from "./native.ts";

// Not in ffi/libc.ts, since most runs end without an error. Null for an unknown number.
const openNames = () =>
  dlopen("libc.so.6", {
    strerrorname_np: { args: [i32], returns: cstring },
    strerrordesc_np: { args: [i32], returns: cstring },
  }).symbols;
let names: ReturnType<typeof openNames> | undefined;

interface Texts {
  readonly code: string;
  readonly reason: string;
}

// A missing file is no rare answer: thousands are looked for.
const known = new Map<number, Texts>();

function textsOf(errno: number): Texts {
  names ??= openNames();
  return {
    code: names.strerrorname_np(errno)?.toString() ?? `E${errno}`,
    reason: names.strerrordesc_np(errno)?.toString() ?? `error ${errno}`,
  };
}

/** A failed system call, with its path and errno(3). The only error that `ffi/` throws. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  /** The symbolic name of errno, for example "ENOENT"; "E123" for an unknown number. */
  readonly code: string;
  /** The reason in words, for example "No such file or directory". */
  readonly reason: string;

  constructor(
    readonly errno: number,
    readonly call: string,
    readonly path: ByteString | undefined,
  ) {
    const { code, reason } = known.getOrInsertComputed(errno, textsOf);
    super(path === undefined ? `${call}: ${reason}` : `${path}: ${call}: ${reason}`);
    this.code = code;
    this.reason = reason;
  }
}

/** A file system of which nothing is asked, since a program of a user answers, or may never do so: see served.ts. */
export class UnansweredMount extends SystemError {
  constructor(
    readonly mountPoint: ByteString,
    /** Whose program it is. */
    readonly uid: number,
    /** Only root can lead the path of the mount elsewhere. */
    readonly isInPlace: boolean,
  ) {
    super(EACCES, "mounted by a user", mountPoint);
  }
}

/** The result of `call`; undefined if it throws SystemError. */
export function attempt<T>(call: () => T): T | undefined {
  try {
    return call();
  } catch (error) {
    if (error instanceof SystemError) return undefined;
    throw error;
  }
}

/** Whether `error` is a SystemError with one of these symbolic names. */
export function isErrno(error: unknown, ...codes: string[]): error is SystemError {
  return error instanceof SystemError && codes.includes(error.code);
}
