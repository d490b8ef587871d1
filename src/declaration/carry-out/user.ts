import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, describeError, errorOf } from "../../cli/error.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { examineLogin } from "../../explain/examine.ts";
import { isLimitedShell } from "../../jail/accounts/jailed-users.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { type JailRoot, openTree } from "../../jail/fs/walk.ts";
import { passwdByName } from "../../system/accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { joinHome } from "../../system/separator.ts";
import { type Access, NO_ACCESS } from "../../users/access.ts";
import { AccountRun, type PlannedChange } from "../../users/account-run.ts";
import { planJailSide, planToJail } from "../../users/changes.ts";
import { createAccount } from "../../users/create-account.ts";
import { setKeyOptions } from "../../users/declared-keys.ts";
import { noLoginShell } from "../../users/leaving.ts";
import { missingLine, missingOf } from "../../users/login-needs.ts";
import { newAccountWarnings, planNewAccount } from "../../users/new-account.ts";
import { type Change, type FaultText, isCreation } from "../change.ts";
import { accessOf, DECLARED, movesHome, sideAccessOf, valuesOf } from "../compare/intent.ts";
import { withKeyPlace } from "../compare/look-keys.ts";
import { policyKeys } from "../compare/look-policy.ts";
import { requireOwnHome } from "../compare/new-home.ts";
import { newUid, returning } from "../compare/returning.ts";
import { newUidFault, sharedUidFault } from "../compare/uid-fault.ts";
import type { UserWork } from "../compare/work.ts";
import { formerFault, type KnownUids } from "../kept-fault.ts";
import type { Memory } from "../memory.ts";
import type { DeclaredUser } from "../model.ts";
import { formerPolicies } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";
import { USER_STEPS } from "../order.ts";
import { creating } from "./creations.ts";
import { leaveHome } from "./lose.ts";
import { putPolicy, removePolicy } from "./policy.ts";
import { warnOfFormerRights } from "./sessions.ts";
import { changeOne, itemsOf, type Said, type Step, stepsOf, tell } from "./steps.ts";
import {
  changeComment,
  joinGroups,
  keyCount,
  leaveGroups,
  leaveOnHost,
  openHomes,
  requireUser,
  takeKeys,
  takingWays,
} from "./takes.ts";

/** What each run tells of a jail, also if it changes nothing. */
const EACH_RUN = ["doors"] as const;

/** As useradd(8) without a password. */
const LOCKED = "!";

/** What the steps of a user need. */
export interface UserMeans extends KnownUids {
  readonly root: JailRoot;
  /** What was declared before. */
  readonly once: OnceUser | undefined;
  /** As uidInstead. */
  readonly uidInstead: () => number | undefined;
  readonly memory: Memory;
}

/** The steps that make a user as declared. */
export function userSteps(user: UserWork, means: UserMeans): Step[] {
  const { declared, changes } = user;
  const { root, once, owners } = means;
  const { name, shell, directory, uid } = declared;
  const isCreated = changes.some(isCreation);
  // Of an account that should have been removed first, and could not be: before a name that nobody has gets rights.
  const isNew = uid !== undefined && hostUser(name) === undefined;
  const comes = directory || (!isCreated && changes.some(({ what }) => what === "account"));
  const account = comes && user.onlyTakes !== true ? hostUser(name) : undefined;
  const taken: FaultText | undefined = isNew
    ? newUidFault(declared, uid, means, { userByUid: hostUser })
    : account && (sharedUidFault(declared, account, owners) ?? formerFault(declared, account, means));
  if (taken !== undefined) throw errorOf(taken);
  if (!directory && isCreated) requireHome(declared, means);
  const works: Parameters<typeof stepsOf<keyof typeof USER_STEPS>>[2] = {
    openHome: (some) => openHomes(itemsOf(some)),
    limit:
      () =>
      ({ steps }) => {
        steps.push(putPolicy(root, name, shell, policyKeys(declared.policy ?? [], shell)));
      },
    changeKeys: () => (said) => changeOptions(declared, means, said),
    inside: () => (said) => {
      // Its line still says the home of before, if the directory says another one in the jail.
      if (directory && once !== undefined) leaveHome(root, requireUser(name), once, said);
      changeSide(declared, root, said, NO_ACCESS);
    },
    account: (some) => (said) => {
      // Why a file of keys cannot be used is a problem of its own, and keeps nobody out of a group.
      const wanted = some.some(({ what }) => what === "keys") ? declared : { ...declared, keys: [] };
      if (directory) changeSide(declared, root, said, sideAccessOf(wanted));
      else if (some.some(isCreation)) createWhole(user, means, said);
      else changeAccount(wanted, { ...means, isTold: user.fault?.code === "foreign-home" }, said);
    },
    comment: () => (said) => changeComment(declared, said, root),
    leaveGroups: (some) => (said) => leaveGroups(requireUser(name), itemsOf(some), said, root),
    endLimits:
      () =>
      ({ steps }) => {
        const former = once === undefined ? [] : formerPolicies(declared, once);
        for (const limited of former) steps.push(...removePolicy(root, name, limited));
      },
    removeKeys: (some) => (said) => takeKeys(declared, itemsOf(some), said, () => root),
  };
  const ways = takingWays(user, () => root);
  const isUsable = changes.every(({ what, takes }) => what !== "groups" || takes !== "part");
  const join = joinGroups(name, isUsable ? root : undefined);
  const access = ({ what }: Change) =>
    what === "groups" ? join : what === "keys" ? ways.newKeys : ways.loginShell;
  // Whoever is here prevents by nothing in the own home that less is allowed. Who comes gets no key with other options.
  const apart = {
    openHome: { always: true, mayFail: true },
    limit: { alone: ways.rules },
    changeKeys: { mayFail: !isCreated, alone: ways.options },
    inside: { alone: ways.shell },
    account: { alone: (change: Change, hasFailed: boolean) => access(change)(change, hasFailed) },
    comment: { always: true },
    leaveGroups: isUsable ? { always: true } : { alone: leaveOnHost(name) },
    endLimits: { alone: ways.rules },
    removeKeys: { always: true },
  };
  const steps = stepsOf(USER_STEPS, changes, works, apart);
  return isCreated ? steps : steps.map(namingSessions(declared));
}

/** True for a change that takes something away, which processes that run already keep. */
function takesAway({ what, action, from = "" }: Change): boolean {
  if (what === "groups") return action === "remove";
  if (what === "keys") return action !== "create";
  if (what === "policy") return action !== "remove";
  return what === "shell" && !isLimitedShell(from);
}

/** Steps with which it is told what goes on of the user. */
function namingSessions({ name, directory }: DeclaredUser): (step: Step) => Step {
  const warn = warnOfFormerRights(name);
  const close = `usermod -s ${shellWord(noLoginShell())} ${operands(name)}`;
  const end = directory ? "" : `; end its logins until a run of jailkit apply can do it, with: ${close}`;
  return (step) => {
    if (!step.changes.some(takesAway)) return step;
    const work = async (said: Said) => {
      let isDone = false;
      try {
        await step.work(said);
        isDone = said.errors.length === 0;
      } finally {
        // The user may have brought that about, by filling the file system.
        const what = said.steps.length === 0 ? "what" : "the rest of what";
        if (!isDone) said.warnings.push(`${quoted(name)} is still allowed ${what} it was before${end}`);
      }
      warn(said);
    };
    return { ...step, work };
  };
}

/** Throws JailkitError for a home that is there and is another one's: that of a user who was removed just now may have stayed. */
function requireHome(declared: DeclaredUser, { root, once, uidInstead }: UserMeans): void {
  if (lookUp(root, normalPath(declared.home)) === undefined) return;
  const values = valuesOf(declared, newUid(declared, once, hostUser), uidInstead);
  const access = { ...NO_ACCESS, correctsGroups: true };
  requireOwnHome(planNewAccount(root, values, access, DECLARED), declared, hostUser);
}

function changeOptions(declared: DeclaredUser, { root, once }: UserMeans, { steps }: Said): void {
  const { name } = declared;
  const user = hostUser(name) ?? returning(declared, once, root, hostUser) ?? requireUser(name);
  // In the home outside, if it has yet to move: before the account is in the jail.
  const count =
    withKeyPlace(
      declared,
      user,
      () => root,
      (place) => setKeyOptions(place, declared.keys ?? []),
    ) ?? 0;
  steps.push(`changed the options of ${keyCount(count)} in its authorized_keys`);
}

/**
 * Creates an account, as jk_addjailuser does. One that apply created before, and that somebody has removed since, gets its uid
 * again: its home and its line in the jail are there still. So is, for who comes back with the uid, a home that stayed.
 */
function create(
  declared: DeclaredUser,
  { root, once, uidInstead, memory, kept }: UserMeans,
  said: Said,
): void {
  const { name } = declared;
  const before = once?.jail === root.path ? once : undefined;
  const values = valuesOf(declared, newUid(declared, once, hostUser), uidInstead);
  const access = accessOf(declared);
  const run = new AccountRun(name, undefined, DECLARED);
  const account = planNewAccount(root, values, access, DECLARED);
  for (const line of newAccountWarnings(values)) run.warn(line);
  const stayed = before?.created === account.user.uid ? before.createdHome : undefined;
  const home = joinHome(root.path, account.jailHome);
  const isOurs = account.createsHome || kept.hasCreated({ name, uid: account.user.uid, home });
  const createdHome = isOurs ? home : stayed;
  const { password = LOCKED } = account;
  const user = creating(
    { name, password, createdHome },
    memory,
    (mark) => createAccount({ ...account, password: mark }, values, run).user,
  );
  run.examine(() => {
    const inherits = declared.policy === undefined ? declared.shell : undefined;
    examineLogin(user, { root, access, inherits, except: EACH_RUN }, run);
    for (const missing of missingOf(account, DECLARED)) run.warn(missingLine(missing));
  });
  tell(run, said);
}

/** Creates an account whose rules were written before it. If that fails, the name that nobody has keeps none. */
function createWhole({ declared, changes }: UserWork, means: UserMeans, said: Said): void {
  try {
    create(declared, means, said);
  } catch (error) {
    const { name, shell } = declared;
    const isNew = changes.some(({ what, action }) => what === "policy" && action === "create");
    // An account that could not be removed again must not be without.
    if (isNew && answered(() => hostUser(name) === undefined) === true) {
      try {
        said.steps.push(...removePolicy(means.root, name, isLimitedShell(shell)));
      } catch (failure) {
        said.warnings.push(`its rules stay, without an account: ${describeError(failure)}`);
      }
    }
    throw error;
  }
}

/** Jails an account that is outside, and gives one in the jail its login shell, groups and keys, as jk_jailuser does. */
function changeAccount(
  declared: DeclaredUser,
  { root, once, memory, isTold }: UserMeans & Told,
  said: Said,
): void {
  const access = accessOf(declared);
  const plan: Plan = (run, options) => planToJail(run, root, { ...options, access, move: false }, movesHome);
  const { moved } = runOne(declared, root, said, plan, access, isTold);
  if (moved !== undefined && once !== undefined && once.createdHome === moved.from)
    memory.moved(declared.name, moved.to);
}

/** Makes the jail's side, as jk_jailuser --jail-side-only does, and gives the access. */
function changeSide(declared: DeclaredUser, root: JailRoot, said: Said, access: Access): void {
  const plan: Plan = (run, options) =>
    planJailSide(run, root, { ...options, access, move: false, remove: false });
  runOne(declared, root, said, plan, access);
}

type Options = Omit<Parameters<typeof planToJail>[2], "access" | "move">;
type Plan = (run: AccountRun, options: Options) => PlannedChange;

interface Told {
  /** Why the home cannot be used is an error already. */
  readonly isTold: boolean;
}

/** Plans and makes one change of an account. */
function runOne(
  { name, shell }: DeclaredUser,
  root: JailRoot,
  said: Said,
  plan: Plan,
  access: Access,
  isTold = false,
): AccountRun {
  using host = openTree("/");
  const run = new AccountRun(name, undefined, DECLARED);
  const change = plan(run, { host, jail: root.path, shell, dryRun: false });
  changeOne(change, root.path, said, (before) => {
    const user = passwdByName(name) ?? before;
    const login = run.status === "unchanged" ? ["login" as const] : [];
    const home = isTold ? ["home" as const] : [];
    examineLogin(user, { root, access, except: [...EACH_RUN, ...login, ...home] }, run);
  });
  return run;
}
