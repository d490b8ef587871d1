import type { ByteString } from "../../../ffi/bytes.ts";
import { isMember } from "../../system/account-tools.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import type { AccountFacts, HostAccounts } from "../../system/host-accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { splitHome } from "../../system/separator.ts";
import { limitingGroups, limitingJoins } from "../../system/sshd/limiting-groups.ts";
import { isAdministrators } from "../../users/groups.ts";
import { isClosed } from "../../users/leaving.ts";

/**
 * Those of some groups of an account in which it stays as long as it is there and gets no shell of the machine: sshd still
 * accepts its keys and its password, and may limit by them what it forwards. Throws JailkitError "name-service".
 */
function groupsThatLimit(user: PasswdEntry, groups: readonly ByteString[]): readonly ByteString[] {
  const isLimited = splitHome(user.home) !== undefined || isClosed(user.shell);
  return isLimited && groups.length > 0 && hostUser(user.name) !== undefined
    ? limitingGroups(user, groups)
    : [];
}

/** Those of some groups that an account is in, besides as its primary one: which it leaves, and in which it stays. */
export function groupsHeld(
  user: PasswdEntry,
  groups: readonly ByteString[],
  { groupsOf, groupByName }: Pick<AccountFacts, "groupsOf"> & Pick<HostAccounts, "groupByName">,
): { readonly leaves: readonly ByteString[]; readonly stay: readonly ByteString[] } {
  if (groups.length === 0) return { leaves: [], stay: [] };
  const gids = new Set(groupsOf(user));
  const held = groups.filter((name) => {
    const group = groupByName(name);
    return group !== undefined && isMember(user, group, gids);
  });
  const stay = groupsThatLimit(user, held);
  return { leaves: held.filter((name) => !stay.includes(name)), stay };
}

/**
 * Those of some groups that limit an account in a jail as soon as it is a member: sshd has rules for these that only take away,
 * which somebody who is limited should not wait for. None by which one becomes root.
 */
export const joinsThatLimit = (user: PasswdEntry, groups: readonly ByteString[]): readonly ByteString[] =>
  limitingJoins(
    user,
    groups.filter((name) => !isAdministrators(name)),
  );
