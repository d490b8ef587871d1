import { args, callerIds, environment, execve } from "../../../ffi/guard.ts";
import { describeError } from "../../cli/error.ts";
import { printError } from "../../cli/output.ts";
import { flatFirstAccounts } from "../../system/flat-accounts.ts";
import { openSyslog } from "../../system/syslog.ts";
import { limitedRequest } from "./request.ts";
import { type Execute, runLimitedShell } from "./run.ts";

// As from jk_chrootsh: the command gets only standard input, output and error, and no descriptor to leave a jail by.
const executeAlone: Execute = (path, argv, envp, last) => execve(path, argv, envp, true, last);

/** jk_lsh: becomes the command, if it is allowed; else returns the exit status. */
export function lsh(): number {
  const log = openSyslog("jk_lsh", "auth");
  try {
    const { uid, gid } = callerIds();
    const caller = { argv: args(), environment: environment(), uid, gid };
    return runLimitedShell(limitedRequest(caller, flatFirstAccounts), log, executeAlone);
  } catch (error) {
    log.write("err", `abort, ${describeError(error)}`);
    printError("jk_lsh: refused: something unexpected happened");
    return 1;
  }
}
