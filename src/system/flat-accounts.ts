import type { ByteString } from "../../ffi/bytes.ts";
import {
  answeredGroup,
  type Group,
  type GroupEntry,
  groupByGid,
  type PasswdEntry,
  passwdByName,
  passwdByUid,
} from "./accounts.ts";
import { hostText } from "./host-files.ts";

/** The largest account file that is read, in bytes. */
export const ACCOUNT_FILE_LIMIT = 1 << 24;

// Without a pattern: compiling three of them would cost a login more than the rest of this file.
function decimal(field: ByteString | undefined): number | undefined {
  const id = Number(field);
  return field === String(id) && id >= 0 && id < 0xffffffff ? id : undefined;
}

// Comments and lines of the NIS "compat" mode are not entries.
function isEntry(name: ByteString | undefined): name is ByteString {
  return name !== undefined && name !== "" && name[0] !== "#" && name[0] !== "+" && name[0] !== "-";
}

/** The entry in a line of passwd(5); undefined for comments, and for lines that name services read in their own way. */
export function passwdEntry(line: ByteString): PasswdEntry | undefined {
  const fields = line.split(":");
  const [name, password = "", , , gecos = "", home = "", shell = ""] = fields;
  const uid = decimal(fields[2]);
  const gid = decimal(fields[3]);
  if (!isEntry(name) || uid === undefined || gid === undefined || fields.length !== 7) return undefined;
  return { name, password, uid, gid, gecos, home, shell };
}

/** The same for a line of group(5). */
export function groupEntry(line: ByteString): GroupEntry | undefined {
  const [name, password = "", number, members = "", more] = line.split(":");
  const gid = decimal(number);
  if (!isEntry(name) || gid === undefined || more !== undefined) return undefined;
  return { name, password, gid, members: members === "" ? [] : members.split(",") };
}

const read = (path: ByteString): ByteString => hostText(path, ACCOUNT_FILE_LIMIT) ?? "";

/** The entries in the text of passwd(5). */
export function usersIn(text: ByteString): PasswdEntry[] {
  return text.split("\n").flatMap((line) => passwdEntry(line) ?? []);
}

/** The entries in the text of group(5). */
export function groupsIn(text: ByteString): GroupEntry[] {
  return text.split("\n").flatMap((line) => groupEntry(line) ?? []);
}

/** The entries of the host's /etc/passwd, without name services. Throws SystemError. */
export const localUsers = (): PasswdEntry[] => usersIn(read("/etc/passwd"));

/** Those of /etc/group. Throws SystemError. */
export const localGroups = (): GroupEntry[] => groupsIn(read("/etc/group"));

/** The first line with `name` as its first field that `parse` accepts as an entry. */
export function named<T>(text: ByteString, name: ByteString, parse: (line: ByteString) => T | undefined) {
  if (name === "" || name.includes(":") || name.includes("\n")) return undefined;
  // No pattern: a name may have bytes with a meaning in one.
  const whole = `\n${text}`;
  for (let at = whole.indexOf(`\n${name}:`); at >= 0; at = whole.indexOf(`\n${name}:`, at + 1)) {
    const end = whole.indexOf("\n", at + 1);
    const entry = parse(whole.slice(at + 1, end < 0 ? whole.length : end));
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** The entry of a name in the text of passwd(5). */
export function userNamed(text: ByteString, name: ByteString): PasswdEntry | undefined {
  return named(text, name, passwdEntry);
}

/** The first line with `id` as its third field that `parse` accepts as an entry. */
function numbered<T>(text: ByteString, id: number, parse: (line: ByteString) => T | undefined) {
  // Finds the digits first, without splitting every line: a login runs this.
  const digits = `:${id}:`;
  for (let at = text.indexOf(digits); at >= 0; at = text.indexOf(digits, at + 1)) {
    const start = text.lastIndexOf("\n", at) + 1;
    const colon = text.indexOf(":", start);
    if (text.indexOf(":", colon + 1) !== at) continue;
    const end = text.indexOf("\n", at);
    const entry = parse(text.slice(start, end < 0 ? text.length : end));
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** The first entry of a uid in the text of passwd(5). */
export function userNumbered(text: ByteString, uid: number): PasswdEntry | undefined {
  return numbered(text, uid, passwdEntry);
}

/** The first entry of a gid in the text of group(5). */
export function groupNumbered(text: ByteString, gid: number): GroupEntry | undefined {
  return numbered(text, gid, groupEntry);
}

/** The first entry of a name in the text of group(5). */
export function groupNamed(text: ByteString, name: ByteString): GroupEntry | undefined {
  return named(text, name, groupEntry);
}

/** The accounts of the jail that this process is in, from its flat files only. */
export const flatAccounts = {
  userByName: (name: ByteString): PasswdEntry | undefined => userNamed(read("/etc/passwd"), name),
  userByUid: (uid: number): PasswdEntry | undefined => userNumbered(read("/etc/passwd"), uid),
  groupByGid: (gid: number): GroupEntry | undefined => groupNumbered(read("/etc/group"), gid),
  groupByName: (name: ByteString): GroupEntry | undefined => groupNamed(read("/etc/group"), name),
};

/**
 * The accounts for a program without privilege: the flat files first, because starting a name service costs more than the
 * rest of a login, then every name service. Also for use inside a jail. groupByName throws SystemError if a name service
 * does not answer: it decides which section applies.
 */
export const flatFirstAccounts: Omit<typeof flatAccounts, "groupByGid" | "groupByName"> & {
  readonly groupByGid: (gid: number) => Group | undefined;
  readonly groupByName: (name: ByteString) => Group | undefined;
} = {
  userByName: (name) => flatAccounts.userByName(name) ?? passwdByName(name),
  userByUid: (uid) => flatAccounts.userByUid(uid) ?? passwdByUid(uid),
  groupByGid: (gid) => flatAccounts.groupByGid(gid) ?? groupByGid(gid),
  groupByName: (name) => flatAccounts.groupByName(name) ?? answeredGroup(name),
};
