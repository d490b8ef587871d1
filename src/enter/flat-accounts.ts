import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { readFileIfPresent } from "../../ffi/files.ts";
import { parseGroupLine, parsePasswdLine } from "../jail/account-lines.ts";
import {
  type GroupEntry,
  groupByGid,
  type PasswdEntry,
  passwdByName,
  passwdByUid,
} from "../system/accounts.ts";

const LIMIT = 1 << 24;

/** The first line that `pattern` finds and `parse` takes for an entry. */
function firstEntry<T>(text: ByteString, pattern: RegExp, parse: (line: ByteString) => T | undefined) {
  for (const [line] of text.matchAll(pattern)) {
    const entry = parse(line);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function read(path: ByteString): ByteString {
  const bytes = readFileIfPresent(path, LIMIT);
  return bytes === undefined ? "" : fromBytes(bytes);
}

/** The entry of a name in the text of passwd(5). */
export function userNamed(text: ByteString, name: ByteString): PasswdEntry | undefined {
  if (name === "" || /[:\n]/.test(name)) return undefined;
  // A search for the text itself, since a name may hold anything that means something in a pattern.
  const whole = `\n${text}`;
  for (let at = whole.indexOf(`\n${name}:`); at >= 0; at = whole.indexOf(`\n${name}:`, at + 1)) {
    const end = whole.indexOf("\n", at + 1);
    const entry = parsePasswdLine(whole.slice(at + 1, end < 0 ? whole.length : end));
    if (entry !== undefined) return entry;
  }
  return undefined;
}

/** The first entry of a uid in the text of passwd(5). */
export function userNumbered(text: ByteString, uid: number): PasswdEntry | undefined {
  return firstEntry(text, new RegExp(`^[^:\\n]*:[^:\\n]*:0*${uid}:.*$`, "gm"), parsePasswdLine);
}

/** The first entry of a gid in the text of group(5). */
export function groupNumbered(text: ByteString, gid: number): GroupEntry | undefined {
  return firstEntry(text, new RegExp(`^[^:\\n]*:[^:\\n]*:0*${gid}(?::.*)?$`, "gm"), parseGroupLine);
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
