import type { ByteString } from "../../../ffi/bytes.ts";
import { withFd } from "../../../ffi/files.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { GroupEntry, PasswdEntry } from "../../system/accounts.ts";
import { ACCOUNT_FILE_LIMIT } from "../../system/flat-accounts.ts";
import { requireTrustedSpot, takeLock } from "../fs/lock.ts";
import { atSpot, attributesAt, lookUp } from "../fs/look.ts";
import { hostPath, type JailRoot } from "../fs/walk.ts";
import { makeDirectories, putFile, requireReadable } from "../fs/write.ts";
import {
  type AccountFile,
  formatAccounts,
  formatGroupLine,
  formatPasswdLine,
  parseGroup,
  parsePasswd,
} from "./account-lines.ts";
import { GROUP, type JailAccounts, PASSWD, readAccountFile, viewOf } from "./accounts.ts";

const LOCK = "/etc/.jailkit.lock";

/** "present": it was there already. */
type Addition = "added" | "present";

/** The accounts of a jail during a change. A refused change throws, and nothing is written then. */
export interface AccountsEditor extends JailAccounts {
  /** Adds an entry as it is. Present: name and uid are there. Throws "account-conflict": the name has another uid. */
  addUser(entry: PasswdEntry): Addition;
  /** Adds an entry as it is. Present: name and gid are there. Throws "account-conflict": the name has another gid. */
  addGroup(entry: GroupEntry): Addition;
  /** Adds a user to a group. Throws "no-such-group". */
  addMember(group: ByteString, user: ByteString): Addition;
  /** Changes fields of an entry; false if there is no such user. */
  changeUser(name: ByteString, changes: Partial<Omit<PasswdEntry, "name">>): boolean;
  /** Removes the entry of a user and its memberships; false if there is neither. */
  removeUser(name: ByteString): boolean;
  /** Replaces an entry of `users`; removes it if there is no `entry`. */
  replaceUser(old: PasswdEntry, entry?: PasswdEntry): void;
  /** The same for an entry of `groups`. */
  replaceGroup(old: GroupEntry, entry?: GroupEntry): void;
}

function conflict(what: string, name: ByteString, kind: string, there: number, asked: number): JailkitError {
  const message = `the jail has a ${what} ${quoted(name)} with ${kind} ${there}, not ${asked}; rename or renumber one of them`;
  return new JailkitError("account-conflict", 1, message);
}

function editorOf(passwd: AccountFile<PasswdEntry>, group: AccountFile<GroupEntry>): AccountsEditor {
  const view = viewOf(passwd, group);
  const changeGroup = (entry: GroupEntry, members: ByteString[]): void => {
    const line = group.find((candidate) => candidate.entry === entry);
    if (line === undefined) return;
    line.entry = { ...entry, members };
    line.text = formatGroupLine(line.entry);
  };
  return {
    ...view,
    // Getters: the spread above would copy the present values.
    get users() {
      return view.users;
    },
    get groups() {
      return view.groups;
    },
    addUser(entry) {
      const there = view.userByName(entry.name);
      if (there === undefined) {
        passwd.push({ text: formatPasswdLine(entry), entry });
        return "added";
      }
      if (there.uid !== entry.uid) throw conflict("user", entry.name, "uid", there.uid, entry.uid);
      return "present";
    },
    addGroup(entry) {
      const there = view.groupByName(entry.name);
      if (there === undefined) {
        group.push({ text: formatGroupLine(entry), entry });
        return "added";
      }
      if (there.gid !== entry.gid) throw conflict("group", entry.name, "gid", there.gid, entry.gid);
      return "present";
    },
    addMember(name, user) {
      const there = view.groupByName(name);
      if (there === undefined) {
        const message = `the jail has no group ${quoted(name)}; add the group first`;
        throw new JailkitError("no-such-group", 1, message);
      }
      if (there.members.includes(user)) return "present";
      changeGroup(there, [...there.members, user]);
      return "added";
    },
    changeUser(name, changes) {
      const line = passwd.find(({ entry }) => entry?.name === name);
      if (line?.entry === undefined) return false;
      line.entry = { ...line.entry, ...changes, name };
      line.text = formatPasswdLine(line.entry);
      return true;
    },
    removeUser(name) {
      const before = passwd.length;
      passwd.splice(0, before, ...passwd.filter(({ entry }) => entry?.name !== name));
      const memberships = view.groups.filter(({ members }) => members.includes(name));
      for (const group of memberships) {
        const others = group.members.filter((member) => member !== name);
        changeGroup(group, others);
      }
      return passwd.length < before || memberships.length > 0;
    },
    replaceUser: (old, entry) => replaceLine(passwd, old, entry, formatPasswdLine),
    replaceGroup: (old, entry) => replaceLine(group, old, entry, formatGroupLine),
  };
}

function replaceLine<Entry>(
  file: AccountFile<Entry>,
  old: Entry,
  entry: Entry | undefined,
  format: (entry: Entry) => ByteString,
): void {
  const at = file.findIndex((line) => line.entry === old);
  if (at >= 0) file.splice(at, 1, ...(entry === undefined ? [] : [{ text: format(entry), entry }]));
}

/** Throws JailkitError "unsafe-jail" if users other than root could replace the account files of a jail. */
export function requireOwnAccounts(root: JailRoot): void {
  if (lookUp(root, "/etc", { follow: true }) !== undefined) atSpot(root, LOCK, requireTrustedSpot);
}

/** Calls `change` with the accounts of a jail, and writes nothing. Throws what updateJailAccounts would. */
export function tryJailAccounts<T>(root: JailRoot, change: (accounts: AccountsEditor) => T): T {
  requireOwnAccounts(root);
  const passwd = parsePasswd(readAccountFile(root, PASSWD));
  const group = parseGroup(readAccountFile(root, GROUP));
  const result = change(editorOf(passwd, group));
  formatted(root, passwd, group);
  return result;
}

/** Both files as they are written. Throws JailkitError "file-full" if one would not be read again. */
function formatted(root: JailRoot, passwd: AccountFile<PasswdEntry>, group: AccountFile<GroupEntry>) {
  const files = { passwd: formatAccounts(passwd), group: formatAccounts(group) };
  requireReadable(hostPath(root, PASSWD), files.passwd.length, ACCOUNT_FILE_LIMIT);
  requireReadable(hostPath(root, GROUP), files.group.length, ACCOUNT_FILE_LIMIT);
  return files;
}

function replaceFile(root: JailRoot, path: ByteString, before: Uint8Array, bytes: Uint8Array): void {
  const found = lookUp(root, path, { follow: true });
  // A missing newline at the end alone is no change.
  const complete = before.length > 0 && before[before.length - 1] !== 10 ? bytes.length - 1 : bytes.length;
  if (found !== undefined && Buffer.compare(bytes.subarray(0, complete), before) === 0) return;
  const attributes = attributesAt(root, path) ?? { mode: 0o644, uid: 0, gid: 0 };
  putFile(root, found?.canonicalPath ?? path, bytes, attributes, {
    replace: true,
    most: ACCOUNT_FILE_LIMIT,
  });
}

/**
 * Changes the accounts of a jail: `change` gets the present entries; its result is returned. One process at a time does so
 * (see withAccountsLock). Each file is replaced by rename(2), with owner and mode, and only if it changed or is missing (then
 * root's, 0644). Lines that are not entries stay, and a missing newline at the end is added. If `change` throws, nothing is
 * written.
 */
export function updateJailAccounts<T>(root: JailRoot, change: (accounts: AccountsEditor) => T): T {
  return withAccountsLock(root, () => {
    const passwdBytes = readAccountFile(root, PASSWD);
    const groupBytes = readAccountFile(root, GROUP);
    const passwd = parsePasswd(passwdBytes);
    const group = parseGroup(groupBytes);
    const result = change(editorOf(passwd, group));
    // A group without its user does no harm, a user without its group cannot log in.
    const files = formatted(root, passwd, group);
    replaceFile(root, GROUP, groupBytes, files.group);
    replaceFile(root, PASSWD, passwdBytes, files.passwd);
    return result;
  });
}

/**
 * Calls `use` while no other process changes the account files of a jail. Do not nest. The lock is a file of its own, because
 * the account files are replaced, and in the jail, so that every host that mounts the jail uses the same.
 */
export function withAccountsLock<T>(root: JailRoot, use: () => T): T {
  makeDirectories(root, "/etc", () => ({ uid: 0, gid: 0, mode: 0o755 }));
  return withFd(takeLock(root, LOCK), use);
}
