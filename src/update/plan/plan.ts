import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { answered, problemFrom } from "../../cli/error.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { hostMountsIn } from "../../jail/fs/host-mounts.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { Entry, PopulateProblem } from "../../populate/entry.ts";
import type { FileSystem } from "../../populate/file-system.ts";
import { type Draft, isIn } from "../../populate/plan/draft.ts";
import { makePlan } from "../../populate/plan/plan.ts";
import { installedCompanions } from "../../profile/companions.ts";
import { splitHome } from "../../system/separator.ts";
import type { JailLogins } from "../logins.ts";
import {
  blockedByUsers,
  changedDirectories,
  type JailObject,
  type JailState,
  jailState,
  mayReplace,
  planningView,
} from "../state.ts";
import { broughtBefore } from "./brought-before.ts";
import { cameAlong, cameAlongWarnings, whyItStays } from "./came-along.ts";
import { type Change, type CompareContext, decideEntry, type Kept, type Removal } from "./compare.ts";
import type { UpdateInput } from "./input.ts";
import { isEmpty, isUsual, messages } from "./notes.ts";
import { type Candidate, decideRemovals } from "./removals.ts";
import { namesAt, type Scan, scanJail } from "./scan.ts";
import { type PathSet, pathSet } from "./scope.ts";
import { decideShells, namesShell, pathsOf, shellPlaces } from "./shell.ts";

/** The changes that make a jail equal to one created today. */
export interface UpdatePlan {
  readonly changes: readonly Change[];
  /** Entries that are in the jail already, and whether they are hard links. */
  readonly present: readonly { entry: Entry; hardlink: boolean; existing: JailObject | undefined }[];
  readonly removals: readonly Removal[];
  readonly kept: readonly Kept[];
  readonly skipped: readonly ByteString[];
  /** Entries of the record that are no longer in the jail. */
  readonly forgotten: readonly ByteString[];
  /** Entries of the record in exchanged directories, and removed with these. */
  readonly inside: readonly ByteString[];
  /** The entry for a path of the host. */
  readonly entryOf: (source: ByteString) => Entry | undefined;
  /** Paths of the host that could not be planned. */
  readonly unread: ReadonlySet<ByteString>;
  readonly problems: readonly PopulateProblem[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** In a jail without a record, unless others are named. */
const USUAL_DIRECTORIES = "/bin /sbin /lib /lib32 /lib64 /libx32 /usr /opt".split(" ");

// Problems that do not affect other files.
const HARMLESS = new Set(["no-such-section"]);

const UNASKED = "is the runtime of 110 MB on the host, which only jk_cp copies";

/** Plans the changes from the jail and the host. Changes nothing. */
export function planUpdate(input: UpdateInput): UpdatePlan {
  const { root, host, contents, records, prune } = input;
  const state = jailState(root, records, input.intended);
  const skips = pathSet(root, input.skips);
  const scope = input.directories.length === 0 ? undefined : pathSet(root, input.directories);
  const live = hostMountsIn(root);
  const inScope = (path: ByteString) =>
    !skips.has(path) && !isIn(live, path) && (scope === undefined || scope.has(path));
  const places = shellPlaces(root, [...records.keys()].filter(namesShell));
  const shells = pathsOf(places);
  const scan = scanJail({
    state,
    host,
    contents,
    directories: scope?.paths ?? USUAL_DIRECTORIES,
    skipped: (path) => skips.has(path) || shells.has(path) || isIn(live, path),
    homes: pathSet(root, homesIn(root, prune)),
    prune,
    replaceMade: input.recipe === undefined,
    report: input.report,
  });
  const exchanged = changedDirectories(state, records.values(), host, (path) => namesAt(root, path));
  const plan = planRecipe(input, state, scan, exchanged, live);
  const isBlocked = blockedByUsers(root);
  const wanted = scope === undefined ? undefined : entriesInScope(plan, scope);
  const isWanted = (entry: Entry) => !skips.has(entry.path) && (wanted === undefined || wanted.has(entry));
  const compared = compareEntries(plan.entries.filter(isWanted), isBlocked, {
    state,
    host,
    contents,
    within: (path) => exchanged.get(path) ?? [],
    hardlink: (entry) => isLinked(input, entry),
  });
  const lasting = plan.problems.filter((problem) => !isUsual(problem, isBlocked));
  const problems = [...(input.recipe?.problems ?? []), ...scan.problems, ...lasting];
  const candidates = candidatesFor(input, plan, scan, problems).filter(
    ({ path }) => inScope(path) && !shells.has(path),
  );
  const removed = planRemovals(input, state, plan, compared.changes, candidates);
  const scopedPlaces = new Map([...places].filter(([path]) => inScope(path)));
  const limited = decideShells(root, scopedPlaces, (path) => plan.planned.has(path), input.logins);
  const changing = new Set(compared.changes.map(({ entry }) => entry.path));
  const { warnings, notes } = messages(input, plan, isBlocked);
  return {
    changes: compared.changes,
    present: compared.present,
    removals: [...removed.removals, ...limited.removals],
    kept: [
      ...scan.unasked.map((path) => ({ path, reason: UNASKED })),
      ...compared.kept,
      ...removed.kept,
      ...limited.kept.filter(({ path }) => !changing.has(path)),
    ],
    skipped: skips.paths.filter((path) => state.at(path) !== undefined),
    forgotten: removed.forgotten,
    inside: removed.inside,
    entryOf: (source) => plan.seen.get(source),
    unread: new Set(plan.problems.map(({ path }) => path)),
    problems: [...problems, ...removed.hidden],
    notes,
    warnings: [...warnings, ...removed.warnings],
  };
}

/** Compares the entries of the plan with the jail. */
function compareEntries(
  entries: readonly Entry[],
  isBlocked: (path: ByteString) => boolean,
  context: CompareContext,
) {
  const changes: Change[] = [];
  const present: UpdatePlan["present"][number][] = [];
  const kept: Kept[] = [];
  for (const entry of entries) {
    const { path } = entry;
    const decision = decideEntry(context, entry);
    if (decision.kind === "change" && isBlocked(path)) {
      kept.push({ path, reason: "is unreachable because of a file or symbolic link of a user" });
    } else if (decision.kind === "change") changes.push(decision.change);
    else if (decision.kind === "kept") kept.push({ path, reason: decision.reason });
    else present.push({ entry, hardlink: decision.hardlink, existing: context.state.at(path) });
  }
  return { changes, present, kept };
}

/** Decides which candidates are removed. Those in an exchanged directory are `inside`: they are removed with it. */
function planRemovals(
  { records, prune }: UpdateInput,
  state: JailState,
  plan: Draft,
  changes: readonly Change[],
  candidates: readonly Candidate[],
) {
  const exchanges = changes.filter(({ action }) => action === "exchange");
  const isInside = ({ path }: Candidate) => exchanges.some(({ entry }) => path.startsWith(`${entry.path}/`));
  const others = candidates.filter((candidate) => !isInside(candidate));
  const came = cameAlong(plan, records, others);
  const { removals, kept, forgotten, hidden } = decideRemovals(
    state,
    others.filter((candidate) => !came.has(candidate)),
    (path) => plan.planned.has(path) || USUAL_DIRECTORIES.includes(path),
    prune,
  );
  const stays = [...came].map(([{ path }, tree]) => ({ path, reason: whyItStays(tree) }));
  return {
    removals,
    kept: [...stays, ...kept],
    forgotten,
    hidden: hidden === undefined ? [] : [problemFrom(hidden, "not-mounted", state.root.path)],
    inside: candidates.filter(isInside).map(({ path }) => path),
    warnings: cameAlongWarnings(came.values()),
  };
}

function planRecipe(
  input: UpdateInput,
  state: JailState,
  scan: Scan,
  hidden: Pick<ReadonlySet<ByteString>, "has">,
  live: readonly ByteString[],
): Draft {
  const { host, recipe, prune, loader } = input;
  const found = new Set(scan.outdated.map(({ pattern }) => pattern));
  const replaceable = (path: ByteString, existing: JailObject): boolean => {
    if (found.has(path) || mayReplace(path, existing, prune)) return true;
    // Without a record, a dependency of an updated program counts as found.
    return recipe === undefined && existing.stat.uid === 0 && isCopy(host, path, existing);
  };
  return makePlan({
    host,
    jail: planningView(state, replaceable, hidden),
    jailPath: state.root.path,
    wants: [...(recipe?.wants ?? []), ...scan.outdated],
    force: false,
    loader,
    live,
    companions: installedCompanions(host, loader),
    broughtBefore: broughtBefore(input.records.values()),
  });
}

/** True if the host has a file of the same type there. */
function isCopy(host: FileSystem, path: ByteString, { stat, target }: JailObject): boolean {
  const onHost = host.lstat(path);
  if (onHost === undefined || path.startsWith("/etc/")) return false;
  const same = onHost.mode >> 12 === stat.mode >> 12;
  return same && (target === undefined || (stat.mode & 0o7777) === (onHost.mode & 0o7777));
}

function isLinked(input: UpdateInput, { path, because }: Entry): boolean {
  const record = input.records.get(path);
  if (input.hardlink || record?.hardLink === true) return true;
  if (record !== undefined || input.recipe === undefined) return false;
  const { linked } = input.recipe;
  return because.some(({ section }) => linked.has(section));
}

/** The entries in the directories, and those they need: libraries, targets of symbolic links, the directories above. */
function entriesInScope(plan: Draft, scope: PathSet): ReadonlySet<Entry> {
  const wanted = new Set(plan.entries.filter(({ path }) => scope.has(path)));
  for (let before = -1; before !== wanted.size; ) {
    before = wanted.size;
    for (const entry of plan.entries) {
      if (wanted.has(entry)) continue;
      const needed = entry.because.some(({ reason }) => {
        if (reason.kind === "asked") return false;
        if (reason.kind !== "parent") return wanted.has(reason.from);
        const of = plan.seen.get(reason.of);
        return of !== undefined && wanted.has(of);
      });
      if (needed) wanted.add(entry);
    }
  }
  for (const { path } of [...wanted]) {
    for (let above = parentOf(path); above !== ""; above = parentOf(above)) {
      const entry = plan.planned.get(above);
      if (entry !== undefined) wanted.add(entry);
    }
  }
  return wanted;
}

/** Paths that no request wants any more, or that the host no longer has; none if that is uncertain. */
function candidatesFor(
  input: UpdateInput,
  plan: Draft,
  scan: Scan,
  problems: readonly PopulateProblem[],
): Candidate[] {
  const { recipe, records, prune, loader } = input;
  const unplanned = scan.missing.filter((path) => !plan.planned.has(path));
  const missing = unplanned.map((path) => ({ path, record: undefined }));
  if (recipe === undefined) return missing;
  const unsure = problems.some(({ code }) => !HARMLESS.has(code)) || isEmpty(input, plan);
  const lacking = new Set(loader.problems().map(({ library }) => baseName(library)));
  const failed = recipe.problems.length > 0;
  const recorded = new Map([...input.intended, ...records]);
  const unwanted = [...recorded.values()].filter(({ path, sections }) => {
    if (unsure || plan.planned.has(path)) return false;
    // A library that a program of the host lacks stays in the jail.
    if (lacking.has(baseName(path))) return false;
    return !failed || sections.every((section) => recipe.resolved.has(section) || section.startsWith("/"));
  });
  return [...unwanted.map((record): Candidate => ({ path: record.path, record })), ...(prune ? missing : [])];
}

/** The homes in a jail. With `prune`, which removes files of users, throws if the accounts cannot be read. */
function homesIn(root: JailRoot, prune: boolean): ByteString[] {
  const accounts = prune ? readJailAccounts(root) : answered(() => readJailAccounts(root));
  const users = accounts?.users ?? [];
  return users
    .filter(({ uid, home }) => uid !== 0 && home.split("/").length > 2)
    .map(({ home }) => splitHome(home)?.home ?? home);
}

/** As planUpdate, but only for the limited shells of a jail: other files are not compared. */
export function planShells(root: JailRoot, logins: JailLogins): UpdatePlan {
  const limited = decideShells(root, shellPlaces(root, []), () => false, logins);
  const nothing = { changes: [], present: [], skipped: [], forgotten: [], inside: [] };
  const messages = { problems: [], warnings: [], notes: [] };
  return { ...nothing, ...messages, ...limited, entryOf: () => undefined, unread: new Set() };
}
