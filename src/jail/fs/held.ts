import type { ByteString } from "../../../ffi/bytes.ts";
import { attempt } from "../../../ffi/error.ts";
import { holdingFlags } from "../../../ffi/extents.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";

/**
 * The error for a file that not even root can change, since it or its directory is immutable or append-only, with the
 * command that allows changes. Undefined if neither is.
 */
export function heldError(path: ByteString): JailkitError | undefined {
  for (const held of [path, directoryOf(path)]) {
    const flags = attempt(() => holdingFlags(held)) ?? "";
    if (flags === "") continue;
    const what = flags.startsWith("i") ? "immutable" : "append-only";
    // Nobody can exchange the file itself, as long as it is so.
    const remedy: Remedy = onlyRootExchanges(directoryOf(held)) ? `chattr -${flags} ${shellWord(held)}` : "";
    const how = remedy === "" ? "chattr(1) changes that" : `first type ${remedy}`;
    return new JailkitError("immutable", 1, `${display(held)} is ${what}; ${how}`, undefined, remedy);
  }
  return undefined;
}

/** The same for a directory in which nothing can be created. */
export const heldDirectory = (path: ByteString): JailkitError | undefined =>
  (attempt(() => holdingFlags(path)) ?? "").startsWith("i") ? heldError(path) : undefined;
