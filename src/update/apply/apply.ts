import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno, type SystemError } from "../../../ffi/error.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { interrupted, isNoRoom, noRoom, type Work } from "../../jail/fs/no-room.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import type { ManifestEntry } from "../../jail/record/manifest.ts";
import { putFor } from "../../jail/record/sweep.ts";
import type { Entry } from "../../populate/entry.ts";
import { manifestEntry } from "../../populate/record/record.ts";
import { problemAt } from "../../populate/reporter.ts";
import type { ApplyEvents } from "../events.ts";
import type { Change } from "../plan/compare.ts";
import type { ChangeOrder } from "../plan/order.ts";
import { commit, discard, discardDirectories, type Staged, stage } from "./stage.ts";

interface Done extends Pick<Change, "entry" | "existing"> {
  readonly hardlink: boolean;
}

interface Changed {
  readonly done: readonly Done[];
  /** A change failed. Failures in directories that users can write do not count: users must not block the rest. */
  readonly incomplete: boolean;
  /** The first error of a full or read-only file system; it has been reported. */
  readonly full: SystemError | undefined;
}

// After these errors, all further changes would fail too.
const HOPELESS = ["ENOSPC", "EDQUOT", "EROFS", "EIO", "ENOMEM", "EMFILE", "ENFILE"];

/**
 * Makes changes. First prepares every new file beside its place; if that fails, or a signal comes, the jail is unchanged.
 * Then each appears by a rename(2), dependencies before programs. A change is skipped if one that it needs failed.
 */
export function applyChanges(
  root: JailRoot,
  changes: readonly Change[],
  order: ChangeOrder,
  events: ApplyEvents,
): Changed {
  return new ChangeRun(root, changes, order, events).run();
}

class ChangeRun {
  private readonly done: Done[] = [];
  private readonly failed = new Set<Entry>();
  private readonly records: ReadonlyMap<ByteString, ManifestEntry>;
  private incomplete = false;
  private hopeless = false;
  private stopped = false;
  // Reported once, at the end: the missing space is known when the prepared files are removed.
  private full: SystemError | undefined;
  private librariesReported = false;

  constructor(
    private readonly root: JailRoot,
    private readonly changes: readonly Change[],
    private readonly order: ChangeOrder,
    private readonly events: ApplyEvents,
  ) {
    this.records = new Map(changes.map(({ entry }) => [entry.path, manifestEntry(entry)]));
  }

  run(): Changed {
    const { root, order, events } = this;
    const { ready, inside } = this.prepare();
    // The last chance to stop: prepared files appear from here on.
    if (receivedSignal() !== undefined) this.stop();
    for (const [index, one] of order.sorted(ready).entries()) {
      if (order.isProgram(one.change.entry)) this.reportLibraries();
      events.progress(index, ready.length);
      this.finish(one);
    }
    this.reportLibraries();
    // Files prepared inside a directory have appeared with it.
    for (const { change, linked } of inside) {
      const isDone = !this.hopeless && !this.failed.has(change.entry);
      if (isDone) this.done.push({ ...change, hardlink: linked });
    }
    const entries = this.doneEntries();
    const left = ready.filter(({ change }) => !entries.has(change.entry));
    if (this.hopeless) discardDirectories(root, left);
    const work = workLeft(this.changes, entries);
    const problem = this.stopped ? interrupted(root.path, work.progress) : noRoom(this.full, root.path, work);
    if (problem !== undefined) events.failed(problem);
    return { done: this.done, incomplete: this.incomplete || this.hopeless, full: this.full };
  }

  /**
   * Prepares changes until a hopeless error or a signal. `ready` is to be committed; `inside` is in directories that
   * replace another file, and appears with them.
   */
  private prepare(): { ready: Staged[]; inside: Staged[] } {
    const ready: Staged[] = [];
    const inside: Staged[] = [];
    const places = new Map<ByteString, ByteString>();
    const missing = new Set<ByteString>();
    for (const change of this.changes) {
      if (this.hopeless || receivedSignal() !== undefined) break;
      const { entry, action } = change;
      const above = parentOf(entry.path);
      const place = places.get(above);
      const at = place === undefined ? undefined : `${place}/${baseName(entry.path)}`;
      try {
        if (missing.has(above)) throw new JailkitError("no-directory", 1, "its directory is missing");
        const one = stage(this.root, change, at);
        (at === undefined ? ready : inside).push(one);
        const staged = at ?? (action === "exchange" ? one.temporary?.path : undefined);
        if (entry.type === "directory" && staged !== undefined) places.set(entry.path, staged);
      } catch (error) {
        if (entry.type === "directory") missing.add(entry.path);
        this.fail(change, error);
      }
    }
    return { ready, inside };
  }

  private finish(one: Staged): void {
    const { change } = one;
    const lacking = this.lackingFor(change);
    if (lacking !== undefined && !this.hopeless) {
      const why = `stays as it is, since it needs ${display(lacking)}, which failed`;
      this.fail(change, new JailkitError("needs-failed", 1, why));
    }
    if (lacking !== undefined || this.hopeless) {
      this.takeBack(one);
      return;
    }
    try {
      if (commit(this.root, one) === "done") {
        this.done.push({ ...change, hardlink: one.linked });
        this.events.changed(change);
      } else {
        this.takeBack(one);
        this.fail(change, new JailkitError("in-the-way", 1, "something was created there meanwhile"));
      }
    } catch (error) {
      this.fail(change, error, one.temporary !== undefined || change.action === "attributes");
      this.takeBack(one);
    }
  }

  /** A path that failed or cannot be read, and that a change needs. A new file needs only paths that did not fail. */
  private lackingFor({ entry, action }: Change): ByteString | undefined {
    const unread = action === "create" || action === "attributes" ? undefined : this.order.lacks(entry);
    return unread ?? [...this.order.needs(entry)].find((each) => this.failed.has(each))?.path;
  }

  private takeBack({ temporary, change }: Staged): void {
    if (temporary === undefined) return;
    const among = putFor(this.root, temporary.path, [change.entry.path], [this.records]);
    discard(this.root, temporary, among);
  }

  private fail({ entry }: Change, error: unknown, ours = true): void {
    this.failed.add(entry);
    this.incomplete ||= ours;
    this.hopeless ||= ours && isErrno(error, ...HOPELESS);
    if (isErrno(error, "EINTR")) this.stop();
    else if (isNoRoom(error)) this.full ??= error;
    else this.events.failed(problemAt(this.root.path + entry.path, error, "cannot-write"));
  }

  private stop(): void {
    this.stopped = true;
    this.hopeless = true;
    this.incomplete = true;
  }

  private reportLibraries(): void {
    const entries = this.doneEntries();
    if (!this.librariesReported && !this.hopeless)
      this.events.librariesAreThere([...entries], workLeft(this.changes, entries).progress);
    this.librariesReported = true;
  }

  private doneEntries(): ReadonlySet<Entry> {
    return new Set(this.done.map(({ entry }) => entry));
  }
}

/** The changes that are not `done` and need room on disk. */
export function workLeft(changes: readonly Change[], done: ReadonlySet<Entry>): Work {
  const writes = changes.filter(({ action, hardlink }) => !hardlink && action !== "attributes");
  const left = writes.map(({ entry }) => entry).filter((entry) => !done.has(entry));
  return { left, progress: `${done.size} of ${changes.length} changes are made` };
}
