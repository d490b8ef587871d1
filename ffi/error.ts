import type { ByteString } from "./bytes.ts";
import { ERRNO_NAMES } from "./errno.ts";

/** A system call that failed: which call, on what, and why (errno(3)). The one error that `ffi/` throws. */
export class SystemError extends Error {
  override readonly name = "SystemError";
  /** The symbolic name of errno, for example "ENOENT"; "E123" where the number is not known. */
  readonly code: string;
  /** The reason in words, for example "No such file or directory". */
  readonly reason: string;

  constructor(
    readonly errno: number,
    readonly call: string,
    readonly path: ByteString | undefined,
  ) {
    const known = ERRNO_NAMES[errno];
    const reason = known?.[1] ?? `error ${errno}`;
    super(path === undefined ? `${call}: ${reason}` : `${path}: ${call}: ${reason}`);
    this.code = known?.[0] ?? `E${errno}`;
    this.reason = reason;
  }
}

/** True where `error` is a SystemError with one of these symbolic names. */
export function isErrno(error: unknown, ...codes: string[]): error is SystemError {
  return error instanceof SystemError && codes.includes(error.code);
}
