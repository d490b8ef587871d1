import { type ByteString, trim } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { baseName } from "../../../ffi/paths.ts";
import { MAY_EXECUTE, mayAccess, withRightsOf } from "../../../ffi/rights.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { type Advice, inWords, type Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { loadConfig } from "../../config/load.ts";
import { someNamedCounts } from "../../confine/directories.ts";
import type { ExecuteLimits } from "../../confine/execute.ts";
import { type Confinement, confinementOf } from "../../confine/policy.ts";
import { executeLimits } from "../../enter/limited/execution.ts";
import {
  LIMITED_CONFIG_FILE,
  type LimitedPlan,
  type LimitedPolicy,
  type LimitedRequest,
  limitedPolicy,
  planLimited,
} from "../../enter/limited/limited.ts";
import { Refusal } from "../../enter/refusal.ts";
import { isRootsProgram, openRemedy, sectionLinesRemedy } from "../../enter/remedies.ts";
import { LIMITED_SHELL } from "../../enter/shell.ts";
import { programWarnings } from "../../known-programs/warnings.ts";
import { filesBelow, useBelow } from "../../limited-shell/files.ts";
import { commandAt } from "../../system/exchange.ts";
import { isNoexec, remountCommand } from "../../system/mounts.ts";
import { closedAbove, obstacleTo } from "../readable.ts";
import { INTERACTIVE, type LoginReport, type ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import { allowSteps, wordPrograms, wordRemedy } from "./allow.ts";
import { closedSteps } from "./closed-places.ts";
import { confinedProgramSteps } from "./confined-program.ts";
import { confinementSteps, notRequired } from "./confinement.ts";
import { explainExecute, holdsPrograms, NOT_EXECUTABLE } from "./execute.ts";
import type { LimitedPlace, LimitedSession, Shell } from "./limited-session.ts";
import { noexecSteps } from "./noexec.ts";
import {
  allowLines,
  commandRemedy,
  ownSection,
  passedOverSteps,
  patternRemedy,
  sharedBy,
} from "./section.ts";
import { explainKnownServer, explainTroubles } from "./server.ts";
import { type ConfinedCommand, stoppedSteps } from "./stopped.ts";

const step = stepsOf(LIMITED_SHELL);
const asRoot = <T>(work: () => T) => withRightsOf(undefined, work);

/** Adds the steps of the limited shell for the arguments `argv` and the environment `given`. */
export function explainLimited(
  report: LoginReport,
  session: LimitedSession,
  place: LimitedPlace,
  argv: readonly ByteString[],
  given: readonly ByteString[],
): void {
  const { uid, gid } = session.account;
  const groups = () => session.who.groups;
  const { rootFd, home, accounts, configFile } = place;
  const request: LimitedRequest = {
    ...{ argv, environment: given, uid, gid, groups, accounts },
    loadConfig: () => loadConfig(configFile, { dialect: "c", jail: jailOf(configFile) }),
    files: filesBelow(rootFd, home, (name) => accounts.userByName(name)?.home),
    someNamedCounts: (scope) => someNamedCounts(rootFd, scope),
  };
  const add: Shell["add"] = (...steps) => report.steps.push(...steps);
  const shell = { report, session, place, request, add };
  const policy = explainPolicy(shell);
  if (policy === undefined) return;
  const { section, file, values } = policy;
  const { executables, paths, allow } = values;
  report.lshSection = section;
  const { isRegularFile } = request.files;
  add(...allowSteps(values, home, isRegularFile, report.jail));
  if (executables === undefined && allow === undefined) {
    const lines = allowLines(session.arguments[1], request.files, values);
    // [DEFAULT] may be there for log_format alone, and lines in it would let everybody in.
    const own =
      section === "DEFAULT"
        ? ownSection(
            shell,
            policy.passedOver.map((group) => ({ name: `member ${group}` })),
          )
        : undefined;
    const here = lines.length > 0 ? sectionLinesRemedy(file, section, lines) : bringRemedy(configFile);
    const remedy = own ?? here;
    add(step("executables", "failed", `the section has no key executables${sharedBy(section)}`, remedy, 5));
    return;
  }
  if (executables !== undefined)
    add(step("executables", "passed", `allowed: ${executables.join(", ")}; paths: ${paths.join(", ")}`));
  explainLines(policy, shell);
  explainCommand(shell, policy, [...(executables ?? []), ...wordPrograms(values, isRegularFile)]);
}

/** Adds the keys `command` and `force`, which decide about the whole command line. */
function explainLines({ patterns, values: { force } }: LimitedPolicy, { session, add }: Shell): void {
  const [, asked = ""] = session.arguments;
  const instead = asked === "" ? "" : `, and not ${quoted(asked)}`;
  if (force !== undefined)
    add(step("force", "passed", `${quoted(force)} runs, whatever is asked for${instead}`));
  else if (patterns.length > 0) {
    const names = patterns.map(({ name }) => name).join(", ");
    add(step("patterns", "passed", `a command must match one of: ${names}`));
  }
}

/** The jail that a file of the limited shell is in; undefined for that of the host. */
const jailOf = (configFile: ByteString): ByteString | undefined =>
  configFile.slice(0, -LIMITED_CONFIG_FILE.length) || undefined;

/** A command that adds usual programs to a jail, with a policy; empty outside a jail. */
function bringRemedy(configFile: ByteString): Remedy {
  const jail = jailOf(configFile);
  return jail === undefined ? "" : `jk_init -j ${shellWord(jail)} sftp`;
}

/** Adds the section that applies; undefined if none does. */
function explainPolicy(shell: Shell): LimitedPolicy | undefined {
  const { report, session, place, request, add } = shell;
  const { configFile } = place;
  const { account, onBehalf } = session;
  const obstacle = onBehalf ? obstacleTo(configFile, account.uid) : undefined;
  if (obstacle !== undefined) {
    add(step("policy", "failed", `the user cannot read ${obstacle.path}`, obstacle.advice, 1));
    return undefined;
  }
  const check: Remedy = `jailkit config check ${shellWord(configFile)}`;
  const policy = limitedPolicy(request);
  if (policy instanceof Refusal) {
    const { check: name, reason, exitStatus } = policy;
    const isMissing = name === "no-section" || name === "config-missing";
    const { sections = [] } = (isMissing && answered(request.loadConfig)) || {};
    const remedy = isMissing ? ownSection(shell, sections) : undefined;
    const other = (isMissing && bringRemedy(configFile)) || check;
    add(step("policy", "failed", reason, remedy ?? (policy.advice || other), exitStatus));
    return undefined;
  }
  add(step("policy", "passed", `section [${policy.section}] of ${policy.file}`));
  for (const { message } of policy.notes) add(step("policy", "warned", message, check));
  add(...passedOverSteps(policy, account, report.jail));
  return policy;
}

/** The limits without directories that the user cannot reach, with a warning for each if root asks, who can fix it. */
function reachable(limits: ExecuteLimits | "any", { report, session, add }: Shell): ExecuteLimits | "any" {
  if (limits === "any" || !session.onBehalf) return limits;
  const named = limits.named.filter((path) => {
    const jail = report.jail ?? "";
    const closed = closedAbove({ path: jail + path, jail }, session.account.uid);
    if (closed === undefined) return true;
    const message = `nothing in ${path} may be executed: the user cannot look into ${closed.path}`;
    add(step("execute", "warned", message, closed.advice));
    return false;
  });
  return { ...limits, named };
}

/** Adds what the kernel stops of a command, by this section and by that of jk_chrootsh.ini. */
function explainStopped(
  { report, session, place, add }: Shell,
  { section, file }: LimitedPolicy,
  plan: LimitedPlan,
  confinement: Confinement,
  held: boolean,
): void {
  const program = plan.allowed ? { path: plan.path, args: plan.argv.slice(1) } : undefined;
  // The places of a word of `allow` are the section's own matter.
  const byWord = plan.allowed && plan.by.word !== undefined;
  const { rootFd, home, outer } = place;
  const inner: ConfinedCommand = {
    ...{
      stage: LIMITED_SHELL,
      root: report.jail ?? "/",
      rootFd,
      confinement,
      program,
      directory: home,
      home,
    },
    adviceFor: (lines) =>
      byWord && /^(?:read|write) /.test(lines[0] ?? "") ? "" : sectionLinesRemedy(file, section, lines),
  };
  add(...closedSteps(inner, session.account.uid), ...stoppedSteps(inner));
  // A known server starts no dynamic linker by hand, if the kernel limits it to its row.
  if (plan.allowed && (plan.starts === undefined || !held)) add(...noexecSteps(inner));
  if (outer !== undefined && program !== undefined) add(...stoppedSteps({ ...outer, program }));
}

function explainCommand(shell: Shell, policy: LimitedPolicy, executables: readonly ByteString[]): void {
  const { report, session, place, request, add } = shell;
  const configFile = policy.file;
  const plan = planLimited(request);
  const limits = reachable(executeLimits(policy.values, place.home), shell);
  const asked = confinementOf(policy.values, true, limits, place.home);
  const { noNewPrivs } = asked;
  const held = holdsPrograms(place.rootFd, limits);
  const root = report.jail ?? "/";
  const command = plan.allowed ? plan.path : undefined;
  const { rootFd } = place;
  add(...explainExecute({ root, rootFd, configFile, limits, executables, noNewPrivs, command }));
  const confinement = plan.allowed ? plan.confinement : asked;
  const { section } = policy;
  const settings = `section [${section}] of ${configFile}`;
  const refused = { weaker: notRequired(configFile, section), exitStatus: NOT_EXECUTABLE };
  const started = { root, rootFd, confinement, program: command, settings };
  add(...confinementSteps(LIMITED_SHELL, confinement, refused));
  add(...confinedProgramSteps({ stage: LIMITED_SHELL, ...started }));
  explainStopped(shell, policy, plan, confinement, held);
  const interactive = session.arguments.length === 0;
  const unchecked = policy.values.allowSpawnOptions && !(plan.allowed && plan.by.word !== undefined);
  for (const one of plan.allowed ? [plan.path] : interactive ? executables : []) {
    for (const { message, advice } of programWarnings(one, request.files, unchecked, held))
      add(step("programs", "warned", message, inWords(advice)));
    if (!unchecked) explainTroubles(one, shell, policy, held, plan.allowed);
  }
  if (!plan.allowed) {
    explainRefusal(shell, policy, plan);
    return;
  }
  const { path, argv, environment, umask, by } = plan;
  report.command = { path, argv, environment, umask };
  if (by.word !== undefined) add(step("allow", "passed", `the word ${by.word} allows it`));
  if (by.pattern !== undefined) add(step("patterns", "passed", `it matches command ${by.pattern}`));
  add(executableStep(shell, path));
  if (!unchecked) explainKnownServer(path, shell, held);
}

/** Adds the refusal of a command, or of an interactive session. */
function explainRefusal(
  shell: Shell,
  policy: LimitedPolicy,
  { code, reason, exitStatus }: Extract<LimitedPlan, { allowed: false }>,
): void {
  const { report, session, place, request, add } = shell;
  if (code === "interactive" && session.arguments.length === 0) {
    add(step(INTERACTIVE, "warned", "an interactive session is refused; single commands are not", "", 7));
    return;
  }
  const asked = policy.values.force ?? session.arguments[1];
  const program = baseName(trim(asked ?? "").split(/[\t-\r ]/)[0] ?? "");
  const hidden = policy.values.executables?.filter((path) => baseName(path) === program) ?? [];
  const isHostProgram = (path: ByteString) => asRoot(() => isRootsProgram(path));
  const root = report.jail ?? "/";
  const word =
    code === "not-found" ? report.steps.find(({ name, remedy }) => name === "allow" && remedy) : undefined;
  const advice =
    word?.remedy ??
    hidden.map((path) => opened(shell, path)).find((command) => command !== undefined) ??
    wordRemedy(code, session.arguments[1] ?? "", policy, place.home, request.files, report.jail) ??
    (policy.patterns.length > 0 && code !== "not-found"
      ? refusedPattern(code, asked, policy, request)
      : commandRemedy(code, asked, policy, policy.file, request.files, root, isHostProgram));
  const message = advice === "" ? reason : `${reason}${sharedBy(policy.section)}`;
  add(step("command", "failed", message, advice, exitStatus));
}

/** The remedy for a command that patterns refuse; none for one that cannot be read. */
function refusedPattern(
  code: string,
  asked: ByteString | undefined,
  policy: LimitedPolicy,
  { files }: LimitedRequest,
): Remedy {
  const isRefused = code === "no-pattern" || code === "not-allowed";
  return isRefused && policy.values.force === undefined ? patternRemedy(asked, policy, files) : "";
}

/** The command that lets the user pass the directories above a program; undefined if the user can, or root does not ask. */
function opened({ report: { jail = "" }, session }: Shell, path: ByteString): Advice | undefined {
  const closed = session.onBehalf ? closedAbove({ path: jail + path, jail }, session.account.uid) : undefined;
  if (closed === undefined) return undefined;
  const { advice } = closed;
  return typeof advice === "string" && advice.startsWith("chmod ") ? openRemedy(closed.path) : advice;
}

function executableStep(shell: Shell, path: ByteString): ReportStep {
  const {
    place: { rootFd },
    report,
  } = shell;
  const found = useBelow(rootFd, path, true, (fd) => ({
    may: mayAccess(AT_FDCWD, `/proc/self/fd/${fd}`, MAY_EXECUTE),
    noexec: isNoexec(fd),
  }));
  if (found?.may) return step("command", "passed", `${path} is allowed`);
  const { jail = "" } = report;
  const place = jail + path;
  const why = found?.noexec ? ": its file system is mounted noexec" : "";
  const advice = found?.noexec
    ? remountCommand("exec", place)
    : (opened(shell, path) ?? commandAt(place, `chmod a+x ${shellWord(place)}`));
  return step("command", "failed", `${path} cannot be executed by the user${why}`, advice, NOT_EXECUTABLE);
}
