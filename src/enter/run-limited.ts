import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { libc } from "../../ffi/libc.ts";
import { setNoNewPrivileges } from "../../ffi/process.ts";
import { printError } from "../cli/output.ts";
import { VERSION } from "../cli/version.ts";
import type { Syslog } from "../system/syslog.ts";
import { type LimitedRequest, planLimited } from "./limited.ts";

/** execve(2), as ffi/guard.ts has it. */
export type Execute = (path: ByteString, argv: readonly ByteString[], envp: readonly ByteString[]) => never;

// As a shell ends: the program, or the interpreter that it names, is not there; or it is, and cannot be executed.
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

/**
 * The limited shell, from its first log line to the command that takes its place. Returns only where the command
 * was refused or could not be started, with the exit status; the user was then told in one line why. It has no
 * privilege and needs none: jk_lsh runs it, and jk_chrootsh once its own is gone.
 */
export function runLimitedShell(request: LimitedRequest, log: Syslog, execute: Execute): number {
  log.write("info", `version ${VERSION}, started`);
  const plan = planLimited(request);
  for (const { severity, message } of plan.notes) log.write(severity, message);
  if (!plan.allowed) {
    log.write("err", plan.reason);
    printError(`jk_lsh: refused: ${plan.shown}`);
    return plan.exitStatus;
  }
  const { user, path, argv, environment, umask, noNewPrivs } = plan;
  const who = `user ${user.name} (${user.uid})`;
  log.write("info", `executing command '${argv.join(" ")}' for ${who}`);
  try {
    if (umask !== undefined) libc.umask(umask);
    if (noNewPrivs) setNoNewPrivileges();
    return execute(path, argv, environment);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    log.write("err", `WARNING: running ${path} failed for ${who}: ${error.reason}`);
    log.write("err", `WARNING: check the permissions and libraries for ${path}`);
    printError(`jk_lsh: the command cannot be started: ${error.reason}`);
    return error.code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
  }
}
