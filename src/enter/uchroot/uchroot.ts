import { SystemError } from "../../../ffi/error.ts";
import { args, environment, execve } from "../../../ffi/guard.ts";
import { versionLine } from "../../cli/about.ts";
import { print, printError, printLine } from "../../cli/output.ts";
import { filterEnvironment } from "../../limited-shell/environment.ts";
import { openSyslog, type Syslog } from "../../system/syslog.ts";
import { accountOf } from "../facts.ts";
import { variable } from "../limited/limited.ts";
import { ownLogin, requireChecks, unexpectedError } from "../privileged.ts";
import { Refusal, refuse } from "../refusal.ts";
import { enterJail } from "../session.ts";
import { UCHROOT_CALLER_CHECKS, UCHROOT_HOST_CHECKS, UCHROOT_IN_JAIL_CHECKS } from "./checks.ts";
import { uchrootSettingsOf } from "./facts.ts";
import { type GatheredUchrootFacts, gatherUchroot } from "./gather.ts";
import { readUchrootArguments, type UchrootRequest } from "./options.ts";

const TOOL = "jk_uchroot";

type RunRequest = Extract<UchrootRequest, { kind: "run" }>;

function callerFacts(jail: string, program: string): GatheredUchrootFacts {
  return gatherUchroot({ ...ownLogin(TOOL, variable(environment(), "USER")), jail, program });
}

/** The environment of the program: the harmless part of the caller's, and the variables that the settings name. */
export function uchrootEnvironment(given: readonly string[], kept: readonly string[]): string[] {
  return [...filterEnvironment(given, kept)].map(([name, value]) => `${name}=${value}`);
}

function enter(request: RunRequest, facts: GatheredUchrootFacts, log: Syslog): never {
  requireChecks(facts, UCHROOT_HOST_CHECKS, log);
  const { uid, gid } = facts;
  const { env, allowSetuid } = uchrootSettingsOf(facts);
  const { name } = accountOf(facts);
  const { program, programArguments } = request;
  const root = facts.root();
  // Now: there may be no name service inside the jail.
  facts.hostGroups();
  const who = `user ${name} (${uid})`;
  log.write("info", `now entering jail ${root.path} for ${who} with executable ${program}`);

  enterJail(root, { uid, gid, groups: facts.groups() }, !allowSetuid, log);
  // From here on the process has only the user's rights, and sees only the jail.
  requireChecks(facts, UCHROOT_IN_JAIL_CHECKS, log);
  try {
    return execve(program, [program, ...programArguments], uchrootEnvironment(environment(), env));
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const what = `ERROR: failed to execute ${program} for ${who}: ${error.reason}`;
    const hint = `check the permissions and libraries of ${program} in ${root.path}`;
    throw new Refusal("exec", 111, `${what}, ${hint}`, "the program cannot be executed");
  }
}

/**
 * jk_uchroot: checks whether the caller may enter the jail, enters it, drops its privilege and becomes the program.
 * Returns the exit status if that was refused; the log has the reason then, and the user an error id.
 */
export function uchroot(): number {
  const request = readUchrootArguments(args().slice(1));
  if (request.kind === "help") {
    print(request.text);
    return 0;
  }
  if (request.kind === "version") {
    printLine(versionLine(TOOL));
    return 0;
  }
  const log = openSyslog(TOOL, "auth");
  try {
    const facts = request.kind === "run" ? callerFacts(request.jail, request.program) : callerFacts("", "");
    requireChecks(facts, UCHROOT_CALLER_CHECKS, log);
    if (request.kind === "run") return enter(request, facts, log);
    printError(`${TOOL}: ${request.message}; see '${TOOL} --help'`);
    return 1;
  } catch (error) {
    return refuse(error instanceof Refusal ? error : unexpectedError(error), TOOL, log);
  }
}
