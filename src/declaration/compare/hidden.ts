import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { flatAccounts } from "../../system/flat-accounts.ts";
import { jailOfHome } from "../../system/separator.ts";
import { type Fault, type FaultText, stays } from "../change.ts";
import type { OnceUser } from "../once-shape.ts";
import type { Machine } from "./machine.ts";

/** Why the account that apply created stays: a name service gives another one for its name, before the files of this machine. */
function hiddenFault(
  { name, created, directory, out }: OnceUser,
  { accounts }: Machine,
): FaultText | undefined {
  const given = directory || out ? undefined : answered(() => accounts.userByName(name))?.uid;
  if (created === undefined || given === undefined || given === created) return undefined;
  const own = answered(() => flatAccounts.userByName(name));
  if (own?.uid !== created || jailOfHome(own.home) === undefined) return undefined;
  const remedy: Remedy = `userdel ${operands(name)}`;
  const message = `a name service gives another account of that name, with the uid ${given}, before that of /etc/passwd, with the uid ${created}, which apply created; to remove that one: ${remedy}`;
  return { code: "doubtful-account", message, remedy };
}

/** Those who stay, since it is not known which accounts are theirs. */
const doubtfulOf = (users: readonly OnceUser[], { doubts }: Machine["known"]): Fault[] =>
  users.flatMap(({ name, jail }) => {
    const why = doubts.get(name);
    return why === undefined ? [] : { of: "user", name, jail, ...stays(why) };
  });

/** Users whose accounts are known, and why others stay. */
export function withoutDoubtful(all: readonly OnceUser[], machine: Machine) {
  const faults: Fault[] = doubtfulOf(all, machine.known);
  const known = all.filter((once) => {
    if (machine.known.doubts.has(once.name)) return false;
    const { name, jail } = once;
    const account = answered(() => machine.accounts.userByName(name));
    const moved = machine.movedJails.faultOf(
      account === undefined ? jail : (jailOfHome(account.home) ?? jail),
    );
    // What is known of one who has no account stays known.
    if (account === undefined && moved !== undefined) return false;
    const why =
      hiddenFault(once, machine) ??
      (account && machine.mayBe.fault(account)) ??
      (moved && { ...moved, code: "doubtful-account" });
    if (why !== undefined) faults.push({ of: "user", name, jail, ...stays(why) });
    return why === undefined;
  });
  return { faults, known };
}
