import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_ISVTX } from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../../ffi/files.ts";
import { baseName, directoryOf, pathsDownTo } from "../../../ffi/paths.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { type Advice, adviceText, inWords } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";
import { whoseHome } from "../../system/home-owner.ts";
import type { Finding } from "./finding.ts";
import { joinPath, onSameMount } from "./walk.ts";

/** Something on the host, and its stat if it is the directory of a jail. */
export interface Place {
  readonly path: ByteString;
  readonly stat: Stat | undefined;
}

const USUAL = ["/srv", "/var/jails"];
const MOST_NAMES = 9;

/**
 * A path that nothing has yet, to which a jail can be renamed: in a directory that only root can write, on its mount. On
 * another mount, mv(1) would copy what users may exchange meanwhile. Undefined if they could lead the jail's own path
 * to a directory elsewhere, not only exchange its end.
 */
function destinationOf(path: ByteString, stat: Stat): ByteString | undefined {
  if (stat.uid !== 0 || !onlyRootExchanges(directoryOf(path))) return undefined;
  const name = `${baseName(directoryOf(path))}-${baseName(path)}`;
  for (const directory of [...USUAL, ...pathsDownTo(directoryOf(path)).reverse()]) {
    const there = attempt(() => statIfPresent(AT_FDCWD, directory));
    if (there === undefined || !onSameMount(there, stat)) continue;
    for (let count = 1; count <= MOST_NAMES; count++) {
      const to = `${directory}/${count === 1 ? name : `${name}-${count}`}`;
      if (!onlyRootExchanges(to)) break;
      if (statIfPresent(AT_FDCWD, to) === undefined) return to;
    }
  }
  return undefined;
}

/**
 * Moves a jail out of somebody's home, with its record and its accounts: a command, or words if none is safe. Words, too,
 * for something that is not a jail.
 */
function moveAdvice({ path, stat }: Place): Advice {
  if (stat === undefined) return inWords("choose a place for it in a directory that only root can write");
  const found = attempt(() => withRightsOf(undefined, () => destinationOf(path, stat)));
  const [from, to] = [shellWord(path), shellWord(found ?? "")];
  return found === undefined
    ? inWords(
        `move the jail to a directory that only root can write, and then type: jailkit adopt --moved ${from} NEW`,
      )
    : `mv -nT ${from} ${to} && jailkit adopt --moved ${from} ${to}`;
}

/**
 * Why root cannot take a directory from its owner by name, printable: in a sticky one the owner can put something else in its
 * place until root types that, also a link, whoever owns the directories above. Undefined if root can.
 */
function whyExchanged(path: ByteString): { why: string; home: undefined } | undefined {
  const above = attempt(() => withRightsOf(undefined, () => statIfPresent(AT_FDCWD, directoryOf(path))));
  const mode = above?.mode ?? 0;
  if ((mode & S_ISVTX) === 0 || (mode & 0o022) === 0) return undefined;
  return { why: "its owner can put another one in its place at any time", home: undefined };
}

/**
 * The findings, with other advice for a directory above `place`, or itself, that is somebody's home or in one, as root would
 * take it from its user, and for one above that its owner can exchange, or in such a one. Such a jail must be elsewhere. Looks
 * up accounts, so only for what is refused.
 */
export function sparingHomes(findings: readonly Finding[], place: Place): Finding[] {
  const isAbove = (path: ByteString) => place.path.startsWith(joinPath(path, ""));
  const whose = findings.map(({ rule, path }) => {
    if (rule !== "owner" || !(isAbove(path) || path === place.path)) return undefined;
    return whoseHome(path) ?? (isAbove(path) ? whyExchanged(path) : undefined);
  });
  const theirs = findings.flatMap(({ path }, index) =>
    whose[index] !== undefined && isAbove(path) ? path : [],
  );
  const isTheirs = (path: ByteString) =>
    theirs.some((one) => path === one || path.startsWith(joinPath(one, "")));
  const mustMove = theirs.length > 0;
  const move = mustMove ? moveAdvice(place) : "";
  return findings.map((found, index) => {
    const { path, rule, message } = found;
    const { why, home = path } = whose[index] ?? {};
    const said = why === undefined ? message : `${message}; ${why}`;
    // The jail leaves all directories above it.
    if (mustMove && isAbove(path) && (rule === "owner" || isTheirs(path)))
      return { ...found, message: said, advice: move, inHome: true };
    if (why === undefined || home !== path) return found;
    return { ...homeFirst(found, why), inHome: true };
  });
}

const homeFirst = (found: Finding, why: string): Finding => ({
  ...found,
  message: `${found.message}; ${why}`,
  advice: inWords(`give the account another home, and then type: ${adviceText(found.advice)}`),
});

/** The same for the jail's own directories: such a home must be elsewhere, not the jail. */
export const sparingHomesInside = (findings: readonly Finding[]): Finding[] =>
  findings.map((found) => {
    const why = found.rule === "owner" ? whoseHome(found.path)?.why : undefined;
    return why === undefined ? found : homeFirst(found, why);
  });
