import { quoted } from "../cli/display.ts";
import { describeError, isReported } from "../cli/error.ts";
import { withHostAccounts } from "../jail/record/jail-lock.ts";
import { type AccountChange, modifyAccount, removeAccount } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import type { AccountRun } from "./account-run.ts";
import { endedConnections, goingOn } from "./sessions.ts";

/** Hears what was done, and warnings, a printable line each. */
type Hearer = Pick<AccountRun, "done" | "warn">;

/**
 * Gives an account another home and login shell, and more groups. Who logs in just before, or began to, would have the home, the
 * shell and the groups of until then: its connections to sshd(8) end, and with another home or shell, unless it `stays` where it is,
 * processes that go on are a warning. Throws JailkitError as modifyAccount does; what fails after that is a warning.
 */
export function changeLogin(
  user: PasswdEntry,
  change: AccountChange,
  hearer: Hearer,
  { stays = false } = {},
): void {
  withHostAccounts(() => modifyAccount(user, change));
  const isSame = user.home === change.home && user.shell === change.shell;
  if (isSame && change.groups.length === 0) return;
  endConnections(user, hearer);
  if (isSame || stays) return;
  attempt(user, hearer, "processes", () => {
    const line = goingOn(user, ", perhaps where it is not any more");
    if (line !== undefined) hearer.warn(line);
  });
}

/** Removes an account, and ends its connections to sshd(8). Throws JailkitError as removeAccount does. */
export function removeLogin(user: PasswdEntry, hearer: Hearer): void {
  withHostAccounts(() => removeAccount(user.name));
  hearer.done(`removed the account ${quoted(user.name)}`);
  endConnections(user, hearer);
}

/** Ends connections to sshd(8) that would begin a session with an account, or the groups, as they were until now. */
export function endConnections(user: PasswdEntry, hearer: Hearer): void {
  attempt(user, hearer, "connections to sshd", () => {
    for (const line of endedConnections(user)) hearer.done(line);
  });
}

/** What has been changed stays changed. */
function attempt({ name }: PasswdEntry, { warn }: Hearer, what: string, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isReported(error)) throw error;
    warn(`${what} of ${quoted(name)} may go on: ${describeError(error)}`);
  }
}
