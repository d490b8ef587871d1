import type { ByteString } from "../../ffi/bytes.ts";
import { args, callerIds } from "../../ffi/guard.ts";
import { CAP_SYS_CHROOT, capabilities, supplementaryGroups } from "../../ffi/process.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { passwdByName, passwdByUid } from "../system/accounts.ts";
import type { Syslog } from "../system/syslog.ts";
import { type Check, runChecks } from "./checks.ts";
import type { PrivilegeFact } from "./facts.ts";
import type { Login } from "./gather.ts";
import { Refusal } from "./refusal.ts";

/** The privilege of this process, which runs `tool`. The guard has left it no other. */
function ownPrivilege(tool: string): PrivilegeFact {
  const callerIsRoot = callerIds().uid === 0;
  // Root always has it; the next check refuses root.
  const held = callerIsRoot || (capabilities().effective & (1n << BigInt(CAP_SYS_CHROOT))) !== 0n;
  if (held) return { held, reason: "CAP_SYS_CHROOT is effective", remedy: "" };
  return {
    held,
    reason:
      "the file has neither the capability nor the setuid bit (a copy loses both), its file system is mounted nosuid, " +
      "or the caller has set no_new_privs",
    remedy:
      `setcap cap_sys_chroot+ep "$(command -v ${tool})"; if it has that: mount its file system without nosuid, and ` +
      "start it without no_new_privs (systemd: NoNewPrivileges=no)",
  };
}

/** The login of this process's own caller. `userVariable`: the name in USER, if it counts. */
export function ownLogin(tool: string, userVariable: ByteString | undefined): Login {
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
  };
}

/** Runs checks and logs their notes. Throws a Refusal for the first that does not pass. */
export function requireChecks<F>(facts: F, checks: readonly Check<F>[], log: Syslog): void {
  for (const result of runChecks(facts, checks)) {
    for (const { severity, message } of result.notes ?? []) log.write(severity, message);
    if (result.outcome === "passed" || result.outcome === "warned") continue;
    const { name, exitStatus, message, shown, remedy } = result;
    throw new Refusal(name, exitStatus, message, shown, remedy);
  }
}

/** The refusal for an unexpected error: the log gets the reason, the user does not. */
export function unexpectedError(error: unknown): Refusal {
  const exitStatus = error instanceof JailkitError ? error.exitStatus : 1;
  return new Refusal("error", exitStatus, `abort, ${describeError(error)}`, "something unexpected happened");
}
