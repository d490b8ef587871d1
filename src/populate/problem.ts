import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import type { PopulateProblem } from "./entry.ts";

/** An error about a path of the host, which the message names. `code`: if the error has none of its own. */
export function problemAt(path: ByteString, error: unknown, code: string): PopulateProblem {
  const text = describeError(error);
  // An immutable directory is one reason for many files.
  const named = text.includes(display(path)) || (error instanceof JailkitError && error.code === "immutable");
  const message = named ? text : `${display(path)}: ${text}`;
  return { code: error instanceof JailkitError ? error.code : code, path, message };
}
