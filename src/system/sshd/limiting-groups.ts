import type { ByteString } from "../../../ffi/bytes.ts";
import { isReported } from "../../cli/error.ts";
import { groupNamesOf, type PasswdEntry } from "../accounts.ts";
import { findProgram } from "../run.ts";
import { groupsWithRules } from "./match.ts";
import { DEFAULT_SERVER, runningServers, type SshdServer } from "./running.ts";

// For thousands of users the processes are looked at once.
let servers: readonly SshdServer[] | undefined;

/**
 * Those of some groups of an account by which an sshd that runs, or starts now, may limit it: its configuration has rules for
 * their members. All of them, if a configuration cannot be read.
 */
export const limitingGroups = (user: PasswdEntry, some: readonly ByteString[]): readonly ByteString[] =>
  limitingOf(user, some) ?? some;

/** The same of groups that it is to join. None of them, if a configuration cannot be read. */
export const limitingJoins = (user: PasswdEntry, some: readonly ByteString[]): readonly ByteString[] =>
  limitingOf(user, some, some) ?? [];

/** Undefined if a configuration cannot be read. `more`: other groups of the account. */
function limitingOf(
  user: PasswdEntry,
  some: readonly ByteString[],
  more: readonly ByteString[] = [],
): readonly ByteString[] | undefined {
  if (some.length === 0) return some;
  try {
    servers ??= [DEFAULT_SERVER, ...runningServers(findProgram("sshd") ?? "")];
    if (servers.some(({ unreadable }) => unreadable !== undefined)) return undefined;
    const all = [...groupNamesOf(user), ...more];
    const found = new Set(servers.flatMap((server) => groupsWithRules(server, all, some)));
    return some.filter((name) => found.has(name));
  } catch (error) {
    if (!isReported(error)) throw error;
    return undefined;
  }
}
