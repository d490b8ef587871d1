import { quoted } from "../cli/display.ts";
import { describeError, isReported, JailkitError } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { type LoginNote, noteLogin } from "../jail/fs/login-notes.ts";
import { withHostAccounts } from "../jail/record/jail-lock.ts";
import { type AccountChange, modifyAccount, removeAccount } from "../system/account-tools.ts";
import { type PasswdEntry, passwdByName } from "../system/accounts.ts";
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
  const isSame = user.home === change.home && user.shell === change.shell;
  thenEnding(user, hearer, () => {
    withHostAccounts(() => modifyAccount(user, change));
    return !isSame || change.groups.length > 0;
  });
  if (isSame || stays) return;
  attempt(user, hearer, "processes", () => {
    const line = goingOn(user, ", perhaps where it is not any more");
    if (line !== undefined) hearer.warn(line);
  });
}

/** Removes an account, and ends its connections to sshd(8). Throws JailkitError as removeAccount does. */
export function removeLogin(user: PasswdEntry, hearer: Hearer): void {
  thenEnding(user, hearer, () => {
    withHostAccounts(() => removeAccount(user.name));
    hearer.done(`removed the account ${quoted(user.name)}`);
    return true;
  });
}

/**
 * Calls `change`, which returns false if it has changed nothing, and then ends connections to sshd(8) that would begin a session
 * with the account, or the groups, as they were until now. If this process is killed, the next run does that. Throws what `change`
 * throws.
 */
export function thenEnding(user: PasswdEntry, hearer: Hearer, change: () => boolean): void {
  const note = noteLogin(user);
  const end = (stopping?: LoginNote["stops"]) =>
    attempt(user, hearer, "connections to sshd", () => {
      for (const line of endedConnections(user, stopping)) hearer.done(line);
    });
  // Of a run that is killed nothing would tell then: only those that begin in between may be left.
  if (note === undefined) end();
  let isChanged = true;
  try {
    isChanged = change();
  } catch (error) {
    isChanged = mayBeChanged(user, error);
    throw error;
  } finally {
    const isDone = !isChanged || end(note?.stops.bind(note));
    if (isDone) note?.remove();
    else note?.leave();
  }
}

const CHANGED: readonly ProblemCode[] = ["account-changed", "account-not-changed"];

/** Whether an account may have changed though that failed. */
const mayBeChanged = ({ name }: PasswdEntry, error: unknown): boolean =>
  (error instanceof JailkitError && CHANGED.includes(error.code)) || passwdByName(name) === undefined;

/** What has been changed stays changed. False if it failed. */
function attempt({ name }: PasswdEntry, { warn }: Hearer, what: string, work: () => void): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (!isReported(error)) throw error;
    warn(`${what} of ${quoted(name)} may go on: ${describeError(error)}`);
    return false;
  }
}
