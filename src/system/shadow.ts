import type { ByteString } from "../../ffi/bytes.ts";
import { isErrno } from "../../ffi/error.ts";
import { cArgument, i64At, libc, pointerAt, stringAt } from "../../ffi/libc.ts";
import { type Advice, inWords, type Remedy } from "../cli/remedy.ts";
import { lookUp, type PasswdEntry } from "./accounts.ts";

/** An entry of shadow(5); numbers are days since 1970, or -1 if not set. */
export interface ShadowEntry {
  password: ByteString;
  lastChange: number;
  maximum: number;
  inactive: number;
  expire: number;
}

/** The age of an account and its password, as pam_unix(8) and sshd(8) judge it. */
type AccountAge = "valid" | "account-expired" | "password-expired" | "password-must-change";

/** struct spwd of shadow(3) on 64-bit Linux: two pointers, then longs. */
function decode(at: number): ShadowEntry {
  const days = (offset: number) => Number(i64At(at, offset));
  return {
    password: stringAt(pointerAt(at, 8)) ?? "",
    lastChange: days(16),
    maximum: days(32),
    inactive: days(48),
    expire: days(56),
  };
}

/** The shadow entry of a user, from every name service; undefined if there is none, or only root can read it. */
export function shadowOf(name: ByteString): ShadowEntry | undefined {
  try {
    return lookUp(libc.getspnam_r, cArgument(name), decode, "getspnam", name);
  } catch (error) {
    if (isErrno(error, "EACCES")) return undefined;
    throw error;
  }
}

/** The account is in no shadow(5), as its field in passwd(5) says: pam_unix(8) refuses it. */
export const MISSING = "missing";

/**
 * The password and the age that count for an account: pam_unix(8) reads shadow(5) only if the field of passwd(5) says so, which
 * holds the password itself otherwise; sshd(8) without PAM reads shadow(5) if the account is there. `find`: as shadowOf, for
 * `isRoot`, or for one who may not read it. Undefined if that is not known. Pure but for `find`.
 */
export function countingShadow(
  { name, password }: Pick<PasswdEntry, "name" | "password">,
  byPam: boolean,
  find = shadowOf,
  isRoot: boolean = libc.geteuid() === 0,
): ShadowEntry | typeof MISSING | undefined {
  const isElsewhere = password === "x" || password === `##${name}`;
  const inPasswd = { password, lastChange: -1, maximum: -1, inactive: -1, expire: -1 };
  if (byPam && !isElsewhere) return inPasswd;
  const found = find(name);
  if (found !== undefined || !isRoot) return found;
  return byPam ? MISSING : inPasswd;
}

/** What to do in a directory about an account that has expired, and about a password. */
export const NOT_EXPIRED = "take shadowExpire away, or set a later day";
export const NEW_PASSWORD = "set a new password, and shadowLastChange to today";

/**
 * What changes the password of an account or its age: passwd(1) and chage(1) know those of /etc/passwd alone. `otherwise`: what to
 * do in another place.
 */
export const shadowAdvice = (isLocal: boolean, command: Remedy, otherwise: string): Advice =>
  isLocal ? command : inWords(`${otherwise}, where the account is kept`);

/** The entry in a line of shadow(5); undefined for a line that name services read in their own way. */
export function shadowEntry(line: ByteString): (ShadowEntry & { readonly name: ByteString }) | undefined {
  const [name = "", password = "", ...numbers] = line.split(":");
  if (!/^[^+-]/.test(name) || numbers.length !== 7 || !numbers.every((each) => /^[0-9]{0,9}$/.test(each)))
    return undefined;
  const [lastChange = -1, , maximum = -1, , inactive = -1, expire = -1] = numbers.map((each) =>
    each === "" ? -1 : Number(each),
  );
  return { name, password, lastChange, maximum, inactive, expire };
}

/** Today, in days since 1970. */
export function today(): number {
  return Math.floor(Date.now() / 86_400_000);
}

/** Judges the age of an account on a day. */
export function accountAge(entry: ShadowEntry, day: number): AccountAge {
  const { lastChange, maximum, inactive, expire } = entry;
  if (expire >= 0 && day >= expire) return "account-expired";
  if (lastChange === 0) return "password-must-change";
  // After a clock was set back, pam_unix(8) allows the login.
  if (lastChange < 0 || day < lastChange || maximum < 0) return "valid";
  const age = day - lastChange;
  if (inactive >= 0 && age >= maximum + inactive) return "password-expired";
  return age >= maximum ? "password-must-change" : "valid";
}

/** The use of a password field. */
type PasswordState = "usable" | "empty" | "locked" | "none";

/** The state of a password field of crypt(5); a `!` at its beginning locks it. */
export function passwordState(field: ByteString): PasswordState {
  if (field === "") return "empty";
  if (field.startsWith("!")) return "locked";
  const hash = /^\$[0-9a-z]+\$.+/.test(field) || /^_?[./0-9A-Za-z]{13,20}$/.test(field);
  return hash ? "usable" : "none";
}
