import { answered } from "../../cli/error.ts";
import { endSessions } from "../../system/processes.ts";
import { shownPids, whatRuns } from "../../users/sessions.ts";
import type { Former } from "./former.ts";
import type { Note } from "./former-jails.ts";
import type { Machine } from "./machine.ts";

/**
 * Warnings about users who would not be removed now, since processes of theirs run. They are no errors: the run ends their
 * logins first, and until then the processes may have ended.
 */
export function runningOf(former: readonly Former[], machine: Machine): Note[] {
  return former.flatMap((one): Note[] => {
    if (one.of !== "user" || !one.needsEnd) return [];
    const { name } = one.once;
    const uid = answered(() => machine.accounts.userByName(name)?.uid);
    const pids = uid === undefined ? [] : machine.processesOf(uid);
    if (uid === undefined || pids.length === 0) return [];
    const message = `has running processes now (${whatRuns(uid) ?? shownPids(pids)}), with which it is not removed; what ends them: ${endSessions(uid)}`;
    return [{ of: "user", name, message }];
  });
}
