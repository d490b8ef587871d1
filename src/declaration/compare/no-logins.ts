import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath, pathsDownTo } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { withAdvice } from "../../cli/remedy.ts";
import type { Visitor } from "../../explain/no-login.ts";
import { isLimitedShell } from "../../jail/accounts/jailed-users.ts";
import { type JailRoot, openTree } from "../../jail/fs/walk.ts";
import { isHostDirectory } from "../../system/host-files.ts";
import { NOBODY } from "../../system/login-defs.ts";
import { groupOf } from "../../users/groups.ts";
import { homeFor } from "../../users/jail-side.ts";
import { DEFAULT_GROUP } from "../../users/new-account.ts";
import type { DeclaredUser } from "../model.ts";
import type { Note } from "./former-jails.ts";
import type { Machine } from "./machine.ts";
import type { Declared } from "./place-fault.ts";

/** An id of nobody's files, for an account that gets any. */

/** A user as after the run, which adds the account to its groups. */
function visitorOf(user: DeclaredUser, { accounts, facts }: Machine): Visitor {
  const { name, jail, home, groups, shell } = user;
  const account = accounts.userByName(name);
  const uid = account?.uid ?? user.uid;
  const rights = () => ({
    uid: uid ?? NOBODY,
    gid: account?.gid ?? groupOf(DEFAULT_GROUP, accounts)?.gid ?? NOBODY,
    groups: [
      ...(account === undefined ? [] : facts.groupsOf(account)),
      ...groups.flatMap((word) => groupOf(word, accounts)?.gid ?? []),
    ],
  });
  const own = account === undefined ? normalPath(home) : homeFor(account, jail);
  return { name, uid, home: own, isLimited: isLimitedShell(shell), rights };
}

/**
 * Warnings that no login works in a jail, in each run: the jail is as declared, and its users are shut out. `root`: undefined
 * if the jail is not there.
 */
export function noLoginsIn(
  root: JailRoot | undefined,
  name: ByteString,
  { declared, users }: Declared,
  machine: Machine,
): Note[] {
  // Of an account that no service tells, the user says so.
  const visitors = users.flatMap((user) => answered(() => visitorOf(user, machine)) ?? []);
  if (visitors.length === 0) return [];
  const found = answered(() => {
    if (root !== undefined) return machine.noLogins.in(root, visitors);
    // By what it comes into.
    using tree = openTree(pathsDownTo(name).toReversed().find(isHostDirectory) ?? "/");
    const passing = visitors.map((one) => ({ ...one, home: "/" }));
    return machine.noLogins.in(tree, passing, declared?.live?.includes("/usr"));
  });
  return (found ?? []).map(({ message, advice }) => {
    return { of: "jail", name, message: withAdvice(message, advice) };
  });
}
