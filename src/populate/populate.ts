import type { ByteString } from "../../ffi/bytes.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, problemFrom } from "../cli/error.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import { printJson, printLine } from "../cli/output.ts";
import { noRoom, saysNoRoom, type Work } from "../jail/fs/no-room.ts";
import { closeJailRoot, type JailRoot } from "../jail/fs/walk.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import type { Loader } from "../libraries/closure.ts";
import { addAccounts } from "./apply/accounts.ts";
import { type Applied, applyPlan } from "./apply/apply.ts";
import { concernsLibraries, lacksCache, renewLibraryCache } from "./apply/library-cache.ts";
import { registerLogSocket } from "./apply/log-socket.ts";
import { addProcLine, mountJailProc } from "./apply/proc.ts";
import type { Entry, Plan, PopulateProblem } from "./entry.ts";
import { emptyFileSystem, type FileSystem } from "./file-system.ts";
import { actionMessage, strippedMessage } from "./messages.ts";
import { jailFileSystem, openSafeJail } from "./open-jail.ts";
import { makePlan } from "./plan/plan.ts";
import { type Explanation, explain, explanationLines } from "./plan/why.ts";
import { populateReport, whyReport } from "./report.ts";
import { makeReporter, type Reporter } from "./reporter.ts";
import type { Manner, Request } from "./request.ts";

/** Plans what a request asks for and carries it out, or only tells. Returns the exit status. */
export async function populate(
  request: Request,
  manner: Manner,
  host: FileSystem,
  loader: Loader,
): Promise<number> {
  const looking = manner.dryRun || manner.why !== undefined;
  const root = openSafeJail(request.jail, { ...manner, create: manner.create && !looking });
  const reporter = makeReporter(request.tool, manner.verbose, manner.json || manner.why !== undefined);
  try {
    const plan = planFor(request, manner, host, loader, root);
    if (manner.why !== undefined)
      return tellWhy(request.tool, explain(plan, manner.why), manner.why, manner.json);
    return await carryOut(request, manner, plan, root, reporter);
  } finally {
    reporter.flush();
    if (root) closeJailRoot(root);
  }
}

function planFor(
  request: Request,
  manner: Manner,
  host: FileSystem,
  loader: Loader,
  root: JailRoot | undefined,
): Plan {
  const plan = makePlan({
    host,
    jail: root ? jailFileSystem(root) : emptyFileSystem,
    jailPath: request.jail,
    wants: request.wants,
    force: manner.force,
    dependencies: loader.dependencies,
    configurationFiles: loader.configurationFiles,
  });
  const problems = [...request.problems, ...plan.problems];
  for (const section of request.mustExist) {
    if (plan.satisfied.has(section)) continue;
    const message = `nothing that section ${quoted(section)} names is on this machine`;
    problems.push({ code: "nothing-found", path: section, message });
  }
  // What a whole directory brings along may be broken on the host already; what was asked for by name is told.
  const asked = new Set<ByteString | undefined>();
  for (const { source, because } of plan.entries) {
    if (because.some(({ reason }) => reason.kind === "asked")) asked.add(source);
  }
  const lacking = loader.problems();
  const told = lacking.filter(({ file }) => asked.has(file)).map(({ message }) => message);
  const untold = lacking.filter(({ file }) => !asked.has(file)).map(({ message }) => message);
  return {
    ...plan,
    problems,
    warnings: [...request.warnings, ...plan.warnings, ...told],
    notes: [...request.notes, ...plan.notes, ...untold],
  };
}

function tellWhy(
  tool: Request["tool"],
  explanations: Explanation[] | undefined,
  path: ByteString,
  json: boolean,
): number {
  if (json) printJson(whyReport(tool, path, explanations ?? []));
  else if (explanations) for (const line of explanationLines(path, explanations)) printLine(line);
  else printLine(`${display(path)}: nothing of what was asked for brings it in`);
  return explanations ? 0 : 1;
}

/** As jk_init's `--why` with sections, but from the record of the jail. Returns the exit status: 0 where it knows the path. */
export async function tellRecordedWhy(jail: ByteString, path: ByteString, json: boolean): Promise<number> {
  const { explainRecorded } = await import("./record/recorded-why.ts");
  const root = openNamedJail(jail);
  try {
    return tellWhy("jk_init", explainRecorded(root, path), path, json);
  } finally {
    closeJailRoot(root);
  }
}

async function carryOut(
  request: Request,
  manner: Manner,
  plan: Plan,
  root: JailRoot | undefined,
  reporter: Reporter,
): Promise<number> {
  for (const warning of plan.warnings) if (!manner.json) reporter.warn(warning);
  for (const note of plan.notes) reporter.tell(note);
  const problems = [...plan.problems];
  if (!manner.json) for (const { message } of problems) reporter.fail(message);
  let entries: readonly Entry[] = plan.entries;
  if (manner.dryRun || root === undefined) {
    showPlan(request, plan, manner.hardlink, reporter);
  } else {
    entries = await holdingSignals(async () => {
      const applied = applyPlan(root, plan, { hardlink: manner.hardlink, reporter });
      problems.push(...applied.problems);
      if (!applied.stopped) problems.push(...finish(request, root, applied.present, reporter));
      // What is there is recorded, so that the next run goes on from there.
      const stopped = applied.stopped || problems.some(saysNoRoom);
      problems.push(...(await remember(request, manner, root, applied, stopped, reporter)));
      return applied.present;
    });
  }
  const exitStatus = statusAfterSignals(statusOf(problems));
  reporter.flush();
  if (manner.json) printJson(populateReport(request, manner.dryRun, plan, entries, problems, exitStatus));
  return exitStatus;
}

/** 0 without problems; 1, unless all of them ask for another status. */
function statusOf(problems: readonly PopulateProblem[]): number {
  const statuses = new Set(problems.map(({ exitStatus = 1 }) => exitStatus));
  return statuses.size === 0 ? 0 : statuses.has(1) ? 1 : Math.max(...statuses);
}

/** Into the manifest, so that later runs know what is in the jail and why. */
async function remember(
  request: Request,
  manner: Manner,
  root: JailRoot,
  applied: Applied,
  stopped: boolean,
  reporter: Reporter,
): Promise<PopulateProblem[]> {
  try {
    const { recordJail } = await import("./record/record.ts");
    recordJail(root, request, manner, applied.present, applied.links);
    return [];
  } catch (error) {
    if (stopped) return [];
    const message = `the manifest of the jail is not written: ${describeError(error)}`;
    const problem = noRoom(error, request.jail, ALL_FILES) ?? {
      code: "manifest",
      path: request.jail,
      message,
    };
    reporter.fail(problem.message);
    return [problem];
  }
}

function showPlan(request: Request, plan: Plan, hardlink: boolean, reporter: Reporter): void {
  for (const entry of plan.entries) {
    const to = request.jail + entry.path;
    const { text, detail } = actionMessage(entry, to, hardlink);
    if (detail) reporter.tell(text);
    else reporter.say(text);
    if (entry.stripped && entry.action !== "keep") reporter.say(strippedMessage(to));
  }
  const { users = [], groups = [] } = request.accounts ?? {};
  for (const { name } of users) reporter.tell(`writing user ${name} to ${request.jail}/etc/passwd`);
  for (const { name } of groups) reporter.tell(`writing group ${name} to ${request.jail}/etc/group`);
  if (request.needProc) reporter.say(`Mounting proc on ${request.jail}/proc, with a line in /etc/fstab`);
  if (request.needLogsocket) reporter.say(`Telling jk_socketd to serve ${request.jail}/dev/log`);
  if (plan.entries.length > 0) reporter.say("(dry run: nothing was changed)");
}

const ALL_FILES: Work = { left: [], progress: "what was copied is in place" };

/** What a jail needs besides files. Each step is tried, and what fails becomes a problem. */
function finish(
  request: Request,
  root: JailRoot,
  entries: readonly Entry[],
  reporter: Reporter,
): PopulateProblem[] {
  const problems: PopulateProblem[] = [];
  const attempt = (what: string, step: () => void) => {
    if (problems.some(saysNoRoom)) return;
    try {
      step();
    } catch (error) {
      const problem = noRoom(error, request.jail, ALL_FILES) ?? problemFrom(error, what, request.jail);
      problems.push(problem);
      reporter.fail(problem.message);
    }
  };
  const { accounts } = request;
  if (accounts) {
    attempt("accounts", () => {
      // Names differ between distributions, so one of several may be missing; where all are, something is wrong.
      const none = accounts.users.length + accounts.groups.length === 0;
      for (const each of accounts.missing) {
        if (none) reporter.warn(`this machine has no ${each}`);
        else reporter.tell(`this machine has no ${each}`);
      }
      addAccounts(root, accounts, reporter);
    });
  }
  if (request.needProc) {
    attempt("proc", () => {
      if (addProcLine(request.jail)) reporter.tell(`Adding ${request.jail}/proc to /etc/fstab`);
      if (mountJailProc(root)) reporter.tell(`Mounting proc on ${request.jail}/proc`);
    });
  }
  if (request.needLogsocket) {
    attempt("log-socket", () => {
      const file = registerLogSocket(request.jail);
      if (file !== undefined) reporter.tell(`Adding ${request.jail}/dev/log to ${file}`);
    });
  }
  attempt("library-cache", () => {
    if (concernsLibraries(entries) || lacksCache(root)) renewLibraryCache(root);
  });
  return problems;
}
