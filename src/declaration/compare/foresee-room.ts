import type { ByteString } from "../../../ffi/bytes.ts";
import { ENOSPC } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { isMissing } from "../../../ffi/files.ts";
import { directoryOf, normalPath } from "../../../ffi/paths.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import { findEntry } from "../../config/model.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { isLimitedShell } from "../../jail/accounts/jailed-users.ts";
import { sizesToCopy } from "../../jail/fs/home-move.ts";
import { withTree } from "../../jail/fs/look.ts";
import { fullProblem, noRoom } from "../../jail/fs/no-room.ts";
import type { SizedEntry } from "../../jail/fs/room.ts";
import type { RoomOfRun } from "../../jail/fs/room-of-run.ts";
import { hostPath, type JailRoot, joinPath, openJailRoot } from "../../jail/fs/walk.ts";
import { homeFor } from "../../users/jail-side.ts";
import { type Change, type Fault, faultText, isCreation, PROGRESS, taking } from "../change.ts";
import type { Comparison } from "./compare.ts";
import { withFault } from "./takes.ts";
import type { JailWork, UserWork } from "./work.ts";

/** True if something is removed first, or meanwhile, which makes room. */
export const mayMakeRoom = ({ former, jails }: Comparison): boolean =>
  former.some(({ of }) => of === "jail" || of === "user") ||
  jails.some(({ changes }) => changes.some(({ action, items }) => action === "remove" && items.length > 0));

/** Throws JailkitError "no-room" for what has certainly too little room in a directory of a jail. */
export function requireRoom(
  room: RoomOfRun | undefined,
  jail: ByteString,
  directory: ByteString,
  sizes: readonly SizedEntry[],
  progress: string,
): void {
  const problem = room?.take(jail, directory, sizes, progress);
  if (problem !== undefined) throw new JailkitError(problem.code, 1, problem.message);
}

/** With a fault in place of the changes of users whose homes have no room beside what comes before them. */
export function withRoomForHomes(work: JailWork, room: RoomOfRun | undefined): JailWork {
  const { path, fault, users } = work;
  if (room === undefined || fault !== undefined || users.every(({ moves }) => moves === undefined))
    return work;
  const isThere = !isMissing(path);
  const withRoom = (root: JailRoot, host: JailRoot) => (user: UserWork) => {
    const { moves, declared } = user;
    if (moves === undefined || user.fault !== undefined) return user;
    try {
      const jailHome = homeFor(moves, path);
      const to = isThere ? jailHome : joinPath(path, jailHome);
      const copied = sizesToCopy(host, normalPath(moves.home), moves.uid, root, to);
      if (copied === undefined) return user;
      requireRoom(room, path, joinPath(path, directoryOf(jailHome)), copied.sizes, "nothing was moved");
      room.give(copied.stat, copied.sizes);
      return user;
    } catch (error) {
      return withFault(user, { of: "user", name: declared.name, jail: path, ...faultText(error) });
    }
  };
  return withTree((host) => {
    using root = isThere ? answered(() => openJailRoot(path)) : undefined;
    if (isThere && root === undefined) return work;
    return { ...work, users: users.map(withRoom(root ?? host, host)) };
  });
}

/**
 * With a fault for users for whom a file of the jail would be written where there is no room for any. What gives something alone
 * is not begun. What takes something away a run tries all the same, and says what the user is still allowed: that it will fail, only
 * `check` says before.
 */
export function withRoomForFiles(work: JailWork, room: RoomOfRun | undefined, check: boolean): JailWork {
  const { path, fault, users } = work;
  const isAsked = users.some((user) => user.fault === undefined && user.changes.length > 0);
  // What is removed from a file may make room, too.
  const removes = ({ what, action }: Change) => action === "remove" && (what === "keys" || what === "policy");
  const mayMake = users.some(({ changes }) => changes.some(removes));
  if (room === undefined || fault !== undefined || !isAsked || mayMake || isMissing(path)) return work;
  using root = answered(() => openJailRoot(path));
  if (root === undefined) return work;
  const withRoom = (user: UserWork): UserWork => {
    const found = user.fault === undefined ? answered(() => fullFor(user, root)) : undefined;
    if (found === undefined) return user;
    if (taking(user.changes).length === 0) return withFault(user, found);
    return check ? { ...user, fault: found, isTried: true } : user;
  };
  return { ...work, users: users.map(withRoom) };
}

/** The fault of a user for whom a file cannot be written, in the words of the run. */
function fullFor({ declared, changes, moves }: UserWork, root: JailRoot): Fault | undefined {
  const { name, home, shell, place, policy = [] } = declared;
  const makes = (...some: readonly Change["what"][]) =>
    changes.some(({ what, action }) => action !== "remove" && some.includes(what));
  const isFull = (directory: ByteString) => fullProblem(root, directory, 1, PROGRESS) !== undefined;
  const fault = (directory: ByteString, due?: Fault["due"]): Fault | undefined => {
    const error = new SystemError(ENOSPC, "write", hostPath(root, directory));
    const problem = noRoom(error, root.path, { left: [], progress: PROGRESS });
    return problem && { of: "user", name, jail: root.path, ...problem, due };
  };
  // Of an account that somebody has removed, the line is there still.
  const comes = () =>
    makes("entry", "shell") ||
    (changes.some(isCreation) && readJailAccounts(root).userByName(name) === undefined);
  // Of several rights no one is to blame.
  const right = policy.length === 1 ? policy[0]?.key : undefined;
  if (makes("policy") && isLimitedShell(shell) && isFull(CONFIG_DIRECTORY))
    return fault(CONFIG_DIRECTORY, { key: right });
  if (isFull("/etc") && comes()) {
    const isDeclared = typeof findEntry(place.section, "shell") === "object";
    return fault("/etc", makes("shell") ? { key: isDeclared ? "shell" : right } : undefined);
  }
  // Those of a home that moves are not in the jail yet.
  const jailHome = normalPath(home);
  if (moves === undefined && makes("keys") && isFull(jailHome))
    return fault(jailHome, { key: "authorized_keys" });
  return undefined;
}
