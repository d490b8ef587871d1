import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import { joinPath } from "../../jail/fs/walk.ts";
import { homeFor } from "../../users/jail-side.ts";
import { KEYS_FILE } from "../../users/keys.ts";
import { isClosed, noLoginShell } from "../../users/leaving.ts";
import { NO_LONGER } from "../change.ts";
import type { OnceUser } from "../once-shape.ts";
import { closedAccounts, closedIn, USERS } from "./closed-accounts.ts";
import {
  type ClosedUser,
  closedUser,
  type DoubtfulUser,
  doubtfulUser,
  type GivenUser,
} from "./former-user.ts";
import type { Leave } from "./leaving.ts";
import type { Machine } from "./machine.ts";
import type { OpenJails } from "./open-jails.ts";
import { keptInside } from "./taken-out.ts";
import { mayBeIt } from "./which-account.ts";

/** What a user loses who stays in the jail, the login first if that ends. */
export function lostBy(
  once: OnceUser,
  { ends, isClosed = false }: Pick<Leave, "ends" | "isClosed">,
  machine: Machine,
  jails: OpenJails,
): (DoubtfulUser | ClosedUser | GivenUser)[] {
  if (ends === true && hasLine(once, jails)) return [doubtfulUser(once)];
  const { root } = jails.get(once.jail);
  const from = isClosed && keysAreClosed(once, machine, jails) ? undefined : root;
  return [
    ...(isClosed ? loginOutside(once, machine) : []),
    ...keptInside(once, machine, from, NO_LONGER).map((change) => ({ of: "given", once, change }) as const),
  ];
}

/** Whether a user has a line in an open jail, without which nobody logs in; true also if that is not known. */
function hasLine({ name, jail }: OnceUser, jails: OpenJails): boolean {
  const found = answered(() => ({ line: jails.get(jail).inside.accounts?.userByName(name) }));
  return found === undefined || found.line !== undefined;
}

const accountOf = (name: ByteString, machine: Machine) => answered(() => machine.accounts.userByName(name));

/** What ends the logins of a user by the account, unless that cannot be changed either. */
function loginOutside(once: OnceUser, machine: Machine): ClosedUser[] {
  const { name, jail } = once;
  const account = accountOf(name, machine);
  const shell = noLoginShell();
  if (account === undefined || isClosed(account.shell) || !machine.facts.isLocal(name)) return [];
  const isOpen = mayBeIt(once, account) && closedAccounts(jail, USERS) === undefined;
  return isOpen ? [closedUser(once, account.shell, shell)] : [];
}

/** Keys that cannot be taken out of a home either stay: the fault of the jail says why. */
function keysAreClosed({ name, jail }: OnceUser, machine: Machine, jails: OpenJails): boolean {
  const { root } = jails.get(jail);
  const account = accountOf(name, machine);
  if (root === undefined || account === undefined) return false;
  return closedIn(root, jail, [joinPath(homeFor(account, jail), KEYS_FILE)]) !== undefined;
}
