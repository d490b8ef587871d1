import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, S_IFDIR, S_IFMT, S_ISVTX } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../ffi/files.ts";
import { pathComponents } from "../../ffi/paths.ts";
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
  // In a sticky directory, a file of root's stays root's.
  if ((directory.mode & S_ISVTX) !== 0) return child?.uid === 0;
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

/** The first step before a command that names `path`, if users other than root could exchange it. */
export const closeFirst = (path: ByteString): ByteString =>
  `first let root alone write the directories above ${display(path)}`;

/** What to advise for `path`, which `command` names: that if root may type it, also as the remedy; else the step before it. */
export function adviceAt(path: ByteString, command: Remedy) {
  return withRightsOf(undefined, () => onlyRootExchanges(path))
    ? { advice: command, remedy: command }
    : { advice: closeFirst(path), remedy: undefined };
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
 * The remedy for a file that others could write: a copy that only `owner` can write takes its place, once it was read. Another
 * owner or mode would end no descriptor that somebody holds open, and the text could change after it was read. Undefined if
 * others could exchange the file or the copy.
 */
export function copyAnew(path: ByteString, { mode }: Pick<Stat, "mode">, owner = 0): Remedy | undefined {
  const copy = freeName(path, ".new");
  const bits = octal((mode & 0o644) | 0o600);
  const make: Remedy = `install -o ${owner === 0 ? "root" : `+${owner}`} -g root -m ${bits} ${operands(path, copy)}`;
  return adviceAt(copy, `${make}; ${readCopy(copy, path)}; then: mv -T ${operands(copy, path)}`).remedy;
}

/** The step between: the lines of others are in the copy, too. */
export const readCopy = (copy: ByteString, path: ByteString): ByteString =>
  `read ${shellWord(copy)}, for others could write ${shellWord(path)}`;

/** The same in words. */
export const COPY_ANEW = "copy it to a file of root's, read the copy, and move that over it";
