import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFMT, S_IFREG } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import type { Dependency, Reason } from "../entry.ts";
import { absolutePath, type FileSystem, isSymlink, sameFile, tidy } from "../file-system.ts";
import type { LeftOut } from "./draft.ts";
import { addProblem, type Draft } from "./draft.ts";
import type { Ground } from "./ground.ts";
import { leftThere, sortNeeds } from "./untrusted.ts";

const MOST_LINKS = 40;
const MOST_SHOWN = 8;

/** True for what the administrator named, or what led to it from there; not for what was found in a directory. */
export function isNamed(reason: Reason): boolean {
  return reason.kind !== "tree" && !(reason.kind === "asked" && reason.matched === true);
}

/** The directory that was asked for, of which an entry that came with it is a part; else what it is itself. */
export function treeOf(path: ByteString, reason: Reason): ByteString {
  let tree = path;
  for (let at: Reason | undefined = reason, steps = 0; at?.kind === "tree" && steps < 4096; steps++) {
    tree = at.from.source ?? at.from.path;
    at = at.from.because[0]?.reason;
  }
  return tree;
}

/**
 * True for what is not taken out of a directory that others than root can write: it is noted in the plan, and a device
 * that was `named` is an error. See leftThere.
 */
export function leave(
  draft: Draft,
  ground: Ground,
  stat: BasicStat,
  { inJail, ...where }: Omit<LeftOut, "kind"> & { readonly inJail: ByteString },
  named: boolean,
): boolean {
  const { path } = where;
  const kind = leftThere(ground.stat, stat, named);
  if (kind === undefined) return false;
  draft.leftOut.set(path, kind === "device" ? { ...where, kind, inJail, stat } : { ...where, kind });
  if (named) {
    const what = "is a device in a directory that others than root can write: name the one in /dev";
    addProblem(draft, "untrusted-source", path, what);
  } else {
    // It may be named later.
    draft.seen.delete(path);
  }
  return true;
}

/** What telling of what is left out looks at. */
export interface TellInput {
  readonly host: FileSystem;
  readonly grounds: (directory: ByteString) => Ground;
  readonly jailPath: ByteString;
  readonly dependencies: (path: ByteString) => readonly Dependency[];
  /** Whether something stands, or will stand, at a path of the jail. */
  readonly reaches: (path: ByteString) => boolean;
  /** Why a directory is never copied whole. */
  readonly forbidden: (stat: BasicStat) => string | undefined;
}

/** What one tree leaves out: what it is, and the commands that bring it in. */
interface Account {
  /** The tree is a single file or link. */
  readonly single: boolean;
  readonly lacked: Set<ByteString>;
  /** What jk_cp is to be given. */
  readonly offered: Set<ByteString>;
  readonly devices: (LeftOut & { kind: "device" })[];
  /** No command is told for some of it. */
  partly: boolean;
}

/**
 * One printable line for each tree of which the jail lacks something, with the command that brings it in, and one
 * line for each single thing.
 */
export function tellLeftOut(
  input: TellInput,
  leftOut: Iterable<LeftOut>,
): { warnings: string[]; notes: string[] } {
  const accounts = new Map<ByteString, Account>();
  const notes: string[] = [];
  for (const each of leftOut) {
    const account = accounts.get(each.tree) ?? newAccount(each);
    accounts.set(each.tree, account);
    for (const path of looked(() => lackedFor(input, each, account))) {
      if (!account.lacked.has(path)) notes.push(`${quoted(path)} is left out: ${because(each)}`);
      account.lacked.add(path);
    }
  }
  const warnings = [...accounts].flatMap(([tree, account]) =>
    account.lacked.size === 0 ? [] : [warning(input.jailPath, tree, account)],
  );
  return { warnings, notes };
}

/** Whoever can change the tree may do so while it is looked at: that is no error. */
function looked(look: () => ByteString[]): ByteString[] {
  try {
    return look();
  } catch (error) {
    if (error instanceof SystemError || error instanceof JailkitError) return [];
    throw error;
  }
}

const newAccount = ({ tree, path }: LeftOut): Account => {
  return { single: tree === path, lacked: new Set(), offered: new Set(), devices: [], partly: false };
};

/** What the jail lacks for one thing that was left out; what is to be typed for it goes into `account`. */
function lackedFor(input: TellInput, left: LeftOut, account: Account): ByteString[] {
  const { host, reaches } = input;
  switch (left.kind) {
    case "private":
      if (reaches(left.path)) return [];
      account.partly = true;
      return [left.path];
    case "device":
      if (reaches(left.inJail)) return [];
      if (isHarmless(left.stat)) account.devices.push(left);
      else account.partly = true;
      return [left.path];
    case "link": {
      if (reaches(left.target)) return [];
      const path = beyondLinks(input, left.target);
      const stat = path === undefined ? undefined : host.stat(path);
      // What cannot be copied is no loss, and jk_cp would refuse it.
      if (path === undefined || stat === undefined || !isCopyable(input, stat)) return [];
      offer(account, path, isOffered(stat) && absolutePath(path) === path);
      return [path];
    }
    case "program":
      return lackedByProgram(input, left, account);
  }
}

function lackedByProgram(
  input: TellInput,
  { path: program, named }: LeftOut & { kind: "program" },
  account: Account,
): ByteString[] {
  let needs: readonly Dependency[];
  try {
    needs = input.dependencies(program);
  } catch {
    // Nobody asked for this file: that it makes no sense is its owner's affair.
    return [];
  }
  const { allowed, refused } = sortNeeds(input.host, input.grounds, needs);
  const lacks = ({ path }: Dependency) => !input.reaches(path);
  const libraries = named ? [] : allowed.filter(lacks);
  // One program that is named brings the libraries of others too.
  if (libraries.some(({ path }) => !account.lacked.has(path))) account.offered.add(program);
  const direct = refused.filter(({ neededBy }) => neededBy === program || !isRefused(refused, neededBy));
  const others = direct.filter(lacks);
  for (const { path } of others) {
    const stat = input.host.stat(path);
    offer(account, path, stat !== undefined && isOffered(stat));
  }
  return [...libraries, ...others].map(({ path }) => path);
}

function offer(account: Account, path: ByteString, offered: boolean): void {
  if (offered) account.offered.add(path);
  else account.partly = true;
}

const isRefused = (refused: readonly Dependency[], path: ByteString) =>
  refused.some((need) => need.path === path);

function isCopyable({ forbidden }: TellInput, stat: BasicStat): boolean {
  const type = stat.mode & S_IFMT;
  if (type === S_IFDIR) return forbidden(stat) === undefined;
  return type === S_IFREG || type === S_IFCHR || type === S_IFBLK;
}

// null, zero, full, random, urandom; tty, ptmx
const HARMLESS = /^(?:1:[35789]|5:[02])$/;

/** A disk or the memory of the machine is offered to no jail: whoever has the directory has chosen it, and its mode. */
function isHarmless({ mode, rdevMajor, rdevMinor }: BasicStat): boolean {
  return (mode & S_IFMT) === S_IFCHR && HARMLESS.test(`${rdevMajor}:${rdevMinor}`);
}

/** What everybody may read is offered: a link of somebody's must not make the administrator give away more. */
function isOffered(stat: BasicStat): boolean {
  const type = stat.mode & S_IFMT;
  return (type === S_IFREG || type === S_IFDIR) && (stat.mode & 0o004) !== 0;
}

/** Where a path leads past links that others than root can change; what is root's stays as it is written. */
function beyondLinks({ host, grounds }: TellInput, path: ByteString): ByteString | undefined {
  let at = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const next = firstLink(host, grounds, at);
    if (next === undefined) return withoutDots(host, at);
    at = next;
  }
  return undefined;
}

/** As jk_cp takes what is typed; as it is where that would lead elsewhere. */
function withoutDots(host: FileSystem, path: ByteString): ByteString {
  const plain = absolutePath(path);
  const stat = host.stat(path);
  return stat !== undefined && sameFile(host.stat(plain), stat) ? plain : path;
}

function firstLink(
  host: FileSystem,
  grounds: (directory: ByteString) => Ground,
  path: ByteString,
): ByteString | undefined {
  for (let end = path.indexOf("/", 1); ; end = path.indexOf("/", end + 1)) {
    const at = end < 0 ? path : path.slice(0, end);
    const stat = host.lstat(at);
    if (stat === undefined) return undefined;
    if (isSymlink(stat.mode) && grounds(parentOf(at)).others) {
      const target = host.readlink(at);
      const rest = end < 0 ? "" : path.slice(end);
      return tidy(`${target.startsWith("/") ? target : `${parentOf(at)}/${target}`}${rest}`);
    }
    if (end < 0) return undefined;
  }
}

function because(left: LeftOut): string {
  switch (left.kind) {
    case "link":
      return `a link that others than root can change, ${quoted(left.path)}, leads to it`;
    case "program":
      return `a program or script that others than root can change, ${quoted(left.path)}, needs it`;
    case "device":
      return "it is a device in a directory that others than root can write";
    case "private":
      return "it is in a directory of others than root, who may not read it";
  }
}

function warning(jail: ByteString, tree: ByteString, account: Account): string {
  const { single, lacked, offered, devices, partly } = account;
  const shown = [...lacked].slice(0, MOST_SHOWN).map((path) => quoted(path));
  const more = lacked.size > MOST_SHOWN ? ` and ${lacked.size - MOST_SHOWN} more (-v lists them)` : "";
  const commands: string[] = [];
  if (offered.size > 0) {
    const paths = [...offered].slice(0, MOST_SHOWN);
    commands.push(`jk_cp -j ${shellWord(jail)} ${operands(...paths)}`);
  }
  for (const { inJail, stat } of devices.slice(0, MOST_SHOWN)) commands.push(mknod(jail + inJail, stat));
  const what = partly ? "what everybody may have of it" : "it";
  const remedy =
    commands.length > 0
      ? `if the jail is to have ${what}, run: ${commands.join("; ")}`
      : "name it to jk_cp if the jail is to have it";
  const where = single ? quoted(tree) : `what is in ${quoted(tree)}`;
  return `others than root can change ${where}, so what they named or put there is left out: ${shown.join(", ")}${more}; ${remedy}`;
}

function mknod(path: ByteString, { mode, rdevMajor, rdevMinor }: BasicStat): string {
  const type = (mode & S_IFMT) === S_IFCHR ? "c" : "b";
  const bits = octal(mode & 0o777);
  return `mknod -m ${bits} ${shellWord(path)} ${type} ${rdevMajor} ${rdevMinor}`;
}
