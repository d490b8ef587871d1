import type { ByteString } from "../../ffi/bytes.ts";
import { libc } from "../../ffi/libc.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { printError } from "../cli/output.ts";
import type { Syslog } from "../system/syslog.ts";

// RFC 4648, section 6
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A fresh error id, `JK-` and eight base-32 digits, by which an administrator finds the line in the log. */
export function errorId(): string {
  let id = "JK-";
  for (const byte of crypto.getRandomValues(new Uint8Array(8))) id += BASE32[byte & 31];
  return id;
}

/** A login that is refused: what the log is told, and what little the user is. */
export class Refusal extends JailkitError {
  constructor(
    code: string,
    exitStatus: number,
    /** The full reason, for the log. */
    readonly reason: ByteString,
    /** What the user is told; no path outside the jail. */
    readonly shown: string,
    remedy: ByteString = "",
  ) {
    super(code, exitStatus, display(reason), undefined, remedy);
  }
}

/** Logs a refusal in full, tells the user in one line, both with the same id, and returns the exit status. */
export function refuse(refusal: Refusal, tool: string, log: Syslog): number {
  const id = errorId();
  // Lines for a file, in the one line that a log has.
  const remedy = refusal.remedy === "" ? "" : `; remedy: ${refusal.remedy.split("\n").join(" | ")}`;
  // jailkit explain finds them again: see explain-id.ts.
  log.write("err", `${id}: ${refusal.reason} (check ${refusal.code}, uid ${libc.getuid()})${remedy}`);
  printError(`${tool}: refused: ${refusal.shown} (error id ${id})`);
  return refusal.exitStatus;
}
