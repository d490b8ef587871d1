import type { ByteString } from "../../../ffi/bytes.ts";
import { type JailRoot, openTree } from "../../jail/fs/walk.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { NO_ACCESS } from "../../users/access.ts";
import { AccountRun } from "../../users/account-run.ts";
import { planToUnjail } from "../../users/changes.ts";
import { requireNothingRuns } from "../../users/sessions.ts";
import type { OnceUser } from "../once-shape.ts";
import { isIn, tellingOfSessions } from "./close-login.ts";
import { declaredGroups, forgetGroups, loseAll, type Taken } from "./lose.ts";
import { changeOne, type Said } from "./steps.ts";
import { removeFrom } from "./takes.ts";

/**
 * Takes an account that was there before out of its jail, with its home, but without the groups and keys that were declared
 * for the jail: with its former shell they would let somebody in on the machine.
 */
export function takeOut(
  root: JailRoot,
  user: PasswdEntry,
  { once, taken }: { readonly once: OnceUser; readonly taken: Taken },
  said: Said,
): void {
  using host = openTree("/");
  const run = new AccountRun(once.name);
  // First: no login begins while somebody ends the sessions. The record still knows the shell.
  const { failure, kept } = loseAll(root, user, once, said, taken);
  for (const error of kept.values()) throw error;
  if (failure !== undefined) throw tellingOfSessions(failure, user, said);
  requireNothingRuns(user);
  const { stay: leaves } = declaredGroups(user, once);
  // A session may have put them back before it ended, or a user of the jail, by a setuid program of the account, or a descriptor.
  const whenAlone = (tree: JailRoot, home: ByteString) => {
    if (once.keys.length > 0) removeFrom({ root: tree, user, home }, once.keys, said);
  };
  const options = { host, jail: root.path, shell: undefined, access: NO_ACCESS, dryRun: false, move: true };
  const from = { ...options, leaves, lost: once.groups, whenAlone, recordedAs: once.recordedAs };
  changeOne(planToUnjail(run, from), root.path, said);
  const now = hostUser(once.name);
  if (now !== undefined && !isIn(root, now)) forgetGroups(now, once, said);
}
