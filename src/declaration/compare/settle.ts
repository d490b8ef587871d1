import type { PasswdEntry } from "../../system/accounts.ts";
import { hostGroup } from "../../system/name-services.ts";
import { recall } from "../../users/account-record.ts";
import { isNumber, namedGroups } from "../../users/groups.ts";
import { homeFor } from "../../users/jail-side.ts";
import type { Declaration, DeclaredUser } from "../model.ts";
import type { InJail } from "./in-jail.ts";

/**
 * The declaration of an account of a directory with the shell and home that it has, where it keeps them: the shell of its
 * line in the jail, or that of an earlier one, and the home of the directory as the jail sees it. Throws JailkitError.
 */
export function settled(
  declared: DeclaredUser,
  account: PasswdEntry | undefined,
  inside: Pick<InJail, "root" | "accounts">,
): DeclaredUser {
  const { keeps = [], name, jail } = declared;
  if (account === undefined || keeps.length === 0) return declared;
  const shellNow = () => {
    const { root, accounts } = inside;
    return accounts?.userByName(name)?.shell ?? (root && recall(root, name)?.jailShell);
  };
  const shell = (keeps.includes("shell") ? shellNow() : undefined) ?? declared.shell;
  const home = keeps.includes("home") ? homeFor(account, jail) : declared.home;
  return { ...declared, shell, home };
}

/** A declaration with the names of the groups that it names by their gids. */
export const withGroupNames = (declaration: Declaration): Declaration => ({
  ...declaration,
  users: declaration.users.map((user) =>
    user.groups.some(isNumber)
      ? { ...user, groups: namedGroups(user.groups, { groupByName: hostGroup, groupByGid: hostGroup }) }
      : user,
  ),
});
