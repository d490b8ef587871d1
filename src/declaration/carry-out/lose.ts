import type { ByteString } from "../../../ffi/bytes.ts";
import { sameFile } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, describeError, errorOf, isReported, JailkitError } from "../../cli/error.ts";
import { operands } from "../../cli/shell-word.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { lookUp, withTree } from "../../jail/fs/look.ts";
import { hostPath, type JailRoot, openTree } from "../../jail/fs/walk.ts";
import { groupByName, type PasswdEntry } from "../../system/accounts.ts";
import { askedFacts } from "../../system/host-accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { joinHome, livesIn } from "../../system/separator.ts";
import { NO_ACCESS } from "../../users/access.ts";
import { AccountRun } from "../../users/account-run.ts";
import { planJailSide } from "../../users/changes.ts";
import { homeFor, linesLeft } from "../../users/jail-side.ts";
import { whatRuns } from "../../users/sessions.ts";
import type { Change, FaultText } from "../change.ts";
import { groupsHeld } from "../compare/limits.ts";
import { mayBeIt } from "../compare/which-account.ts";
import { homeIdIn } from "../ids.ts";
import { policiesOf } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";
import { closeWithoutLine, doneOrClosed, isIn, tellingOfSessions } from "./close-login.ts";
import { removePolicy } from "./policy.ts";
import { uidOf, warnOfSessions } from "./sessions.ts";
import { changeOne, type Said } from "./steps.ts";
import { leaveGroups, removeFrom, requireNotHidden } from "./takes.ts";

/** The groups that were declared, which an account is in: as groupsHeld. */
export const declaredGroups = (user: PasswdEntry, { groups }: OnceUser) =>
  groupsHeld(user, groups, { groupsOf: askedFacts.groupsOf, groupByName });

/** Takes an account out of the groups that were declared, but for those that limit it. */
export const forgetGroups = (user: PasswdEntry, once: OnceUser, said: Said): void =>
  leaveGroups(user, declaredGroups(user, once).leaves, said, undefined);

/** Warns of the declared groups in which an account is still, since they limit it. */
export function warnOfLimits(once: OnceUser, { warnings }: Said): void {
  const { name } = once;
  const user = answered(() => hostUser(name));
  if (user === undefined || !mayBeIt(once, user)) return;
  for (const group of answered(() => declaredGroups(user, once).stay) ?? [])
    warnings.push(
      `${quoted(name)} stays in the group ${quoted(group)}, by which sshd may limit it, as long as the account is there: sshd still accepts its keys and its password; when it may do more: gpasswd -d ${operands(name, group)}`,
    );
}

/**
 * Removes the keys that were declared from the home in the jail, or on the host; returns how many. Throws JailkitError if they may
 * be left.
 */
export function forgetKeys(root: JailRoot, user: PasswdEntry, once: OnceUser, said: Said): number {
  const { keys, keysTaken } = once;
  if (keys.length === 0) return 0;
  const home = homeFor(user, root.path);
  const uid = lookUp(root, home)?.stat.uid ?? user.uid;
  if (![user.uid, 0].includes(uid)) throw notTheirs(hostPath(root, home), user, uid);
  const count = removeFrom({ root, user, home }, keys, said);
  if (count === 0 && !keysTaken) requireNotHidden(hostPath(root, home));
  return count;
}

/** Nobody reads keys there as this user. What would give the user another home is no help for one who leaves. */
function notTheirs(home: ByteString, { name }: PasswdEntry, uid: number): JailkitError {
  const message = `${quoted(home)} belongs to uid ${uid}, not to ${quoted(name)}: keys that were declared may stay there`;
  return new JailkitError("not-their-home", 1, message);
}

/** Hears that the declared keys of a user are gone: a later run that does not find them does not look for them elsewhere. */
export type Taken = () => void;

/** What a user keeps of what was to be taken away: why. */
type Kept = Map<"groups" | "keys", unknown>;

/**
 * Takes everything from a user who leaves: each thing whatever becomes of the others. Returns the failure if the user cannot be
 * taken out of the files of the jail, and the errors of groups and keys that cannot be taken away.
 */
export function loseAll(
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  said: Said,
  taken: Taken,
): { readonly failure: JailkitError | undefined; readonly kept: Kept } {
  const kept: Kept = new Map();
  const attempt = (what: "groups" | "keys", work: () => void) => {
    try {
      work();
    } catch (error) {
      if (!isReported(error)) throw error;
      kept.set(what, error);
    }
  };
  const take = (account: PasswdEntry) => {
    attempt("groups", () => {
      const errors: FaultText[] = [];
      forgetGroups(account, once, { ...said, errors });
      const [first, second] = errors;
      const message = errors.map((error) => error.message).join("; ");
      if (first !== undefined) throw errorOf(second === undefined ? first : { code: first.code, message });
    });
    attempt("keys", () => {
      const count = forgetKeys(root, account, once, said);
      // What runs can put them back, and its user can have moved away what was not found.
      if (count > 0 && whatRuns(account.uid) === undefined) taken();
    });
  };
  const leave = () => doneOrClosed((tried) => leaveJail(root, user, once, tried), root, user, once, said);
  // No session begins here. Without the line nothing would tell any more where its keys are, if this run is killed.
  const before = isIn(root, user) || !once.directory ? undefined : lineAsAccount(root, once);
  if (before !== undefined) take(before);
  const failure = leave();
  if (user !== undefined && isIn(root, user)) take(user);
  return { failure, kept };
}

/** One that is not in this jail: as the line in the jail says it, or undefined. */
function lineAsAccount(root: JailRoot, { name }: OnceUser): PasswdEntry | undefined {
  const line = answered(() => readJailAccounts(root).userByName(name));
  return line && { ...line, home: joinHome(root.path, normalPath(line.home)) };
}

/** Who has its home by now, if another account than that of a line has it: with that, the declared keys would let somebody in. */
function heirOf(root: JailRoot, { homeId }: OnceUser, line: PasswdEntry): PasswdEntry {
  const home = homeFor(line, root.path);
  const stat = lookUp(root, home)?.stat;
  const isIt = stat !== undefined && homeId !== undefined && homeIdIn(root, home, stat.uid) === homeId;
  return isIt ? { ...line, uid: stat.uid, gid: stat.gid } : line;
}

/** Takes the keys of an account that is gone from the home by its line, which goes next. One with its uid may have that home. */
export function loseByLine(root: JailRoot, once: OnceUser, said: Said, taken: Taken): void {
  const line = once.keys.length === 0 ? undefined : lineAsAccount(root, once);
  if (line === undefined || answered(() => hostUser(line.uid) === undefined) !== true) return;
  try {
    forgetKeys(root, heirOf(root, once, line), once, said);
    taken();
  } catch (error) {
    if (!isReported(error)) throw error;
    said.warnings.push(describeError(error));
  }
}

/** Takes the keys of a user who has another jail from the home that stays in this one: whoever comes back has that again. */
export function loseBehind(root: JailRoot, user: PasswdEntry, once: OnceUser, said: Said): void {
  const line = lineAsAccount(root, once);
  if (line === undefined || line.uid !== user.uid) return;
  try {
    const behind = lookUp(root, homeFor(line, root.path))?.stat;
    const now = withTree((host) => lookUp(host, normalPath(user.home)))?.stat;
    // A mount may show it in both.
    if (behind === undefined || (now !== undefined && sameFile(behind, now))) return;
    forgetKeys(root, line, once, said);
  } catch (error) {
    if (!isReported(error)) throw error;
    said.warnings.push(describeError(error));
  }
}

/** The same for one whose directory says another home in the jail. */
export function leaveHome(root: JailRoot, user: PasswdEntry, once: OnceUser, said: Said): void {
  if (livesIn(root.path, user.home)) loseBehind(root, user, once, said);
}

/** True if what runs as an account can put keys back that were taken from it. */
export function mayPutBack({ what, name }: Pick<Change, "what" | "name">): boolean {
  const user = what === "keys" ? hostUser(name) : undefined;
  return user !== undefined && whatRuns(user.uid) !== undefined;
}

/** Warns of what an account keeps that should have been taken away. */
export function warnOfKept(kept: Pick<Kept, "values">, { warnings }: Said): void {
  for (const error of kept.values()) warnings.push(describeError(error));
}

/** Takes a user out of the jail's account files and of the files that say what it may do. */
export function leaveJail(root: JailRoot, user: PasswdEntry | undefined, once: OnceUser, said: Said): void {
  leaveFiles(root, once, said);
  leaveFormer(root, user, once, said);
  closeWithoutLine(root, user, once, said);
  // Not before: it may be what limits logins.
  forgetPolicy(root, once, said);
}

/** Takes the lines of an account with names that it had out of the account files of a jail, since others may get these; or some of them. */
export function leaveFormer(
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  said: Said,
  names?: readonly ByteString[],
): void {
  const former = user === undefined ? [] : linesLeft(readJailAccounts(root), user, root);
  for (const { name } of former)
    if (name !== once.name && names?.includes(name) !== false) leaveFiles(root, { ...once, name }, said);
}

/** Takes a user out of the account files of a jail. Throws JailkitError. */
export function leaveFiles(root: JailRoot, { name, groups: lost }: OnceUser, said: Said): void {
  using host = openTree("/");
  const run = new AccountRun(name);
  const options = {
    host,
    jail: root.path,
    shell: undefined,
    access: NO_ACCESS,
    dryRun: false,
    move: false,
    lost,
  };
  changeOne(planJailSide(run, root, { ...options, remove: true }), root.path, said);
  if (run.failure !== undefined) throw errorOf(run.failure);
}

function forgetPolicy(root: JailRoot, once: OnceUser, { steps }: Said): void {
  for (const limited of policiesOf(once)) steps.push(...removePolicy(root, once.name, limited));
}

/** Ends the logins of an account that stays where it is. `note`: a warning, if that is done. */
export function endLogins(
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  said: Said,
  taken: Taken,
  note: readonly string[] = [],
): void {
  const { name } = once;
  const uid = uidOf(user, root, name);
  const { failure, kept } = loseAll(root, user, once, said, taken);
  warnOfKept(kept, said);
  if (failure !== undefined) throw tellingOfSessions(failure, { name, uid }, said);
  said.warnings.push(...note);
  warnOfSessions(name, uid, said);
}
