import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { breaksPasswd, nameFault } from "../../system/account-name.ts";
import type { GroupEntry, PasswdEntry } from "../../system/accounts.ts";

/** passwd(5) or group(5): each line, and its entry, if it is one. */
export type AccountFile<Entry> = { text: ByteString; entry: Entry | undefined }[];

/** A uid or gid in decimal. 4294967295 means "none" to the kernel, so it is no id. */
function idOf(field: ByteString = ""): number | undefined {
  const id = /^[0-9]{1,10}$/.test(field) ? Number(field) : 0xffffffff;
  return id < 0xffffffff ? id : undefined;
}

/** False for comments and lines of the NIS "compat" mode. */
const isEntry = (text: ByteString) => !/^[#+-]/.test(text) && !text.includes("\0");

/** Parses a line of passwd(5); undefined if it is not an entry. */
export function parsePasswdLine(text: ByteString): PasswdEntry | undefined {
  const fields = text.split(":");
  const [name = "", password = "", , , gecos = "", home = "", shell = ""] = fields;
  const uid = idOf(fields[2]);
  const gid = idOf(fields[3]);
  const isComplete = isEntry(text) && name !== "" && fields.length === 7;
  if (!isComplete || uid === undefined || gid === undefined) return undefined;
  return { name, password, uid, gid, gecos, home, shell };
}

/** Parses a line of group(5), also without the list of members; undefined if it is not an entry. */
export function parseGroupLine(text: ByteString): GroupEntry | undefined {
  const fields = text.split(":");
  const [name, password] = fields;
  const gid = idOf(fields[2]);
  if (!isEntry(text) || !name || password === undefined || gid === undefined || fields.length > 4)
    return undefined;
  return { name, password, gid, members: (fields[3] ?? "").split(",").filter((member) => member !== "") };
}

function parse<Entry>(bytes: Uint8Array, line: (text: ByteString) => Entry | undefined): AccountFile<Entry> {
  const texts = fromBytes(bytes).split("\n");
  // The last line may lack its newline.
  if (texts[texts.length - 1] === "") texts.pop();
  return texts.map((text) => ({ text, entry: line(text) }));
}

/** Parses passwd(5). */
export const parsePasswd = (bytes: Uint8Array): AccountFile<PasswdEntry> => parse(bytes, parsePasswdLine);

/** Parses group(5). */
export const parseGroup = (bytes: Uint8Array): AccountFile<GroupEntry> => parse(bytes, parseGroupLine);

/** The bytes of an account file; each line ends with a newline. */
export function formatAccounts(file: AccountFile<unknown>): Uint8Array {
  return toBytes(file.map(({ text }) => `${text}\n`).join(""));
}

function requireField(right: boolean, message: string): void {
  if (!right) throw new JailkitError("bad-account-field", 1, message);
}

function checkField(what: string, value: ByteString): void {
  const why = "it holds a byte that separates fields";
  requireField(!breaksPasswd(value), `${quoted(value)} cannot be the ${what} of an account: ${why}`);
}

function checkName(what: string, name: ByteString): void {
  const fault = nameFault(name);
  requireField(fault === undefined, `${quoted(name)} cannot be a ${what}: ${fault}`);
}

function checkId(what: string, id: number): void {
  requireField(Number.isInteger(id) && id >= 0 && id < 0xffffffff, `${id} cannot be a ${what}`);
}

/** A line of passwd(5), without newline. Throws JailkitError "bad-account-field" for what no line can hold. */
export function formatPasswdLine(entry: PasswdEntry): ByteString {
  checkName("user name", entry.name);
  checkId("uid", entry.uid);
  checkId("gid", entry.gid);
  for (const what of ["password", "gecos", "home", "shell"] as const) checkField(what, entry[what]);
  const { name, password, uid, gid, gecos, home, shell } = entry;
  return [name, password, uid, gid, gecos, home, shell].join(":");
}

/** A line of group(5), without newline. Throws JailkitError "bad-account-field" for what no line can hold. */
export function formatGroupLine(entry: GroupEntry): ByteString {
  checkName("group name", entry.name);
  checkId("gid", entry.gid);
  checkField("password", entry.password);
  for (const member of entry.members) checkName("member", member);
  return [entry.name, entry.password, entry.gid, entry.members.join(",")].join(":");
}
