import { type ByteString, trim } from "../../ffi/bytes.ts";
import { attempt } from "../../ffi/error.ts";
import { answered } from "../cli/error.ts";
import { isLocalUser, namesIn, supplementaryGroups } from "./account-tools.ts";
import type { Group, PasswdEntry } from "./accounts.ts";
import { ACCOUNT_FILE_LIMIT, groupEntry, passwdEntry } from "./flat-accounts.ts";
import { hostText } from "./host-files.ts";
import { hostGroup, hostUser, parseNsswitch } from "./name-services.ts";
import { type ShadowEntry, shadowEntry, shadowOf } from "./shadow.ts";

/**
 * The accounts of the host, through all its name services. All but groupByGid throw JailkitError "name-service" if one does
 * not answer.
 */
export interface HostAccounts {
  userByName(name: ByteString): PasswdEntry | undefined;
  userByUid(uid: number): PasswdEntry | undefined;
  groupByName(name: ByteString): Group | undefined;
  groupByGid(gid: number): Group | undefined;
}

/** The group of a gid; undefined also if no name service answers. */
const hostGroupNumbered = (gid: number) => answered(() => hostGroup(gid));

/** The entries of an account file by name and by id; of several, the first counts, as for getpwnam(3). */
interface Index<Entry> {
  readonly byName: ReadonlyMap<ByteString, Entry>;
  readonly byId: ReadonlyMap<number, Entry>;
}

/** The entries in an account file; undefined if a line may mean something else to a name service than to us. */
export function entriesOf<Entry extends { readonly name: ByteString }>(
  text: ByteString,
  parse: (line: ByteString) => Entry | undefined,
): Entry[] | undefined {
  const entries: Entry[] = [];
  for (const line of text.split("\n")) {
    if (line === "" || line.startsWith("#")) continue;
    const entry = parse(line);
    if (entry === undefined || /[\t-\r ]/.test(entry.name)) return undefined;
    entries.push(entry);
  }
  return entries;
}

/** The index of an account file. Empty if that may mean something else to a name service: the services are asked then. */
export function indexOf<Entry extends { readonly name: ByteString }>(
  text: ByteString,
  parse: (line: ByteString) => Entry | undefined,
  idOf: (entry: Entry) => number,
): Index<Entry> {
  const byName = new Map<ByteString, Entry>();
  const byId = new Map<number, Entry>();
  for (const entry of entriesOf(text, parse) ?? []) {
    byName.getOrInsert(entry.name, entry);
    byId.getOrInsert(idOf(entry), entry);
  }
  return { byName, byId };
}

type Database = "passwd" | "group" | "shadow";

const nsswitchText = (): ByteString => attempt(() => hostText("/etc/nsswitch.conf")) ?? "";

/** The text of an account file; "" if an entry in it is not the answer of the name services, or it cannot be read. */
function answeringFile(nsswitch: ByteString, database: Database): ByteString {
  if (!filesAnswer(nsswitch, database)) return "";
  return attempt(() => hostText(`/etc/${database}`, ACCOUNT_FILE_LIMIT)) ?? "";
}

/**
 * True if an entry in the account file is the answer of the name services: nsswitch.conf(5) asks `files` first, and ends
 * there. A database without a line counts as false.
 */
export function filesAnswer(nsswitch: ByteString, database: Database): boolean {
  const lines = nsswitch.split("\n").map((line) => trim(line.replace(/#.*$/, "")));
  const own = lines.filter((line) => line.startsWith(`${database}:`));
  const [first = "", ...others] = own.map((line) => trim(line.slice(database.length + 1)));
  return others.length === 0 && /^files(?:[\t-\r ]|$)/.test(first) && !/success/i.test(first);
}

/**
 * The accounts of the host for a run that asks for thousands: reading an account file for each takes time that grows with
 * the square of their number. The files are read once, if entries in them are the answers of the name services; these are
 * asked for other names and ids, once for each.
 */
export function hostAccounts(): HostAccounts {
  const nsswitch = nsswitchText();
  const users = indexOf(answeringFile(nsswitch, "passwd"), passwdEntry, ({ uid }) => uid);
  const groups = indexOf(answeringFile(nsswitch, "group"), groupEntry, ({ gid }) => gid);
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

/**
 * The gids of the members in the text of group(5), as getgrouplist(3) has them; undefined if it has no group, or a line may
 * mean something else to a name service.
 */
export function membershipsIn(text: ByteString): ReadonlyMap<ByteString, readonly number[]> | undefined {
  const entries = entriesOf(text, groupEntry);
  if (entries === undefined || entries.length === 0) return undefined;
  const found = new Map<ByteString, number[]>();
  for (const { gid, members } of entries) {
    for (const member of new Set(members)) {
      const gids = found.getOrInsertComputed(member, () => []);
      if (!gids.includes(gid)) gids.push(gid);
    }
  }
  return found;
}

/**
 * True if nothing but the group file says who is in which group: unlike for other questions, all name services are asked
 * and what they say is added up (nsswitch.conf(5), initgroups).
 */
export function fileHasAllMembers(nsswitch: ByteString): boolean {
  const services = parseNsswitch(nsswitch);
  return !services.has("initgroups") && filesAnswer(nsswitch, "group") && services.get("group")?.length === 1;
}

/** What a change of accounts asks about each. */
export interface AccountFacts extends Pick<HostAccounts, "groupByGid"> {
  /** As supplementaryGroups. */
  readonly groupsOf: (user: PasswdEntry) => readonly number[];
  /** As isLocalUser. */
  readonly isLocal: (name: ByteString) => boolean;
}

/** Asks the name services, and reads the files, each time. */
export const askedFacts: AccountFacts = {
  groupByGid: hostGroupNumbered,
  groupsOf: supplementaryGroups,
  isLocal: isLocalUser,
};

/** The same for thousands of accounts: each file is read once, that of groups if nothing else knows of members. */
export function accountFacts({ groupByGid } = hostAccounts()): AccountFacts {
  const local = new Set(namesIn("/etc/passwd"));
  const nsswitch = nsswitchText();
  const all = fileHasAllMembers(nsswitch) ? membershipsIn(answeringFile(nsswitch, "group")) : undefined;
  const ofFile = ({ name, gid }: PasswdEntry) => (all?.get(name) ?? []).filter((each) => each !== gid);
  const groupsOf = all === undefined ? supplementaryGroups : ofFile;
  return { groupByGid, groupsOf, isLocal: (name) => local.has(name) };
}

/** As shadowOf, for a run that asks for thousands: see hostAccounts. */
export function hostShadow(): (name: ByteString) => ShadowEntry | undefined {
  const { byName } = indexOf(answeringFile(nsswitchText(), "shadow"), shadowEntry, () => 0);
  return (name) => byName.get(name) ?? shadowOf(name);
}
