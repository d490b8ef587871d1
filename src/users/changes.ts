import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { requireWritable } from "../jail/fs/writable.ts";
import { userHint } from "../system/account-tools.ts";
import { type PasswdEntry, passwdByName } from "../system/accounts.ts";
import { recall } from "./account-record.ts";
import type { AccountRun, PlannedChange } from "./account-run.ts";
import { removeJailSide, writeJailSide } from "./jail-side.ts";
import { groupsOf, type JailingOptions, jailUser } from "./jailing.ts";
import { unjailUser } from "./unjail.ts";

/** Plans a change of the account with the name of `run`; an error of `plan` is a refusal. */
function planned(run: AccountRun, plan: (user: PasswdEntry | undefined) => () => void): PlannedChange {
  const user = passwdByName(run.name);
  try {
    return { run, user, apply: plan(user) };
  } catch (error) {
    run.refuse(error);
    return { run, user, apply: undefined };
  }
}

function requireUser(user: PasswdEntry | undefined, { name }: AccountRun): PasswdEntry {
  if (user !== undefined) return user;
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
    return jailUser(user, root, { ...options, move: wantsMove(user) }, run);
  });
}

/** Plans to take an account out of its jail. */
export function planToUnjail(run: AccountRun, options: JailingOptions): PlannedChange {
  return planned(run, (found) => unjailUser(requireUser(found, run), options, run));
}

/** Plans to change only the jail's account files. With `remove` the host need not have the account. */
export function planJailSide(
  run: AccountRun,
  root: JailRoot,
  { remove, shell, dryRun }: Pick<JailingOptions, "shell" | "dryRun"> & { remove: boolean },
): PlannedChange {
  return planned(run, (found) => {
    const user = remove ? undefined : requireUser(found, run);
    const request = { root, shell, usualShell: recall(root, run.name)?.jailShell, dryRun };
    const groups = user === undefined ? [] : groupsOf(user);
    return () => {
      requireWritable(root, ["/etc"]);
      const steps =
        user === undefined ? removeJailSide(run.name, request) : writeJailSide(user, groups, request);
      for (const step of steps) run.done(dryRun ? `would have ${step}` : step);
      run.status = dryRun ? "planned" : steps.length > 0 ? "done" : "unchanged";
    };
  });
}
