import type { ByteString } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { findEntry } from "../../config/model.ts";
import { usualHome } from "../../jail/accounts/home-place.ts";
import type { PasswdEntry } from "../../system/accounts.ts";
import { splitHome } from "../../system/separator.ts";
import { type Access, NO_ACCESS } from "../../users/access.ts";
import type { Advice } from "../../users/advice.ts";
import { requireGroups } from "../../users/groups.ts";
import { homeFor } from "../../users/jail-side.ts";
import type { NewAccountValues } from "../../users/new-account.ts";
import type { DeclaredUser } from "../model.ts";

/** The keys of a declaration. */
export const DECLARED: Advice = {
  home: "name another home with the key 'home'",
  uid: "declare another uid with the key 'uid'",
  name: "declare another name",
  oddName: "an account that has such a name already may be declared",
  exists: "run this again",
  key: "declare a key with 'authorized_keys'",
  policy: "declare what it may do with 'allow'",
  noJail: "declare any section of jk_init.ini with the key 'sections' of the jail, which brings it",
  shell: "bring it with the key 'files' of the jail, or declare another with the key 'shell' of the user",
  innerShell: "declare one in the jail with the key 'shell', such as /bin/sh",
  lostHome: "create an empty one, which moves into the jail",
  group: "leave it out of the key 'groups', and ",
};

/** What the section of a user should have, in the words of `jailkit config check`: the line of a key, or a new one. */
export function wantedLine(
  { name, place: { file, section } }: Pick<DeclaredUser, "name" | "place">,
  key: "directory" | "home" | "jail" | "uid",
  value: ByteString,
): Remedy {
  const entry = findEntry(section, key);
  const line = `${key} = ${value}`;
  return entry === undefined
    ? `in section [user ${name}] of ${file} write:\n${line}`
    : `write in line ${entry.line} of ${entry.file}:\n${line}`;
}

/**
 * The same for an account that has another name now: the header, its home, if that is not the usual one of the name, and `more`
 * lines; `shown` is printable. That of a directory is declared by no home.
 */
export function renamedLines(
  { jail, directory, place: { file, line, section } }: Pick<DeclaredUser, "jail" | "directory" | "place">,
  account: Pick<PasswdEntry, "name" | "home">,
  more: readonly ByteString[] = [],
): { readonly shown: string; readonly remedy: Remedy } {
  const { name } = account;
  const home = homeFor(account, jail);
  const isKept = directory || home === usualHome(name) || findEntry(section, "home") !== undefined;
  const lines = [`[user ${name}]`, ...(isKept ? [] : [`home = ${home}`]), ...more];
  return {
    shown: lines.map(quoted).join(" and "),
    remedy: `write in line ${line} of ${file}:\n${lines.join("\n")}`,
  };
}

/** The groups and keys that an account gets with its place in the jail. Throws JailkitError for a group that is not there. */
export function accessOf({ groups, keys }: Pick<DeclaredUser, "groups" | "keys">): Access {
  const joins = groups.length === 0 ? [] : requireGroups(groups.join(","));
  return { ...NO_ACCESS, joins, keys: keys ?? [], correctsGroups: true };
}

/** The keys that are written with the jail's side: of an account of this machine, the account gets them. */
export const sideAccessOf = ({ directory, keys = [] }: Pick<DeclaredUser, "directory" | "keys">): Access =>
  directory ? { ...NO_ACCESS, keys } : NO_ACCESS;

/** Whether jailing an account moves its home: that of one that is in no jail. */
export const movesHome = ({ home }: Pick<PasswdEntry, "home">): boolean => splitHome(home) === undefined;

/** The values of an account that is to be created, for the code of jk_addjailuser. */
export function valuesOf(
  { name, shell, home, comment }: DeclaredUser,
  uid: number | undefined,
  uidInstead: () => number | undefined,
): NewAccountValues {
  return {
    ...{ name, shell, comment, home, uid: uid === undefined ? undefined : `${uid}`, gid: undefined },
    ...{ authorizedKey: [], password: undefined, expiredate: undefined, inactive: undefined },
    ...{ skel: undefined, nonUnique: false, noCreateHome: false, system: false, uidInstead },
  };
}
