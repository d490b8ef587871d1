import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { answered, describeError, isReported, JailkitError } from "../cli/error.ts";
import { lockDeclarations } from "../jail/record/jail-lock.ts";
import { hostUser } from "../system/name-services.ts";
import { jailOfHome, joinHome, livesIn, splitHome } from "../system/separator.ts";
import type { AccountRun } from "../users/account-run.ts";
import { homeIdAnywhere, homeIdInJail, idOf, jailIdAt, MAY_BE_OTHER, samenessOf } from "./ids.ts";
import { createdHomeOf, createdIn, jailForgotten, wholeJail } from "./kept-homes.ts";
import {
  keptKey,
  keptOfFormer,
  placeOf,
  sortedByDirectory,
  withDirectory,
  withKept,
  withoutKept,
} from "./kept-where.ts";
import { createdOf, ONCE_FILE, readOnce, union, writeOnce } from "./once.ts";
import type { KeptHome, LeftJail, Once, OnceJail, OnceUser } from "./once-shape.ts";
import { uidOf } from "./once-shape.ts";
import { placeText } from "./place-of-fault.ts";
import { declaredHere } from "./read.ts";

/** What was declared once, with the new path of a jail that was moved. Pure. */
export function withMovedJail(once: Once, from: ByteString, to: ByteString): Once {
  const now = (path: ByteString) => (path === from ? to : path);
  const homeIn = (home: ByteString) => {
    const split = splitHome(home);
    return split !== undefined && livesIn(from, home) ? joinHome(to, split.home) : home;
  };
  const jails = new Map<ByteString, OnceJail>();
  for (const jail of once.jails) {
    const path = now(jail.path);
    const other = jails.get(path);
    // It may have been declared at its new place before this.
    const moved = jail.path === from ? movedJail(jail, to) : jail;
    jails.set(path, other === undefined ? moved : both(other, moved));
  }
  const users = once.users.map((user) => {
    const jail = now(user.jail);
    const left = new Map<ByteString, LeftJail>();
    for (const { jail, policy } of user.left) {
      const place = now(jail);
      left.set(place, { jail: place, policy: policy || left.get(place)?.policy === true });
    }
    // It may have been declared at the new place before this.
    const here = left.get(jail);
    left.delete(jail);
    const createdHome = user.createdHome && homeIn(user.createdHome);
    return { ...withLeft(user, here), jail, createdHome, left: [...left.values()] };
  });
  const kept = once.kept.map((one) => ({ ...one, home: homeIn(one.home) }));
  const creating = once.creating.map((one) => ({
    ...one,
    createdHome: one.createdHome && homeIn(one.createdHome),
  }));
  return { jails: [...jails.values()], users, kept, creating };
}

/** A user with what was declared in the same jail before. */
const withLeft = (user: OnceUser, before: LeftJail | undefined): OnceUser =>
  before?.policy === true ? { ...user, [user.limited ? "policy" : "otherPolicy"]: true } : user;

/** One that is back where it was has not been there before. */
const movedJail = (jail: OnceJail, to: ByteString): OnceJail => ({
  ...jail,
  path: to,
  formerly: union(jail.formerly, [jail.path]).filter((path) => path !== to),
});

const both = (one: OnceJail, other: OnceJail): OnceJail => ({
  ...other,
  sections: union(one.sections, other.sections),
  files: union(one.files, other.files),
  live: union(one.live, other.live),
  formerly: union(one.formerly, other.formerly ?? []),
  logSocket: one.logSocket || other.logSocket,
  proc: one.proc || other.proc,
});

/**
 * The file that has what was declared once, and how to give it the new path of a jail that was moved; undefined if it does
 * not name that jail. Throws JailkitError if it cannot be read.
 */
export function planDeclaredMove(from: ByteString, to: ByteString) {
  const before = readOnce();
  const names = ({ jail }: { jail: ByteString }) => jail === from;
  const isIn = (home: ByteString | undefined) => livesIn(from, home ?? "");
  const isNamed =
    before.jails.some(({ path }) => path === from) ||
    before.users.some((user) => names(user) || user.left.some(names) || isIn(user.createdHome)) ||
    before.kept.some(({ home }) => isIn(home));
  if (!isNamed) return undefined;
  return {
    path: ONCE_FILE,
    follow: () => writeOnce(before, withNewIds(withMovedJail(before, from, to), to)),
  };
}

/** Throws JailkitError "not-moved" if both paths are declared: one section for both would be there twice, and no run would take the file. */
export function requireOneSection(from: ByteString, to: ByteString): void {
  const jails = declaredHere()?.jails;
  const [old, now] = [jails?.get(from), jails?.get(to)];
  if (old === undefined || now === undefined) return;
  const at = ({ path, place }: typeof old) => `[jail ${display(path)}] (${placeText(place)})`;
  const message = `both paths are declared, ${at(old)} and ${at(now)}: take one of the two sections out first`;
  throw new JailkitError("not-moved", 1, message);
}

/** With what identifies a jail and the homes in it, if all of it was copied to another file system. */
function withNewIds(once: Once, jail: ByteString): Once {
  const directoryId = jailIdAt(jail);
  const isCopy = ({ path, directoryId: before }: OnceJail) =>
    path === jail && samenessOf(before, directoryId) === "other";
  if (!once.jails.some(isCopy)) return once;
  const kept = once.kept.map((one) =>
    placeOf(one).jail === jail ? withDirectory({ ...one, directoryId: undefined }) : one,
  );
  const users = once.users.map((user) => {
    const account = user.jail === jail ? answered(() => hostUser(user.name)) : undefined;
    return account === undefined ? user : { ...user, homeId: homeIdInJail(jail, account) ?? user.homeId };
  });
  const jails = once.jails.map((one) => (isCopy(one) ? { ...one, directoryId } : one));
  return { ...once, users, jails, kept };
}

type Run = Pick<AccountRun, "name" | "status" | "home" | "moved">;

/** A user with the new place of a home, if it is the one that apply created for it, or the one that is remembered of it. */
function withMove(user: OnceUser, move: Run["moved"]): OnceUser {
  const uid = uidOf(user);
  if (move === undefined || uid === undefined) return user;
  const { createdHome, homeId } = user;
  const isCreated = move.from === createdHome;
  if (!isCreated && (homeId === undefined || idOf(move.was) !== homeId)) return user;
  // Where it was copied to, it is another directory.
  const now = homeIdAnywhere({ home: move.to, uid }) ?? homeId;
  return { ...user, createdHome: isCreated ? move.to : createdHome, homeId: now };
}

/**
 * What was declared once, with the new places of homes, and the jails that its accounts are in since. The
 * same object if it knew all of it.
 */
export function withFollowed(once: Once, runs: readonly Run[]): Once {
  const byName = new Map(runs.map((run) => [run.name, run]));
  // Somebody may have given the account another name.
  const byHome = new Map(
    runs.flatMap(({ moved }) => (moved === undefined ? [] : [[idOf(moved.was), moved]])),
  );
  const users = once.users.map((user) =>
    withMove(user, (user.homeId && byHome.get(user.homeId)) || byName.get(user.name)?.moved),
  );
  const creating = once.creating.map((one) => {
    const move = byName.get(one.name)?.moved;
    return move !== undefined && move.from === one.createdHome ? { ...one, createdHome: move.to } : one;
  });
  const jails = users.flatMap((user) => {
    const run = byName.get(user.name);
    return run?.status === "done" ? (createdIn(user, run.home) ?? []) : [];
  });
  const kept = new Set(once.kept.map(keptKey));
  const more = jails.filter((jail) => !kept.has(keptKey(jail)));
  const isSame = more.length === 0 && users.every((user, index) => user === once.users[index]);
  return isSame ? once : { ...once, users, creating, kept: [...once.kept, ...more] };
}

/**
 * Remembers where homes are that apply created, and a tool moved with their accounts, which otherwise are not its own any
 * more, and in which jails the accounts are. Returns a warning if that is not possible, for example while apply is running.
 */
export function followAccounts(runs: readonly Run[], tool: string): string[] {
  if (!runs.some(({ status, moved }) => status === "done" || moved !== undefined)) return [];
  const isToldBy = (error: Error) => {
    const moved = runs.filter((run) => run.moved !== undefined);
    const which = (moved.length > 0 ? moved : runs).map(({ name }) => quoted(name)).join(", ");
    const what =
      moved.length > 0
        ? `jailkit apply does not know where the homes of accounts are now (${which}), and leaves them there with --delete-homes`
        : `jailkit apply does not know which jails accounts are in now (${which}), and may give their uids to others when they are removed`;
    return `${what}: ${describeError(error)}`;
  };
  return change((once) => withFollowed(once, runs), tool, isToldBy);
}

/** Changes what was declared once. Returns the warning that `told` makes of an error, such as "busy" while apply is running. */
function change(now: (once: Once) => Once, tool: string, told: (error: Error) => string): string[] {
  try {
    const read = readOnce();
    if (now(read) === read) return [];
    // It may wait for the jails that this run has locked.
    using _lock = lockDeclarations({ tool, noWait: true, json: true });
    const before = readOnce();
    writeOnce(before, now(before));
    return [];
  } catch (error) {
    if (!isReported(error)) throw error;
    return [told(error)];
  }
}

/**
 * Says that a tool has created accounts, which apply has not created, though one of such a name may have been declared once.
 * Returns warnings, as followAccounts.
 */
export function tellCreated(names: readonly ByteString[], tool: string): string[] {
  const now = (once: Once): Once => {
    const isNew = ({ name, directory }: OnceUser) => !directory && names.includes(name);
    if (!once.users.some(isNew)) return once;
    const homes = once.users.flatMap((user) => (isNew(user) ? (createdHomeOf(user) ?? []) : []));
    const users = once.users.map((user) =>
      isNew(user) ? { ...user, ...createdOf(undefined), homeId: MAY_BE_OTHER } : user,
    );
    const jails = once.users.flatMap((user, index) => jailForgotten(user, users[index]));
    const more = [...homes.map((home) => ({ ...home, created: undefined })), ...jails];
    return { ...once, users, kept: [...once.kept, ...more.map(withDirectory)] };
  };
  return change(now, tool, (error) => {
    const which = names.map(quoted).join(", ");
    return `jailkit apply may take accounts for those of before that it created (${which}), and remove them: ${describeError(error)}`;
  });
}

/** Instead of what identifies a directory that is not there yet. */
const NONE_YET = "none";

const allOf = (once: Once): readonly KeptHome[] => [...once.kept, ...once.users.flatMap(wholeJail)];

/** Uids of accounts that were in a jail stay reserved by the files in it, wherever it is: nothing tells that when it is forgotten. */
function keptAt(once: Once, from: ByteString, to: ByteString): readonly KeptHome[] {
  const moved = allOf(once).flatMap((one) => {
    const split = splitHome(one.home);
    if (split === undefined || jailOfHome(one.home) !== from) return [];
    return [{ ...one, home: joinHome(to, split.home) }];
  });
  const known = new Set(once.kept.map(keptKey));
  const more = new Map(moved.map((one) => [keptKey(one), one]));
  return [...once.kept, ...[...more.values()].filter((one) => !known.has(keptKey(one)))];
}

/** What is kept of a jail, by readOnce: what goes with it, and what was in another directory at its path. */
export const keptByDirectory = (jail: ByteString) =>
  sortedByDirectory(jail, answered(() => readOnce().kept) ?? []);

interface Forgotten {
  /** Where it is now, if it was moved. */
  readonly to?: ByteString | undefined;
  /** What is not kept any more. */
  readonly gone?: readonly KeptHome[];
  /** Another one is about to be made there: the former may come back, such as one that is not mounted, with files of its users. */
  readonly isRemade?: boolean;
}

/** Says that a jail was deleted, or is to be known no more: what is at its path then is another one. Returns warnings. */
export function tellForgotten(
  jail: ByteString,
  tool: string,
  { to, gone = [], isRemade = false }: Forgotten = {},
): string[] {
  const now = (once: Once): Once => {
    const jails = once.jails.filter(({ path }) => path !== jail);
    const before = isRemade ? once.jails.find(({ path }) => path === jail) : undefined;
    const former =
      before === undefined
        ? []
        : keptOfFormer(before, { ...before, directoryId: jailIdAt(jail) ?? NONE_YET }, () => allOf(once));
    const all = to === undefined ? former.reduce(withKept, once.kept) : keptAt(once, jail, to);
    const kept = withoutKept(all, gone);
    const isSame = jails.length === once.jails.length && kept.length === once.kept.length;
    return isSame ? once : { ...once, jails, kept };
  };
  return change(now, tool, (error) => {
    const what = `jailkit apply may take another jail at ${display(jail)} for this one`;
    return `${what}, and remove it: ${describeError(error)}`;
  });
}
