import type { ByteString } from "../../ffi/bytes.ts";
import { environment } from "../../ffi/guard.ts";
import { supplementaryGroups } from "../../ffi/process.ts";
import { describeError } from "../cli/error.ts";
import { loadConfig } from "../config/load.ts";
import { someNamedCounts } from "../confine/directories.ts";
import { readJailAccounts } from "../jail/accounts.ts";
import { openTree } from "../jail/walk.ts";
import { recognise } from "../programs/recognise.ts";
import { startsOf } from "../programs/starts.ts";
import { programWarnings } from "../programs/warnings.ts";
import { groupByGid, groupIdsOf, type PasswdEntry, passwdByName, passwdByUid } from "../system/accounts.ts";
import { CHECKS } from "./check-list.ts";
import { type CheckResult, runChecks } from "./checks.ts";
import { beginReport } from "./explain-account.ts";
import { explainExecute, holdsPrograms } from "./explain-execute.ts";
import { limitSteps, sshdSteps } from "./explain-host.ts";
import { OWN_SHELL, ownShellStep } from "./explain-shell.ts";
import { accountOf, baseName, splitOf } from "./facts.ts";
import { filesBelow, statBelow } from "./files-below.ts";
import { type GatheredFacts, gatherFacts } from "./gather.ts";
import { installedPrivilege } from "./installed.ts";
import {
  executeLimits,
  LIMITED_CONFIG_FILE,
  type LimitedRequest,
  limitedPolicy,
  planLimited,
} from "./limited.ts";
import { MAY_EXECUTE, mayAccess } from "./permission.ts";
import { judgeReport, type Report, type ReportStep } from "./report.ts";
import { LIMITED_SHELL } from "./shell.ts";
import { loginEnvironment, shellArguments } from "./start-shell.ts";

/** Whose login is asked about, with which command (none: an interactive session), and by whom. */
export interface Question {
  user: ByteString;
  command: ByteString | undefined;
  callerUid: number;
  /** What a program needs and the root directory does not have, each as a printable line. */
  missingFiles: (root: ByteString, program: ByteString) => string[];
  /** What the kernel executes for a program besides it, below the root directory: interpreters, the dynamic linker. */
  executedFiles: (root: ByteString, program: ByteString) => ByteString[];
}

interface Session {
  account: PasswdEntry;
  groups: number[];
  /** What is given to the login shell: nothing, or "-c" and the command. */
  arguments: ByteString[];
  /** Root asks on behalf of the user. */
  onBehalf: boolean;
  executedFiles: Question["executedFiles"];
}

const JK_CHROOTSH = "jk_chrootsh";

function checkStep(result: CheckResult): ReportStep {
  const { name, outcome, exitStatus, message, remedy = "" } = result;
  return { stage: JK_CHROOTSH, name, outcome, message, remedy, exitStatus };
}

const lshStep = (
  name: string,
  outcome: ReportStep["outcome"],
  message: ByteString,
  remedy = "",
  exitStatus?: number,
): ReportStep => ({ stage: LIMITED_SHELL, name, outcome, message, remedy, exitStatus });

/** Where the limited shell would run, as seen from here. */
interface LimitedPlace {
  rootFd: number;
  home: ByteString;
  accounts: LimitedRequest["accounts"];
  configFile: ByteString;
}

/** Adds what the limited shell would do. `argv` is its own, `given` the environment that it would get. */
function explainLimited(
  report: Report,
  session: Session,
  place: LimitedPlace,
  argv: readonly ByteString[],
  given: readonly ByteString[],
): void {
  const { account } = session;
  const request: LimitedRequest = {
    argv,
    environment: given,
    uid: account.uid,
    gid: account.gid,
    accounts: place.accounts,
    loadConfig: () => loadConfig(place.configFile, { dialect: "c" }),
    files: filesBelow(place.rootFd, place.home, (name) => place.accounts.userByName(name)?.home),
    someNamedCounts: (scope) => someNamedCounts(place.rootFd, scope),
  };
  const add = (...steps: ReportStep[]) => report.steps.push(...steps);
  const policy = limitedPolicy(request);
  if (!policy.usable) {
    add(lshStep("policy", "failed", policy.reason, `mend ${place.configFile}`, policy.exitStatus));
    return;
  }
  report.lshSection = policy.section;
  const { executables, paths } = policy.values;
  add(lshStep("policy", "passed", `section [${policy.section}] of ${place.configFile}`));
  for (const { message } of policy.notes)
    add(lshStep("policy", "warned", message, `mend ${place.configFile}`));
  if (executables === undefined) {
    const remedy = `name programs in the key executables of ${place.configFile}`;
    add(lshStep("executables", "failed", `the section has no key executables`, remedy, 5));
    return;
  }
  add(lshStep("executables", "passed", `allowed: ${executables.join(", ")}; paths: ${paths.join(", ")}`));
  const plan = planLimited(request);
  const { rootFd, configFile } = place;
  const limits = executeLimits(policy.values, place.home);
  const held = holdsPrograms(rootFd, limits);
  add(
    ...explainExecute({
      rootFd,
      configFile,
      limits,
      command: plan.allowed ? plan.path : undefined,
      executedFiles: (program) => session.executedFiles(report.jail ?? "/", program),
    }),
  );
  const allowed = plan.allowed ? [plan.path] : session.arguments.length === 0 ? executables : [];
  for (const one of allowed) {
    const unchecked = policy.values.allowSpawnOptions;
    for (const { message, remedy } of programWarnings(one, request.files, unchecked, held)) {
      add(lshStep("programs", "warned", message, remedy));
    }
  }
  if (!plan.allowed) {
    if (plan.code === "interactive" && session.arguments.length === 0) {
      add(lshStep("command", "warned", "an interactive session is refused; single commands are not", "", 7));
      return;
    }
    const remedy = `allow it in section [${policy.section}] of ${place.configFile}, if it should be`;
    add(lshStep("command", "failed", plan.reason, remedy, plan.exitStatus));
    return;
  }
  const { path, umask } = plan;
  report.command = { path, argv: plan.argv, environment: plan.environment, umask };
  const stat = statBelow(place.rootFd, path);
  const who = { uid: account.uid, gid: account.gid, groups: session.groups };
  if (stat === undefined || !mayAccess(stat, who, MAY_EXECUTE)) {
    add(lshStep("command", "failed", `${path} cannot be executed by the user`, `chmod o+x ${path}`, 126));
  } else add(lshStep("command", "passed", `${path} is allowed`));
  if (policy.values.allowSpawnOptions) return;
  const { known } = recognise(path, request.files);
  for (const { names, inputs } of known) {
    add(lshStep("server", "passed", `${path} is known as a server (${names[0]}). ${inputs}`));
  }
  const starts = held ? startsOf(known) : undefined;
  if (starts === undefined) return;
  const what = starts.length === 0 ? "nothing, hooks neither" : starts.join(", ");
  add(
    lshStep(
      "server",
      "passed",
      `${path} may itself execute: ${what}; unless execute names directories, or any`,
    ),
  );
}

function chrootshFacts(session: Session): GatheredFacts {
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
  });
}

/** Adds what jk_chrootsh, and the shell that it starts, would do. */
function explainChrootsh(report: Report, session: Session): void {
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
  const { env, injailLoginShell } = facts.settings().values;
  report.shell = shell.path;
  report.internalShell = shell.kind === "internal";
  const argv = shellArguments(shell.path, [JK_CHROOTSH, ...session.arguments], injailLoginShell);
  // What the session would have of the kept variables is known only to whoever is in one.
  const given = session.onBehalf ? [] : environment();
  const envp = loginEnvironment(given, env, { home, name, shell: shell.path });
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
function explainLsh(report: Report, session: Session): void {
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
  explainLimited(report, session, place, argv, given);
}

/** Adds what the programs that would be executed need and do not have: ld.so(8) would end them with 127. */
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
    const remedy = jail === undefined ? "install what is missing" : `jk_cp -j ${jail} ${program}`;
    for (const message of missing) {
      report.steps.push({ stage, name: "libraries", outcome: "failed", message, remedy, exitStatus: 127 });
    }
    if (missing.length > 0) continue;
    const message = `all that ${program} needs to start is there`;
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
  const { steps, forced } = sshdSteps(user, isRoot);
  report.steps.push(...steps, ...limitSteps(account, !isRoot));
  const line = forced ?? command;
  const session: Session = {
    account,
    groups: isRoot ? groupIdsOf(account.name, account.gid) : supplementaryGroups(),
    arguments: line === undefined ? [] : ["-c", line],
    onBehalf: isRoot,
    executedFiles: question.executedFiles,
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
