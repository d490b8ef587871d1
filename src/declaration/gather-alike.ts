import { withRightsOf } from "../../ffi/rights.ts";
import { display, quoted } from "../cli/display.ts";
import { loginFault } from "../explain/home-fault.ts";
import { shellStep } from "../explain/programs/shell.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { CHROOT_SHELL } from "../users/plan.ts";
import { planLine } from "./change.ts";
import type { InJail } from "./compare/in-jail.ts";
import { userState } from "./compare/look-user.ts";
import type { Machine } from "./compare/machine.ts";
import { settled } from "./compare/settle.ts";
import { compareUser } from "./compare/user.ts";
import type { DeclaredUser } from "./model.ts";

/** What users of a jail are compared with. */
export interface AlikeSources {
  readonly host: Machine;
  readonly inside: InJail;
}

/**
 * A declaration of an account that `jailkit apply` finds as declared: without groups that it does not have in the jail, which
 * `leftOut` gets. Else why it is left out, printable: the account cannot log in now, or apply would change it.
 */
export function alike(
  declared: DeclaredUser,
  account: PasswdEntry,
  { host, inside }: AlikeSources,
  leftOut: string[],
): DeclaredUser | string {
  const { name, uid, gid } = account;
  const { accounts } = inside;
  const own = host.facts.groupsOf(account);
  const shell = withRightsOf({ uid, gid, groups: own }, () => shellStep(account.shell, account));
  if (shell.outcome === "failed") return `it cannot log in now: ${display(shell.message)}`;
  const refused = loginFault(account, {
    groups: own,
    group: host.facts.groupByGid(gid),
    inJail: {
      named: accounts?.userByName(name),
      numbered: accounts?.userByUid(uid),
      group: accounts?.groupByGid(gid),
    },
  });
  if (refused !== undefined) return `it cannot log in now: ${refused}`;
  const compared = (one: DeclaredUser) => {
    const whole = settled(one, account, inside);
    return compareUser(whole, userState(whole, inside, host, undefined));
  };
  const first = compared(declared);
  const lacks = first.changes.flatMap(({ what, items }) => (what === "groups" ? items : []));
  for (const group of lacks) leftOut.push(`the group ${quoted(group)}, of which it is no member in the jail`);
  const groups = declared.groups.filter((group) => !lacks.includes(group));
  const user = { ...declared, groups };
  const { fault, changes } = lacks.length === 0 ? first : compared(user);
  if (fault !== undefined) return fault.message;
  // A login is the same with a jk_chrootsh at another path, which is there.
  const [change] = changes.filter(({ what }) => what !== "account");
  if (change !== undefined) return `'jailkit apply' would change it: ${planLine(change)}`;
  if (account.shell !== CHROOT_SHELL)
    leftOut.push(`its login shell on this machine, ${quoted(account.shell)}`);
  return user;
}
