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
export function limitingGroups(user: PasswdEntry, some: readonly ByteString[]): readonly ByteString[] {
  if (some.length === 0) return some;
  try {
    servers ??= [DEFAULT_SERVER, ...runningServers(findProgram("sshd") ?? "")];
    if (servers.some(({ unreadable }) => unreadable !== undefined)) return some;
    const all = groupNamesOf(user);
    const found = new Set(servers.flatMap((server) => groupsWithRules(server, all, some)));
    return some.filter((name) => found.has(name));
  } catch (error) {
    if (!isReported(error)) throw error;
    return some;
  }
}
