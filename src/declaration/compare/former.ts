import type { ByteString } from "../../../ffi/bytes.ts";
import { display } from "../../cli/display.ts";
import { answered, isReported } from "../../cli/error.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { jailOfHome } from "../../system/separator.ts";
import { type Change, causesFirst, type Fault, NO_LONGER } from "../change.ts";
import type { Declaration, DeclaredUser } from "../model.ts";
import { isInScope, leftJails, stillIn, union } from "../once.ts";
import { type LeftJail, type Once, type OnceJail, type OnceUser, uidOf } from "../once-shape.ts";
import { type FormerJail, formerJails, type Gone, type Note } from "./former-jails.ts";
import { stillHas } from "./former-members.ts";
import {
  type ClosedUser,
  type DoubtfulUser,
  type FormerUser,
  formerUser,
  type GivenUser,
} from "./former-user.ts";
import { withoutDoubtful } from "./hidden.ts";
import { innerFirst, type Leave, Leavers } from "./leaving.ts";
import { type Leftovers, leftoversOf, type Places } from "./leftovers.ts";
import { lostBy } from "./lost-by.ts";
import type { Machine } from "./machine.ts";
import type { OpenJails } from "./open-jails.ts";
import { strayHomeOf } from "./stray.ts";
import type { TakenOut } from "./taken-out.ts";
import { doubtFault, otherAccount, whichAccount } from "./which-account.ts";

/** A jail that a user was declared in before. */
export interface LeftIn {
  readonly name: ByteString;
  readonly jail: ByteString;
}

/** Something that was declared once, is not declared any more, and is there. */
export type Former =
  | FormerJail
  | FormerUser
  | DoubtfulUser
  | ClosedUser
  | { readonly of: "left"; readonly once: OnceUser; readonly left: Leftovers; readonly change: Change }
  | GivenUser;

const jailsOf = (users: readonly DeclaredUser[]) => new Map(users.map(({ name, jail }) => [name, jail]));

const knownOf = ({ users }: Once) => new Map(users.map((user) => [user.name, user]));

const inhabitantsOf = (declarations: readonly Declaration[]) =>
  Map.groupBy(
    declarations.flatMap((one) => one.users),
    ({ jail }) => jail,
  );

interface Scope {
  readonly files: readonly ByteString[];
  readonly usual: boolean;
  readonly prune: boolean;
  readonly deleteHomes: boolean;
}

interface Formers {
  readonly former: Former[];
  readonly faults: Fault[];
  /** Why jails stay, where that is no error, and without `prune` why users would. */
  readonly notes: Note[];
  readonly settled: LeftIn[];
  readonly forgotten: Gone[];
  readonly out: TakenOut[];
}

/** The users whom files of the scope declared last, and no declaration has any more. */
export function leavingOf(
  declarations: readonly Declaration[],
  before: Once,
  { files, usual }: Pick<Scope, "files" | "usual">,
): OnceUser[] {
  const users = new Set(declarations.flatMap((one) => one.users.map(({ name }) => name)));
  return before.users.filter(({ name, file }) => !users.has(name) && isInScope(file, files, usual));
}

/** The same of jails. */
export function leavingJails(
  declarations: readonly Declaration[],
  before: Once,
  { files, usual }: Pick<Scope, "files" | "usual">,
): OnceJail[] {
  const jails = new Set(declarations.flatMap((one) => one.jails.map(({ path }) => path)));
  return before.jails.filter(({ path, file }) => !jails.has(path) && isInScope(file, files, usual));
}

/**
 * What was declared once by the files of the scope, is not in any declaration, and is there, or is to be forgotten; and why
 * jails and users of these stay, as far as that is known without `prune`.
 */
export function formerOf(
  declarations: readonly Declaration[],
  before: Once,
  machine: Machine,
  opened: OpenJails,
  { files, usual, prune, deleteHomes }: Scope,
): Formers {
  const jails = new Set(declarations.flatMap((one) => one.jails.map(({ path }) => path)));
  const inhabitants = inhabitantsOf(declarations);
  const known = knownOf(before);
  const places = { machine, jails: opened, declared: jailsOf(declarations[0]?.users ?? []), known };
  const settled: LeftIn[] = [];
  const forgotten: Gone[] = [];
  const out: TakenOut[] = [];
  const notes: Note[] = [];
  const leavers = new Leavers(machine, opened, { prune, deleteHomes, jails, before }, inhabitants);
  const all = leavingOf(declarations, before, { files, usual });
  const { faults, known: leaving } = withoutDoubtful(all, machine);
  const former = innerFirst(leaving, machine).flatMap((declared): Former[] => {
    const once = whereItIs(declared, machine);
    const isIn = isStillIn(once, machine, opened);
    const before = isIn ? once.left : leftJails("", once);
    const found = before.map((one) => formerLeft(once, one, places, NO_LONGER));
    const nothing = before.filter((_, index) => found[index] === "nothing");
    // With the jail of now, rights would be forgotten that it has in the other one.
    const isOld = ({ jail }: LeftJail) => !isIn || jail !== declared.jail;
    settled.push(...nothing.filter(isOld).map(({ jail }) => ({ name: once.name, jail })));
    const left = found.filter((one) => one !== undefined && one !== "nothing");
    if (!isIn) {
      const has = stillHas(once, machine, opened, nothing.length === before.length);
      if (has.outside !== undefined) out.push(has.outside);
      notes.push(...has.note);
      if (has.isForgotten) forgotten.push({ of: "user", name: once.name });
      return [...left, ...has.given];
    }
    const { name, jail } = once;
    const { isOther, doubt } = identify(once, machine, opened);
    if (isOther) {
      notes.push(otherAccount(once));
      if (left.length === 0) forgotten.push({ of: "user", name, isOther: true });
      return left;
    }
    const leave: Leave = doubt === undefined ? leavers.add(once) : { fault: doubt, ends: true };
    if (leave.fault !== undefined) {
      faults.push({ of: "user", name, jail, ...leave.fault });
      return [...left, ...lostBy(once, leave, machine, opened)];
    }
    return [...left, formerUser(once, leave.fate, prune, () => machine.accounts.userByName(name))];
  });
  const { moved, others: candidates } = machine.movedJails.among(
    leavingJails(declarations, before, { files, usual }).filter(({ path }) => !machine.hasMovedTo(path)),
  );
  const staying = former.flatMap((one) => (one.of === "user" ? (one.stays ?? []) : []));
  const frees = new Set(former.flatMap((one) => (one.of === "user" ? (one.frees ?? []) : [])));
  const gone = formerJails(candidates, {
    ...{ prune, deleteHomes, leaving: leavers.leaving, inhabitants, staying },
    kept: [...before.kept, ...(prune ? staying : [])],
    ...{ declared: [...jails], waiting: leavers.waiting },
    namesIn: (jail) => (machine.byJail.get(jail) ?? []).map(({ name }) => name),
    // While a name service is silent, somebody may have it.
    hasAccount: (uid) =>
      !(prune && frees.has(uid)) && answered(() => machine.accounts.userByUid(uid) === undefined) !== true,
    // A directory may have the account that had it.
    isLeft: ({ name, uid }) =>
      frees.has(uid) || answered(() => machine.accounts.userByUid(uid)?.name !== name) === true,
    filesOf: (once) => (usual ? [] : filesOf(once, former)),
  });
  return {
    former: [...former, ...gone.former],
    faults: prune ? causesFirst([...moved, ...gone.faults], [...faults, ...faultsOf(out)]) : [],
    forgotten: [...forgotten, ...gone.forgotten],
    ...{ settled, out, notes: [...notes, ...gone.notes, ...(prune ? [] : asNotes([...faults, ...moved]))] },
  };
}

/** The files that declared a jail, and users of it. */
const filesOf = ({ path, file }: OnceJail, former: readonly Former[]) =>
  union(
    [file],
    former.flatMap(({ of, once }) => (of === "user" && once.jail === path ? once.file : [])),
  );

const faultsOf = (out: readonly TakenOut[]): Fault[] => out.flatMap(({ fault }) => fault ?? []);

/** Why jails and users would stay, with why the jail of a user cannot be used. */
const asNotes = (faults: readonly Fault[]): Note[] =>
  faults.map(({ of, name, message, cause }) => ({
    ...{ of, name },
    message: cause === undefined ? message : `${message}: ${cause.message}`,
  }));

/** What declared users have left in jails that they were declared in before, and the jails where that is nothing. */
export function movedUsers(users: readonly DeclaredUser[], before: Once, machine: Machine, jails: OpenJails) {
  const known = knownOf(before);
  const places = { machine, jails, declared: jailsOf(users), known };
  const former: Former[] = [];
  const settled: LeftIn[] = [];
  for (const { name, jail } of users) {
    const once = known.get(name);
    for (const one of once === undefined ? [] : leftJails(jail, once)) {
      // While the jail may be a declared one that is not there, all lines in it stay.
      if (once === undefined || machine.isMovedTo(jail, one.jail)) continue;
      if (machine.movedJails.faultOf(one.jail) !== undefined) continue;
      const found = formerLeft(once, one, places, "it has another jail now");
      if (found === undefined) continue;
      if (found === "nothing") settled.push({ name, jail: one.jail });
      else former.push(found);
    }
  }
  return { former, settled };
}

/** Whether the line of a user tells that the home of a declared account, which may have another name now, is, or may be, in that jail. */
function isStrayIn(jail: ByteString, once: OnceUser, { machine, jails, known }: Places): boolean {
  const uid = uidOf(once);
  const { userByName, userByUid } = machine.accounts;
  const asked = [() => userByName(once.name), () => (uid === undefined ? undefined : userByUid(uid))];
  return asked.some((ask) => {
    const account = answered(ask);
    if (account === undefined || !machine.isDeclared(account.name)) return false;
    // An older passwd(5) may have it by the name of before, which is that of another line by now.
    const line = answered(() => jails.get(jail).inside.accounts?.userByName(account.name));
    if (account.name !== once.name && line !== undefined && line.uid !== account.uid) return true;
    return strayHomeOf(account, known.get(account.name))?.other.jail === jail;
  });
}

/**
 * What a user has left in a jail of before. Undefined while the account is there, or if that is not known: it may come from
 * a name service, or the jail be on a file system that is not mounted.
 */
function formerLeft(
  once: OnceUser,
  left: LeftJail,
  places: Places,
  why: string,
): Former | "nothing" | undefined {
  const { name } = once;
  const found = answered(() => leftoversOf(once, left, places, why === NO_LONGER));
  if (found === undefined) return undefined;
  const { jail, lines, policy, settings } = found;
  const line = lines.length > 0;
  if (!(line || policy || settings)) return "nothing";
  if (isStrayIn(jail, once, places)) return undefined;
  const from = line || policy ? `in ${display(jail)}` : undefined;
  const what = line ? ("entry" as const) : ("policy" as const);
  return {
    ...{ of: "left", once, left: found },
    change: { action: "remove", of: "user", name, jail, what, from, why, items: [] },
  };
}

/** As one of the jail that the account is in, if it was declared there before, and has not moved since. */
function whereItIs(once: OnceUser, machine: Machine): OnceUser {
  const jail = jailOfHome(answered(() => machine.accounts.userByName(once.name)?.home) ?? "");
  return jail === undefined ? once : stillIn(jail, once);
}

/** Whether the account of one who is in a jail is another one, or why that is not certain. A jail that is closed says so first. */
function identify(once: OnceUser, { accounts }: Machine, jails: OpenJails) {
  const account = answered(() => accounts.userByName(once.name));
  const which = account === undefined ? "declared" : whichAccount(once, account);
  const isDoubtful = which === "doubtful" && jails.get(once.jail).root !== undefined;
  return {
    isOther: which === "other",
    doubt: account === undefined || !isDoubtful ? undefined : doubtFault(once, account),
  };
}

/** True if the account that was declared is in that jail; for one of a directory, its line. */
function isStillIn({ name, jail, directory, out }: OnceUser, machine: Machine, jails: OpenJails): boolean {
  if (out) return false;
  let account: PasswdEntry | undefined;
  try {
    account = machine.accounts.userByName(name);
  } catch (error) {
    if (!isReported(error)) throw error;
    // Its removal says which name service is silent.
    return true;
  }
  const there = account && jailOfHome(account.home);
  if (there !== undefined) return there === jail;
  const line = directory ? jails.get(jail).inside.accounts?.userByName(name) : undefined;
  return line !== undefined && (account === undefined || line.uid === account.uid);
}
