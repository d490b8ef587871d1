import type { ByteString } from "../../ffi/bytes.ts";
import { libc } from "../../ffi/libc.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { tryPrintError } from "../cli/output.ts";
import { type Advice, told, typed } from "../cli/remedy.ts";
import type { Audit } from "./audit.ts";
import type { Decision } from "./audit-event.ts";

// RFC 4648, section 6
const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A new error id, `JK-` and eight base-32 digits. An administrator finds the line in the log by it. */
export function errorId(): string {
  let id = "JK-";
  for (const byte of crypto.getRandomValues(new Uint8Array(8))) id += BASE32[byte & 31];
  return id;
}

/** A refused login: the log gets the reason, the user a short message. */
export class Refusal extends JailkitError {
  constructor(
    /** A stable name of the check, for the log. */
    readonly check: string,
    exitStatus: number,
    /** The full reason, for the log. */
    readonly reason: ByteString,
    /** For the user: no path outside the jail. */
    readonly shown: string,
    readonly advice: Advice = "",
  ) {
    super("refused", exitStatus, display(told(reason, advice).message), undefined, typed(advice));
  }
}

/**
 * Logs a refusal in full, prints one line for the user, both with the same id, and returns the exit status. `about`: what
 * else the log says.
 */
export function refuse(refusal: Refusal, tool: string, log: Audit, about: Partial<Decision> = {}): number {
  const id = errorId();
  // A log has one line; a remedy may have several.
  const remedy: ByteString = refusal.remedy.split("\n").join(" | ");
  const { check: code, exitStatus } = refusal;
  const { message: reason } = told(refusal.reason, refusal.advice);
  const message = `${id}: ${reason} (check ${code}, uid ${libc.getuid()})`;
  // `jailkit explain` finds the line by its id.
  log.write("err", remedy === "" ? message : `${message}; remedy: ${remedy}`, {
    ...about,
    outcome: "refused",
    code,
    reason,
    remedy,
    errorId: id,
    exitCode: exitStatus,
  });
  tryPrintError(`${tool}: refused: ${refusal.shown} (error id ${id})`);
  return exitStatus;
}
