import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { isMissing, type Stat, statIfPresent } from "../../../ffi/files.ts";
import { normalPath, pathsDownTo } from "../../../ffi/paths.ts";
import { jsonText, quoted } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { composed } from "../../cli/remedy.ts";
import type { ToolCall } from "../../cli/tool.ts";
import { homeOfOther } from "../../jail/accounts/home-place.ts";
import { isLimitedShell } from "../../jail/accounts/jailed-users.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { isOnMount } from "../../jail/fs/no-room.ts";
import { allocatedAt, type SizedEntry } from "../../jail/fs/room.ts";
import { RoomOfRun } from "../../jail/fs/room-of-run.ts";
import { hostPath, type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import { fromJsonText } from "../../jail/record/manifest-text.ts";
import { RootView } from "../../libraries/root-view.ts";
import { hiddenPlace } from "../../populate/hidden-place.ts";
import { requireNewJail } from "../../populate/open-jail.ts";
import { isPassedOver } from "../../populate/passed-over.ts";
import { holdPlans } from "../../populate/plan-cache/plan-cache.ts";
import type { PopulateReport } from "../../populate/report-schema.ts";
import { below } from "../../system/mountinfo.ts";
import { hostUser } from "../../system/name-services.ts";
import { splitHome } from "../../system/separator.ts";
import { type Gone, leadsToGone } from "../../update/foresee-removal.ts";
import { isProgramHere, noAccountFiles, noShellIn, notProgram, requireShell } from "../../users/open-jail.ts";
import { requireMountedPlace } from "../../users/safe-place.ts";
import { lackingWords } from "../bring.ts";
import { type FaultText, faultText, isCreation, taking } from "../change.ts";
import { withDue } from "../due.ts";
import { type Comparison, stopPlanning } from "./compare.ts";
import { fillingsOf } from "./fillable.ts";
import { mayMakeRoom, requireRoom, withRoomForFiles, withRoomForHomes } from "./foresee-room.ts";
import { goneFrom, leavingPlaces, liveItems, takenBack } from "./going.ts";
import { DECLARED } from "./intent.ts";
import { keepingShells } from "./keeping-shells.ts";
import { makingRoomForLive } from "./room-for-live.ts";
import { withFault } from "./takes.ts";
import { type JailWork, type UserWork, withJailFault } from "./work.ts";

/** The tools that fill a jail. */
export type Tools = Readonly<Record<"jk_init" | "jk_cp", ToolCall>>;

/** What a dry run would bring into a jail. */
interface Brought {
  /** Paths as the jail sees them, as in a report. */
  readonly paths: ReadonlySet<string>;
  readonly live: readonly ByteString[];
  readonly accountFiles: boolean;
  /** The names of the accounts whose lines etc/passwd gets. */
  readonly accounts: ReadonlySet<string>;
  /** The directories of the machine that it copies, by their inodes; undefined if one has a name that is not plain. */
  readonly trees: ReadonlySet<string> | undefined;
  /** What is created on the file system of the jail. */
  readonly sizes: readonly SizedEntry[];
}

/**
 * Asks dry runs of jk_init and jk_cp about the jails that they are to fill. What they refuse is a fault of the jail, in place
 * of all changes; a shell that they do not bring, or that goes with what they take away, is one of its users. Changes nothing.
 * `check`: nothing is done afterwards.
 */
export async function foreseeFilling(
  comparison: Comparison,
  tools: Tools,
  check: boolean,
): Promise<Comparison> {
  // What is planned here need not be planned again for the run.
  holdPlans();
  // New jails with the same contents get the same files.
  const room = mayMakeRoom(comparison) ? undefined : new RoomOfRun();
  const means = { pathOf: comparison.pathOf, tools, known: new Map<string, Brought>(), room };
  const jails: JailWork[] = [];
  for (const work of comparison.jails) {
    stopPlanning();
    const foreseen = await foreseeJail(work, means);
    const kept = keepingShells(foreseen, () => planned(foreseen, means));
    const filled = withRoomForHomes(kept, room);
    jails.push(withRoomForFiles(filled, room, check));
  }
  stopPlanning();
  return { ...comparison, jails };
}

interface Means extends Pick<Comparison, "pathOf"> {
  readonly tools: Tools;
  readonly known: Map<string, Brought>;
  /** Undefined if it is not known what is free before something is made. */
  readonly room: RoomOfRun | undefined;
}

const NOTHING_GOES = { gone: undefined, hidden: undefined };

async function foreseeJail(work: JailWork, means: Means): Promise<JailWork> {
  const { path, changes, fault, users } = work;
  const fillings = fillingsOf(path, changes);
  // Before it is filled, live directories go, whose files are copied, or are mounted: a dry run sees the jail of before.
  const isOther = changes.some(
    ({ what, action }) => what === "mounts" || (what === "live" && action === "remove"),
  );
  const removed = takenBack(changes);
  const leaves = leavingPlaces(changes);
  if (fault !== undefined || fillings.length + removed.length + leaves.length === 0) return work;
  if (isOther)
    return removed.length + leaves.length === 0 ? work : (answered(() => planned(work, means)) ?? work);
  const cleared = answered(() => withRoomForLive(work, means));
  if (cleared !== undefined) return answered(() => planned(cleared, means)) ?? cleared;
  try {
    const isNew = isMissing(path);
    const names = fillings.flatMap((one) => [one.tool, ...one.names, ...one.args.filter(isLiveOption)]);
    // The same may have no room on another file system.
    const key = isNew ? [fileSystemFor(path), ...names].join("\0") : "";
    const known = means.known.get(key);
    const isLike = known !== undefined && isElsewhere(path, known);
    // The place is its own.
    if (isLike) requirePlaceFor(path, known);
    const brought = isLike ? known : await dryRun(work, means);
    if (isNew && isElsewhere(path, brought)) means.known.set(key, brought);
    const progress = `0 of ${brought.sizes.length} objects are in place`;
    requireRoom(means.room, path, path, brought.sizes, progress);
    using root = isNew ? undefined : openJailRoot(path);
    const isTaken = root !== undefined && removed.length + leaves.length > 0;
    const { gone, hidden } = isTaken ? goneFrom(root, work.declared, changes, means.pathOf) : NOTHING_GOES;
    if (hidden !== undefined) throw hidden;
    return { ...work, users: users.map((user) => foreseeUser(user, path, root, { ...brought, gone })) };
  } catch (error) {
    return withJailFault({ ...work, changes: taking(changes) }, faultText(error));
  }
}

/** With what makes room for live directories first; undefined if that is nothing. Throws as foreseeRemovals does. */
function withRoomForLive(work: JailWork, { pathOf }: Means): JailWork | undefined {
  if (isMissing(work.path)) return undefined;
  using root = openJailRoot(work.path);
  const changes = makingRoomForLive(root, work, pathOf);
  return changes && { ...work, changes };
}

/** What its users will lack, where no dry run can tell it: by the plan of what the jail has then. Throws as foreseeRemovals does. */
function planned(work: JailWork, { pathOf }: Means): JailWork {
  const { path, declared, changes, users } = work;
  using root = openJailRoot(path);
  const found = goneFrom(root, declared, changes, pathOf);
  const paths = new Set([...found.planned].map(jsonText));
  const live = liveItems(changes, "create");
  const brought = { paths, live, accountFiles: true, accounts: new Set<string>(), gone: found.gone };
  return { ...work, users: users.map((user) => foreseeUser(user, path, root, brought)) };
}

/** Throws JailkitError for what a dry run would refuse of the place of a new jail like another one. */
function requirePlaceFor(path: ByteString, { paths }: Brought): void {
  requireNewJail(path);
  const hidden = hiddenPlace(path, [...paths].map(fromJsonText));
  if (hidden !== undefined) throw hidden;
}

/** The file system that a new jail would be on. */
function fileSystemFor(path: ByteString): string {
  const { devMajor, devMinor } = statsDownTo(path).at(-1) ?? {};
  return `${devMajor}:${devMinor}`;
}

/** True for a jail in none of the directories that are copied into one like it: no jail gets a directory that it is in. */
function isElsewhere(path: ByteString, { trees }: Brought): boolean {
  return trees !== undefined && !statsDownTo(path).some((stat) => trees.has(inodeOf(stat)));
}

const statsDownTo = (path: ByteString): Stat[] =>
  pathsDownTo(path).flatMap((one) => statIfPresent(AT_FDCWD, one, true) ?? []);

const inodeOf = ({ devMajor, devMinor, ino }: Stat): string => `${devMajor}:${devMinor}:${ino}`;

function treesOf(actions: PopulateReport["actions"]): Brought["trees"] {
  const copied = actions.filter(
    ({ type, why }) => type === "directory" && why.some(({ kind }) => kind !== "parent"),
  );
  const paths = copied.map(({ path, source = path }) => source);
  if (!paths.every((path) => PLAIN.test(path))) return undefined;
  return new Set(paths.flatMap((path) => statIfPresent(AT_FDCWD, path, true) ?? []).map(inodeOf));
}

/** By their paths, without what is on another file system in a jail that is there. */
function sizesOf(jail: ByteString, actions: PopulateReport["actions"]): [string, SizedEntry][] {
  using root = isMissing(jail) ? undefined : openJailRoot(jail);
  const made = actions.filter(
    ({ action, path }) =>
      action === "create" && PLAIN.test(path) && (root === undefined || isOnMount(root, path)),
  );
  return made.map(({ path, source, size = 0 }) => [
    path,
    { size, allocated: size === 0 ? 0 : allocatedAt(source) },
  ]);
}

const PLAIN = /^[ -[\]-~]+$/;

const isLiveOption = (argument: ByteString) => argument.startsWith("--live=");

/** The error of a tool for what it was asked for. Other errors of jk_init are due to other keys. */
function dueToItem(error: JailkitError, tool: keyof Means["tools"], item: ByteString | undefined) {
  if (tool === "jk_cp") return withDue(error, { key: "files", item });
  return error.code === "nothing-found" ? withDue(error, { key: "sections", item }) : error;
}

/** Throws JailkitError for what the run would refuse. */
async function dryRun({ path, changes }: JailWork, { tools, pathOf }: Means): Promise<Brought> {
  const paths = new Set<string>();
  const view = new RootView();
  const trees: Brought["trees"][] = [];
  const accounts = new Set<string>();
  // A call may bring what one before it has brought.
  const sizes = new Map<string, SizedEntry>();
  let accountFiles = false;
  for (const { tool, names, args } of fillingsOf(path, changes)) {
    const report = (await tools[tool](["--dry-run", "--json", ...args])).report as PopulateReport;
    // As the run: what it passes over, and has in the record afterwards, is a warning.
    const asked = tool === "jk_cp" ? names.map(pathOf) : names;
    const pathsOf = (name: ByteString) => [name, view.realPath(name) ?? name].map(jsonText);
    const named = new Set(asked.flatMap(pathsOf));
    const refused = report.problems.filter((one) => !isPassedOver(one) || named.has(one.path));
    const [first, ...more] = refused;
    if (first !== undefined) {
      const remedy = composed((more.length === 0 ? first.remedy : undefined) ?? "");
      const message = refused.map((one) => one.message).join("; ");
      const error = new JailkitError(first.code, 1, message, undefined, remedy);
      const item =
        more.length > 0
          ? undefined
          : names.find((_, index) => pathsOf(asked[index] ?? "").includes(first.path));
      throw dueToItem(error, tool, item);
    }
    for (const { path: created } of report.actions) paths.add(created);
    for (const name of report.users) accounts.add(name);
    for (const [created, size] of sizesOf(path, report.actions)) sizes.set(created, size);
    trees.push(treesOf(report.actions));
    accountFiles ||= tool === "jk_init" || paths.has("/etc/passwd");
  }
  const live = changes.filter(({ what }) => what === "live").flatMap(({ items }) => items);
  const all = trees.every((each) => each !== undefined)
    ? new Set(trees.flatMap((each) => [...each]))
    : undefined;
  return { paths, live, accountFiles, accounts, trees: all, sizes: [...sizes.values()] };
}

/** Throws JailkitError if a new account would have the home of one that comes into the jail. */
function requireFreeHome({ declared, changes }: UserWork, jail: ByteString, accounts: Brought["accounts"]) {
  if (!changes.some(isCreation)) return;
  const home = normalPath(declared.home);
  for (const name of accounts) {
    const other = answered(() => hostUser(name));
    if (other !== undefined && normalPath(splitHome(other.home)?.home ?? other.home) === home)
      throw homeOfOther({ path: jail }, home, other, DECLARED.home);
  }
}

const lostShell = (shell: ByteString): FaultText => ({
  code: "bad-shell",
  message: `its shell ${quoted(shell)} would go with what is not declared any more, which stays: declare what brings it, or another shell`,
});

/** With a fault in place of the changes of a user whose account, home or shell has no place in the jail. */
function foreseeUser(
  user: UserWork,
  jail: ByteString,
  root: JailRoot | undefined,
  {
    paths,
    live,
    accountFiles,
    accounts,
    gone,
  }: Omit<Brought, "trees" | "sizes"> & { readonly gone: Gone | undefined },
): UserWork {
  const { name, shell } = user.declared;
  const has = (path: ByteString) => root !== undefined && lookUp(root, path, { follow: true }) !== undefined;
  const goes = (path: ByteString) =>
    root !== undefined && gone !== undefined && leadsToGone(root, path, gone);
  const comes = (path: ByteString) => {
    const real = new RootView().realPath(path);
    const isLive = real !== undefined && live.some((directory) => below(real, directory) !== undefined);
    return isLive || [path, ...(real === undefined ? [] : [real])].some((one) => paths.has(jsonText(one)));
  };
  const isLost = answered(() => has(shell) && goes(shell) && !isLimitedShell(shell)) ?? false;
  if (user.changes.length === 0 && user.fault !== undefined)
    return { ...user, losesShell: isLost && answered(() => hostUser(name)) !== undefined };
  try {
    if (root === undefined) requireMountedPlace({ path: jail }, normalPath(user.declared.home));
    requireFreeHome(user, jail, accounts);
    if (!accountFiles && !has("/etc/passwd")) throw withDue(noAccountFiles(jail, DECLARED, root), { jail });
    if (root !== undefined && has(shell)) requireShell(root, shell, DECLARED);
    else if (!isLimitedShell(shell) && !comes(shell)) throw noShellIn(jail, shell, DECLARED, root);
    else if (!isLimitedShell(shell) && !isProgramHere(shell)) throw notProgram({ path: jail }, shell);
    if (root !== undefined && isLost) {
      const lost = withFault(user, { of: "user", name, jail, ...lostShell(hostPath(root, shell)) });
      return { ...lost, losesShell: true };
    }
    const stays = (path: ByteString) => (has(path) && !goes(path)) || comes(path);
    return { ...user, lacks: lackingWords(user.declared, stays) };
  } catch (error) {
    return withFault(user, { of: "user", name, jail, ...faultText(error) });
  }
}
