import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { describeError, isReported, JailkitError } from "../../cli/error.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { hostPath, type JailRoot, openTree } from "../../jail/fs/walk.ts";
import { withHostAccounts } from "../../jail/record/jail-lock.ts";
import { leaveGroup } from "../../system/account-tools.ts";
import { groupByName, type PasswdEntry } from "../../system/accounts.ts";
import { askedFacts } from "../../system/host-accounts.ts";
import { NO_ACCESS } from "../../users/access.ts";
import { AccountRun } from "../../users/account-run.ts";
import { planJailSide } from "../../users/changes.ts";
import { homeFor } from "../../users/jail-side.ts";
import { keyLinesIn } from "../../users/key-lines.ts";
import { keysText, removeKeys } from "../../users/keys.ts";
import { policiesOf, sumOf } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";
import { doneOrClosed, isIn } from "./close-login.ts";
import { removePolicy } from "./policy.ts";
import { changeOne, type Said } from "./steps.ts";
import { keyCount, requireNotHidden } from "./takes.ts";

/** Takes an account out of the groups that were declared. */
export function forgetGroups(user: PasswdEntry, { groups }: OnceUser, { steps }: Said): void {
  const gids = new Set(askedFacts.groupsOf(user));
  for (const name of groups) {
    const group = groupByName(name);
    if (group === undefined || group.gid === user.gid || !gids.has(group.gid)) continue;
    withHostAccounts(() => leaveGroup(user.name, name));
    steps.push(`took ${quoted(user.name)} out of the group ${quoted(name)}`);
  }
}

/** Removes the keys that were declared from the home in the jail, or on the host. Throws JailkitError if they may be left. */
export function forgetKeys(root: JailRoot, user: PasswdEntry, once: OnceUser, { steps }: Said): void {
  if (once.keys.length === 0) return;
  const home = homeFor(user, root.path);
  const place = { root, user, home };
  const lines = lookUp(root, home) === undefined ? [] : keyLinesIn(keysText(place));
  const keys = lines.flatMap(({ key }) => (once.keys.includes(sumOf(key)) ? key : []));
  if (keys.length === 0) requireNotHidden(hostPath(root, home));
  else steps.push(`removed ${keyCount(removeKeys(place, new Set(keys)))} from its authorized_keys`);
}

/** What cannot be removed of an account that cannot log in is a warning. */
function orWarn({ warnings }: Said, work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!isReported(error)) throw error;
    warnings.push(describeError(error));
  }
}

/**
 * Takes everything from a user who leaves: each thing whatever becomes of the others. `mayKeep`: groups and keys that cannot be
 * taken away are a warning. Returns the failure if the user cannot be taken out of the files of the jail.
 */
export function loseAll(
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  said: Said,
  mayKeep = true,
): JailkitError | undefined {
  const failure = doneOrClosed((tried) => leaveJail(root, once, tried), root, user, once, said);
  if (user === undefined || !isIn(root, user)) return failure;
  const errors: unknown[] = [];
  for (const work of [() => forgetGroups(user, once, said), () => forgetKeys(root, user, once, said)]) {
    try {
      if (mayKeep) orWarn(said, work);
      else work();
    } catch (error) {
      if (!isReported(error)) throw error;
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
  return failure;
}

/** Takes a user out of the jail's account files and of the files that say what it may do. */
export function leaveJail(root: JailRoot, once: OnceUser, said: Said): void {
  leaveFiles(root, once.name, said);
  // Not before: it may be what limits logins.
  forgetPolicy(root, once, said);
}

export function leaveFiles(root: JailRoot, name: ByteString, said: Said): void {
  using host = openTree("/");
  const run = new AccountRun(name);
  const options = { host, jail: root.path, shell: undefined, access: NO_ACCESS, dryRun: false, move: false };
  changeOne(planJailSide(run, root, { ...options, remove: true }), root.path, said);
  if (run.failure === undefined) return;
  const { code, message, remedy } = run.failure;
  throw new JailkitError(code, 1, message, undefined, remedy);
}

function forgetPolicy(root: JailRoot, once: OnceUser, { steps }: Said): void {
  for (const limited of policiesOf(once)) steps.push(...removePolicy(root, once.name, limited));
}
