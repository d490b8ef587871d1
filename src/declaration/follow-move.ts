import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { describeError, isReported } from "../cli/error.ts";
import { lockDeclarations } from "../jail/record/jail-lock.ts";
import { joinHome, splitHome } from "../system/separator.ts";
import type { AccountRun } from "../users/account-run.ts";
import { createdIn, keptKey } from "./kept-homes.ts";
import { ONCE_FILE, readOnce, union, writeOnce } from "./once.ts";
import type { Creating, LeftJail, Once, OnceJail, OnceUser } from "./once-shape.ts";

/** What was declared once, with the new path of a jail that was moved. Pure. */
export function withMovedJail(once: Once, from: ByteString, to: ByteString): Once {
  const now = (path: ByteString) => (path === from ? to : path);
  const homeIn = (home: ByteString) => {
    const split = splitHome(home);
    return split?.jail === from ? joinHome(to, split.home) : home;
  };
  const jails = new Map<ByteString, OnceJail>();
  for (const jail of once.jails) {
    const path = now(jail.path);
    const other = jails.get(path);
    // It may have been declared at its new place before this.
    jails.set(path, other === undefined ? { ...jail, path } : both(other, { ...jail, path }));
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

const both = (one: OnceJail, other: OnceJail): OnceJail => ({
  ...other,
  sections: union(one.sections, other.sections),
  files: union(one.files, other.files),
  live: union(one.live, other.live),
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
  const isIn = (home: ByteString | undefined) => splitHome(home ?? "")?.jail === from;
  const isNamed =
    before.jails.some(({ path }) => path === from) ||
    before.users.some((user) => names(user) || user.left.some(names) || isIn(user.createdHome)) ||
    before.kept.some(({ home }) => isIn(home));
  if (!isNamed) return undefined;
  return { path: ONCE_FILE, follow: () => writeOnce(before, withMovedJail(before, from, to)) };
}

type Run = Pick<AccountRun, "name" | "status" | "home" | "moved">;

/**
 * What was declared once, with the new places of homes that apply created, and the jails that its accounts are in since. The
 * same object if it knew all of it.
 */
export function withFollowed(once: Once, runs: readonly Run[]): Once {
  const byName = new Map(runs.map((run) => [run.name, run]));
  const now = <T extends OnceUser | Creating>(one: T): T => {
    const move = byName.get(one.name)?.moved;
    const isOurs = move !== undefined && move.from === one.createdHome;
    return isOurs ? { ...one, createdHome: move.to } : one;
  };
  const users = once.users.map(now);
  const jails = users.flatMap((user) => {
    const run = byName.get(user.name);
    return run?.status === "done" ? (createdIn(user, run.home) ?? []) : [];
  });
  const kept = new Set(once.kept.map(keptKey));
  const more = jails.filter((jail) => !kept.has(keptKey(jail)));
  const isSame = more.length === 0 && users.every((user, index) => user === once.users[index]);
  return isSame ? once : { ...once, users, creating: once.creating.map(now), kept: [...once.kept, ...more] };
}

/**
 * Remembers where homes are that apply created, and a tool moved with their accounts, which otherwise are not its own any
 * more, and in which jails the accounts are. Returns a warning if that is not possible, for example while apply is running.
 */
export function followAccounts(runs: readonly Run[], tool: string): string[] {
  try {
    follow(runs, tool);
    return [];
  } catch (error) {
    if (!isReported(error)) throw error;
    const moved = runs.filter((run) => run.moved !== undefined);
    const which = (moved.length > 0 ? moved : runs).map(({ name }) => quoted(name)).join(", ");
    const what =
      moved.length > 0
        ? `jailkit apply does not know where the homes of accounts are now (${which}), and leaves them there with --delete-homes`
        : `jailkit apply does not know which jails accounts are in now (${which}), and may give their uids to others when they are removed`;
    return [`${what}: ${describeError(error)}`];
  }
}

/** Throws JailkitError, also "busy" while apply is running. */
function follow(runs: readonly Run[], tool: string): void {
  if (!runs.some(({ status, moved }) => status === "done" || moved !== undefined)) return;
  const read = readOnce();
  if (withFollowed(read, runs) === read) return;
  // It may wait for the jails that this run has locked.
  using _lock = lockDeclarations({ tool, noWait: true, json: true });
  const before = readOnce();
  writeOnce(before, withFollowed(before, runs));
}
