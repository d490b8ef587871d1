import type { ByteString } from "../../../ffi/bytes.ts";
import { answered } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { withOneTree } from "../../jail/fs/look.ts";
import { type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import { contradictions, declaredElsewhere, onceBeside, takenFromOthers } from "../beside.ts";
import { type Change, changeText, type Fault, faultText, NO_LONGER, taking } from "../change.ts";
import type { Declaration } from "../model.ts";
import type { KeptHome, Once, OnceJail, OnceUser } from "../once-shape.ts";
import { besideAccounts } from "./closed-accounts.ts";
import { fillingOf, requireExtras, requireFillable } from "./fillable.ts";
import { type Planned, UserForesight } from "./foresee-user.ts";
import { type Former, formerOf, type LeftIn, leavingJails, leavingOf, movedUsers } from "./former.ts";
import type { Gone, Note } from "./former-jails.ts";
import { ownersFirst } from "./former-lines.ts";
import { tellOfGoing } from "./going.ts";
import { homeIdOf } from "./home-id.ts";
import { InJail } from "./in-jail.ts";
import { insides } from "./insides.ts";
import { compareJail, formerIn } from "./jail.ts";
import type { JailState } from "./jail-state.ts";
import { liveDirectories, requirePlaces } from "./live.ts";
import { withJailState } from "./look.ts";
import { userState } from "./look-user.ts";
import { lostSectionsIn, Machine, type Scope } from "./machine.ts";
import { noLoginsIn } from "./no-logins.ts";
import { notDeclared, othersText } from "./not-declared.ts";
import { OpenJails } from "./open-jails.ts";
import { othersFilesIn } from "./others-files.ts";
import { rememberingRules } from "./own-rules.ts";
import { type Declared, type Place, placeFaultOf, placesOf } from "./place-fault.ts";
import { NewUids, reservedUids } from "./returning.ts";
import { saidByRun } from "./running.ts";
import { settled } from "./settle.ts";
import { onHost, possible, withFault, withoutRemovals } from "./takes.ts";
import { compareUser } from "./user.ts";
import type { UserComparison } from "./user-state.ts";
import { whichJail } from "./which-jail.ts";
import { changesOf, type JailWork, withJailFault } from "./work.ts";
import { untilRight, withoutLists, wrongLists } from "./wrong-lists.ts";

/** How the machine differs from a declaration. */
export interface Comparison extends Pick<Machine, "claimants"> {
  readonly jails: readonly JailWork[];
  /** To be removed; without --prune only what declared users have left in other jails. */
  readonly former: readonly Former[];
  /** Why jails and users that are not declared any more stay, with --prune; and what is wrong with the file of sections. */
  readonly formerFaults: readonly Fault[];
  /** Jails that users were declared in before, and in which nothing of them is left. */
  readonly settledLeft: readonly LeftIn[];
  /** Users and jails that are neither declared nor there. */
  readonly forgotten: readonly Gone[];
  /** What had uids that nothing has any more. */
  readonly letGo: readonly KeptHome[];
  /** Users who are not declared, and whose accounts somebody has taken out of their jails. */
  readonly out: readonly ByteString[];
  /** What is there and not declared, printable. */
  readonly undeclared: readonly string[];
  /** What of that was declared once, so that --prune would remove it. */
  readonly noLonger: readonly Change[];
  /** The same of files that are gone, printable, with what removes it. */
  readonly orphans: readonly string[];
  /** Declared jails at places where they should not be, though they can be, and accounts that stay. */
  readonly warnings: readonly Note[];
  /** The path that an operand of jk_cp means, as it is recorded. */
  readonly pathOf: (operand: ByteString) => ByteString;
  /** What was declared once, by the names that accounts have now, and with rules as rememberingRules has them. */
  readonly before: Once;
}

/** True if a run has anything to do, or to report. */
export const hasWork = ({ jails, former, formerFaults }: Comparison): boolean =>
  former.length + formerFaults.length > 0 ||
  jails.some(
    ({ fault, changes, users }) =>
      fault !== undefined ||
      changes.length > 0 ||
      users.some((user) => user.fault !== undefined || user.changes.length > 0),
  );

interface Asked {
  readonly prune: boolean;
  readonly deleteHomes: boolean;
  readonly check?: boolean;
  /** The declaration is that of the usual files. */
  readonly usual: boolean;
  /** What the usual files declare, if the declaration is another one and they can be read: it is not removed. */
  readonly others: Declaration | undefined;
  /** Jails that are not declared are named, for which all records are read. */
  readonly namesAll?: boolean;
  /** What runs that were killed have left of moves of homes, if it is known. */
  readonly left?: Scope["left"];
}

/** How far a plan has come. */
export const UNCHANGED = "nothing was changed; run this again";

/** Throws JailkitError "interrupted" if a signal was held back. */
export const stopPlanning = (): void => stopIfInterrupted(UNCHANGED);

/** Compares this machine with a declaration, and changes nothing. Throws JailkitError if the configuration of the machine cannot be read. */
export function compare(declaration: Declaration, remembered: Once, asked: Asked): Comparison {
  return withOneTree(() => {
    const { prune, others } = asked;
    const all = [declaration, ...(others === undefined ? [] : [others])];
    const scope = { ...asked, files: declaration.files };
    const machine = machineFor(all, remembered, scope);
    const before = rememberingRules(machine.known.before, machine);
    const undeclared: string[] = [];
    const noLonger: Change[] = [];
    const notes: Note[] = [];
    const declared = new Map(declaration.jails.map((jail) => [jail.path, jail]));
    const users = Map.groupBy(declaration.users, ({ jail }) => jail);
    const pathOf = (operand: ByteString) => machine.pathOf(operand) ?? operand;
    const once = onceBeside(before, others, pathOf);
    const paths = new Set([...declared.keys(), ...users.keys()]);
    const reserved = reservedUids(declaration.users, before);
    using opened = new OpenJails(machine);
    const moved = movedUsers(declaration.users, before, machine, opened);
    const rest = notDeclared(all, before, machine, opened, asked);
    const gone = formerOf(all, before, machine, opened, scope);
    // Users first: a jail with users is not deleted.
    const former = [...moved.former, ...(prune ? gone.former : [])];
    for (const one of former)
      if (one.of === "user" && one.frees !== undefined) machine.frees(one.frees, one.once.name, one.stays);
    const leave = new Set(former.flatMap(({ of, change }) => (of === "user" ? change.name : [])));
    const cleared = new Set(former.flatMap(({ of, change }) => (of === "given" ? [] : change.jail)));
    const placeIn = placesOf(declaration, others, machine);
    // All are planned before one is created.
    const uids = new NewUids(machine.laterByUid, reserved, machine.reserved);
    const jails = [...paths].map((path) => {
      stopPlanning();
      const here = { declared: declared.get(path), users: users.get(path) ?? [] };
      return compareOne(path, here, machine, {
        ...{ prune, undeclared, noLonger, notes, renamed: rest.renamed.get(path), ...placeIn(path) },
        ...{ once: once.jails.get(path), onceUser: (name: ByteString) => once.users.get(name) },
        ...{ isCleared: cleared.has(path), leave, uids },
      });
    });
    const formerChanges = gone.former.map(({ change }) => change);
    if (!prune) tellFormer(formerChanges, { undeclared, noLonger });
    // Without --prune it may have moved to a file that is not compared.
    const isWhole = asked.usual || prune;
    const out = isWhole ? gone.out : [];
    return {
      jails,
      former,
      formerFaults: [...gone.faults, ...lostSectionsIn(declaration, machine)],
      settledLeft: [...moved.settled, ...gone.settled],
      forgotten: isWhole ? gone.forgotten : [],
      letGo: machine.kept.gone(),
      out: out.map(({ name }) => name),
      warnings: [
        ...insides(declaration, machine),
        ...notes,
        ...rest.notes(jails),
        ...(others === undefined ? [] : contradictions(declaration, others, pathOf)),
        ...elsewhere(jails.flatMap(changesOf), noLonger, before, scope),
        ...out.flatMap(({ note }) => note ?? []),
        ...gone.notes,
        ...(asked.check === true ? saidByRun(jails, former, machine, prune) : []),
      ],
      ...{ undeclared: [...undeclared, ...rest.undeclared], noLonger, orphans: rest.orphans, pathOf, before },
      claimants: machine.claimants,
    };
  });
}

/** While others are unknown, they may declare anybody: then nobody is known to be declared no more. */
const machineFor = (
  all: readonly Declaration[],
  remembered: Once,
  scope: Asked & Pick<Declaration, "files">,
) =>
  new Machine({
    ...{ remembered, declarations: all, isWhole: scope.usual || scope.others !== undefined },
    ...{ left: scope.left, jailsLeaving: (before) => leavingJails(all, before, scope) },
    leaving: (before) => leavingOf(all, before, scope),
  });

/** The warnings about what other files declared last. */
function elsewhere(
  changes: readonly Change[],
  noLonger: readonly Change[],
  before: Once,
  { usual, files }: Asked & Pick<Declaration, "files">,
) {
  if (usual) return declaredElsewhere(changes, before);
  const taken = [...changes.filter(({ why }) => why === NO_LONGER), ...noLonger];
  return takenFromOthers(taken, before, files);
}

/** With a fault in place of changes that could not be made. */
function foreseen(compared: UserComparison, planned: Planned, foresight: UserForesight): UserComparison {
  const { name, jail } = planned.declared;
  const about = { of: "user", name, jail } as const;
  const open = besideAccounts(compared, about);
  if (open !== compared) return open;
  const asked = compared.onlyTakes ? taking(compared.changes) : compared.changes;
  if (asked.length === 0 && compared.fault !== undefined) return compared;
  try {
    return { ...compared, ...foresight.require(planned) };
  } catch (error) {
    return withFault(compared, { ...about, ...faultText(error) });
  }
}

interface Before extends Place {
  readonly prune: boolean;
  /** Gets what is not declared. */
  readonly undeclared: string[];
  /** Gets what --prune would remove. */
  readonly noLonger: Change[];
  /** Gets warnings. */
  readonly notes: Note[];
  readonly once: OnceJail | undefined;
  readonly onceUser: (name: ByteString) => OnceUser | undefined;
  /** Something is removed from the jail before. */
  readonly isCleared: boolean;
  /** Users who are to be removed. */
  readonly leave: ReadonlySet<ByteString>;
  /** Those of new accounts. */
  readonly uids: NewUids;
}

/** What was declared once and stays. */
function tellFormer(changes: readonly Change[], to: Pick<Before, "undeclared" | "noLonger">): void {
  to.noLonger.push(...changes);
  to.undeclared.push(...changes.map((change) => `${changeText(change)} (${change.why})`));
}

/** A jail that cannot be used. Of one that is not mounted, only the directory below is there, which has no homes. */
const openDamaged = (path: ByteString, { fault }: JailState): JailRoot | undefined =>
  fault?.code === "not-mounted" ? undefined : answered(() => openJailRoot(path));

function compareOne(
  path: ByteString,
  { declared, users }: Declared,
  machine: Machine,
  { prune, undeclared, noLonger, notes, onceUser, ...before }: Before,
): JailWork {
  return withJailState(path, machine, (state, root) => {
    const { directoryId, once } = whichJail(root, before.once, state);
    let [changes, taken]: [readonly Change[], readonly ByteString[]] = [[], []];
    let fault = placeFaultOf(path, { declared, users }, machine, { state, root, ...before });
    if (fault === undefined && declared !== undefined) {
      const wrong = wrongLists(declared, state, once, machine);
      const asked = { once: withoutLists(once, wrong), prune };
      try {
        const liveOf = (live: readonly ByteString[]) => liveDirectories(live, path, before.places);
        const lookUps = { pathOf: machine.pathOf, needsOf: machine.needsOf, liveOf };
        const compared = compareJail(declared, state, lookUps, asked);
        ({ changes, fault, taken } = compared);
        undeclared.push(...compared.undeclared);
        noLonger.push(...formerIn(declared, state, lookUps, asked));
        notes.push(...othersFilesIn(root, declared, machine, state));
        if (fault === undefined) {
          requireFillable(declared, changes, machine);
          requireExtras(declared, changes, state.exists ? [] : machine.liveDirectoriesOf(path));
          requirePlaces(root, changes, liveOf);
        }
      } catch (error) {
        fault = { ...{ of: "jail", name: path, jail: path }, ...untilRight(faultText(error), wrong) };
        changes = possible(taking(changes), error);
      }
    }
    tellOfGoing(path, declared, changes, machine);
    using damaged = root === undefined ? openDamaged(path, state) : undefined;
    const isClosed = root === undefined && state.fault !== undefined;
    const inside = new InJail(root, path, isClosed, damaged);
    // Live directories that are mounted bring files, too.
    const isFilled = fillingOf(changes).length > 0 || changes.some(({ what }) => what === "mounts");
    const wholes = ownersFirst(users, inside, machine.accounts).map((user) => {
      stopPlanning();
      // What it cannot find out is a fault of userState.
      return answered(() => settled(user, machine.accounts.userByName(user.name), inside)) ?? user;
    });
    const foresight = new UserForesight(inside, machine, { ...before, users: wholes, isFilled });
    const works = wholes.map((whole) => {
      stopPlanning();
      const once = onceUser(whole.name);
      const now = userState(whole, inside, machine, once);
      const all = compareUser(whole, now);
      const compared = isClosed ? { ...all, changes: onHost(all.changes) } : all;
      const homeId = root === undefined ? undefined : homeIdOf(root, whole, now.account, once);
      const done = now.homeFault === undefined ? whole : { ...whole, keys: undefined };
      const removed = compared.changes.filter(({ action }) => action === "remove");
      // A key that is not declared any more still lets somebody in.
      if (!prune) tellFormer(removed, { undeclared, noLonger });
      const asked = prune ? compared.changes : withoutRemovals(compared.changes);
      const planned = { declared: done, changes: asked, once };
      const found = foreseen({ ...compared, changes: asked }, planned, foresight);
      return { declared: done, homeId, uid: now.account?.uid, ...found };
    });
    if (fault === undefined) notes.push(...noLoginsIn(root, path, { declared, users: wholes }, machine));
    undeclared.push(...(declared === undefined ? [] : othersText(path, users, machine, before.leave)));
    const work = { path, declared, directoryId, changes, fault, taken, users: works };
    return fault === undefined ? work : withJailFault(work, fault, isClosed);
  });
}
