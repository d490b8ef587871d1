import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { readFileIfPresent } from "../../ffi/files.ts";
import { type GroupEntry, groupByGid, type PasswdEntry, passwdByName, passwdByUid } from "./accounts.ts";

/** The largest account file that is read, in bytes. */
export const ACCOUNT_FILE_LIMIT = 1 << 24;

// By hand, without a pattern: compiling the first three costs a login more than all the rest of this file.
function decimal(field: ByteString | undefined): number | undefined {
  const id = Number(field);
  return field === String(id) && id >= 0 && id < 0xffffffff ? id : undefined;
}

// Comments, and lines of the NIS "compat" mode, are no entries to anyone but NIS.
function isEntry(name: ByteString | undefined): name is ByteString {
  return name !== undefined && name !== "" && name[0] !== "#" && name[0] !== "+" && name[0] !== "-";
}

function passwdEntry(line: ByteString): PasswdEntry | undefined {
  const fields = line.split(":");
  const [name, password = "", , , gecos = "", home = "", shell = ""] = fields;
  const uid = decimal(fields[2]);
  const gid = decimal(fields[3]);
  if (!isEntry(name) || uid === undefined || gid === undefined || fields.length !== 7) return undefined;
  return { name, password, uid, gid, gecos, home, shell };
}

function groupEntry(line: ByteString): GroupEntry | undefined {
  const [name, password = "", number, members = "", more] = line.split(":");
  const gid = decimal(number);
  if (!isEntry(name) || gid === undefined || more !== undefined) return undefined;
  return { name, password, gid, members: members === "" ? [] : members.split(",") };
}

function read(path: ByteString): ByteString {
  const bytes = readFileIfPresent(path, ACCOUNT_FILE_LIMIT);
  return bytes === undefined ? "" : fromBytes(bytes);
}

/** The entry of a name in the text of passwd(5). */
export function userNamed(text: ByteString, name: ByteString): PasswdEntry | undefined {
  if (name === "" || name.includes(":") || name.includes("\n")) return undefined;
  // A search for the text itself, since a name may hold anything that means something in a pattern.
  const whole = `\n${text}`;
  for (let at = whole.indexOf(`\n${name}:`); at >= 0; at = whole.indexOf(`\n${name}:`, at + 1)) {
    const end = whole.indexOf("\n", at + 1);
    const entry = passwdEntry(whole.slice(at + 1, end < 0 ? whole.length : end));
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** The first line with the id `id` as its third field that `parse` takes for an entry. */
function numbered<T>(text: ByteString, id: number, parse: (line: ByteString) => T | undefined) {
  // Where the digits stand is found first, without taking every line apart: this is the path of a login.
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

/**
 * The accounts for a program without privilege: the flat files first, as starting a name service costs more than
 * the rest of a login, then every name service. For use inside a jail too, where often there is none.
 */
export const flatFirstAccounts = {
  userByName: (name: ByteString): PasswdEntry | undefined =>
    userNamed(read("/etc/passwd"), name) ?? passwdByName(name),
  userByUid: (uid: number): PasswdEntry | undefined =>
    userNumbered(read("/etc/passwd"), uid) ?? passwdByUid(uid),
  groupByGid: (gid: number): GroupEntry | undefined =>
    groupNumbered(read("/etc/group"), gid) ?? groupByGid(gid),
};

/** The accounts of the jail that this process is in: its flat files, and nothing else is asked. */
export const flatAccounts = {
  userByName: (name: ByteString): PasswdEntry | undefined => userNamed(read("/etc/passwd"), name),
  userByUid: (uid: number): PasswdEntry | undefined => userNumbered(read("/etc/passwd"), uid),
  groupByGid: (gid: number): GroupEntry | undefined => groupNumbered(read("/etc/group"), gid),
};
