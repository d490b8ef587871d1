import type { ByteString } from "./bytes.ts";
import { ERRNO_NAMES } from "./errno.ts";

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
    const [code, reason] = ERRNO_NAMES[errno] ?? [`E${errno}`, `error ${errno}`];
    super(path === undefined ? `${call}: ${reason}` : `${path}: ${call}: ${reason}`);
    this.code = code;
    this.reason = reason;
  }
}

/** Whether `error` is a SystemError with one of these symbolic names. */
export function isErrno(error: unknown, ...codes: string[]): error is SystemError {
  return error instanceof SystemError && codes.includes(error.code);
}
