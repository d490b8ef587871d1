import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, MOST_LINKS } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { type Stat, sameFile, statIfPresent } from "../../ffi/files.ts";
import { directoryOf, normalPath, parentOf, pathComponents, pathsDownTo } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { answered, errorWithCode, JailkitError } from "../cli/error.ts";
import type { Advice, Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { isJailsOwn } from "../jail/accounts/home-place.ts";
import { leadsTo, TRUSTED } from "../jail/fs/leads-to.ts";
import { lookUp, readJailLink } from "../jail/fs/look.ts";
import { mountRemedy } from "../jail/fs/unmounted.ts";
import { hostPath, isDirectory, isLink, type JailRoot } from "../jail/fs/walk.ts";
import { adviceAt, adviceOf } from "../system/exchange.ts";
import { freeName } from "../system/free-name.ts";
import { below } from "../system/mountinfo.ts";
import { fstabField } from "../system/mounts.ts";

// sshd(8) goes to a home by its path in passwd(5), outside of the jail: there, a symbolic link that is absolute, or climbs out of
// the jail, leads elsewhere than for the jail. Keys would count in one directory, and the user be in another one.

/** No path is longer, also by links. */
const MOST_STEPS = 4096;

/** What a symbolic link leads to, by its path on the host, and whether that is there. */
interface Side {
  readonly path: ByteString;
  readonly stat: Stat | undefined;
}

/** A symbolic link that leads elsewhere for the host than in its jail. */
interface TwoWays {
  /** As the jail sees it. */
  readonly link: ByteString;
  readonly host: Side;
  readonly inside: Side;
}

/**
 * The first link on the way to a path of a jail, or at its end, that leads the host elsewhere; undefined if both come to one
 * directory, by a relative link, or by mounts. Throws JailkitError for a link that a user may have made.
 */
function twoWays(root: JailRoot, path: ByteString, links = 0): TwoWays | undefined {
  for (const link of pathsDownTo(path)) {
    const found = lookUp(root, link);
    if (found === undefined) return undefined;
    if (!isLink(found.stat)) continue;
    const target = readJailLink(root, link) ?? "";
    const from = target.startsWith("/") ? "" : directoryOf(found.canonicalPath);
    const inJail = normalPath(`${from}/${target}`);
    const there = attempt(() => lookUp(root, link, { follow: true }));
    const host = { path: hostPath(root, link), stat: hostStat(hostPath(root, link)) };
    if (there !== undefined && host.stat !== undefined && sameFile(there.stat, host.stat)) continue;
    const onHost = target.startsWith("/") ? normalPath(target) : normalPath(`${root.path}${from}/${target}`);
    // Nowhere for both, and perhaps by another link on that way.
    if (there === undefined && host.stat === undefined && onHost === hostPath(root, inJail))
      return links === MOST_LINKS ? undefined : twoWays(root, inJail, links + 1);
    const inside = { path: hostPath(root, there?.canonicalPath ?? inJail), stat: there?.stat };
    return { link, host: { ...host, path: leadsTo(host.path, TRUSTED) }, inside };
  }
  return undefined;
}

const hostStat = (path: ByteString): Stat | undefined => attempt(() => statIfPresent(AT_FDCWD, path, true));

/** The text of a relative link from a directory to a path, both of the jail. */
function relative(from: ByteString, to: ByteString): ByteString {
  const [start, end] = [pathComponents(from), pathComponents(to)];
  let same = 0;
  while (same < start.length && start[same] === end[same]) same++;
  return [...start.slice(same).map(() => ".."), ...end.slice(same)].join("/") || ".";
}

const isThere = ({ stat }: Side): boolean => stat !== undefined && isDirectory(stat);

/** Of the path of a link, in the name of a file. */
const LONGEST = 200;

/** The link that both follow to one directory, in place of one that they do not; or a mount, if the directory is outside. `rest`: the way on to a home. */
function replacement(root: JailRoot, { link, host, inside }: TwoWays, rest: ByteString) {
  const place = hostPath(root, link);
  // Another jail may have such a link, too, and its command is typed after this one.
  const kept = freeName(`/root/out-of-jail${place.replaceAll("/", "-").slice(-LONGEST)}`, "");
  const away: Remedy = `mv -nT ${shellWord(place)} ${shellWord(kept)}`;
  const hasHome = ({ path }: Side) => isThere({ path, stat: hostStat(`${path}${rest}`) });
  const counts = isThere(host) && (hasHome(host) || !hasHome(inside)) ? host : inside;
  const target = below(counts.path, root.path);
  if (target !== undefined && (isThere(host) || isThere(inside))) {
    const above = lookUp(root, directoryOf(link), { follow: true })?.canonicalPath ?? "/";
    const text = relative(above, target);
    const command: Remedy = `${away} && ln -sT ${operands(text, place)}`;
    return { why: "let a relative link lead both to one directory", ...adviceAt(place, command) };
  }
  if (!isThere(host)) return undefined;
  // What is of the host would be in the jail.
  if (isJailsOwn(host.path) || below(root.path, host.path) !== undefined) return undefined;
  const line = `${fstabField(host.path)} ${fstabField(place)} none bind,nofail 0 0`;
  const command: Remedy = `${away} && mkdir -m 0755 ${shellWord(place)} && printf ${shellWord("\\n%s\\n")} ${shellWord(line)} >> /etc/fstab && mount ${operands(place)}`;
  const stays = isThere(inside) ? ` (what is in ${quoted(inside.path)} stays there)` : "";
  return {
    why: `let the directory of the host be mounted in place of the link${stays}`,
    ...adviceAt(place, command),
  };
}

/** What to do about it, and the command if there is one. */
function adviceOn(
  root: JailRoot,
  ways: TwoWays,
  rest: ByteString,
): { advice: ByteString; remedy: Remedy | undefined } {
  const { link, host } = ways;
  const mount = host.stat === undefined ? mountRemedy(host.path) : undefined;
  if (mount !== undefined)
    return { advice: `first its file system has to be there: ${mount}`, remedy: mount };
  const found = replacement(root, ways, rest);
  if (found !== undefined) return { advice: `${found.why}: ${found.advice}`, remedy: found.remedy };
  const place = quoted(hostPath(root, link));
  return {
    advice: `put the directory itself with the homes in the place of ${place}, or mount it there`,
    remedy: undefined,
  };
}

/**
 * Throws JailkitError "two-homes" if the path of a home in a jail leads the host, and so sshd(8), to another directory than the
 * jail, or to none: there are the keys that count.
 */
export function requireOneHome(root: JailRoot, home: ByteString): void {
  const ways = root.isJail ? twoWays(root, home) : undefined;
  if (ways !== undefined) throw twoHomes(root, ways, home);
}

/** The same for the directory above a home, but where the host comes to nothing: who has no keys can log in. */
export function requireOnePlace(root: JailRoot, home: ByteString): void {
  const ways = root.isJail ? twoWays(root, directoryOf(home)) : undefined;
  if (ways === undefined || (ways.host.stat === undefined && isThere(ways.inside))) return;
  throw twoHomes(root, ways, home);
}

/** The error of requireOneHome for a home that is a symbolic link itself, by its `stat`; undefined for any other, or one that a user may have made. */
export const twoByLink = (root: JailRoot, home: ByteString, stat: Stat | undefined) =>
  stat !== undefined && isLink(stat)
    ? answered(() => errorWithCode("two-homes", () => requireOneHome(root, home)))
    : undefined;

function twoHomes(root: JailRoot, ways: TwoWays, home: ByteString): JailkitError {
  const rest = home.slice(ways.link.length);
  const [host, inside] = [ways.host, ways.inside].map((side) => quoted(`${side.path}${rest}`));
  const { advice, remedy } = adviceOn(root, ways, rest);
  const place = quoted(hostPath(root, ways.link));
  const message = `its home is two: the symbolic link ${place} leads the host, and sshd, which reads keys there, to ${host}, and the jail to ${inside}; ${advice}`;
  return new JailkitError("two-homes", 1, message, undefined, remedy);
}

/** True for the error of requireOneHome: what is in the home is not known by what the jail has in its place. */
export const isTwoHomes = (error: unknown): boolean =>
  error instanceof JailkitError && error.code === "two-homes";

/** The path on the host to which a home of a jail leads sshd(8), if something is there that is not what the jail sees. */
export function hostsOwnHome(root: JailRoot, home: ByteString): ByteString | undefined {
  const ways = answered(() => twoWays(root, home));
  if (ways === undefined) return undefined;
  const path = `${ways.host.path}${home.slice(ways.link.length)}`;
  return hostStat(path) === undefined ? undefined : path;
}

/** The symbolic links of a jail on the ways to some homes, or at their ends, as the jail sees both. */
export function linksOnWays(root: JailRoot, homes: Iterable<ByteString>): ReadonlySet<ByteString> {
  const links = new Set<ByteString>();
  const known = new Set<ByteString>();
  for (const home of homes) {
    const left = pathComponents(normalPath(home));
    let at: ByteString = "";
    for (let steps = 0; left.length > 0 && steps < MOST_STEPS; steps++) {
      const name = left.shift() ?? "";
      const next: ByteString = name === ".." ? parentOf(at) : `${at}/${name}`;
      const isKnown = known.has(next);
      const stat = isKnown || next === "" ? undefined : answered(() => lookUp(root, next))?.stat;
      if (stat === undefined && !isKnown && next !== "") break;
      at = next;
      if (stat === undefined || !isLink(stat)) {
        known.add(next);
        continue;
      }
      links.add(next);
      const target = answered(() => readJailLink(root, next)) ?? "";
      left.unshift(...pathComponents(target));
      at = target.startsWith("/") ? "" : parentOf(next);
    }
  }
  return links;
}

/**
 * What a symbolic link leads to, as the jail sees it without links, if it leads the host and the jail to one directory, and no link on
 * the way is absolute or leaves the jail, also none that comes back, or could be a user's. Undefined for any other one.
 */
export function insideBoth(root: JailRoot, link: ByteString): ByteString | undefined {
  if (!root.isJail) return undefined;
  const found = answered(() => {
    const there = lookUp(root, link, { follow: true });
    if (there === undefined || !isDirectory(there.stat) || twoWays(root, link) !== undefined)
      return undefined;
    return [...linksOnWays(root, [link])].every((one) => staysInside(root, one)) ? there : undefined;
  });
  return found?.canonicalPath;
}

/** True for a link that is relative, and climbs no further than to the root of its jail. `link`: without links above it. */
function staysInside(root: JailRoot, link: ByteString): boolean {
  const target = readJailLink(root, link) ?? "/";
  const parts = pathComponents(target);
  const names = parts.findIndex((name) => name !== "..");
  const [ups, rest] = names < 0 ? [parts.length, []] : [names, parts.slice(names)];
  // After a name, which may be a link, it may lead anywhere.
  if (target.startsWith("/") || rest.includes("..")) return false;
  return ups < pathComponents(link).length;
}

/** What lets a link of a jail, on the ways to some homes, lead the host and the jail to one directory; undefined if it does, or is none. */
export function oneHomeAdvice(
  root: JailRoot,
  link: ByteString,
  homes: readonly ByteString[],
): Advice | undefined {
  const ways = answered(() => twoWays(root, link));
  const home = homes.find((path) => path.startsWith(`${link}/`)) ?? link;
  return ways && adviceOf(adviceOn(root, ways, home.slice(link.length)));
}
