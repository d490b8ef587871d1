import type { ByteString } from "../../ffi/bytes.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { baseName } from "../../ffi/paths.ts";
import { display, jsonText, quoted } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { statusAfterSignals } from "../cli/interrupt.ts";
import { problemReport } from "../cli/report.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import { closeJailRoot, type JailRoot } from "../jail/fs/walk.ts";
import {
  changeManifest,
  type Manifest,
  type ManifestRequest,
  openManifest,
  removeEntries,
  saveManifest,
} from "../jail/record/manifest.ts";
import type { Loader } from "../libraries/closure.ts";
import { hasOldCache, renewLibraryCache } from "../populate/apply/library-cache.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { openSafeJail } from "../populate/open-jail.ts";
import { makePlan } from "../populate/plan/plan.ts";
import { asksForFiles, type Recipe, type RecipeReader } from "../populate/record/recipe.ts";
import type { Reporter } from "../populate/reporter.ts";
import { applyRemovals } from "./apply/apply.ts";
import { alone } from "./journal.ts";
import { type Kept, keptMessage, type Removal } from "./plan/compare.ts";
import { decideRemovals, type Removals } from "./plan/removals.ts";
import { removeProcLine, unmountJailProc, unregisterLogSocket } from "./remove-extras.ts";
import { keptReport, removalLine } from "./report.ts";
import type { RemoveReport } from "./report-schema.ts";
import { jailState, mayReplace, planningView } from "./state.ts";

/** What is not to be in a jail any more. */
export interface RemoveRequest {
  readonly tool: "jk_init" | "jk_cp";
  /** Absolute, normalised. */
  readonly jail: ByteString;
  /** Sections of jk_init, or operands of jk_cp. */
  readonly names: readonly ByteString[];
  readonly dryRun: boolean;
  readonly sync: boolean;
  /** What a jail that is not safe ends with, one that is missing, and a name that was not asked for. */
  readonly statuses: { readonly unsafe: number; readonly missing: number; readonly unknown: number };
}

/** What is looked at and asked. */
export interface RemoveMeans {
  readonly host: FileSystem;
  readonly loader: Loader;
  readonly readRecipe: RecipeReader;
  readonly reporter: Reporter;
}

/** How it went. */
export interface RemoveOutcome {
  readonly removals: readonly Removal[];
  readonly removed: ReadonlySet<ByteString>;
  readonly kept: readonly Kept[];
  readonly warnings: readonly string[];
  readonly problems: readonly PopulateProblem[];
  readonly exitStatus: number;
}

/**
 * Takes requests back: what was put into the jail for them, and no other request needs, goes, where it is as it was
 * put there. Throws JailkitError where the jail is missing, not safe, or was never asked for one of the names.
 */
export async function removeRequested(request: RemoveRequest, means: RemoveMeans): Promise<RemoveOutcome> {
  const { statuses, jail, sync } = request;
  const root = openSafeJail(jail, { create: false, sync, unsafeStatus: statuses.unsafe });
  if (root === undefined) {
    throw new JailkitError("no-such-jail", statuses.missing, `${display(jail)}: no such directory`);
  }
  try {
    const { id } = openManifest(root);
    if (request.dryRun) return carryOut(root, openManifest(root), request, means);
    return await alone(id, async () => carryOut(root, openManifest(root), request, means));
  } finally {
    means.reporter.flush();
    closeJailRoot(root);
  }
}

/** The requests without the names, and those for the names alone. */
function separate(
  requests: readonly ManifestRequest[],
  { tool, names }: RemoveRequest,
): { remaining: ManifestRequest[]; removed: ManifestRequest[] } {
  const remaining: ManifestRequest[] = [];
  const removed: ManifestRequest[] = [];
  for (const request of requests) {
    const key = tool === "jk_init" ? "sections" : "operands";
    if (request.tool !== tool) {
      remaining.push(request);
      continue;
    }
    const rest = request[key].filter((name) => !names.includes(name));
    const taken = request[key].filter((name) => names.includes(name));
    if (rest.length > 0) remaining.push({ ...request, [key]: rest });
    if (taken.length > 0) removed.push({ ...request, [key]: taken });
  }
  return { remaining, removed };
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

function carryOut(
  root: JailRoot,
  manifest: Manifest,
  request: RemoveRequest,
  means: RemoveMeans,
): RemoveOutcome {
  const { reporter, readRecipe, host, loader } = means;
  const { remaining, removed } = separate(manifest.content.requests, request);
  requireAsked(manifest, request, removed);
  const stays = readRecipe(remaining.filter(asksForFiles), host, loader);
  const goes = readRecipe(removed, host, loader);
  const warnings = [...stays.warnings, ...stays.problems.map(({ message }) => message)];
  for (const warning of warnings) reporter.warn(warning);
  const { removals, kept, forgotten } = decide(root, manifest, request, means, stays, goes);
  for (const each of kept) reporter.say(keptMessage(root, each));
  if (request.dryRun) {
    for (const removal of removals) reporter.say(removalLine(root.path, removal, true));
    return { removals, removed: new Set(), kept, warnings, problems: [], exitStatus: 0 };
  }
  return holdingSignals(() =>
    takeAway(root, manifest, request, { stays, goes, reporter, warnings }, { removals, kept, forgotten }),
  );
}

function takeAway(
  root: JailRoot,
  manifest: Manifest,
  request: RemoveRequest,
  {
    stays,
    goes,
    reporter,
    warnings,
  }: { stays: Recipe; goes: Recipe; reporter: Reporter; warnings: string[] },
  { removals, kept, forgotten }: Removals,
): RemoveOutcome {
  const problems: PopulateProblem[] = [];
  let gone = 0;
  const failed = (problem: PopulateProblem) => {
    problems.push(problem);
    reporter.fail(problem.message);
  };
  const attempt = (code: string, act: () => void) => {
    try {
      act();
    } catch (error) {
      const full = noRoom(error, root.path, {
        left: [],
        progress: `${gone} of ${removals.length} objects are removed`,
      });
      failed(full ?? { code, path: root.path, message: describeError(error) });
    }
  };
  if (goes.needLogsocket && !stays.needLogsocket) attempt("log-socket", () => closeLogSocket(root, reporter));
  if (goes.needProc && !stays.needProc) {
    attempt("proc", () => {
      unmountJailProc(root);
      removeProcLine(root.path);
    });
  }
  const done = applyRemovals(root, removals, {
    removing: (removal) => reporter.say(removalLine(root.path, removal, false)),
    failed,
  });
  gone = done.removed.length;
  if (done.removed.some((path) => /\.so(?:\.|$)/.test(baseName(path))) || hasOldCache(root))
    attempt("library-cache", () => renewLibraryCache(root));
  // Until all is gone the request stands, so that it can be made again.
  if (problems.length === 0) {
    attempt("manifest", () => {
      forget(manifest, request, stays.resolved);
      removeEntries(manifest, [...done.removed, ...forgotten]);
      saveManifest(manifest);
    });
  }
  const exitStatus = statusAfterSignals(problems.length === 0 ? 0 : 1);
  return { removals, removed: new Set(done.removed), kept, warnings, problems, exitStatus };
}

/** What only the requests that go have brought, and what those that stay would not bring. */
function decide(
  root: JailRoot,
  manifest: Manifest,
  request: RemoveRequest,
  { host, loader }: RemoveMeans,
  stays: Recipe,
  goes: Recipe,
): Removals {
  const { entries } = manifest.content;
  const state = jailState(root, entries, new Map());
  const plan = makePlan({
    host,
    jail: planningView(state, (path, standing) => mayReplace(path, standing, false), new Set()),
    jailPath: root.path,
    wants: stays.wants,
    force: false,
    dependencies: loader.dependencies,
    configurationFiles: loader.configurationFiles,
  });
  const gone = new Set([...goes.resolved, ...request.names]);
  const certain = stays.problems.length === 0;
  const candidates = [...entries.values()].filter(({ path, sections }) => {
    if (plan.planned.has(path) || sections.some((section) => stays.resolved.has(section))) return false;
    return certain ? sections.some((section) => gone.has(section)) : sections.every((each) => gone.has(each));
  });
  return decideRemovals(
    state,
    candidates.map((record) => ({ path: record.path, record })),
    (path) => plan.planned.has(path),
    false,
  );
}

function closeLogSocket(root: JailRoot, reporter: Reporter): void {
  const { removed, left } = unregisterLogSocket(root.path);
  if (removed !== undefined) reporter.tell(`Removing ${removed}`);
  if (left !== undefined) reporter.warn(`${display(left)} still names ${display(root.path)}/dev/log`);
}

/** The record without the requests, and without their names at what others want too. */
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

/** The report of jk_init or jk_cp with --remove. */
export function removeReport(request: RemoveRequest, outcome: RemoveOutcome): RemoveReport {
  return {
    version: 1,
    tool: request.tool,
    jail: jsonText(request.jail),
    dryRun: request.dryRun,
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
