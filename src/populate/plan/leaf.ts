import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { isDirectory, isLink } from "../../jail/fs/walk.ts";
import { type Entry, KEEP_SETUID, type Keeps } from "../entry.ts";
import { sameFile } from "../file-system.ts";
import {
  addEntry,
  addProblem,
  isIn,
  isNamed,
  type Kind,
  type PlanContext,
  type Source,
  treeOf,
} from "./draft.ts";
import type { JailNode } from "./jail-paths.ts";
import { leave } from "./left-out.ts";
import { givenToFile, keptAttributes, withoutAcl } from "./modes.ts";

/**
 * Adds the entry of anything but a directory, at `inJail`, where the jail has `node`. Undefined if it is not copied,
 * which is a problem of the plan, or left out because users other than root placed it there.
 */
export function addLeaf(
  context: PlanContext,
  { path, stat, rules, reason }: Source,
  inJail: ByteString,
  node: JailNode | undefined,
): Entry | undefined {
  const { host, draft, trust } = context;
  if (node !== undefined && isDirectory(node.stat)) {
    const what = "is a directory in the jail, and not on the host";
    return addProblem(draft, "directory-in-the-way", path, what);
  }
  if (isDevice(stat) && host.withheld(path).devices) {
    const what = "is a device on a file system mounted nodev, where nobody can open it: it is left out";
    return addProblem(draft, "withheld", path, what);
  }
  const directory = trust.of(parentOf(path));
  const where = { tree: treeOf(path, reason), section: rules.section, path, inJail };
  if (directory.others && leave(draft, directory.stat, stat, where, isNamed(reason))) return undefined;
  const untrusted = trust.othersCanChange(path, stat) ? stat : undefined;
  const force = context.force && !isIn(context.live ?? [], inJail);
  const kind = kindOf(context, force, path, stat, node, untrusted);
  if (kind === undefined) {
    const what = (stat.mode & S_IFMT) === S_IFIFO ? "a FIFO" : "a socket";
    return addProblem(draft, "not-copyable", path, `is ${what}: it cannot be copied into a jail`);
  }
  const keeps = keepsOf(context, path, rules.keeps);
  const kept = kind.action === "keep" ? node?.stat : undefined;
  const copied = givenToFile(withoutAcl(host, path, stat, keeps), keeps);
  const given = kept ? keptAttributes(kept) : copied;
  const differs = kind.differs === true || (kept !== undefined && isOfUser(kept, stat, copied));
  const source = path.includes("/../") && sameFile(host.lstat(inJail), stat) ? inJail : path;
  const because = [{ section: rules.section, reason }];
  return addEntry(draft, inJail, source, kept ?? stat, given, {
    ...kind,
    differs,
    because,
    keeps,
    untrusted,
  });
}

/** True for a file in the jail that a user has put there: it has not the owner of a copy, or is another file of that owner. */
function isOfUser(kept: BasicStat, source: BasicStat, { uid }: Pick<Entry, "uid">): boolean {
  if (kept.uid === 0) return false;
  const isSame =
    kept.size === source.size &&
    kept.mtimeSeconds === source.mtimeSeconds &&
    kept.mtimeNanoseconds === source.mtimeNanoseconds;
  return kept.uid !== uid || ((kept.mode & S_IFMT) === S_IFREG && !isSame);
}

/**
 * Returns `keeps` without setuid and setgid bits if users other than root choose the names in the directory, since
 * they could give any file that name, or if the mount ignores these bits, such as that of a user's disk.
 */
export function keepsOf({ host, trust }: PlanContext, path: ByteString, keeps: Keeps): Keeps {
  if ((keeps & KEEP_SETUID) === 0) return keeps;
  return trust.othersName(path) || host.withheld(path).setuid ? ((keeps & ~KEEP_SETUID) as Keeps) : keeps;
}

function isDevice({ mode }: BasicStat): boolean {
  const type = mode & S_IFMT;
  return type === S_IFCHR || type === S_IFBLK;
}

/** The type and action for a file where the jail has `node`; undefined if such files are not copied. */
function kindOf(
  { host, jail }: PlanContext,
  force: boolean,
  path: ByteString,
  stat: BasicStat,
  node: JailNode | undefined,
  untrusted: BasicStat | undefined,
): Omit<Kind, "because" | "keeps"> | undefined {
  const action = node === undefined ? "create" : force ? "replace" : "keep";
  const kept = action === "keep" ? node : undefined;
  switch (stat.mode & S_IFMT) {
    case S_IFREG:
      return { type: "file", action, differs: kept !== undefined && (kept.stat.mode & S_IFMT) !== S_IFREG };
    case S_IFLNK: {
      const target = host.readlink(path, untrusted);
      const differs = kept !== undefined && !(isLink(kept.stat) && jail.readlink(kept.path) === target);
      return { type: "symlink", action, target, differs };
    }
    case S_IFCHR:
    case S_IFBLK: {
      // The right device is kept even with `force`: it has no content to renew.
      const same = node !== undefined && sameDevice(node.stat, stat);
      const differs = kept !== undefined && !same;
      return { type: "device", action: same ? "keep" : action, device: deviceOf(stat), differs };
    }
    default:
      return undefined;
  }
}

function sameDevice(a: BasicStat, b: BasicStat): boolean {
  return (
    (a.mode & S_IFMT) === (b.mode & S_IFMT) && a.rdevMajor === b.rdevMajor && a.rdevMinor === b.rdevMinor
  );
}

function deviceOf({ mode, rdevMajor, rdevMinor }: BasicStat): NonNullable<Entry["device"]> {
  const type = (mode & S_IFMT) === S_IFCHR ? "char" : "block";
  return { type, major: rdevMajor, minor: rdevMinor };
}
