import { SystemError } from "../../../ffi/error.ts";
import { args, environment, execve } from "../../../ffi/guard.ts";
import { closeJailRoot } from "../../jail/fs/walk.ts";
import { flatAccounts } from "../../system/flat-accounts.ts";
import { openSyslog, type Syslog } from "../../system/syslog.ts";
import { accountOf, splitOf } from "../facts.ts";
import { type GatheredFacts, gatherFacts } from "../gather.ts";
import { variable } from "../limited/limited.ts";
import { limitedRequest } from "../limited/request.ts";
import { runLimitedShell } from "../limited/run.ts";
import { ownLogin, requireChecks, unexpectedError } from "../privileged.ts";
import { Refusal, refuse } from "../refusal.ts";
import { enterHome, enterJail } from "../session.ts";
import { LIMITED_SHELL, shellFact } from "../shell.ts";
import { HOST_CHECKS } from "./host-checks.ts";
import { IN_JAIL_CHECKS } from "./in-jail-checks.ts";
import { loginEnvironment, shellArguments } from "./start-shell.ts";

const TOOL = "jk_chrootsh";

function callerFacts(): GatheredFacts {
  return gatherFacts(ownLogin(TOOL, variable(environment(), "USER")));
}

function login(log: Syslog): number {
  const facts = callerFacts();
  requireChecks(facts, HOST_CHECKS, log);
  const { uid, gid } = facts;
  const { values } = facts.settings();
  const { jail, home } = splitOf(facts);
  const { name } = accountOf(facts);
  const root = facts.root();
  const checkedHome = facts.home();
  const given = args();

  enterJail(root, { uid, gid, groups: facts.groups() }, values.noNewPrivs, log);
  // From here on the process has only the user's rights, and sees only the jail.
  requireChecks(facts, IN_JAIL_CHECKS, log);
  const shell = facts.shell();
  if (checkedHome === undefined || shell.kind === "missing") throw new Error("a check was left out");
  enterHome(home, checkedHome);
  log.write(
    "info",
    `now entering jail ${jail} for user ${name} (${uid}) with arguments ${given.slice(1).join(" ")}`,
  );

  const argv = shellArguments(shell.path, given, values.injailLoginShell);
  const envp = loginEnvironment(environment(), values, { home, name, shell: shell.path });
  const limited = () => {
    // The session may have a limit of 16 open files, and needs some to confine itself.
    closeJailRoot(root);
    return runLimitedShell(
      limitedRequest({ argv, environment: envp, uid, gid }, flatAccounts),
      log.named(LIMITED_SHELL),
      (path, argv, envp, last) => execve(path, argv, envp, false, last),
    );
  };
  if (shell.kind === "internal") return limited();
  try {
    return execve(shell.path, argv, envp);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    // jk_update has removed it since the check.
    if (error.code === "ENOENT" && shellFact(root, shell.path).kind === "internal") return limited();
    const what = `ERROR: failed to execute shell ${shell.path} for user ${name} (${uid}): ${error.reason}`;
    const hint = `check the permissions and libraries of ${jail}${shell.path}`;
    throw new Refusal("exec", 111, `${what}, ${hint}`, "the login shell cannot be run");
  }
}

/**
 * jk_chrootsh: checks the login, enters the jail, drops its privilege and becomes the shell. Returns the exit status if
 * the login was refused; the log has the reason then, and the user an error id.
 */
export function chrootsh(): number {
  // Before the chroot, to reach the host's log.
  const log = openSyslog(TOOL, "auth");
  try {
    return login(log);
  } catch (error) {
    return refuse(error instanceof Refusal ? error : unexpectedError(error), TOOL, log);
  }
}
