import type { ByteString } from "../../ffi/bytes.ts";
import { ENOSPC } from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import type { Stat } from "../../ffi/files.ts";
import { holdingSignals } from "../../ffi/interrupts.ts";
import { baseName, parentOf } from "../../ffi/paths.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { requireJailToFill } from "../jail/fs/host-directories.ts";
import { lacksRoom, noRoom } from "../jail/fs/no-room.ts";
import { closeJailRoot, type JailRoot } from "../jail/fs/walk.ts";
import {
  type Manifest,
  type ManifestEntry,
  openManifest,
  removeEntries,
  saveManifest,
  updateEntries,
} from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import type { Loader } from "../libraries/closure.ts";
import { renewLibraryCache } from "../populate/apply/library-cache.ts";
import type { Entry } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { actionMessage } from "../populate/messages.ts";
import { jailFileSystem } from "../populate/open-jail.ts";
import { asksForFiles, type RecipeReader } from "../populate/record/recipe.ts";
import { manifestEntry } from "../populate/record/record.ts";
import type { Reporter } from "../populate/reporter.ts";
import { modeBesideAcl } from "../system/acl.ts";
import { applyChanges, applyRemovals, workLeft } from "./apply/apply.ts";
import { sweep, sweepRegistry } from "./apply/sweep.ts";
import { eventsFor, gatherFailures } from "./events.ts";
import { addExtras, missingExtras } from "./extras.ts";
import { alone, type Journal, readJournal, removeJournal, writeJournal } from "./journal.ts";
import type { JailLogins } from "./logins.ts";
import { type Change, keptMessage } from "./plan/compare.ts";
import { createOrder } from "./plan/order.ts";
import { isFound, planShells, planUpdate, type UpdatePlan } from "./plan/plan.ts";
import { FOUND_SECTION } from "./plan/scan.ts";
import { changeLine, hasWork, removalLine, type UpdateOutcome } from "./report.ts";

/** How a jail is brought up to date; the options of jk_update and the keys of jk_update.ini. */
export interface UpdateOptions {
  /** Absolute, normalised. */
  readonly jail: ByteString;
  /** The only directories that are looked at, as they were written; none: all that was asked for. */
  readonly directories: readonly ByteString[];
  readonly skips: readonly ByteString[];
  readonly hardlink: boolean;
  /** What was made in the jail or belongs to users goes too. */
  readonly prune: boolean;
  readonly dryRun: boolean;
  readonly sync: boolean;
  /** Nothing is looked at but the limited shells that the jail has of its own. */
  readonly shellsOnly: boolean;
}

/** What is looked at and asked. */
export interface UpdateMeans {
  readonly host: FileSystem;
  readonly loader: Loader;
  readonly readRecipe: RecipeReader;
  readonly reporter: Reporter;
  readonly loginsOf: (jail: ByteString) => JailLogins;
  /** File systems that were found full in this run, as fileSystemOf names them. */
  readonly full: Set<string>;
}

/**
 * Brings one jail up to date: with a record as a new jail would be, what users made aside; without one as far as what
 * is in it has changed or gone on the host. Throws JailkitError where the jail is missing or not safe; what fails
 * later is in `problems`.
 */
export async function updateJail(options: UpdateOptions, means: UpdateMeans): Promise<UpdateOutcome> {
  const root = openNamedJail(options.jail, { sync: options.sync });
  try {
    requireJailToFill(root, 1);
    if (options.dryRun) {
      const manifest = openManifest(root);
      return look(root, manifest, readJournal(manifest.id), options, means).outcome;
    }
    // The id is where the lock is; the record is read once it is held.
    const { id } = openManifest(root);
    return await alone(id, async () => carryOut(root, openManifest(root), options, means));
  } catch (error) {
    const problem = noRoom(error, options.jail, { left: [], progress: "nothing was changed" });
    if (problem === undefined) throw error;
    throw new JailkitError(problem.code, 1, problem.message);
  } finally {
    means.reporter.flush();
    closeJailRoot(root);
  }
}

interface Looked {
  readonly manifest: Manifest;
  readonly recorded: boolean;
  readonly plan: UpdatePlan;
  readonly outcome: UpdateOutcome;
}

/** Looks at everything, tells what is to be done where that is all, and changes nothing. */
function look(
  root: JailRoot,
  manifest: Manifest,
  journal: Journal | undefined,
  options: UpdateOptions,
  means: UpdateMeans,
): Looked {
  const { host, loader, reporter } = means;
  const { requests, entries } = manifest.content;
  const recorded = requests.some(asksForFiles);
  const recipe =
    recorded && !options.shellsOnly
      ? means.readRecipe(requests.filter(asksForFiles), host, loader)
      : undefined;
  const logins = means.loginsOf(root.path);
  const plan = options.shellsOnly
    ? planShells(root, logins)
    : planUpdate({
        root,
        logins,
        host,
        loader,
        recipe,
        records: recorded ? entries : new Map(),
        intended: recorded && journal !== undefined ? journal.intended : new Map(),
        directories: options.directories,
        skips: options.skips,
        hardlink: options.hardlink,
        prune: options.prune,
        tell: (line) => reporter.tell(line),
      });
  const whole = options.directories.length === 0;
  const outcome: UpdateOutcome = {
    jail: root.path,
    record: recorded ? manifest.id : undefined,
    resumed: journal !== undefined,
    changes: plan.changes,
    removals: plan.removals,
    extras: recipe !== undefined && whole ? missingExtras(root, recipe) : [],
    done: new Set(),
    kept: plan.kept,
    skipped: plan.skipped,
    warnings: plan.warnings,
    problems: plan.problems,
  };
  for (const path of plan.skipped) reporter.say(`skip ${root.path}${path}`);
  for (const warning of plan.warnings) reporter.warn(warning);
  for (const { message } of plan.problems) reporter.fail(message);
  for (const note of plan.notes) reporter.tell(note);
  for (const each of plan.kept) {
    if (each.notable) reporter.say(keptMessage(root, each));
    else reporter.tell(keptMessage(root, each));
  }
  if (options.dryRun) tellPlan(root, outcome, reporter);
  return { manifest, recorded, plan, outcome };
}

function tellPlan(root: JailRoot, { changes, removals, extras }: UpdateOutcome, reporter: Reporter): void {
  for (const change of changes) {
    const line = changeLine(root.path, change, true);
    if (isDetail(change)) reporter.tell(line);
    else reporter.say(line);
  }
  for (const removal of removals) reporter.say(removalLine(root.path, removal, true));
  for (const { what } of extras) reporter.say(`will ${what} in ${root.path}`);
}

/** Directories and links on the way to what was asked for come with it, and a time is not worth a line. */
function isDetail({ action, entry }: Change): boolean {
  return (
    action === "attributes" ||
    (action === "create" && actionMessage({ ...entry, action: "create" }, "", false).detail)
  );
}

async function carryOut(
  root: JailRoot,
  manifest: Manifest,
  options: UpdateOptions,
  means: UpdateMeans,
): Promise<UpdateOutcome> {
  const journal = readJournal(manifest.id);
  const left = journal === undefined ? [] : sweep(root, journal, manifest.content.entries);
  if (journal !== undefined) sweepRegistry(manifest.id);
  for (const warning of left) means.reporter.warn(warning);
  const { plan, recorded, ...looked } = look(root, manifest, journal, options, means);
  const outcome = { ...looked.outcome, warnings: [...left, ...looked.outcome.warnings] };
  const settled = settle(root, manifest, plan, recorded);
  if (!hasWork(outcome)) {
    if (settled) saveManifest(manifest);
    return outcome;
  }
  return holdingSignals(() => change(root, manifest, { plan, recorded, outcome, journal }, means));
}

/** Changes what is to be changed. A signal is looked at before anything has appeared, and between what goes. */
function change(
  root: JailRoot,
  manifest: Manifest,
  { plan, recorded, outcome, journal }: Omit<Looked, "manifest"> & { journal: Journal | undefined },
  means: UpdateMeans,
): UpdateOutcome {
  const failures = gatherFailures(root.path, outcome.problems, means.reporter);
  const { problems, failed, attempt } = failures;
  const todo = workLeft(plan.changes, new Set());
  // Where another jail has failed for want of room, all would only be copied to fail again.
  if (means.full.has(fileSystemOf(root)) && lacksRoom(root, todo.left)) {
    failed(noRoom(new SystemError(ENOSPC, "write", root.path), root.path, todo));
    return { ...outcome, problems };
  }
  try {
    writeJournal(root, manifest.id, journalOf(plan, journal));
  } catch (error) {
    const message = `nothing was changed: ${describeError(error)}`;
    failed(noRoom(error, root.path, todo) ?? { code: "journal", path: root.path, message });
    return { ...outcome, problems };
  }
  const events = eventsFor(root, means.reporter, failures);
  const order = createOrder(plan.entryOf, plan.unread, means.loader);
  const { done, incomplete, full } = applyChanges(root, plan.changes, order, events);
  const { progress } = workLeft(plan.changes, new Set(done.map(({ entry }) => entry)));
  if (isErrno(full, "ENOSPC")) means.full.add(fileSystemOf(root));
  if (!incomplete) {
    for (const problem of addExtras(root, outcome.extras, progress, means.reporter)) failed(problem);
  }
  // Somebody may have asked for more meanwhile, and for something that is about to go.
  const certain = !incomplete && sameRequests(openManifest(root), manifest);
  const nothing = { removed: [], incomplete: true, full: false };
  const removal = certain ? applyRemovals(root, plan.removals, events) : nothing;
  const libraries = removal.removed.some((path) => /\.so(?:\.|$)/.test(baseName(path)));
  if (!removal.full && (libraries || (journal !== undefined && !incomplete)))
    attempt("library-cache", progress, () => renewLibraryCache(root));
  if (recorded) {
    updateEntries(
      manifest,
      done.filter(({ entry }) => !isFound(entry)).map(({ entry, hardlink }) => recordOf(entry, hardlink)),
      { replaceSections: true },
    );
    const gone = plan.inside.filter((path) => done.some(({ entry }) => path.startsWith(`${entry.path}/`)));
    removeEntries(manifest, [...removal.removed, ...gone]);
    attempt("manifest", progress, () => saveManifest(manifest));
  }
  // What is left half-done is for the next run.
  if (!failures.unfinished && !incomplete && !removal.incomplete)
    attempt("journal", progress, () => removeJournal(manifest.id));
  const paths = [...done.map(({ entry }) => entry.path), ...removal.removed];
  return { ...outcome, done: new Set(paths), problems };
}

function fileSystemOf({ top: { stat } }: JailRoot): string {
  return `${stat.devMajor}:${stat.devMinor}`;
}

function sameRequests(one: Manifest, other: Manifest): boolean {
  return JSON.stringify(one.content.requests) === JSON.stringify(other.content.requests);
}

function recordOf(entry: Entry, hardlink: boolean) {
  const record = manifestEntry(entry);
  record.sections = record.sections.filter((section) => section !== FOUND_SECTION);
  return hardlink ? { ...record, hardLink: true } : record;
}

/** What is about to be done, beside what a run that was cut short was about to do. */
function journalOf({ changes }: UpdatePlan, before: Journal | undefined): Omit<Journal, "intended"> {
  const exchanged = changes.flatMap(({ action, entry: { path }, standing }) =>
    action === "exchange" && standing !== undefined ? [{ path, ino: standing.stat.ino }] : [],
  );
  return {
    put: new Map([
      ...(before?.put ?? []),
      ...changes.map(({ entry }) => [entry.path, manifestEntry(entry)] as const),
    ]),
    directories: [...(before?.directories ?? []), ...changes.map(({ entry }) => parentOf(entry.path) || "/")],
    exchanged: [...(before?.exchanged ?? []), ...exchanged],
  };
}

/** What stands there as it is to be is recorded anew where the record is another. True where anything was. */
function settle(root: JailRoot, manifest: Manifest, plan: UpdatePlan, recorded: boolean): boolean {
  if (!recorded) return false;
  const { entries } = manifest.content;
  const changed: ManifestEntry[] = [];
  for (const { entry, hardlink, standing } of plan.present) {
    // What nobody asked for is not recorded, or the next run would take it for unwanted.
    if (isFound(entry)) continue;
    const before = entries.get(entry.path);
    const record = recordOf(entry, hardlink && before?.hardLink === true);
    // As it stands there, but for what was changed in the jail: that stays a change.
    if (standing !== undefined) {
      const { mode, uid, gid } = before ?? givenTo(root, entry.path, standing.stat);
      Object.assign(record, { mode, uid, gid });
      if (record.type === "file") record.mtime = standing.stat.mtime;
    }
    const { unknown: _, ...known } = before ?? { unknown: undefined };
    if (!Bun.deepEquals(strip(record), strip(known))) changed.push(record);
  }
  if (changed.length > 0) updateEntries(manifest, changed, { replaceSections: true });
  if (plan.forgotten.length > 0) removeEntries(manifest, plan.forgotten);
  return changed.length + plan.forgotten.length > 0;
}

/** Owner and mode of what stands in the jail, as a new one without an ACL would have them. */
function givenTo(root: JailRoot, path: ByteString, { mode, uid, gid }: Stat) {
  return { mode: modeBesideAcl(mode, jailFileSystem(root).acl(path)) & 0o7777, uid, gid };
}

function strip(record: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined));
}
