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
    hostUserNumbered,
    strayHere,
  }: Pick<AccountFacts, "jail" | "lackingUser" | "renamed" | "hostUserNumbered" | "strayHere">,
): CheckFinding {
  const owner = lackingUser(uid);
  const real = hostUserNumbered(uid);
  // Whose home may be here, and has another name and another jail now.
  const stray = real && strayHere(real);
  const heir = owner ?? (stray && real?.name);
  const is = heir === undefined ? "" : `, and ${quoted(heir)} has its uid`;
  const message = `user ${display(name)} in jail ${display(jail)}/ does not exist on the real system${is}`;
  const usual = owner === undefined ? takeLinesOut(jail, name) : jailSideRemedy(jail, owner);
  const advice = renamed(name, jail) ?? stray ?? usual;
  return advised({ rule: "user-unknown", path: `${jail}/etc/passwd`, message }, advice);
}
