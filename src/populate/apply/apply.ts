import { basicFstat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close } from "../../../ffi/files.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { stopIfInterrupted } from "../../cli/interrupt.ts";
import { shellWord } from "../../cli/shell-word.ts";
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
import { actionMessage, strippedMessage } from "../messages.ts";
import type { Reporter } from "../reporter.ts";
import { stillGrants, whyNotLinked } from "./link.ts";

/** How a plan is carried out. */
export interface ApplyOptions {
  /** Files become other names of the host's files, where that is possible and gives what the plan says. */
  readonly hardlink: boolean;
  readonly reporter: Reporter;
}

/** What became of a plan. */
export interface Applied {
  /** Entries that stand in the jail now, because they were put there or stood there before. */
  readonly present: readonly Entry[];
  /** Those that became other names of the host's files. */
  readonly links: ReadonlySet<Entry>;
  /** How many objects were made or replaced. */
  readonly changed: number;
  readonly problems: readonly PopulateProblem[];
  /** Nothing more can be written there, or a signal asked for the end: the rest was left. */
  readonly stopped: boolean;
}

// link(2): another file system, too many links, not allowed; ENOENT: a descriptor may not be linked without
// CAP_DAC_READ_SEARCH.
const NO_LINK = ["EXDEV", "EMLINK", "EPERM", "EACCES", "ENOENT", "EOPNOTSUPP"];

/**
 * Carries a plan out in a jail. What fails is reported and becomes a problem, and the rest is still done. Everything
 * is written through src/jail/fs/write.ts.
 */
export function applyPlan(root: JailRoot, plan: Plan, options: ApplyOptions): Applied {
  const { reporter } = options;
  const present: Entry[] = [];
  const problems: PopulateProblem[] = [];
  const total = plan.entries.length;
  let changed = 0;
  let linking = options.hardlink;
  const links = new Set<Entry>();

  function announce(entry: Entry, to: ByteString, asLink = false): void {
    const { text, detail } = actionMessage(entry, to, asLink);
    if (detail) reporter.tell(text);
    else reporter.say(text);
  }

  function fileInto(parent: Directory, entry: Entry, to: ByteString): Placement {
    const fd = openSource(entry.source ?? "");
    try {
      const size = sizeOf(entry, fd);
      announce(entry, to);
      return putFileIn(root, parent, baseName(entry.path), { fd, size }, entry, howTo(entry));
    } finally {
      close(fd);
    }
  }

  /** undefined: a link is not possible, or would not be what the plan says, so a copy is needed. */
  function linkInto(parent: Directory, entry: Entry, to: ByteString): Placement | undefined {
    const { source = "" } = entry;
    const fd = openSource(source);
    try {
      const why = whyNotLinked(fd, entry);
      if (why !== undefined) {
        reporter.tell(`${source} is copied, not linked: ${why}`);
        return undefined;
      }
      announce(entry, to, true);
      const placement = putHardLinkIn(root, parent, baseName(entry.path), fd, howTo(entry));
      links.add(entry);
      return placement;
    } catch (error) {
      if (!isErrno(error, ...NO_LINK)) throw error;
      reporter.warn(
        `Linking ${display(source)} to ${display(to)} failed, will revert to copying (${error.reason})`,
      );
      // Every other file of that file system would fail likewise, and say so.
      if (error.code !== "EMLINK") linking = false;
      return undefined;
    } finally {
      close(fd);
    }
  }

  function put(parent: Directory, entry: Entry, to: ByteString): Placement {
    const name = baseName(entry.path);
    switch (entry.type) {
      case "directory":
        announce(entry, to);
        // Without times: what is put into it would change them at once.
        return makeDirectoryIn(root, parent, name, { mode: entry.mode, uid: entry.uid, gid: entry.gid });
      case "symlink":
        announce(entry, to);
        return putSymlinkIn(root, parent, name, entry.target ?? "", howTo(entry));
      case "device":
        announce(entry, to);
        return putDevice(root, parent, entry);
      case "file": {
        const placement = linking ? linkInto(parent, entry, to) : undefined;
        return placement ?? fileInto(parent, entry, to);
      }
    }
  }

  // Most entries stand beside the one before.
  let lastPath: ByteString | undefined;
  let last: Directory | undefined;
  function openParent(path: ByteString): Directory {
    // A negative descriptor: the root has closed it meanwhile.
    if (path === lastPath && last?.cached && last.fd >= 0) return last;
    lastPath = path;
    last = walk(root, path);
    return last;
  }

  function applyOne(entry: Entry): void {
    const to = root.path + entry.path;
    if (entry.action === "keep") {
      if (entry.type !== "directory") announce(entry, to);
      present.push(entry);
      return;
    }
    const parent = openParent(parentOf(entry.path));
    try {
      const placement = put(parent, entry, to);
      present.push(entry);
      if (placement === "kept") {
        reporter.tell(`${to} already exists, will not touch it`);
        return;
      }
      changed++;
      if (entry.stripped) reporter.say(strippedMessage(to));
    } finally {
      release(parent);
    }
  }

  let done = 0;
  let stopped = false;
  for (const entry of plan.entries) {
    reporter.at(done++, total);
    const progress = `${done - 1} of ${total} objects are in place`;
    try {
      stopIfInterrupted(progress);
      applyOne(entry);
    } catch (error) {
      const left = plan.entries.slice(done - 1).filter((each) => each.action !== "keep");
      const full =
        interrupted(root.path, progress) ?? noRoom(error, root.path, { left: linking ? [] : left, progress });
      const problem = full ?? problemOf(root, entry, error);
      problems.push(problem);
      reporter.fail(problem.message);
      stopped = full !== undefined;
      if (stopped) break;
    }
  }
  if (links.size > 0) {
    reporter.warn(
      "hard-linked files share owner, mode and content with the host's: a change in the jail changes the host",
    );
  }
  return { present, links, changed, problems, stopped };
}

const REPLACE = { replace: true } as const;
const CREATE = { absent: true } as const;

/** The plan has looked at what stands there, and says what to do with it. */
function howTo({ action }: Entry) {
  return action === "replace" ? REPLACE : CREATE;
}

/** The size of the open source, after a check that it is still what was planned. */
function sizeOf(entry: Entry, fd: number): number {
  const stat = basicFstat(fd);
  if ((stat.mode & S_IFMT) !== S_IFREG || !stillGrants(entry, stat)) {
    throw new JailkitError("changed", 1, `${display(entry.source ?? "")}: changed while it was being copied`);
  }
  return stat.size;
}

function putDevice(root: JailRoot, parent: Directory, entry: Entry): Placement {
  const { device } = entry;
  if (device === undefined)
    throw new JailkitError("no-such-device", 1, `${display(entry.path)}: not a device`);
  try {
    return putDeviceIn(root, parent, baseName(entry.path), device, entry, howTo(entry));
  } catch (error) {
    if (!isErrno(error, "EPERM")) throw error;
    const to = display(root.path + entry.path);
    const numbers = `${device.type === "char" ? "c" : "b"} ${device.major} ${device.minor}`;
    throw new JailkitError(
      "device-refused",
      1,
      `${to}: mknod: ${error.reason}; a container may not make devices: bind-mount ${display(entry.source ?? "")} there, or run this outside it: mknod ${shellWord(root.path + entry.path)} ${numbers}`,
    );
  }
}

function problemOf(root: JailRoot, entry: Entry, error: unknown): PopulateProblem {
  const path = root.path + entry.path;
  const code = error instanceof JailkitError ? error.code : "cannot-write";
  const text = describeError(error);
  // An error of the source names the source; what was to be written must be told too.
  const names = text.includes(display(path)) || entry.source === undefined;
  return { code, path, message: names ? text : `${display(path)}: ${text}` };
}
