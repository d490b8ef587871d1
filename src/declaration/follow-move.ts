import type { ByteString } from "../../ffi/bytes.ts";
import {
  type LeftJail,
  ONCE_FILE,
  type Once,
  type OnceJail,
  type OnceUser,
  readOnce,
  union,
  writeOnce,
} from "./once.ts";

/** What was declared once, with the new path of a jail that was moved. Pure. */
export function withMovedJail(once: Once, from: ByteString, to: ByteString): Once {
  const now = (path: ByteString) => (path === from ? to : path);
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
    for (const one of user.left) {
      const other = left.get(now(one.jail));
      left.set(now(one.jail), bothLeft({ ...one, jail: now(one.jail) }, other));
    }
    // It may have been declared at the new place before this.
    const here = left.get(jail);
    left.delete(jail);
    const merged = here === undefined ? user : withLeft(user, here);
    return { ...merged, jail, left: [...left.values()] };
  });
  return { jails: [...jails.values()], users };
}

const bothLeft = (one: LeftJail, other: LeftJail | undefined): LeftJail => ({
  ...one,
  policy: one.policy || other?.policy === true,
  createdHome: one.createdHome ?? other?.createdHome,
});

/** A user with what was declared in the same jail before. */
const withLeft = (user: OnceUser, { policy, createdHome }: LeftJail): OnceUser => ({
  ...user,
  policy: user.policy || (policy && user.limited),
  otherPolicy: user.otherPolicy || (policy && !user.limited),
  createdHome: user.createdHome ?? createdHome,
});

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
  const isNamed =
    before.jails.some(({ path }) => path === from) ||
    before.users.some((user) => names(user) || user.left.some(names));
  if (!isNamed) return undefined;
  return { path: ONCE_FILE, follow: () => writeOnce(before, withMovedJail(before, from, to)) };
}
