import type { ByteString } from "../../ffi/bytes.ts";
import { JailkitError } from "../cli/error.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import type { Position } from "../config/model.ts";
import type { UnreadFile } from "../config/unread.ts";

/** An error in a file of jails.d. */
export interface FileError {
  readonly file: ByteString;
  /** Undefined for one about the whole file. */
  readonly position: Position | undefined;
  /** The code that `jailkit config check` gives it; undefined if it is no finding there. */
  readonly finding: FindingCode | undefined;
  readonly error: JailkitError;
}

/** Why files that declare jails and users cannot be used: all errors, of which this is the first. */
export class DeclarationError extends JailkitError {
  /** `all` is not empty. `unread`: other files, which may be part of the reason. */
  constructor(
    readonly all: readonly FileError[],
    readonly unread: readonly UnreadFile[],
  ) {
    const { code = "config-invalid", message = "", place, remedy } = all[0]?.error ?? {};
    super(code, 1, message, place, remedy);
  }
}
