import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { asidePath } from "../../jail/fs/home-aside.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { groupsOf, type jailUser, requireHomeToMove } from "../../users/jailing.ts";
import { planJailing } from "../../users/plan.ts";
import { DECLARED } from "./intent.ts";
import type { Machine } from "./machine.ts";

/** No lines in the way. */
export const NO_ACCOUNTS = {
  users: [],
  userByName: () => undefined,
  groupByName: () => undefined,
  groupByGid: () => undefined,
};

/**
 * Throws JailkitError for what keeps an account from going into a jail that is not there yet, or that has other lines of it.
 * Returns the account, if its home moves.
 */
export function requireLeaving(
  user: PasswdEntry,
  jail: string,
  { shell, access, move }: Pick<Parameters<typeof jailUser>[2], "shell" | "access" | "move">,
  { facts, processesOf }: Machine,
): PasswdEntry | undefined {
  const place = { jail, accounts: NO_ACCOUNTS, hostGroup: facts.groupByGid };
  const plan = planJailing({
    ...{ ...place, user, groups: groupsOf(user, facts), joins: access.joins, shell, move },
    processes: processesOf(user.uid),
  });
  const { moveFrom } = plan;
  if (moveFrom === undefined) return undefined;
  // An interrupted run has put it aside perhaps, and this one puts it back first.
  if (statIfPresent(AT_FDCWD, asidePath(moveFrom)) === undefined)
    requireHomeToMove(plan, moveFrom, { path: jail }, { shell, access }, DECLARED);
  return user;
}
