import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, withFd } from "../../../ffi/files.ts";
import { receivedSignal } from "../../../ffi/interrupts.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { shellWord } from "../../cli/shell-word.ts";
import type { Spot } from "../../jail/fs/look.ts";
import { interrupted, isNoRoom, noRoom } from "../../jail/fs/no-room.ts";
import { openSource } from "../../jail/fs/source.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";
import {
  linkNameless,
  makeDirectoryIn,
  type Placement,
  putDeviceIn,
  putHardLinkIn,
  putSymlinkIn,
} from "../../jail/fs/write.ts";
import type { Entry, Plan, PopulateProblem } from "../entry.ts";
import { actionMessage, type LineReporter, problemAt, strippedMessage } from "../reporter.ts";
import type { CopyAhead } from "./ahead.ts";
import { copyFile, howTo } from "./copy-file.ts";
import { isNotLinkable, LINKS_SHARE, notLinkedWarning, whyNotLinked } from "./link.ts";
import { SpotFinder } from "./spot.ts";

export interface ApplyOptions {
  /** Create hard links to the host's files where possible, if the result is as planned. */
  readonly hardlink: boolean;
  readonly reporter: LineReporter;
  /** Has prepared files of the plan. */
  readonly ahead?: CopyAhead | undefined;
  /** Called once, when there may be a second thread at work. */
  readonly meanwhile?: () => void;
}

/** The result of a plan. */
export interface Applied {
  /** Entries in the jail now: created, or there before. */
  readonly present: readonly Entry[];
  /** Those that became hard links to the host's files. */
  readonly links: ReadonlySet<Entry>;
  readonly problems: readonly PopulateProblem[];
  /** The disk is full or read-only, or a signal came: the rest was not tried. */
  readonly stopped: boolean;
}

/** Applies a plan to a jail. Failures are reported and become problems; the rest of the plan is still done. */
export function applyPlan(root: JailRoot, plan: Plan, options: ApplyOptions): Applied {
  return new PlanRun(root, options).run(plan.entries);
}

class PlanRun {
  private readonly reporter: LineReporter;
  private readonly present: Entry[] = [];
  private readonly problems: PopulateProblem[] = [];
  private readonly links = new Set<Entry>();
  private linking: boolean;
  private readonly ahead: CopyAhead | undefined;
  private readonly meanwhile: ApplyOptions["meanwhile"];
  /** Directories that were made before their turn. */
  private readonly made = new Map<Entry, Placement>();
  private readonly spots: SpotFinder;

  constructor(
    private readonly root: JailRoot,
    { hardlink, reporter, ahead, meanwhile }: ApplyOptions,
  ) {
    this.meanwhile = meanwhile;
    this.linking = hardlink;
    this.ahead = ahead;
    this.reporter = reporter;
    this.spots = new SpotFinder(root);
  }

  run(entries: readonly Entry[]): Applied {
    const { present, links, problems, reporter } = this;
    if (this.ahead?.isRunning) {
      this.makeDirectories(entries);
      this.ahead.begin(entries);
    }
    this.meanwhile?.();
    const stopped = this.work(entries);
    if (links.size > 0) reporter.warn(LINKS_SHARE);
    return { present, links, problems, stopped };
  }

  /** Makes all directories, for the other thread. What fails is tried again, and reported, when its turn comes. */
  private makeDirectories(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.type !== "directory" || entry.action === "keep") continue;
      if (receivedSignal() !== undefined) return;
      try {
        this.made.set(
          entry,
          this.spots.at(entry.path, (spot) => this.make(spot, entry)),
        );
      } catch {}
    }
  }

  /** Works through the entries. True if the rest was not tried. */
  private work(entries: readonly Entry[]): boolean {
    for (const [done, entry] of entries.entries()) {
      this.reporter.progress(done, entries.length);
      let error: unknown;
      try {
        if (receivedSignal() === undefined) {
          this.apply(entry);
          continue;
        }
      } catch (thrown) {
        error = thrown;
      }
      if (this.fail(entry, error, entries.slice(done), entries.length)) return true;
    }
    return false;
  }

  /** Reports why an entry failed, or that a signal came. True if the rest, which begins with it, cannot work either. */
  private fail(entry: Entry, error: unknown, rest: readonly Entry[], all: number): boolean {
    const { root, problems, reporter } = this;
    // Asked once: if a signal comes now, the next entry ends the work.
    const ends = receivedSignal() !== undefined || isNoRoom(error);
    const left = ends ? this.giveUp(rest) : rest;
    const progress = `${all - left.length} of ${all} objects are in place`;
    const work = { left: this.linking ? [] : left.filter((each) => each.action !== "keep"), progress };
    const stop = ends ? (interrupted(root.path, progress) ?? noRoom(error, root.path, work)) : undefined;
    const problem = stop ?? problemAt(root.path + entry.path, error, "cannot-write");
    problems.push(problem);
    reporter.fail(problem);
    return stop !== undefined;
  }

  /** Returns what of the rest is not in the jail: the other thread may have come further. */
  private giveUp(rest: readonly Entry[]): Entry[] {
    const placed = this.ahead?.stop();
    const isThere = (entry: Entry) => placed?.has(entry) || this.made.has(entry);
    this.present.push(...rest.filter(isThere));
    return rest.filter((entry) => !isThere(entry));
  }

  private apply(entry: Entry): void {
    const to = this.root.path + entry.path;
    if (entry.action === "keep") {
      if (entry.type !== "directory") this.announce(entry, to);
      this.present.push(entry);
      return;
    }
    const placement = this.putIn(entry, to);
    this.present.push(entry);
    if (placement === "kept") this.reporter.detail(`${to} already exists, will not touch it`);
    else if (entry.stripped) this.reporter.say(strippedMessage(to));
  }

  private putIn(entry: Entry, to: ByteString): Placement {
    const made = this.made.get(entry);
    // Before anything that can fail: what is reported as an error is not to be put there by the other thread.
    const prepared = this.ahead?.take(entry);
    if (made !== undefined || prepared === "placed") {
      this.announce(entry, to);
      return made ?? "created";
    }
    const put = () => this.spots.at(entry.path, (spot) => this.put(spot, entry, to, prepared));
    return prepared === undefined ? put() : withFd(prepared, put);
  }

  private put(spot: Spot, entry: Entry, to: ByteString, prepared: number | undefined): Placement {
    if (entry.type === "file") {
      const placement = this.linking
        ? this.putLink(spot, entry, to)
        : this.putPrepared(spot, entry, to, prepared);
      return placement ?? copyFile(spot, entry, () => this.announce(entry, to));
    }
    this.announce(entry, to);
    return this.make(spot, entry);
  }

  /** Creates anything but a file. */
  private make(spot: Spot, entry: Entry): Placement {
    const { mode, uid, gid } = entry;
    if (entry.type === "symlink") return putSymlinkIn(spot, entry.target ?? "", howTo(entry));
    if (entry.type === "device") return putDevice(spot, entry);
    // Without times: creating files in it changes them.
    return makeDirectoryIn(spot.root, spot.parent, spot.name, { mode, uid, gid });
  }

  /** Undefined if the file must be copied. `prepared`: the open file from the other thread. */
  private putPrepared(
    spot: Spot,
    entry: Entry,
    to: ByteString,
    prepared: number | undefined,
  ): Placement | undefined {
    const placement = prepared === undefined ? undefined : linkNameless(spot, prepared, this.root.top);
    if (placement !== undefined) this.announce(entry, to);
    return placement;
  }

  /** Undefined if the file must be copied: a hard link is impossible, or would not be as planned. */
  private putLink(spot: Spot, entry: Entry, to: ByteString): Placement | undefined {
    const { source = "" } = entry;
    const fd = openSource(source);
    try {
      const why = whyNotLinked(fd, entry);
      if (why !== undefined) {
        this.reporter.detail(`${source} is copied, not linked: ${why}`);
        return undefined;
      }
      this.announce(entry, to, true);
      const placement = putHardLinkIn(spot, fd, howTo(entry));
      this.links.add(entry);
      return placement;
    } catch (error) {
      if (!isNotLinkable(error)) throw error;
      this.reporter.warn(notLinkedWarning(entry, to, error.reason));
      // All other files of that file system would fail too, with the same warning.
      if (error.code !== "EMLINK") this.linking = false;
      return undefined;
    } finally {
      close(fd);
    }
  }

  private announce(entry: Entry, to: ByteString, asLink = false): void {
    this.reporter.message(actionMessage(entry, to, asLink));
  }
}

function putDevice(spot: Spot, entry: Entry): Placement {
  const { device, path, source = "" } = entry;
  if (device === undefined) throw new JailkitError("no-such-device", 1, `${display(path)}: not a device`);
  try {
    return putDeviceIn(spot, device, entry, howTo(entry));
  } catch (error) {
    if (!isErrno(error, "EPERM")) throw error;
    const to = spot.root.path + path;
    const numbers = `${device.type === "char" ? "c" : "b"} ${device.major} ${device.minor}`;
    const why = `${display(to)}: mknod: ${error.reason}; a container may not create devices`;
    const remedy = `bind-mount ${display(source)} there, or run this outside it: mknod -m ${octal(entry.mode & 0o777)} ${shellWord(to)} ${numbers}`;
    throw new JailkitError("device-refused", 1, `${why}: ${remedy}`);
  }
}
