import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { describeError, isReported } from "../cli/error.ts";
import { joinHome, splitHome } from "../jail/accounts/separator.ts";
import { lockDeclarations } from "../jail/record/jail-lock.ts";
import type { AccountRun } from "../users/account-run.ts";
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

/** Homes of accounts that moved: where, as the accounts have them. */
type MovedHomes = ReadonlyMap<ByteString, NonNullable<AccountRun["moved"]>>;

/** What was declared once, with the new places of homes that apply created. Pure. */
export function withMovedHomes(once: Once, moves: MovedHomes): Once {
  const now = <T extends OnceUser | Creating>(one: T): T => {
    const move = moves.get(one.name);
    const isOurs = move !== undefined && move.from === one.createdHome;
    return isOurs ? { ...one, createdHome: move.to } : one;
  };
  return { ...once, users: once.users.map(now), creating: once.creating.map(now) };
}

/**
 * Remembers where homes are that apply created, and a tool moved with their accounts: otherwise they are not its own any more.
 * Returns a warning if that is not possible, for example while apply is running; the homes stay then.
 */
export function followHomes(runs: readonly Pick<AccountRun, "name" | "moved">[], tool: string): string[] {
  const moves = runs.flatMap(({ name, moved }) => (moved === undefined ? [] : [[name, moved] as const]));
  try {
    follow(new Map(moves), tool);
    return [];
  } catch (error) {
    if (!isReported(error)) throw error;
    const which = moves.map(([name]) => quoted(name)).join(", ");
    const homes = `jailkit apply does not know where the homes of accounts are now (${which}), and leaves them there with --delete-homes`;
    return [`${homes}: ${describeError(error)}`];
  }
}

/** Throws JailkitError, also "busy" while apply is running. */
function follow(moves: MovedHomes, tool: string): void {
  const names = ({ users }: Once) =>
    users.some(({ name, createdHome: home }) => moves.get(name)?.from === home);
  if (moves.size === 0 || !names(readOnce())) return;
  // It may wait for the jails that this run has locked.
  using _lock = lockDeclarations({ tool, noWait: true, json: true });
  const before = readOnce();
  writeOnce(before, withMovedHomes(before, moves));
}
