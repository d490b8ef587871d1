import type { ByteString } from "../../ffi/bytes.ts";
import { ENOSPC } from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { errorOf, JailkitError, problemFrom } from "../cli/error.ts";
import { requireOwnPath } from "../jail/accounts/own-path.ts";
import { requireJailToFill } from "../jail/fs/host-directories.ts";
import { noRoom } from "../jail/fs/no-room.ts";
import { lacksRoom } from "../jail/fs/room.ts";
import { closeJailRoot, type JailRoot } from "../jail/fs/walk.ts";
import { readOnlyProblem } from "../jail/fs/writable.ts";
import { emptiedMessage, hasPrograms, isEmptied, unmounted } from "../jail/record/emptied.ts";
import { lockJail } from "../jail/record/jail-lock.ts";
import { type Journal, readJournal, removeJournal, writeJournal } from "../jail/record/journal.ts";
import { requireMounted } from "../jail/record/live.ts";
import {
  type Manifest,
  openManifest,
  removeEntries,
  saveManifest,
  updateEntries,
} from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { sweep, sweepRegistry } from "../jail/record/sweep.ts";
import type { Loader } from "../libraries/closure.ts";
import { isLibraryName } from "../libraries/dependency.ts";
import { renewLibraryCache } from "../populate/apply/library-cache.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { hiddenProblem } from "../populate/hidden-place.ts";
import { liveCopyProblem } from "../populate/live-copy.ts";
import { asksForFiles, finishRequests, unfinishedMessage } from "../populate/record/requests.ts";
import type { LineReporter } from "../populate/reporter.ts";
import { applyChanges, workLeft } from "./apply/apply.ts";
import { applyRemovals } from "./apply/removals.ts";
import { eventsFor, Failures } from "./events.ts";
import { addExtras, missingExtras } from "./extras.ts";
import { journalOf, requireWritableRecord } from "./journal.ts";
import type { JailLogins } from "./logins.ts";
import type { HostMemory } from "./memory.ts";
import { KnownContents } from "./plan/known-contents.ts";
import { ChangeOrder } from "./plan/order.ts";
import { planShells, planUpdate, type UpdatePlan } from "./plan/plan.ts";
import { isFound } from "./plan/scan.ts";
import { hasWork, type UpdateOutcome, untouched } from "./report.ts";
import { recordOf, settle } from "./settle.ts";
import { reportPlan, showChanges } from "./show.ts";

/** The options of jk_update and the keys of jk_update.ini. */
export interface UpdateOptions {
  /** Absolute, normalised. */
  readonly jail: ByteString;
  /** The directories to update, as they were written. If empty: everything that was requested. */
  readonly directories: readonly ByteString[];
  readonly skips: readonly ByteString[];
  readonly hardlink: boolean;
  /** Also remove files that were created in the jail or belong to users. */
  readonly prune: boolean;
  readonly dryRun: boolean;
  /** A dry run that shows only whether there is something to do, not whether it can be done. */
  readonly checkOnly: boolean;
  readonly sync: boolean;
  /** Do not wait for another tool that works on the jail. */
  readonly noWait: boolean;
  readonly json: boolean;
  /** Update nothing but the limited shells of the jail. */
  readonly shellsOnly: boolean;
  /** Leave a jail alone that somebody has emptied or deleted: nobody asked for this jail. */
  readonly everyJail: boolean;
}

/** What the updates of one run share. */
export interface UpdateContext {
  readonly loader: Loader;
  readonly memory: HostMemory;
  readonly reporter: LineReporter;
  readonly loginsOf: (jail: ByteString) => JailLogins;
  /** Full file systems, by the names of fileSystemOf. */
  readonly full: Set<string>;
}

/** The journal of jk_update, and that of a run of jk_init or jk_cp that was killed. */
const UPDATE = "update.json";
const FILL = "fill.json";

/**
 * Updates one jail. With a record, it becomes equal to a new jail, except for files of users. Without a record, only
 * files that changed or are missing on the host are updated. Throws JailkitError if the jail is missing or not safe;
 * later failures are in `problems`.
 */
export async function updateJail(options: UpdateOptions, context: UpdateContext): Promise<UpdateOutcome> {
  using _lock = lockJail(options.jail, { tool: "jk_update", ...options, changes: !options.dryRun });
  const root = openNamedJail(options.jail, { sync: options.sync });
  try {
    requireOwnPath(root.path);
    requireJailToFill(root, 1);
    const manifest = openManifest(root);
    const { id } = manifest;
    const emptied = isEmptied(root, manifest.content);
    if (options.everyJail && emptied)
      return untouched(options.jail, { record: id, emptied: true, warnings: [emptiedMessage(options.jail)] });
    if (emptied && unmounted(root.path) !== undefined)
      throw new JailkitError("not-mounted", 1, emptiedMessage(options.jail));
    requireMounted(root, manifest.content.live);
    if (!options.checkOnly) requireWritableRecord(id, options.jail);
    if (options.dryRun)
      return prepare({ root, manifest, journal: readJournal(id, UPDATE) }, options, context).outcome;
    return updateLocked(root, manifest, options, context);
  } catch (error) {
    const problem = noRoom(error, options.jail, { left: [], progress: "nothing was changed" });
    if (problem === undefined) throw error;
    throw errorOf(problem);
  } finally {
    context.reporter.flush();
    closeJailRoot(root);
  }
}

function updateLocked(
  root: JailRoot,
  manifest: Manifest,
  options: UpdateOptions,
  context: UpdateContext,
): UpdateOutcome {
  const jail: OpenJail = { root, manifest, journal: readJournal(manifest.id, UPDATE) };
  const left = [jail.journal, readJournal(manifest.id, FILL)].filter((one) => one !== undefined);
  const swept = left.flatMap((one) => sweep(root, one, manifest.content.entries));
  if (left.length > 0) sweepRegistry(manifest.id);
  for (const warning of swept) context.reporter.warn(warning);
  const prepared = prepare(jail, options, context);
  const outcome = { ...prepared.outcome, warnings: [...swept, ...prepared.outcome.warnings] };
  const settled = prepared.recorded && settle(root, manifest, prepared.plan);
  if (prepared.blocked) return outcome;
  if (prepared.recorded) prepared.contents.keep(manifest.id);
  if (!hasWork(outcome)) {
    if (settled) saveManifest(manifest);
    return outcome;
  }
  return holdingSignals(() => change(jail, { ...prepared, outcome }, context));
}

/** An open jail with its record, and the journal of an interrupted run. */
interface OpenJail {
  readonly root: JailRoot;
  readonly manifest: Manifest;
  readonly journal: Journal | undefined;
}

/** The plan, before the jail is changed. */
interface Prepared {
  /** The jail has a record. */
  readonly recorded: boolean;
  /** All of it is updated, and not some directories or files. */
  readonly whole: boolean;
  readonly plan: UpdatePlan;
  readonly outcome: UpdateOutcome;
  readonly contents: KnownContents;
  /** Nothing can be changed, as a problem of the outcome says. */
  readonly blocked: boolean;
}

/** Plans and reports; with `dryRun`, also reports each change. Changes nothing. */
function prepare(jail: OpenJail, options: UpdateOptions, context: UpdateContext): Prepared {
  const { root, manifest, journal } = jail;
  const { loader, reporter, memory } = context;
  const { host } = memory;
  const requests = manifest.content.requests.filter(asksForFiles);
  const recorded = requests.length > 0;
  const recipe = recorded && !options.shellsOnly ? context.memory.recipe(requests) : undefined;
  const logins = context.loginsOf(root.path);
  const { directories, skips, hardlink, prune } = options;
  const whole = recipe !== undefined && directories.length + skips.length === 0;
  const contents = new KnownContents(root, context.memory, recorded ? manifest.id : undefined);
  const plan = options.shellsOnly
    ? planShells(root, logins)
    : planUpdate({
        ...{ root, host, loader, contents, recipe, logins, directories, skips, hardlink, prune },
        records: recorded ? manifest.content.entries : new Map(),
        intended: recorded && journal !== undefined ? journal.intended : new Map(),
        report: (line) => reporter.detail(line),
      });
  const { changes, removals, kept, skipped, warnings, problems } = plan;
  const outcome: UpdateOutcome = {
    jail: root.path,
    record: recorded ? manifest.id : undefined,
    resumed: journal !== undefined || (whole && unfinishedMessage(manifest.content) !== undefined),
    extras: recipe === undefined || directories.length > 0 ? [] : missingExtras(root, recipe, manifest),
    done: new Set(),
    ...{ changes, removals, kept, skipped, warnings, problems },
    unrecorded:
      options.shellsOnly && hasPrograms(root) && liveCopyProblem(root, manifest.content) === undefined,
  };
  reportPlan(root, plan, reporter);
  const obstacle = options.checkOnly ? undefined : closedPlace(root, outcome);
  if (obstacle !== undefined) {
    reporter.fail(obstacle);
    return {
      recorded,
      whole,
      plan,
      contents,
      outcome: { ...outcome, problems: [...problems, obstacle] },
      blocked: true,
    };
  }
  if (options.dryRun) showChanges(outcome, reporter);
  return { recorded, whole, plan, contents, outcome, blocked: false };
}

/** The problem of the first place to change that a mount would hide, or of one that is read-only. Those that the plan creates do not count. */
function closedPlace(
  root: JailRoot,
  { changes, removals, extras }: UpdateOutcome,
): PopulateProblem | undefined {
  const changed = changes.map(({ entry }) => entry.path);
  const paths = [...changed, ...removals.map(({ path }) => path)];
  // In place of one there may be a symbolic link, which it replaces.
  const newDirectories = changes.filter(
    ({ action, entry }) => entry.type === "directory" && action !== "attributes",
  );
  const created = new Set(newDirectories.map(({ entry }) => entry.path));
  const existing = paths.map(directoryOf).filter((path) => !created.has(path));
  const places = [...existing, ...extras.flatMap(({ place }) => place ?? [])];
  const hidden = hiddenProblem(root.path, changed);
  return hidden ?? readOnlyProblem(root, places, root.path, workLeft(changes, new Set()).progress);
}

/** Makes the changes. Checks for a signal before any file appears, and between removals. */
function change(
  jail: OpenJail,
  { plan, recorded, whole, outcome }: Prepared,
  context: UpdateContext,
): UpdateOutcome {
  const { root, manifest } = jail;
  const { reporter, full, loader } = context;
  const failures = new Failures(root.path, outcome.problems, reporter);
  const { problems } = failures;
  if (!begin(jail, plan, failures, full)) return { ...outcome, problems };
  const events = eventsFor(root, reporter, failures);
  const order = new ChangeOrder(plan.entryOf, plan.unread, loader);
  const changed = applyChanges(root, plan.changes, order, events);
  const { done, incomplete } = changed;
  const { progress } = workLeft(plan.changes, new Set(done.map(({ entry }) => entry)));
  if (isErrno(changed.full, "ENOSPC")) full.add(fileSystemOf(root));
  if (!incomplete) {
    for (const problem of addExtras(root, outcome.extras, progress, reporter)) failures.add(problem);
  }
  // Another run may have requested more meanwhile, including files that are about to be removed.
  const certain = !incomplete && sameRequests(openManifest(root), manifest);
  const nothing = { removed: [], incomplete: true, stopped: false };
  const removal = certain ? applyRemovals(root, plan.removals, events) : nothing;
  const libraries = removal.removed.some(isLibraryName);
  if (!removal.stopped && (libraries || (outcome.resumed && !incomplete)))
    failures.attempt("library-cache", progress, () => renewLibraryCache(root));
  const isWhole = !incomplete && !removal.incomplete;
  if (recorded) {
    if (whole && isWhole && !failures.unfinished) finishRequests(manifest);
    const entries = done.filter(({ entry }) => !isFound(entry));
    const records = entries.map(({ entry, hardlink, existing }) => recordOf(entry, hardlink, existing));
    updateEntries(manifest, records, { replaceSections: true });
    const inside = plan.inside.filter((path) => done.some(({ entry }) => path.startsWith(`${entry.path}/`)));
    removeEntries(manifest, [...removal.removed, ...inside]);
    failures.attempt("manifest", progress, () => saveManifest(manifest));
  }
  // The journal stays if the next run must complete this one.
  if (!failures.unfinished && isWhole)
    failures.attempt("journal", progress, () => {
      for (const name of [UPDATE, FILL] as const) removeJournal(manifest.id, name);
    });
  const paths = [...done.map(({ entry }) => entry.path), ...removal.removed];
  return { ...outcome, done: new Set(paths), problems };
}

/** Writes the journal. False, with a problem, if that fails, or if the disk is known to be full. */
function begin(
  { root, manifest, journal }: OpenJail,
  plan: UpdatePlan,
  failures: Failures,
  full: ReadonlySet<string>,
): boolean {
  const work = workLeft(plan.changes, new Set());
  // If another jail ran out of space there, all files would be copied only to fail again.
  if (full.has(fileSystemOf(root)) && lacksRoom(root, work.left)) {
    const problem = noRoom(new SystemError(ENOSPC, "write", root.path), root.path, work);
    if (problem !== undefined) failures.add(problem);
    return false;
  }
  try {
    writeJournal(root, manifest.id, UPDATE, journalOf(plan.changes, journal));
    return true;
  } catch (error) {
    const why = problemFrom(error, "journal", root.path, "nothing was changed: ");
    failures.add(noRoom(error, root.path, work) ?? { ...why, code: "journal" });
    return false;
  }
}

const fileSystemOf = ({ top: { stat } }: JailRoot) => `${stat.devMajor}:${stat.devMinor}`;

const sameRequests = (one: Manifest, other: Manifest) =>
  JSON.stringify(one.content.requests) === JSON.stringify(other.content.requests);
