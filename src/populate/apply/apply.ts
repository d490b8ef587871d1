import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, withFd } from "../../../ffi/files.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { shellWord } from "../../cli/shell-word.ts";
import type { Spot } from "../../jail/fs/look.ts";
import { interrupted, noRoom } from "../../jail/fs/no-room.ts";
import { openSource } from "../../jail/fs/source.ts";
import { type Directory, type JailRoot, release, walk } from "../../jail/fs/walk.ts";
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

export interface ApplyOptions {
  /** Create hard links to the host's files where possible, if the result is as planned. */
  readonly hardlink: boolean;
  readonly reporter: LineReporter;
  /** Has prepared files of the plan. */
  readonly ahead?: CopyAhead | undefined;
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
  // The directory of the last entry: most entries have the same one.
  private lastPath: ByteString | undefined;
  private last: Directory | undefined;

  constructor(
    private readonly root: JailRoot,
    { hardlink, reporter, ahead }: ApplyOptions,
  ) {
    this.linking = hardlink;
    this.ahead = ahead;
    this.reporter = reporter;
  }

  run(entries: readonly Entry[]): Applied {
    const { present, links, problems, reporter } = this;
    this.ahead?.begin();
    const stopped = this.work(entries);
    if (links.size > 0) reporter.warn(LINKS_SHARE);
    return { present, links, problems, stopped };
  }

  /** Works through the entries. True if the rest was not tried. */
  private work(entries: readonly Entry[]): boolean {
    for (const [done, entry] of entries.entries()) {
      this.reporter.progress(done, entries.length);
      const progress = `${done} of ${entries.length} objects are in place`;
      try {
        stopIfInterrupted(progress);
        this.apply(entry);
      } catch (error) {
        const stop = interrupted(this.root.path, progress);
        if (this.fail(entry, error, this.linking ? [] : entries.slice(done), progress, stop)) return true;
      }
    }
    return false;
  }

  /** Reports why an entry failed, or `stop` instead. True if the rest cannot work either. */
  private fail(
    entry: Entry,
    error: unknown,
    rest: readonly Entry[],
    progress: string,
    stop?: PopulateProblem,
  ): boolean {
    const { root, problems, reporter } = this;
    const left = rest.filter((each) => each.action !== "keep");
    const full = stop ?? noRoom(error, root.path, { left, progress });
    const problem = full ?? problemAt(root.path + entry.path, error, "cannot-write");
    problems.push(problem);
    reporter.fail(problem);
    return full !== undefined;
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
    const parent = this.openParent(parentOf(entry.path));
    try {
      return this.put(parent, entry, to);
    } finally {
      release(parent);
    }
  }

  private openParent(path: ByteString): Directory {
    const { last } = this;
    // The root may have closed it meanwhile: then its descriptor is negative.
    if (path === this.lastPath && last?.cached && last.fd >= 0) return last;
    this.lastPath = path;
    this.last = walk(this.root, path);
    return this.last;
  }

  private put(parent: Directory, entry: Entry, to: ByteString): Placement {
    if (entry.type === "file") {
      const spot = { root: this.root, parent, name: baseName(entry.path) };
      const placement = this.linking ? this.putLink(spot, entry, to) : this.putPrepared(spot, entry, to);
      return placement ?? copyFile(spot, entry, () => this.announce(entry, to));
    }
    this.announce(entry, to);
    return this.make(parent, entry);
  }

  /** Creates anything but a file. */
  private make(parent: Directory, entry: Entry): Placement {
    const spot = { root: this.root, parent, name: baseName(entry.path) };
    const { mode, uid, gid } = entry;
    if (entry.type === "symlink") return putSymlinkIn(spot, entry.target ?? "", howTo(entry));
    if (entry.type === "device") return putDevice(spot, entry);
    // Without times: creating files in it changes them.
    return makeDirectoryIn(this.root, parent, spot.name, { mode, uid, gid });
  }

  /** Undefined if the file must be copied. */
  private putPrepared(spot: Spot, entry: Entry, to: ByteString): Placement | undefined {
    const fd = this.ahead?.take(entry);
    const placement = fd === undefined ? fd : withFd(fd, () => linkNameless(spot, fd, this.root.top));
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
    const remedy = `bind-mount ${display(source)} there, or run this outside it: mknod ${shellWord(to)} ${numbers}`;
    throw new JailkitError("device-refused", 1, `${why}: ${remedy}`);
  }
}
