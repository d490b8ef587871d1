import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { closedJailFault, homeFault } from "../../explain/home-fault.ts";
import { updateJailAccounts } from "../../jail/accounts/change-accounts.ts";
import { joinHome } from "../../jail/accounts/separator.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { type JailRoot, openTree } from "../../jail/fs/walk.ts";
import { withHostAccounts } from "../../jail/record/jail-lock.ts";
import { leaveGroup, setComment } from "../../system/account-tools.ts";
import { type PasswdEntry, passwdByName } from "../../system/accounts.ts";
import { hostUser } from "../../system/name-services.ts";
import { type Access, NO_ACCESS } from "../../users/access.ts";
import { AccountRun, type PlannedChange } from "../../users/account-run.ts";
import { planJailSide, planToJail } from "../../users/changes.ts";
import { createAccount } from "../../users/create-account.ts";
import { homeFor, leaveJailGroups } from "../../users/jail-side.ts";
import { warnOfLogin } from "../../users/jailing.ts";
import { removeKeys, setKeyOptions } from "../../users/keys.ts";
import { missingLine, missingOf } from "../../users/login-needs.ts";
import { newAccountWarnings, planNewAccount } from "../../users/new-account.ts";
import { type FaultText, isCreation } from "../change.ts";
import type { UserWork } from "../compare/compare.ts";
import { requireOwnHome } from "../compare/foresee-user.ts";
import { accessOf, DECLARED, movesHome, sideAccessOf, valuesOf } from "../compare/intent.ts";
import { withKeyPlace } from "../compare/look-keys.ts";
import { policyKeys, uidFault } from "../compare/look-user.ts";
import { newUid, returning } from "../compare/returning.ts";
import { type KeptHomes, keptFault } from "../kept-homes.ts";
import type { Memory } from "../memory.ts";
import type { DeclaredUser } from "../model.ts";
import { formerPolicies } from "../once.ts";
import type { OnceUser } from "../once-shape.ts";
import { USER_STEPS } from "../order.ts";
import { creating } from "./creations.ts";
import { putPolicy, removePolicy } from "./policy.ts";
import { changeOne, itemsOf, type Said, type Step, stepsOf, tell } from "./steps.ts";

/** As useradd(8) without a password. */
const LOCKED = "!";

/** What the steps of a user need. */
export interface UserMeans {
  readonly root: JailRoot;
  /** What was declared before. */
  readonly once: OnceUser | undefined;
  /** As uidInstead. */
  readonly uidInstead: () => number | undefined;
  readonly kept: KeptHomes;
  readonly memory: Memory;
}

/** The steps that make a user as declared. */
export function userSteps({ declared, changes }: UserWork, means: UserMeans): Step[] {
  const { root, once, kept } = means;
  const { name, shell, directory, uid } = declared;
  const isCreated = changes.some(isCreation);
  // Of an account that should have been removed first, and could not be: before a name that nobody has gets rights.
  const isNew = uid !== undefined && hostUser(name) === undefined;
  const taken: FaultText | undefined = isNew
    ? (uidFault(uid, hostUser) ?? keptFault(declared, uid, kept, DECLARED.uid))
    : undefined;
  if (taken !== undefined) throw new JailkitError(taken.code, 1, taken.message, undefined, taken.remedy);
  if (!directory && isCreated) requireHome(declared, means);
  const works: Parameters<typeof stepsOf<keyof typeof USER_STEPS>>[2] = {
    limit:
      () =>
      ({ steps }) => {
        steps.push(putPolicy(root, name, shell, policyKeys(declared.policy ?? [], shell)));
      },
    changeKeys: () => (said) => changeOptions(declared, means, said),
    inside: () => (said) => changeSide(declared, root, said, NO_ACCESS),
    account: (some) => (said) => {
      if (directory) changeSide(declared, root, said, sideAccessOf(declared));
      else if (some.some(isCreation)) create(declared, means, said);
      else changeAccount(declared, means, said);
    },
    comment:
      () =>
      ({ steps }) => {
        const { comment = "" } = declared;
        withHostAccounts(() => setComment(name, comment));
        updateJailAccounts(root, (accounts) => accounts.changeUser(name, { gecos: comment }));
        steps.push(`the account ${quoted(name)} has the comment ${quoted(comment)}`);
      },
    leaveGroups: (some) => (said) => leaveGroups(root, name, itemsOf(some), said),
    endLimits:
      () =>
      ({ steps }) => {
        const former = once === undefined ? [] : formerPolicies(declared, once);
        for (const limited of former) steps.push(removePolicy(root, name, limited));
      },
    removeKeys:
      (some) =>
      ({ steps }) => {
        const user = requireUser(name);
        const count = removeKeys({ root, user, home: homeFor(user, root.path) }, new Set(itemsOf(some)));
        steps.push(`removed ${keyCount(count)} from its authorized_keys`);
      },
  };
  // Whoever is here prevents by nothing in the own home that less is allowed. Who comes gets no key with other options.
  const apart = {
    changeKeys: { mayFail: !isCreated },
    leaveGroups: { always: true },
    removeKeys: { always: true },
  };
  return stepsOf(USER_STEPS, changes, works, apart);
}

/** Throws JailkitError for a home that is there and is another one's: that of a user who was removed just now may have stayed. */
function requireHome(declared: DeclaredUser, { root, once, uidInstead }: UserMeans): void {
  if (lookUp(root, normalPath(declared.home)) === undefined) return;
  const values = valuesOf(declared, newUid(declared, once, hostUser), uidInstead);
  requireOwnHome(planNewAccount(root, values, NO_ACCESS, DECLARED), hostUser);
}

const keyCount = (count: number): string => (count === 1 ? "1 key" : `${count} keys`);

function changeOptions(declared: DeclaredUser, { root, once }: UserMeans, { steps }: Said): void {
  const { name } = declared;
  const user = hostUser(name) ?? returning(declared, once, root, hostUser) ?? requireUser(name);
  // In the home outside, if it has yet to move: before the account is in the jail.
  const count = withKeyPlace(declared, user, root, (place) => setKeyOptions(place, declared.keys ?? [])) ?? 0;
  steps.push(`changed the options of ${keyCount(count)} in its authorized_keys`);
}

function leaveGroups(root: JailRoot, name: ByteString, groups: readonly ByteString[], { steps }: Said): void {
  for (const group of groups) {
    withHostAccounts(() => leaveGroup(name, group));
    steps.push(`took ${quoted(name)} out of the group ${quoted(group)}`);
  }
  leaveJailGroups(root, name, groups);
}

function requireUser(name: ByteString): PasswdEntry {
  const user = hostUser(name);
  if (user !== undefined) return user;
  throw new JailkitError("no-such-user", 1, `user ${display(name)} does not exist any more`);
}

/**
 * Creates an account, as jk_addjailuser does. One that apply created before, and that somebody has removed since, gets its uid
 * again: its home and its line in the jail are there still.
 */
function create(declared: DeclaredUser, { root, once, uidInstead, memory }: UserMeans, said: Said): void {
  const { name } = declared;
  const before = once?.jail === root.path ? once : undefined;
  const values = valuesOf(declared, newUid(declared, once, hostUser), uidInstead);
  const access = accessOf(declared);
  const run = new AccountRun(name, undefined, DECLARED);
  const account = planNewAccount(root, values, access, DECLARED);
  for (const line of newAccountWarnings(values)) run.warn(line);
  const stayed = before?.created === account.user.uid ? before.createdHome : undefined;
  const createdHome = account.createsHome ? joinHome(root.path, account.jailHome) : stayed;
  const { password = LOCKED } = account;
  const user = creating(
    { name, password, createdHome },
    memory,
    (mark) => createAccount({ ...account, password: mark }, values, run).user,
  );
  run.examine(() => {
    const joins = access.joins.map(({ gid }) => gid);
    for (const line of [closedJailFault(root, user, joins), homeFault(user)])
      if (line !== undefined) run.warn(line);
    warnOfLogin(user, access, run);
    for (const missing of missingOf(account, DECLARED)) run.warn(missingLine(missing));
  });
  tell(run, said);
}

/** Jails an account that is outside, and gives one in the jail its login shell, groups and keys, as jk_jailuser does. */
function changeAccount(declared: DeclaredUser, { root, once, memory }: UserMeans, said: Said): void {
  const access = accessOf(declared);
  const { moved } = runOne(declared, root, said, (run, options) =>
    planToJail(run, root, { ...options, access, move: false }, movesHome),
  );
  if (moved !== undefined && once !== undefined && once.createdHome === moved.from)
    memory.moved(declared.name, moved.to);
}

/** Makes the jail's side, as jk_jailuser --jail-side-only does, and gives the access. */
function changeSide(declared: DeclaredUser, root: JailRoot, said: Said, access: Access): void {
  runOne(declared, root, said, (run, options) =>
    planJailSide(run, root, { ...options, access, move: false, remove: false }),
  );
}

type Options = Omit<Parameters<typeof planToJail>[2], "access" | "move">;

/** Plans and makes one change of an account. */
function runOne(
  { name, shell }: DeclaredUser,
  root: JailRoot,
  said: Said,
  plan: (run: AccountRun, options: Options) => PlannedChange,
): AccountRun {
  using host = openTree("/");
  const run = new AccountRun(name, undefined, DECLARED);
  const change = plan(run, { host, jail: root.path, shell, dryRun: false });
  changeOne(change, root.path, said, (before) => {
    const user = passwdByName(name) ?? before;
    if (run.status !== "unchanged") warnOfLogin(user, NO_ACCESS, run);
    for (const line of [closedJailFault(root, user, []), homeFault(user)])
      if (line !== undefined) run.warn(line);
  });
  return run;
}
