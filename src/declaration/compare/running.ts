import { normalPath } from "../../../ffi/paths.ts";
import { answered, isReported, JailkitError } from "../../cli/error.ts";
import { withTree } from "../../jail/fs/look.ts";
import { staysMounted } from "../../jail/fs/mounted-home.ts";
import { openNamedJail } from "../../jail/record/named-jail.ts";
import { endSessions } from "../../system/end-sessions.ts";
import { holdersOfGids } from "../../system/gid-holders.ts";
import { requireNobodyBorrows } from "../../users/borrowed-groups.ts";
import { leaverOf, memberships } from "../../users/leaver.ts";
import { shownPids, whatRuns } from "../../users/sessions.ts";
import type { Former } from "./former.ts";
import type { Note } from "./former-jails.ts";
import type { Machine } from "./machine.ts";
import type { UserComparison } from "./user-state.ts";
import type { JailWork } from "./work.ts";

/**
 * Warnings about users who would not be removed now, since processes of theirs run. They are no errors: the run ends their
 * logins first, and until then the processes may have ended.
 */
function runningOf(former: readonly Former[], machine: Machine): Note[] {
  return former.flatMap((one): Note[] => {
    if (one.of !== "user" || !one.needsEnd) return [];
    const { name } = one.once;
    const uid = answered(() => machine.accounts.userByName(name)?.uid);
    const pids = uid === undefined ? [] : machine.processesOf(uid);
    if (uid === undefined || pids.length === 0) return [];
    const message = `has running processes now (${whatRuns(uid) ?? shownPids(pids)}), with which it is not removed; what ends them: ${endSessions(uid)}`;
    return [{ of: "user", name, message }];
  });
}

/** The same about users whose groups processes of others have. */
function borrowedOf(former: readonly Former[], { accounts, facts }: Machine): Note[] {
  const leavers = former.flatMap((one) => {
    if (one.of !== "user" || !one.needsEnd) return [];
    const leaver = answered(() => {
      const user = accounts.userByName(one.once.name);
      return user && leaverOf(user, one.once.groups, facts);
    });
    return leaver === undefined ? [] : [{ leaver, jail: one.once.jail }];
  });
  const stop = "nothing was changed; run this again";
  // Once for all: a machine has thousands of processes, and thousands of users may leave.
  const gids = new Set(leavers.flatMap(({ leaver }) => [...leaver.gids]));
  const holders = gids.size === 0 ? [] : (answered(() => holdersOfGids(gids, stop)) ?? []);
  const isMember = memberships();
  return leavers.flatMap(({ leaver, jail }): Note[] => {
    try {
      using root = openNamedJail(jail);
      requireNobodyBorrows(root, leaver, isMember, stop, holders);
      return [];
    } catch (error) {
      if (!isReported(error)) throw error;
      // The run says itself what cannot be looked at.
      const isKept = error instanceof JailkitError && error.code === "has-processes";
      return isKept ? [{ of: "user", name: leaver.name, message: error.message }] : [];
    }
  });
}

/** Warnings about homes that would be copied, and stay, as the run says. */
const mountedHomes = (users: readonly Pick<UserComparison, "moves">[]): Note[] =>
  withTree((host) =>
    users.flatMap(({ moves }): Note[] => {
      const message = moves && answered(() => staysMounted(host, normalPath(moves.home)));
      return moves === undefined || message === undefined ? [] : [{ of: "user", name: moves.name, message }];
    }),
  );

/** What a run warns of, for --check. `former`: those who would be removed, with --prune. */
export const saidByRun = (
  jails: readonly Pick<JailWork, "users">[],
  former: readonly Former[],
  machine: Machine,
  prune: boolean,
): Note[] => [
  ...(prune ? [...runningOf(former, machine), ...borrowedOf(former, machine)] : []),
  ...mountedHomes(jails.flatMap(({ users }) => users)),
];
