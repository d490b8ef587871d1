import type { ByteString } from "../../ffi/bytes.ts";
import { libc } from "../../ffi/libc.ts";
import { COLOR, type Paint, paintFor } from "../cli/colour.ts";
import { describeError, UsageError } from "../cli/error.ts";
import { jailBeforeUsers } from "../cli/jail-operand.ts";
import { JSON_OUTPUT, jailOption } from "../cli/options.ts";
import { printLine } from "../cli/output.ts";
import { startTool } from "../cli/start.ts";
import { defineTool, parseArguments, type ToolOutput } from "../cli/tool.ts";
import { LAUNCH_OPTIONS, launchRequest } from "../enter/launch/options.ts";
import { explainId, idLines, idReport, idStatus, isErrorId } from "../explain/error-id.ts";
import { explainLogin } from "../explain/explain.ts";
import { explainLaunch } from "../explain/programs/launch.ts";
import type { ProgramLook } from "../explain/programs/limited.ts";
import { explainMail } from "../explain/programs/mail.ts";
import { explainUchroot } from "../explain/programs/uchroot.ts";
import { explainReport, type LoginReport, reportStatus } from "../explain/report.ts";
import { reportLines } from "../explain/show.ts";
import { createLoader, executedFiles } from "../libraries/closure.ts";
import type { Missing } from "../libraries/missing.ts";
import { ownStart } from "../libraries/own-start.ts";
import { missingPython } from "../libraries/python.ts";
import { hookedRepositories, SHARED } from "../lint/hooked-repositories.ts";
import { passwdByName } from "../system/accounts.ts";

// As ld.so(8) and shells end.
const NOT_FOUND = 127;

/** What a program below `root` needs and does not find there; found by reading files, nothing is run. */
function missingFiles(root: ByteString, program: ByteString): Missing[] {
  const known = (message: string, atExec = false): Missing => ({
    message,
    copy: [program],
    exitStatus: NOT_FOUND,
    atExec,
  });
  try {
    using loader = createLoader({ root });
    loader.dependencies(program);
    const missing = loader.problems().map(({ message, library }) => known(message, library.startsWith("/")));
    const python = missing.length === 0 ? missingPython(root, program) : undefined;
    return python === undefined ? missing : [python];
  } catch (error) {
    return [known(describeError(error))];
  }
}

const NAME = "jailkit explain";

const look: ProgramLook = {
  executedFiles,
  ownStart,
  hookedRepositories: (rootFd, home) => hookedRepositories(rootFd, [home, SHARED]),
};

/** What the program that gave out an error id would say now of the account that it refused. */
function askAgain(program: ByteString, user: ByteString): LoginReport | undefined {
  const callerUid = libc.getuid();
  if (program === "jk_procmailwrapper") return explainMail({ user, callerUid, missingFiles });
  if (program === "jk_uchroot") return undefined;
  return explainLogin({ user, command: undefined, callerUid, by: "su", from: undefined, missingFiles, look });
}

const printLines = (lines: readonly ByteString[]) => lines.forEach(printLine);

function showId(id: ByteString): ToolOutput {
  const found = explainId(id, askAgain);
  return {
    exitStatus: idStatus(found),
    report: () => idReport(found),
    print: () => printLines(idLines(found)),
  };
}

function showReport(report: LoginReport, paint: Paint): ToolOutput {
  return {
    exitStatus: reportStatus(report),
    report: () => explainReport(report),
    print: () => printLines(reportLines(report, paint)),
  };
}

const misused = (what: string) => new UsageError(what, 2);

/** What jk_chrootlaunch would do with these arguments; its name may stand before them. */
function launchReport(words: readonly ByteString[]): LoginReport {
  const own = words[0]?.slice(words[0].lastIndexOf("/") + 1) === "jk_chrootlaunch" ? words.slice(1) : words;
  const { options, operands } = parseArguments(own, LAUNCH_OPTIONS);
  return explainLaunch({ request: launchRequest(options, operands), callerUid: libc.getuid(), missingFiles });
}

/** `jailkit explain`: what a login of a user would do, and why it fails. */
export const tool = defineTool({
  name: NAME,
  summary: "show what a login of a user would do, and why it fails",
  synopsis: [
    "[--json] [--from ADDRESS | --su] USER",
    "[--json] [--from ADDRESS | --su] USER -- COMMAND [ARGUMENT...]",
    "[--json] -j JAIL USER -- PROGRAM [ARGUMENT...]",
    "[--json] JAIL USER -- PROGRAM [ARGUMENT...]",
    "[--json] --mail USER",
    "[--json] --launch -- ARGUMENT...",
    "[--json] ID",
  ],
  options: {
    from: {
      value: "ADDRESS",
      description: "the address that the login comes from; without it what depends on that is not known",
    },
    su: { description: "not by sshd: what 'su - USER' of root's would do" },
    jail: jailOption("not a login: what jk_uchroot -j JAIL -x PROGRAM would do for the user"),
    mail: { description: "not a login: what jk_procmailwrapper would do with mail for the user" },
    launch: { description: "not a login: what jk_chrootlaunch would do with these arguments" },
    json: JSON_OUTPUT,
    color: COLOR,
  },
  posix: true,
  exitStatus: {
    0: "the login, the call, or the delivery would work; of an ID: it is not so any more",
    1: "it would be refused; of an ID: it is still so",
    2: "it may fail, by what cannot be known; jailkit has no part in the login; sshd serves it, and no jail holds it; an ID is in no log; or wrong arguments",
  },
  badOptionStatus: 2,
  notes: `Every check of a login is made without being the user, and each is printed with its outcome and, where it fails, what to do. Root may ask about anyone, others about themselves.

COMMAND is what a client would ask sshd to run; several words are joined by blanks, as ssh(1) does. Without it the question is about a session without a command. ID is the error id (JK- and eight letters or digits) of a refusal: it is looked up in the logs, and whether it is still so.

With --json, one object: version, tool, about ("login", "jk_uchroot", "jk_procmailwrapper" or "jk_chrootlaunch"), user, uid, verdict ("works", "refused", "unknown", "not-jailed"), exitStatus, loginShell, jail, home, chrootshSection, lshSection, uchrootSection, shell, internalShell, keptVariables, command (null, or path, argv, environment, umask) and steps, each with stage, name, outcome ("passed", "warned", "failed", "skipped", "unknown"), message, remedy and exitStatus. Of an ID, one object: version, tool, about ("error-id"), id, unread, now (null, or refused, message, remedy) and refusals, each with source, when, program, pid, uid, user, check, reason and doubt.`,
  run({ options, operands }) {
    const { mail, su, from } = options;
    const paint = paintFor(options.color, 2);
    if (options.launch) {
      try {
        return showReport(launchReport(operands), paint);
      } catch (error) {
        if (error instanceof UsageError) throw misused(`jk_chrootlaunch: ${error.message}`);
        throw error;
      }
    }
    const { jail, rest } = jailBeforeUsers(options.jail, operands, 2);
    const [user, ...words] = rest;
    if (words[0] === "--") words.shift();
    if (user === undefined || user === "") throw misused("no user");
    const login = jail === undefined && !mail;
    if (!login && (su || from !== undefined)) throw misused("--su and --from are about logins");
    if (su && from !== undefined) throw misused("--from is about sshd");
    if (login && words.length === 0 && isErrorId(user) && passwdByName(user) === undefined)
      return showId(user);
    const callerUid = libc.getuid();
    const [program, ...programArguments] = words;
    if (jail !== undefined && program === undefined) throw misused("no program for jk_uchroot");
    if (mail && (jail !== undefined || words.length > 0)) throw misused("--mail goes with a user alone");
    if (mail) return showReport(explainMail({ user, callerUid, missingFiles }), paint);
    if (jail !== undefined && program !== undefined) {
      const question = { user, jail, program, programArguments, callerUid, missingFiles };
      return showReport(explainUchroot(question), paint);
    }
    const command = words.length === 0 ? undefined : words.join(" ");
    const by = su ? "su" : "ssh";
    return showReport(explainLogin({ user, command, callerUid, by, from, missingFiles, look }), paint);
  },
});

if (import.meta.main) await startTool(tool);
