import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { MOST_LINKS, S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { normalPath } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { isLink } from "../../jail/fs/walk.ts";
import type { Dependency } from "../../libraries/dependency.ts";
import { type FileSystem, linkTarget, sameFile } from "../file-system.ts";
import { addProblem, type Draft, type LeftOut, type PlanContext } from "./draft.ts";
import { leftThere, sortNeeds } from "./untrusted.ts";

const MOST_SHOWN = 8;

/**
 * True for a file that is not copied from a directory that users other than root can write; see leftThere. The draft
 * gets a note of it, and an error for a device that was `named`.
 */
export function leave(
  draft: Draft,
  directory: BasicStat | undefined,
  stat: BasicStat,
  { inJail, ...where }: Omit<LeftOut, "kind"> & { readonly inJail: ByteString },
  named: boolean,
): boolean {
  const { path } = where;
  const kind = leftThere(directory, stat, named);
  if (kind === undefined) return false;
  draft.leftOut.set(path, kind === "device" ? { ...where, kind, inJail, stat } : { ...where, kind });
  if (named) {
    const what = "is a device in a directory that users other than root can write: name the one in /dev";
    addProblem(draft, "untrusted-source", path, what);
  } else {
    // A later want may name it.
    draft.seen.delete(path);
  }
  return true;
}

interface LeftOutContext extends PlanContext {
  /** True if a path of the jail leads to something that is or will be there. */
  readonly reaches: (path: ByteString) => boolean;
}

/** The files of one tree that the jail lacks, and the commands that add them. */
interface TreeLack {
  /** The tree is a single file or symbolic link. */
  readonly single: boolean;
  readonly lacked: Set<ByteString>;
  /** The operands for jk_cp. */
  readonly offered: Set<ByteString>;
  readonly devices: (LeftOut & { kind: "device" })[];
  /** Some files have no such command. */
  partly: boolean;
}

/** Adds to a plan a warning for each tree of which files were left out, with the remedy, and a note for each file. */
export function describeLeftOut(context: LeftOutContext): void {
  const { leftOut, notes, warnings } = context.draft;
  const lacks = new Map<ByteString, TreeLack>();
  for (const each of leftOut.values()) {
    const lack = lacks.get(each.tree) ?? newLack(each);
    lacks.set(each.tree, lack);
    // A user may change the tree meanwhile: that is not an error.
    for (const path of answered(() => lackedFor(context, each, lack)) ?? []) {
      if (!lack.lacked.has(path)) notes.push(`${quoted(path)} is left out: ${because(each)}`);
      lack.lacked.add(path);
    }
  }
  for (const [tree, lack] of lacks)
    if (lack.lacked.size > 0) warnings.push(warning(context.jailPath, tree, lack));
}

function newLack({ tree, path }: LeftOut): TreeLack {
  return { single: tree === path, lacked: new Set(), offered: new Set(), devices: [], partly: false };
}

/** The paths that the jail lacks because one file was left out; the commands that add them go into `lack`. */
function lackedFor(context: LeftOutContext, left: LeftOut, lack: TreeLack): ByteString[] {
  const { host, reaches } = context;
  switch (left.kind) {
    case "private":
      if (reaches(left.path)) return [];
      lack.partly = true;
      return [left.path];
    case "device":
      if (reaches(left.inJail)) return [];
      if (isHarmless(left.stat)) lack.devices.push(left);
      else lack.partly = true;
      return [left.path];
    case "link": {
      if (reaches(left.target)) return [];
      const path = beyondLinks(context, left.target);
      const stat = path === undefined ? undefined : host.stat(path);
      // jk_cp would refuse a file that cannot be copied.
      if (path === undefined || stat === undefined || !isCopyable(context, stat)) return [];
      offer(lack, path, isOffered(stat) && normalPath(path) === path);
      return [path];
    }
    case "program":
      return lackedByProgram(context, left, lack);
  }
}

function lackedByProgram(
  context: LeftOutContext,
  { path: program, named }: LeftOut & { kind: "program" },
  lack: TreeLack,
): ByteString[] {
  let needs: readonly Dependency[];
  try {
    needs = context.loader.dependencies(program);
  } catch {
    // Nobody requested this file, so an invalid one is not a problem.
    return [];
  }
  const { allowed, refused } = sortNeeds(context, needs);
  const lacks = ({ path }: Dependency) => !context.reaches(path);
  const libraries = named ? [] : allowed.filter(lacks);
  // One program as an operand adds the libraries of others too.
  if (libraries.some(({ path }) => !lack.lacked.has(path))) lack.offered.add(program);
  const isRefused = (path: ByteString) => refused.some((need) => need.path === path);
  const direct = refused.filter(({ neededBy }) => neededBy === program || !isRefused(neededBy));
  const others = direct.filter(lacks);
  for (const { path } of others) {
    const stat = context.host.stat(path);
    offer(lack, path, stat !== undefined && isOffered(stat));
  }
  return [...libraries, ...others].map(({ path }) => path);
}

function offer(lack: TreeLack, path: ByteString, offered: boolean): void {
  if (offered) lack.offered.add(path);
  else lack.partly = true;
}

function isCopyable({ forbidden }: LeftOutContext, stat: BasicStat): boolean {
  const type = stat.mode & S_IFMT;
  if (type === S_IFDIR) return forbidden(stat) === undefined;
  return type === S_IFREG || type === S_IFCHR || type === S_IFBLK;
}

// null, zero, full, random, urandom; tty, ptmx
const HARMLESS = /^(?:1:[35789]|5:[02])$/;

/** False for disks and memory, which are never offered: the owner of the directory chose the device and its mode. */
function isHarmless({ mode, rdevMajor, rdevMinor }: BasicStat): boolean {
  return (mode & S_IFMT) === S_IFCHR && HARMLESS.test(`${rdevMajor}:${rdevMinor}`);
}

/** True if everybody may read it: a user's link must not make the administrator give away more. */
function isOffered(stat: BasicStat): boolean {
  const type = stat.mode & S_IFMT;
  return (type === S_IFREG || type === S_IFDIR) && (stat.mode & 0o004) !== 0;
}

/** A path after symbolic links that users other than root can change are resolved; links of root stay. */
function beyondLinks(context: LeftOutContext, path: ByteString): ByteString | undefined {
  let at = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const next = firstLink(context, at);
    if (next === undefined) return withoutDots(context.host, at);
    at = next;
  }
  return undefined;
}

/** The path as jk_cp reads an operand; unchanged if that would lead elsewhere. */
function withoutDots(host: FileSystem, path: ByteString): ByteString {
  const plain = normalPath(path);
  const stat = host.stat(path);
  return stat !== undefined && sameFile(host.stat(plain), stat) ? plain : path;
}

function firstLink({ host, trust }: LeftOutContext, path: ByteString): ByteString | undefined {
  for (let end = path.indexOf("/", 1); ; end = path.indexOf("/", end + 1)) {
    const at = end < 0 ? path : path.slice(0, end);
    const stat = host.lstat(at);
    if (stat === undefined) return undefined;
    if (isLink(stat) && trust.othersName(at)) {
      const rest = end < 0 ? "" : path.slice(end);
      return linkTarget(at, `${host.readlink(at)}${rest}`);
    }
    if (end < 0) return undefined;
  }
}

const because = ({ kind, path }: LeftOut): string =>
  ({
    link: `the symbolic link ${quoted(path)}, which users other than root can change, leads to it`,
    program: `the program or script ${quoted(path)}, which users other than root can change, needs it`,
    device: "it is a device in a directory that users other than root can write",
    private: "it is in a directory of users other than root, who may not read it",
  })[kind];

function warning(jail: ByteString, tree: ByteString, lack: TreeLack): string {
  const { single, lacked, offered, devices, partly } = lack;
  const shown = [...lacked].slice(0, MOST_SHOWN).map((path) => quoted(path));
  const more = lacked.size > MOST_SHOWN ? ` and ${lacked.size - MOST_SHOWN} more (-v lists them)` : "";
  const paths = [...offered].slice(0, MOST_SHOWN);
  const commands = paths.length > 0 ? [`jk_cp -j ${shellWord(jail)} ${operands(...paths)}`] : [];
  for (const { inJail, stat } of devices.slice(0, MOST_SHOWN)) commands.push(mknod(jail + inJail, stat));
  const what = partly ? "what everybody may read of it" : "it";
  const remedy =
    commands.length > 0
      ? `to add ${what}, run: ${commands.join("; ")}`
      : "to add it, name it to jk_cp (a device by its path in /dev)";
  const where = single ? quoted(tree) : `files in ${quoted(tree)}`;
  return `users other than root can change ${where}, so what they named or put there is left out: ${shown.join(", ")}${more}; ${remedy}`;
}

/** For a harmless device: see isHarmless. */
function mknod(path: ByteString, { mode, rdevMajor, rdevMinor }: BasicStat): string {
  const bits = octal(mode & 0o777);
  return `mknod -m ${bits} ${shellWord(path)} c ${rdevMajor} ${rdevMinor}`;
}
