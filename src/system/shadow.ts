import type { ByteString } from "../../ffi/bytes.ts";
import type { shadowEntry } from "../../ffi/shadow.ts";

/** An entry of shadow(5); numbers are days since 1970, or -1 if not set. */
export type ShadowEntry = NonNullable<ReturnType<typeof shadowEntry>>;

/** The age of an account and its password, as pam_unix(8) and sshd(8) judge it. */
type AccountAge = "valid" | "account-expired" | "password-expired" | "password-must-change";

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
