import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { isDirectory, type JailRoot } from "../jail/fs/walk.ts";
import { requireAccountName } from "../system/account-tools.ts";
import { type GroupEntry, passwdByName, passwdByUid } from "../system/accounts.ts";
import { passwordState } from "../system/shadow.ts";
import { planJailing } from "./plan.ts";

/** What useradd(8) is to be told of a new account, as it was given. */
export interface NewAccountValues {
  name: ByteString;
  comment: ByteString | undefined;
  expiredate: ByteString | undefined;
  inactive: ByteString | undefined;
  password: ByteString | undefined;
  home: ByteString | undefined;
  skel: ByteString | undefined;
  uid: ByteString | undefined;
  nonUnique: boolean;
}

// (uid_t) -1 stands for none.
const MOST_UIDS = 0xffff_fffe;

const refuse = (code: string, message: ByteString) => new JailkitError(code, 1, message);

/** A value that can stand in a line of passwd(5), and that can be handed to useradd as it is. */
function requireField(what: string, value: ByteString | undefined): void {
  if (value === undefined) return;
  const utf8 =
    Buffer.from(Buffer.from(value, "latin1").toString("utf8"), "utf8").toString("latin1") === value;
  if (!utf8 || /[:\x00-\x1f\x7f]/.test(value))
    throw refuse(
      "bad-value",
      `${quoted(value)} is no ${what}: it has ':', a control character or no UTF-8 in it`,
    );
}

function requireUid(uid: ByteString | undefined, nonUnique: boolean): number | undefined {
  if (uid === undefined) {
    if (nonUnique) throw refuse("bad-uid", "-o needs a uid: -u UID");
    return undefined;
  }
  const number = /^\d{1,10}$/.test(uid) ? Number(uid) : undefined;
  if (number === undefined || number > MOST_UIDS) throw refuse("bad-uid", `${quoted(uid)} is no uid`);
  const owner = passwdByUid(number);
  if (owner !== undefined && !nonUnique)
    throw refuse("uid-taken", `the uid ${number} is that of ${quoted(owner.name)}: name another one`);
  return number;
}

/**
 * Refuses, before anything is made, what useradd(8) refuses; a name that somebody has, too. Gives the uid, undefined where
 * useradd chooses it. Throws JailkitError.
 */
export function requireNewAccount(values: NewAccountValues): number | undefined {
  const { name, uid, nonUnique, inactive } = values;
  requireAccountName(name);
  if (/^\d+$/.test(name))
    throw refuse("bad-name", `${quoted(name)} is no name for an account: it is a number`);
  if (passwdByName(name) !== undefined)
    throw refuse("user-exists", `the user ${quoted(name)} exists already; jk_jailuser jails it`);
  requireField("comment", values.comment);
  requireField("home", values.home);
  requireField("password", values.password);
  if (inactive !== undefined && !/^(?:-1|\d{1,9})$/.test(inactive))
    throw refuse("bad-inactive", `${quoted(inactive)} is no number of days, nor -1 for none`);
  return requireUid(uid, nonUnique);
}

/** Whether somebody can log in with a password that was given. A `*` or `!` says that nobody is to. */
export function isUsablePassword(password: ByteString): boolean {
  return passwordState(password) !== "none" || /^[*!]/.test(password);
}

/** What useradd(8) takes without a word and does not do as it reads, as printable lines. Throws SystemError. */
export function newAccountWarnings({ password, expiredate, skel }: NewAccountValues): string[] {
  const lines: string[] = [];
  if (password === "") lines.push("the password is empty: nobody is asked for one");
  else if (password !== undefined && !isUsablePassword(password))
    lines.push("what -p gives is no password as crypt(3) makes it, and no password matches it");
  if (expiredate !== undefined && !/^(?:|-1|\d+|\d{4}-\d\d-\d\d)$/.test(expiredate))
    lines.push(`the date ${quoted(expiredate)} is not YYYY-MM-DD: useradd decides what it means`);
  const stat = skel === undefined ? undefined : statIfPresent(AT_FDCWD, skel, true);
  if (skel !== undefined && (stat === undefined || !isDirectory(stat)))
    lines.push(`${quoted(skel)} is no directory: the new home is empty`);
  return lines;
}

/**
 * Refuses, before anything is made, what the jail's passwd and group say against a new account: see planJailing. `groups`:
 * those that there are, the primary one first. Throws JailkitError.
 */
export function requireJailSide(
  root: JailRoot,
  {
    name,
    uid,
    home,
    shell,
  }: { name: ByteString; uid: number | undefined; home: ByteString; shell: ByteString },
  groups: readonly GroupEntry[],
): void {
  const gid = groups[0]?.gid ?? MOST_UIDS;
  planJailing({
    // Of a uid that useradd chooses, no line of the jail says anything.
    user: { name, password: "x", uid: uid ?? MOST_UIDS, gid, gecos: "", home, shell },
    groups,
    jail: root.path,
    accounts: readJailAccounts(root),
    shell,
    ...{ move: false, processes: [] },
  });
}
