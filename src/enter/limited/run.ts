import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { libc } from "../../../ffi/libc.ts";
import { setNoNewPrivileges } from "../../../ffi/process.ts";
import { describeError } from "../../cli/error.ts";
import { printError } from "../../cli/output.ts";
import { VERSION } from "../../cli/version.ts";
import { forbidExecution, NO_FILTERS, refuseTerminalInput } from "../../confine/calls.ts";
import { limitExecution, NO_LANDLOCK } from "../../confine/execute.ts";
import { logged } from "../../limited-shell/decide.ts";
import type { Syslog } from "../../system/syslog.ts";
import { LIMITED_CONFIG_FILE, type LimitedPlan, type LimitedRequest, planLimited } from "./limited.ts";

/** execve(2) of ffi/guard.ts; `last` is called just before, with the address of the path. */
export type Execute = (
  path: ByteString,
  argv: readonly ByteString[],
  envp: readonly ByteString[],
  last: (path: number) => void,
) => never;

// As in a shell: the program or its interpreter is missing; or it exists and cannot be executed.
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

type AllowedPlan = Extract<LimitedPlan, { allowed: true }>;

/** Confines this process for good, as the section says. Throws SystemError. */
function confine({ noNewPrivs, execute, path }: AllowedPlan, log: Syslog): void {
  if (!noNewPrivs && execute === "any") return;
  setNoNewPrivileges();
  if (!refuseTerminalInput()) log.write("notice", NO_FILTERS);
  if (execute === "any") return;
  const leftOut = limitExecution(execute);
  if (leftOut === undefined) {
    log.write("notice", `the programs that ${path} executes are not limited: ${NO_LANDLOCK}`);
  } else if (leftOut.length > 0) {
    const list = leftOut.map((one) => `${one.path} (${one.why})`).join(", ");
    log.write("notice", `${path} may execute nothing in ${list}`);
  }
}

/** The confinement that must come just before execve(2), by the address of the path. */
function confineLast({ starts, path }: AllowedPlan, address: number, log: Syslog): void {
  if (starts === undefined || starts.length > 0 || forbidExecution(address)) return;
  log.write("notice", `${path} can execute other programs: the kernel has no filters of system calls`);
}

/**
 * The limited shell, from its first log line to execve(2). Returns the exit status if the command was refused or could
 * not be started; the user has seen one line then. It needs no privilege: jk_lsh runs it, and jk_chrootsh after dropping
 * its own.
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
  const { user, path, argv, environment, umask, section } = plan;
  const who = `user ${user.name} (${user.uid})`;
  log.write("info", `executing command ${logged(argv.join(" "))} for ${who}`);
  try {
    confine(plan, log);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const remedy = `execute = any in section [${section}] of ${LIMITED_CONFIG_FILE} disables this`;
    log.write("err", `abort, the session of ${who} cannot be confined: ${describeError(error)}; ${remedy}`);
    printError("jk_lsh: refused: the session cannot be confined");
    return NOT_EXECUTABLE;
  }
  try {
    if (umask !== undefined) libc.umask(umask);
    return execute(path, argv, environment, (address) => confineLast(plan, address, log));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    log.write("err", `WARNING: running ${path} failed for ${who}: ${error.reason}`);
    log.write("err", `WARNING: check the permissions and libraries for ${path}`);
    printError(`jk_lsh: the command cannot be started: ${error.reason}`);
    return error.code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
  }
}
