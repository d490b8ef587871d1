import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { updateJailAccounts } from "../../jail/accounts/change-accounts.ts";
import { lookUp } from "../../jail/fs/look.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import {
  type GroupEntry,
  type PasswdEntry,
  passwdByName,
  passwdByUid,
  wholeGroup,
} from "../../system/accounts.ts";
import type { LineReporter } from "../reporter.ts";

export interface WantedAccounts {
  readonly users: readonly PasswdEntry[];
  readonly groups: readonly GroupEntry[];
  /** Accounts that the host does not have. */
  readonly missing: readonly string[];
}

const NUMBER = /^[0-9]{1,10}$/;

/** Finds an account of the host by name, or, if there is no such name and it is all digits, by number. */
const hostAccounts = {
  user: (key: ByteString) => passwdByName(key) ?? (NUMBER.test(key) ? passwdByUid(Number(key)) : undefined),
  group: (key: ByteString) => wholeGroup(key) ?? (NUMBER.test(key) ? wholeGroup(Number(key)) : undefined),
};

/**
 * The entries of the host for `users` and `groups` (names or numbers), and for the primary group of each user. The
 * password is replaced, so that no hash ever gets into a jail.
 */
export function wantedAccounts(
  users: readonly ByteString[],
  groups: readonly ByteString[],
  host = hostAccounts,
): WantedAccounts {
  const missing: string[] = [];
  const foundUsers = new Map<ByteString, PasswdEntry>();
  const foundGroups = new Map<ByteString, GroupEntry>();
  const addGroup = (key: ByteString, what: string) => {
    const entry = host.group(key);
    if (entry) foundGroups.set(entry.name, { ...entry, password: "x" });
    else missing.push(what);
  };
  for (const key of users) {
    const entry = host.user(key);
    if (entry) foundUsers.set(entry.name, { ...entry, password: "x" });
    else missing.push(`user ${quoted(key)}`);
  }
  for (const entry of foundUsers.values()) {
    addGroup(String(entry.gid), `the primary group ${entry.gid} of user ${quoted(entry.name)}`);
  }
  for (const key of groups) addGroup(key, `group ${quoted(key)}`);
  return { users: [...foundUsers.values()], groups: [...foundGroups.values()], missing };
}

/** Adds entries to etc/passwd and etc/group of a jail, which are created if they are missing. */
export function addAccounts(root: JailRoot, wanted: WantedAccounts, reporter: LineReporter): void {
  updateJailAccounts(root, (editor) => {
    for (const entry of wanted.users) {
      if (editor.userByName(entry.name)) continue;
      editor.addUser(entry);
      reporter.detail(`writing user ${entry.name} to ${root.path}/etc/passwd`);
    }
    for (const entry of wanted.groups) {
      if (editor.groupByName(entry.name)) continue;
      editor.addGroup(entry);
      reporter.detail(`writing group ${entry.name} to ${root.path}/etc/group`);
    }
  });
}

/** True if addAccounts would change the account files of a jail. */
export function lacksAccounts(root: JailRoot, wanted: WantedAccounts): boolean {
  const files = ["/etc/passwd", "/etc/group"];
  return (
    !hasAccounts(root, wanted) || files.some((path) => lookUp(root, path, { follow: true }) === undefined)
  );
}

/** True if the account files of a jail have all of these already. */
export function hasAccounts(root: JailRoot, wanted: WantedAccounts): boolean {
  const inJail = readJailAccounts(root);
  return (
    wanted.users.every(({ name }) => inJail.userByName(name)) &&
    wanted.groups.every(({ name }) => inJail.groupByName(name))
  );
}
