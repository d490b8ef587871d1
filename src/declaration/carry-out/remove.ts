import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { describeError, isReported, JailkitError } from "../../cli/error.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { joinHome, splitHome } from "../../jail/accounts/separator.ts";
import { lookUp, withTree } from "../../jail/fs/look.ts";
import { hostPath, isDirectory, type JailRoot, openTree } from "../../jail/fs/walk.ts";
import { removeTree } from "../../jail/fs/write.ts";
import { withHostAccounts } from "../../jail/record/jail-lock.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import { deleteJail } from "../../jails/delete.ts";
import { planDelete } from "../../jails/delete-plan.ts";
import { leaveGroup, removeAccount } from "../../system/account-tools.ts";
import { groupByName, type PasswdEntry } from "../../system/accounts.ts";
import { askedFacts } from "../../system/host-accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { processesOf } from "../../system/processes.ts";
import { NO_ACCESS } from "../../users/access.ts";
import { AccountRun } from "../../users/account-run.ts";
import { planJailSide, planToUnjail } from "../../users/changes.ts";
import { homeFor } from "../../users/jail-side.ts";
import { keyLinesIn } from "../../users/key-lines.ts";
import { keysText, removeKeys } from "../../users/keys.ts";
import { openShell } from "../../users/leaving.ts";
import { requireNoProcesses } from "../../users/sessions.ts";
import type { Change } from "../change.ts";
import { type Fate, fateOf } from "../compare/fate.ts";
import type { Former, FormerUser, Leftovers } from "../compare/former.ts";
import { isOutside } from "../compare/taken-out.ts";
import { createdHomeOf } from "../kept-homes.ts";
import { policiesOf, sumOf } from "../once.ts";
import type { KeptHome, OnceUser } from "../once-shape.ts";
import { requireNothingElse } from "../other-things.ts";
import { removePolicy, removeSettings } from "./policy.ts";
import { uidOf, warnOfSessions } from "./sessions.ts";
import { changeOne, type Said } from "./steps.ts";

interface Means {
  readonly deleteHomes: boolean;
  /** Gets a home that stays, before its account goes: of a run that is killed after that, nothing else tells it. */
  readonly stays: (home: KeptHome) => void;
}

/**
 * Removes what was declared once, by the code of `jailkit delete` and jk_jailuser --unjail. Throws JailkitError.
 */
export function removeFormer(former: Former, means: Means, said: Said): void {
  if (former.of === "user") removeUser(former, means, said);
  else if (former.of === "left") removeLeft(former.once, former.left, said);
  else if (former.of === "given") takeBack(former.once, former.change, said);
  else removeJail(former.once.path, said);
}

function removeJail(jail: ByteString, { steps, warnings, errors }: Said): void {
  const plan = planDelete({ jail, unjail: false, userFiles: false });
  if (plan.seen !== undefined) requireNothingElse(jail);
  const outcome = deleteJail(plan, () => undefined);
  steps.push(...outcome.steps);
  warnings.push(...outcome.warnings);
  errors.push(...outcome.problems);
}

function removeUser({ once, holds }: FormerUser, means: Means, said: Said): void {
  const { name, jail } = once;
  const user = hostUser(name);
  using root = openNamedJail(jail);
  // The jail may have lines of an account that its directory has no more.
  if (!(isIn(root, user) || once.directory)) {
    said.steps.push(`${quoted(name)} is not in the jail any more`);
    const home = createdHomeOf(once);
    if (home !== undefined) means.stays(home);
    return;
  }
  const fate = fateOrEnd(root, user, once, means.deleteHomes, said);
  if (fate.how === "removed" && user !== undefined)
    removeCreated(root, user, { ...means, once, fate, holds }, said);
  else if (fate.how === "out" && user !== undefined) takeOut(root, user, once, said);
  else endLogins(root, user, once, said);
}

/** What becomes of a user. If that cannot be found out, as users can bring about, logins end, as before sessions do. */
function fateOrEnd(
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  deleteHomes: boolean,
  said: Said,
): Fate {
  try {
    return fateOf(root, user, once, deleteHomes);
  } catch (error) {
    if (isReported(error)) leaveJail(root, once, said);
    throw error;
  }
}

function isIn(root: JailRoot, user: PasswdEntry | undefined): boolean {
  const split = user && splitHome(user.home);
  return split !== undefined && normalPath(split.jail) === root.path;
}

/** Removes what a user has left in a jail of before. */
function removeLeft({ name }: OnceUser, { jail, line, policy, settings }: Leftovers, said: Said): void {
  if (line || policy) {
    const user = hostUser(name);
    using root = openNamedJail(jail);
    if (isIn(root, user)) {
      said.steps.push(`${quoted(name)} has come back into ${display(jail)}`);
      return;
    }
    const uid = uidOf(user, root, name);
    if (line) leaveFiles(root, name, said);
    if (policy) said.steps.push(removePolicy(root, name, true));
    warnOfSessions(name, uid, said, root.path);
  }
  if (settings) said.steps.push(removeSettings(name));
}

/** Takes groups or keys back from an account that somebody has taken out of its jail. */
function takeBack(once: OnceUser, { what }: Change, said: Said): void {
  const user = hostUser(once.name);
  if (user === undefined || !isOutside(once, user))
    said.steps.push(`the account ${quoted(once.name)} is not outside of jails any more`);
  else if (what === "groups") forgetGroups(user, once, said);
  else withTree((host) => forgetKeys(host, user, once, said));
}

interface Created extends Means {
  readonly once: OnceUser;
  readonly fate: Fate;
  /** As planned: of that user nothing may tell any more. */
  readonly holds: ByteString | undefined;
}

/** Removes the account that apply created: the last step, so that a run that is killed is repeated. */
function removeCreated(root: JailRoot, user: PasswdEntry, created: Created, said: Said): void {
  const { once, deleteHomes, fate, stays } = created;
  const { name } = once;
  const holds = created.holds ?? fate.holds;
  const home = holds === undefined ? fate.home : undefined;
  // First: without a line in the jail no login begins, while somebody ends the sessions.
  leaveJail(root, once, said);
  requireNoProcesses(user, processesOf(user.uid));
  const place = normalPath(splitHome(user.home)?.home ?? "/");
  const stat = lookUp(root, place)?.stat;
  const where = hostPath(root, place);
  // Who may write above it may have put another one there since.
  if (home !== undefined && stat?.uid === user.uid && isDirectory(stat)) {
    removeTree(root, home, stat);
    said.steps.push(`removed the home ${quoted(where)}`);
  } else if (stat !== undefined) {
    const notOurs = holds === undefined ? "apply did not create it" : `the home of ${quoted(holds)} is in it`;
    const why = deleteHomes ? notOurs : "this run is without --delete-homes; it also stays in later ones";
    said.warnings.push(`the home ${quoted(where)} of uid ${stat.uid} stays: ${why}`);
    if (stat.uid === user.uid) stays({ name, uid: user.uid, home: joinHome(root.path, place) });
    // Somebody may declare the uid, and get that home.
    orWarn(said, () => forgetKeys(root, user, once, said));
  }
  withHostAccounts(() => removeAccount(name));
  said.steps.push(`removed the account ${quoted(name)}`);
}

/**
 * Takes an account that was there before out of its jail, with its home, but without the groups and keys that were declared
 * for the jail: with its former shell they would let somebody in on the machine.
 */
function takeOut(root: JailRoot, user: PasswdEntry, once: OnceUser, said: Said): void {
  using host = openTree("/");
  const run = new AccountRun(once.name);
  const options = { host, jail: root.path, shell: undefined, access: NO_ACCESS, dryRun: false, move: true };
  // First: no login begins while somebody ends the sessions. The record still knows the shell.
  leaveJail(root, once, said);
  requireNoProcesses(user, processesOf(user.uid));
  forgetGroups(user, once, said);
  forgetKeys(root, user, once, said);
  changeOne(planToUnjail(run, options), root.path, said);
}

/** Takes an account out of the groups that were declared. */
function forgetGroups(user: PasswdEntry, { groups }: OnceUser, { steps }: Said): void {
  const gids = new Set(askedFacts.groupsOf(user));
  for (const name of groups) {
    const group = groupByName(name);
    if (group === undefined || group.gid === user.gid || !gids.has(group.gid)) continue;
    withHostAccounts(() => leaveGroup(user.name, name));
    steps.push(`took ${quoted(user.name)} out of the group ${quoted(name)}`);
  }
}

/** Removes the keys that were declared from the home in the jail, or on the host. Throws JailkitError if they may be left. */
function forgetKeys(root: JailRoot, user: PasswdEntry, once: OnceUser, { steps }: Said): void {
  const home = homeFor(user, root.path);
  if (once.keys.length === 0 || lookUp(root, home) === undefined) return;
  const place = { root, user, home };
  const keys = keyLinesIn(keysText(place)).flatMap(({ key }) => (once.keys.includes(sumOf(key)) ? key : []));
  if (keys.length === 0) return;
  const count = removeKeys(place, new Set(keys));
  steps.push(`removed ${count === 1 ? "1 key" : `${count} keys`} from its authorized_keys`);
}

/** Ends the logins of an account that stays where it is: one of a directory, or without a life outside. */
function endLogins(root: JailRoot, user: PasswdEntry | undefined, once: OnceUser, said: Said): void {
  const { name, directory } = once;
  const uid = uidOf(user, root, name);
  leaveJail(root, once, said);
  if (user !== undefined && isIn(root, user)) {
    orWarn(said, () => forgetGroups(user, once, said));
    orWarn(said, () => forgetKeys(root, user, once, said));
  }
  if (!directory) {
    const word = operands(name);
    said.warnings.push(
      `the account ${quoted(name)} and its home stay, and it cannot log in: the jail's record knows no life of it outside; userdel ${word} removes it, and jk_jailuser --unjail -m -s ${shellWord(openShell())} ${word} gives it a shell of the machine`,
    );
  } else if (splitHome(user?.home ?? "") !== undefined)
    said.warnings.push(
      `the directory still says that ${quoted(name)} has the home ${quoted(user?.home ?? "")}`,
    );
  warnOfSessions(name, uid, said);
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

/** Takes a user out of the jail's account files and of the files that say what it may do. */
function leaveJail(root: JailRoot, once: OnceUser, said: Said): void {
  leaveFiles(root, once.name, said);
  forgetPolicy(root, once, said);
}

function leaveFiles(root: JailRoot, name: ByteString, said: Said): void {
  using host = openTree("/");
  const run = new AccountRun(name);
  const options = { host, jail: root.path, shell: undefined, access: NO_ACCESS, dryRun: false, move: false };
  changeOne(planJailSide(run, root, { ...options, remove: true }), root.path, said);
  if (run.error !== undefined) throw new JailkitError("failed", 1, run.error, undefined, run.remedy);
}

function forgetPolicy(root: JailRoot, once: OnceUser, { steps }: Said): void {
  for (const limited of policiesOf(once)) steps.push(removePolicy(root, once.name, limited));
}
