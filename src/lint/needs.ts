import { normalPath } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { type Change, isCreation } from "../declaration/change.ts";
import { DECLARED } from "../declaration/compare/intent.ts";
import type { JailWork, UserWork } from "../declaration/compare/work.ts";
import type { Doubt } from "../declaration/warnings.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { isLimitedShell } from "../jail/accounts/jailed-users.ts";
import { withTree } from "../jail/fs/look.ts";
import { openJailRoot } from "../jail/fs/walk.ts";
import { groupNamesOf } from "../system/accounts.ts";
import type { AccountFacts, HostAccounts } from "../system/host-accounts.ts";
import { hostUser } from "../system/name-services.ts";
import { NO_ACCESS } from "../users/access.ts";
import { groupWarning, isAdministrators } from "../users/groups.ts";
import { ownLine } from "../users/jail-side.ts";
import { inheritedPolicy, missingLine, missingLogin, missingPolicy } from "../users/login-needs.ts";
import { DEFAULT_GROUP, startsWithKey } from "../users/new-account.ts";
import type { NewAccountHost } from "../users/new-account-place.ts";

/**
 * What a run says of an account that it brings into a jail, and that can then not log in, or run nothing. `lookedAt`: the change
 * with which the run looks at the account, if there is one. `host`: shared by all users.
 */
export function needsOf(
  user: UserWork,
  jail: JailWork,
  lookedAt: Change | undefined,
  host: NewAccountHost,
): Doubt[] {
  const { declared, changes, fault } = user;
  const { name, directory, place } = declared;
  // As the run: the administrator knows the accounts of this machine that are in the jail already, with a line there.
  const comes = ({ what, action }: Change) => what === "account" || (what === "entry" && action === "create");
  const change = directory ? lookedAt : changes.find(comes);
  if (change === undefined || fault !== undefined || jail.fault !== undefined) return [];
  const { file, line, column } = place;
  return (answered(() => missingIn(user, jail, host)) ?? []).map((one) => ({
    ...{ user: name, change },
    problem: { file, line, column, message: one },
  }));
}

/**
 * What a run says of groups that an account is in already, by which it becomes root. Accounts of this machine to which nothing is
 * done are not looked up: there are thousands. `known`: read once for all users.
 */
export function rootGroups(
  { declared, changes, fault }: UserWork,
  lookedAt: Change | undefined,
  known: () => Pick<HostAccounts, "userByName"> & Pick<AccountFacts, "groupByGid" | "groupsOf">,
): Doubt[] {
  const { name, directory, groups, place } = declared;
  if (fault !== undefined || changes.some(isCreation) || (lookedAt === undefined && !directory)) return [];
  const message = answered(() => {
    const { userByName, groupByGid, groupsOf: gidsOf } = known();
    const account = userByName(name);
    if (account === undefined) return undefined;
    const [primary = "", ...others] = [account.gid, ...gidsOf(account)].map(
      (gid) => groupByGid(gid)?.name ?? "",
    );
    // Of the declared ones, each item of the list is told.
    if (![primary, ...others].some((one) => isAdministrators(one) && !groups.includes(one))) return undefined;
    const all = [...groups, ...others];
    const memberships = { name, primary, others: all, present: [primary, ...all], isLocal: () => !directory };
    return groupWarning(memberships, DECLARED);
  });
  const { file, line, column } = place;
  return message === undefined
    ? []
    : [{ user: name, change: lookedAt, problem: { file, line, column, message } }];
}

/** Printable lines. */
function missingIn(
  { declared, changes }: UserWork,
  { path, changes: ofJail }: JailWork,
  { skeleton }: Pick<NewAccountHost, "skeleton">,
): string[] {
  const { name, home, shell, keys = [], policy, directory } = declared;
  const isNew = changes.some(isCreation);
  // Declared rights are written before. Most users need nothing, and nothing is looked up for them.
  const mayLackRights = policy === undefined && isLimitedShell(shell);
  if (!(mayLackRights || (isNew && keys.length === 0))) return [];
  const user = mayLackRights ? hostUser(name) : undefined;
  const [group = DEFAULT_GROUP, ...others] = user === undefined ? [] : groupNamesOf(user);
  const common = { name, group, groups: [...others, ...declared.groups], shell };
  const access = { ...NO_ACCESS, keys };
  return withTree((host) => {
    using root = answered(() => openJailRoot(path));
    // Its line has its former name.
    const isThere = root && user && !directory && !changes.some(({ what }) => what === "account");
    if (isThere && answered(() => ownLine(readJailAccounts(root), user)) !== undefined) return [];
    const hasKey = isNew && startsWithKey(root, normalPath(home), skeleton);
    const account = { ...common, access, root: host, jail: path, hasPassword: false, hasKey };
    const login = isNew ? missingLogin(account, DECLARED) : [];
    if (!mayLackRights) return login.map(missingLine);
    const inherited = isNew && root ? inheritedPolicy({ ...account, root }) : undefined;
    const now = root && missingPolicy({ ...account, root, jail: undefined }, DECLARED);
    const isFilled = now === undefined || ofJail.some(({ action }) => action !== "remove");
    // Without a section yet, the user may get one of the machine's with the files of the jail.
    const isSure = now !== undefined && (now.length === 0 || !isFilled);
    const missing = [...login, ...(isSure ? now : missingPolicy(account, DECLARED))];
    return [...missing.map(missingLine), ...(inherited === undefined ? [] : [inherited])];
  });
}
