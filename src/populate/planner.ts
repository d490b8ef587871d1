import type { BasicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError } from "../cli/error.ts";
import { addEntry, addProblem, type Draft, emptyDraft, type Kind } from "./draft.ts";
import {
  type Attribution,
  type Dependency,
  type Entry,
  KEEP_OWNER,
  type Keeps,
  type Reason,
} from "./entry.ts";
import { forbiddenTrees } from "./forbidden.ts";
import { jailPaths, type Node } from "./jail-paths.ts";
import { deviceOf, isDirectoryNode, sameDevice, sameFile } from "./likeness.ts";
import { givenToDirectory, givenToFile, withoutAcl } from "./modes.ts";
import { type FileSystem, isDirectory, isSymlink, lastOf, parentOf, tidy } from "./sources.ts";

/** What planning looks at. Nothing is changed and nothing but this is looked at. */
export interface PlannerInput {
  readonly host: FileSystem;
  /** The jail as it is now. */
  readonly jail: FileSystem;
  /** Where the jail is, as the host sees it: it is never copied into itself. */
  readonly jailPath: ByteString;
  /** What stands in the jail already is overwritten. */
  readonly force: boolean;
  /** What a program or library needs, over all levels. Throws where the file is not what it claims to be. */
  readonly dependencies: (path: ByteString) => readonly Dependency[];
  /** ld.so.conf and what it includes: the jail needs them where a library stands where only they tell of it. */
  readonly configurationFiles: () => readonly ByteString[];
}

/** How something is taken over; it holds for all that follows from one want. */
export interface Manner {
  readonly section: ByteString;
  readonly keeps: Keeps;
  /** Look for the libraries of programs: not for libraries that were found that way. */
  readonly examine: boolean;
}

/** Adds to a plan, one path after the other. */
export interface Planner {
  readonly draft: Draft;
  /** Plans what stands at `path` on the host (`stat`, where the caller knows it), and all that it brings with it. */
  place(path: ByteString, manner: Manner, reason: Reason, stat?: BasicStat): Entry | undefined;
  /** Plans a directory without what is in it. */
  placeEmpty(path: ByteString, stat: BasicStat, manner: Manner, reason: Reason): Entry;
}

/** Where the dynamic linker of glibc looks without being told. */
const DEFAULT_DIRECTORY = /^(?:\/usr)?\/lib(?:32|64|x32)?(?:\/[a-z0-9_]+-linux-[a-z0-9]+)?$/;
const LIBRARY = /\.so(?:\.|$)/;
const LINK_MODE = { mode: 0o777, uid: 0, gid: 0, stripped: false } as const;

/** A planner with an empty plan. */
export function createPlanner(input: PlannerInput): Planner {
  const { host, jail, force } = input;
  const draft = emptyDraft();
  const { seen } = draft;
  const forbidden = forbiddenTrees(host, input.jailPath);

  const paths = jailPaths(host, jail, draft.planned, (path, stat, { section, keeps: kept, of }) => {
    const keeps: Keeps = (kept & KEEP_OWNER) !== 0 ? KEEP_OWNER : 0;
    const because = [{ section, reason: { kind: "parent", of } as const }];
    const common = { action: "create", because, keeps } as const;
    if (stat !== undefined && isSymlink(stat.mode)) {
      const target = host.readlink(path);
      return addEntry(draft, path, path, stat, LINK_MODE, { ...common, type: "symlink", target });
    }
    const real = stat !== undefined && isDirectory(stat.mode) ? stat : undefined;
    const given = givenToDirectory(path, real && withoutAcl(host, path, real, keeps), true, keeps);
    return addEntry(draft, path, real && path, real, given, { ...common, type: "directory" });
  });

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
      return isDirectory(stat.mode)
        ? placeTree(path, stat, manner, reason)
        : placeLeaf(path, stat, manner, reason, parent);
    } catch (error) {
      return addProblem(draft, "cannot-place", path, describeError(error), `${display(path)}: `);
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
    const inJail = `${directory}/${lastOf(path)}`;
    const node = paths.at(inJail, parent?.action === "create");
    if (node?.planned !== undefined) {
      seen.set(path, node.planned);
      return revisit(node.planned, manner, reason);
    }
    if (node !== undefined && isDirectory(node.stat.mode)) {
      return addProblem(
        draft,
        "directory-in-the-way",
        path,
        "is a directory in the jail, and not on the host",
      );
    }
    const source = path.includes("/../") && sameFile(host.lstat(inJail), stat) ? inJail : path;
    const action = node === undefined ? "create" : force ? "replace" : "keep";
    const common = { because: [{ section: manner.section, reason }], keeps: manner.keeps };
    const enter = (kind: Omit<Kind, "because" | "keeps">) => {
      // What stays has the attributes that it has.
      const kept = kind.action === "keep" ? node?.stat : undefined;
      const given = kept
        ? { mode: kept.mode & 0o7777, uid: kept.uid, gid: kept.gid, stripped: false }
        : givenToFile(withoutAcl(host, path, stat, manner.keeps), manner.keeps);
      const differs = kept && ((kept.mode ^ stat.mode) & S_IFMT) !== 0 ? { differs: true } : undefined;
      const entry = addEntry(draft, inJail, source, kept ?? stat, given, { ...common, ...differs, ...kind });
      seen.set(path, entry);
      return entry;
    };
    const type = stat.mode & S_IFMT;
    if (type === S_IFREG) {
      const entry = enter({ type: "file", action });
      addNeeds(entry, source, stat.mode, manner);
      return entry;
    }
    if (type === S_IFLNK) return placeLink(enter, action, host.readlink(path), node, path, manner);
    if (type === S_IFCHR || type === S_IFBLK) {
      // One that is the right one already is left alone even when all is overwritten: it has no content to renew.
      const same = sameDevice(node, stat);
      const differs = node !== undefined && !same;
      return enter({ type: "device", action: same ? "keep" : action, device: deviceOf(stat), differs });
    }
    const what = type === S_IFIFO ? "a FIFO" : "a socket";
    return addProblem(draft, "not-copyable", path, `is ${what}: it cannot be copied into a jail`);
  }

  /** A link comes with what it leads to, as the jail sees it. `node` is what stands in its place in the jail. */
  function placeLink(
    enter: (kind: Omit<Kind, "because" | "keeps">) => Entry,
    action: Entry["action"],
    target: ByteString,
    node: Node | undefined,
    path: ByteString,
    manner: Manner,
  ): Entry {
    if (action !== "keep" || node === undefined || node.planned !== undefined) {
      const entry = enter({ type: "symlink", action, target });
      follow(entry, manner);
      return entry;
    }
    if (!isSymlink(node.stat.mode)) {
      const entry = enter({ type: "symlink", action, target });
      addNeeds(entry, path, 0o111, manner);
      return entry;
    }
    // The administrator may have made another link of it: where the host's leads is of no use then.
    const same = jail.readlink(node.path) === target;
    const entry = enter({ type: "symlink", action, target, differs: !same });
    if (same) follow(entry, manner);
    return entry;
  }

  function follow(entry: Entry, manner: Manner): void {
    const target = entry.target ?? "";
    const leadsTo = tidy(target.startsWith("/") ? target : `${parentOf(entry.path)}/${target}`);
    place(leadsTo, manner, { kind: "link", from: entry });
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
    let inJail = `${paths.directory(parentOf(path), cause)}/${lastOf(path)}`;
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
    return addEntry(draft, inJail, path, stat, given, {
      type: "directory",
      action,
      because,
      keeps: manner.keeps,
    });
  }

  function addTree(entry: Entry, path: ByteString, manner: Manner): void {
    const reason = { kind: "tree", from: entry } as const;
    for (const { name, stat } of host.list(path)) place(`${path}/${name}`, manner, reason, stat, entry);
  }

  function addNeeds(entry: Entry, source: ByteString, mode: number, manner: Manner): void {
    if (!manner.examine || ((mode & 0o111) === 0 && !LIBRARY.test(lastOf(source)))) return;
    let needs: readonly Dependency[];
    try {
      needs = input.dependencies(source);
    } catch (error) {
      addProblem(draft, "bad-program", source, describeError(error), "");
      return;
    }
    const how: Manner = { section: manner.section, keeps: 0, examine: false };
    for (const need of needs) {
      const from = need.neededBy === source ? entry : (seen.get(need.neededBy) ?? entry);
      const placed = place(need.path, how, { kind: need.kind, from, name: need.name });
      if (need.kind !== "needed" || !placed || DEFAULT_DIRECTORY.test(parentOf(need.path))) continue;
      for (const path of input.configurationFiles()) {
        place(path, how, { kind: "needed", from: placed, name: lastOf(path) });
      }
    }
  }

  /** Something planned is asked for again: perhaps by another section, perhaps with more of its attributes. */
  function revisit(entry: Entry, manner: Manner, reason: Reason): Entry {
    const before = entry.because.find((b) => b.section === manner.section);
    // What an entry keeps only ever grows, so that going round in links comes to an end.
    const stronger = (manner.keeps & ~entry.keeps) !== 0;
    const parent = before?.reason.kind === "parent" && reason.kind !== "parent";
    if (before !== undefined && !parent && !stronger) return entry;
    const own: Attribution = { section: manner.section, reason };
    if (before === undefined) entry.because = [...entry.because, own];
    else if (parent) entry.because = entry.because.map((b) => (b === before ? own : b));
    entry.keeps = (entry.keeps | manner.keeps) as Keeps;
    const { source } = entry;
    const stat = source === undefined ? undefined : host.lstat(source);
    if (stat === undefined || source === undefined || entry.differs) return entry;
    if (entry.action !== "keep") strengthen(entry, withoutAcl(host, source, stat, entry.keeps));
    if (entry.type === "directory") {
      if (forbidden(stat) === undefined) addTree(entry, source, manner);
    } else if (entry.type === "symlink") follow(entry, manner);
    else if (entry.type === "file") addNeeds(entry, source, stat.mode, manner);
    return entry;
  }

  return { draft, place, placeEmpty };
}

/** Gives an entry what a second want keeps of the host's owner and special bits. */
function strengthen(entry: Entry, stat: BasicStat): void {
  if (entry.type === "symlink") return;
  const directory = entry.type === "directory";
  const parent = directory && entry.because.every((b) => b.reason.kind === "parent");
  const given = directory
    ? givenToDirectory(entry.path, stat, parent, entry.keeps)
    : givenToFile(stat, entry.keeps);
  Object.assign(entry, given);
}
