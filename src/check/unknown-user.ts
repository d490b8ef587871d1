import { display, quoted } from "../cli/display.ts";
import { jailSideRemedy, takeLinesOut } from "../enter/remedies.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import type { AccountFacts } from "./account-facts.ts";
import { advised, type CheckFinding } from "./rules.ts";

/** The finding about a line of a jail with a name that the host does not have. That of an account with another name by now stays. */
export function unknownUser(
  { name, uid }: PasswdEntry,
  {
    jail,
    lackingUser,
    renamed,
    hostUser,
    strayHere,
  }: Pick<AccountFacts, "jail" | "lackingUser" | "renamed" | "hostUser" | "strayHere">,
): CheckFinding {
  const owner = lackingUser(uid);
  const is = owner === undefined ? "" : `, and ${quoted(owner)} has its uid`;
  const message = `user ${display(name)} in jail ${display(jail)}/ does not exist on the real system${is}`;
  const usual = owner === undefined ? takeLinesOut(jail, name) : jailSideRemedy(jail, owner);
  const real = owner === undefined ? undefined : hostUser(owner);
  const advice = renamed(name, jail) ?? (real && strayHere(real)) ?? usual;
  return advised({ rule: "user-unknown", path: `${jail}/etc/passwd`, message }, advice);
}
