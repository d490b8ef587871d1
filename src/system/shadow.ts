import type { ByteString } from "../../ffi/bytes.ts";
import { shadowEntry } from "../../ffi/shadow.ts";

/** An entry of shadow(5); numbers are days since 1970, or -1 where nothing is set. */
export interface ShadowEntry {
  password: ByteString;
  lastChange: number;
  maximum: number;
  inactive: number;
  expire: number;
}

/** What the ages of an account and of its password come to, as pam_unix(8) and sshd(8) judge them. */
type AccountAge = "valid" | "account-expired" | "password-expired" | "password-must-change";

/** The shadow entry of a user, from every name service; undefined where there is none. Only root can read it. */
export function shadowOf(name: ByteString): ShadowEntry | undefined {
  return shadowEntry(name);
}

/** Today, in days since 1970. */
export function today(): number {
  return Math.floor(Date.now() / 86_400_000);
}

/** How old account and password are on a day. Pure. */
export function accountAge(entry: ShadowEntry, day: number): AccountAge {
  const { lastChange, maximum, inactive, expire } = entry;
  if (expire >= 0 && day >= expire) return "account-expired";
  if (lastChange === 0) return "password-must-change";
  // A clock that went back: pam_unix(8) lets in.
  if (lastChange < 0 || day < lastChange || maximum < 0) return "valid";
  const age = day - lastChange;
  if (inactive >= 0 && age >= maximum + inactive) return "password-expired";
  return age >= maximum ? "password-must-change" : "valid";
}

/** What a password field lets somebody do. */
type PasswordState = "usable" | "empty" | "locked" | "none";

/** Whether a password of crypt(5) can match the field; a `!` in front of one locks it. Pure. */
export function passwordState(field: ByteString): PasswordState {
  if (field === "") return "empty";
  if (field.startsWith("!")) return "locked";
  const hash = /^\$[0-9a-z]+\$.+/.test(field) || /^_?[./0-9A-Za-z]{13,20}$/.test(field);
  return hash ? "usable" : "none";
}
