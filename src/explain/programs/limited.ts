import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { MAY_EXECUTE, mayAccess, withRightsOf } from "../../../ffi/rights.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { loadConfig } from "../../config/load.ts";
import { someNamedCounts } from "../../confine/directories.ts";
import type { ExecuteLimits } from "../../confine/execute.ts";
import {
  executeLimits,
  LIMITED_CONFIG_FILE,
  type LimitedPlan,
  type LimitedPolicy,
  type LimitedRequest,
  limitedPolicy,
  planLimited,
} from "../../enter/limited/limited.ts";
import { Refusal } from "../../enter/refusal.ts";
import { isRootsProgram, sectionLinesRemedy } from "../../enter/remedies.ts";
import { LIMITED_SHELL } from "../../enter/shell.ts";
import { filesBelow, useBelow } from "../../limited-shell/files.ts";
import { type HookedRepository, hooksWarning } from "../../programs/hooks.ts";
import { recognise, startsOf } from "../../programs/recognise.ts";
import { type OwnStart, ownStartWarning, programWarnings } from "../../programs/warnings.ts";
import { commandAt } from "../../system/exchange.ts";
import { isNoexec } from "../../system/mounts.ts";
import type { Subject } from "../account.ts";
import { closedAbove, type Obstacle, obstacleTo } from "../readable.ts";
import { INTERACTIVE, type LoginReport, type ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import { explainExecute, holdsPrograms } from "./execute.ts";
import { allowLines, commandRemedy, sectionRemedy, sharedBy } from "./section.ts";

/** Functions that examine programs below a root directory. */
export interface ProgramLook {
  /** The other files that the kernel executes for a program: interpreters, the dynamic linker. */
  executedFiles: (root: ByteString, program: ByteString) => ByteString[];
  /** The programs that a program starts itself, as far as its file shows. */
  ownStart: (root: ByteString, program: ByteString) => OwnStart | undefined;
  /** Repositories with hooks below a home. */
  hookedRepositories: (rootFd: number, home: ByteString) => HookedRepository[];
}

/** A session in the limited shell or another one. */
export interface LimitedSession extends Subject {
  /** The arguments of the login shell: none, or "-c" and the command. */
  arguments: ByteString[];
  /** The variable USER, if it is not the name of the account. */
  userVariable?: ByteString;
  look: ProgramLook;
}

/** Where the limited shell would run. */
export interface LimitedPlace {
  rootFd: number;
  home: ByteString;
  accounts: LimitedRequest["accounts"];
  configFile: ByteString;
}

type Add = (...steps: ReportStep[]) => void;
type AllowedPlan = Extract<LimitedPlan, { allowed: true }>;

const NOT_EXECUTABLE = 126;

const step = stepsOf(LIMITED_SHELL);

/** Adds the steps of the limited shell for the arguments `argv` and the environment `given`. */
export function explainLimited(
  report: LoginReport,
  session: LimitedSession,
  place: LimitedPlace,
  argv: readonly ByteString[],
  given: readonly ByteString[],
): void {
  const { account, onBehalf } = session;
  // Only root can fix an obstacle, so only root sees it.
  const closedTo = (path: ByteString) =>
    onBehalf ? closedAbove(`${report.jail ?? ""}${path}`, account.uid) : undefined;
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
  const add: Add = (...steps) => report.steps.push(...steps);
  const policy = explainPolicy(session, place, request, add);
  if (policy === undefined) return;
  report.lshSection = policy.section;
  const { executables, paths } = policy.values;
  if (executables === undefined) {
    const lines = allowLines(session.arguments[1], request.files, policy.values);
    const remedy =
      lines.length > 0
        ? sectionLinesRemedy(policy.file, policy.section, lines)
        : bringRemedy(place.configFile);
    const message = `the section has no key executables${sharedBy(policy.section)}`;
    add(step("executables", "failed", message, remedy, 5));
    return;
  }
  add(step("executables", "passed", `allowed: ${executables.join(", ")}; paths: ${paths.join(", ")}`));
  explainCommand(report, session, place, { request, policy, executables, closedTo }, add);
}

/** A command that adds usual programs to a jail, with a policy; empty outside a jail. */
function bringRemedy(configFile: ByteString): ByteString {
  const jail = configFile.slice(0, -LIMITED_CONFIG_FILE.length);
  return jail === "" ? "" : `jk_init -j ${shellWord(jail)} sftp`;
}

/** Adds the section that applies; undefined if none does. */
function explainPolicy(
  { account, onBehalf, arguments: given }: LimitedSession,
  { configFile }: LimitedPlace,
  request: LimitedRequest,
  add: Add,
): LimitedPolicy | undefined {
  const obstacle = onBehalf ? obstacleTo(configFile, account.uid) : undefined;
  if (obstacle !== undefined) {
    add(step("policy", "failed", `the user cannot read ${obstacle.path}`, obstacle.remedy, 1));
    return undefined;
  }
  const policy = limitedPolicy(request);
  if (policy instanceof Refusal) {
    const { code, reason, exitStatus } = policy;
    const missing = code === "no-section" || code === "config-missing";
    const remedy = missing ? sectionRemedy(account.name, given[1], configFile, request.files) : undefined;
    const bring = bringRemedy(configFile);
    const other = missing && bring !== "" ? bring : `jailkit config check ${shellWord(configFile)}`;
    add(step("policy", "failed", reason, remedy ?? (policy.remedy || other), exitStatus));
    return undefined;
  }
  add(step("policy", "passed", `section [${policy.section}] of ${policy.file}`));
  for (const { message } of policy.notes)
    add(step("policy", "warned", message, `jailkit config check ${shellWord(configFile)}`));
  return policy;
}

/** The facts for a decision about a command. */
interface CommandFacts {
  request: LimitedRequest;
  policy: LimitedPolicy;
  executables: readonly ByteString[];
  /** The directory on the way to a path that the user cannot pass. */
  closedTo: (path: ByteString) => Obstacle | undefined;
}

/** Removes directories that the user cannot reach from the limits, with a warning for each. */
function reachable(
  limits: ExecuteLimits | "any",
  closedTo: CommandFacts["closedTo"],
  add: Add,
): ExecuteLimits | "any" {
  if (limits === "any") return limits;
  const named = limits.named.filter((path) => {
    const closed = closedTo(path);
    if (closed === undefined) return true;
    const message = `nothing in ${path} may be executed: the user cannot look into ${closed.path}`;
    add(step("execute", "warned", message, closed.remedy));
    return false;
  });
  return { ...limits, named };
}

function explainCommand(
  report: LoginReport,
  session: LimitedSession,
  place: LimitedPlace,
  { request, policy, executables, closedTo }: CommandFacts,
  add: Add,
): void {
  const { rootFd, home } = place;
  const configFile = policy.file;
  const plan = planLimited(request);
  const limits = reachable(executeLimits(policy.values, home), closedTo, add);
  const held = holdsPrograms(rootFd, limits);
  const root = report.jail ?? "/";
  add(
    ...explainExecute({
      rootFd,
      configFile,
      limits,
      command: plan.allowed ? plan.path : undefined,
      executedFiles: (program) => withRightsOf(undefined, () => session.look.executedFiles(root, program)),
    }),
  );
  const interactive = session.arguments.length === 0;
  const unchecked = policy.values.allowSpawnOptions;
  for (const one of plan.allowed ? [plan.path] : interactive ? executables : []) {
    for (const { message, remedy } of programWarnings(one, request.files, unchecked, held)) {
      add(step("programs", "warned", message, remedy));
    }
    const facts = { request, policy, held, root };
    if (!unchecked) explainTroubles(one, session, place, facts, plan.allowed, add);
  }
  if (!plan.allowed) {
    if (plan.code === "interactive" && interactive) {
      add(step(INTERACTIVE, "warned", "an interactive session is refused; single commands are not", "", 7));
      return;
    }
    const command = session.arguments[1];
    const remedy = commandRemedy(plan.code, command, policy, configFile, request.files, root, isHostProgram);
    const message = remedy === "" ? plan.reason : `${plan.reason}${sharedBy(policy.section)}`;
    add(step("command", "failed", message, remedy, plan.exitStatus));
    return;
  }
  const { path, umask } = plan;
  report.command = { path, argv: plan.argv, environment: plan.environment, umask };
  add(executableStep(place, report, path));
  if (!unchecked) explainServer(plan, request, held, add);
}

const isHostProgram = (path: ByteString) => withRightsOf(undefined, () => isRootsProgram(path));

function executableStep({ rootFd }: LimitedPlace, { jail }: LoginReport, path: ByteString): ReportStep {
  const found = useBelow(rootFd, path, true, (fd) => ({
    may: mayAccess(AT_FDCWD, `/proc/self/fd/${fd}`, MAY_EXECUTE),
    noexec: isNoexec(fd),
  }));
  if (found?.may) return step("command", "passed", `${path} is allowed`);
  const place = `${jail ?? ""}${path}`;
  const why = found?.noexec ? ": its file system is mounted noexec" : "";
  const remedy = found?.noexec
    ? `remount the file system of ${place} with exec`
    : commandAt(place, `chmod a+x ${shellWord(place)}`);
  return step("command", "failed", `${path} cannot be executed by the user${why}`, remedy, NOT_EXECUTABLE);
}

/** Adds problems of a known server. `asked`: it is the command. */
function explainTroubles(
  path: ByteString,
  { look }: LimitedSession,
  { rootFd, home }: LimitedPlace,
  {
    request,
    policy,
    held,
    root,
  }: Pick<CommandFacts, "request" | "policy"> & { held: boolean; root: ByteString },
  asked: boolean,
  add: Add,
): void {
  const program = recognise(path, request.files);
  const stopped = held
    ? ownStartWarning(
        path,
        program,
        withRightsOf(undefined, () => look.ownStart(root, path)),
      )
    : undefined;
  if (stopped !== undefined) {
    const { certain, message, remedy } = stopped;
    add(step("server", !asked ? "warned" : certain ? "failed" : "unknown", message, remedy, NOT_EXECUTABLE));
  }
  if (program.rows.every(({ hooks }) => hooks === undefined)) return;
  const environment = new Map(policy.values.environment);
  const silent = hooksWarning(
    program,
    withRightsOf(undefined, () => look.hookedRepositories(rootFd, home)),
    environment,
  );
  if (silent !== undefined) add(step("hooks", "warned", silent.message, silent.remedy));
}

/** Adds notes about a known server. */
function explainServer({ path }: AllowedPlan, { files }: LimitedRequest, held: boolean, add: Add): void {
  const { rows } = recognise(path, files);
  for (const { names, inputs } of rows) {
    add(step("server", "passed", `${path} is known as a server (${names[0]}). ${inputs}`));
  }
  const starts = held ? startsOf(rows) : undefined;
  if (starts === undefined) return;
  const what = starts.length === 0 ? "nothing, hooks neither" : starts.join(", ");
  const unless = "unless execute names a directory that counts, or any";
  add(step("server", "passed", `${path} may itself execute: ${what}; ${unless}`));
}
