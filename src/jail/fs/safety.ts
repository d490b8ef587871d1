import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { close, openAt, readDirectory, type Stat, statIfPresent } from "../../../ffi/files.ts";
import { directoryOf, pathComponents } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { octal } from "../../cli/octal.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { type AclReading, aclAt, removalCommand, showEntries, writersOf } from "../../system/acl.ts";
import { toleratesGroup } from "../../system/exchange.ts";
import {
  type Ancestor,
  type Directory,
  hostPath,
  isDirectory,
  isLink,
  type JailRoot,
  joinPath,
  release,
  walk,
} from "./walk.ts";

/** A rule of safety that something breaks. */
export type SafetyRule =
  | "missing"
  | "link"
  | "owner"
  | "group"
  | "group-writable"
  | "acl-writable"
  | "other-writable"
  | "not-a-directory"
  | "link-through-untrusted"
  | "unreadable";

/** One thing that makes a jail or a directory unsafe. */
export interface Finding {
  /** On the host. */
  path: ByteString;
  rule: SafetyRule;
  /** One printable line: the path, what is wrong, the mode or owner that it has. */
  message: ByteString;
  /** The command that mends it, fit for a shell. */
  remedy: ByteString;
}

// What programs are loaded from, or what decides who a user is: a name in them must mean what root wants.
const STRICT: readonly ByteString[] = ["dev", "etc", "usr", "bin", "sbin", "opt"];
const isStrict = (name: ByteString) => STRICT.includes(name) || name.startsWith("lib");

// A file of such a name is in the way of a directory that programs look into.
const DIRECTORIES = /^(?:dev|etc|lib|usr|bin|sbin|opt)$/;

// Looked for one by one where the jail may be entered but not listed.
const USUAL =
  "dev etc lib lib32 lib64 libx32 usr bin sbin opt home var tmp root srv run proc sys mnt media boot".split(
    " ",
  );

function finding(path: ByteString, rule: SafetyRule, what: string, remedy: string): Finding {
  return { path, rule, message: `${display(path)} ${what}`, remedy: `${remedy} ${shellWord(path)}` };
}

function ownerFinding(path: ByteString, stat: Stat): Finding[] {
  return stat.uid === 0
    ? []
    : [finding(path, "owner", `belongs to uid ${stat.uid}, not to root`, "chown root")];
}

/** One command for both where both may write. */
function closing(stat: Stat, alone: string): string {
  return (stat.mode & 0o022) === 0o022 ? "chmod go-w" : alone;
}

function groupWriteFinding(path: ByteString, stat: Stat): Finding {
  const what = `is writable by its group (gid ${stat.gid}, mode ${octal(stat.mode)})`;
  return finding(path, "group-writable", what, closing(stat, "chmod g-w"));
}

function otherWriteFinding(path: ByteString, stat: Stat): Finding {
  const what = `is writable by everyone (mode ${octal(stat.mode)})`;
  return finding(path, "other-writable", what, closing(stat, "chmod o-w"));
}

/**
 * Where group 0 may write: whom else the ACL lets write, of which the group's bits show only the mask. What cannot be
 * told counts as that group's, which is not tolerated then.
 */
function aclFindings(path: ByteString, stat: Stat, acl: AclReading): Finding[] {
  if (acl === "unknown") return [groupWriteFinding(path, stat)];
  const writers = writersOf(acl);
  if (writers.length === 0) return [];
  const what = `is writable by others than root through its ACL (${showEntries(writers)})`;
  return [finding(path, "acl-writable", what, removalCommand(writers))];
}

/** Root's alone: what the jail itself and the strict directories in it must be. */
function strictFindings(path: ByteString, stat: Stat): Finding[] {
  const findings = ownerFinding(path, stat);
  if (stat.mode & 0o020) findings.push(groupWriteFinding(path, stat));
  if (stat.mode & 0o002) findings.push(otherWriteFinding(path, stat));
  return findings;
}

/**
 * Any owner. What is a user's is that user's to share, as at any time a chmod would: nothing in it counts. In a
 * directory of root's, those who can write must not be able to take each other's files away.
 */
function looseFindings(path: ByteString, stat: Stat): Finding[] {
  if (stat.uid !== 0) return [];
  if (stat.mode & C.S_ISVTX) return [];
  const findings: Finding[] = [];
  if (stat.mode & 0o020) findings.push(groupWriteFinding(path, stat));
  if (stat.mode & 0o002) findings.push(otherWriteFinding(path, stat));
  return findings;
}

/** What is above the jail: whoever can rename the jail can put another in its place. */
function parentFindings({ path, stat, acl }: Ancestor): Finding[] {
  const findings = ownerFinding(path, stat);
  if (stat.mode & 0o020 && stat.gid !== 0) findings.push(groupWriteFinding(path, stat));
  if (toleratesGroup(stat)) findings.push(...aclFindings(path, stat, acl));
  if (stat.mode & 0o002 && !(stat.mode & C.S_ISVTX)) findings.push(otherWriteFinding(path, stat));
  return findings;
}

/** The names in the jail's root that are or may be directories. */
function topLevel(root: JailRoot): ByteString[] {
  let fd: number;
  try {
    fd = openAt(root.fd, ".", C.O_RDONLY | C.O_DIRECTORY);
  } catch (error) {
    if (isErrno(error, "EACCES")) return USUAL;
    throw error;
  }
  try {
    const names: ByteString[] = [];
    for (const { name, type } of readDirectory(fd))
      if (type === C.DT_DIR || type === C.DT_UNKNOWN || type === C.DT_LNK || isStrict(name)) names.push(name);
    return names.sort();
  } finally {
    close(fd);
  }
}

/** Judges a link by the directory that it leads to as the jail sees it. */
function linkFindings(root: JailRoot, name: ByteString, strict: boolean): Finding[] {
  const path = hostPath(root, name);
  let dangling: { trusted: boolean } | undefined;
  try {
    const directory = walk(root, name, (parent) => {
      dangling = parent;
      throw new SystemError(C.ENOENT, "open", undefined);
    });
    release(directory);
    const target = hostPath(root, directory.path);
    if (!strict) return looseFindings(target, directory.stat);
    const findings = strictFindings(target, directory.stat);
    if (findings.length > 0 || directory.trusted) return findings;
    const what = `leads to ${display(target)}, below a directory that users can write`;
    return [finding(path, "link-through-untrusted", what, "rm")];
  } catch (error) {
    if (error instanceof JailkitError && error.code === "link-in-untrusted-directory") {
      const what = `leads through another link that users can change (${error.message})`;
      return [finding(path, "link-through-untrusted", what, "rm")];
    }
    if (dangling !== undefined) {
      // Harmless while only root can make what it leads to.
      if (!strict || dangling.trusted) return [];
      const what = "is a dangling link to where users can make what it leads to";
      return [finding(path, "link-through-untrusted", what, "rm")];
    }
    if (isErrno(error, "ENOTDIR")) {
      return strict ? [finding(path, "not-a-directory", "leads to what is not a directory", "rm")] : [];
    }
    return [finding(path, "unreadable", `cannot be followed (${describeError(error)})`, "ls -ld")];
  }
}

/**
 * What lets others exchange a directory or the names in it: the part of jailFindings that looks at it and at the
 * directories above, and not at what is in it.
 */
export function directoryFindings(root: JailRoot): Finding[] {
  const findings: Finding[] = [];
  for (const one of root.ancestors) findings.push(...parentFindings(one));
  findings.push(...strictFindings(root.path, root.top.stat));
  return findings;
}

/** Opens the directory at `path` of a tree, or where it is missing the nearest one above. Hand it to release. */
export function nearestDirectory(root: JailRoot, path: ByteString): Directory {
  for (let at = path; ; at = directoryOf(at)) {
    try {
      return walk(root, at);
    } catch (error) {
      if (!isErrno(error, "ENOENT")) throw error;
    }
  }
}

/**
 * Why others than root could exchange a name in the directory at `path` of a tree, or one above it: it belongs to
 * somebody else, or others can write it and it is not sticky. Where it is missing, the nearest one above counts.
 */
export function exchangeFindings(root: JailRoot, path: ByteString): Finding[] {
  const found = (one: Ancestor) =>
    one.stat.mode & C.S_ISVTX ? ownerFinding(one.path, one.stat) : parentFindings(one);
  const findings = root.ancestors.flatMap(found);
  const directory = nearestDirectory(root, path);
  const parts = pathComponents(directory.path);
  release(directory);
  for (let count = 0; count <= parts.length; count++) {
    const one = walk(root, parts.slice(0, count).join("/"));
    const acl = toleratesGroup(one.stat) ? aclAt(one.fd, ".") : "none";
    findings.push(...found({ path: hostPath(root, one.path), stat: one.stat, acl }));
    release(one);
  }
  return findings;
}

/**
 * What makes a jail unsafe; empty where it is safe. The rule, the same for all tools: the directories above the jail
 * belong to root, writable by others only with the sticky bit, by a group only if that is gid 0, and by nobody whom
 * an ACL names. The jail, and in it dev, etc, lib*, usr, bin, sbin and opt, belong to root and are writable by nobody
 * else. Other directories in the jail's root are writable by group or others only with the sticky bit. A link stands
 * for the directory that it leads to as the jail sees it. Deeper directories and the setgid bit do not matter. Works
 * with a user's own rights too, even where the jail cannot be listed. Throws SystemError.
 */
export function jailFindings(root: JailRoot): Finding[] {
  const findings = directoryFindings(root);
  for (const name of topLevel(root)) {
    const stat = statIfPresent(root.fd, name);
    if (stat === undefined) continue;
    const strict = isStrict(name);
    const path = hostPath(root, joinPath("/", name));
    if (isLink(stat)) findings.push(...linkFindings(root, name, strict));
    else if (isDirectory(stat))
      findings.push(...(strict ? strictFindings(path, stat) : looseFindings(path, stat)));
    else if (DIRECTORIES.test(name)) {
      const found = finding(path, "not-a-directory", "is not a directory", "mv -nT");
      findings.push({ ...found, remedy: `${found.remedy} ${shellWord(hostPath(root, `/not-${name}`))}` });
    }
  }
  // Where a directory on the way is at fault, so is each link through it; nobody is to remove those.
  const causes = findings.filter(({ rule }) => rule !== "link-through-untrusted");
  return (causes.length > 0 ? causes : findings).map(namingWriters);
}

/** The bits of the group are the mask of an ACL, where there is one: then the message says whom that lets write. */
function namingWriters(found: Finding): Finding {
  if (found.rule !== "group-writable") return found;
  const writers = writersOf(aclAt(C.AT_FDCWD, found.path));
  if (writers.length === 0) return found;
  const what = `is writable by others than root through its ACL (${showEntries(writers)})`;
  return { ...found, message: `${display(found.path)} ${what}` };
}

/** Throws JailkitError "unsafe-jail" with the first finding, its remedy and the number of others. */
export function requireSafeJail(root: JailRoot, exitStatus: number): void {
  const findings = jailFindings(root);
  const first = findings[0];
  if (first === undefined) return;
  const others = findings.length > 1 ? ` (and ${findings.length - 1} more, see: jk_check)` : "";
  const message = `${display(root.path)}: not a safe jail: ${first.message}; fix it with: ${first.remedy}${others}`;
  throw new JailkitError("unsafe-jail", exitStatus, message);
}

/**
 * What is wrong with a directory of config files, which must be root's own, gid 0 too, and no link. Writable by gid
 * 0, and by nobody whom an ACL names, is `tolerated`: worth a warning. Throws SystemError where it cannot be examined.
 */
export function configDirectoryFindings(path: ByteString): (Finding & { tolerated: boolean })[] {
  const grave = (found: Finding) => ({ ...found, tolerated: false });
  const stat = statIfPresent(C.AT_FDCWD, path);
  if (stat === undefined) {
    return [grave(finding(path, "missing", "does not exist", "install -d -o root -g root -m 0755"))];
  }
  if (isLink(stat)) {
    // A directory with the same files, which stay where they are; the link is kept beside it.
    const [word, kept] = [shellWord(path), shellWord(`${path}.link`)];
    const found = finding(path, "link", "is a symbolic link", "mv -nT");
    return [grave({ ...found, remedy: `mv -nT ${word} ${kept} && cp -rL ${kept}/ ${word}` })];
  }
  const findings: ReturnType<typeof grave>[] = [];
  for (const found of ownerFinding(path, stat)) findings.push(grave(found));
  if (stat.gid !== 0) {
    findings.push(grave(finding(path, "group", `has gid ${stat.gid}, not 0`, "chgrp 0")));
  }
  if (stat.mode & 0o002) findings.push(grave(otherWriteFinding(path, stat)));
  if (stat.mode & 0o020) {
    const named = stat.gid === 0 ? aclFindings(path, stat, aclAt(C.AT_FDCWD, path)) : [];
    findings.push(...named.map(grave));
    if (named.length === 0) findings.push({ ...groupWriteFinding(path, stat), tolerated: stat.gid === 0 });
  }
  return findings;
}
