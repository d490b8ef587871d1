import type { ByteString } from "../../../ffi/bytes.ts";
import { isReported } from "../../cli/error.ts";
import { groupNamesOf, type PasswdEntry } from "../accounts.ts";
import { findProgram } from "../run.ts";
import {
  type ConfigLine,
  deniesGroups,
  type GroupRule,
  groupsOfRules,
  namesUser,
  serverLines,
} from "./match.ts";
import { DEFAULT_SERVER, runningServers, type SshdServer } from "./running.ts";
import { isUnclear, joinsThatTakeAway } from "./taking-away.ts";

// For thousands of users the processes are looked at once.
let servers: readonly SshdServer[] | undefined;

/**
 * Those of some groups of an account by which an sshd that runs, or starts now, may limit it: its configuration has rules for
 * their members. All of them, if a configuration cannot be read.
 */
export const limitingGroups = (user: PasswdEntry, some: readonly ByteString[]): readonly ByteString[] =>
  asked(some, (all) => {
    const own = groupNamesOf(user);
    const found = new Set(all.flatMap((server) => groupsWithRules(serverLines(server), own, some)));
    return some.filter((name) => found.has(name));
  }) ?? some;

/**
 * Those of some groups by which a configuration has rules for a user who is in `all`: without one of them, a block Match or
 * DenyGroups names the user no more. All of them, if a line may say something else to sshd. Pure.
 */
export function groupsWithRules(
  lines: readonly ConfigLine[],
  all: readonly ByteString[],
  some: readonly ByteString[],
): readonly ByteString[] {
  if (lines.some(isUnclear)) return some;
  const rules = lines.flatMap(({ keyword, words, block }): GroupRule[] => {
    if (keyword === "denygroups") return [deniesGroups(words)];
    const criteria = keyword === "match" ? block.filter(({ criterion }) => criterion === "group") : [];
    return criteria.map((one) => (groups) => namesUser(one, { name: "", groups }) === true);
  });
  return groupsOfRules(rules, all, some);
}

/**
 * Those of some groups that it is to join by which such an sshd certainly gives it less, and nothing more. None of them, if a
 * configuration cannot be read.
 */
export const limitingJoins = (user: PasswdEntry, some: readonly ByteString[]): readonly ByteString[] =>
  asked(some, (all) =>
    joinsThatTakeAway(all.map(serverLines), { name: user.name, groups: groupNamesOf(user) }, some),
  ) ?? [];

/** The answer for some groups by all servers; undefined if a configuration cannot be read. */
function asked(
  some: readonly ByteString[],
  answer: (servers: readonly SshdServer[]) => readonly ByteString[],
): readonly ByteString[] | undefined {
  if (some.length === 0) return some;
  try {
    servers ??= [DEFAULT_SERVER, ...runningServers(findProgram("sshd") ?? "")];
    return servers.some(({ unreadable }) => unreadable !== undefined) ? undefined : answer(servers);
  } catch (error) {
    if (!isReported(error)) throw error;
    return undefined;
  }
}
