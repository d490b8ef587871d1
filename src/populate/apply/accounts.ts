import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { readJailAccounts, updateJailAccounts } from "../../jail/accounts/accounts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import {
  type GroupEntry,
  groupByGid,
  groupByName,
  type PasswdEntry,
  passwdByName,
  passwdByUid,
} from "../../system/accounts.ts";
import type { Reporter } from "../reporter.ts";

/** Entries that a jail's account files are to have. */
export interface WantedAccounts {
  readonly users: readonly PasswdEntry[];
  readonly groups: readonly GroupEntry[];
  /** Names that the host does not have. */
  readonly missing: readonly string[];
}

/** How an account is found on the host; by name or, where it is all digits and no name, by number. */
export interface HostAccounts {
  user(nameOrId: ByteString): PasswdEntry | undefined;
  group(nameOrId: ByteString): GroupEntry | undefined;
}

const NUMBER = /^[0-9]{1,10}$/;

/** The host's accounts, from all its name services. */
export const hostAccounts: HostAccounts = {
  user: (key) => passwdByName(key) ?? (NUMBER.test(key) ? passwdByUid(Number(key)) : undefined),
  group: (key) => groupByName(key) ?? (NUMBER.test(key) ? groupByGid(Number(key)) : undefined),
};

/**
 * The entries for `users` and `groups` (names or numbers), and the primary group of each user. Entries are the
 * host's, except for the password: no hash, should the host keep them there, ever gets into a jail.
 */
export function wantedAccounts(
  users: readonly ByteString[],
  groups: readonly ByteString[],
  host: HostAccounts = hostAccounts,
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

/** Puts entries into the jail's etc/passwd and etc/group, which are made where they are missing. */
export function addAccounts(root: JailRoot, wanted: WantedAccounts, reporter: Reporter): void {
  updateJailAccounts(root, (editor) => {
    for (const entry of wanted.users) {
      if (editor.userByName(entry.name)) continue;
      editor.addUser(entry);
      reporter.tell(`writing user ${entry.name} to ${root.path}/etc/passwd`);
    }
    for (const entry of wanted.groups) {
      if (editor.groupByName(entry.name)) continue;
      editor.addGroup(entry);
      reporter.tell(`writing group ${entry.name} to ${root.path}/etc/group`);
    }
  });
}

/** True where the jail's files have all of these already, and nothing need be written. */
export function hasAccounts(root: JailRoot, wanted: WantedAccounts): boolean {
  const there = readJailAccounts(root);
  return (
    wanted.users.every(({ name }) => there.userByName(name)) &&
    wanted.groups.every(({ name }) => there.groupByName(name))
  );
}
