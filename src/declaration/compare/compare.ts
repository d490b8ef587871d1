import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { answered, isReported, problemFrom } from "../../cli/error.ts";
import { withOneTree } from "../../jail/fs/look.ts";
import { insideJail, jailAround } from "../../jail/record/around.ts";
import { liveOf } from "../../populate/apply/live.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import { type Change, changeText, type Fault, listed } from "../change.ts";
import type { Declaration, DeclaredJail, DeclaredUser } from "../model.ts";
import type { Once, OnceJail, OnceUser } from "../once.ts";
import { fillingOf, requireExtras, requireFillable } from "./fillable.ts";
import { UserForesight } from "./foresee-user.ts";
import { type Former, formerOf, type Gone, type LeftIn, movedUsers } from "./former.ts";
import { compareJail } from "./jail.ts";
import { withJailState } from "./look.ts";
import { InJail, userState } from "./look-user.ts";
import { Machine } from "./machine.ts";
import { OpenJails } from "./open-jails.ts";
import { reservedUids } from "./returning.ts";
import { settled } from "./settle.ts";
import { compareUser, type UserComparison } from "./user.ts";

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
  /** What is there and not declared, printable. */
  readonly undeclared: readonly string[];
  /** Declared jails at places where they should not be, though they can be. */
  readonly warnings: readonly Pick<Fault, "of" | "name" | "message">[];
  /** The path that an operand of jk_cp means, as it is recorded. */
  readonly pathOf: (operand: ByteString) => ByteString;
}

interface Asked {
  readonly prune: boolean;
  readonly deleteHomes: boolean;
  /** The declaration is that of the usual files. */
  readonly usual: boolean;
  /** What the usual files declare, if the declaration is another one: it is not removed. */
  readonly others: Declaration | undefined;
}

/** Compares this machine with a declaration, and changes nothing. Throws JailkitError if the configuration of the machine cannot be read. */
export function compare(declaration: Declaration, before: Once, asked: Asked): Comparison {
  return withOneTree(() => {
    const { prune, others } = asked;
    const machine = new Machine();
    const undeclared: string[] = [];
    const declared = new Map(declaration.jails.map((jail) => [jail.path, jail]));
    const users = Map.groupBy(declaration.users, ({ jail }) => jail);
    const onceJails = new Map(before.jails.map((jail) => [jail.path, jail]));
    const onceUsers = new Map(before.users.map((user) => [user.name, user]));
    const paths = new Set([...declared.keys(), ...users.keys()]);
    const reserved = reservedUids(declaration.users, before);
    using opened = new OpenJails(machine);
    const moved = movedUsers(declaration.users, before, machine, opened);
    const all = [declaration, ...(others === undefined ? [] : [others])];
    const gone = formerOf(all, before, machine, opened, { ...asked, files: declaration.files });
    // Users first: a jail with users is not deleted.
    const former = [...moved.former, ...(prune ? gone.former : [])];
    const leave = new Set(former.flatMap(({ of, change }) => (of === "user" ? change.name : [])));
    const cleared = new Set(former.map(({ change }) => change.jail));
    const jails = [...paths].map((path) => {
      const here = { declared: declared.get(path), users: users.get(path) ?? [] };
      return compareOne(path, here, machine, {
        ...{ prune, undeclared, once: onceJails.get(path), onceUser: (name) => onceUsers.get(name) },
        ...{ isCleared: cleared.has(path), leave, reserved },
      });
    });
    if (!prune)
      for (const { change } of gone.former) undeclared.push(`${changeText(change)} (${change.why})`);
    const pathOf = (operand: ByteString) => machine.pathOf(operand) ?? operand;
    const isJail = (path: ByteString) => declared.has(path) || machine.byJail.has(path);
    const warnings = declaration.jails.flatMap(({ path: name }) => {
      const outer = jailAround(name, isJail);
      return outer === undefined ? [] : [{ of: "jail", name, message: insideJail(outer) } as const];
    });
    return {
      jails,
      former,
      formerFaults: gone.faults,
      settledLeft: [...moved.settled, ...gone.settled],
      // Without --prune it may have moved to a file that is not compared.
      forgotten: asked.usual || prune ? gone.forgotten : [],
      ...{ undeclared, warnings, pathOf },
    };
  });
}

/** With a fault in place of changes that could not be made. */
function foreseen(
  compared: UserComparison,
  { name, jail }: DeclaredUser,
  require: () => void,
): UserComparison {
  if (compared.changes.length === 0 && compared.fault !== undefined) return compared;
  try {
    require();
    return compared;
  } catch (error) {
    return { ...compared, changes: [], fault: faultFrom(error, { of: "user", name, jail }) };
  }
}

/** The fault that an error is; throws it again if it is none to report. */
export function faultFrom(error: unknown, about: Pick<Fault, "of" | "name" | "jail">): Fault {
  if (!isReported(error)) throw error;
  const { code, message } = problemFrom(error, "failed", about.name);
  return { ...about, code, message };
}

interface Before {
  readonly prune: boolean;
  /** Gets what is not declared. */
  readonly undeclared: string[];
  readonly once: OnceJail | undefined;
  readonly onceUser: (name: ByteString) => OnceUser | undefined;
  /** Something is removed from the jail before. */
  readonly isCleared: boolean;
  /** Users who are to be removed. */
  readonly leave: ReadonlySet<ByteString>;
  /** The uids of declared users. */
  readonly reserved: ReadonlySet<number>;
}

function compareOne(
  path: ByteString,
  { declared, users }: { declared: DeclaredJail | undefined; users: readonly DeclaredUser[] },
  machine: Machine,
  { prune, undeclared, once, onceUser, isCleared, leave, reserved }: Before,
): JailWork {
  return withJailState(path, machine, (state, root) => {
    const about = { of: "jail", name: path, jail: path } as const;
    let changes: readonly Change[] = [];
    let taken: readonly ByteString[] = [];
    let fault: Fault | undefined = state.fault && { ...about, ...state.fault };
    if (fault === undefined && declared === undefined && !state.exists)
      fault = {
        ...about,
        code: "no-such-jail",
        message: `it does not exist, and no section [jail ${display(path)}] declares it`,
      };
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
        if (fault === undefined) {
          requireFillable(declared, changes, machine);
          requireExtras(declared, changes);
        }
      } catch (error) {
        fault = faultFrom(error, about);
        changes = [];
      }
    }
    const inside = new InJail(root, path);
    // Live directories that are mounted bring files, too.
    const isFilled = fillingOf(changes).length > 0 || changes.some(({ what }) => what === "mounts");
    const foresight = new UserForesight(inside, machine, { users, isFilled, reserved });
    const works = users.map((user) => {
      const { name } = user;
      // What it cannot find out is a fault of userState.
      const whole = answered(() => settled(user, machine.accounts.userByName(name), inside)) ?? user;
      const now = userState(whole, inside, machine, onceUser(name));
      const compared = compareUser(whole, now);
      const done = now.keysFault === undefined ? whole : { ...whole, keys: undefined };
      if (!prune)
        // A key that is not declared any more still lets somebody in.
        for (const change of compared.changes)
          if (change.action === "remove") undeclared.push(`${changeText(change)} (${change.why})`);
      const asked = prune ? compared.changes : compared.changes.filter(({ action }) => action !== "remove");
      const planned = { declared: done, changes: asked, once: onceUser(name) };
      // What is removed first may be what is in the way.
      const require = () => (isCleared ? undefined : foresight.require(planned));
      return { declared: done, ...foreseen({ ...compared, changes: asked }, whole, require) };
    });
    if (declared !== undefined) {
      const names = new Set(users.map(({ name }) => name));
      const others = (machine.byJail.get(path) ?? []).filter(
        ({ name }) => !(names.has(name) || leave.has(name)),
      );
      if (others.length > 0)
        undeclared.push(`jail ${display(path)}: users ${listed(others.map(({ name }) => name))}`);
    }
    return { path, declared, changes, fault, taken, users: works };
  });
}
