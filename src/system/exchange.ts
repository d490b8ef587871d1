import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, MOST_LINKS, S_IFDIR, S_IFLNK, S_IFMT, S_ISVTX } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { readLink, type Stat, statIfPresent } from "../../ffi/files.ts";
import { parentOf, pathComponents } from "../../ffi/paths.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { octal } from "../cli/octal.ts";
import { type Advice, inWords, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { aclAt, writersOf } from "./acl.ts";
import { freeName } from "./free-name.ts";

/**
 * True if nobody but root can change the names in a directory. The ACL need not be read: the group bits are its mask,
 * and no entry gives more than the mask allows (acl(5)).
 */
export function onlyRootWrites(stat: Pick<Stat, "uid" | "mode">): boolean {
  return stat.uid === 0 && (stat.mode & 0o022) === 0;
}

/** The command, without the path, that takes write permission from the group and others, whoever of them has it. */
export const closeCommand = (mode: number): `chmod ${string}` =>
  (mode & 0o022) === 0o022 ? "chmod go-w" : (mode & 0o020) !== 0 ? "chmod g-w" : "chmod o-w";

/**
 * True if a directory is writable by gid 0 alone, as far as its bits show, which is tolerated above a jail. The bits may
 * be the mask of an ACL, so read that too. In a sticky directory nobody gets a file of root's that way.
 */
export function toleratesGroup(stat: Stat): boolean {
  return (stat.mode & 0o020) !== 0 && stat.gid === 0 && (stat.mode & S_ISVTX) === 0;
}

/** True if nobody but root can put something else in the place of `child`, a name in `directory`. */
function onlyRootReplaces(path: ByteString, directory: Stat, child: Stat | undefined): boolean {
  if (directory.uid !== 0 || (directory.mode & S_IFMT) !== S_IFDIR) return false;
  if (onlyRootWrites(directory)) return true;
  // In a sticky directory, a file of root's stays root's. What is mounted on one says nothing of that, which its owner can move in another
  // mount namespace.
  if ((directory.mode & S_ISVTX) !== 0) return child?.uid === 0 && child.mountId === directory.mountId;
  if ((directory.mode & 0o002) !== 0 || !toleratesGroup(directory)) return false;
  const acl = aclAt(AT_FDCWD, path);
  return acl !== "unknown" && writersOf(acl).length === 0;
}

/**
 * True if an absolute path of the host means the same until root changes that: nobody else can exchange its end, which
 * may be missing, or a directory on the way, and no symbolic link is on the way. Root types a command some time after we
 * looked: elsewhere, a user may have led its path to another file by then.
 */
export function onlyRootExchanges(path: ByteString): boolean {
  const holds = attempt(() => {
    let at: ByteString = "";
    let above = statIfPresent(AT_FDCWD, "/");
    for (const name of pathComponents(path)) {
      if (name === "..") return false;
      // Only root can create the rest of the path.
      if (above === undefined) return true;
      const here = `${at}/${name}`;
      const stat = statIfPresent(AT_FDCWD, here);
      if (!onlyRootReplaces(at || "/", above, stat)) return false;
      at = here;
      above = stat;
    }
    return true;
  });
  return holds ?? false;
}

/** Commands for a symbolic link itself, and tools that look at what they open. All others follow one at the end of a path. */
const SPARES_LINKS = /^(?:(?:mv|rm|jailkit|jk_\w+) |ch(?:own|grp) -h )/;

/**
 * A path of the host without symbolic links, which may be missing from some directory on; undefined if others than root could
 * lead it elsewhere, at any step, or if it leads nowhere.
 */
export function ownTarget(path: ByteString): ByteString | undefined {
  return attempt(() => {
    const left = pathComponents(path);
    let at: ByteString = "";
    for (let links = 0; left.length > 0; ) {
      const name = left.shift() ?? "";
      const here = name === ".." ? parentOf(at) : `${at}/${name}`;
      if (name !== ".." && !onlyRootExchanges(here)) return undefined;
      const stat = statIfPresent(AT_FDCWD, here || "/");
      if (stat === undefined || (stat.mode & S_IFMT) !== S_IFLNK) {
        at = here;
        continue;
      }
      if (links++ === MOST_LINKS) return undefined;
      const target = readLink(AT_FDCWD, here);
      left.unshift(...pathComponents(target));
      if (target.startsWith("/")) at = "";
    }
    return at || "/";
  });
}

/** What to name in place of a symbolic link: its target, by its path unless others than root choose that. */
export function nameTarget(link: ByteString): ByteString {
  const target = ownTarget(link);
  return `name its target instead${target === undefined ? "" : `: ${display(target)}`}`;
}

/** True if nobody but root can lead the end of such a path elsewhere: nearly always it is no link. */
const endsWithRoots = (path: ByteString): boolean => {
  const isLink = attempt(() => ((statIfPresent(AT_FDCWD, path)?.mode ?? 0) & S_IFMT) === S_IFLNK);
  return isLink === false || ownTarget(path) !== undefined;
};

/** True if root may type a command for a path: what it acts on is the same until root changes that. */
export const mayType = (path: ByteString, command: ByteString): boolean =>
  onlyRootExchanges(path) && (SPARES_LINKS.test(command) || endsWithRoots(path));

/** The first step before a command that names `path`, if users other than root could exchange it. */
export const closeFirst = (path: ByteString): ByteString =>
  `first let root alone write the directories above ${display(path)}`;

/** The same if they could exchange what it leads to. */
export const replaceLinkFirst = (path: ByteString): ByteString =>
  `first put what is root's alone in the place of the symbolic link ${display(path)}`;

/** What to advise for `path`, which `command` names: that if root may type it, also as the remedy; else the step before it. */
export function adviceAt(path: ByteString, command: Remedy) {
  return withRightsOf(undefined, () => {
    if (mayType(path, command)) return { advice: command, remedy: command };
    const first = onlyRootExchanges(path) ? replaceLinkFirst : closeFirst;
    return { advice: first(path), remedy: undefined };
  });
}

/** The same as one of both. */
export const commandAt = (path: ByteString, command: Remedy): Advice => adviceOf(adviceAt(path, command));

/** Advice of which the remedy is known apart. */
export const adviceOf = ({
  advice,
  remedy,
}: {
  readonly advice: ByteString;
  readonly remedy: Remedy | undefined;
}): Advice => remedy ?? inWords(advice);

/**
 * The remedy for a file that others could write: a copy that only `owner` can write takes its place, once root has read it and said so. Another
 * owner or mode would end no descriptor that somebody holds open, and the text could change after it was read. Undefined if
 * others could exchange the file or the copy.
 */
export function copyAnew(path: ByteString, { mode }: Pick<Stat, "mode">, owner = 0): Remedy | undefined {
  const copy = freeName(path, ".new");
  const bits = octal((mode & 0o644) | 0o600);
  const make: Remedy = `install -o ${owner === 0 ? "root" : `+${owner}`} -g root -m ${bits} ${operands(path, copy)}`;
  // Shown without what could lead a terminal; mv(1) asks, and whoever has read it answers. Without an answer no copy is left.
  const show = `cat -v ${shellWord(copy)} && mv -iT ${operands(copy, path)}`;
  return adviceAt(copy, `${make} && ${show} || ! rm -f ${operands(copy)}`).remedy;
}

/** The step between: the lines of others are in the copy, too. */
export const readCopy = (copy: ByteString, path: ByteString): ByteString =>
  `read ${shellWord(copy)}, for others could write ${shellWord(path)}`;

/** The same in words. */
export const COPY_ANEW = "copy it to a file of root's, read the copy, and move that over it";
