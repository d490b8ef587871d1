import { type ByteString, trim } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, isReported } from "../cli/error.ts";
import type { KeyTable } from "../config/keys.ts";
import type { IniEntry, IniFile, IniSection } from "../config/model.ts";
import { groupOfSection, selectSection } from "../config/scan.ts";
import { confineKeys } from "../config/schemas/confine.ts";
import { policyKeys } from "../config/schemas/jails.ts";
import { isChrootShell, isLimitedShell } from "../jail/accounts/jailed-users.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { strictFinding } from "../system/sshd/strict-modes.ts";
import { keyWarnings, type SshdAnswer, sharedSettings } from "../system/sshd/warnings.ts";
import { expiryOf, type HostSources, isExpired, passwordFault, type Resident } from "../transfer/host.ts";
import { knownKeys } from "../transfer/sections.ts";
import { readAllKeys } from "../users/declared-keys.ts";
import { KEYS_LIMIT, type KeyLine, readKeyLine } from "../users/key-lines.ts";
import { keyLinesIn } from "../users/key-text.ts";
import { KEYS_FILE, type KeyPlace, keysText } from "../users/keys.ts";
import { DEFAULT_GROUP } from "../users/new-account.ts";
import { plainPaths } from "./compare/look-policy.ts";
import { type AlikeSources, alike } from "./gather-alike.ts";
import type { DeclaredUser } from "./model.ts";

/** Where a user of a jail is looked up. */
export interface UserSources extends AlikeSources {
  readonly root: JailRoot;
  /** The names in /etc/group. */
  readonly localGroups: ReadonlySet<ByteString>;
  /** The jk_lsh.ini of the jail. Throws JailkitError. */
  readonly policies: () => IniFile;
  /** Also the keys of authorized_keys. */
  readonly keys: boolean;
  /** What sshd said of users: see sharedSettings. */
  readonly sshd: Map<string, SshdAnswer>;
}

/** A user as the machine has it. Lines are printable. */
export interface GatheredUser {
  readonly user: DeclaredUser;
  readonly comments: readonly string[];
  /** What a declaration cannot say, or should not. */
  readonly leftOut: readonly string[];
  /** The same of many users, of which one warning is enough. */
  readonly common: readonly string[];
}

const WOULD_BE_OPEN = "one that 'jailkit apply' creates would be open";
// As most accounts of jailkit 2 have it.
const OWN_GROUP = `the primary group, which has the name of the user; an account that 'jailkit apply' creates gets ${quoted(DEFAULT_GROUP)}`;

/** Describes a user of a jail; or why that user is left out, printable, since a declaration would change who can log in. */
export function gatherUser(resident: Resident, sources: UserSources): GatheredUser | string {
  const { user, shell, home, local } = resident;
  const { root, host } = sources;
  if (!isChrootShell(user.shell))
    return `the shell of the account is ${quoted(user.shell)}, and not jk_chrootsh`;
  if (shell === undefined || shell === "") return "it has no shell in the jail's etc/passwd";
  const comments: string[] = [];
  const leftOut: string[] = [];
  const common: string[] = [];
  const expiry = expiryOf(user.name, host);
  if (expiry !== undefined && isExpired(user.name, host))
    return `the account has expired (${expiry}), and ${WOULD_BE_OPEN}`;
  const closed = passwordFault(user.name, host);
  if (closed !== undefined) return `${closed}, and ${WOULD_BE_OPEN}`;
  if (expiry !== undefined) leftOut.push(`its expiry date, ${expiry}`);
  if (local && host.facts.groupByGid(user.gid)?.name === user.name) {
    comments.push(`left out: its primary group, ${quoted(user.name)}`);
    common.push(OWN_GROUP);
  } else leftOut.push(...(local ? lostGroup(user, host) : lostGroups(user, sources)));
  const place = { file: user.name, line: 0, column: 0 };
  const ofAccount = local
    ? { uid: user.uid, comment: commentOf(user, leftOut), groups: groupsOf(user, sources, leftOut) }
    : { uid: undefined, comment: undefined, groups: [] };
  const isLimited = isLimitedShell(shell);
  const settings = settingsOf(user, sources, isLimited, { comments, leftOut, common });
  if (typeof settings === "string") return settings;
  const policy = isLimited ? policyOf(user, sources, comments, leftOut) : settings;
  const keys = sources.keys ? usableKeys(resident, sources, leftOut) : [];
  const declared: DeclaredUser = {
    ...{
      name: user.name,
      place,
      jail: root.path,
      shell,
      home: normalPath(home),
      directory: !local,
      // Where its home is, the directory says.
      keeps: local ? undefined : ["home"],
      ...ofAccount,
    },
    ...{ keys: keys.length === 0 ? undefined : keys, policy: policy.length === 0 ? undefined : policy },
  };
  const same = alike(declared, user, sources, leftOut);
  return typeof same === "string" ? same : { user: same, comments, leftOut, common };
}

/** The primary group, unless a new account gets it. */
function lostGroup({ gid }: PasswdEntry, { facts }: HostSources): string[] {
  const name = facts.groupByGid(gid)?.name;
  if (name === DEFAULT_GROUP) return [];
  return [name === undefined ? `its primary group, ${gid}` : `its primary group, ${quoted(name)}`];
}

/** The groups of this machine that an account of a directory is in: apply does not add it there. */
function lostGroups(user: PasswdEntry, { host, localGroups }: UserSources): string[] {
  const names = groupNames(user, host).filter((name) => localGroups.has(name));
  return names.map((name) => `the group ${quoted(name)} of /etc/group`);
}

/** True for text that looks like what it is. */
const isPlain = (text: ByteString): boolean => {
  const others = text.replaceAll("\\", "");
  return display(others) === others;
};

/** Users may choose it, with chfn(1). */
function commentOf({ gecos }: PasswdEntry, leftOut: string[]): ByteString | undefined {
  if (isPlain(gecos)) return gecos === "" ? undefined : gecos;
  leftOut.push(`the comment ${quoted(gecos)}`);
  return undefined;
}

const groupNames = (user: PasswdEntry, { facts }: HostSources): ByteString[] =>
  facts.groupsOf(user).flatMap((gid) => facts.groupByGid(gid)?.name ?? []);

/** The groups that usermod(8) can make the account a member of. */
function groupsOf(user: PasswdEntry, { host, localGroups }: UserSources, leftOut: string[]): ByteString[] {
  return groupNames(user, host).filter((name) => {
    const isLocal = localGroups.has(name);
    if (!isLocal) leftOut.push(`the group ${quoted(name)}, which is not in /etc/group`);
    return isLocal;
  });
}

/** The entries of a section, and its keys that are not in a table. */
function entriesOf(section: IniSection, table: KeyTable): { entries: IniEntry[]; others: string[] } {
  const { keys, others } = knownKeys(section, table);
  const entries = section.entries.flatMap((entry) => {
    const value = keys.get(entry.key);
    return value === undefined ? [] : [{ ...entry, value }];
  });
  return { entries, others };
}

/** Why a section is not declared: with another section in its place, the other keys would be gone. */
const withOthers = (shown: string, others: readonly string[]) =>
  `${shown}, which has ${others.map(quoted).join(", ")} too; it stays as it is`;

/** The section that counts for a user, whether it is for this user alone, and its name and file, printable. */
function sectionFor(sections: readonly IniSection[], user: PasswdEntry, host: HostSources) {
  const others = groupNames(user, host);
  const group = host.facts.groupByGid(user.gid)?.name ?? "";
  const section = selectSection(
    { sections },
    user.name,
    group,
    (name) => name === group || others.includes(name),
  );
  if (section === undefined) return undefined;
  const isOwn = section.name === user.name && groupOfSection(user.name) === undefined;
  const shown = `[${display(section.name)}] of ${display(section.file)}`;
  return { section, isOwn: isOwn && user.name !== "DEFAULT", shown };
}

/** What the user's own section of the jail's jk_lsh.ini allows. */
function policyOf(
  user: PasswdEntry,
  { policies, host }: UserSources,
  comments: string[],
  leftOut: string[],
): IniEntry[] {
  const found = sectionFor(policies().sections, user, host);
  if (found === undefined) {
    comments.push("no section of the jail's jk_lsh.ini is for this user, so nothing is allowed");
    return [];
  }
  const { section, isOwn, shown } = found;
  if (!isOwn) {
    comments.push(`${shown} says what this user may do; it stays as it is`);
    return [];
  }
  const { entries, others } = entriesOf(section, policyKeys);
  if (others.length === 0) return entries.map(withPlainPaths);
  leftOut.push(withOthers(shown, others));
  return [];
}

/** A declaration takes no other form of a directory. */
const withPlainPaths = (entry: IniEntry): IniEntry =>
  entry.key === "paths" ? { ...entry, value: plainPaths(entry.value), pieces: undefined } : entry;

/**
 * What the user's own section of jk_chrootsh.ini confines, if the shell is not the limited one; or why the user is left out,
 * whose session would have no limits.
 */
function settingsOf(
  user: PasswdEntry,
  { host }: UserSources,
  isLimited: boolean,
  { comments, leftOut, common }: Record<"comments" | "leftOut" | "common", string[]>,
): IniEntry[] | string {
  const found = sectionFor(host.settings, user, host);
  if (found === undefined) return [];
  const { section, isOwn, shown } = found;
  const { entries, others } = entriesOf(section, confineKeys);
  if (!isOwn || isLimited) {
    const more = others.filter((key) => key !== "log_format").map(quoted);
    if (entries.length + more.length === 0) return [];
    const does = entries.length > 0 ? "limits its sessions" : `has ${more.join(", ")} for it`;
    if (isOwn) leftOut.push(`${shown}, which ${does}; it stays as it is`);
    else {
      comments.push(`${shown} ${does}; it stays as it is`);
      const what = entries.length > 0 ? "limits sessions" : `has ${more.join(", ")}`;
      common.push(`${shown}, which ${what}; it stays as it is, and another machine does not get it`);
    }
    return [];
  }
  if (others.length === 0) return entries;
  if (entries.length > 0) return `${shown} limits its sessions, but has ${others.map(quoted).join(", ")} too`;
  leftOut.push(withOthers(shown, others));
  return [];
}

/** A line as it can be declared. What follows a key is its user's, and may be meant to mislead. */
function declarable({ line, options, key }: KeyLine): KeyLine | undefined {
  const plain = isPlain(line.replaceAll("\t", " ")) ? line : trim(`${options} ${key}`);
  const read = isPlain(plain.replaceAll("\t", " ")) ? readKeyLine(plain) : undefined;
  return read === undefined || "problem" in read ? undefined : read;
}

/** The keys that are not among those of authorized_keys: whether sshd reads their file, authorized_keys2, depends on its settings. */
function onlyElsewhere(place: KeyPlace, lines: readonly KeyLine[]): string[] {
  const known = new Set(lines.map(({ key }) => key));
  try {
    const more = new Set(
      keyLinesIn(readAllKeys(place).text).flatMap(({ key }) => (known.has(key) ? [] : key)),
    );
    return more.size === 0 ? [] : [`${more.size} of its keys, which ${KEYS_FILE} does not have`];
  } catch (error) {
    if (!isReported(error)) throw error;
    return [`keys that are not in ${KEYS_FILE}: ${describeError(error)}`];
  }
}

/** Why sshd reads no keys of that file, printable: where it does, they would let their user in. Undefined also without an sshd. */
function whyUnread(
  user: PasswdEntry,
  { host, sshd }: Pick<UserSources, "host" | "sshd">,
): string | undefined {
  const answer = sharedSettings({ ...user, groups: groupNames(user, host) }, sshd);
  return "settings" in answer
    ? keyWarnings(answer.settings, user.name, KEYS_FILE, false)[0]?.message
    : undefined;
}

/** The keys of a home that jk_jailuser would add. */
function usableKeys(
  { user, home }: Resident,
  sources: Pick<UserSources, "root" | "host" | "sshd">,
  leftOut: string[],
): KeyLine[] {
  try {
    const place = { root: sources.root, home, user };
    const lines = keyLinesIn(keysText(place));
    leftOut.push(...onlyElsewhere(place, lines));
    // sshd does not accept them. In a file that jailkit writes, it would.
    const finding = lines.length === 0 ? undefined : strictFinding(`${user.home}/${KEYS_FILE}`, user);
    if (finding !== undefined) {
      leftOut.push(`its keys: others could have written them: ${display(finding.message)}`);
      return [];
    }
    const unread = lines.length === 0 ? undefined : whyUnread(user, sources);
    if (unread !== undefined) {
      leftOut.push(`its keys: ${unread}`);
      return [];
    }
    const keys: KeyLine[] = [];
    let unusable = 0;
    for (const [first, ...others] of Map.groupBy(lines, ({ key }) => key).values()) {
      const read = first && declarable(first);
      // Of several lines of a key, sshd may use any.
      if (read !== undefined && others.every(({ options }) => options === first?.options)) keys.push(read);
      else unusable++;
    }
    if (keys.reduce((length, { line }) => length + line.length + 1, 0) > KEYS_LIMIT) {
      leftOut.push(`its keys, of more than ${KEYS_LIMIT} bytes`);
      return [];
    }
    if (unusable > 0) leftOut.push(`${unusable} of its keys, with doubtful options`);
    return keys;
  } catch (error) {
    if (!isReported(error)) throw error;
    leftOut.push(`its keys: ${describeError(error)}`);
    return [];
  }
}
