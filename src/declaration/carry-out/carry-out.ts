import type { ByteString } from "../../../ffi/bytes.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import { display } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { lockJails } from "../../jail/record/jail-lock.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import { passwdByName } from "../../system/accounts.ts";
import { below } from "../../system/mountinfo.ts";
import { hostUser } from "../../system/name-services.ts";
import { openJailForUsers } from "../../users/open-jail.ts";
import { type Change, type FaultText, faultText, nameOf, taking, waitsFor } from "../change.ts";
import { type Comparison, hasWork } from "../compare/compare.ts";
import type { Tools } from "../compare/foresee-jail.ts";
import type { Former } from "../compare/former.ts";
import { DECLARED } from "../compare/intent.ts";
import { otherJailOf } from "../compare/look-keys.ts";
import { reservedUids, uidInstead } from "../compare/returning.ts";
import { IN_NO_JAIL } from "../compare/user.ts";
import { changesOf, type JailWork, type UserWork } from "../compare/work.ts";
import { keptByDirectory } from "../follow-move.ts";
import { memoryOf, type Remembered } from "../keep.ts";
import { homesOutside } from "../kept-homes.ts";
import type { Meanwhile } from "../meanwhile.ts";
import type { Memory } from "../memory.ts";
import type { DeclaredUser } from "../model.ts";
import { ONCE_FILE } from "../once.ts";
import { waitsBy } from "../place-of-fault.ts";
import { uidOwnersNow } from "../uid-owners.ts";
import { homesIn, reservedBy, UidsInJails } from "../uids-in-jails.ts";
import { isRemoved, unkeptBy } from "../unkept.ts";
import { isIn } from "./close-login.ts";
import { endCreations } from "./creations.ts";
import { jailSteps } from "./jail.ts";
import { mayPutBack } from "./lose.ts";
import { removeFormer } from "./remove.ts";
import { type Ended, NOTHING_SAID, type Shown } from "./report.ts";
import { afterLook, failureIn, makeSteps } from "./steps.ts";
import { hostSteps } from "./takes.ts";
import { type UserMeans, userSteps } from "./user.ts";

interface Means extends Shown {
  readonly tools: Tools;
  /** The name of the tool, for the messages of others. */
  readonly tool: string;
  readonly noWait: boolean;
  readonly json: boolean;
  readonly prune: boolean;
  readonly deleteHomes: boolean;
  readonly meanwhile: Meanwhile;
  /** Why the file cannot be written, if that is known and told. */
  readonly unkept: FaultText | undefined;
  /** Tells it. */
  readonly broken: (problem: FaultText) => void;
}

interface MeansForUsers
  extends Means,
    Pick<UserMeans, "uidInstead" | "kept" | "uids" | "owners">,
    Pick<Comparison, "pathOf"> {
  /** For what all waits that gives something, printable. */
  readonly waits: string | undefined;
}

/**
 * Makes this machine as it is declared, jail by jail; what fails in one leaves the others alone. A run that is repeated goes
 * on. If what is declared cannot be written, only what takes something away is made. Throws if it cannot be at the end.
 */
export async function carryOut(remembered: Remembered, comparison: Comparison, means: Means): Promise<void> {
  const { declaration } = remembered;
  const memory = memoryOf(remembered, comparison);
  // Also if it is as it was: what is begun is added to it.
  const adds = hasWork(comparison);
  const unkept = means.unkept ?? unkeptIn(() => memory.write(adds), means);
  const waits = unkept && display(ONCE_FILE);
  // An account is apply's own by its password field, until the file says so.
  if (unkept === undefined) endCreations(memory, means.fault);
  await removeAll(comparison.former, memory, means, isRemoved(unkept) ? undefined : waits);
  const reserved = reservedUids(declaration.users, comparison.before);
  const kept = memory.keptHomes();
  const uids = new UidsInJails(() => homesIn(declaration));
  const others = reservedBy(kept, uids);
  const owners = uidOwnersNow(() => comparison.before, comparison.claimants);
  const ended: Shown["ended"] = (one) => {
    memory.ended(one.change, mayHaveGiven(one) ? "in-part" : one.status);
    means.ended(one);
  };
  const begins: Shown["begins"] = (changes) =>
    unkeptIn(() => memory.begin(changes), means) && display(ONCE_FILE);
  const forUsers = {
    ...means,
    ...{ pathOf: comparison.pathOf, ended, begins, waits, kept, uids, owners },
    uidInstead: () => uidInstead((uid) => hostUser(uid) !== undefined, reserved, others),
  };
  for (const work of comparison.jails) await makeJail(work, memory, forUsers);
  memory.letGo(kept.gone());
  if (unkept === undefined) memory.write(adds);
  else memory.save();
}

/** Why what is declared cannot be written, which is told; undefined if it was. */
function unkeptIn(write: () => void, { broken }: Means): FaultText | undefined {
  try {
    write();
    return undefined;
  } catch (error) {
    const problem = unkeptBy(error);
    broken(problem);
    return problem;
  }
}

const RIGHTS: readonly Change["what"][] = ["entry", "groups", "keys", "policy"];

/**
 * True for a change that may have given rights to a user before it failed, which the user may have brought about: with a file
 * that is no file of keys, the groups of the same step are given. What creates an account removes it again. Also for one that
 * was made in part.
 */
function mayHaveGiven({ change, status, steps }: Ended): boolean {
  const { of, what, action, name, jail, why } = change;
  if (of !== "user" || status === "done") return false;
  if (status === "not-done")
    return steps.length > 0 && (what === "policy" || (action === "create" && RIGHTS.includes(what)));
  if (what === "account") return why === IN_NO_JAIL && isIn({ path: jail }, passwdByName(name));
  return action === "create" && RIGHTS.includes(what);
}

/** A jail with its users. What fails in it, or before, keeps what gives something waiting. */
async function makeJail(work: JailWork, memory: Memory, means: MeansForUsers): Promise<void> {
  const { path, fault, users } = work;
  const changes = changesOf(work);
  const waits = means.waits ?? (fault && nameOf(fault));
  if (changes.length > 0 && receivedSignal() !== undefined) return notDone(changes, means, undefined);
  if (waits !== undefined && taking(changes).length === 0) return notDone(changes, means, waits);
  if (changes.length === 0) {
    settleJail(work, means, memory);
    for (const user of users) settleUser(user, means, memory);
    return;
  }
  const left = new Set(changes);
  const shown: MeansForUsers = {
    ...means,
    ended: (one) => {
      left.delete(one.change);
      means.ended(one);
    },
  };
  try {
    using _lock = lockJails([path, ...otherJailsOf(users)], means);
    const steps = afterLook(jailSteps(work, means), lookAgain(means));
    const why = await makeSteps(steps, path, shown, waits);
    // Whatever becomes of its users, the jail is as declared.
    if (why === undefined) settleJail(work, means, memory);
    for (const user of users) {
      const isMade = await makeUser(user, work, memory, shown, why);
      if (isMade && (why === undefined || user.changes.length === 0)) settleUser(user, means, memory);
    }
    memory.identify(work);
    // At the end of all for what was removed: it is repeated without harm.
    memory.save();
  } catch (error) {
    const failure = { of: "jail", name: path, jail: path, ...failureIn(path, error) } as const;
    // The end of the run tells of a signal.
    if (failure.code !== "interrupted") means.fault(failure);
    notDone([...left], means, waitsBy(failure));
  }
}

/** Looks whether something is declared again that a declared jail or user is to lose. */
const lookAgain =
  ({ meanwhile, pathOf }: MeansForUsers, planned?: DeclaredUser) =>
  (removal: Change) =>
    meanwhile.requireUnwanted(removal, { planned, pathOf });

/** Other jails, in which users are still that lose keys there. */
const otherJailsOf = (users: readonly UserWork[]): ByteString[] =>
  users.flatMap(({ declared, changes }) => {
    const losesKeys = changes.some(({ what, takes }) => what === "keys" && takes !== undefined);
    const account = losesKeys ? answered(() => hostUser(declared.name)) : undefined;
    return (account && otherJailOf(declared, account)) ?? [];
  });

/** One user; false if not all is done. `waits`: what has failed before, printable. */
async function makeUser(
  user: UserWork,
  { path: jail, changes: ofJail, fault: faultOfJail }: JailWork,
  memory: Memory,
  means: MeansForUsers,
  waits: string | undefined,
): Promise<boolean> {
  const { changes, declared, fault, onlyTakes = false } = user;
  const { name } = declared;
  if (changes.length === 0 && (fault !== undefined || ofJail.length === 0)) return fault === undefined;
  const about = { of: "user", name, jail } as const;
  let why = waits ?? (onlyTakes && fault !== undefined ? waitsBy(fault) : undefined);
  const isAsked = () => changes.length === 0 || why === undefined || taking(changes).length > 0;
  if (receivedSignal() !== undefined || !isAsked()) {
    notDone(changes, means, receivedSignal() === undefined ? why : undefined);
    return false;
  }
  const opened = openForUser(user);
  using root = opened.root;
  if (opened.fault !== undefined) {
    // Of one that is known already there is a fault.
    const { code } = opened.fault;
    const found = { ...about, ...(code === "bad-jail" ? waitsFor(jail, opened.fault) : opened.fault) };
    if (!onlyTakes && faultOfJail === undefined && means.waits === undefined) means.fault(found);
    why ??= waitsBy(found);
  }
  if (changes.length === 0) return opened.fault === undefined;
  if (!isAsked()) {
    notDone(changes, means, why);
    return false;
  }
  try {
    const all = { ...means, memory, once: memory.before(name) };
    const steps =
      root === undefined
        ? hostSteps(user, opened.fault ?? { code: "bad-jail", message: "" })
        : userSteps(user, { ...all, root });
    return (await makeSteps(afterLook(steps, lookAgain(means, declared)), jail, means, why)) === undefined;
  } catch (error) {
    const failure = { ...about, ...failureIn(jail, error) };
    means.fault(failure);
    notDone(changes, means, waitsBy(failure));
    return false;
  }
}

/**
 * Opens the jail of a user. One that lacks the shell, which may have gone with a section, is open all the same for what is
 * taken away.
 */
function openForUser({ declared: { jail, shell } }: UserWork): {
  readonly root: JailRoot | undefined;
  readonly fault: FaultText | undefined;
} {
  try {
    return { root: openJailForUsers(jail, shell, DECLARED), fault: undefined };
  } catch (error) {
    return { root: answered(() => openNamedJail(jail)), fault: faultText(error) };
  }
}

/** Removes what is declared no longer. `waits`: for what all of it waits, printable. */
async function removeAll(
  all: readonly Former[],
  memory: Memory,
  means: Means,
  waits: string | undefined,
): Promise<void> {
  const stay: { readonly jail: ByteString; readonly why: string }[] = [];
  for (const former of all) {
    const { of, change } = former;
    const { name, jail } = change;
    // Its deletion would advise to take out by hand whom the next run removes.
    const held = receivedSignal() === undefined && of === "jail" ? stay : [];
    const why = waits ?? held.find((one) => below(one.jail, jail) !== undefined)?.why;
    if (why !== undefined) notDone([change], means, why);
    const left = why ?? (await remove(former, memory, means));
    const keeps = of === "jail" || (of === "user" && isIn({ path: jail }, passwdByName(name)));
    if (left !== undefined && keeps) stay.push({ jail, why: left });
  }
}

/** Removes one thing; what was not done, printable, or undefined. */
async function remove(former: Former, memory: Memory, means: Means): Promise<string | undefined> {
  const { change } = former;
  const work = (said: Parameters<typeof removeFormer>[2]) => {
    using _lock = lockJails([change.jail], means);
    means.meanwhile.requireUndeclared(change);
    const taken = (leaves = false) => memory.takenBack(change.name, "keys", leaves);
    const homeGone = () => answered(() => memory.moved(change.name, undefined));
    removeFormer(former, { ...means, stays: memory.stays.bind(memory), homeGone, taken }, said);
  };
  const kept = former.of === "jail" ? keptByDirectory(change.name).here : [];
  if (former.of === "jail") homesOutside(change.name, memory.all()).forEach(memory.stays, memory);
  const left = await makeSteps([{ changes: [change], work }], change.jail, means);
  if (left !== undefined) return left;
  memory.letGo(kept);
  if (former.of === "left") memory.forgetLeft(change.name, change.jail);
  else if (former.of === "given") {
    if (!mayPutBack(change)) memory.takenBack(change.name, change.what);
    if (former.tellsKeys) memory.takenBack(change.name, "keys");
  }
  // Which account a doubtful one is, root has still to say; one in a jail that cannot be changed has yet to leave.
  else if (former.of !== "doubtful" && former.of !== "closed") {
    const stays = former.of === "user" && isIn({ path: change.jail }, passwdByName(change.name));
    memory.forget(change.of, change.name, stays);
  }
  memory.save();
  return undefined;
}

/** `waits`: for what, printable; undefined for a signal. */
function notDone(changes: readonly Change[], { ended }: Means, waits: string | undefined): void {
  for (const change of changes) ended({ ...NOTHING_SAID, change, status: "not-done", waits });
}

/** What is declared no longer is not in a jail any more. */
function settleJail({ declared, taken }: JailWork, { prune }: Means, memory: Memory): void {
  if (declared !== undefined && prune) memory.settleJail(declared);
  else if (declared !== undefined) memory.forgetLive(declared.path, taken);
}

/** The same of a user. */
function settleUser({ declared, fault }: UserWork, { prune }: Means, memory: Memory): void {
  if (prune && fault === undefined) memory.settleUser(declared);
}
