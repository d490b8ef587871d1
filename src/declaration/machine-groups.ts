import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered } from "../cli/error.ts";
import { composed } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { didYouMean, suggest } from "../cli/suggest.ts";
import { type Fix, findEntry, type IniSection } from "../config/model.ts";
import { reportSeparators } from "../config/separators.ts";
import type { ListItem } from "../config/values.ts";
import type { JailedUser } from "../jail/accounts/jailed-users.ts";
import { isPlainName } from "../system/account-name.ts";
import { JAILED_GROUP, MAKE_JAILED_GROUP } from "../system/account-tools.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { groupNameFault, groupOf, noSuchGid } from "../users/groups.ts";
import { type NameHolder, nameTaken, primaryTaken } from "../users/jail-side.ts";
import { noGroup } from "../users/primary-group.ts";
import type { DeclarationFacts, FactContext } from "./machine-facts.ts";
import { renamedGroup, renamedText } from "./regrouped.ts";
import { itemsOf, type Subject } from "./section.ts";

/** The primary groups of accounts of a directory in a jail, by their names. */
type DirectoryGroups = ReadonlyMap<ByteString, NameHolder>;

/**
 * Those that have the name of another group of the machine, for which a jail has no other place. `names`: the users of the jail.
 * Accounts of /etc/passwd are not looked at, of which there may be thousands: of two groups of a name, one is of a directory.
 */
function directoryGroups(
  names: Iterable<ByteString>,
  facts: Pick<DeclarationFacts, "userByName" | "userNames" | "groupByName" | "groupByGid">,
): DirectoryGroups {
  const found = new Map<ByteString, NameHolder>();
  const local = new Set(answered(facts.userNames));
  const seen = new Set<number>();
  for (const name of new Set(names)) {
    if (local.has(name)) continue;
    const gid = answered(() => facts.userByName(name)?.gid);
    if (gid === undefined || seen.has(gid)) continue;
    seen.add(gid);
    const group = answered(() => facts.groupByGid(gid)?.name);
    const other = group === undefined ? undefined : answered(() => facts.groupByName(group)?.gid);
    if (group !== undefined && other !== undefined && other !== gid)
      found.getOrInsert(group, { gid, user: name });
  }
  return found;
}

/**
 * The same of each jail, with the users of `sections`, and those who live there already (`jailed`). It is looked for at the first
 * question.
 */
export function takenNames(
  sections: readonly { readonly section: IniSection; readonly subject: Subject }[],
  jailed: (jail: ByteString) => readonly Pick<JailedUser, "name">[],
  facts: DeclarationFacts,
): (jail: ByteString) => DirectoryGroups {
  const found = new Map<ByteString, DirectoryGroups>();
  const declared = new Map<ByteString, ByteString[]>();
  for (const { section, subject } of sections)
    if (subject.kind === "user")
      declared.getOrInsertComputed(findEntry(section, "jail")?.value ?? "", () => []).push(subject.name);
  return (jail) =>
    found.getOrInsertComputed(jail, () => {
      const names = jailed(jail).map(({ name }) => name);
      return directoryGroups([...names, ...(declared.get(jail) ?? [])], facts);
    });
}

/** Reports the primary group of an account that is none. */
export function reportNoGroup(
  section: IniSection,
  account: PasswdEntry,
  { facts, report }: Pick<FactContext, "facts" | "report">,
): void {
  const { gid } = account;
  if (answered(() => facts.groupByGid(gid) === undefined) !== true) return;
  const jail = findEntry(section, "jail")?.value ?? "";
  const { message, remedy } = noGroup(
    account,
    answered(() => facts.jailAccounts(jail).groupByGid(gid)?.name),
  );
  report(section, "error", "unknown-group", message, { kind: "command", text: remedy });
}

/** Reports groups of an account, undefined for a new one, that cannot be in the jail under their names, which others have there. */
export function reportGroupNames(
  section: IniSection,
  account: PasswdEntry | undefined,
  taken: DirectoryGroups,
  { facts, report }: Pick<FactContext, "facts" | "report">,
): void {
  if (taken.size === 0) return;
  const own = account && answered(() => facts.groupByGid(account.gid));
  const first = own && taken.get(own.name);
  if (account !== undefined && own !== undefined && first !== undefined && first.gid !== own.gid)
    report(section, "error", "taken", primaryTaken(account, own, first), { kind: "none" });
  for (const item of itemsOf(section, "groups")) {
    const group = answered(() => groupOf(item.value, facts));
    const other = group && taken.get(group.name);
    if (group === undefined || other === undefined || [other.gid, account?.gid].includes(group.gid)) continue;
    const message = `the group ${quoted(group.name)} (gid ${group.gid}) ${nameTaken(other)}; until then, it has no name in the jail`;
    report(item, "warning", "taken", message, { kind: "none" });
  }
}

/** Takes a group out of a list, unless that has no other one: the file of groups may be another one for a while. */
function withoutGroup(items: readonly ListItem[], facts: DeclarationFacts): (group: ByteString) => Fix {
  const leaves = items.some(({ value }) => answered(() => groupOf(value, facts)) !== undefined);
  return (old) => (leaves ? { kind: "item", old } : { kind: "none" });
}

/** The groups that a user joins: useradd(8) and usermod(8) add nobody to those of another name service. */
export function reportGroups(
  section: IniSection,
  { facts, report }: FactContext,
  once: () => ReturnType<DeclarationFacts["userOnce"]>,
): void {
  const items = itemsOf(section, "groups");
  const without = withoutGroup(items, facts);
  for (const item of items) {
    const { value } = item;
    const names = answered(facts.groupNames);
    const found = answered(() => ({ group: groupOf(value, facts) }));
    if (names === undefined || found === undefined) continue;
    const name = found.group?.name ?? value;
    const isHere = (one: ByteString) => names.includes(one);
    const fault = found.group === undefined ? noSuchGid(value) : groupNameFault(found.group);
    if (
      fault === undefined &&
      (isHere(name) || reportSeparators(item, () => found.group !== undefined, report))
    )
      continue;
    if (fault !== undefined || found.group !== undefined) {
      const elsewhere = `the group ${quoted(name)} is not in /etc/group: add the user to it where the group is`;
      report(item, "error", "unknown-group", fault ?? elsewhere, without(value));
      continue;
    }
    const renamed = renamedGroup(value, answered(once), facts);
    const near = renamed ?? suggest(value, names);
    const message =
      renamed === undefined
        ? `there is no group ${quoted(value)}${didYouMean(value, names)}`
        : renamedText(value, renamed);
    const make = composed(
      [...(value === JAILED_GROUP ? MAKE_JAILED_GROUP : ["groupadd", operands(value)])].join(" "),
    );
    const other: Fix = { kind: "item", old: value, with: near };
    const fix: Fix = near === undefined && isPlainName(value) ? { kind: "command", text: make } : other;
    report(item, "error", "unknown-group", message, fix);
  }
}
