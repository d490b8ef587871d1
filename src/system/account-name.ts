import { type ByteString, toBytes } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";

// LOGIN_NAME_MAX of Linux, without the byte at the end.
const LONGEST = 255;

/**
 * The reason why the name of a user or group does harm where it is used: as an argument, in account files, in lists of names,
 * as a section of a config file, and as a part of a path; undefined if it does none. Names of directory services
 * (`anna@example.org`, `EXAMPLE\anna`, `domain users`) and of other scripts are fine. Pure.
 */
export function nameFault(name: ByteString): string | undefined {
  if (name === "") return "it is empty";
  if (name.length > LONGEST) return `it is longer than ${LONGEST} bytes`;
  if (name === "." || name === "..") return "it is a directory";
  if (/[\x00-\x1f\x7f]/.test(name)) return "it has a control character";
  if (/[:,/]/.test(name)) return "it has a ':', ',' or '/'";
  // An option; a line that passwd(5) does not count as an account; a name that readers of lists trim.
  if (/^[-+# ]| $/.test(name)) return "it begins with '-', '+' or '#', or begins or ends with a blank";
  // [group NAME] and [member NAME] in jk_lsh.ini are for groups.
  if (name.startsWith("group ")) return "it begins with 'group '";
  if (name.startsWith("member ")) return "it begins with 'member '";
  return isUtf8(name) ? undefined : "it is not UTF-8";
}

const isUtf8 = (name: ByteString) => Buffer.from(toBytes(name)).toString().indexOf("\ufffd") < 0;

/** True for a value that no line of passwd(5) can hold. Pure. */
export const breaksPasswd = (value: ByteString): boolean => /[:\n\0]/.test(value);

/** Throws JailkitError "bad-name" for a name that does harm. */
export function requireAccountName(name: ByteString, what = "an account's name"): void {
  const fault = nameFault(name);
  if (fault !== undefined)
    throw new JailkitError("bad-name", 1, `${quoted(name)} cannot be ${what}: ${fault}`);
}

/**
 * Whose name it is, printable, if a name service has found the account of another name, as SSSD does with a domain at the end;
 * undefined if the account has this one. Files and rules are for the account's own. Pure.
 */
export const otherName = (
  name: ByteString,
  account: { readonly name: ByteString } | undefined,
): string | undefined =>
  account === undefined || account.name === name
    ? undefined
    : `the name of the account is ${quoted(account.name)}`;

/** The account that was found for a name, if it has this name. Pure. */
export const ifNamed = <Account extends { readonly name: ByteString }>(
  name: ByteString,
  account: Account | undefined,
): Account | undefined => (account?.name === name ? account : undefined);

/** The account that was found for a name, if it has this name. Throws JailkitError "other-name". */
export function requireOwnName<Account extends { readonly name: ByteString }>(
  name: ByteString,
  account: Account | undefined,
): Account | undefined {
  const other = otherName(name, account);
  if (other === undefined) return account;
  throw new JailkitError("other-name", 1, `${quoted(name)}: ${other}: use that`);
}

/** True for a name that every useradd(8) and groupadd(8) accepts for a new account or group. Pure. */
export const isPlainName = (name: ByteString): boolean =>
  nameFault(name) === undefined && /^[A-Za-z0-9_.][A-Za-z0-9_.-]*\$?$/.test(name) && !/^\d+$/.test(name);

/**
 * A pattern of sshd_config(5) for one user name: as it is or in quotes, with `?` for a character that means something else
 * there. `list`: the keyword takes USER@HOST (AllowUsers), rather than a list of names (Match User). Pure.
 */
export function userPattern(name: ByteString, list: "AllowUsers" | "Match"): ByteString {
  const literal = name.replace(/["'*]|^!|\\(?=[\\ ]|$)/g, "?");
  const pattern = list === "AllowUsers" && literal.includes("@") ? `${literal}@*` : literal;
  return pattern.includes(" ") ? `"${pattern}"` : pattern;
}
