import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { listProcesses } from "../../processes/list.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { endSessions, processesOf } from "../../system/processes.ts";
import type { Said } from "./steps.ts";

// A message names no more.
const MOST_PIDS = 20;

/** Throws JailkitError "has-processes" with what ends them, if processes of a user are running. */
export function requireNoSession({ name, uid }: PasswdEntry): void {
  const pids = processesOf(uid);
  if (pids.length === 0) return;
  const remedy = endSessions(uid);
  const message = `${quoted(name)} has running processes (${shown(pids)}): end them first, with: ${remedy}`;
  throw new JailkitError("has-processes", 1, message, undefined, remedy);
}

/** The uid of a user who leaves a jail: that of the account, or of a line in the jail that is nobody else's on the host. */
export function uidOf(user: PasswdEntry | undefined, root: JailRoot, name: ByteString): number | undefined {
  if (user !== undefined) return user.uid;
  const uid = readJailAccounts(root).userByName(name)?.uid;
  return uid === undefined || hostUser(uid) !== undefined ? undefined : uid;
}

/** Warns of sessions that go on after logins have ended, with what ends them; with `jail` only of those in it. */
export function warnOfSessions(
  name: ByteString,
  uid: number | undefined,
  { warnings }: Said,
  jail?: ByteString,
): void {
  if (uid === undefined) return;
  let pids = processesOf(uid);
  if (jail !== undefined && pids.length > 0) {
    const details = { containers: true, parents: false, confinement: false };
    const inside = new Set(listProcesses({ jails: [jail], ...details }).processes.map(({ pid }) => pid));
    pids = pids.filter((pid) => inside.has(pid));
  }
  if (pids.length === 0) return;
  warnings.push(`processes of ${quoted(name)} go on (${shown(pids)}); end them with: ${endSessions(uid)}`);
}

const shown = (pids: readonly number[]): string =>
  `${pids.slice(0, MOST_PIDS).join(" ")}${pids.length > MOST_PIDS ? ` and ${pids.length - MOST_PIDS} more` : ""}`;
