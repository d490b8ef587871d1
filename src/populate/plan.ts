import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO, S_IFLNK, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import type { Stat } from "../../ffi/files.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError } from "../cli/error.ts";
import { addEntry, addProblem, emptyDraft } from "./draft.ts";
import {
  type Attribution,
  type Dependency,
  type Entry,
  KEEP_OWNER,
  KEEP_SETUID,
  type Keeps,
  type Plan,
  type Reason,
  type Want,
} from "./entry.ts";
import { forbiddenTrees } from "./forbidden.ts";
import { expandGlob } from "./glob.ts";
import { jailPaths, type Node } from "./jail-paths.ts";
import { givenToDirectory, givenToFile } from "./modes.ts";
import { type FileSystem, isDirectory, isSymlink, lastOf, parentOf, tidy } from "./sources.ts";

/** What a plan is made from. Nothing is changed and nothing but this is looked at. */
export interface PlanInput {
  readonly host: FileSystem;
  /** The jail as it is now. */
  readonly jail: FileSystem;
  /** Where the jail is, as the host sees it: it is never copied into itself. */
  readonly jailPath: ByteString;
  readonly wants: readonly Want[];
  /** What stands in the jail already is overwritten. */
  readonly force: boolean;
  /** What a program or library needs, over all levels. Throws where the file is not what it claims to be. */
  readonly dependencies: (path: ByteString) => readonly Dependency[];
  /** ld.so.conf and what it includes: the jail needs them where a library stands where only they tell of it. */
  readonly configurationFiles: () => readonly ByteString[];
}

/** How something is taken over; it holds for all that follows from one want. */
interface Manner {
  readonly section: ByteString;
  readonly keeps: Keeps;
  readonly reflinkOnly: boolean;
  /** Look for the libraries of programs: not for libraries that were found that way. */
  readonly examine: boolean;
}

/** Where the dynamic linker of glibc looks without being told. */
const DEFAULT_DIRECTORY = /^(?:\/usr)?\/lib(?:32|64|x32)?(?:\/[a-z0-9_]+-linux-[a-z0-9]+)?$/;
const LIBRARY = /\.so(?:\.|$)/;
const LINK_MODE = { mode: 0o777, uid: 0, gid: 0, stripped: false } as const;

/** Plans what the wants bring into a jail: which objects, from where, with which attributes, and why. */
export function makePlan(input: PlanInput): Plan {
  const { host, jail, force } = input;
  const draft = emptyDraft();
  const { seen } = draft;
  const forbidden = forbiddenTrees(host, input.jailPath);

  const paths = jailPaths(host, jail, draft.planned, (path, stat, { section, keeps: kept, of }) => {
    const keeps: Keeps = (kept & KEEP_OWNER) !== 0 ? KEEP_OWNER : 0;
    const because = [{ section, reason: { kind: "parent", of } as const }];
    if (stat !== undefined && isSymlink(stat.mode)) {
      const target = host.readlink(path);
      return addEntry(draft, path, path, stat, LINK_MODE, {
        type: "symlink",
        action: "create",
        because,
        keeps,
        target,
      });
    }
    const real = stat !== undefined && isDirectory(stat.mode) ? stat : undefined;
    const given = givenToDirectory(path, real, true, keeps);
    return addEntry(draft, path, real && path, real, given, {
      type: "directory",
      action: "create",
      because,
      keeps,
    });
  });

  /** Plans what stands at `path` on the host, and all that it brings with it. */
  function place(path: ByteString, manner: Manner, reason: Reason): Entry | undefined {
    if (seen.has(path)) {
      const known = seen.get(path);
      return known && revisit(known, manner, reason);
    }
    const stat = host.lstat(path);
    if (stat === undefined) {
      draft.notes.push(`Source file ${display(path)} does not exist`);
      return undefined;
    }
    seen.set(path, undefined);
    try {
      return isDirectory(stat.mode)
        ? placeDirectory(path, stat, manner, reason)
        : placeLeaf(path, stat, manner, reason);
    } catch (error) {
      return addProblem(draft, "cannot-place", path, describeError(error), `${display(path)}: `);
    }
  }

  function placeLeaf(path: ByteString, stat: Stat, manner: Manner, reason: Reason): Entry | undefined {
    const directory = paths.directory(parentOf(path), { ...manner, of: path });
    const inJail = `${directory}/${lastOf(path)}`;
    const node = paths.at(inJail);
    if (node?.planned !== undefined) {
      seen.set(path, node.planned);
      return revisit(node.planned, manner, reason);
    }
    if (node !== undefined && isDirectory(node.stat.mode)) {
      return addProblem(
        draft,
        "directory-in-the-way",
        path,
        "is a directory in the jail, and none on the host",
      );
    }
    const source = path.includes("/../") && sameAs(inJail, stat) ? inJail : path;
    const action = node === undefined ? "create" : force ? "replace" : "keep";
    const { keeps } = manner;
    const because = [{ section: manner.section, reason }];
    const given = givenToFile(stat, keeps);
    const enter = (kind: Parameters<typeof addEntry>[5]) => {
      const entry = addEntry(draft, inJail, source, stat, given, kind);
      seen.set(path, entry);
      return entry;
    };
    const type = stat.mode & S_IFMT;
    if (type === S_IFREG) {
      const more = manner.reflinkOnly ? { reflinkOnly: true } : undefined;
      const entry = enter({ type: "file", action, because, keeps, ...more });
      addNeeds(entry, source, stat.mode, manner);
      return entry;
    }
    if (type === S_IFLNK) {
      const target = host.readlink(path);
      const entry = enter({ type: "symlink", action, because, keeps, target });
      follow(entry, node, path, manner);
      return entry;
    }
    if (type === S_IFCHR || type === S_IFBLK) {
      // One that is the right one already is left alone even when all is overwritten: it has no content to renew.
      const kept = sameDevice(node, stat) ? "keep" : action;
      return enter({ type: "device", action: kept, because, keeps, device: deviceOf(stat) });
    }
    const what = type === S_IFIFO ? "a FIFO" : "a socket";
    return addProblem(draft, "not-copyable", path, `is ${what}: it cannot be copied into a jail`);
  }

  function placeDirectory(path: ByteString, stat: Stat, manner: Manner, reason: Reason): Entry | undefined {
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

  /** The entry of a directory that is asked for: a new one, one from before, or one that is in the jail already. */
  function directoryEntry(
    path: ByteString,
    stat: Stat | undefined,
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
    const given = givenToDirectory(inJail, stat, false, manner.keeps);
    const action = node === undefined ? "create" : "keep";
    const kind = { type: "directory", action, because, keeps: manner.keeps } as const;
    return addEntry(draft, inJail, stat && path, stat, given, kind);
  }

  function addTree(entry: Entry, path: ByteString, manner: Manner): void {
    const reason = { kind: "tree", from: entry } as const;
    for (const name of host.readdir(path)) place(`${path}/${name}`, manner, reason);
  }

  /** Plans what a link leads to, as the jail sees it. `node` is what stood in its place in the jail. */
  function follow(entry: Entry, node: Node | undefined, path: ByteString, manner: Manner): void {
    const target = entry.target ?? "";
    if (entry.action === "keep" && node !== undefined && node.planned === undefined) {
      if (!isSymlink(node.stat.mode)) {
        addNeeds(entry, path, 0o111, manner);
        return;
      }
      // The administrator made another link of it: where the host's leads is of no use then.
      if (jail.readlink(entry.path) !== target) return;
    }
    const leadsTo = tidy(target.startsWith("/") ? target : `${parentOf(entry.path)}/${target}`);
    place(leadsTo, manner, { kind: "link", from: entry });
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
    if (needs.length === 0) return;
    const { section } = manner;
    const how: Manner = { section, keeps: 0, reflinkOnly: false, examine: false };
    for (const need of needs) {
      const from = need.neededBy === source ? entry : (seen.get(need.neededBy) ?? entry);
      const placed = place(need.path, how, { kind: need.kind, from, name: need.name });
      if (need.kind === "needed" && placed && !DEFAULT_DIRECTORY.test(parentOf(need.path))) {
        addConfiguration(placed, how);
      }
    }
  }

  function addConfiguration(library: Entry, how: Manner): void {
    for (const path of input.configurationFiles()) {
      place(path, how, { kind: "needed", from: library, name: lastOf(path) });
    }
  }

  /** Something planned is asked for again: perhaps by another section, perhaps with more of its attributes. */
  function revisit(entry: Entry, manner: Manner, reason: Reason): Entry {
    const before = entry.because.find((b) => b.section === manner.section);
    // What an entry keeps only ever grows, so that going round in links comes to an end.
    const stronger = (manner.keeps & ~entry.keeps) !== 0;
    if (before !== undefined && before.reason.kind !== "parent" && !stronger) return entry;
    const own: Attribution = { section: manner.section, reason };
    if (before === undefined) entry.because = [...entry.because, own];
    else if (before.reason.kind === "parent") {
      entry.because = entry.because.map((b) => (b === before ? own : b));
    }
    entry.keeps = (entry.keeps | manner.keeps) as Keeps;
    const { source } = entry;
    const stat = source === undefined ? undefined : host.lstat(source);
    if (stat === undefined || source === undefined) return entry;
    strengthen(entry, stat);
    if (entry.type === "directory") {
      if (forbidden(stat) === undefined) addTree(entry, source, manner);
    } else if (entry.type === "symlink") follow(entry, undefined, source, manner);
    else if (entry.type === "file") addNeeds(entry, source, stat.mode, manner);
    return entry;
  }

  function sameAs(path: ByteString, stat: Stat): boolean {
    const other = host.lstat(path);
    return other?.ino === stat.ino && other.devMajor === stat.devMajor && other.devMinor === stat.devMinor;
  }

  function placeWant(want: Want): void {
    const reason: Reason = { kind: "asked", pattern: want.written };
    const keeps = ((want.keepOwner ? KEEP_OWNER : 0) | (want.keepSetuid ? KEEP_SETUID : 0)) as Keeps;
    const manner: Manner = { section: want.section, keeps, reflinkOnly: want.reflinkOnly, examine: true };
    const path = tidy(want.pattern);
    if (!path.startsWith("/")) {
      addProblem(draft, "relative-path", path, "is not an absolute path");
      return;
    }
    if (want.kind === "empty-directory") {
      const stat = host.stat(path);
      // As jailkit 2: one that the host does not have is not wanted on this machine.
      if (stat === undefined || !isDirectory(stat.mode)) {
        draft.notes.push(`Source directory ${display(path)} does not exist`);
        return;
      }
      directoryEntry(path, stat, manner, [{ section: want.section, reason }]);
      draft.satisfied.add(want.section);
      return;
    }
    const stat = host.lstat(path);
    if (want.kind === "device" && (stat === undefined || !isDeviceOrLink(stat.mode))) {
      const what = stat === undefined ? "is not a device of this machine" : "is not a device";
      addProblem(draft, "no-such-device", path, what);
      return;
    }
    const found = stat !== undefined ? [path] : want.glob ? expandGlob(host, path) : [];
    if (found.length > 0) draft.satisfied.add(want.section);
    else draft.notes.push(`Source file ${display(path)} does not exist`);
    for (const each of found) place(each, manner, reason);
  }

  for (const want of input.wants) {
    try {
      placeWant(want);
    } catch (error) {
      addProblem(draft, "cannot-place", want.pattern, describeError(error), `${display(want.pattern)}: `);
    }
  }
  return draft;
}

/** Gives an entry what a second want keeps of the host's owner and special bits. */
function strengthen(entry: Entry, stat: Stat): void {
  if (entry.type === "symlink") return;
  const directory = entry.type === "directory";
  const parent = directory && entry.because.every((b) => b.reason.kind === "parent");
  Object.assign(
    entry,
    directory ? givenToDirectory(entry.path, stat, parent, entry.keeps) : givenToFile(stat, entry.keeps),
  );
}

function isDirectoryNode(node: Node): boolean {
  return node.planned === undefined ? isDirectory(node.stat.mode) : node.planned.type === "directory";
}

function sameDevice(node: Node | undefined, stat: Stat): boolean {
  if (node === undefined || node.planned !== undefined) return false;
  const there = node.stat;
  return (
    (there.mode & S_IFMT) === (stat.mode & S_IFMT) &&
    there.rdevMajor === stat.rdevMajor &&
    there.rdevMinor === stat.rdevMinor
  );
}

function deviceOf(stat: Stat): NonNullable<Entry["device"]> {
  const type = (stat.mode & S_IFMT) === S_IFCHR ? "char" : "block";
  return { type, major: stat.rdevMajor, minor: stat.rdevMinor };
}

function isDeviceOrLink(mode: number): boolean {
  const type = mode & S_IFMT;
  return type === S_IFCHR || type === S_IFBLK || type === S_IFLNK;
}
