import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import { printLine } from "../cli/output.ts";
import type { ToolOutput } from "../cli/tool.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import type { Manifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import type { Loader } from "../libraries/closure.ts";
import { CopyAhead } from "./apply/ahead.ts";
import { foreseeExtras } from "./apply/extras.ts";
import { foreseeLink, LINKS_SHARE, notLinkedWarning } from "./apply/link.ts";
import { liveDirectories, liveProblem } from "./apply/live.ts";
import type { Entry, Plan, PopulateProblem } from "./entry.ts";
import { emptyFileSystem, type FileSystem } from "./file-system.ts";
import type { Filled, fillJail as FillJail } from "./fill.ts";
import { obstacleTo } from "./obstacle.ts";
import { jailFileSystem, NewDirectories, openSafeJail } from "./open-jail.ts";
import { countedProblems } from "./passed-over.ts";
import type { PlannerInput } from "./plan/draft.ts";
import { type Explanation, explain, explanationLines } from "./plan/why.ts";
import { cacheFor, heldFor } from "./plan-cache/plan-cache.ts";
import { formerLive, recordedLive } from "./record/start-over.ts";
import { populateReport, whyReport } from "./report.ts";
import { actionMessage, LineReporter, strippedMessage } from "./reporter.ts";
import { type PopulateOptions, type PopulateRequest, shownDirectories } from "./request.ts";
import { planFiles, withRequest } from "./request-plan.ts";
import { type Suggestion, suggestSections } from "./suggest.ts";

/** Plans a request, and fills the jail or shows the plan. */
export async function populate(
  request: PopulateRequest,
  options: PopulateOptions,
  host: FileSystem,
  loader: Loader,
): Promise<ToolOutput> {
  const { tool, jail } = request;
  const { why, verbose, json, force, companions } = options;
  using lock = lockJail(jail, { tool, ...options, changes: !options.dryRun && why === undefined });
  using fresh = new NewDirectories();
  using root = openSafeJail(jail, { ...options, create: options.create && why === undefined, fresh });
  // It was there, but another tool has deleted it meanwhile.
  if (root === undefined && !options.create)
    throw new JailkitError("no-such-jail", options.missingStatus ?? 1, `${display(jail)} is not a directory`);
  if (root !== undefined) lock?.hold(root.top.stat);
  const strict = options.strict || json;
  const reporter = new LineReporter(tool, { verbose, silent: json || why !== undefined, lenient: !strict });
  try {
    const jailNow = root ? jailFileSystem(root) : emptyFileSystem;
    const live = liveDirectories(root, request.live?.directories ?? []);
    const copies = !options.dryRun && !options.hardlink && why === undefined ? root : undefined;
    const plans = force ? undefined : options.planCache;
    const cache = cacheFor(copies, live, plans);
    const forRun = heldFor(root, live, plans, options);
    using ahead = copies && new CopyAhead(copies);
    const offer = (entry: Entry) => ahead?.offer(entry);
    const input: PlannerInput = {
      host,
      unwatched: options.planCache?.question.host,
      jail: jailNow,
      jailPath: jail,
      force,
      loader,
      live,
      companions,
      offer,
    };
    const files = planFiles(request, input, loader, cache ?? forRun, ahead);
    forRun?.hold(files);
    const plan = withRequest(files, request);
    if (why !== undefined) return whyOutput(tool, explain(plan, why), why);
    const suggestions = suggestSections(request, plan, root, companions);
    reportPlan(plan, suggestions, json, reporter);
    const { openRecord } = await import("./record/record.ts");
    const { manifest, damage } = root === undefined ? {} : openRecord(root);
    const notLive = root && liveProblem(root, request.live, recordedLive(root, manifest), manifest?.content);
    const obstacle = damage ?? notLive ?? obstacleTo(root, request, plan, options, manifest);
    if (obstacle !== undefined) reporter.fail(obstacle);
    // What heals that record wants to see the jail.
    fresh.keep(damage !== undefined);
    const filled =
      obstacle !== undefined
        ? { present: [], problems: [obstacle] }
        : root === undefined || options.dryRun
          ? showPlan(request, plan, { root, manifest }, options.hardlink, reporter)
          : await fill(root, request, options, plan, {
              ...{ manifest, reporter, ahead, fresh },
              meanwhile: () => cache?.save(files),
            });
    const problems = [...plan.problems, ...filled.problems];
    const exitStatus = statusAfterSignals(statusOf(countedProblems(problems, strict)));
    const done = { dryRun: options.dryRun, entries: filled.present, problems, suggestions, exitStatus };
    const report = () => populateReport(request, plan, done);
    return { exitStatus, report };
  } finally {
    reporter.flush();
  }
}

async function fill(...args: Parameters<typeof FillJail>): Promise<Filled> {
  // Not before here: a dry run changes nothing.
  const { fillJail } = await import("./fill.ts");
  return holdingSignals(() => fillJail(...args));
}

function reportPlan(
  { warnings, notes, problems }: Plan,
  suggestions: readonly Suggestion[],
  json: boolean,
  reporter: LineReporter,
): void {
  for (const warning of warnings) if (!json) reporter.warn(warning);
  for (const { message, detail } of suggestions) {
    if (detail) reporter.detail(message);
    else if (!json) reporter.warn(message);
  }
  for (const note of notes) reporter.detail(note);
  for (const problem of problems) if (!json) reporter.fail(problem);
}

function showPlan(
  request: PopulateRequest,
  plan: Plan,
  { root, manifest }: { root: JailRoot | undefined; manifest: Manifest | undefined },
  hardlink: boolean,
  reporter: LineReporter,
): Filled {
  const { jail, accounts } = request;
  const former = formerLive(jail, root, manifest, shownDirectories(request));
  for (const path of [...former.recorded, ...former.left])
    reporter.say(`Removing the line for ${jail}${path} from /etc/fstab`);
  let linking = hardlink;
  let linked = false;
  for (const entry of plan.entries) {
    const to = jail + entry.path;
    const isNew = entry.type === "file" && entry.action !== "keep";
    const how = linking && isNew ? foreseeLink(entry, to) : "copy";
    if (how instanceof SystemError) {
      reporter.warn(notLinkedWarning(entry, to, how.reason));
      linking = false;
    }
    linked ||= how === "link";
    reporter.message(actionMessage(entry, to, how === "link"));
    if (entry.stripped && entry.action !== "keep") reporter.say(strippedMessage(to));
  }
  if (linked) reporter.warn(LINKS_SHARE);
  const { users = [], groups = [] } = accounts ?? {};
  for (const { name } of users) reporter.detail(`writing user ${name} to ${jail}/etc/passwd`);
  for (const { name } of groups) reporter.detail(`writing group ${name} to ${jail}/etc/group`);
  for (const path of shownDirectories(request))
    reporter.say(`Mounting ${path} on ${jail}${path}, read-only, with a line in /etc/fstab`);
  if (request.needProc) reporter.say(`Mounting proc on ${jail}/proc, with a line in /etc/fstab`);
  if (request.needLogsocket) reporter.say(`Telling jk_socketd to serve ${jail}/dev/log`);
  const problems = foreseeExtras(request, reporter);
  if (plan.entries.length > 0) reporter.say("(dry run: nothing was changed)");
  return { present: plan.entries, problems };
}

/** The exit status for problems that count: 0 without any; 1, unless all of them ask for another status. */
function statusOf(problems: readonly PopulateProblem[]): number {
  const statuses = new Set(problems.map(({ exitStatus = 1 }) => exitStatus));
  return statuses.size === 0 ? 0 : statuses.has(1) ? 1 : Math.max(...statuses);
}

/** Explains from the record why a path is in a jail. The exit status is 0 if the path is in the record. */
export async function explainWhy(jail: ByteString, path: ByteString): Promise<ToolOutput> {
  const { explainRecorded } = await import("./record/record.ts");
  using root = openNamedJail(jail);
  return whyOutput("jk_init", explainRecorded(root, path), path);
}

function whyOutput(
  tool: PopulateRequest["tool"],
  explanations: Explanation[] | undefined,
  path: ByteString,
): ToolOutput {
  const lines = explanations
    ? explanationLines(path, explanations)
    : [`${display(path)}: nothing that was asked for brings it in`];
  return {
    exitStatus: explanations ? 0 : 1,
    report: () => whyReport(tool, path, explanations ?? []),
    print() {
      for (const line of lines) printLine(line);
    },
  };
}
