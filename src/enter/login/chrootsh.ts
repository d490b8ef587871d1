import type { ByteString } from "../../../ffi/bytes.ts";
import { SystemError } from "../../../ffi/error.ts";
import { args, callerIds, environment, execve, variable } from "../../../ffi/guard.ts";
import { dropAllCapabilities } from "../../../ffi/process.ts";
import { printAbout } from "../../cli/about.ts";
import type { ConfineValues } from "../../config/schemas/confine.ts";
import { confinementText } from "../../confine/describe.ts";
import { type Confinement, confinementOf, executeOf } from "../../confine/policy.ts";
import { closeJailRoot } from "../../jail/fs/walk.ts";
import { passwdByName, passwdByUid } from "../../system/accounts.ts";
import { flatAccounts } from "../../system/flat-accounts.ts";
import type { Audit } from "../audit.ts";
import { bothLimits, confineSession } from "../confine-session.ts";
import { accountOf, splitOf } from "../facts.ts";
import { gatherFacts } from "../gather.ts";
import { type Execute, runLimitedShell } from "../limited/run.ts";
import { enterLogin, notExecuted, ownLogin, requireChecks, runPrivileged } from "../privileged.ts";
import { LIMITED_SHELL, shellFact } from "../shell.ts";
import { CHROOTSH_HELP } from "./help.ts";
import { HOST_CHECKS } from "./host-checks.ts";
import { IN_JAIL_CHECKS } from "./in-jail-checks.ts";
import { loginEnvironment, shellArguments } from "./start-shell.ts";

const TOOL = "jk_chrootsh";

/**
 * Prints the help or version of jk_chrootsh and returns true, for a caller whose home is in no jail. For a jailed user all
 * arguments belong to the shell in the jail. Throws SystemError if the privilege cannot be dropped.
 */
export function printAboutToOutsider(asked: "help" | "version"): boolean {
  const name = variable("USER");
  const account = name ? passwdByName(name) : passwdByUid(callerIds().uid);
  if (account?.home.includes("/./")) return false;
  dropAllCapabilities();
  printAbout(CHROOTSH_HELP, asked);
  return true;
}

/** The confinement of a session with a shell of the jail. */
export const chrootshConfinement = (
  values: ConfineValues,
  shell: ByteString,
  home: ByteString,
): Confinement => confinementOf(values, false, executeOf(values, false, [shell], home), home);

function login(log: Audit): number {
  const facts = gatherFacts(ownLogin(TOOL, variable("USER"), log));
  log.learn({ jail: () => facts.split()?.jail });
  requireChecks(facts, HOST_CHECKS, log);
  const { uid, gid } = facts;
  const { values } = facts.settings();
  const { jail, home } = splitOf(facts);
  const account = accountOf(facts);
  const { name } = account;
  const root = facts.root();
  const given = args();

  const confinementFor = (shell: ByteString) => chrootshConfinement(values, shell, home);
  enterLogin(facts, confinementFor("").noNewPrivs, IN_JAIL_CHECKS, log);
  const shell = facts.shell();
  if (shell.kind === "missing") throw new Error("a check was left out");
  log.write(
    "info",
    `now entering jail ${jail} for user ${name} (${uid}) with arguments ${given.slice(1).join(" ")}`,
    {
      outcome: "allowed",
      executable: shell.path,
      confinement: () => confinementText(confinementFor(shell.path)),
    },
  );

  const argv = shellArguments(shell.path, given, values.injailLoginShell);
  const envp = loginEnvironment(environment(), values, { home, name, shell: shell.path });
  const confinement = confinementFor(shell.path);
  const { limits } = confinement;
  const missing = confineSession(confinement, { log, program: shell.path });
  const limited = () => {
    // The session may have a limit of 16 open files, and needs some to confine itself.
    closeJailRoot(root);
    const caller = { argv, environment: envp, uid, gid, groups: () => facts.groups() };
    const execute: Execute = (path, argv, envp, options) =>
      execve(path, argv, envp, { ...options, limits: bothLimits(limits, options.limits) });
    return runLimitedShell(caller, flatAccounts, log.named(LIMITED_SHELL), execute, missing);
  };
  if (shell.kind === "internal") return limited();
  try {
    return execve(shell.path, argv, envp, { limits });
  } catch (error) {
    // jk_update has removed it since the check.
    const gone = error instanceof SystemError && error.code === "ENOENT";
    if (gone && shellFact(root, shell.path).kind === "internal") return limited();
    const place = `${jail}${shell.path}`;
    throw notExecuted(error, `shell ${shell.path}`, account, place, "the login shell cannot be run");
  }
}

/** jk_chrootsh: checks the login, enters the jail, drops its privilege and becomes the shell; see runPrivileged. */
export const chrootsh = (): number => runPrivileged(TOOL, login);
