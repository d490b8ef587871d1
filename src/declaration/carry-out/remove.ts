import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { splitHome } from "../../jail/accounts/separator.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot, openTree } from "../../jail/fs/walk.ts";
import { removeTree } from "../../jail/fs/write.ts";
import { withHostAccounts } from "../../jail/record/jail-lock.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import { deleteJail } from "../../jails/delete.ts";
import { planDelete } from "../../jails/delete-plan.ts";
import { removeAccount } from "../../system/account-tools.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { processesOf } from "../../system/processes.ts";
import { NO_ACCESS } from "../../users/access.ts";
import { recall } from "../../users/account-record.ts";
import { AccountRun, makeChanges } from "../../users/account-run.ts";
import { planJailSide, planToUnjail } from "../../users/changes.ts";
import { openShell } from "../../users/leaving.ts";
import type { Former } from "../compare/compare.ts";
import { type OnceUser, policiesOf } from "../once.ts";
import { removePolicy } from "./policy.ts";
import type { Said } from "./steps.ts";

/** Removes what was declared once, by the code of `jailkit delete` and jk_jailuser --unjail. Throws JailkitError. */
export function removeFormer(former: Former, { deleteHomes }: { deleteHomes: boolean }, said: Said): void {
  if (former.of === "user") removeUser(former.once, deleteHomes, said);
  else removeJail(former.once.path, said);
}

function removeJail(jail: ByteString, { steps, warnings, errors }: Said): void {
  const plan = planDelete({ jail, unjail: false, userFiles: false });
  const outcome = deleteJail(plan, () => undefined);
  steps.push(...outcome.steps);
  warnings.push(...outcome.warnings);
  errors.push(...outcome.problems.map(({ message }) => message));
}

function removeUser(once: OnceUser, deleteHomes: boolean, said: Said): void {
  const { name, jail } = once;
  const user = hostUser(name);
  using root = openNamedJail(jail);
  const split = user && splitHome(user.home);
  const isIn = split !== undefined && normalPath(split.jail) === root.path;
  // The jail may have lines of an account that its directory has no more.
  if (!(isIn || once.directory)) {
    said.steps.push(`${quoted(name)} is not in the jail any more`);
    return;
  }
  // Of that name, but another account.
  const isOurs = user !== undefined && once.created === user.uid && !once.directory;
  if (isOurs) removeCreated(root, user, once, deleteHomes, said);
  else takeOut(root, once, said);
}

/** Removes the account that apply created: the last step, so that a run that is killed is repeated. */
function removeCreated(root: JailRoot, user: PasswdEntry, once: OnceUser, deleteHomes: boolean, said: Said) {
  const { name, createdHome } = once;
  const processes = processesOf(user.uid);
  if (processes.length > 0) {
    const message = `${quoted(name)} has running processes (${processes.join(" ")}): end them first`;
    throw new JailkitError("has-processes", 1, message);
  }
  // First: without a line in the jail no login begins.
  leaveJail(root, once, said);
  const home = normalPath(splitHome(user.home)?.home ?? "/");
  const stat = lookUp(root, home)?.stat;
  const where = hostPath(root, home);
  const isNew = createdHome === home && stat?.uid === user.uid && isDirectory(stat);
  if (deleteHomes && isNew) {
    removeTree(root, home, stat);
    said.steps.push(`removed the home ${quoted(where)}`);
  } else if (stat !== undefined) {
    const why = !deleteHomes
      ? "this run is without --delete-homes; it also stays in later ones"
      : "apply did not create it";
    said.warnings.push(`the home ${quoted(where)} of uid ${user.uid} stays: ${why}`);
  }
  withHostAccounts(() => removeAccount(name));
  said.steps.push(`removed the account ${quoted(name)}`);
}

/**
 * Takes an account that was there before out of its jail, with its home. One that is not known to have had a shell of the
 * machine stays in the jail without its line: what ends its logins must not give it others, outside.
 */
function takeOut(root: JailRoot, once: OnceUser, said: Said): void {
  const { name, directory } = once;
  if (directory) {
    leaveJail(root, once, said);
    const home = hostUser(name)?.home ?? "";
    if (splitHome(home) !== undefined)
      said.warnings.push(`the directory still says that ${quoted(name)} has the home ${quoted(home)}`);
    return;
  }
  if (recall(root, name)?.shell === undefined) {
    leaveJail(root, once, said);
    const word = operands(name);
    said.warnings.push(
      `the account ${quoted(name)} and its home stay, and it cannot log in: the jail's record knows no life of it outside; userdel ${word} removes it, and jk_jailuser --unjail -m -s ${shellWord(openShell())} ${word} gives it a shell of the machine`,
    );
    return;
  }
  using host = openTree("/");
  const run = new AccountRun(name);
  const options = { host, jail: root.path, shell: undefined, access: NO_ACCESS, dryRun: false, move: true };
  makeChanges(
    [planToUnjail(run, options)],
    () => root.path,
    () => undefined,
  );
  tell(run, said);
  if (run.error === undefined) forgetPolicy(root, once, said);
}

/** Takes a user out of the jail's account files and of the files that say what it may do. */
function leaveJail(root: JailRoot, once: OnceUser, said: Said): void {
  using host = openTree("/");
  const run = new AccountRun(once.name);
  const options = { host, jail: root.path, shell: undefined, access: NO_ACCESS, dryRun: false, move: false };
  makeChanges(
    [planJailSide(run, root, { ...options, remove: true })],
    () => root.path,
    () => undefined,
  );
  tell(run, said);
  if (run.error !== undefined) throw new JailkitError("failed", 1, run.error);
  forgetPolicy(root, once, said);
}

function forgetPolicy(root: JailRoot, once: OnceUser, { steps }: Said): void {
  for (const limited of policiesOf(once)) steps.push(removePolicy(root, once.name, limited));
}

function tell({ steps, warnings, error }: AccountRun, said: Said): void {
  said.steps.push(...steps);
  said.warnings.push(...warnings);
  if (error !== undefined) said.errors.push(error);
}
