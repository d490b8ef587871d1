import type { ByteString } from "../../../ffi/bytes.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { splitHome } from "../../jail/accounts/separator.ts";
import { withOneTree } from "../../jail/fs/look.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import { insideJail, jailAround } from "../../jail/record/around.ts";
import { liveOf } from "../../populate/apply/live.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import { contradictions, declaredElsewhere, onceBeside } from "../beside.ts";
import { type Change, changeText, type Fault, faultText, listed } from "../change.ts";
import { KeptHomes } from "../kept-homes.ts";
import type { Declaration, DeclaredJail, DeclaredUser } from "../model.ts";
import type { KeptHome, Once, OnceJail, OnceUser } from "../once-shape.ts";
import {
  fillingOf,
  requireExtras,
  requireFillable,
  requireLivePlace,
  requireMountPlaces,
} from "./fillable.ts";
import { type Planned, UserForesight } from "./foresee-user.ts";
import { type Former, formerOf, type LeftIn, movedUsers } from "./former.ts";
import type { Gone } from "./former-jails.ts";
import { compareJail, formerIn } from "./jail.ts";
import type { JailState } from "./jail-state.ts";
import { movedFault, withJailState } from "./look.ts";
import { InJail, userState } from "./look-user.ts";
import { once as firstOf, Machine, othersIn } from "./machine.ts";
import { OpenJails } from "./open-jails.ts";
import { reservedUids, uidInstead } from "./returning.ts";
import { settled } from "./settle.ts";
import { compareUser, hasMoved, type UserComparison } from "./user.ts";

/** What is to be done for a declared user. */
export interface UserWork extends UserComparison {
  readonly declared: DeclaredUser;
}

/** What is to be done in a jail, and for the declared users of it. */
export interface JailWork {
  readonly path: ByteString;
  /** Undefined for a jail that only users name. */
  readonly declared: DeclaredJail | undefined;
  readonly changes: readonly Change[];
  readonly fault: Fault | undefined;
  /** As in JailComparison. */
  readonly taken: readonly ByteString[];
  readonly users: readonly UserWork[];
}

/** All changes of a jail and its users. */
export const changesOf = ({ changes, users }: JailWork): Change[] => [
  ...changes,
  ...users.flatMap((user) => user.changes),
];

/** How the machine differs from a declaration. */
export interface Comparison {
  readonly jails: readonly JailWork[];
  /** To be removed; without --prune only what declared users have left in other jails. */
  readonly former: readonly Former[];
  /** Why jails and users that are not declared any more stay; empty without --prune. */
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
  /** Declared jails at places where they should not be, though they can be, and accounts that stay. */
  readonly warnings: readonly Pick<Fault, "of" | "name" | "message">[];
  /** The path that an operand of jk_cp means, as it is recorded. */
  readonly pathOf: (operand: ByteString) => ByteString;
}

interface Asked {
  readonly prune: boolean;
  readonly deleteHomes: boolean;
  /** The declaration is that of the usual files. */
  readonly usual: boolean;
  /** What the usual files declare, if the declaration is another one and they can be read: it is not removed. */
  readonly others: Declaration | undefined;
}

/** How far a plan has come. */
export const UNCHANGED = "nothing was changed; run this again";

/** Throws JailkitError "interrupted" if a signal was held back. */
export const stopPlanning = (): void => stopIfInterrupted(UNCHANGED);

/** Compares this machine with a declaration, and changes nothing. Throws JailkitError if the configuration of the machine cannot be read. */
export function compare(declaration: Declaration, before: Once, asked: Asked): Comparison {
  return withOneTree(() => {
    const { prune, others } = asked;
    const machine = new Machine(new KeptHomes(before));
    const undeclared: string[] = [];
    const noLonger: Change[] = [];
    const declared = new Map(declaration.jails.map((jail) => [jail.path, jail]));
    const users = Map.groupBy(declaration.users, ({ jail }) => jail);
    const pathOf = (operand: ByteString) => machine.pathOf(operand) ?? operand;
    const once = onceBeside(before, others, pathOf);
    const paths = new Set([...declared.keys(), ...users.keys()]);
    const reserved = reservedUids(declaration.users, before);
    using opened = new OpenJails(machine);
    const moved = movedUsers(declaration.users, before, machine, opened);
    const all = [declaration, ...(others === undefined ? [] : [others])];
    const gone = formerOf(all, before, machine, opened, { ...asked, files: declaration.files });
    // Users first: a jail with users is not deleted.
    const former = [...moved.former, ...(prune ? gone.former : [])];
    for (const one of former)
      if (one.of === "user" && one.frees !== undefined) machine.frees(one.frees, one.once.name, one.stays);
    const leave = new Set(former.flatMap(({ of, change }) => (of === "user" ? change.name : [])));
    const cleared = new Set(former.map(({ change }) => change.jail));
    // All are planned before one is created.
    const instead = firstOf(() => uidInstead(machine.laterByUid, reserved, machine.kept));
    const jails = [...paths].map((path) => {
      stopPlanning();
      const here = { declared: declared.get(path), users: users.get(path) ?? [] };
      return compareOne(path, here, machine, {
        ...{ prune, undeclared, noLonger },
        ...{ once: once.jails.get(path), onceUser: (name: ByteString) => once.users.get(name) },
        ...{ isCleared: cleared.has(path), leave, uidInstead: instead },
      });
    });
    if (!prune)
      tellFormer(
        gone.former.map(({ change }) => change),
        { undeclared, noLonger },
      );
    const isJail = (path: ByteString) => declared.has(path) || machine.byJail.has(path);
    // Without --prune it may have moved to a file that is not compared.
    const isWhole = asked.usual || prune;
    const out = isWhole ? gone.out : [];
    const insides = declaration.jails.flatMap(({ path: name }) => {
      const outer = jailAround(name, isJail);
      return outer === undefined ? [] : [{ of: "jail", name, message: insideJail(outer) } as const];
    });
    return {
      jails,
      former,
      formerFaults: gone.faults,
      settledLeft: [...moved.settled, ...gone.settled],
      forgotten: isWhole ? gone.forgotten : [],
      letGo: machine.kept.gone(),
      out: out.map(({ name }) => name),
      warnings: [
        ...insides,
        ...(others === undefined ? [] : contradictions(declaration, others, pathOf)),
        ...(asked.usual ? declaredElsewhere(jails.flatMap(changesOf), before) : []),
        ...out.flatMap(({ note }) => note ?? []),
      ],
      ...{ undeclared, noLonger, pathOf },
    };
  });
}

/** With a fault in place of changes that could not be made. */
function foreseen(compared: UserComparison, planned: Planned, foresight: UserForesight): UserComparison {
  const { name, jail } = planned.declared;
  if (compared.changes.length === 0 && compared.fault !== undefined) return compared;
  try {
    foresight.require(planned);
    return compared;
  } catch (error) {
    return { ...compared, changes: [], fault: { of: "user", name, jail, ...faultText(error) } };
  }
}

/** Where a jail was whose users have not followed it: it may have come from another file system, or have no record here. */
function formerPlace(users: readonly DeclaredUser[], jail: ByteString, machine: Machine) {
  const places = users.flatMap(({ name, directory }) => {
    const home = directory ? undefined : answered(() => machine.accounts.userByName(name)?.home);
    const split = splitHome(home ?? "");
    return split === undefined ? [] : normalPath(split.jail);
  });
  return places.find((place) => place !== jail && hasMoved(place, jail));
}

interface Before {
  readonly prune: boolean;
  /** Gets what is not declared. */
  readonly undeclared: string[];
  /** Gets what --prune would remove. */
  readonly noLonger: Change[];
  readonly once: OnceJail | undefined;
  readonly onceUser: (name: ByteString) => OnceUser | undefined;
  /** Something is removed from the jail before. */
  readonly isCleared: boolean;
  /** Users who are to be removed. */
  readonly leave: ReadonlySet<ByteString>;
  /** As uidInstead. */
  readonly uidInstead: () => number | undefined;
}

/** What was declared once and stays. */
function tellFormer(changes: readonly Change[], to: Pick<Before, "undeclared" | "noLonger">): void {
  to.noLonger.push(...changes);
  to.undeclared.push(...changes.map((change) => `${changeText(change)} (${change.why})`));
}

interface Declared {
  readonly declared: DeclaredJail | undefined;
  readonly users: readonly DeclaredUser[];
}

/** Why nothing can be done in a jail: it cannot be used, has moved, or is neither declared nor there. */
function placeFaultOf(
  path: ByteString,
  { declared, users }: Declared,
  machine: Machine,
  { state, root }: { state: JailState; root: JailRoot | undefined },
): Fault | undefined {
  const about = { of: "jail", name: path, jail: path } as const;
  if (state.fault !== undefined) return { ...about, ...state.fault };
  const from = root && formerPlace(users, path, machine);
  if (from !== undefined) return { ...about, ...movedFault(from, path) };
  if (declared !== undefined || state.exists) return undefined;
  const [first, ...more] = users.map(({ name }) => display(name));
  const who = more.length === 0 ? first : `${first} and ${more.length} more`;
  const message = `it does not exist, and no section [jail ${display(path)}] declares it; users are declared in it (${who})`;
  return { ...about, code: "no-such-jail", message };
}

function compareOne(
  path: ByteString,
  { declared, users }: Declared,
  machine: Machine,
  { prune, undeclared, noLonger, once, onceUser, isCleared, leave, uidInstead }: Before,
): JailWork {
  return withJailState(path, machine, (state, root) => {
    const about = { of: "jail", name: path, jail: path } as const;
    let changes: readonly Change[] = [];
    let taken: readonly ByteString[] = [];
    let fault = placeFaultOf(path, { declared, users }, machine, { state, root });
    if (fault === undefined && declared !== undefined) {
      try {
        const lookUps = {
          pathOf: machine.pathOf,
          needsOf: machine.needsOf,
          liveOf: (live: readonly ByteString[]) => liveOf(live.join(","), fileSystemAt(), path).directories,
        };
        const compared = compareJail(declared, state, lookUps, { once, prune });
        ({ changes, fault, taken } = compared);
        undeclared.push(...compared.undeclared);
        noLonger.push(...formerIn(declared, state, lookUps, { once, prune }));
        if (fault === undefined) {
          requireFillable(declared, changes, machine);
          requireExtras(declared, changes, state.exists ? [] : machine.liveDirectoriesOf(path));
          if (root !== undefined) {
            requireLivePlace(root, changes, lookUps.liveOf);
            requireMountPlaces(root, changes);
          }
        }
      } catch (error) {
        fault = { ...about, ...faultText(error) };
        changes = [];
      }
    }
    const inside = new InJail(root, path);
    // Live directories that are mounted bring files, too.
    const isFilled = fillingOf(changes).length > 0 || changes.some(({ what }) => what === "mounts");
    const foresight = new UserForesight(inside, machine, { users, isFilled, isCleared, leave, uidInstead });
    const works = users.map((user) => {
      stopPlanning();
      const { name } = user;
      // What it cannot find out is a fault of userState.
      const whole = answered(() => settled(user, machine.accounts.userByName(name), inside)) ?? user;
      const now = userState(whole, inside, machine, onceUser(name));
      const compared = compareUser(whole, now);
      const done = now.homeFault === undefined ? whole : { ...whole, keys: undefined };
      const removed = compared.changes.filter(({ action }) => action === "remove");
      // A key that is not declared any more still lets somebody in.
      if (!prune) tellFormer(removed, { undeclared, noLonger });
      const asked = prune ? compared.changes : compared.changes.filter((one) => !removed.includes(one));
      const planned = { declared: done, changes: asked, once: onceUser(name) };
      return { declared: done, ...foreseen({ ...compared, changes: asked }, planned, foresight) };
    });
    if (declared !== undefined) {
      const others = othersIn(path, users, machine, leave);
      if (others.length > 0) undeclared.push(`jail ${display(path)}: users ${listed(others)}`);
    }
    return { path, declared, changes, fault, taken, users: works };
  });
}
