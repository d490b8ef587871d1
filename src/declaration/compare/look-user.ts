import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { sameFile, statIfPresent } from "../../../ffi/files.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { isDoubtfulHome } from "../../explain/doubtful-home.ts";
import { badHome, homeOfOther, neverHome } from "../../jail/accounts/home-place.ts";
import { awaitedAt, type LeftMove } from "../../jail/fs/home-moves.ts";
import { isHeld } from "../../jail/fs/home-place.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { newMount } from "../../jail/fs/mounted-home.ts";
import { hostPath, isDirectory, type JailRoot } from "../../jail/fs/walk.ts";
import { isLocalUser } from "../../system/account-tools.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { dirsEqual, jailOfHome } from "../../system/separator.ts";
import { homeFor } from "../../users/jail-side.ts";
import { newNameFault } from "../../users/new-account.ts";
import { noShadowFault } from "../../users/no-shadow.ts";
import { requireOnePlace, twoByLink } from "../../users/one-home.ts";
import {
  elsewhereAdvice,
  homeElsewhere,
  inPlaceOrGiven,
  otherHome,
  otherHomeAdvice,
  whyNotHome,
} from "../../users/own-home.ts";
import { primaryGroupFault } from "../../users/primary-group.ts";
import { requireSafePlace } from "../../users/safe-place.ts";
import { type FaultText, faultText } from "../change.ts";
import { formerFault } from "../kept-fault.ts";
import type { DeclaredUser } from "../model.ts";
import type { OnceUser } from "../once-shape.ts";
import { heirOf } from "./former-name.ts";
import { holderOf, sharesHome } from "./home-differs.ts";
import { hostHomeFault } from "./host-home.ts";
import type { InJail } from "./in-jail.ts";
import { DECLARED } from "./intent.ts";
import { joinsThatLimit } from "./limits.ts";
import { hiddenBy } from "./local-too.ts";
import { formerGroups, groupsOrFault, groupsThatGo } from "./look-groups.ts";
import { hiddenKeys, keyState, NO_KEYS } from "./look-keys.ts";
import { commonPolicy, policyState } from "./look-policy.ts";
import { renamedFault } from "./lost-name.ts";
import type { Machine } from "./machine.ts";
import { otherNameFault } from "./other-name.ts";
import { returning } from "./returning.ts";
import { strayFaultIn } from "./stray.ts";
import { lineUidFault, newUidFault, otherUidText, sharedUidFault } from "./uid-fault.ts";
import type { UserState } from "./user-state.ts";

/** What this machine has of a user. `once`: what was declared before. */
export function userState(
  declared: DeclaredUser,
  inside: InJail,
  machine: Machine,
  once: OnceUser | undefined,
): UserState {
  let nothing: UserState = {
    ...{ account: undefined, local: false, fault: undefined, otherOptions: 0 },
    ...{ lacksGroups: [], inJail: undefined, hasGroup: true, home: "there", lacksKeys: 0, policy: undefined },
    ...{ wantedPolicy: undefined, former: { groups: [], keys: [], policy: false } },
    heir: () => heirToBeDeclared(once, machine),
    hidden: () => hiddenAccount(declared.name, inside, machine, once),
  };
  try {
    const doubt = doubtOf(declared, machine);
    if (doubt !== undefined) return { ...nothing, fault: doubt };
    const account = machine.accounts.userByName(declared.name);
    nothing = { ...nothing, account, local: account !== undefined && isLocal(declared, machine) };
    const groups = groupsOrFault(declared, account, inside, machine, once);
    const home = account === undefined ? undefined : homeState(declared, account, inside, machine);
    const renamed = account === undefined ? renamedFault(declared, inside.accounts, machine) : undefined;
    const shared = account && otherPlaceFault(declared, account, { inside, once, ...home }, machine);
    const lost = once && account ? formerGroups(declared, once, account, inside, machine) : [];
    const goes = groupsThatGo(groups.fault, lost);
    const fault = shared ?? goes.fault ?? home?.fault ?? renamed ?? newFault(declared, account, machine);
    // Of an account that is there, something may have to be taken away all the same.
    if (fault !== undefined && account === undefined) return { ...nothing, fault };
    const owner = account ?? returning(declared, once, inside.root, machine.laterByUid);
    const place = inside.root ?? inside.damaged;
    const keys =
      owner === undefined
        ? NO_KEYS
        : home?.ownFault === undefined
          ? keyState(declared, owner, place, home?.home ?? "there", once)
          : hiddenKeys(declared, once);
    const policies = policyState(declared, inside, machine, once);
    const { policy, wantedPolicy } = policies;
    return {
      ...{ ...nothing, ...groups, home: home?.home ?? "there", isDoubtful: home?.isDoubtful, fault },
      inJail: account && inside.accounts?.userByName(declared.name),
      isUnknown: inside.isClosed,
      noGroup: noGroupOf(account, inside, machine),
      noShadow: noShadowFault(account, machine),
      ...waitingForNothing(declared, account, groups, keys),
      lacksKeys: (inside.isClosed && place === undefined) || home?.hidden !== undefined ? 0 : keys.lacking,
      closedHome: account && closedHome(account, machine.leftMoves()),
      homeFault: home?.ownFault ?? home?.hidden ?? keys.fault,
      besideFault: keys.beside,
      homeOwner: () => account && sharesHome(account, declared.jail, machine),
      homeHolder: () => holderOf(declared, machine.byJail.get(declared.jail) ?? [], machine.isDeclared),
      otherUid: () => account && otherUidText(declared, account, machine),
      ...{ otherOptions: keys.otherOptions, stricterOptions: keys.stricterOptions, policy, wantedPolicy },
      commonPolicy:
        account === undefined ? undefined : commonPolicy(declared, account, inside, machine, policies),
      former: {
        groups: goes.groups,
        keys: keys.former,
        policy: policies.former.length > 0,
      },
    };
  } catch (error) {
    return { ...nothing, fault: faultText(error) };
  }
}

/** The account that a section may mean whose user is gone: none that is declared by its own name. */
function heirToBeDeclared(once: OnceUser | undefined, { accounts, isDeclared }: Machine) {
  const heir = once && heirOf(once, accounts);
  return heir === undefined || isDeclared(heir.name) ? undefined : heir;
}

/** Why the primary group of an account is none. */
const noGroupOf = (account: PasswdEntry | undefined, inside: InJail, { accounts }: Machine) =>
  account && primaryGroupFault(account, accounts, (gid) => inside.accounts?.groupByGid(gid)?.name);

/** The account of a directory that the one of /etc/passwd hides. */
function hiddenAccount(name: ByteString, inside: InJail, { accounts }: Machine, once: OnceUser | undefined) {
  const account = accounts.userByName(name);
  const uidInJail = inside.accounts?.userByName(name)?.uid;
  return account && hiddenBy(account, { ...{ once, uidInJail }, userByUid: accounts.userByUid });
}

/** Why it is not the account of this name that is meant. */
const doubtOf = (declared: DeclaredUser, { known, accounts, isDeclared }: Machine): FaultText | undefined =>
  known.doubts.get(declared.name) ?? otherNameFault(declared, accounts.userByName(declared.name), isDeclared);

/** One that another command has created by now is not in what was read before. */
const isLocal = ({ name, directory }: DeclaredUser, { facts }: Machine): boolean =>
  facts.isLocal(name) || (!directory && isLocalUser(name));

/** What an account that is in the jail already gets, whatever waits. */
function waitingForNothing(
  { jail }: DeclaredUser,
  account: PasswdEntry | undefined,
  { lacksGroups }: Pick<UserState, "lacksGroups">,
  { replaces }: ReturnType<typeof keyState>,
): Pick<UserState, "limitingGroups" | "replacesKeys"> {
  if (account === undefined || jailOfHome(account.home) !== jail) return {};
  return { limitingGroups: joinsThatLimit(account, lacksGroups), replacesKeys: replaces };
}

/** Why an account gets nothing in the jail: it has not its uid there, or not its home. */
const otherPlaceFault = (
  declared: DeclaredUser,
  account: PasswdEntry,
  known: Parameters<typeof strayFaultIn>[2] & { readonly inside: InJail },
  machine: Machine,
): FaultText | undefined =>
  otherUidFault(declared, account, known.inside, machine) ?? strayFaultIn(declared, account, known);

/** Why an account does not get its uid in the jail. Who has it there is not looked for again. */
function otherUidFault(
  declared: DeclaredUser,
  account: PasswdEntry,
  inside: InJail,
  machine: Machine,
): FaultText | undefined {
  // It is told that the account is a directory's, where usermod(8) gives no uid and no name.
  if (!declared.directory && !isLocal(declared, machine)) return undefined;
  const line = inside.accounts?.userByName(declared.name);
  const isThere = line?.uid === account.uid;
  const former = () => (isThere ? undefined : formerFault(declared, account, machine));
  const byLine = () =>
    line === undefined || isThere || declared.directory || declared.uid === account.uid
      ? undefined
      : lineUidFault(declared.jail, line, account, machine.owners);
  return sharedUidFault(declared, account, machine.owners) ?? byLine() ?? former();
}

/** Why useradd(8) would refuse a new account: known first, so that no right is given to a name that nobody has. */
function newFault(declared: DeclaredUser, account: PasswdEntry | undefined, machine: Machine) {
  const { name, uid, directory } = declared;
  if (account !== undefined || directory) return undefined;
  const message = newNameFault(name, DECLARED);
  if (message !== undefined) return { code: "bad-name", message } as const;
  if (uid === undefined) return undefined;
  const by = { userByUid: machine.laterByUid, formerly: machine.noLonger };
  return newUidFault(declared, uid, machine, by);
}

/** The home of an account, among those that runs which were killed have left closed. */
function closedHome({ home }: PasswdEntry, left: readonly LeftMove[]): LeftMove | undefined {
  if (left.length === 0) return undefined;
  const stat = answered(() => statIfPresent(AT_FDCWD, normalPath(home), true));
  return left.find((one) => one.mode !== undefined && stat && one.stat && sameFile(one.stat, stat));
}

interface HomeState extends Pick<UserState, "home" | "isDoubtful"> {
  /** Why nothing can be changed. */
  readonly fault?: FaultText | undefined;
  /** Why it cannot be used. */
  readonly ownFault?: FaultText;
  /** Why it gets nothing, though it is there and in use: the next mount would hide that. */
  readonly hidden?: FaultText;
}

/**
 * The home of an account in the jail, and why it cannot be used. Who can write above it may do anything with it: of an account
 * that is in the jail, that prevents nothing else.
 */
function homeState(
  { jail, directory }: DeclaredUser,
  account: PasswdEntry,
  inside: InJail,
  machine: Machine,
): HomeState {
  const there = jailOfHome(account.home);
  const outside = !directory && there !== jail;
  // That of an account in no jail may be there already, and does not move.
  const inPlace = there === undefined && below(normalPath(account.home), jail) !== undefined;
  if (outside && !inPlace)
    return {
      home: "there",
      fault: there === undefined && account.uid !== 0 ? hostHomeFault(account, jail) : undefined,
    };
  try {
    const { root } = inside;
    const isThere = ({ name, uid }: PasswdEntry) =>
      uid !== account.uid && machine.accounts.userByName(name)?.uid === uid;
    const otherOf = (home: ByteString) =>
      inside.accounts?.users.find((one) => dirsEqual(one.home, home) && isThere(one));
    if (root !== undefined) {
      const hidden = machine.unmountedPlace(root, [homeFor(account, root.path)]);
      const home = ownHome(root, account, otherOf, hidden);
      if (hidden !== undefined && outside) throw hidden;
      return hidden === undefined ? home : { ...home, hidden: faultText(hidden) };
    }
    // In one that users could change, nothing is done.
    if (inside.damaged !== undefined) return { home: "there" };
    requireOwnable({ path: jail }, account, false);
    // In a jail that is yet to be made, there is none.
    return { home: inside.isClosed ? "there" : "missing" };
  } catch (error) {
    const why = faultText(error);
    // The directory must say another home: before there is anything of the account in the jail.
    const isFault = outside || (directory && why.code === "bad-home");
    return isFault ? { home: "foreign", fault: why } : { home: "foreign", ownFault: why };
  }
}

/** Throws JailkitError "bad-home" for a home that no account can have; `isOwn`: it belongs to this one. */
function requireOwnable(root: Pick<JailRoot, "path">, account: PasswdEntry, isOwn: boolean): void {
  const home = homeFor(account, root.path);
  const why = neverHome(home, !isOwn);
  if (why !== undefined) throw badHome(root, home, why, otherHomeAdvice(account, root, home));
}

/**
 * Throws JailkitError for a home that is not the user's, or cannot be created. `otherOf`: who else has it in the jail. `hidden`:
 * why none is created there.
 */
function ownHome(
  root: JailRoot,
  account: PasswdEntry,
  otherOf: (home: ByteString) => PasswdEntry | undefined,
  hidden: JailkitError | undefined,
): HomeState {
  const path = homeFor(account, root.path);
  requireOnePlace(root, path);
  const stat = lookUp(root, path)?.stat;
  // One of its user's is told below.
  const two = stat?.uid === 0 ? twoByLink(root, path, stat) : undefined;
  if (two !== undefined) throw two;
  const isOwn = stat !== undefined && stat.uid === account.uid && isDirectory(stat);
  // A run brings it to its place first.
  if (!isOwn && awaitedAt(root, path) !== undefined) return { home: "there", isDoubtful: false };
  requireOwnable(root, account, isOwn);
  if (isOwn) return { home: "there", isDoubtful: isDoubtfulHome(stat, account) };
  if (hidden !== undefined) throw hidden;
  // A run moves one that was put aside, in place of a new one.
  const left = stat === undefined || isHeld(stat) ? homeElsewhere(account, root) : undefined;
  if (left?.isAside === false) {
    const { message, advice, remedy } = elsewhereAdvice(account, root.path, left);
    const what = `the home ${quoted(hostPath(root, path))} is not created, ${message}; ${advice}`;
    throw new JailkitError("home-elsewhere", 1, what, undefined, remedy || undefined);
  }
  const isMissing = stat === undefined || left !== undefined;
  if (isMissing || newMount(root, path) !== undefined) {
    const other = otherOf(path);
    if (other !== undefined) throw homeOfOther(root, path, other, otherHomeAdvice(account, root, path));
    requireSafePlace(root, path, otherHome(account, root, path));
    return { home: isMissing ? "missing" : "mounted" };
  }
  const shown = hostPath(root, path);
  const elsewhere = otherHomeAdvice(account, root, path);
  const { advice, remedy, stays } = inPlaceOrGiven(root, account, stat, path, elsewhere);
  const message = `${quoted(shown)} ${whyNotHome(stat, account)}: logins are refused; ${advice}`;
  throw new JailkitError(stays ? "bad-home" : "foreign-home", 1, message, undefined, remedy);
}
