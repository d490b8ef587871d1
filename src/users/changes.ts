import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { requireWritable } from "../jail/fs/writable.ts";
import { requireOwnName } from "../system/account-name.ts";
import { isLocalUser, userHint } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { hostUser, isNobodys } from "../system/name-services.ts";
import { livesIn } from "../system/separator.ts";
import { forgetAccount, recall } from "./account-record.ts";
import type { AccountRun, PlannedChange } from "./account-run.ts";
import { removeJailSide } from "./jail-side.ts";
import { type JailingOptions, jailUser } from "./jailing.ts";
import { prepareJail } from "./prepare.ts";
import { requireNoneKeeps, takeSetIds, tellOfSetIds } from "./set-ids.ts";
import { type UnjailOptions, unjailUser } from "./unjail.ts";

/** Plans a change of the account with the name of `run`; an error of `plan` is a refusal. */
function planned(run: AccountRun, plan: (user: PasswdEntry | undefined) => () => void): PlannedChange {
  let user: PasswdEntry | undefined;
  try {
    user = hostUser(run.name);
    return { run, user, apply: plan(user) };
  } catch (error) {
    run.refuse(error);
    return { run, user, apply: undefined };
  }
}

function requireUser(user: PasswdEntry | undefined, { name }: AccountRun): PasswdEntry {
  const own = requireOwnName(name, user);
  if (own !== undefined) return own;
  throw new JailkitError("no-such-user", 1, `user ${display(name)} does not exist${userHint(name)}`);
}

/** Plans to jail an account. `wantsMove`: whether its home moves too. */
export function planToJail(
  run: AccountRun,
  root: JailRoot,
  options: JailingOptions,
  wantsMove: (user: PasswdEntry) => boolean,
): PlannedChange {
  return planned(run, (found) => {
    const user = requireUser(found, run);
    options.requireFit?.(user, root);
    return jailUser(user, root, { ...options, move: wantsMove(user) }, run);
  });
}

/** Plans to take an account out of its jail. */
export function planToUnjail(run: AccountRun, options: UnjailOptions): PlannedChange {
  return planned(run, (found) => unjailUser(requireUser(found, run), options, run));
}

/** Plans to change only the jail, not the account. With `remove` the host need not have the account. */
export function planJailSide(
  run: AccountRun,
  root: JailRoot,
  options: JailingOptions & { remove: boolean },
): PlannedChange {
  return planned(run, (found) => {
    if (!options.remove) {
      const user = requireUser(found, run);
      options.requireFit?.(user, root);
      return prepareJail(user, root, options, run);
    }
    if (readJailAccounts(root).userByName(run.name) === undefined) requireOwnName(run.name, found);
    return () => leaveJailSide(run, found, root, options);
  });
}

function leaveJailSide(
  run: AccountRun,
  user: PasswdEntry | undefined,
  root: JailRoot,
  { shell, dryRun, lost: groups }: JailingOptions,
): void {
  requireWritable(root, ["/etc"]);
  const leaver = leaverOf(user, readJailAccounts(root).userByName(run.name), root);
  const steps = removeJailSide(run.name, { root, shell, usualShell: undefined, dryRun });
  for (const step of steps) run.done(dryRun ? `would have ${step}` : step);
  run.status = dryRun ? "planned" : steps.length > 0 ? "done" : "unchanged";
  const say = (line: string) => run.done(line);
  if (leaver !== undefined && dryRun) {
    requireNoneKeeps(root, leaver, groups);
    tellOfSetIds(root, leaver, say);
  }
  // It may have processes where it is now.
  else if (leaver !== undefined)
    takeSetIds(root, leaver, { ends: false, groups, say, warn: (line) => run.warn(line) });
  // Nobody needs the former home of an account that is not in the jail any more.
  const left = !livesIn(root.path, user?.home ?? "");
  const before = dryRun || !left ? undefined : recall(root, run.name);
  // It is that of an account which has another name by now, and is still in the jail.
  const owner = before?.uid === undefined ? undefined : hostUser(before.uid);
  if (before !== undefined && !livesIn(root.path, owner?.home ?? "")) forgetAccount(root, before);
}

/** Whose programs stay in the jail for others, if its lines go: of one of this machine that lives in it still, another step takes them. */
function leaverOf(user: PasswdEntry | undefined, line: PasswdEntry | undefined, { path }: JailRoot) {
  // What root has put there is none of the line.
  if ((user ?? line)?.uid === 0) return undefined;
  if (user !== undefined) return livesIn(path, user.home) && isLocalUser(user.name) ? undefined : user;
  return line !== undefined && isNobodys(line.uid) ? line : undefined;
}
