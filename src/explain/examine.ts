import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { withAdvice } from "../cli/remedy.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { isLocalUser, isLocked } from "../system/account-tools.ts";
import { groupByGid, groupNamesOf, type PasswdEntry } from "../system/accounts.ts";
import { type PlannedAccount, seePlanned } from "../system/planned-accounts.ts";
import { jobWarnings } from "../system/scheduled-jobs.ts";
import { keyWarnings, loginWarnings } from "../system/sshd/warnings.ts";
import type { Access } from "../users/access.ts";
import type { AccountRun } from "../users/account-run.ts";
import { groupWarning } from "../users/groups.ts";
import { KEYS_FILE } from "../users/keys.ts";
import { inheritedPolicy } from "../users/login-needs.ts";
import { CHROOT_SHELL } from "../users/plan.ts";
import { homeFault } from "./home-fault.ts";
import { noLoginLines } from "./no-login.ts";

/** An account that was put into a jail, or would be. */
interface Examined {
  readonly root: JailRoot;
  readonly access: Access;
  /** The account as it would be, in a dry run; for a new one, `locked`. */
  readonly planned?: Parameters<typeof warnOfLogin>[3];
  /** It is new, with this shell, and may get the rights of an earlier account of its name. */
  readonly inherits?: ByteString | undefined;
  /** Why jk_chrootsh refuses its home, if it is not there yet. */
  readonly home?: () => ByteString | undefined;
  /** What others tell, or what does not count for what was done. */
  readonly except?: readonly ("login" | "doors" | "home")[];
}

/**
 * Warns of ways out of the jail by sshd, its helpers, cron and at, of groups that make the account root, and of reasons why
 * it cannot log in, each with what to do. `planned`: the account as it would be; for a new one, `locked`. Throws SystemError.
 */
function warnOfLogin(
  account: PasswdEntry,
  { keys: written, joins }: Access,
  run: Pick<AccountRun, "warn" | "advice">,
  planned?: PlannedAccount & { locked?: boolean },
): void {
  if (statIfPresent(AT_FDCWD, CHROOT_SHELL, true) === undefined)
    run.warn(`${CHROOT_SHELL} is not installed: the account cannot log in until it is`);
  const present = groupNamesOf(account);
  const groups = [...new Set([...joins.map(({ name }) => name), ...present])];
  if (planned !== undefined && !seePlanned(planned))
    run.warn("sshd was not asked about the new groups: private mounts are not permitted here");
  // The account as it will be in the jail.
  const user = { ...account, shell: CHROOT_SHELL, groups };
  const answer = loginWarnings(user, { share: planned === undefined });
  const locked = planned?.locked;
  const isLocal = () => locked !== undefined || isLocalUser(account.name);
  const keys =
    written.length > 0 && "settings" in answer
      ? keyWarnings(answer.settings, account.name, KEYS_FILE, locked ?? isLocked(account), isLocal)
      : [];
  const primary = groupByGid(account.gid)?.name ?? "";
  const there = locked === undefined ? present : present.filter((name) => name !== primary);
  const administrator = groupWarning(
    { name: account.name, primary, others: groups, present: there, isLocal },
    run.advice,
  );
  if (administrator !== undefined) run.warn(administrator);
  for (const { message, advice } of [...answer.warnings, ...jobWarnings(account), ...keys])
    run.warn(withAdvice(message, advice));
}

/**
 * Warns of all that keeps an account out of its jail, or lets it out, after it was jailed or created: every tool that does one of
 * these tells the same. Throws SystemError and JailkitError for what cannot be looked at.
 */
export function examineLogin(user: PasswdEntry, examined: Examined, run: AccountRun): void {
  const { root, access, planned, inherits, home = () => homeFault(user), except = [] } = examined;
  if (!except.includes("login")) warnOfLogin(user, access, run, planned);
  const joins = access.joins.map(({ gid }) => gid);
  const there = { ...user, home: run.home ?? user.home };
  const doors = except.includes("doors") ? [] : noLoginLines(root, there, joins, run.jailShell);
  const fault = except.includes("home") ? undefined : home();
  const inherited = inherits && inheritedPolicy({ root, name: user.name, access, shell: inherits });
  for (const line of [...doors, fault, inherited]) if (line !== undefined) run.warn(line);
}
