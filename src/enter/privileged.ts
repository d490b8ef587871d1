import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { args, callerIds } from "../../ffi/guard.ts";
import { CAP_SYS_CHROOT, capabilities, supplementaryGroups } from "../../ffi/process.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import { type PasswdEntry, passwdByName, passwdByUid } from "../system/accounts.ts";
import { type Audit, openAudit } from "./audit.ts";
import { type Check, isPassed, runCheck } from "./checks.ts";
import { limitRefusal } from "./confine-session.ts";
import { type LoginFacts, type PrivilegeFact, required, splitOf } from "./facts.ts";
import type { GatheredFacts, Login } from "./gather.ts";
import { Refusal, refuse } from "./refusal.ts";
import { enterHome, enterJail } from "./session.ts";

/** The privilege of this process, which runs `tool`. The guard has left it no other. */
function ownPrivilege(tool: string): PrivilegeFact {
  const callerIsRoot = callerIds().uid === 0;
  // Root always has it; the next check refuses root.
  const held = callerIsRoot || (capabilities().effective & (1n << BigInt(CAP_SYS_CHROOT))) !== 0n;
  if (held) return { held, reason: "CAP_SYS_CHROOT is effective", advice: "" };
  return {
    held,
    reason:
      "the file has neither the capability nor the setuid bit (a copy loses both), its file system is mounted nosuid, " +
      "or the caller has set no_new_privs; if it has the capability, mount its file system without nosuid, and start it " +
      "without no_new_privs (systemd: NoNewPrivileges=no)",
    advice: `setcap cap_sys_chroot+ep "$(command -v ${tool})"`,
  };
}

/** The login of this process's own caller. `userVariable`: the name in USER, if it counts. */
export function ownLogin(tool: string, userVariable: ByteString | undefined, log: Audit): Login {
  const { uid, gid } = callerIds();
  return {
    programName: args()[0] ?? "",
    uid,
    gid,
    userVariable,
    privilege: () => ownPrivilege(tool),
    account: () => (userVariable ? passwdByName(userVariable) : passwdByUid(uid)),
    groups: supplementaryGroups,
    asked: false,
    log,
  };
}

/** Runs checks and logs their notes. Throws a Refusal for the first that does not pass. */
export function requireChecks<F>(facts: F, checks: readonly Check<F>[], log: Audit): void {
  // All that a check needs have passed here. Not by the generator of runChecks, which would cost a login time.
  for (const one of checks) {
    const verdict = runCheck(facts, one);
    if (verdict.notes !== undefined) for (const note of verdict.notes) log.write(note.severity, note.message);
    if (isPassed(verdict)) continue;
    const { exitStatus = one.exitStatus, message, advice } = verdict;
    throw new Refusal(one.name, exitStatus, message, one.shown, advice);
  }
}

/** Enters the jail of a login that the checks on the host have allowed, and its home. Throws Refusal. */
export function enterLogin(
  facts: GatheredFacts,
  noNewPrivs: boolean,
  inJail: readonly Check<LoginFacts>[],
  log: Audit,
): void {
  const { uid, gid } = facts;
  const { home } = splitOf(facts);
  const checkedHome = required(facts.home(), "the home");
  facts.hostShell();
  if (!isDirectory(checkedHome)) {
    // The login is refused inside, where the host's account files are not seen.
    facts.isLocal();
    facts.homeOwner();
  }
  enterJail(facts.root(), { uid, gid, groups: facts.groups() }, noNewPrivs, log);
  // From here on the process has only the user's rights, and sees only the jail.
  requireChecks(facts, inJail, log);
  enterHome(home, checkedHome);
}

/** The refusal for a program that execve(2) did not start; throws `error` if it is another one. */
export function notExecuted(
  error: unknown,
  what: ByteString,
  { name, uid }: PasswdEntry,
  place: ByteString,
  shown: string,
): Refusal {
  if (!(error instanceof SystemError)) throw error;
  const unlimited = limitRefusal(error);
  if (unlimited !== undefined) return unlimited;
  const reason = `ERROR: failed to execute ${what} for user ${name} (${uid}): ${error.reason}`;
  const hint = `check the permissions and libraries of ${place}`;
  return new Refusal("exec", 111, `${reason}, ${hint}`, shown);
}

/**
 * Runs a program that any user may start, with its log. Returns the exit status; after a refusal the log has the reason,
 * and the user an error id. `unexpected`: the exit status for any other error, if it is not the error's own.
 */
export function runPrivileged(tool: string, run: (log: Audit) => number, unexpected?: number): number {
  // Before the chroot, to reach the host's log.
  const log = openAudit(tool);
  try {
    return run(log);
  } catch (error) {
    if (error instanceof Refusal) return refuse(error, tool, log);
    const exitStatus = unexpected ?? (error instanceof JailkitError ? error.exitStatus : 1);
    // The log gets the reason, the user does not.
    const reason = `abort, ${describeError(error)}`;
    return refuse(new Refusal("error", exitStatus, reason, "something unexpected happened"), tool, log);
  }
}
