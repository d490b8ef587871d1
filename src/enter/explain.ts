import type { ByteString } from "../../ffi/bytes.ts";
import { environment } from "../../ffi/guard.ts";
import { supplementaryGroups } from "../../ffi/process.ts";
import { describeError } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts.ts";
import { shellWord } from "../jail/safety.ts";
import { splitHome } from "../jail/separator.ts";
import { openTree } from "../jail/walk.ts";
import { groupByGid, groupIdsOf, passwdByName, passwdByUid } from "../system/accounts.ts";
import { CHECKS } from "./check-list.ts";
import { type CheckResult, runChecks } from "./checks.ts";
import { beginReport } from "./explain-account.ts";
import { limitSteps, sshdSteps } from "./explain-host.ts";
import {
  explainLimited,
  type LimitedPlace,
  type LimitedSession,
  type ProgramLook,
} from "./explain-limited.ts";
import { OWN_SHELL, ownShellStep } from "./explain-shell.ts";
import { accountOf, baseName, splitOf } from "./facts.ts";
import { type GatheredFacts, gatherFacts } from "./gather.ts";
import { installedPrivilege } from "./installed.ts";
import { LIMITED_CONFIG_FILE } from "./limited.ts";
import type { FindMissing } from "./missing.ts";
import { requireReadable } from "./readable.ts";
import { judgeReport, type Report, type ReportStep } from "./report.ts";
import { LIMITED_SHELL } from "./shell.ts";
import { loginEnvironment, shellArguments } from "./start-shell.ts";

/** Whose login is asked about, with which command (none: an interactive session), and by whom. */
export interface Question {
  user: ByteString;
  command: ByteString | undefined;
  callerUid: number;
  /** What a program needs and the root directory does not have, each as a printable line. */
  missingFiles: FindMissing;
  look: ProgramLook;
}

const JK_CHROOTSH = "jk_chrootsh";

function checkStep(result: CheckResult): ReportStep {
  const { name, outcome, exitStatus, message, remedy = "" } = result;
  return { stage: JK_CHROOTSH, name, outcome, message, remedy, exitStatus };
}

function chrootshFacts(session: LimitedSession): GatheredFacts {
  const { account, groups, onBehalf } = session;
  return gatherFacts({
    // sshd(8) and login(1) start an interactive login shell with a dash.
    programName: session.arguments.length > 0 ? JK_CHROOTSH : `-${JK_CHROOTSH}`,
    uid: account.uid,
    gid: account.gid,
    userVariable: account.name,
    privilege: () => installedPrivilege(account.shell),
    account: () => account,
    groups: () => groups,
    onBehalf,
    requireReadable,
  });
}

/** Adds what jk_chrootsh, and the shell that it starts, would do. */
function explainChrootsh(report: Report, session: LimitedSession): void {
  const facts = chrootshFacts(session);
  const results = [...runChecks(facts, CHECKS)];
  report.steps.push(...results.map(checkStep));
  const passed = (name: string) =>
    results.some((one) => one.name === name && (one.outcome === "passed" || one.outcome === "warned"));
  if (passed("config-file")) {
    report.chrootshSection = facts.settings().section;
    report.keptVariables = facts.settings().values.env;
  }
  if (passed("separator")) {
    const { jail, home } = splitOf(facts);
    report.jail = jail;
    report.home = home;
  }
  if (!passed("shell") || !passed("jail-safety")) return;
  const shell = facts.shell();
  const { home } = splitOf(facts);
  const { name } = accountOf(facts);
  const { values } = facts.settings();
  report.shell = shell.path;
  report.internalShell = shell.kind === "internal";
  const argv = shellArguments(shell.path, [JK_CHROOTSH, ...session.arguments], values.injailLoginShell);
  // What the session would have of the kept variables is known only to whoever is in one.
  const given = session.onBehalf ? [] : environment();
  const envp = loginEnvironment(given, values, { home, name, shell: shell.path });
  const root = facts.root();
  const isLimited = baseName(shell.path) === LIMITED_SHELL;
  const foreign =
    isLimited && shell.kind === "file"
      ? ownShellStep(root, shell.canonicalPath, session.account.shell)
      : undefined;
  if (foreign !== undefined) report.steps.push(foreign);
  if (!isLimited || foreign !== undefined) {
    report.command = { path: shell.path, argv, environment: envp, umask: undefined };
    return;
  }
  const place: LimitedPlace = {
    rootFd: root.fd,
    home,
    accounts: readJailAccounts(root),
    configFile: `${root.path}${LIMITED_CONFIG_FILE}`,
  };
  explainLimited(report, session, place, argv, envp);
}

/** Adds what jk_lsh would do as a login shell outside any jail. */
function explainLsh(report: Report, session: LimitedSession): void {
  const { account } = session;
  const { name, home, shell } = account;
  const place: LimitedPlace = {
    rootFd: openTree("/").fd,
    home,
    accounts: { userByName: passwdByName, userByUid: passwdByUid, groupByGid },
    configFile: LIMITED_CONFIG_FILE,
  };
  const argv = [shell, ...session.arguments];
  const given = session.onBehalf
    ? [`HOME=${home}`, `USER=${name}`, `LOGNAME=${name}`, `SHELL=${shell}`]
    : environment();
  report.shell = shell;
  report.home = home;
  if (splitHome(home) !== undefined) {
    const message = `the home ${home} names a jail, but the login shell is not jk_chrootsh: jk_lsh alone enters no jail`;
    const remedy = `usermod -s ${shell.slice(0, shell.lastIndexOf("/"))}/${JK_CHROOTSH} ${shellWord(name)}`;
    report.steps.push({ stage: "account", name: "not-jailed", outcome: "warned", message, remedy });
  }
  explainLimited(report, session, place, argv, given);
}

/** Adds what the programs that would be executed need and do not have. */
function explainLibraries(report: Report, { missingFiles }: Question): void {
  const { command, shell, jail, internalShell } = report;
  const root = jail ?? "/";
  // What an own shell lacks is no reason to bring what it needs: it is to go.
  if (report.steps.some(({ name }) => name === OWN_SHELL)) return;
  const programs = new Set([internalShell ? undefined : shell, command?.path]);
  for (const program of programs) {
    // What did not get this far was told already.
    if (program === undefined || command === undefined) continue;
    const stage = program === command.path && report.lshSection !== undefined ? LIMITED_SHELL : JK_CHROOTSH;
    const missing = missingFiles(root, program);
    for (const { message, copy, exitStatus } of missing) {
      const remedy =
        jail === undefined
          ? "install what is missing"
          : `jk_cp -j ${[jail, ...copy].map(shellWord).join(" ")}`;
      report.steps.push({ stage, name: "libraries", outcome: "failed", message, remedy, exitStatus });
    }
    if (missing.length > 0) continue;
    const message = `the libraries and interpreters that ${program} names are there`;
    report.steps.push({ stage, name: "libraries", outcome: "passed", message, remedy: "" });
  }
}

/**
 * What a login of a user would do, found out without being that user. Root may ask about anyone; others about
 * themselves, with their own rights only: what they cannot see is "unknown". Throws JailkitError (2) for others.
 */
export function explainLogin(question: Question): Report {
  const { user, command, callerUid } = question;
  const { report, account } = beginReport(user, callerUid, "login");
  const isRoot = callerUid === 0;
  if (account === undefined) return report;
  const kind = baseName(account.shell);
  const jailed = kind === JK_CHROOTSH || kind === LIMITED_SHELL;
  const message = jailed
    ? `login shell ${account.shell}`
    : `the login shell is ${account.shell === "" ? "/bin/sh" : account.shell}: jailkit has no part in this login`;
  const remedy = jailed ? "" : `to jail the account: jk_jailuser -m -j JAIL ${user}`;
  report.steps.push({
    stage: "account",
    name: "login-shell",
    outcome: jailed ? "passed" : "unknown",
    message,
    remedy,
  });
  if (!jailed) {
    judgeReport(report);
    return report;
  }
  const { steps, forced } = sshdSteps(account, isRoot);
  report.steps.push(...steps, ...limitSteps(account));
  const line = forced ?? command;
  const session: LimitedSession = {
    account,
    groups: isRoot ? groupIdsOf(account.name, account.gid) : supplementaryGroups(),
    arguments: line === undefined ? [] : ["-c", line],
    onBehalf: isRoot,
    look: question.look,
  };
  try {
    if (kind === JK_CHROOTSH) explainChrootsh(report, session);
    else explainLsh(report, session);
    explainLibraries(report, question);
  } catch (error) {
    const what = describeError(error);
    report.steps.push({ stage: kind, name: "error", outcome: "unknown", message: what, remedy: "" });
  }
  judgeReport(report);
  return report;
}
