import { isProcessOf } from "../../ffi/process.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { allOf, type Remedy } from "../cli/remedy.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { endSessions, uidText } from "../system/end-sessions.ts";
import type { Holder } from "../system/holders.ts";
import { firstUserId } from "../system/login-defs.ts";
import { lookForProcesses } from "../system/processes.ts";
import { endUnauthenticated } from "../system/sshd/unauthenticated.ts";
import { leaseSeconds, worksIn } from "../system/works-in.ts";

/** A user may have thousands. */
export const MOST_PIDS = 20;

/** Pids for a message, which names no more than some. */
export function shownPids(pids: readonly number[]): string {
  const more = pids.length > MOST_PIDS ? ` and ${pids.length - MOST_PIDS} more` : "";
  return `${pids.slice(0, MOST_PIDS).join(" ")}${more}`;
}

/**
 * What runs as a user, for a message; undefined only if nothing does. It is asked before what must not be done beside a process.
 * Of processes that end as soon as they have started another, one is only seen for sure if it has the real uid.
 */
export function whatRuns(uid: number): string | undefined {
  const { pids, starters, hasZombies, isComplete } = lookForProcesses(uid);
  if (pids.length > 0) return shownPids(pids) + startedBy(starters);
  // Zombies, which nothing can end, are all that the kernel counts then.
  if (hasZombies && isComplete) return undefined;
  return isProcessOf(uid) ? "each ends as soon as it has started another one" : undefined;
}

/** Says what runs as a user still, with what ends it; undefined if nothing does. `how`: in which way, after a comma or a blank. */
export function goingOn({ name, uid }: Owner, how: string, runs = whatRuns(uid)): string | undefined {
  if (runs === undefined) return undefined;
  return `processes of ${quoted(name)} go on${how} (${runs}); end them with: ${endSessions(uid)}`;
}

/** Whose processes work in an open directory, for a message, and what ends them; undefined if none do. Throws as worksIn. */
export function atWork(directory: number): { readonly whose: string; readonly remedy: Remedy } | undefined {
  const found = [...worksIn(directory)];
  if (found.length === 0) return undefined;
  const whose = found.map(([uid, pids]) => `${uidText(uid)} (${shownPids(pids)})`).join(", ");
  return { whose, remedy: allOf(found.map(([uid]) => endSessions(uid))) };
}

/**
 * Whose some processes are, for a message, and what ends them: all of a user of whom more than `most` are to end, which that does not
 * evade, or of whom one is in a user namespace; otherwise these alone, as of a service, or one that has an id of root, too. Throws
 * SystemError.
 */
export function endingOf(
  processes: readonly Holder[],
  most = 0,
): { readonly whose: string; readonly remedy: Remedy } {
  const first = firstUserId();
  const byUid = Map.groupBy(
    processes,
    ({ uids, takes }) => takes ?? Number([...uids].find((one) => one !== "0") ?? 0),
  );
  const found = [...byUid].map(([uid, all]) => ({ uid, pids: all.map(({ pid }) => pid), all }));
  const whoseAre = ({ uid, pids, all }: (typeof found)[number]) => {
    const unclear = all.find((one) => one.unclear !== undefined)?.unclear;
    return `${uidText(uid)} (${shownPids(pids)}${unclear === undefined ? "" : `, perhaps: ${unclear}`})`;
  };
  const whose = found.map(whoseAre).join(", ");
  const isWhole = ({ uid, all }: (typeof found)[number]) =>
    uid >= first && (all.length > most || all.some(({ takes }) => takes !== undefined));
  const single = found.flatMap((one) => one.all.filter(({ uids }) => uids.has("0") || !isWhole(one)));
  const whole = found.filter((one) => isWhole(one) && one.all.some(({ uids }) => !uids.has("0")));
  const pids = single.map(({ pid }) => pid);
  const kill: Remedy = pids.length === 0 ? "" : `kill -KILL ${pids.join(" ")}`;
  return { whose, remedy: allOf([...whole.map(({ uid }) => endSessions(uid)), kill]) };
}

/** What is said of a file that somebody's lease keeps from being opened, if its holder is not known. */
export const leasedText = (): string =>
  `is kept from others by a lease (fcntl(2)), which the kernel ends within ${leaseSeconds()} s: run this again then`;

/** Whose processes would start others: to end those of the user alone does not help then. */
function startedBy(uids: ReadonlySet<number>): string {
  if (uids.size === 0) return "";
  const names = [...uids].map(uidText);
  return `, started by ${names.join(", ")}, perhaps with a setuid program`;
}

/**
 * Ends connections to sshd(8) that began with the account as it was until now, and are not authenticated yet. Returns what was done,
 * printable lines. `stopping`: as endUnauthenticated. Throws JailkitError "no-proc", SystemError.
 */
export function endedConnections(user: Owner, stopping?: Parameters<typeof endUnauthenticated>[1]): string[] {
  const { named, unclear } = endUnauthenticated(user, stopping);
  const line = (pids: readonly number[], forWhom: string) => {
    if (pids.length === 0) return [];
    const what = pids.length === 1 ? "a connection" : `${pids.length} connections`;
    return [`ended ${what} to sshd${forWhom} ${ownerText(user)}, not authenticated yet`];
  };
  return [...line(named, " for"), ...line(unclear, ", perhaps for")];
}

/** Without a name: a uid that no account has. */
export type Owner = Pick<PasswdEntry, "name" | "uid">;

/** Whose something is, printable. */
export const ownerText = ({ name, uid }: Owner): string => (name === "" ? `uid ${uid}` : quoted(name));

/** Throws JailkitError "has-processes" with what ends them, if an account has processes. */
export function requireNoProcesses(user: Owner, pids: readonly number[]): void {
  if (pids.length > 0) throw hasProcesses(user, shownPids(pids));
}

/** The same, as whatRuns finds them now. */
export function requireNothingRuns(user: Owner): void {
  const runs = whatRuns(user.uid);
  if (runs !== undefined) throw hasProcesses(user, runs);
}

function hasProcesses(owner: Owner, runs: string): JailkitError {
  const remedy = endSessions(owner.uid);
  const message = `${ownerText(owner)} has running processes (${runs}): end them first, with: ${remedy}`;
  return new JailkitError("has-processes", 1, message, undefined, remedy);
}
