import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { openDirectoryPath, withFd } from "../../../ffi/files.ts";
import { args, callerIds, environment, execve } from "../../../ffi/guard.ts";
import { libc } from "../../../ffi/libc.ts";
import { supplementaryGroups } from "../../../ffi/process.ts";
import { describeError } from "../../cli/error.ts";
import { printError } from "../../cli/output.ts";
import { VERSION } from "../../cli/version.ts";
import { loadConfig } from "../../config/load.ts";
import { forbidExecution } from "../../confine/calls.ts";
import { someNamedCounts } from "../../confine/directories.ts";
import type { Feature } from "../../confine/features.ts";
import type { Confinement } from "../../confine/policy.ts";
import { logged } from "../../limited-shell/decide.ts";
import { systemFiles } from "../../limited-shell/files.ts";
import { flatFirstAccounts } from "../../system/flat-accounts.ts";
import { openSyslog, type Syslog } from "../../system/syslog.ts";
import { confineSession, limitRefusal } from "../confine-session.ts";
import { Refusal } from "../refusal.ts";
import { LIMITED_CONFIG_FILE, type LimitedPlan, type LimitedRequest, planLimited } from "./limited.ts";

/** The caller: see LimitedRequest. */
type LimitedCaller = Pick<LimitedRequest, "argv" | "environment" | "uid" | "gid" | "groups">;

/** execve(2) of ffi/guard.ts; see there for `last`. */
export type Execute = (
  path: ByteString,
  argv: readonly ByteString[],
  envp: readonly ByteString[],
  options: { limits: Confinement["limits"]; last: (path: number) => void },
) => never;

// As in a shell: the program or its interpreter is missing; or it exists and cannot be executed.
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

type AllowedPlan = Extract<LimitedPlan, { allowed: true }>;

/** The keys that decided, for the log. */
function why({ by: { pattern, word, forced } }: AllowedPlan): string {
  const by = word === undefined ? "" : ` by allow = ${word}`;
  if (forced === undefined) return pattern === undefined ? by : `${by} by command ${pattern}`;
  return `${by} by force, asked for ${forced.asked === undefined ? "nothing" : logged(forced.asked)},`;
}

/** The confinement that must come just before execve(2), by the address of the path. */
function confineLast({ starts, path }: AllowedPlan, address: number, log: Syslog): void {
  if (starts === undefined || starts.length > 0 || forbidExecution(address)) return;
  log.write("notice", `${path} can execute other programs: the kernel has no filters of system calls`);
}

/**
 * The limited shell, from its first log line to execve(2), about the files that this process sees: in a jail, the jail's.
 * Returns the exit status if the command was refused or could not be started; the user has seen one line then. It needs no
 * privilege: jk_lsh runs it, and jk_chrootsh after dropping its own.
 */
export function runLimitedShell(
  caller: LimitedCaller,
  accounts: LimitedRequest["accounts"],
  log: Syslog,
  execute: Execute,
  told: readonly Feature[] = [],
): number {
  log.write("info", `version ${VERSION}, started`);
  const plan = planLimited({
    ...caller,
    accounts,
    loadConfig: () => loadConfig(LIMITED_CONFIG_FILE, { dialect: "c" }),
    files: systemFiles((name) => accounts.userByName(name)?.home),
    someNamedCounts: (scope) => withFd(openDirectoryPath("/"), (root) => someNamedCounts(root, scope)),
  });
  for (const { severity, message } of plan.notes) log.write(severity, message);
  if (!plan.allowed) {
    log.write("err", plan.reason);
    printError(`jk_lsh: refused: ${plan.shown}`);
    return plan.exitStatus;
  }
  const { user, path, argv, environment, umask, section, confinement } = plan;
  const who = `user ${user.name} (${user.uid})`;
  log.write("info", `executing command ${logged(argv.join(" "))}${why(plan)} for ${who}`);
  const notConfined = ({ reason, shown }: Refusal) => {
    const remedy = `confine = 0 and execute = any in section [${section}] of ${LIMITED_CONFIG_FILE} disable this`;
    log.write("err", `${reason} (${who}); ${remedy}`);
    printError(`jk_lsh: refused: ${shown}`);
    return NOT_EXECUTABLE;
  };
  try {
    confineSession(confinement, { log, program: path, told });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return notConfined(error);
  }
  try {
    if (umask !== undefined) libc.umask(umask);
    const { limits } = confinement;
    return execute(path, argv, environment, { limits, last: (address) => confineLast(plan, address, log) });
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const refusal = limitRefusal(error);
    if (refusal !== undefined) return notConfined(refusal);
    log.write("err", `WARNING: running ${path} failed for ${who}: ${error.reason}`);
    log.write("err", `WARNING: check the permissions and libraries for ${path}`);
    printError(`jk_lsh: the command cannot be started: ${error.reason}`);
    return error.code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
  }
}

/** jk_lsh: becomes the command, if it is allowed; else returns the exit status. */
export function lsh(): number {
  const log = openSyslog("jk_lsh", "auth");
  try {
    const { uid, gid } = callerIds();
    const caller = { argv: args(), environment: environment(), uid, gid, groups: supplementaryGroups };
    // As from jk_chrootsh: the command gets only standard input, output and error, and no descriptor to leave a jail by.
    return runLimitedShell(caller, flatFirstAccounts, log, (path, argv, envp, options) =>
      execve(path, argv, envp, { standardOnly: true, ...options }),
    );
  } catch (error) {
    log.write("err", `abort, ${describeError(error)}`);
    printError("jk_lsh: refused: something unexpected happened");
    return 1;
  }
}
