import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display, quoted } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import {
  type Attribution,
  type Dependency,
  type Entry,
  KEEP_OWNER,
  KEEP_SETUID,
  type Keeps,
  type Reason,
} from "../entry.ts";
import { isDirectory, isSymlink, sameFile, tidy } from "../file-system.ts";
import { addEntry, addProblem, emptyDraft, type Kind } from "./draft.ts";
import { forbiddenTrees } from "./forbidden.ts";
import { createGrounds, othersCanChange } from "./ground.ts";
import { jailPaths, type Mirror, type Node, untrustedPath } from "./jail-paths.ts";
import { isNamed, leave, tellLeftOut, treeOf } from "./left-out.ts";
import { deviceOf, isDirectoryNode, sameDevice } from "./likeness.ts";
import { givenToDirectory, givenToFile, strengthen, withoutAcl } from "./modes.ts";
import type { Manner, Planner, PlannerInput } from "./planner-types.ts";
import { DEFAULT_DIRECTORY, LIBRARY, sortNeeds } from "./untrusted.ts";

const LINK_MODE = { mode: 0o777, uid: 0, gid: 0, stripped: false } as const;

/** A planner with an empty plan. */
export function createPlanner(input: PlannerInput): Planner {
  const { host, jail, force } = input;
  const draft = emptyDraft();
  const { seen } = draft;
  const forbidden = forbiddenTrees(host, input.jailPath);
  const grounds = createGrounds(host);
  const othersDecide = (path: ByteString) => grounds(parentOf(path)).others;

  const mirror: Mirror = (path, stat, { section, keeps: kept, of }) => {
    const keeps: Keeps = (kept & KEEP_OWNER) !== 0 ? KEEP_OWNER : 0;
    const because = [{ section, reason: { kind: "parent", of } as const }];
    const common = { action: "create", because, keeps } as const;
    if (stat !== undefined && isSymlink(stat.mode)) {
      if (othersDecide(path)) throw untrustedPath(path, "is a symbolic link");
      const target = host.readlink(path);
      return addEntry(draft, path, path, stat, LINK_MODE, { ...common, type: "symlink", target });
    }
    const real = stat !== undefined && isDirectory(stat.mode) ? stat : undefined;
    const given = givenToDirectory(path, real && withoutAcl(host, path, real, keeps), true, keeps);
    const untrusted = othersDecide(path) ? real : undefined;
    return addEntry(draft, path, real && path, real, given, { ...common, type: "directory", untrusted });
  };
  const paths = jailPaths(host, jail, draft.planned, mirror, (directory) => grounds(directory).others);

  function place(
    path: ByteString,
    manner: Manner,
    reason: Reason,
    found?: BasicStat,
    parent?: Entry,
  ): Entry | undefined {
    if (seen.has(path)) {
      const known = seen.get(path);
      return known && revisit(known, manner, reason);
    }
    const stat = found ?? host.lstat(path);
    if (stat === undefined) {
      draft.notes.push(`Source file ${display(path)} does not exist`);
      return undefined;
    }
    seen.set(path, undefined);
    try {
      if (grounds(parentOf(path)).link) throw untrustedPath(path, "is reached through a symbolic link");
      return isDirectory(stat.mode)
        ? placeTree(path, stat, manner, reason)
        : placeLeaf(path, stat, manner, reason, parent);
    } catch (error) {
      const untrusted = error instanceof JailkitError && error.code === "untrusted-source";
      const code = untrusted ? error.code : "cannot-place";
      return addProblem(draft, code, path, describeError(error), `${display(path)}: `);
    }
  }

  /** `parent`: the entry of the directory that it stands in, where that is known. */
  function placeLeaf(
    path: ByteString,
    stat: BasicStat,
    manner: Manner,
    reason: Reason,
    parent: Entry | undefined,
  ): Entry | undefined {
    const directory = parent ? parent.path : paths.directory(parentOf(path), { ...manner, of: path });
    const inJail = `${directory}/${baseName(path)}`;
    const node = paths.at(inJail, parent?.action === "create");
    if (node?.planned !== undefined) {
      seen.set(path, node.planned);
      return revisit(node.planned, manner, reason);
    }
    if (node !== undefined && isDirectory(node.stat.mode)) {
      const what = "is a directory in the jail, and not on the host";
      return addProblem(draft, "directory-in-the-way", path, what);
    }
    const device = (stat.mode & S_IFMT) === S_IFCHR || (stat.mode & S_IFMT) === S_IFBLK;
    if (device && host.withheld(path).devices) {
      const what =
        "is a device on a file system that is mounted nodev, where nobody can open it: it is left out";
      return addProblem(draft, "withheld", path, what);
    }
    const ground = grounds(parentOf(path));
    const where = { tree: treeOf(path, reason), section: manner.section, path, inJail };
    if (ground.others && leave(draft, ground, stat, where, isNamed(reason))) return undefined;
    const source = path.includes("/../") && sameFile(host.lstat(inJail), stat) ? inJail : path;
    const action = node === undefined ? "create" : force ? "replace" : "keep";
    const keeps = keepsOf(path, manner.keeps);
    const untrusted = othersCanChange(host, grounds, path, stat) ? stat : undefined;
    const common = { because: [{ section: manner.section, reason }], keeps, untrusted };
    const enter = (kind: Omit<Kind, "because" | "keeps">) => {
      // What stays has the attributes that it has.
      const kept = kind.action === "keep" ? node?.stat : undefined;
      const given = kept
        ? { mode: kept.mode & 0o7777, uid: kept.uid, gid: kept.gid, stripped: false }
        : givenToFile(withoutAcl(host, path, stat, keeps), keeps);
      const differs = kept && ((kept.mode ^ stat.mode) & S_IFMT) !== 0 ? { differs: true } : undefined;
      const entry = addEntry(draft, inJail, source, kept ?? stat, given, { ...common, ...differs, ...kind });
      seen.set(path, entry);
      return entry;
    };
    const type = stat.mode & S_IFMT;
    if (type === S_IFREG) {
      const entry = enter({ type: "file", action });
      addNeeds(entry, source, stat.mode, manner, reason);
      return entry;
    }
    if (type === S_IFLNK)
      return placeLink(enter, action, host.readlink(path, untrusted), node, path, manner, reason);
    if (device) {
      // One that is the right one already is left alone even when all is overwritten: it has no content to renew.
      const same = sameDevice(node, stat);
      const differs = node !== undefined && !same;
      return enter({ type: "device", action: same ? "keep" : action, device: deviceOf(stat), differs });
    }
    const what = type === S_IFIFO ? "a FIFO" : "a socket";
    return addProblem(draft, "not-copyable", path, `is ${what}: it cannot be copied into a jail`);
  }

  /**
   * Others than root could give any file that they find a setuid bit on a name of theirs; and a bit without effect, as
   * on a disk that a user has plugged in, is to have none in the jail either.
   */
  function keepsOf(path: ByteString, keeps: Keeps): Keeps {
    if ((keeps & KEEP_SETUID) === 0) return keeps;
    return othersDecide(path) || host.withheld(path).setuid ? ((keeps & ~KEEP_SETUID) as Keeps) : keeps;
  }

  /** A link comes with what it leads to, as the jail sees it. `node` is what stands in its place in the jail. */
  function placeLink(
    enter: (kind: Omit<Kind, "because" | "keeps">) => Entry,
    action: Entry["action"],
    target: ByteString,
    node: Node | undefined,
    path: ByteString,
    manner: Manner,
    reason: Reason,
  ): Entry {
    if (action !== "keep" || node === undefined || node.planned !== undefined) {
      const entry = enter({ type: "symlink", action, target });
      follow(entry, manner);
      return entry;
    }
    if (!isSymlink(node.stat.mode)) {
      const entry = enter({ type: "symlink", action, target });
      addNeeds(entry, path, 0o111, manner, reason);
      return entry;
    }
    // The administrator may have made another link of it: where the host's leads is of no use then.
    const same = jail.readlink(node.path) === target;
    const entry = enter({ type: "symlink", action, target, differs: !same });
    if (same) follow(entry, manner);
    return entry;
  }

  function follow(entry: Entry, manner: Manner): void {
    const { target: text = "", path, source = path, because } = entry;
    const target = tidy(text.startsWith("/") ? text : `${parentOf(path)}/${text}`);
    if (entry.untrusted !== undefined) {
      const tree = because[0] ? treeOf(source, because[0].reason) : source;
      draft.leftOut.set(source, { kind: "link", tree, section: manner.section, path: source, target });
      return;
    }
    place(target, manner, { kind: "link", from: entry });
  }

  function placeTree(path: ByteString, stat: BasicStat, manner: Manner, reason: Reason): Entry | undefined {
    const why = forbidden(stat);
    if (why !== undefined) {
      if (reason.kind !== "link")
        return addProblem(draft, "refused-source", path, `is refused: ${display(why)}`);
      draft.warnings.push(`what a symbolic link leads to, ${quoted(path)}, is left out: ${display(why)}`);
      return undefined;
    }
    const because = [{ section: manner.section, reason }];
    const entry = directoryEntry(path, stat, manner, because);
    seen.set(path, entry);
    if (entry.because === because) addTree(entry, path, manner);
    else revisit(entry, manner, reason);
    return entry;
  }

  function placeEmpty(path: ByteString, stat: BasicStat, manner: Manner, reason: Reason): Entry {
    return directoryEntry(path, stat, manner, [{ section: manner.section, reason }]);
  }

  /** The entry of a directory that is asked for: a new one, one from before, or one that is in the jail already. */
  function directoryEntry(
    path: ByteString,
    stat: BasicStat,
    manner: Manner,
    because: readonly Attribution[],
  ): Entry {
    const cause = { ...manner, of: path };
    const last = baseName(path);
    // No entry is called "..": where that leads, something else stands.
    let inJail =
      last === ".." ? paths.directory(path, cause) : `${paths.directory(parentOf(path), cause)}/${last}`;
    let node = paths.at(inJail);
    if (node !== undefined && !isDirectoryNode(node)) {
      // A link of the jail stands for the directory (anything else throws here): what it leads to is filled.
      inJail = paths.directory(path, cause);
      node = paths.at(inJail);
    }
    if (node?.planned !== undefined) return node.planned;
    const kept = node?.stat;
    const given = kept
      ? { mode: kept.mode & 0o7777, uid: kept.uid, gid: kept.gid, stripped: false }
      : givenToDirectory(inJail, withoutAcl(host, path, stat, manner.keeps), false, manner.keeps);
    const action = kept ? "keep" : "create";
    const untrusted = othersDecide(path) ? stat : undefined;
    const { keeps } = manner;
    return addEntry(draft, inJail, path, stat, given, {
      type: "directory",
      action,
      because,
      keeps,
      untrusted,
    });
  }

  function addTree(entry: Entry, path: ByteString, manner: Manner): void {
    const reason = { kind: "tree", from: entry } as const;
    for (const { name, stat } of host.list(path, entry.untrusted)) {
      place(`${path}/${name}`, manner, reason, stat, entry);
    }
  }

  function addNeeds(entry: Entry, source: ByteString, mode: number, manner: Manner, reason: Reason): void {
    if (!manner.examine || ((mode & 0o111) === 0 && !LIBRARY.test(baseName(source)))) return;
    const named = isNamed(reason);
    if (entry.untrusted !== undefined) {
      const { section } = manner;
      draft.leftOut.set(source, {
        kind: "program",
        named,
        tree: treeOf(source, reason),
        section,
        path: source,
      });
      if (!named) return;
    }
    let needs: readonly Dependency[];
    try {
      needs = input.dependencies(source);
    } catch (error) {
      addProblem(draft, "bad-program", source, describeError(error), "");
      return;
    }
    const how: Manner = { section: manner.section, keeps: 0, examine: false };
    for (const need of sortNeeds(host, grounds, needs).allowed) {
      const from = need.neededBy === source ? entry : (seen.get(need.neededBy) ?? entry);
      const placed = place(need.path, how, { kind: need.kind, from, name: need.name });
      if (need.kind !== "needed" || !placed || DEFAULT_DIRECTORY.test(parentOf(need.path))) continue;
      for (const path of input.configurationFiles()) {
        place(path, how, { kind: "needed", from: placed, name: baseName(path) });
      }
    }
  }

  /** Something planned is asked for again: perhaps by another section, perhaps with more of its attributes. */
  function revisit(entry: Entry, manner: Manner, reason: Reason): Entry {
    const before = entry.because.find((b) => b.section === manner.section);
    // What an entry keeps only ever grows, so that going round in links comes to an end.
    const keeps =
      entry.type === "directory" ? manner.keeps : keepsOf(entry.source ?? entry.path, manner.keeps);
    const stronger = (keeps & ~entry.keeps) !== 0;
    const better =
      (before?.reason.kind === "parent" && reason.kind !== "parent") ||
      (before !== undefined && !isNamed(before.reason) && reason.kind === "asked" && isNamed(reason));
    if (before !== undefined && !better && !stronger) return entry;
    const own: Attribution = { section: manner.section, reason };
    if (before === undefined) entry.because = [...entry.because, own];
    else if (better) entry.because = entry.because.map((b) => (b === before ? own : b));
    entry.keeps = (entry.keeps | keeps) as Keeps;
    const { source } = entry;
    const stat = source === undefined ? undefined : host.lstat(source);
    if (stat === undefined || source === undefined || entry.differs) return entry;
    if (entry.action !== "keep") strengthen(entry, withoutAcl(host, source, stat, entry.keeps));
    if (entry.type === "directory") {
      if (forbidden(stat) === undefined) addTree(entry, source, manner);
    } else if (entry.type === "symlink") follow(entry, manner);
    else if (entry.type === "file") addNeeds(entry, source, stat.mode, manner, reason);
    return entry;
  }

  function finish(): void {
    const told = tellLeftOut(
      { ...input, grounds, reaches: paths.reaches, forbidden },
      draft.leftOut.values(),
    );
    draft.warnings.push(...told.warnings);
    draft.notes.push(...told.notes);
  }

  return { draft, place, placeEmpty, finish };
}
