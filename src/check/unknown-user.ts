import { display, quoted } from "../cli/display.ts";
import { type Advice, inWords } from "../cli/remedy.ts";
import { jailSideRemedy, takeLinesOut } from "../enter/remedies.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { livesIn } from "../system/separator.ts";
import type { AccountFacts } from "./account-facts.ts";
import { advised, type CheckFinding } from "./rules.ts";

type Facts = Pick<
  AccountFacts,
  "jail" | "passwd" | "lackingUser" | "renamed" | "hostUserNumbered" | "strayHere"
>;

/** The finding about a line of a jail with a name that the host does not have. That of an account with another name by now stays. */
export function unknownUser({ name, uid }: PasswdEntry, facts: Facts): CheckFinding {
  const { jail, lackingUser, renamed, hostUserNumbered, strayHere } = facts;
  const owner = lackingUser(uid);
  const real = hostUserNumbered(uid);
  // Whose home may be here, and has another name and another jail now; or whose own line has another uid.
  const stray = real && (strayHere(real) ?? eitherLine(name, real, facts));
  const heir = owner ?? (stray && real?.name);
  const is = heir === undefined ? "" : `, and ${quoted(heir)} has its uid`;
  const message = `user ${display(name)} in jail ${display(jail)}/ does not exist on the real system${is}`;
  const usual = owner === undefined ? takeLinesOut(jail, name) : jailSideRemedy(jail, owner);
  const advice = renamed(name, jail) ?? stray ?? usual;
  return advised({ rule: "user-unknown", path: `${jail}/etc/passwd`, message }, advice);
}

/** What is advised of a line with the uid of a user whose own line has another one: an older passwd(5) may have it by a name of before. */
function eitherLine(
  name: PasswdEntry["name"],
  real: PasswdEntry,
  { jail, passwd }: Facts,
): Advice | undefined {
  const own = passwd.find((line) => line.startsWith(`${real.name}:`))?.split(":")[2];
  if (own === undefined || Number(own) === real.uid || !livesIn(jail, real.home)) return undefined;
  const first = `the line of ${quoted(real.name)} has the uid ${quoted(own)}: first make sure whether that account is ${quoted(name)}`;
  return inWords(`${first}; if it is not, and nobody is: ${takeLinesOut(jail, name)}`);
}
