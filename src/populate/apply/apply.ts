import { basicFstat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
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
  makeDirectoryIn,
  type Placement,
  putDeviceIn,
  putFileIn,
  putHardLinkIn,
  putSymlinkIn,
} from "../../jail/fs/write.ts";
import type { Entry, Plan, PopulateProblem } from "../entry.ts";
import { actionMessage, type LineReporter, problemAt, strippedMessage } from "../reporter.ts";
import { isNotLinkable, LINKS_SHARE, notLinkedWarning, stillGrants, whyNotLinked } from "./link.ts";

interface ApplyOptions {
  /** Create hard links to the host's files where possible, if the result is as planned. */
  readonly hardlink: boolean;
  readonly reporter: LineReporter;
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
  // The directory of the last entry: most entries have the same one.
  private lastPath: ByteString | undefined;
  private last: Directory | undefined;

  constructor(
    private readonly root: JailRoot,
    { hardlink, reporter }: ApplyOptions,
  ) {
    this.linking = hardlink;
    this.reporter = reporter;
  }

  run(entries: readonly Entry[]): Applied {
    const { root, reporter, present, links, problems } = this;
    let stopped = false;
    for (const [done, entry] of entries.entries()) {
      reporter.progress(done, entries.length);
      const progress = `${done} of ${entries.length} objects are in place`;
      try {
        stopIfInterrupted(progress);
        this.apply(entry);
      } catch (error) {
        const left = this.linking ? [] : entries.slice(done).filter((each) => each.action !== "keep");
        const full = interrupted(root.path, progress) ?? noRoom(error, root.path, { left, progress });
        const problem = full ?? problemAt(root.path + entry.path, error, "cannot-write");
        problems.push(problem);
        reporter.fail(problem);
        stopped = full !== undefined;
        if (stopped) break;
      }
    }
    if (links.size > 0) reporter.warn(LINKS_SHARE);
    return { present, links, problems, stopped };
  }

  private apply(entry: Entry): void {
    const to = this.root.path + entry.path;
    if (entry.action === "keep") {
      if (entry.type !== "directory") this.announce(entry, to);
      this.present.push(entry);
      return;
    }
    const parent = this.openParent(parentOf(entry.path));
    try {
      const placement = this.put(parent, entry, to);
      this.present.push(entry);
      if (placement === "kept") this.reporter.detail(`${to} already exists, will not touch it`);
      else if (entry.stripped) this.reporter.say(strippedMessage(to));
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
    const spot = { root: this.root, parent, name: baseName(entry.path) };
    if (entry.type === "file") {
      const placement = this.linking ? this.putLink(spot, entry, to) : undefined;
      return placement ?? withFd(openSource(entry.source ?? ""), (fd) => this.putCopy(spot, entry, to, fd));
    }
    this.announce(entry, to);
    switch (entry.type) {
      case "directory":
        // Without times: creating files in it changes them.
        return makeDirectoryIn(this.root, parent, spot.name, {
          mode: entry.mode,
          uid: entry.uid,
          gid: entry.gid,
        });
      case "symlink":
        return putSymlinkIn(spot, entry.target ?? "", howTo(entry));
      case "device":
        return putDevice(spot, entry);
    }
  }

  private putCopy(spot: Spot, entry: Entry, to: ByteString, fd: number): Placement {
    const size = sizeOf(entry, fd);
    this.announce(entry, to);
    return putFileIn(spot, { fd, size }, entry, howTo(entry));
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

const howTo = ({ action }: Entry) => (action === "replace" ? { replace: true } : { absent: true });

function sizeOf(entry: Entry, fd: number): number {
  const stat = basicFstat(fd);
  if ((stat.mode & S_IFMT) !== S_IFREG || !stillGrants(entry, stat)) {
    throw new JailkitError("changed", 1, `${display(entry.source ?? "")}: changed while it was being copied`);
  }
  return stat.size;
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
