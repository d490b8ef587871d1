import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno, SystemError } from "../../../ffi/error.ts";
import { openAt, readDirectory, statIfPresent, withFd } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { inWords, type Remedy, typed, withAdvice } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { aclAt, writersOf } from "../../system/acl.ts";
import { freeName, freeNumbered } from "../../system/free-name.ts";
import { accountFileFindings } from "./account-file-safety.ts";
import { type Place, sparingHomes, sparingHomesInside } from "./elsewhere.ts";
import type { Finding } from "./finding.ts";
import { isIn } from "./look.ts";
import { namesIn } from "./names.ts";
import { nearest } from "./nearest.ts";
import { whyNoJail } from "./no-jails.ts";
import { isOfKernel, isStrict } from "./strict.ts";
import {
  type Ancestor,
  ancestorAt,
  type Directory,
  hostPath,
  isDirectory,
  isLink,
  type JailRoot,
  joinPath,
  onSameMount,
  release,
  walk,
  withDirectory,
} from "./walk.ts";
import {
  aclFindings,
  finding,
  groupWriteFinding,
  otherWriteFinding,
  ownerFinding,
  parentFindings,
  strictFindings,
  throughAcl,
} from "./write-findings.ts";

export type { Finding, SafetyRule } from "./finding.ts";

// Programs expect directories of these names.
const DIRECTORIES = /^(?:dev|etc|lib|usr|bin|sbin|opt)$/;

// For a jail that may be entered but not listed.
const USUAL = "dev etc lib lib32 lib64 libx32 usr bin sbin opt root run proc sys".split(" ");

/** The names in the jail's root directory that only root may change. */
function topLevel(root: JailRoot): ByteString[] {
  let fd: number;
  try {
    fd = openAt(root.fd, ".", C.O_RDONLY | C.O_DIRECTORY);
  } catch (error) {
    if (isErrno(error, "EACCES")) return USUAL;
    throw error;
  }
  const names: ByteString[] = [];
  for (const { name } of withFd(fd, readDirectory)) if (isStrict(name)) names.push(name);
  return names.sort();
}

/** Judges a symbolic link in the place of a strict directory by its target, as the jail sees it. */
function linkFindings(root: JailRoot, name: ByteString): Finding[] {
  const path = hostPath(root, name);
  const untrusted = (what: string) => [finding(path, "link-through-untrusted", what, "rm")];
  let dangling: { trusted: boolean } | undefined;
  try {
    const directory = walk(root, name, (parent) => {
      dangling = parent;
      throw new SystemError(C.ENOENT, "open", undefined);
    });
    release(directory);
    const target = hostPath(root, directory.path);
    const findings = strictFindings(target, directory.stat);
    if (findings.length > 0 || directory.trusted) return findings;
    return untrusted(`leads to ${display(target)}, below a directory that users can write`);
  } catch (error) {
    if (error instanceof JailkitError && error.code === "link-in-untrusted-directory")
      return untrusted(`leads through another symbolic link that users can change (${error.message})`);
    if (dangling !== undefined) {
      // Harmless while only root can create the target.
      if (dangling.trusted) return [];
      return untrusted("is a dangling symbolic link, and users can create its target");
    }
    if (isErrno(error, "ENOTDIR"))
      return [finding(path, "not-a-directory", "does not lead to a directory", "rm")];
    return [finding(path, "unreadable", `cannot be followed (${describeError(error)})`, "ls -ld")];
  }
}

/**
 * The part of jailFindings about the jail's directory and those above it: can users exchange it or names in it? `place`:
 * what must leave the home of a user, if that is not the directory.
 */
export function directoryFindings(root: JailRoot, place: Place = placeOf(root)): Finding[] {
  const findings: Finding[] = [];
  for (const one of root.ancestors) findings.push(...parentFindings(one));
  findings.push(...strictFindings(root.path, root.top.stat));
  return findings.length === 0 ? findings : sparingHomes(findings, place);
}

const placeOf = ({ path, top }: JailRoot): Place => ({ path, stat: top.stat });

/**
 * True if only root can change the names in the directory at `path` of a tree or, if it is missing, create it. Throws
 * JailkitError "link-in-untrusted-directory", SystemError if something else is in its place.
 */
export function onlyRootDecides(root: JailRoot, path: ByteString): boolean {
  let above: Directory | undefined;
  try {
    const directory = walk(root, path, (parent) => {
      above = parent;
      throw new SystemError(C.ENOENT, "open", undefined);
    });
    release(directory);
    return directory.trusted;
  } catch (error) {
    if (above !== undefined) return above.trusted;
    throw error;
  }
}

/** Who could create `missing` in a sticky directory before root does: it would stay theirs. */
function creatorFindings(root: JailRoot, { path, stat, fd }: Directory, missing: ByteString): Finding[] {
  const [at, first] = [hostPath(root, path), hostPath(root, missing)];
  const ofGroup = () =>
    stat.gid === 0 ? aclFindings(at, stat, aclAt(fd, ".")) : [groupWriteFinding(at, stat)];
  const findings = (stat.mode & 0o020) === 0 ? [] : ofGroup();
  if (stat.mode & 0o002) findings.push(otherWriteFinding(at, stat));
  const advice: Remedy = `mkdir -m 0755 ${shellWord(first)}`;
  const why = `, and others could create ${display(first)} first`;
  return findings.map((found) => ({ ...found, message: found.message + why, advice }));
}

/**
 * Why users other than root could exchange a name in the directory at `path` of a tree, or in one above it: it belongs to
 * another user, or others can write it and it is not sticky. If it is missing, the nearest one above counts, which others
 * must not write at all: who creates the missing one first owns it. `jail`: the one that must leave the home of a user.
 */
export function exchangeFindings(
  root: JailRoot,
  path: ByteString,
  jail: Place | undefined = root.isJail ? placeOf(root) : undefined,
): Finding[] {
  const found = (one: Ancestor) =>
    one.stat.mode & C.S_ISVTX ? ownerFinding(one.path, one.stat) : parentFindings(one);
  const findings = root.ancestors.flatMap(found);
  const { directory, missing } = nearest(root, path);
  release(directory);
  const parts = pathComponents(directory.path);
  for (let count = 0; count <= parts.length; count++) {
    withDirectory(root, parts.slice(0, count).join("/"), (one) => {
      findings.push(...found(ancestorAt(hostPath(root, one.path), one)));
      if (missing !== undefined && count === parts.length && one.stat.mode & C.S_ISVTX)
        findings.push(...creatorFindings(root, one, missing));
    });
  }
  return jail === undefined ? findings : sparingHomes(findings, jail);
}

/**
 * The reasons why a jail is unsafe; empty if it is safe. All tools use this rule. The directories above the jail belong to
 * root; others may write them only with the sticky bit, a group only if it is gid 0, and nobody whom an ACL names. The
 * jail, and in it dev, etc, lib*, usr, bin, sbin, opt, run and root, belong to root, and nobody else may write them; the
 * same holds for proc and sys, unless something is mounted there. etc/passwd and etc/group, which decide on logins, belong to
 * root, and nobody else may write them but a group with gid 0. A symbolic link counts as its target, as the jail sees it.
 * Other directories in the jail's root, deeper ones and the setgid bit do not matter: programs, libraries, configuration
 * and devices come from none of them, and nothing that root does in a jail follows or trusts a name there. Works with a user's own rights, even if the jail
 * cannot be listed. Throws SystemError.
 */
export function jailFindings(root: JailRoot): Finding[] {
  const findings = directoryFindings(root);
  const inside: Finding[] = [];
  for (const name of topLevel(root)) {
    const stat = statIfPresent(root.fd, name);
    if (stat === undefined) continue;
    const path = hostPath(root, joinPath("/", name));
    if (isLink(stat)) inside.push(...linkFindings(root, name));
    else if (isDirectory(stat)) {
      const mounted = isOfKernel(name) && !onSameMount(root.top.stat, stat);
      if (!mounted) inside.push(...strictFindings(path, stat));
    } else if (DIRECTORIES.test(name)) {
      const found = finding(path, "not-a-directory", "is not a directory", "mv");
      const aside = hostPath(root, freeNumbered(`/not-${name}`, isIn(root)));
      inside.push({ ...found, advice: `mv -nT ${operands(path, aside)}` });
    }
  }
  // Where others could exchange them, that comes first.
  if (findings.length + inside.length === 0) inside.push(...accountFileFindings(root));
  if (inside.length > 0) findings.push(...sparingHomesInside(inside));
  if (findings.length === 0) return findings;
  // A directory on the way also makes each symbolic link through it unsafe; nobody should remove these.
  const causes = findings.filter(({ rule }) => rule !== "link-through-untrusted");
  return ofNoJail(root, (causes.length > 0 ? causes : findings).map(namingWriters));
}

/** Of a directory that is not to be a jail, one finding is left, without a command: others need it as it is. */
function ofNoJail(root: JailRoot, findings: readonly Finding[]): Finding[] {
  const own = findings.find(({ path, inHome }) => path === root.path && !inHome);
  const why = own && whyNoJail(root.top.stat, attempt(() => namesIn(root.top)) ?? []);
  if (own === undefined || why === undefined) return [...findings];
  const advice = inWords("name a directory of its own, such as /srv/jail");
  const others = findings.filter(({ path }) => path !== root.path);
  return [{ ...own, message: `${own.message}, and ${why}`, advice }, ...others];
}

/** With an ACL, the group bits are its mask: the message names the users and groups that it lets write. */
function namingWriters(found: Finding): Finding {
  if (found.rule !== "group-writable") return found;
  const writers = writersOf(aclAt(C.AT_FDCWD, found.path));
  return writers.length === 0
    ? found
    : { ...found, message: `${display(found.path)} ${throughAcl(writers)}` };
}

/** Throws JailkitError "unsafe-jail" with the first finding, what to do, and the number of others. */
export function requireSafeJail(root: JailRoot, exitStatus: number): void {
  refuse(placeOf(root), jailFindings(root), exitStatus);
}

/** The same for a jail that is still to be created below `above`, the nearest directory that exists. */
export function requireSafeAbove(above: JailRoot, path: ByteString, exitStatus: number): void {
  const ancestors = [...above.ancestors, ancestorAt(above.path, above.top)];
  const jail = { path, stat: undefined };
  refuse(jail, sparingHomes(ancestors.flatMap(parentFindings), jail), exitStatus);
}

function refuse({ path, stat }: Place, findings: readonly Finding[], exitStatus: number): void {
  const first = findings[0];
  if (first === undefined) return;
  // Without an operand it checks only known jails; one that does not exist yet cannot be checked.
  const where = stat === undefined ? "" : `, see: jk_check ${shellWord(path)}`;
  const others = findings.length > 1 ? ` (and ${findings.length - 1} more${where})` : "";
  const elsewhere = first.inHome ? ": a jail must be elsewhere" : "";
  // A jail that does not exist yet, or a home that was named for one, does not move.
  const stays = first.inHome && (stat === undefined || first.path === path);
  const what = `${display(path)}: not a safe jail: ${first.message}${elsewhere}`;
  const message = stays ? what : `${withAdvice(what, first.advice)}${others}`;
  throw new JailkitError("unsafe-jail", exitStatus, message, undefined, stays ? "" : typed(first.advice));
}

/**
 * The problems of a directory of config files. It must belong to root and gid 0, and be no symbolic link. Write permission
 * for gid 0, and for nobody whom an ACL names, is `tolerated`: a warning. Throws SystemError if it cannot be examined.
 */
export function configDirectoryFindings(path: ByteString): (Finding & { tolerated: boolean })[] {
  const grave = (found: Finding) => ({ ...found, tolerated: false });
  const stat = statIfPresent(C.AT_FDCWD, path);
  if (stat === undefined)
    return [grave(finding(path, "missing", "does not exist", "install -d -o root -g root -m 0755"))];
  if (isLink(stat)) {
    // A directory with copies of the files; the symbolic link is kept beside it.
    const [word, kept] = [shellWord(path), shellWord(freeName(path, ".link"))];
    const found = finding(path, "link", "is a symbolic link", "mv");
    return [grave({ ...found, advice: `mv -nT ${word} ${kept} && cp -rnTL ${kept}/ ${word}` })];
  }
  const findings: ReturnType<typeof grave>[] = [];
  for (const found of ownerFinding(path, stat)) findings.push(grave(found));
  if (stat.gid !== 0) {
    findings.push(grave(finding(path, "group", `has gid ${stat.gid}, not 0`, "chgrp root")));
  }
  if (stat.mode & 0o002) findings.push(grave(otherWriteFinding(path, stat)));
  if (stat.mode & 0o020) {
    const named = stat.gid === 0 ? aclFindings(path, stat, aclAt(C.AT_FDCWD, path)) : [];
    findings.push(...named.map(grave));
    if (named.length === 0) findings.push({ ...groupWriteFinding(path, stat), tolerated: stat.gid === 0 });
  }
  return findings;
}
