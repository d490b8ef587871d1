import type { ByteString } from "../../../ffi/bytes.ts";
import { isProcessOf } from "../../../ffi/process.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { listProcesses } from "../../processes/list.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { processesOf } from "../../system/processes.ts";
import { goingOn, shownPids, whatRuns } from "../../users/sessions.ts";
import type { Said } from "./steps.ts";

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
  const runs = jail === undefined ? whatRuns(uid) : whatRunsIn(jail, uid);
  const line = runs && goingOn({ name, uid }, "", runs);
  if (line !== undefined) warnings.push(line);
}

/** Warns of processes of a user that keep what this step has taken away, once for several steps. */
export function warnOfFormerRights(name: ByteString): (said: Said) => void {
  let told: string | undefined;
  return ({ warnings }) => {
    const uid = hostUser(name)?.uid;
    if (uid === undefined || !isProcessOf(uid)) return;
    const line = goingOn({ name, uid }, " as they were allowed before");
    if (line === undefined || line === told) return;
    told = line;
    warnings.push(line);
  };
}

function whatRunsIn(jail: ByteString, uid: number): string | undefined {
  const pids = processesOf(uid);
  if (pids.length === 0) return undefined;
  const details = { containers: true, parents: false, confinement: false };
  const inside = new Set(listProcesses({ jails: [jail], ...details }).processes.map(({ pid }) => pid));
  const seen = pids.filter((pid) => inside.has(pid));
  return seen.length === 0 ? undefined : shownPids(seen);
}
