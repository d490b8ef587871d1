import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { isErrno, type SystemError } from "../../../ffi/error.ts";
import { sameFile, statIfPresent } from "../../../ffi/files.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { interrupted, isNoRoom, noRoom, type Work } from "../../jail/fs/no-room.ts";
import { hostPath, type JailRoot, release, walk } from "../../jail/fs/walk.ts";
import { removePath } from "../../jail/fs/write.ts";
import type { Entry, PopulateProblem } from "../../populate/entry.ts";
import { manifestEntry } from "../../populate/record/record.ts";
import type { Change, Removal } from "../plan/compare.ts";
import type { Order } from "../plan/order.ts";
import { commit, discard, discardDirectories, type Staged, stage } from "./stage.ts";
import { putFor } from "./sweep.ts";

/** What is told meanwhile. */
export interface ApplyEvents {
  changing(change: Change): void;
  removing(removal: Removal): void;
  failed(problem: PopulateProblem): void;
  at(done: number, total: number): void;
  /** What programs need is in its place, and the programs are not: the time for the cache of libraries. */
  librariesAreThere(done: readonly Entry[], progress: string): void;
}

/** What became of changes. */
export interface Applied {
  readonly done: readonly { entry: Entry; hardlink: boolean }[];
  /** Something failed, but for what is in directories that users can write: they must not hold up the rest. */
  readonly incomplete: boolean;
  /** The first error of a file system that is full or cannot be written; it has been told. */
  readonly full: SystemError | undefined;
}

// No space, no quota, read-only, a broken disk: what comes next would fail likewise.
const HOPELESS = ["ENOSPC", "EDQUOT", "EROFS", "EIO", "ENOMEM", "EMFILE", "ENFILE"];

/**
 * Carries out what changes: first all is made ready beside its place, and if that cannot be, or a signal asks for the end, the
 * jail stays as it is.
 * Then all appears, each by a rename(2), what programs need before the programs. What depends on something that
 * failed is left out.
 */
export function applyChanges(
  root: JailRoot,
  changes: readonly Change[],
  order: Order,
  events: ApplyEvents,
): Applied {
  const failed = new Set<Entry>();
  const done: { entry: Entry; hardlink: boolean }[] = [];
  let hopeless = false;
  let incomplete = false;
  // Told once, and at the end, when what was made ready is gone again and it is known what is missing.
  let full: SystemError | undefined;

  let stopped = false;
  const stop = () => {
    stopped = true;
    hopeless = true;
    incomplete = true;
  };

  function fail({ entry }: Change, error: unknown, ours = true): void {
    failed.add(entry);
    incomplete ||= ours;
    hopeless ||= ours && isErrno(error, ...HOPELESS);
    if (isErrno(error, "EINTR")) stop();
    else if (isNoRoom(error)) full ??= error;
    else events.failed(problemOf(root, entry.path, error, "cannot-write"));
  }

  /** What has failed, or cannot be read, and what is to be replaced needs. What is new can do no harm. */
  function lackingFor({ entry, action }: Change): ByteString | undefined {
    const unread = action === "create" || action === "attributes" ? undefined : order.lacks(entry);
    return unread ?? [...order.needs(entry)].find((each) => failed.has(each))?.path;
  }

  const put = new Map(changes.map(({ entry }) => [entry.path, manifestEntry(entry)]));
  function takeBack({ temporary, change }: Staged): void {
    if (temporary === undefined) return;
    discard(root, temporary, putFor(root, temporary.path, [change.entry.path], [put]));
  }

  function finish(one: Staged): void {
    const { change } = one;
    const lacking = lackingFor(change);
    if (lacking !== undefined && !hopeless) {
      const why = `stays as it is, since it needs ${display(lacking)}, which failed`;
      fail(change, new JailkitError("needs-failed", 1, why));
    }
    if (lacking !== undefined || hopeless) {
      takeBack(one);
      return;
    }
    try {
      events.changing(change);
      if (commit(root, one) === "done") done.push({ entry: change.entry, hardlink: one.linked });
      else {
        takeBack(one);
        fail(change, new JailkitError("in-the-way", 1, "something was made there meanwhile"));
      }
    } catch (error) {
      fail(change, error, one.temporary !== undefined || change.action === "attributes");
      takeBack(one);
    }
  }

  const { ready, inside } = makeReady(root, changes, fail, () => hopeless || receivedSignal() !== undefined);
  // The last look: what is made ready now appears.
  if (receivedSignal() !== undefined) stop();
  let told = false;
  const tell = () => {
    const entries = new Set(done.map(({ entry }) => entry));
    if (!told && !hopeless) events.librariesAreThere([...entries], workLeft(changes, entries).progress);
    told = true;
  };
  order.sorted(ready).forEach((one, index) => {
    if (order.isProgram(one.change.entry)) tell();
    events.at(index, ready.length);
    finish(one);
  });
  tell();
  // What was made ready inside a directory has appeared with it.
  for (const { change, linked } of inside) {
    if (!hopeless && !failed.has(change.entry)) done.push({ entry: change.entry, hardlink: linked });
  }
  const entries = new Set(done.map(({ entry }) => entry));
  if (hopeless)
    discardDirectories(
      root,
      ready.filter(({ change }) => !entries.has(change.entry)),
    );
  const work = workLeft(changes, entries);
  const problem = stopped ? interrupted(root.path, work.progress) : noRoom(full, root.path, work);
  if (problem !== undefined) events.failed(problem);
  return { done, incomplete: incomplete || hopeless, full };
}

/** Of changes, what is not `done` and needs room. */
export function workLeft(changes: readonly Change[], done: ReadonlySet<Entry>): Work {
  const left = changes.filter(
    ({ entry, action, hardlink }) => !done.has(entry) && !hardlink && action !== "attributes",
  );
  return {
    left: left.map(({ entry }) => entry),
    progress: `${done.size} of ${changes.length} changes are made`,
  };
}

/**
 * Makes changes ready until something hopeless happens or a signal comes. `ready`: what is to be committed; `inside`: what is made in
 * directories that take the place of something else, and appears with them.
 */
function makeReady(
  root: JailRoot,
  changes: readonly Change[],
  fail: (change: Change, error: unknown) => void,
  hopeless: () => boolean,
): { ready: Staged[]; inside: Staged[] } {
  const ready: Staged[] = [];
  const inside: Staged[] = [];
  const places = new Map<ByteString, ByteString>();
  const missing = new Set<ByteString>();
  for (const change of changes) {
    if (hopeless()) break;
    const { entry, action } = change;
    const above = parentOf(entry.path);
    const place = places.get(above);
    const at = place === undefined ? undefined : `${place}/${baseName(entry.path)}`;
    try {
      if (missing.has(above)) throw new JailkitError("no-directory", 1, "its directory could not be made");
      const one = stage(root, change, at);
      (at === undefined ? ready : inside).push(one);
      if (entry.type !== "directory") continue;
      if (at !== undefined) places.set(entry.path, at);
      else if (action === "exchange" && one.temporary !== undefined)
        places.set(entry.path, one.temporary.path);
    } catch (error) {
      if (entry.type === "directory") missing.add(entry.path);
      fail(change, error);
    }
  }
  return { ready, inside };
}

/** Removes what goes, never through a link; a directory in which something is left stays. */
export function applyRemovals(
  root: JailRoot,
  removals: readonly Removal[],
  events: Pick<ApplyEvents, "removing" | "failed">,
): { removed: ByteString[]; incomplete: boolean; full: boolean } {
  const removed: ByteString[] = [];
  let incomplete = false;
  let full = false;
  for (const removal of removals) {
    const { path } = removal;
    const progress = `${removed.length} of ${removals.length} are removed`;
    const stop = interrupted(root.path, progress);
    if (stop !== undefined) {
      events.failed(stop);
      return { removed, incomplete: true, full: true };
    }
    try {
      if (!standsWhereItSays(root, path)) continue;
      events.removing(removal);
      removePath(root, path, removal.seen);
      removed.push(path);
    } catch (error) {
      if (removal.type === "directory" && isErrno(error, "ENOTEMPTY", "EEXIST")) continue;
      incomplete = true;
      const problem = noRoom(error, root.path, { left: [], progress });
      events.failed(problem ?? problemOf(root, path, error, "cannot-remove"));
      full = problem !== undefined;
      if (full) break;
    }
  }
  return { removed, incomplete, full };
}

/**
 * False where a link leads to the directory of a path by now: what stands there is something else. Throws JailkitError
 * where it is the host's own directory, which is mounted in the jail.
 */
function standsWhereItSays(root: JailRoot, path: ByteString): boolean {
  const above = parentOf(path) || "/";
  try {
    const directory = walk(root, above);
    const same = directory.path === above;
    const hosts = statIfPresent(AT_FDCWD, above, true);
    const isHosts = hosts !== undefined && sameFile(hosts, directory.stat);
    release(directory);
    if (!isHosts) return same;
    const message = `${display(hostPath(root, above))} is the host's own ${display(above)}: unmount it first`;
    throw new JailkitError("host-directory", 1, message);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return false;
    throw error;
  }
}

function problemOf(root: JailRoot, jailPath: ByteString, error: unknown, code: string): PopulateProblem {
  const path = root.path + jailPath;
  const text = describeError(error);
  const message = text.includes(display(path)) ? text : `${display(path)}: ${text}`;
  return { code: error instanceof JailkitError ? error.code : code, path, message };
}
