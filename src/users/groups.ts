import { type ByteString, trim } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { allOf, composed } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { didYouMean } from "../cli/suggest.ts";
import { isPlainName } from "../system/account-name.ts";
import { JAILED_GROUP, MAKE_JAILED_GROUP, namesIn } from "../system/account-tools.ts";
import { type Group, groupByGid, groupByName } from "../system/accounts.ts";
import type { Advice } from "./advice.ts";

/** The largest gid; (gid_t) -1 means none. */
const MOST_GIDS = 0xffff_fffe;

/** True for digits alone, which useradd(8) and usermod(8) take for a gid. Pure. */
export const isNumber = (word: ByteString): boolean => /^\d+$/.test(word);

/**
 * The group that a word means, by the look-ups of `ask`; undefined if there is none. A number is a gid, even if a group has
 * it as its name: so read it useradd(8) and usermod(8), which get the word, and jk_addjailuser of jailkit 2, which gave it to them.
 */
export function groupOf<G extends Group>(
  word: ByteString,
  ask: { groupByName(name: ByteString): G | undefined; groupByGid(gid: number): G | undefined },
): G | undefined {
  if (!isNumber(word)) return word === "" ? undefined : ask.groupByName(word);
  return Number(word) > MOST_GIDS ? undefined : ask.groupByGid(Number(word));
}

/** Why useradd(8) and usermod(8), which get its name, would take another group for it; undefined if they do not. Pure. */
export function groupNameFault({ name, gid }: Group): string | undefined {
  if (!isNumber(name) || Number(name) === gid) return undefined;
  return `the name of the group ${quoted(name)} (gid ${gid}) is a number, which useradd(8) and usermod(8) take for the gid of another: give it another name, with groupmod(8)`;
}

/** Says that a number is no gid of a group; undefined for another word. Pure. */
export const noSuchGid = (word: ByteString): string | undefined =>
  isNumber(word)
    ? `there is no group with the gid ${word}: write another one, or the name of a group`
    : undefined;

/**
 * The words with the names of groups instead of their gids; a gid that has none, or a name that does not mean it, stays. A
 * group is remembered by its name: later the number may be that of another one. `ask` may throw JailkitError.
 */
export const namedGroups = (
  words: readonly ByteString[],
  ask: Parameters<typeof groupOf>[1],
): ByteString[] => [
  ...new Set(
    words.map((word) => {
      const group = isNumber(word) ? answered(() => groupOf(word, ask)) : undefined;
      return group === undefined || isNumber(group.name) ? word : group.name;
    }),
  ),
];

/** The group of the host that a word means: see groupOf. Throws JailkitError, also for one that groupNameFault is about. */
export function requireGroup(word: ByteString): Group {
  const found = groupOf(word, { groupByName, groupByGid });
  const fault = found === undefined ? noSuchGid(word) : groupNameFault(found);
  if (fault !== undefined) throw new JailkitError("no-such-group", 1, fault);
  if (found !== undefined) return found;
  const hint = didYouMean(word, namesIn("/etc/group"));
  const make = composed(
    [...(word === JAILED_GROUP ? MAKE_JAILED_GROUP : ["groupadd", operands(word)])].join(" "),
  );
  const create = hint === "" ? "; create it with: " : " Otherwise create it with: ";
  const advice = isPlainName(word) ? create + make : "";
  // Which of the two is meant, only the administrator knows.
  const remedy = hint === "" && advice !== "" ? make : undefined;
  const message = `there is no group ${quoted(word)}${hint}${advice}`;
  throw new JailkitError("no-such-group", 1, message, undefined, remedy);
}

/** The same, but throws for a group of another name service, to which useradd(8) and usermod(8) add nobody. */
function requireLocalGroup(word: ByteString, local: readonly ByteString[]): Group {
  const group = requireGroup(word);
  if (local.includes(group.name)) return group;
  const message = `the group ${quoted(group.name)} is not in /etc/group: add the account to it where the group is, and omit it here`;
  throw new JailkitError("not-local-group", 1, message);
}

/**
 * The groups of a comma-separated list, as in -G of useradd(8), each once. Throws JailkitError with all that there are not, or
 * to which these programs add nobody.
 */
export function requireGroups(list: ByteString): Group[] {
  const local = namesIn("/etc/group");
  const errors: JailkitError[] = [];
  const found = new Map<number, Group>();
  for (const word of list.split(",")) {
    try {
      const group = requireLocalGroup(trim(word), local);
      found.set(group.gid, group);
    } catch (error) {
      if (!(error instanceof JailkitError && GROUP_CODES.includes(error.code))) throw error;
      errors.push(error);
    }
  }
  const [first] = errors;
  if (first === undefined) return [...found.values()];
  const remedies = [...new Set(errors.map(({ remedy }) => remedy))];
  const message = [...new Set(errors.map((one) => one.message))].join("; ");
  // Where one of them has none, the others would not be all.
  const remedy = remedies.includes("") ? undefined : allOf(remedies);
  throw new JailkitError(first.code, 1, message, undefined, remedy);
}

const GROUP_CODES: readonly ProblemCode[] = ["no-such-group", "not-local-group"];

// Their members can become root by files that they can read, write or start, or by sudo. Not adm, which only reads logs.
const ADMINISTRATORS = new Set([
  ...["root", "sudo", "wheel", "admin", "docker", "lxd", "incus-admin", "libvirt", "disk", "shadow", "kmem"],
]);

/** True for the name of a group whose members can become root on most machines. */
export const isAdministrators = (name: ByteString): boolean => ADMINISTRATORS.has(name);

/** The groups of an account, by their names. */
interface Memberships {
  readonly name: ByteString;
  readonly primary: ByteString;
  readonly others: readonly ByteString[];
  /** Those that it is in already. */
  readonly present: readonly ByteString[];
  /** It is in /etc/passwd, or will be: asked only if that counts. */
  readonly isLocal: () => boolean;
}

/** A warning about groups of an account by which it can become root; undefined if there are none. */
export function groupWarning(
  { name, primary, others, present, isLocal: asked }: Memberships,
  advice: Pick<Advice, "group">,
): string | undefined {
  const found = [...new Set([primary, ...others])].filter((group) => ADMINISTRATORS.has(group));
  if (found.length === 0) return undefined;
  const [isLocal, here] = [asked(), new Set(namesIn("/etc/group"))];
  const commands = found.flatMap((group) => {
    if (group === primary) return isLocal ? `usermod -g users ${operands(name)}` : [];
    return here.has(group) ? `gpasswd -d ${operands(name, group)}` : [];
  });
  const elsewhere = found.filter((group) => group !== primary && !here.has(group));
  const ways = [
    ...(commands.length === 0 ? [] : [`take it out: ${commands.join(" && ")}`]),
    ...(elsewhere.length === 0
      ? []
      : [`take it out of ${elsewhere.map(quoted).join(", ")} in the directory`]),
    ...(isLocal || !found.includes(primary)
      ? []
      : ["give it another primary group in its directory (gidNumber)"]),
  ];
  const isDeclarable = found.some((group) => group !== primary);
  const what = `of the ${found.length === 1 ? "group" : "groups"} ${found.map(quoted).join(", ")}`;
  const isThere = found.every((group) => present.includes(group));
  const remedy = isThere ? (isDeclarable ? advice.group : "") + ways.join("; and ") : "omit that";
  return `a member ${what} can become root on most machines; unless you want that, ${remedy}`;
}
