import type { ByteString } from "../../ffi/bytes.ts";
import { environment } from "../../ffi/guard.ts";
import { baseName, parentOf } from "../../ffi/paths.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import { answered } from "../cli/error.ts";
import { inWords, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { runChecks } from "../enter/checks.ts";
import { NOT_CONFINED } from "../enter/confine-session.ts";
import { accountOf, splitOf } from "../enter/facts.ts";
import { type GatheredFacts, gatherFacts } from "../enter/gather.ts";
import { LIMITED_CONFIG_FILE } from "../enter/limited/limited.ts";
import { chrootshConfinement } from "../enter/login/chrootsh.ts";
import { IN_JAIL_CHECKS } from "../enter/login/in-jail-checks.ts";
import { loginEnvironment, shellArguments } from "../enter/login/start-shell.ts";
import { copyRemedy, sectionLinesRemedy, setInDirectory } from "../enter/remedies.ts";
import { LIMITED_SHELL } from "../enter/shell.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { lookUp } from "../jail/fs/look.ts";
import { openJailRoot, openTree } from "../jail/fs/walk.ts";
import { emptiedMessage, isEmptied, unmounted } from "../jail/record/emptied.ts";
import { lackingProblem, lackingSockets } from "../jail/record/live.ts";
import { openManifest } from "../jail/record/manifest.ts";
import type { Missing } from "../libraries/dependency.ts";
import { liveCopyProblem } from "../populate/live-copy.ts";
import { isLocalUser } from "../system/account-tools.ts";
import { answeredGroup, groupByGid, passwdByName, passwdByUid } from "../system/accounts.ts";
import { jobWarnings } from "../system/scheduled-jobs.ts";
import { splitHome } from "../system/separator.ts";
import { callBy, explainUser, orUnknown, type UserQuestion } from "./account.ts";
import { explainElsewhere } from "./home-elsewhere.ts";
import { librarySteps } from "./libraries.ts";
import { limitSteps } from "./limits.ts";
import { LOGIN_CHECKS } from "./login-checks.ts";
import { closedSteps } from "./programs/closed-places.ts";
import { confinedProgramSteps } from "./programs/confined-program.ts";
import { confinementSteps, notRequired } from "./programs/confinement.ts";
import { explainLimited } from "./programs/limited.ts";
import type { LimitedPlace, LimitedSession } from "./programs/limited-session.ts";
import { noexecSteps } from "./programs/noexec.ts";
import { OWN_SHELL, otherShell, ownShellStep, shellStep } from "./programs/shell.ts";
import { type Command, type ConfinedCommand, stoppedSteps } from "./programs/stopped.ts";
import { recordSteps } from "./record.ts";
import type { LoginReport } from "./report.ts";
import { pamUserVariable, variableSteps } from "./sshd/environment.ts";
import { internalSftpSteps } from "./sshd/forced-command.ts";
import { pamSteps } from "./sshd/pam.ts";
import { explainSshd } from "./sshd/servers.ts";
import { addChecks, stepsOf } from "./steps.ts";

/** A question about a login, with a command or without (an interactive session). */
interface Question extends UserQuestion {
  command: ByteString | undefined;
  /** By sshd(8), or by su(1) when root calls it. */
  by: "ssh" | "su";
  /** The address from which the user connects; undefined if unknown. */
  from: ByteString | undefined;
}

const JK_CHROOTSH = "jk_chrootsh";
// The usual directories of programs in a jail.
const PROGRAM_DIRECTORIES = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];
// The exit status if the shell cannot be executed.
const EXEC_FAILED = 111;

/** Adds what jk_chrootsh.ini lets the session do, and what it stops; returns the session, for a limited shell in it. */
function explainConfined(
  report: LoginReport,
  facts: GatheredFacts,
  program: Command,
  isLimited: boolean,
): Omit<ConfinedCommand, "program"> {
  const { home } = splitOf(facts);
  const { values, section } = facts.settings();
  const { configFile } = facts;
  const { path: jail, fd: rootFd } = facts.root();
  const confinement = chrootshConfinement(values, program.path, home);
  const asked = { weaker: notRequired(configFile, section), exitStatus: NOT_CONFINED };
  const confined = {
    ...({ stage: JK_CHROOTSH, root: jail, rootFd, confinement, directory: home, home } as const),
    adviceFor: (lines: readonly ByteString[]) => sectionLinesRemedy(configFile, section ?? "DEFAULT", lines),
  };
  const started = isLimited ? undefined : program;
  report.steps.push(
    ...confinementSteps(JK_CHROOTSH, confinement, asked),
    ...confinedProgramSteps({
      ...{ stage: JK_CHROOTSH, root: jail, rootFd, notExecuted: EXEC_FAILED },
      ...{ program: started?.path, confinement, settings: `section [${section}] of ${configFile}` },
    }),
    ...closedSteps(confined, accountOf(facts).uid),
    ...stoppedSteps({ ...confined, program: started }),
    ...(isLimited ? [] : noexecSteps(confined)),
  );
  return confined;
}

/** Adds the steps of jk_chrootsh and of the shell that it starts. */
function explainChrootsh(report: LoginReport, session: LimitedSession): void {
  const { account, onBehalf, userVariable = account.name } = session;
  // sshd(8) and login(1) start an interactive login shell with a dash.
  const programName = session.arguments.length > 0 ? JK_CHROOTSH : `-${JK_CHROOTSH}`;
  const facts = gatherFacts({
    ...callBy(session, programName, () => account.shell),
    userVariable,
    account: () => (userVariable ? passwdByName(userVariable) : account),
  });
  const passed = addChecks(report, JK_CHROOTSH, runChecks(facts, LOGIN_CHECKS));
  if (passed.has("config-file")) {
    report.chrootshSection = facts.settings().section;
    report.keptVariables = facts.settings().values.env;
  }
  if (passed.has("separator")) {
    const { jail, home } = splitOf(facts);
    report.jail = jail;
    report.home = home;
  }
  if (!passed.has("shell") || !passed.has("jail-safety")) return;
  const shell = facts.shell();
  const { home } = splitOf(facts);
  const { name } = accountOf(facts);
  const { values } = facts.settings();
  report.shell = shell.path;
  report.internalShell = shell.kind === "internal";
  const argv = shellArguments(shell.path, [JK_CHROOTSH, ...session.arguments], values.injailLoginShell);
  // Only a session knows the values of kept variables.
  const given = onBehalf ? [] : environment();
  const envp = loginEnvironment(given, values, { home, name, shell: shell.path });
  const root = facts.root();
  const isLimited = baseName(shell.path) === LIMITED_SHELL;
  const program = { path: shell.path, args: argv.slice(1) };
  const outer = explainConfined(report, facts, program, isLimited);
  const foreign =
    isLimited && shell.kind === "file" ? ownShellStep(root, shell.canonicalPath, account.shell) : undefined;
  if (foreign !== undefined) report.steps.push(foreign);
  if (!isLimited || foreign !== undefined) {
    const finds = (program: ByteString) =>
      PROGRAM_DIRECTORIES.some((directory) => lookUp(root, `${directory}/${program}`) !== undefined);
    report.steps.push(...internalSftpSteps(session.arguments[1], finds));
    report.command = { path: shell.path, argv, environment: envp };
    return;
  }
  const place: LimitedPlace = {
    rootFd: root.fd,
    home,
    accounts: readJailAccounts(root),
    configFile: `${root.path}${LIMITED_CONFIG_FILE}`,
    outer,
  };
  explainLimited(report, session, place, argv, envp);
}

/** Adds the steps of jk_lsh as a login shell outside any jail. */
function explainLsh(report: LoginReport, session: LimitedSession): void {
  const { name, home, shell } = session.account;
  const place: LimitedPlace = {
    rootFd: openTree("/").fd,
    home,
    accounts: { userByName: passwdByName, userByUid: passwdByUid, groupByGid, groupByName: answeredGroup },
    configFile: LIMITED_CONFIG_FILE,
  };
  const given = session.onBehalf
    ? [`HOME=${home}`, `USER=${session.userVariable ?? name}`, `LOGNAME=${name}`, `SHELL=${shell}`]
    : environment();
  report.shell = shell;
  report.home = home;
  if (splitHome(home) !== undefined) {
    const message = `the home ${home} names a jail, but the login shell is not jk_chrootsh: jk_lsh does not enter a jail`;
    const change: Remedy = `usermod -s ${shellWord(`${parentOf(shell)}/${JK_CHROOTSH}`)} ${operands(name)}`;
    const advice = isLocalUser(name) ? change : setInDirectory(name);
    report.steps.push(stepsOf("account")("not-jailed", "warned", message, advice));
  }
  explainLimited(report, session, place, [shell, ...session.arguments], given);
}

/** Adds a warning if a directory of the host should be mounted in the jail and is not. Only root can read the record. */
function explainMounts(report: LoginReport): void {
  const { jail } = report;
  if (jail === undefined) return;
  const problems = answered(() => {
    using root = openJailRoot(jail);
    const { content } = openManifest(root);
    return { live: lackingProblem(root, content.live), sockets: lackingSockets(root, content.sockets) };
  });
  const { live, sockets } = problems ?? {};
  const step = stepsOf(JK_CHROOTSH);
  if (live !== undefined) {
    // The shell is missing because of that: no tool copies it into the place of the mount.
    const ofShell = report.steps.find(({ name, outcome }) => name === "shell" && outcome === "failed");
    if (ofShell !== undefined && live.remedy !== undefined) ofShell.remedy = live.remedy;
    report.steps.push(step("live-mount", "warned", live.message, live.remedy));
  }
  if (sockets !== undefined) report.steps.push(step("sockets", "warned", sockets.message, sockets.remedy));
}

/** Adds missing dependencies of the executed programs. */
function explainLibraries(report: LoginReport): void {
  const { command, shell, jail, internalShell } = report;
  const root = jail ?? "/";
  // A limited shell of the jail's own should be removed, not repaired.
  if (report.steps.some(({ name }) => name === OWN_SHELL)) return;
  const programs = new Set([internalShell ? undefined : shell, command?.path]);
  for (const program of programs) {
    // An earlier step has failed.
    if (program === undefined || command === undefined) continue;
    const stage = program === command.path && report.lshSection !== undefined ? LIMITED_SHELL : JK_CHROOTSH;
    const ending = ({ copy, exitStatus, atExec }: Missing) => ({
      advice: jail === undefined ? inWords("install what is missing") : copyRemedy(jail, ...copy),
      exitStatus: atExec && stage === JK_CHROOTSH ? EXEC_FAILED : exitStatus,
    });
    report.steps.push(...librarySteps(stage, root, program, ending));
  }
}

/**
 * For root, who can read the record: says that nothing is left of the jail, or that it is a copy of a live one, before the
 * checks that fail therefore.
 */
function explainEmptied({ jail, steps }: LoginReport, onBehalf: boolean): void {
  if (jail === undefined || !onBehalf) return;
  const warned = (name: string, message: string, remedy: Remedy | undefined) =>
    stepsOf(JK_CHROOTSH)(name, "warned", message, remedy);
  const step = answered(() => {
    using root = openJailRoot(jail);
    const { content } = openManifest(root);
    const copy = liveCopyProblem(root, content);
    if (copy !== undefined) return warned("live-mount", copy.message, copy.remedy);
    if (!isEmptied(root, content)) return undefined;
    const elsewhere = unmounted(jail);
    const remedy: Remedy | undefined =
      elsewhere === undefined ? `jk_update -j ${shellWord(jail)}` : elsewhere.remedy;
    // What a login lacks is there as soon as it is mounted, and what comes below would be hidden.
    const inJail = ["home-present", "home-owner", "home-group", ...IN_JAIL_CHECKS.map(({ name }) => name)];
    const lacking = steps.filter(({ name, outcome }) => outcome === "failed" && inJail.includes(name));
    if (elsewhere !== undefined) for (const one of lacking) one.remedy = elsewhere.remedy ?? "";
    return warned("emptied", emptiedMessage(jail), remedy);
  });
  if (step === undefined) return;
  steps.splice(
    Math.max(
      0,
      steps.findIndex(({ stage }) => stage === JK_CHROOTSH),
    ),
    0,
    step,
  );
}

/** Adds the steps before the login shell; returns the command for the shell. */
function explainEntrance(
  report: LoginReport,
  { by, from, command }: Question,
  session: LimitedSession,
): ByteString | undefined {
  const { account, who, onBehalf } = session;
  if (by === "su") {
    if (onBehalf) {
      const variable = pamUserVariable("su-l", account, who);
      if (variable?.value !== undefined) session.userVariable = variable.value;
      report.steps.push(...pamSteps({ account, service: "su-l", from: undefined }));
      report.steps.push(...variableSteps(variable, account));
    } else report.steps.push(stepsOf("pam")("account", "unknown", "only root can ask"));
    report.steps.push(...limitSteps(account, "su-l"));
    return command;
  }
  const part = explainSshd(session, from, command);
  if (part.userVariable !== undefined) session.userVariable = part.userVariable;
  report.steps.push(...part.steps, ...limitSteps(account, part.service));
  report.unjailed = part.unjailed;
  report.heldBySshd = part.root;
  return part.command ?? command;
}

/**
 * Explains a login of a user. Root may ask about anyone, and files are examined with that user's rights; others may ask
 * about themselves, and what they cannot see is "unknown". Throws JailkitError (2) for everybody else.
 */
export function explainLogin(question: Question): LoginReport {
  return explainUser(question, "login", (report, subject) => {
    const { account, who } = subject;
    const kind = baseName(account.shell);
    if (kind !== JK_CHROOTSH && kind !== LIMITED_SHELL) {
      report.steps.push(otherShell(subject, question.by, question.from));
      return;
    }
    const session: LimitedSession = { ...subject, arguments: [] };
    report.steps.push(withRightsOf(who, () => shellStep(account.shell, account)));
    const line = explainEntrance(report, question, session);
    for (const { code, message, advice } of jobWarnings(account))
      report.steps.push(stepsOf("jobs")(code, "warned", message, advice));
    if (line !== undefined) session.arguments = ["-c", line];
    if (report.unjailed) return;
    orUnknown(report, kind, () => {
      withRightsOf(who, () => (kind === JK_CHROOTSH ? explainChrootsh : explainLsh)(report, session));
      explainMounts(report);
      explainLibraries(report);
      if (report.jail !== undefined && subject.onBehalf) report.steps.push(...recordSteps(kind, report.jail));
    });
    explainElsewhere(report, account, subject.onBehalf);
    explainEmptied(report, subject.onBehalf);
  });
}
