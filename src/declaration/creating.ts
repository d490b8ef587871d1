import type { ByteString } from "../../ffi/bytes.ts";
import { answered } from "../cli/error.ts";
import { withHostAccounts } from "../jail/record/jail-lock.ts";
import { setPassword } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { ACCOUNT_FILE_LIMIT, flatAccounts, named } from "../system/flat-accounts.ts";
import { hostText } from "../system/host-files.ts";
import { hostUser } from "../system/name-services.ts";
import { jailOfHome, livesIn } from "../system/separator.ts";
import { shadowEntry } from "../system/shadow.ts";
import { CHROOT_SHELL } from "../users/plan.ts";
import { homeIdOf } from "./ids.ts";
import { createdHomeOf, jailForgotten, ownerOf } from "./kept-homes.ts";
import { withDirectory } from "./kept-where.ts";
import type { Creating, KeptHome, Once, OnceUser } from "./once-shape.ts";

// A run may be killed while useradd(8) creates an account, and before it is known which uid that has. An account of this
// name that somebody has made by hand meanwhile may be the same in all that passwd(5) says, and is never apply's own. So
// useradd(8) gets a password field that nobody else gives, and the account is apply's own if it has this one still. Who sees
// the field in /proc while useradd runs can do nothing with it: only root can give it to an account.

const DIGITS = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const randomDigits = (count: number): string =>
  [...crypto.getRandomValues(new Uint8Array(count))].map((byte) => DIGITS[byte & 63]).join("");

/** A password field that no other account has: locked, and in the form of a hash, which shadow may ask for; of no password. */
export const newMark = (): ByteString => `!$6$${randomDigits(16)}$${randomDigits(86)}`;

/**
 * The account that useradd(8) has created for a run, and that has no other password field yet, whatever its name is now.
 * Undefined if there is none, or more is not as it was: somebody may have copied the field by hand.
 */
export function markedAccount({ name, mark, createdHome }: Creating): PasswdEntry | undefined {
  const texts = [shadowText(), hostText("/etc/passwd", ACCOUNT_FILE_LIMIT) ?? ""];
  const lines = texts.flatMap((text) => (text.includes(mark) ? text.split("\n") : []));
  const names = new Set(
    lines.flatMap((line) => (line.split(":")[1] === mark ? (line.split(":")[0] ?? "") : [])),
  );
  const marked = [...names].flatMap((one) => flatAccounts.userByName(one) ?? []);
  const own = marked.find((account) => account.name === name);
  if (own !== undefined) return own;
  const [renamed, ...more] = marked;
  const jail = jailOfHome(renamed?.home ?? "");
  const isInJail = jail !== undefined && (createdHome === undefined || livesIn(jail, createdHome));
  return more.length === 0 && renamed?.shell === CHROOT_SHELL && isInJail ? renamed : undefined;
}

const shadowText = (): ByteString => hostText("/etc/shadow", ACCOUNT_FILE_LIMIT) ?? "";
const shadowOf = (name: ByteString) => named(shadowText(), name, shadowEntry);

/** The day on which the password field of an account was changed last, in days since 1970; undefined if that is not known. */
export function dayOf(name: ByteString): number | undefined {
  const day = shadowOf(name)?.lastChange ?? -1;
  return day < 0 ? undefined : day;
}

/** Whether an account has had no password since it was created on a day. One that somebody makes later has another day. */
export function isUntouched(name: ByteString, day: number | undefined): boolean {
  const entry = shadowOf(name);
  return entry !== undefined && ["!", "*"].includes(entry.password) && entry.lastChange === day;
}

/** Whether the password field of an account is of the day on which it was created. */
export const isOfDay = (name: ByteString, day: number | undefined): boolean =>
  day !== undefined && dayOf(name) === day;

/** Whether an account that has no password was created on another day. */
export function isOfOtherDay(name: ByteString, day: number | undefined): boolean {
  const now = day === undefined ? undefined : dayOf(name);
  return now !== undefined && now !== day && isUntouched(name, now);
}

/**
 * What was declared once, with the accounts that a run which was killed has created. Those stay in `creating` which have
 * their first password field still.
 */
export function withCreated(once: Once): Once {
  if (once.creating.length === 0) return once;
  const users = new Map(once.users.map((user) => [user.name, user]));
  const kept = [...once.kept];
  const creating = once.creating.filter((one) => {
    const user = users.get(one.name);
    const account = user?.directory === true ? undefined : markedAccount(one);
    if (account === undefined) {
      kept.push(...homeWithoutAccount(one));
      return false;
    }
    // Of one that is forgotten there is still the password field.
    if (user === undefined) return true;
    const { now, left } = asCreated(user, account, one.createdHome);
    users.set(user.name, now);
    kept.push(...[...left, ...jailForgotten(user, now)].map(withDirectory));
    return true;
  });
  return { ...once, users: [...users.values()], kept, creating };
}

/** A user whose account was created; `left`: the home of the one before it, which is elsewhere. */
export function asCreated(
  user: OnceUser,
  { name, uid }: Pick<PasswdEntry, "name" | "uid">,
  createdHome: ByteString | undefined,
) {
  const before = createdHomeOf(user);
  const left = before === undefined || before.home === createdHome ? [] : [before];
  const homeId = createdHome === undefined ? undefined : homeIdOf(createdHome, uid);
  const now = { ...user, created: uid, createdDay: dayOf(name), createdHome, homeId };
  return { now, left };
}

/** The home of an account that was created, and removed again before its home was. */
function homeWithoutAccount({ name, createdHome: home }: Creating): readonly KeptHome[] {
  const uid = home === undefined ? undefined : ownerOf(home);
  if (home === undefined || uid === undefined || uid === 0) return [];
  return answered(() => hostUser(uid)) === undefined
    ? [withDirectory({ name, uid, home, created: true, directoryId: undefined })]
    : [];
}

/** Gives an account that was created the password field that it should have. Throws JailkitError. */
export function unmark(one: Creating): void {
  withHostAccounts(() => {
    const account = markedAccount(one);
    if (account !== undefined) setPassword(account.name, one.password);
  });
}
