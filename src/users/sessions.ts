import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { endSessions } from "../system/processes.ts";

// A user may have thousands.
const MOST_PIDS = 20;

/** Pids for a message, which names no more than some. */
export function shownPids(pids: readonly number[]): string {
  const more = pids.length > MOST_PIDS ? ` and ${pids.length - MOST_PIDS} more` : "";
  return `${pids.slice(0, MOST_PIDS).join(" ")}${more}`;
}

/** Throws JailkitError "has-processes" with what ends them, if an account has processes. */
export function requireNoProcesses(
  { name, uid }: Pick<PasswdEntry, "name" | "uid">,
  pids: readonly number[],
): void {
  if (pids.length === 0) return;
  const remedy = endSessions(uid);
  const message = `${quoted(name)} has running processes (${shownPids(pids)}): end them first, with: ${remedy}`;
  throw new JailkitError("has-processes", 1, message, undefined, remedy);
}
