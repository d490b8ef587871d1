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
 * Gives an account another home and login shell, and more groups. Who logs in just before, or began to, would be where its home and
 * shell were until then: with others than before, its connections to sshd(8) end, and unless it `stays` where it is, processes that
 * go on are a warning. Throws JailkitError as modifyAccount does; what fails after that is a warning.
 */
export function changeLogin(
  user: PasswdEntry,
  change: AccountChange,
  hearer: Hearer,
  { stays = false } = {},
): void {
  withHostAccounts(() => modifyAccount(user, change));
  if (user.home === change.home && user.shell === change.shell) return;
  endConnections(user, hearer);
  if (stays) return;
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

/** Ends connections to sshd(8) that would begin a session with an account as it was until now. */
function endConnections(user: PasswdEntry, hearer: Hearer): void {
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
