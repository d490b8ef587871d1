import type { ByteString } from "../../../ffi/bytes.ts";
import { display, quoted } from "../../cli/display.ts";
import { errorOf, isReported } from "../../cli/error.ts";
import { withAdvice } from "../../cli/remedy.ts";
import { lookUp, placeOnHost, withTree } from "../../jail/fs/look.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { hostUser, isNobodys } from "../../system/name-services.ts";
import { leftOf } from "../../system/scheduled-jobs.ts";
import { homeInJail, jailOfHome } from "../../system/separator.ts";
import { removeLogin } from "../../users/change-login.ts";
import { removeFromKernel } from "../../users/kernel-objects.ts";
import { requireNothingRuns, whatRuns } from "../../users/sessions.ts";
import { requireNoneKeeps, takeSetIds } from "../../users/set-ids.ts";
import type { Change } from "../change.ts";
import { isDeleted } from "../compare/absent.ts";
import { type Fate, fateOf } from "../compare/fate.ts";
import type { Former } from "../compare/former.ts";
import type { ClosedUser, DoubtfulUser, FormerUser } from "../compare/former-user.ts";
import type { Leftovers } from "../compare/leftovers.ts";
import { staysNote } from "../compare/stays-note.ts";
import { isTakenOut } from "../compare/taken-out.ts";
import { doubtFault, mayBeIt, type Which, whichAccount } from "../compare/which-account.ts";
import { policiesOf } from "../once.ts";
import type { KeptHome, OnceUser } from "../once-shape.ts";
import { closeAccount, closeWithoutLine, isIn, tellingOfSessions } from "./close-login.ts";
import {
  endLogins,
  forgetGroups,
  forgetKeys,
  leaveFiles,
  leaveFormer,
  leaveJail,
  loseAll,
  loseBehind,
  loseByLine,
  type Taken,
  warnOfKept,
  warnOfLimits,
} from "./lose.ts";
import { removePolicy, removeSettings } from "./policy.ts";
import { changedSince, keepHome, removeKnown, requireNotToGo, staysOutside } from "./remove-home.ts";
import { removeJail } from "./remove-jail.ts";
import { uidOf, warnOfSessions } from "./sessions.ts";
import { hearing, type Said } from "./steps.ts";
import { takeOut } from "./take-out.ts";
import { leaveByName } from "./takes.ts";

interface Means {
  readonly deleteHomes: boolean;
  /** Gets a home that stays, before its account goes: of a run that is killed after that, nothing else tells it. */
  readonly stays: (home: KeptHome) => void;
  /** Hears that the home has gone, though the account may stay: it is not to be looked for any more, which is noted later without room. */
  readonly homeGone: () => void;
  /** `leaves`: the keys are looked for once more before the account leaves. */
  readonly taken: (leaves?: boolean) => void;
}

/**
 * Removes what was declared once, by the code of `jailkit delete` and jk_jailuser --unjail. Throws JailkitError, also for what is
 * not any more what the plan found: then it is not removed.
 */
export function removeFormer(former: Former, means: Means, said: Said): void {
  try {
    removeOne(former, means, said);
  } finally {
    if (former.of === "user" || former.of === "doubtful") warnOfLimits(former.once, said);
  }
}

function removeOne(former: Former, means: Means, said: Said): void {
  if (former.of === "user") removeUser(former, means, said);
  else if (former.of === "doubtful") closeDoubtful(former, means, said);
  else if (former.of === "closed") closeUser(former, said);
  else if (former.of === "left") removeLeft(former.once, former.left, means, said);
  else if (former.of === "given") takeBack(former.once, former.change, said);
  else removeJail(former, said);
}

function removeUser({ once, holds, goes }: FormerUser, means: Means, said: Said): void {
  const user = hostUser(once.name);
  if (once.directory && isDeleted(once.jail)) {
    removeRest(user, once, said);
    return;
  }
  using root = openOrForget(once.jail, user, once, said);
  // Whatever its user has done meanwhile, nobody logs in with it.
  if (whichNow(root, user, once) === "doubtful" && user !== undefined) {
    endLogins(root, user, once, said, NOT_FORGOTTEN);
    throw errorOf(doubtFault(once, user));
  }
  const fate = fateOrEnd(root, user, once, means, said);
  if (fate.how === "removed" && user !== undefined)
    removeCreated(root, user, { ...means, once, fate, holds, goes }, said);
  else if (fate.how === "out" && user !== undefined)
    takeOut(root, user, { once, taken: () => means.taken(true) }, said);
  else {
    if (fate.stays !== undefined) means.stays(fate.stays);
    endLogins(root, user, once, said, means.taken, staysNote(user, once));
  }
}

/** Removes what a user of a directory has outside of a jail that was deleted. The directory still says the home in it. */
function removeRest(user: PasswdEntry | undefined, once: OnceUser, said: Said): void {
  const jail = { path: once.jail };
  whichNow(jail, user, once);
  if (user !== undefined) forgetGroups(user, once, said);
  // The jail may come back.
  closeWithoutLine(jail, user, once, said);
  if (policiesOf(once).includes(false)) said.steps.push(...removeSettings(once.name));
  said.warnings.push(...staysNote(user, once));
  warnOfSessions(once.name, user?.uid, said);
}

/** Each run takes the keys of an account that may be another one, until somebody has said which it is. */
const NOT_FORGOTTEN: Taken = () => undefined;

/** Ends the logins of an account that may be another one than was declared. */
function closeDoubtful({ once }: DoubtfulUser, { taken }: Means, said: Said): void {
  const user = hostUser(once.name);
  using root = openOrForget(once.jail, user, once, said);
  const isDoubtful = whichNow(root, user, once) === "doubtful";
  endLogins(root, user, once, said, isDoubtful ? NOT_FORGOTTEN : () => taken(true));
}

/** Ends the logins of one who stays in the files of the jail. */
function closeUser({ once }: ClosedUser, said: Said): void {
  const { name, jail } = once;
  const user = hostUser(name);
  whichNow({ path: jail }, user, once);
  if (user !== undefined) closeAccount(user, said);
  warnOfSessions(name, user?.uid, said);
}

/** As whichAccount. Throws JailkitError for another one than was planned to leave, or one that is not in the jail any more. */
function whichNow(root: Pick<JailRoot, "path">, user: PasswdEntry | undefined, once: OnceUser): Which {
  const which = user === undefined ? "declared" : whichAccount(once, user);
  if (which === "other")
    throw changedSince("doubtful-account", `${quoted(once.name)} has become another account`);
  // The jail may have lines of an account that its directory has no more.
  if (!(isIn(root, user) || once.directory))
    throw changedSince("gone", `${quoted(once.name)} has left the jail`);
  return which;
}

/** Opens the jail of a user. If that cannot be, the account is in no declared group any more that does not limit it. */
function openOrForget(jail: ByteString, user: PasswdEntry | undefined, once: OnceUser, said: Said): JailRoot {
  try {
    return openNamedJail(jail);
  } catch (error) {
    if (isReported(error) && user !== undefined && isIn({ path: jail }, user)) forgetGroups(user, once, said);
    throw error;
  }
}

/** What becomes of a user. If that cannot be found out, as users can bring about, logins end, as before sessions do. */
function fateOrEnd(
  root: JailRoot,
  user: PasswdEntry | undefined,
  once: OnceUser,
  { deleteHomes, taken }: Means,
  said: Said,
): Fate {
  try {
    return fateOf(root, user, once, deleteHomes);
  } catch (error) {
    if (!isReported(error)) throw error;
    const { failure, kept } = loseAll(root, user, once, said, () => taken(true));
    warnOfKept(kept, said);
    if (failure !== undefined) said.warnings.push(failure.message);
    throw error;
  }
}

/** Removes what a user has left in a jail of before. */
function removeLeft(
  once: OnceUser,
  { jail, lines, policy, settings }: Leftovers,
  { taken }: Means,
  said: Said,
): void {
  const { name } = once;
  const line = lines.includes(name);
  if (lines.length > 0 || policy) {
    const user = hostUser(name);
    using root = openNamedJail(jail);
    if (isIn(root, user))
      throw changedSince("appeared", `${quoted(name)} has come back into ${display(jail)}`);
    const uid = uidOf(user, root, name);
    if (line && user === undefined && jail === once.jail) loseByLine(root, once, said, taken);
    if (line && user !== undefined) loseBehind(root, user, once, said);
    if (line) leaveFiles(root, once, said);
    leaveFormer(root, user, once, said, lines);
    if (policy) said.steps.push(...removePolicy(root, name, true));
    warnOfSessions(name, uid, said, root.path);
  }
  if (settings) said.steps.push(...removeSettings(name));
}

/** Takes groups or keys back from an account that somebody has taken out of its jail, or that cannot leave it. */
function takeBack(once: OnceUser, { what }: Change, said: Said): void {
  const user = hostUser(once.name);
  const there = jailOfHome(user?.home ?? "");
  const stays = user !== undefined && mayBeIt(once, user) && there === once.jail;
  if (user === undefined && what === "groups") leaveByName(once.name, once.groups, said, once.jail);
  // With it, what it had went, too.
  else if (user === undefined) said.steps.push(`the account ${quoted(once.name)} is not there any more`);
  else if (!(stays || isTakenOut(once, user)))
    throw changedSince("doubtful-account", `${quoted(once.name)} has become another account, or moved`);
  else if (what === "groups") {
    forgetGroups(user, once, said);
    if (once.directory) leaveByName(once.name, once.groups, said, once.jail);
  } else if (there === undefined) withTree((host) => forgetKeys(host, user, once, said));
  else {
    using root = openNamedJail(there);
    forgetKeys(root, user, once, said);
  }
}

interface Created extends Means, Pick<FormerUser, "once" | "goes"> {
  readonly fate: Fate;
  /** As planned, printable: of that user nothing may tell any more. */
  readonly holds: ByteString | undefined;
}

/** Removes the account that apply created. */
function removeCreated(root: JailRoot, user: PasswdEntry, created: Created, said: Said): void {
  // First: without a line in the jail no login begins, while somebody ends the sessions.
  const lost = loseAll(root, user, created.once, said, created.taken);
  try {
    removeLost(root, user, { ...created, ...lost }, said);
  } catch (error) {
    // What these advise needs the account.
    warnOfKept(lost.kept, said);
    throw error;
  }
}

/** Removes one that has lost all else: the last step, so that a run that is killed is repeated. */
function removeLost(
  root: JailRoot,
  user: PasswdEntry,
  { failure, kept, ...created }: Created & ReturnType<typeof loseAll>,
  said: Said,
): void {
  const { once, deleteHomes, fate } = created;
  const planned = created.holds ?? fate.holds;
  const isFinal = fate.home === undefined || planned !== undefined || whatRuns(user.uid) !== undefined;
  if (failure !== undefined && isFinal) throw tellingOfSessions(failure, user, said);
  requireNothingRuns(user);
  // It stays with its home, as far as that is known before.
  requireNoneKeeps(root, user, once.groups);
  // Again, since nobody works in it any more: until now it could be filled.
  const now = fateOf(root, user, once, deleteHomes);
  const holds = planned ?? now.holds;
  const home = holds === undefined ? now.home : undefined;
  const place = homeInJail(user.home);
  const stat = lookUp(root, place)?.stat;
  const [where, outside] = [placeOnHost(root, place), staysOutside(root, place)];
  if (home !== undefined && stat !== undefined) {
    if (now.stays !== undefined) created.stays(now.stays);
    try {
      removeKnown(root, home, user, once.homeId, said);
    } catch (error) {
      if (lookUp(root, place) === undefined) created.homeGone();
      throw error;
    }
    created.homeGone();
    kept.delete("keys");
    said.steps.push(`removed the home ${quoted(where)}`);
  } else {
    if (stat !== undefined) requireNotToGo(created.goes, where, holds);
    keepHome(root, user, { ...created, stat, now: { ...now, holds }, hasKeys: kept.has("keys") }, said);
  }
  said.warnings.push(...outside);
  // Without the home there may be room.
  if (failure !== undefined) leaveJail(root, user, once, said);
  const [say, warn] = [(line: string) => said.steps.push(line), (line: string) => said.warnings.push(line)];
  takeSetIds(root, user, { ends: true, isRemoved: true, groups: once.groups, say, warn });
  // Another user may have started one meanwhile.
  requireNothingRuns(user);
  removeLogin(user, hearing(said));
  // Another account may have the uid.
  if (isNobodys(user.uid)) removeFromKernel(user, { say, warn });
  // They are outside of the jail: whoever gets the name or the uid later would run them, or read it.
  for (const { message, advice } of leftOf(user)) said.warnings.push(withAdvice(message, advice));
  warnOfSessions(once.name, user.uid, said);
}
