import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { openDirectoryPath, withFd } from "../../../ffi/files.ts";
import { args, callerIds, environment, execve } from "../../../ffi/guard.ts";
import { libc } from "../../../ffi/libc.ts";
import { supplementaryGroups } from "../../../ffi/process.ts";
import { describeError } from "../../cli/error.ts";
import { tryPrintError } from "../../cli/output.ts";
import { type Advice, adviceText, composed, inWords, type Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { VERSION } from "../../cli/version.ts";
import { loadConfig } from "../../config/load.ts";
import { logFormatOf } from "../../config/log-format.ts";
import type { IniFile } from "../../config/model.ts";
import { lshKeys } from "../../config/schemas/lsh.ts";
import { forbidExecution } from "../../confine/calls.ts";
import { confinementText } from "../../confine/describe.ts";
import { someNamedCounts } from "../../confine/directories.ts";
import type { Feature } from "../../confine/features.ts";
import type { Confinement } from "../../confine/policy.ts";
import { logged } from "../../limited-shell/decide.ts";
import { systemFiles } from "../../limited-shell/files.ts";
import { flatFirstAccounts } from "../../system/flat-accounts.ts";
import { type Audit, openAudit } from "../audit.ts";
import { confineSession, limitRefusal } from "../confine-session.ts";
import { Refusal, refuse } from "../refusal.ts";
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

const TOOL = "jk_lsh";

// As in a shell: the program or its interpreter is missing; or it exists and cannot be executed.
const NOT_FOUND = 127;
const NOT_EXECUTABLE = 126;

type AllowedPlan = Extract<LimitedPlan, { allowed: true }>;
type RefusedPlan = Extract<LimitedPlan, { allowed: false }>;

/** The remedy for a file that needs more than one command. */
const CHECK: Remedy = `jailkit config check ${LIMITED_CONFIG_FILE}`;

/**
 * A remedy for files of the jail, as the administrator has to type it, who is on the host. Where a symbolic link of the jail
 * leads elsewhere, only a tool of the host tells which file that is.
 */
const fromHost = (remedy: Remedy, jail: ByteString): Remedy =>
  composed(
    (/ \/(?!etc\/jailkit\/)/.test(remedy) ? CHECK : remedy).replace(
      / (\/etc\/jailkit\/[^\t-\r ;'"]+)/g,
      (_, path) => ` ${shellWord(jail + path)}`,
    ),
  );

/** The keys that decided, for the log. */
function why({ by: { pattern, word, forced } }: AllowedPlan): string {
  const by = word === undefined ? "" : ` by allow = ${word}`;
  if (forced === undefined) return pattern === undefined ? by : `${by} by command ${pattern}`;
  return `${by} by force, asked for ${forced.asked === undefined ? "nothing" : logged(forced.asked)},`;
}

/** The key that allowed the command, for programs that read the log. */
function ruleOf({ by: { pattern, word, forced } }: AllowedPlan): ByteString | undefined {
  if (forced !== undefined) return "force";
  return pattern === undefined ? word && `allow = ${word}` : `command ${pattern}`;
}

/** The confinement that must come just before execve(2), by the address of the path. */
function confineLast({ starts, path }: AllowedPlan, address: number, log: Audit): void {
  if (starts === undefined || starts.length > 0 || forbidExecution(address)) return;
  log.write("notice", `${path} can execute other programs: the kernel has no filters of system calls`);
}

/** Reads the configuration, for the form of the first line too; the result is called where the decision needs it. */
function readConfig(log: Audit): () => IniFile | undefined {
  try {
    const ini = loadConfig(LIMITED_CONFIG_FILE, { dialect: "c" });
    log.setFormat(logFormatOf(ini, lshKeys).logFormat);
    return () => ini;
  } catch (error) {
    return () => {
      throw error;
    };
  }
}

/**
 * Logs and prints why nothing runs. What the administrator has to mend gets an error id; in all other lines the user reads
 * all that there is to know, and the log has them as in jailkit 2.23.
 */
function refusePlan(plan: RefusedPlan, args: readonly ByteString[], log: Audit): number {
  const { code, reason, exitStatus: exitCode, shown, advice } = plan;
  if (code === "config-invalid") {
    const change: Advice = typeof advice === "object" ? advice : fromHost(advice || CHECK, log.jail() ?? "");
    return refuse(new Refusal(code, exitCode, reason, shown, change), TOOL, log, { args });
  }
  log.write("err", reason, { outcome: "refused", code, reason, exitCode, args });
  tryPrintError(`${TOOL}: refused: ${shown}`);
  return exitCode;
}

/**
 * The limited shell, from its first log line to execve(2), about the files that this process sees: in a jail, the jail's.
 * Returns the exit status if the command was refused or could not be started; the user has seen one line then. It needs no
 * privilege: jk_lsh runs it, and jk_chrootsh after dropping its own.
 */
export function runLimitedShell(
  caller: LimitedCaller,
  accounts: LimitedRequest["accounts"],
  log: Audit,
  execute: Execute,
  told: readonly Feature[] = [],
): number {
  const config = readConfig(log);
  log.write("info", `version ${VERSION}, started`);
  const plan = planLimited({
    ...caller,
    accounts,
    loadConfig: config,
    learn: log.learn,
    files: systemFiles((name) => accounts.userByName(name)?.home),
    someNamedCounts: (scope) => withFd(openDirectoryPath("/"), (root) => someNamedCounts(root, scope)),
  });
  for (const { severity, message } of plan.notes) log.write(severity, message);
  if (!plan.allowed) return refusePlan(plan, caller.argv, log);
  const { user, path, argv, environment, umask, section, confinement } = plan;
  const who = `user ${user.name} (${user.uid})`;
  const asConfined = () => confinementText(confinement);
  const asked = plan.by.forced?.asked;
  const allowed = { executable: path, args: argv, rule: ruleOf(plan), asked, confinement: asConfined };
  log.write("info", `executing command ${logged(argv.join(" "))}${why(plan)} for ${who}`, {
    ...allowed,
    outcome: "allowed",
  });
  const notConfined = ({ check, reason, shown, advice }: Refusal, place: ByteString) =>
    refuse(
      new Refusal(
        check,
        NOT_EXECUTABLE,
        `${reason} (${who})`,
        shown,
        inWords(`${adviceText(advice)} in ${place}`),
      ),
      TOOL,
      log,
      allowed,
    );
  const place = `section [${section}] of ${LIMITED_CONFIG_FILE}`;
  try {
    confineSession(confinement, { log, program: path, told });
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    return notConfined(error, place);
  }
  try {
    if (umask !== undefined) libc.umask(umask);
    const { limits } = confinement;
    return execute(path, argv, environment, { limits, last: (address) => confineLast(plan, address, log) });
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const refusal = limitRefusal(error);
    // Those of jk_chrootsh.ini hold, too.
    const limitsPlace = confinement.limits.length > 0 ? place : "jk_chrootsh.ini";
    if (refusal !== undefined) return notConfined(refusal, limitsPlace);
    const reason = `WARNING: running ${path} failed for ${who}: ${error.reason}`;
    const status = error.code === "ENOENT" ? NOT_FOUND : NOT_EXECUTABLE;
    const failed = { outcome: "failed", code: error.code, reason, exitCode: status } as const;
    log.write("err", reason, { ...allowed, ...failed });
    log.write("err", `WARNING: check the permissions and libraries for ${path}`);
    tryPrintError(`${TOOL}: the command cannot be started: ${error.reason}`);
    return status;
  }
}

/** jk_lsh: becomes the command, if it is allowed; else returns the exit status. */
export function lsh(): number {
  const log = openAudit(TOOL);
  try {
    const { uid, gid } = callerIds();
    const caller = { argv: args(), environment: environment(), uid, gid, groups: supplementaryGroups };
    // As from jk_chrootsh: the command gets only standard input, output and error, and no descriptor to leave a jail by.
    return runLimitedShell(caller, flatFirstAccounts, log, (path, argv, envp, options) =>
      execve(path, argv, envp, { standardOnly: true, ...options }),
    );
  } catch (error) {
    const refusal = new Refusal(
      "error",
      1,
      `abort, ${describeError(error)}`,
      "something unexpected happened",
    );
    return refuse(refusal, TOOL, log);
  }
}
