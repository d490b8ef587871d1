import type { ByteString } from "../../ffi/bytes.ts";
import { attempt } from "../../ffi/error.ts";
import { answered } from "../cli/error.ts";
import type { GroupEntry, PasswdEntry } from "./accounts.ts";
import { ACCOUNT_FILE_LIMIT, groupEntry, passwdEntry } from "./flat-accounts.ts";
import { hostText } from "./host-files.ts";
import { hostGroup, hostUser } from "./name-services.ts";

/**
 * The accounts of the host, through all its name services. All but groupByGid throw JailkitError "name-service" if one does
 * not answer.
 */
export interface HostAccounts {
  userByName(name: ByteString): PasswdEntry | undefined;
  userByUid(uid: number): PasswdEntry | undefined;
  groupByName(name: ByteString): GroupEntry | undefined;
  groupByGid(gid: number): GroupEntry | undefined;
}

/** The group of a gid; undefined also if no name service answers. */
const hostGroupNumbered = (gid: number) => answered(() => hostGroup(gid));

/** Asks the name services each time. */
export const nameServices: HostAccounts = {
  userByName: hostUser,
  userByUid: hostUser,
  groupByName: hostGroup,
  groupByGid: hostGroupNumbered,
};

/** The entries of an account file by name and by id; of several, the first counts, as for getpwnam(3). */
interface Index<Entry> {
  readonly byName: ReadonlyMap<ByteString, Entry>;
  readonly byId: ReadonlyMap<number, Entry>;
}

/**
 * The index of an account file. Empty if a line may mean something else to a name service than to us: the services are
 * asked then.
 */
export function indexOf<Entry extends { readonly name: ByteString }>(
  text: ByteString,
  parse: (line: ByteString) => Entry | undefined,
  idOf: (entry: Entry) => number,
): Index<Entry> {
  const byName = new Map<ByteString, Entry>();
  const byId = new Map<number, Entry>();
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const entry = parse(line);
    if (entry === undefined || /\s/.test(entry.name)) return { byName: new Map(), byId: new Map() };
    byName.getOrInsert(entry.name, entry);
    byId.getOrInsert(idOf(entry), entry);
  }
  return { byName, byId };
}

/**
 * True if an entry in the account file is the answer of the name services: nsswitch.conf(5) asks `files` first, and ends
 * there. A database without a line counts as false.
 */
export function filesAnswer(nsswitch: ByteString, database: "passwd" | "group"): boolean {
  const lines = nsswitch.split("\n").map((line) => line.replace(/#.*$/, "").trim());
  const own = lines.filter((line) => line.startsWith(`${database}:`));
  const [first = "", ...others] = own.map((line) => line.slice(database.length + 1).trim());
  return others.length === 0 && /^files(?:\s|$)/.test(first) && !/success/i.test(first);
}

/**
 * The accounts of the host for a run that asks for thousands: reading an account file for each takes time that grows with
 * the square of their number. The files are read once, if entries in them are the answers of the name services; these are
 * asked for other names and ids, once for each.
 */
export function hostAccounts(): HostAccounts {
  const nsswitch = attempt(() => hostText("/etc/nsswitch.conf")) ?? "";
  const read = (database: "passwd" | "group"): ByteString =>
    (filesAnswer(nsswitch, database) && attempt(() => hostText(`/etc/${database}`, ACCOUNT_FILE_LIMIT))) ||
    "";
  const users = indexOf(read("passwd"), passwdEntry, ({ uid }) => uid);
  const groups = indexOf(read("group"), groupEntry, ({ gid }) => gid);
  return {
    userByName: remembering(users.byName, hostUser),
    userByUid: remembering(users.byId, hostUser),
    groupByName: remembering(groups.byName, hostGroup),
    groupByGid: remembering(groups.byId, hostGroupNumbered),
  };
}

/** Answers from `known`, else asks once. */
function remembering<Key, Entry>(
  known: ReadonlyMap<Key, Entry>,
  ask: (key: Key) => Entry | undefined,
): (key: Key) => Entry | undefined {
  const asked = new Map<Key, Entry | undefined>();
  return (key) => known.get(key) ?? asked.getOrInsertComputed(key, () => ask(key));
}
