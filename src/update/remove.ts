import type { ByteString } from "../../ffi/bytes.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { JailkitError, problemFrom } from "../cli/error.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { problemReport } from "../cli/report.ts";
import type { ToolOutput } from "../cli/tool.ts";
import { closeJailRoot, type JailRoot } from "../jail/fs/walk.ts";
import { readOnlyProblem } from "../jail/fs/writable.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import { readJournal, removeJournal } from "../jail/record/journal.ts";
import { requireMounted } from "../jail/record/live.ts";
import {
  changeManifest,
  type Manifest,
  type ManifestRequest,
  openManifest,
  removeEntries,
  saveManifest,
} from "../jail/record/manifest.ts";
import { sweep } from "../jail/record/sweep.ts";
import type { Refusable } from "../jail/record/without.ts";
import { createLoader, type Loader } from "../libraries/closure.ts";
import { isLibraryName } from "../libraries/dependency.ts";
import { hasOldCache, renewLibraryCache } from "../populate/apply/library-cache.ts";
import { requireNoLiveLines } from "../populate/apply/live-lines.ts";
import { removeSockets } from "../populate/apply/sockets.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { fileSystemAt } from "../populate/file-system.ts";
import { openSafeJail } from "../populate/open-jail.ts";
import { asksForFiles } from "../populate/record/requests.ts";
import { LineReporter } from "../populate/reporter.ts";
import { readRecipe } from "../profile/recipe.ts";
import { applyRemovals } from "./apply/removals.ts";
import { Failures } from "./events.ts";
import { requireWritableRecord } from "./journal.ts";
import { type Kept, keptMessage, type Removal } from "./plan/compare.ts";
import type { Removals } from "./plan/removals.ts";
import {
  decideTakenBack,
  extrasToEnd,
  type Recipes,
  separate,
  type TakenBack,
  unusedSockets,
} from "./plan/taken-back.ts";
import {
  removeProc,
  requireNoLogSocket,
  requireNoProc,
  stillServed,
  unregisterLogSocket,
} from "./remove-extras.ts";
import { keptReport, removalLine } from "./report.ts";
import type { RemoveReport } from "./report-schema.ts";

interface RemoveRequest extends TakenBack {
  /** Absolute, normalised. */
  readonly jail: ByteString;
  /** The exit status for a jail that is not safe, for a missing jail, and for a name that was not asked for. */
  readonly statuses: { readonly unsafe: number; readonly missing: number; readonly unknown: number };
  /** What stays as it is, also if only these names asked for it in the record: it is wanted for another reason. */
  readonly keeps?: readonly Refusable[];
}

/** The options of jk_init and jk_cp that matter with --remove. */
export interface RemoveOptions {
  readonly dryRun: boolean;
  readonly sync: boolean;
  readonly noWait: boolean;
  readonly json: boolean;
  readonly verbose: boolean;
}

interface RemoveOutcome {
  readonly removals: readonly Removal[];
  readonly removed: ReadonlySet<ByteString>;
  readonly kept: readonly Kept[];
  readonly warnings: readonly string[];
  readonly problems: readonly PopulateProblem[];
  readonly exitStatus: number;
}

/**
 * Takes requests back: removes the unchanged files of the jail that no other request needs. Throws JailkitError if the
 * jail is missing or not safe, or if a name was never requested.
 */
export async function removeRequested(request: RemoveRequest, options: RemoveOptions): Promise<ToolOutput> {
  const { statuses, jail, tool } = request;
  const { sync, dryRun, json, verbose } = options;
  using _lock = lockJail(jail, { tool, ...options, changes: !dryRun });
  const root = openSafeJail(jail, { create: false, sync, unsafeStatus: statuses.unsafe });
  if (root === undefined) {
    throw new JailkitError("no-such-jail", statuses.missing, `${display(jail)}: no such directory`);
  }
  const reporter = new LineReporter(tool, { verbose, silent: json });
  using loader = createLoader({ dlopen: true });
  let outcome: RemoveOutcome;
  try {
    const manifest = openManifest(root);
    requireMounted(root, manifest.content.live);
    requireWritableRecord(manifest.id, jail, "nothing was removed");
    outcome = removeFrom({ root, manifest, request, loader, reporter }, dryRun);
  } finally {
    reporter.flush();
    closeJailRoot(root);
  }
  return { exitStatus: outcome.exitStatus, report: () => removeReport(request, dryRun, outcome) };
}

/** A run in an open jail. */
interface Run {
  readonly root: JailRoot;
  readonly manifest: Manifest;
  readonly request: RemoveRequest;
  readonly loader: Loader;
  readonly reporter: LineReporter;
}

function removeFrom(run: Run, dryRun: boolean): RemoveOutcome {
  const { root, manifest, request, loader, reporter } = run;
  const { remaining, removed } = separate(manifest.content.requests, request);
  requireAsked(manifest, request, removed);
  const host = fileSystemAt();
  const stays = readRecipe(remaining.filter(asksForFiles), host, loader);
  const goes = readRecipe(removed, host, loader);
  const warnings = [...stays.warnings, ...stays.problems.map(({ message }) => message)];
  for (const warning of warnings) reporter.warn(warning);
  if (!dryRun) warnings.push(...sweepLeft(run));
  const decided = decideTakenBack(root, manifest, request.names, { stays, goes }, loader);
  const { removals, kept, hidden } = decided;
  for (const each of kept) reporter.say(keptMessage(root, each));
  const closed = readOnlyProblem(root, placesToChange(root, removals), root.path, "nothing was removed");
  if (closed !== undefined) {
    reporter.fail(closed);
    return { removals, removed: new Set(), kept, warnings, problems: [closed], exitStatus: 1 };
  }
  if (dryRun) {
    for (const removal of removals) reporter.say(removalLine(root.path, removal, true));
    const problems = hiddenProblems(root, hidden);
    for (const problem of problems) reporter.fail(problem);
    problems.push(...foreseeExtras(run, { stays, goes }, removals));
    return {
      removals,
      removed: new Set(),
      kept,
      warnings,
      problems,
      exitStatus: Math.min(problems.length, 1),
    };
  }
  const { problems, done, left } = holdingSignals(() => takeAway(run, { stays, goes }, decided));
  warnings.push(...left);
  const exitStatus = statusAfterSignals(problems.length === 0 ? 0 : 1);
  return { removals, removed: new Set(done), kept, warnings, problems, exitStatus };
}

const progressOf = (count: number, { length }: readonly Removal[]): string =>
  length === 0 ? "nothing was removed" : `${count} of ${length} objects are removed`;

/** The problems that a run would have with files of the machine. */
function foreseeExtras(
  { root, manifest, request, reporter }: Run,
  recipes: Recipes,
  removals: readonly Removal[],
): PopulateProblem[] {
  const { logSocket, proc } = extrasToEnd(request.keeps ?? [], recipes);
  const failures = new Failures(root.path, [], reporter);
  const progress = progressOf(0, removals);
  if (logSocket) failures.attempt("log-socket", progress, () => requireNoLogSocket(root.path));
  const unused = unusedSockets(manifest.content.sockets ?? [], recipes);
  failures.attempt("sockets", progress, () => requireNoLiveLines(root.path, unused));
  if (proc) failures.attempt("proc", progress, () => requireNoProc(root.path));
  return failures.problems;
}

/** Then the rest is removed all the same, and the request stays. */
const hiddenProblems = ({ path }: JailRoot, hidden: Removals["hidden"]): PopulateProblem[] =>
  hidden === undefined ? [] : [problemFrom(hidden, "not-mounted", path)];

/** Removes the temporary files of a run of jk_init or jk_cp that was killed: their directories would stay. Returns warnings. */
function sweepLeft({ root, manifest, reporter }: Run): string[] {
  const left = readJournal(manifest.id, "fill.json");
  const warnings = left === undefined ? [] : sweep(root, left, manifest.content.entries);
  for (const warning of warnings) reporter.warn(warning);
  return warnings;
}

/** The directories of the jail in which a name is removed or replaced. */
function placesToChange(root: JailRoot, removals: readonly Removal[]): ByteString[] {
  const places = removals.map(({ path }) => directoryOf(path));
  const renews = removals.some(({ path }) => isLibraryName(path)) || hasOldCache(root);
  return renews ? [...places, "/etc"] : places;
}

function requireAsked(manifest: Manifest, request: RemoveRequest, removed: readonly ManifestRequest[]): void {
  const taken = new Set(removed.flatMap(({ sections, operands }) => [...sections, ...operands]));
  const unknown = request.names.find((name) => !taken.has(name));
  if (unknown === undefined) return;
  const entry = manifest.content.entries.get(unknown);
  const wants = entry === undefined ? "" : `; ${entry.sections.map(quoted).join(", ")} brings it`;
  const message = `${quoted(unknown)} was not asked for in ${display(request.jail)}${wants}`;
  throw new JailkitError("not-requested", request.statuses.unknown, message);
}

function takeAway(
  { root, manifest, request, reporter }: Run,
  { stays, goes }: Recipes,
  { removals, forgotten, hidden }: Removals,
): { problems: PopulateProblem[]; done: readonly ByteString[]; left: readonly string[] } {
  const failures = new Failures(root.path, [], reporter);
  const { problems } = failures;
  let count = 0;
  const attempt = (code: ProblemCode, step: () => void) =>
    failures.attempt(code, progressOf(count, removals), step);
  const extras = extrasToEnd(request.keeps ?? [], { stays, goes });
  const left: string[] = [];
  if (extras.logSocket) attempt("log-socket", () => left.push(...closeLogSocket(root, reporter)));
  const unused = unusedSockets(manifest.content.sockets ?? [], { stays, goes });
  attempt("sockets", () => removeSockets(root, unused, (line) => reporter.say(line)));
  if (extras.proc) {
    attempt("proc", () => removeProc(root, (line) => reporter.say(line)));
  }
  const { removed } = applyRemovals(root, removals, {
    removed: (removal) => reporter.say(removalLine(root.path, removal, false)),
    failed: (problem) => failures.add(problem),
  });
  count = removed.length;
  if (removed.some(isLibraryName) || hasOldCache(root))
    attempt("library-cache", () => renewLibraryCache(root));
  for (const problem of hiddenProblems(root, hidden)) failures.add(problem);
  // The request stays in the record until all its files are removed, so that the command can be repeated.
  if (problems.length === 0) {
    attempt("manifest", () => {
      forget(manifest, request, stays.resolved);
      removeEntries(manifest, [...removed, ...forgotten]);
      saveManifest(manifest);
      removeJournal(manifest.id, "fill.json");
    });
  }
  return { problems, done: removed, left };
}

/** Returns warnings. */
function closeLogSocket(root: JailRoot, reporter: LineReporter): string[] {
  const removed = unregisterLogSocket(root.path);
  if (removed !== undefined) reporter.detail(`Removing ${removed}`);
  const left = stillServed(root.path);
  if (left === undefined) return [];
  reporter.warn(left);
  return [left];
}

/** Removes the requests from the record, and their names from entries of other requests. */
function forget(manifest: Manifest, request: RemoveRequest, resolved: ReadonlySet<ByteString>): void {
  const { names } = request;
  changeManifest(manifest, (content) => {
    content.requests.splice(0, content.requests.length, ...separate(content.requests, request).remaining);
    for (const [path, entry] of content.entries) {
      const sections = entry.sections.filter((section) => resolved.has(section) || !names.includes(section));
      if (sections.length !== entry.sections.length) content.entries.set(path, { ...entry, sections });
    }
  });
}

function removeReport(request: RemoveRequest, dryRun: boolean, outcome: RemoveOutcome): RemoveReport {
  return {
    version: 1,
    tool: request.tool,
    jail: jsonText(request.jail),
    dryRun,
    removed: request.names.map(jsonText),
    actions: outcome.removals.map(({ path, type }) => ({
      action: "remove",
      type,
      path: jsonText(path),
      done: outcome.removed.has(path),
    })),
    kept: outcome.kept.map(keptReport),
    warnings: outcome.warnings.map(jsonText),
    problems: outcome.problems.map(problemReport),
    exitStatus: outcome.exitStatus,
  };
}
