import type { ByteString } from "../../ffi/bytes.ts";
import { libc } from "../../ffi/libc.ts";
import { COLOR, paintFor } from "../cli/colour.ts";
import { describeError } from "../cli/error.ts";
import { jailBeforeUsers } from "../cli/jail-operand.ts";
import { JSON_OUTPUT, jailOption } from "../cli/options.ts";
import { printError, printJson, printLine } from "../cli/output.ts";
import { startTool } from "../cli/start.ts";
import { defineTool } from "../cli/tool.ts";
import { explainLogin } from "../enter/explain.ts";
import { explainMail } from "../enter/explain-mail.ts";
import { explainUchroot } from "../enter/explain-uchroot.ts";
import type { Missing } from "../enter/missing.ts";
import { reportJson, reportLines, reportStatus } from "../enter/report.ts";
import { hookedRepositories, SHARED } from "../inspect/hooks.ts";
import { createLoader, executedFiles } from "../populate/closure.ts";
import { ownStart } from "../populate/own-start.ts";
import { missingPython } from "../populate/python.ts";

// As ld.so(8) and shells end.
const NOT_FOUND = 127;

/** What a program below `root` needs and does not find there; found by reading files, nothing is run. */
function missingFiles(root: ByteString, program: ByteString): Missing[] {
  const known = (message: string): Missing => ({ message, copy: [program], exitStatus: NOT_FOUND });
  try {
    const loader = createLoader({ root });
    try {
      loader.dependencies(program);
      const missing = loader.problems().map(({ message }) => known(message));
      const python = missing.length === 0 ? missingPython(root, program) : undefined;
      return python === undefined ? missing : [python];
    } finally {
      loader.close();
    }
  } catch (error) {
    return [known(describeError(error))];
  }
}

/** `jailkit explain`: what a login of a user would do, and why it fails. */
export const tool = defineTool({
  name: "jailkit explain",
  summary: "tell what a login of a user would do, and why it fails",
  synopsis: [
    "[--json] USER",
    "[--json] USER -- COMMAND [ARGUMENT...]",
    "[--json] -j JAIL USER -- PROGRAM [ARGUMENT...]",
    "[--json] JAIL USER -- PROGRAM [ARGUMENT...]",
    "[--json] --mail USER",
  ],
  options: {
    jail: jailOption("not a login: what jk_uchroot -j JAIL -x PROGRAM would do for the user"),
    mail: { description: "not a login: what jk_procmailwrapper would do with mail for the user" },
    json: JSON_OUTPUT,
    color: COLOR,
  },
  posix: true,
  exitStatus: {
    0: "the login, the call of jk_uchroot, or the delivery would work",
    1: "it would be refused",
    2: "it cannot be told: jailkit has no part in the login, the caller may not see enough, or wrong arguments",
  },
  badOptionStatus: 2,
  notes: `Every check of a login is made without being the user, and each is printed with its outcome and, where it fails, what to do. Root may ask about anyone, others about themselves.

COMMAND is what a client would ask sshd to run; several words are joined by blanks, as ssh(1) does. Without it the question is about a session without a command.

With --json, one object: version, tool, about ("login", "jk_uchroot" or "jk_procmailwrapper"), user, uid, verdict ("works", "refused", "unknown"), exitStatus, loginShell, jail, home, chrootshSection, lshSection, uchrootSection, shell, internalShell, keptVariables, command (null, or path, argv, environment, umask) and steps, each with stage, name, outcome ("passed", "warned", "failed", "skipped", "unknown"), message, remedy and exitStatus.`,
  run({ options, operands }) {
    const { jail, rest } = jailBeforeUsers(options.jail, operands, 2);
    const [user, ...words] = rest;
    if (words[0] === "--") words.shift();
    if (user === undefined || user === "") {
      printError("jailkit explain: no user; try 'jailkit explain --help'");
      return 2;
    }
    const paint = paintFor(options.color, 2);
    const callerUid = libc.getuid();
    const [program, ...programArguments] = words;
    if (jail !== undefined && program === undefined) {
      printError("jailkit explain: no program for jk_uchroot; try 'jailkit explain --help'");
      return 2;
    }
    if (options.mail && (jail !== undefined || words.length > 0)) {
      printError("jailkit explain: --mail goes with a user alone; try 'jailkit explain --help'");
      return 2;
    }
    const report = options.mail
      ? explainMail({ user, callerUid, missingFiles })
      : jail !== undefined && program !== undefined
        ? explainUchroot({ user, jail, program, programArguments, callerUid, missingFiles })
        : explainLogin({
            user,
            command: words.length === 0 ? undefined : words.join(" "),
            callerUid,
            missingFiles,
            look: {
              executedFiles,
              ownStart,
              hookedRepositories: (rootFd, home) => hookedRepositories(rootFd, [home, SHARED]),
            },
          });
    if (options.json) printJson(reportJson(report));
    else for (const line of reportLines(report, paint)) printLine(line);
    return reportStatus(report);
  },
});

if (import.meta.main) await startTool(tool);
