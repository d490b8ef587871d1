import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_PATH } from "../../ffi/constants.ts";
import { attempt, SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, type Stat, sameFile, statAt } from "../../ffi/files.ts";
import {
  capabilities,
  chdir,
  chrootIsRefused,
  chrootToFd,
  dropAllCapabilities,
  groupIds,
  isOnlyGroup,
  isOnlyUser,
  setNoNewPrivileges,
  singleThreaded,
  supplementaryGroups,
  userIds,
  workingDirectory,
} from "../../ffi/process.ts";
import { describeError } from "../cli/error.ts";
import type { Remedy } from "../cli/remedy.ts";
import { hasTerminalOfOthers, NO_FILTERS, refuseTerminalInput } from "../confine/calls.ts";
import { looseFile } from "../confine/handed-files.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import type { Syslog } from "../system/syslog.ts";
import { Refusal } from "./refusal.ts";

/** The ids that a session has from its start to its end. */
interface SessionIds {
  uid: number;
  gid: number;
  groups: readonly number[];
}

/** The exit status if no_new_privs or the filter on the terminal cannot be set. */
export const NOT_FILTERED = 105;

const TERMINAL_OF_OTHERS =
  "the terminal is not the user's own: in this session setuid programs and file capabilities have no effect";

const SHOWN = "the jail cannot be entered";

const stop = (code: string, exitStatus: number, reason: ByteString, remedy?: Remedy) =>
  new Refusal(code, exitStatus, `abort, ${reason}`, SHOWN, remedy);

/** Runs a step; a system call that fails in it becomes a refusal. */
function step<T>(code: string, exitStatus: number, what: ByteString, action: () => T): T {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    throw stop(code, exitStatus, `${what}: ${describeError(error)}`);
  }
}

/** chroot(2) into the open directory; proves that it is the root directory and the working directory then. */
function changeRoot(root: JailRoot): void {
  const { fd, path } = root;
  const jail = fstat(fd);
  step("chroot", 33, `chroot(${path}) failed`, () => {
    chrootToFd(fd, path);
  });
  const arrived =
    sameFile(statAt(AT_FDCWD, "/"), jail) &&
    sameFile(statAt(AT_FDCWD, "."), jail) &&
    workingDirectory() === "/";
  if (!arrived) throw stop("chroot", 33, `chroot(${path}) did not lead into the jail`);
}

function sameGroups(now: readonly number[], before: readonly number[]): boolean {
  for (const id of before) if (!now.includes(id)) return false;
  return now.length === before.length;
}

/** Proves that no id changed and that none can change back. The process only ever had the caller's. */
function proveIds({ uid, gid, groups }: SessionIds): void {
  if (!isOnlyGroup(gid)) throw stop("gid", 34, `the group IDs are ${groupIds().join(" ")}, not only ${gid}`);
  const now = supplementaryGroups();
  if (!sameGroups(now, groups))
    throw stop("groups", 35, `the additional groups are ${now.join(" ")}, not ${groups.join(" ")}`);
  if (!isOnlyUser(uid)) throw stop("uid", 36, `the user IDs are ${userIds().join(" ")}, not only ${uid}`);
}

/**
 * Drops all capabilities, and proves it. Capabilities belong to threads: another thread would keep them, and code in it
 * could leave the jail.
 */
function dropPrivilege(taskDirectory: number | undefined): void {
  if (!singleThreaded(taskDirectory)) {
    throw stop("threads", 101, "the process has more than one thread, or that is unknown");
  }
  step("capabilities", 102, "dropping all capabilities failed", dropAllCapabilities);
  const { effective, permitted, inheritable } = capabilities();
  // The ambient set is never more than the permitted one.
  if ((effective | permitted | inheritable) !== 0n) {
    throw stop("capabilities", 103, "capabilities are left after dropping them all");
  }
  if (chrootIsRefused()) return;
  throw stop("capabilities", 104, "chroot(2) still works after dropping all capabilities");
}

/** Sets the filter on the terminal, which a user may do only with no_new_privs. */
function guardTerminal(log: Syslog): void {
  const refused = step(
    "terminal",
    NOT_FILTERED,
    "the filter on the terminal cannot be set",
    refuseTerminalInput,
  );
  if (!refused) log.write("notice", NO_FILTERS);
  log.write("notice", TERMINAL_OF_OTHERS);
}

/**
 * Enters the jail for good: chroot(2), proves the ids, drops all privileges. A session on another user's terminal (su(1)
 * from a shell of root's) could type there, so it always gets no_new_privs, and the filter on the terminal. Throws Refusal
 * with exit status 33 (chroot), 34 to 36 (group, groups, user), 101 to 104 (the privilege cannot be dropped), 105
 * (no_new_privs, the filter).
 */
export function enterJail(root: JailRoot, ids: SessionIds, noNewPrivs: boolean, log: Syslog): void {
  const terminalOfOthers = !noNewPrivs && hasTerminalOfOthers(ids.uid);
  // For singleThreaded under a seccomp filter; undefined without /proc.
  const taskDirectory = attempt(() => openAt(AT_FDCWD, "/proc/self/task", O_PATH));
  // Inside, the mounts of the host are not listed.
  looseFile();
  changeRoot(root);
  proveIds(ids);
  dropPrivilege(taskDirectory);
  if (taskDirectory !== undefined) close(taskDirectory);
  if (noNewPrivs || terminalOfOthers)
    step("no-new-privs", NOT_FILTERED, "no_new_privs cannot be set", setNoNewPrivileges);
  // The confinement of a session with no_new_privs has the filter.
  if (terminalOfOthers) guardTerminal(log);
}

/** Makes the home the working directory; it must be the one that was checked. Throws Refusal (41). */
export function enterHome(home: ByteString, checked: Stat): void {
  step("home", 41, `chdir(${home}) failed inside the jail`, () => chdir(home));
  if (sameFile(statAt(AT_FDCWD, "."), checked)) return;
  throw stop("home", 41, `${home} was exchanged while the login was being checked`);
}
