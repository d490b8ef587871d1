import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { splitHome } from "../../jail/accounts/separator.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { Entry, PopulateProblem } from "../../populate/entry.ts";
import type { FileSystem } from "../../populate/file-system.ts";
import type { Draft } from "../../populate/plan/draft.ts";
import { makePlan } from "../../populate/plan/plan.ts";
import type { JailLogins } from "../logins.ts";
import {
  changedDirectories,
  type JailState,
  jailState,
  mayReplace,
  planningView,
  type Standing,
  usersObstacles,
} from "../state.ts";
import { cameAlong, cameAlongWarnings, whyItStays } from "./came-along.ts";
import { type Change, judgeEntry, type Kept, type Removal } from "./compare.ts";
import type { UpdateInput } from "./input.ts";
import { isEmpty, isUsual, messages } from "./notes.ts";
import { type Candidate, decideRemovals } from "./removals.ts";
import { FOUND_SECTION, namesAt, type Scan, scanJail } from "./scan.ts";
import { type PathSet, pathSet } from "./scope.ts";
import { judgeShells, namesShell, pathsOf, shellPlaces } from "./shell.ts";

/** What is to be done to a jail so that it is as one that is made today. */
export interface UpdatePlan {
  readonly changes: readonly Change[];
  /** Entries that stand there as they are to be, and whether as hard links. */
  readonly present: readonly { entry: Entry; hardlink: boolean; standing: Standing | undefined }[];
  readonly removals: readonly Removal[];
  readonly kept: readonly Kept[];
  readonly skipped: readonly ByteString[];
  /** Entries of the record of which nothing is left. */
  readonly forgotten: readonly ByteString[];
  /** Entries of the record in directories that are exchanged: they go with these. */
  readonly inside: readonly ByteString[];
  /** The entry that a path of the host leads to. */
  readonly entryOf: (source: ByteString) => Entry | undefined;
  /** Paths of the host that could not be planned. */
  readonly unread: ReadonlySet<ByteString>;
  readonly problems: readonly PopulateProblem[];
  readonly warnings: readonly string[];
  readonly notes: readonly string[];
}

/** Where a jail without a record is looked at, unless told otherwise. */
export const USUAL_DIRECTORIES: readonly ByteString[] = [
  "/bin",
  "/sbin",
  "/lib",
  "/lib32",
  "/lib64",
  "/libx32",
  "/usr",
  "/opt",
];

// Problems that say nothing about what else was found.
const HARMLESS = new Set(["no-such-section"]);

const UNASKED = "is the runtime of 110 MB on the host, which only jk_cp brings";

/** Looks at everything and changes nothing. */
export function planUpdate(input: UpdateInput): UpdatePlan {
  const { root, host, recipe, records, prune } = input;
  const state = jailState(root, records, input.intended);
  const skips = pathSet(root, input.skips);
  const scope = input.directories.length === 0 ? undefined : pathSet(root, input.directories);
  const places = shellPlaces(root, [...records.keys()].filter(namesShell));
  const shells = pathsOf(places);
  const scan = scanJail({
    state,
    host,
    directories: scope?.paths ?? USUAL_DIRECTORIES,
    skipped: (path) => skips.has(path) || shells.has(path),
    homes: pathSet(root, homesIn(root)),
    prune,
    replaceMade: recipe === undefined,
    tell: input.tell,
  });
  const hidden = changedDirectories(state, records.values(), host, (path) => namesAt(root, path));
  const plan = planRecipe(input, state, scan, hidden);
  const obstacle = usersObstacles(root);
  const linked = (entry: Entry) => isLinked(input, entry);
  const within = (path: ByteString) => hidden.get(path) ?? [];
  const wanted = scope === undefined ? undefined : entriesInScope(plan, scope);
  const changes: Change[] = [];
  const present: UpdatePlan["present"][number][] = [];
  const kept: Kept[] = scan.unasked.map((path) => ({ path, reason: UNASKED }));
  const skipped = skips.paths.filter((path) => state.at(path) !== undefined);
  for (const entry of plan.entries) {
    if (skips.has(entry.path)) continue;
    if (wanted !== undefined && !wanted.has(entry)) continue;
    const judged = judgeEntry({ state, host, within, hardlink: linked }, entry);
    if (judged.kind === "change" && obstacle(entry.path)) {
      kept.push({ path: entry.path, reason: "is where a user has put something in the way" });
    } else if (judged.kind === "change") changes.push(judged.change);
    else if (judged.kind === "present") {
      present.push({ entry, hardlink: judged.hardlink, standing: state.at(entry.path) });
    } else if (judged.kind === "kept") kept.push({ path: entry.path, reason: judged.reason });
  }
  const lasting = plan.problems.filter((problem) => !isUsual(problem, obstacle));
  const problems = [...(recipe?.problems ?? []), ...scan.problems, ...lasting];
  const exchanged = changes
    .filter(({ action }) => action === "exchange")
    .map(({ entry }) => `${entry.path}/`);
  // What was in a directory that is exchanged goes with it.
  const inScope = (path: ByteString) => !skips.has(path) && (scope === undefined || scope.has(path));
  const [inside, candidates] = split(
    candidatesFor(input, plan, scan, problems).filter(({ path }) => inScope(path) && !shells.has(path)),
    ({ path }) => exchanged.some((each) => path.startsWith(each)),
  );
  const came = cameAlong(plan, records, candidates);
  const removals = decideRemovals(
    state,
    candidates.filter((candidate) => !came.has(candidate)),
    (path) => plan.planned.has(path) || USUAL_DIRECTORIES.includes(path),
    prune,
  );
  const judged = new Map([...places].filter(([path]) => inScope(path)));
  const verdict = judgeShells(root, judged, (path) => plan.planned.has(path), input.logins);
  const changing = new Set(changes.map(({ entry }) => entry.path));
  const told = messages(input, plan, obstacle);
  const stays = [...came].map(([{ path }, tree]) => ({ path, reason: whyItStays(tree) }));
  return {
    changes,
    present,
    removals: [...removals.removals, ...verdict.removals],
    kept: [...kept, ...stays, ...removals.kept, ...verdict.kept.filter(({ path }) => !changing.has(path))],
    skipped,
    forgotten: removals.forgotten,
    inside: inside.map(({ path }) => path),
    entryOf: (source) => plan.seen.get(source),
    unread: new Set(plan.problems.map(({ path }) => path)),
    problems,
    notes: told.notes,
    warnings: [...told.warnings, ...cameAlongWarnings(came.values())],
  };
}

function split<T>(list: readonly T[], test: (item: T) => boolean): [T[], T[]] {
  return [list.filter(test), list.filter((item) => !test(item))];
}

function planRecipe(
  input: UpdateInput,
  state: JailState,
  scan: Scan,
  hidden: Pick<ReadonlySet<ByteString>, "has">,
): Draft {
  const { host, recipe, prune, loader } = input;
  const found = new Set(scan.outdated.map(({ pattern }) => pattern));
  const replaceable = (path: ByteString, standing: Standing): boolean => {
    if (found.has(path) || mayReplace(path, standing, prune)) return true;
    // Without a record, what an updated program needs is as good as what was found.
    return recipe === undefined && standing.stat.uid === 0 && isCopy(host, path, standing);
  };
  return makePlan({
    host,
    jail: planningView(state, replaceable, hidden),
    jailPath: state.root.path,
    wants: [...(recipe?.wants ?? []), ...scan.outdated],
    force: false,
    dependencies: loader.dependencies,
    configurationFiles: loader.configurationFiles,
  });
}

/** The host has something of the same type there. */
function isCopy(host: FileSystem, path: ByteString, { stat, target }: Standing): boolean {
  const there = host.lstat(path);
  if (there === undefined || path.startsWith("/etc/")) return false;
  const same = there.mode >> 12 === stat.mode >> 12;
  return same && (target === undefined || (stat.mode & 0o7777) === (there.mode & 0o7777));
}

function isLinked(input: UpdateInput, { path, because }: Entry): boolean {
  const record = input.records.get(path);
  if (input.hardlink || record?.hardLink === true) return true;
  if (record !== undefined || input.recipe === undefined) return false;
  const { linked } = input.recipe;
  return because.some(({ section }) => linked.has(section));
}

/** What stands in the directories, and what that needs: libraries, what links lead to, the directories above. */
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

/** What no request wants any more, and what the host does not have; nothing where that cannot be told. */
function candidatesFor(
  input: UpdateInput,
  plan: Draft,
  scan: Scan,
  problems: readonly PopulateProblem[],
): Candidate[] {
  const { recipe, records, prune, loader } = input;
  const gone = scan.gone
    .filter(({ path }) => !plan.planned.has(path))
    .map(({ path }): Candidate => ({ path, record: undefined }));
  if (recipe === undefined) return gone;
  const unsure = problems.some(({ code }) => !HARMLESS.has(code)) || isEmpty(input, plan);
  const lacking = new Set(loader.problems().map(({ library }) => baseName(library)));
  const failed = recipe.problems.length > 0;
  const known = new Map([...input.intended, ...records]);
  const unwanted = [...known.values()].filter(({ path, sections }) => {
    if (unsure || plan.planned.has(path)) return false;
    // A program of the host that misses its library is not made worse in the jail.
    if (lacking.has(baseName(path))) return false;
    return !failed || sections.every((section) => recipe.resolved.has(section) || section.startsWith("/"));
  });
  return [...unwanted.map((record): Candidate => ({ path: record.path, record })), ...(prune ? gone : [])];
}

/** Homes of the jail's own accounts. */
function homesIn(root: JailRoot): ByteString[] {
  try {
    return readJailAccounts(root)
      .users.filter(({ uid, home }) => uid !== 0 && home.split("/").length > 2)
      .map(({ home }) => splitHome(home)?.home ?? home);
  } catch {
    return [];
  }
}

/** What is to be done about the limited shells of a jail, and nothing else: its files are not compared. */
export function planShells(root: JailRoot, logins: JailLogins): UpdatePlan {
  const verdict = judgeShells(root, shellPlaces(root, []), () => false, logins);
  const nothing = { changes: [], present: [], skipped: [], forgotten: [], inside: [], problems: [] };
  return {
    ...nothing,
    ...verdict,
    entryOf: () => undefined,
    unread: new Set(),
    warnings: [],
    notes: [],
  };
}

/** True for an entry that nobody asked for: it was found in the jail. */
export function isFound({ because }: Entry): boolean {
  return because.every(({ section }) => section === FOUND_SECTION);
}
