import type { ByteString } from "../../../ffi/bytes.ts";
import { problemFrom } from "../../cli/error.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import { type Failure, noRoom } from "../../jail/fs/no-room.ts";
import { requireReplaceable } from "../../jail/fs/writable.ts";
import { requireLogSocketPlace } from "./log-socket.ts";

/**
 * Throws the JailkitError or SystemError with which the section for the log socket of a jail would not come. The code that adds it does not ask
 * whether there can be such a socket: it may be taken out again.
 */
export function requireLogSocket(jail: ByteString): void {
  const { path, sections } = requireLogSocketPlace(jail);
  if (sections.length === 0) requireReplaceable(CONFIG_DIRECTORY + path);
}

/** The problem of what `require` throws about a file of the machine before the first change for a jail. */
export function foreseen(jail: ByteString, code: ProblemCode, require: () => void): Failure | undefined {
  try {
    require();
    return undefined;
  } catch (error) {
    return (
      noRoom(error, jail, { left: [], progress: "nothing was changed" }) ?? problemFrom(error, code, jail)
    );
  }
}
