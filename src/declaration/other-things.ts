import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import {
  type DirectoryEntry,
  entriesOf,
  openAt,
  readEntries,
  type Stat,
  statIfPresent,
  withFd,
} from "../../ffi/files.ts";
import { baseName } from "../../ffi/paths.ts";
import { isGenerated } from "../check/files/drift.ts";
import { quoted } from "../cli/display.ts";
import { answered, JailkitError } from "../cli/error.ts";
import { composed, withAdvice } from "../cli/remedy.ts";
import { operands } from "../cli/shell-word.ts";
import { leftCopiesIn } from "../jail/fs/home-moves.ts";
import { namesIn } from "../jail/fs/names.ts";
import { OF_JAILS } from "../jail/fs/no-jails.ts";
import { isStrict } from "../jail/fs/strict.ts";
import { jailMounts } from "../jail/fs/unmount.ts";
import { isDirectory, isRegular, type JailRoot, namedError } from "../jail/fs/walk.ts";
import { openManifest } from "../jail/record/manifest.ts";
import { openNamedJail } from "../jail/record/named-jail.ts";
import { isTemporaryName } from "../jail/record/sweep.ts";
import type { LeftHome } from "../jails/delete-request.ts";
import { commandAt, onlyRootWrites } from "../system/exchange.ts";
import { below } from "../system/mountinfo.ts";
import { HOLDS_HOME, holdsText, otherHomeIn } from "../users/home-along.ts";

// Of the system, of which a jail of 2.23 may have earlier versions that nothing tells of.
const NOT_LOOKED_AT = /^\/(?:bin|sbin|lib[^/]*|usr\/(?!local$)[^/]+|proc|sys)$/;
// What programs leave. Users may have moved something else there.
const TEMPORARY = /^\/(?:dev|run|tmp|var\/(?:cache|lock|log|run|tmp))$/;
// As jk_cp copied them, by hand or in a jail of 2.23.
const COPIED = /^\/(?:etc|opt|root|usr)\//;
const LEFT_BY_PROGRAMS =
  /\/\.(?:(?:a|ba|k|z)?sh_history|lesshst|viminfo|python_history|wget-hsts)$|^\/etc\/ld\.so\.cache~$/;
/** Left by programs, or by a run of ours that was killed. */
const isLeft = (path: ByteString): boolean => LEFT_BY_PROGRAMS.test(path) || isTemporaryName(baseName(path));
// Each level needs a descriptor, and users may nest without limit.
const DEEPEST = 256;
// Of directories that may all be empty.
const MOST_NESTED = 100;

/**
 * Throws JailkitError for a jail that has what neither its record nor a rule for jails tells of, such as the dumps in a
 * directory that became a jail, or a repository in its /srv: it is deleted on purpose only, since all of it goes. Files of
 * users are not looked for, nor what is in `homes`, which go as well. `first`: as for DeleteRequest.
 */
export function requireNothingElse(jail: ByteString, homes: readonly ByteString[] = [], first = ""): void {
  using root = openNamedJail(jail);
  const other = otherThing(root, [...homes, ...leftCopiesIn(jail)]);
  if (other === undefined) return;
  const remedy = composed(`${first}jailkit forget ${operands(jail)}`);
  const message = `it holds other things, such as ${quoted(other)}: move them away, or keep all of it as it is with: ${remedy}`;
  throw new JailkitError("holds-other-things", 1, message, undefined, remedy);
}

/** What is mounted in a directory of a jail, printable: it would be found only when half of the rest is removed. */
export function mountIn(jail: ByteString, directory: ByteString): string | undefined {
  const mount = jailMounts(jail).find(({ path }) => below(path, directory) !== undefined);
  if (mount === undefined) return undefined;
  const place = jail + mount.path;
  return withAdvice(
    `a file system is mounted at ${quoted(place)}, and has to be unmounted first`,
    commandAt(place, `umount ${operands(place)}`),
  );
}

/**
 * Throws JailkitError for homes without accounts, in a jail: "holds-home" if another account has its own in one of them, and
 * "mounts" if something is mounted there.
 * `leaving`: users who will have left before.
 */
export function requireNoHomeIn(
  jail: ByteString,
  homes: readonly LeftHome[],
  leaving: readonly { readonly name: ByteString }[] = [],
): void {
  const gone = new Set(leaving.map(({ name }) => name));
  for (const { uid, path } of homes) {
    const mount = mountIn(jail, path);
    if (mount !== undefined)
      throw new JailkitError("mounts", 1, `${quoted(jail + path)}, which earlier runs left, stays: ${mount}`);
    // Of that uid there is no account.
    const found = otherHomeIn({ name: "", uid }, jail + path, gone);
    if (found === undefined) continue;
    const message = `${quoted(jail + path)}, which earlier runs left, stays: ${holdsText(found)}; move that out of it first`;
    throw new JailkitError(HOLDS_HOME, 1, message);
  }
}

// What packages have put there is theirs, and no jail's.
const OF_SYSTEM = /^\/(?:boot|etc|usr|var\/(?:cache|lib|log|spool))\/./;
const OF_ADMINISTRATORS = /^\/(?:usr\/local|var\/lib\/machines)(?:\/|$)/;

/**
 * Why a directory of the system is to be no jail, as the end of a sentence: it has things which neither its record nor a rule
 * for jails tells of, such as those of /etc/ssh. Undefined for any other directory. Throws SystemError.
 */
export function systemFault(root: JailRoot): string | undefined {
  const { path } = root;
  const isOfSystem = OF_SYSTEM.test(path) && !OF_ADMINISTRATORS.test(path);
  const other = isOfSystem ? otherThing(root, []) : undefined;
  return other && `is a directory of the system with other things in it, such as ${quoted(other)}`;
}

/** The first thing in a jail that neither its record nor a rule for jails tells of, without files of users and what is in `homes`. */
export function otherThing(root: JailRoot, homes: readonly ByteString[]): ByteString | undefined {
  const known = recordedPaths(root);
  const tops = new Set([...known].map((path) => path.split("/")[1] ?? ""));
  const isKnown = (name: ByteString) =>
    isStrict(name) || OF_JAILS.includes(name) || tops.has(name) || isLeft(`/${name}`);
  // What is beside the home is looked for below.
  const hasHome = (name: ByteString) => homes.some((home) => below(home, `/${name}`) !== undefined);
  const names = namesOf(root);
  const other = names.find((name) => !(isKnown(name) || hasHome(name)) && !isEmpty(root, name));
  if (other !== undefined) return other;
  const search = new Search(root, known, homes);
  for (const name of names) {
    const found = search.at(root.fd, name, `/${name}`, 0);
    if (found !== undefined) return found.slice(1);
  }
  return undefined;
}

/** The paths that the record of a jail tells of; none if it cannot be read. */
function recordedPaths(root: JailRoot): ReadonlySet<ByteString> {
  const content = answered(() => openManifest(root).content);
  return new Set([...(content?.entries.keys() ?? []), ...(content?.live ?? []), ...(content?.sockets ?? [])]);
}

/**
 * What counts in a directory: any file; none, where only programs of root leave something; none in one that users can write
 * itself; or those of root, in a directory in such a one, into which somebody else may have moved that.
 */
type Counts = "all" | "none" | "none-of-users" | "of-root";

/** What counts in a directory, by what counts in the one above. */
function countsIn(above: Counts, path: ByteString, stat: Stat): Counts {
  if (above === "none-of-users" || above === "of-root") return "of-root";
  if (above === "all" && !TEMPORARY.test(path)) return "all";
  return onlyRootWrites(stat) ? "none" : "none-of-users";
}

/** Looks for a file that nothing tells of: by descriptors, never through a link, and not in other file systems. */
class Search {
  constructor(
    private readonly root: JailRoot,
    private readonly known: ReadonlySet<ByteString>,
    private readonly homes: readonly ByteString[],
  ) {}

  /** The first one at or below a name in an open directory. */
  at(
    fd: number,
    name: ByteString,
    path: ByteString,
    depth: number,
    above: Counts = "all",
  ): ByteString | undefined {
    if (NOT_LOOKED_AT.test(path) || this.homes.includes(path)) return undefined;
    const stat = statIfPresent(fd, name);
    if (stat === undefined || stat.mountId !== this.root.top.stat.mountId) return undefined;
    const counts = countsIn(above, path, stat);
    if (!isDirectory(stat)) {
      const isCounted = above === "all" || (above === "of-root" && stat.uid === 0);
      return isCounted && isRegular(stat) && this.#isOther(path) ? path : undefined;
    }
    if (depth > DEEPEST) return path;
    try {
      return withFd(openAt(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK), (inner) =>
        this.#in(inner, path, depth + 1, counts),
      );
    } catch (error) {
      // A user may have removed it meanwhile.
      return isErrno(error, "ENOENT") ? undefined : path;
    }
  }

  #in(fd: number, path: ByteString, depth: number, counts: Counts): ByteString | undefined {
    for (let more = true; more; ) {
      // In pieces: the first find is enough.
      const piece: DirectoryEntry[] = [];
      more = readEntries(fd, piece);
      for (const { name } of piece) {
        const found = this.at(fd, name, `${path}/${name}`, depth, counts);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #isOther(path: ByteString): boolean {
    if (this.known.has(path) || isGenerated(path) || isLeft(path)) return false;
    return !(COPIED.test(path) && statIfPresent(AT_FDCWD, path) !== undefined);
  }
}

/** True for a directory with nothing in it but such directories, as above a home that is deleted. */
function isEmpty({ fd }: Pick<JailRoot, "fd">, name: ByteString, depth = 0): boolean {
  const isIt = answered(() =>
    withFd(openAt(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), (inner) => {
      const found = entriesOf(inner, MOST_NESTED + 1);
      if (depth > DEEPEST || found.length > MOST_NESTED) return found.length === 0;
      return found.every((one) => isEmpty({ fd: inner }, one.name, depth + 1));
    }),
  );
  return isIt ?? false;
}

function namesOf(root: JailRoot): ByteString[] {
  try {
    return namesIn(root.top);
  } catch (error) {
    throw namedError(error, root.path);
  }
}
