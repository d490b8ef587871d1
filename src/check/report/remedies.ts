import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_IFMT, S_ISVTX } from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../../ffi/files.ts";
import { baseName } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { type Advice, allOf, inWords, type Remedy } from "../../cli/remedy.ts";
import { operands, shellWord } from "../../cli/shell-word.ts";
import { CONFIG_DIRECTORY } from "../../config/load.ts";
import { findEntry, type IniSection } from "../../config/model.ts";
import { scanIni } from "../../config/scan.ts";
import { splitList } from "../../config/text.ts";
import { isLoose } from "../../jail/fs/strict.ts";
import { isDirectory, isLink, isRegular } from "../../jail/fs/walk.ts";
import type { ManifestContent } from "../../jail/record/manifest.ts";
import { asUser, copyAnewAs } from "../../system/as-user.ts";
import { adviceOf, commandAt, copyAnew, mayType, onlyRootExchanges } from "../../system/exchange.ts";
import { giveCommand } from "../../system/give.ts";
import { isOfKernel } from "../files/counterpart.ts";
import { isGenerated } from "../files/drift.ts";
import { advised, type CheckFinding, mayBeForged, type Rule } from "../rules.ts";
import { type homeLinks, LEAVE_IT } from "./home-links.ts";

interface RemedyContext {
  /** The jail's path on the host. */
  readonly jail: ByteString;
  /** Undefined for a jail without a record. */
  readonly content: ManifestContent | undefined;
  /** Its section of jk_check.ini. */
  readonly section: IniSection | undefined;
  /** The name of the account with a uid, in the jail or on the host. */
  readonly nameOf: (uid: number) => ByteString | undefined;
  /** A path that nothing has yet, for a file that is moved away. */
  readonly freePath: (wanted: ByteString, file: ByteString) => ByteString;
  /** As homeLinks. */
  readonly homeLink: ReturnType<typeof homeLinks>;
}

/** Rules whose remedies move a file away, or copy another one to its place. */
const MOVES_AWAY: readonly Rule[] = ["link-outside", "different-type", "different-link", "unrecorded"];

interface Case extends RemedyContext {
  readonly finding: CheckFinding;
  /** lstat(2) of the file that the finding is about. */
  readonly stat: Stat | undefined;
}

const fix = ({ jail }: Case): Remedy => `jk_check --fix ${shellWord(jail)}`;
const update = ({ jail }: Case): Remedy => `jk_update -j ${shellWord(jail)}`;
const copyPath = (jail: ByteString, path: ByteString): Remedy =>
  `jk_cp -f -j ${shellWord(jail)} ${shellWord(path)}`;

/** Two commands, if the first is possible. */
const and = (first: Remedy | undefined, second: Remedy) => first && allOf([first, second]);

/** A command that uses a file name, if only root can replace the file before the command is typed. */
const byName = ({ finding }: Case, command: Remedy): Remedy | undefined =>
  mayType(finding.path, command) ? command : undefined;

/** The command, without its path; with the rights of the file's owner if a user might replace the file meanwhile. */
function safely(one: Case, command: `chmod ${string}` | `setfacl ${string}`): Advice | undefined {
  const { finding, stat, nameOf, jail } = one;
  const isHeld = stat !== undefined && isRegular(stat) && OF_LOGIN.test(finding.jailPath ?? "");
  const asRoot = isHeld
    ? copyAnew(finding.path, stat, stat.uid)
    : byName(one, `${command} ${shellWord(finding.path)}`);
  if (asRoot !== undefined || stat === undefined || stat.uid === 0) return asRoot;
  const name = nameOf(stat.uid);
  if (name === undefined) return undefined;
  const acting = { name, jail };
  return isHeld ? inWords(copyAnewAs(acting, finding.path)) : adviceOf(asUser(acting, command, finding.path));
}

/** What lets somebody log in as its user, or runs then: others who could write it may have it open. */
const OF_LOGIN = /\/\.ssh\/[^/]+$/;

const closeToOthers = (one: Case) => safely(one, one.finding.closing ?? "chmod go-w");

/** Moves a file, so that nothing is lost. Undefined if a user could replace it by a file of root's. */
function moved(one: Case, wanted: ByteString): Remedy | undefined {
  const { path } = one.finding;
  return byName(one, `mv -nT ${shellWord(path)} ${shellWord(one.freePath(wanted, path))}`);
}

/** Out of the jail, under another name: a user may have chosen .bash_profile, which root would run. */
const aside = (one: Case) => moved(one, `/root/out-of-jail-${baseName(one.finding.path)}`);

const takeOut = (one: Case) => aside(one) ?? ignore("ignorepatheverywhere")(one);

/**
 * Copies the file again if the host has it, else adds it to jk_check.ini. A file that not everybody may read on the host is
 * copied only if it was requested.
 */
function copyOrIgnore(one: Case): Remedy | undefined {
  const { finding, jail, content, stat } = one;
  const { jailPath = "/" } = finding;
  const entry = content?.entries.get(jailPath);
  const source = entry?.source ?? jailPath;
  const there = lookAt(source);
  const secret = entry === undefined && there !== undefined && (there.mode & 0o004) === 0;
  if (there === undefined || secret || isOfKernel(source)) return ignore("ignorepathoncompare")(one);
  const copy = copyPath(jail, source);
  if (stat === undefined || (stat.mode & S_IFMT) === (there.mode & S_IFMT)) return copy;
  // jk_cp does not replace a directory by a file, nor a file by a directory.
  return and(moved(one, `${jail}/not-${baseName(jailPath)}`), copy);
}

/**
 * The lines of jk_check.ini that exclude a finding. Undefined for a path with another meaning there: a user could name a
 * file `x, /srv/jail` to exclude the whole jail.
 */
function ignore(key: string) {
  return ({ finding, jail, section }: Case): Remedy | undefined => {
    const { path } = finding;
    const before = findEntry(section, key)?.value.split("\n").join(" ");
    const name = section?.name ?? jail;
    const line = `${key} = ${before === undefined ? path : `${before}, ${path}`}`;
    const text = `[${name}]\n${line}`;
    // A reference (%) could get another meaning when another key is added.
    if (display(name) !== name || display(path) !== path || path.includes("%")) return undefined;
    if (!readsAs(text, key, [...splitList(before ?? ""), path])) return undefined;
    if (section === undefined) return `add these lines to ${CONFIG_DIRECTORY}/jk_check.ini:\n${text}`;
    return `in section [${name}] of ${section.file} write:\n${line}`;
  };
}

/** True if these lines of an ini file are one section with one list of these items. */
function readsAs(text: ByteString, key: ByteString, items: readonly ByteString[]): boolean {
  const { sections, problems } = scanIni(toBytes(text), "", "py");
  const [only] = sections;
  if (sections.length !== 1 || problems.length > 0 || only?.entries.length !== 1) return false;
  return Bun.deepEquals(splitList(findEntry(only, key)?.value ?? ""), items);
}

/**
 * What is advised about a symbolic link that leads to homes, or that is in the place of a directory of the host which jk_cp does not
 * copy as a whole, such as /home; undefined for all else.
 */
function ofLinkToHomes(one: Case): Advice | undefined {
  const { finding, stat } = one;
  const { rule, jailPath = "/" } = finding;
  if (stat === undefined || !isLink(stat) || !MOVES_AWAY.includes(rule)) return undefined;
  const found = one.homeLink(jailPath);
  if (found !== undefined && found !== "stay") return found;
  const there = lookAt(jailPath);
  const isInstead = rule === "different-type" && isLoose(jailPath) && there && isDirectory(there);
  if (found === undefined && isInstead !== true) return undefined;
  const key = rule === "link-outside" ? "ignorepatheverywhere" : "ignorepathoncompare";
  return ignore(key)(one) ?? LEAVE_IT;
}

function socket(one: Case): Remedy | undefined {
  const { finding, jail } = one;
  if (finding.jailPath !== "/dev/log") return takeOut(one);
  const lines = `[${jail}/dev/log]\nbase = 512\npeak = 2048\ninterval = 10`;
  return `add these lines to ${CONFIG_DIRECTORY}/jk_socketd.ini:\n${lines}`;
}

/** Gives files of an unknown owner to root. */
const unknownOwner = ({ finding, stat }: Case) => stat && giveCommand(finding.path, stat.uid);

/** The file is copied again or moved away, since its owner may have changed it; a directory gets another owner. */
function foreignOwner(one: Case): Remedy | undefined {
  const { finding, jail, stat } = one;
  if (stat === undefined) return undefined;
  const { path, jailPath = "/" } = finding;
  if (!isRegular(stat)) return byName(one, `chown -h --from=+${stat.uid} root:root ${shellWord(path)}`);
  if (isGenerated(jailPath)) {
    // The host's are for the host: its accounts would replace the jail's.
    return jailPath.endsWith(".cache") ? aside(one) : copyAnew(path, stat);
  }
  const there = lookAt(jailPath, true);
  return there !== undefined && isRegular(there) ? copyPath(jail, jailPath) : aside(one);
}

const deviceDiffers = (one: Case) => and(aside(one), copyPath(one.jail, one.finding.jailPath ?? "/"));

/** Moves /proc or /sys away as a whole: by its name, nothing below it is opened. What was copied there comes back. */
function kernelFiles(one: Case): Remedy | undefined {
  const { path, jailPath = "/" } = one.finding;
  const empty = and(aside(one), `mkdir -m 0555 ${shellWord(path)}`);
  const recorded = [...(one.content?.entries.keys() ?? [])].some((each) => each.startsWith(`${jailPath}/`));
  return recorded ? and(empty, update(one)) : empty;
}

/**
 * Users may share a directory of root's where nothing is loaded from: the sticky bit keeps them from exchanging each
 * other's files. In all others, only the owner may write.
 */
function closeOrShare(one: Case): Advice | undefined {
  const shared = isLoose(one.finding.jailPath ?? "/") && one.stat?.uid === 0;
  return shared ? safely(one, "chmod +t") : closeToOthers(one);
}

/**
 * Removes write permission from a directory of root: the first on the way, below which others can exchange the next one. A
 * directory of a user, or one such as /tmp, is removed from the configuration of the linker.
 */
function libraryDirectory({ finding, jail }: Case): Advice {
  const causes = (finding.causes ?? []).map((path) => ({ path, stat: statIfPresent(AT_FDCWD, path) }));
  const roots = causes.every(({ stat }) => stat?.uid === 0 && (stat.mode & S_ISVTX) === 0);
  const open = causes.map(({ path }) => path).filter(onlyRootExchanges);
  if (open.length > 0 && roots) return `chmod go-w ${operands(...open)}`;
  const etc = shellWord(`${jail}/etc`);
  const directory = (finding.jailPath ?? "").replace(/[\\#.*[\]^$]/g, "\\$&");
  const line = shellWord(`\\#^[[:blank:]]*${directory}/*[[:blank:]]*$#d`);
  return commandAt(
    `${jail}/etc/ld.so.conf.d/*`,
    `find ${etc}/ld.so.conf ${etc}/ld.so.conf.d -type f -exec sed -i ${line} {} +`,
  );
}

/** Remedies for findings that have none of their own, and that `--fix` does not repair. */
const REMEDIES: Readonly<Partial<Record<Rule, (one: Case) => Advice | undefined>>> = {
  "writable-for-others": closeOrShare,
  "writable-for-group": closeOrShare,
  "file-writable-for-others": closeToOthers,
  "file-writable-for-group": closeToOthers,
  "foreign-owner": foreignOwner,
  "unknown-owner": unknownOwner,
  "device-unexpected": takeOut,
  "device-differs": deviceDiffers,
  socket,
  fifo: takeOut,
  "link-outside": takeOut,
  "hard-link": ({ jail }) => `jailkit adopt ${shellWord(jail)}`,
  "different-size": copyOrIgnore,
  "different-content": copyOrIgnore,
  "different-link": copyOrIgnore,
  "different-type": copyOrIgnore,
  "no-counterpart": ignore("ignorepathoncompare"),
  outdated: update,
  "source-gone": update,
  "changed-file": ignore("ignorepathoncompare"),
  unrecorded: copyOrIgnore,
  "others-file": ignore("ignorepathoncompare"),
  preload: takeOut,
  shadow: takeOut,
  "library-directory": libraryDirectory,
  "bad-program": copyOrIgnore,
  "kernel-files": kernelFiles,
  "too-deep": ignore("ignorepatheverywhere"),
  "smoke-test": fix,
};

/** A path may be too long for the kernel, since users nest directories without limit. */
const lookAt = (path: ByteString, follow = false): Stat | undefined =>
  attempt(() => statIfPresent(AT_FDCWD, path, follow));

// These tools use descriptors, and check what they open.
const CAREFUL = /^(?:jk_\w+|jailkit) /;

function ownAdvice(one: Case, remedy: Remedy): Advice | undefined {
  // That of a mount has the user's rights, where users could lead its path elsewhere.
  if (CAREFUL.test(remedy) || one.finding.rule === "user-mount") return remedy;
  const word = ` ${shellWord(one.finding.path)}`;
  const isAcl = remedy.startsWith("setfacl ") && remedy.endsWith(word);
  return isAcl
    ? safely(one, `setfacl ${remedy.slice("setfacl ".length, -word.length)}`)
    : byName(one, remedy);
}

/**
 * A function that chooses names for files to be moved: nothing has them yet, and each is for one file only. Of `processes`
 * that choose at once, each counts from its own `number` (from 1 on) in steps of their number.
 */
export function freePaths(number = 1, processes = 1): RemedyContext["freePath"] {
  const given = new Map<ByteString, ByteString>();
  return (wanted, file) => {
    const isFree = (path: ByteString) => (given.get(path) ?? file) === file && lookAt(path) === undefined;
    const numbered = (count: number) => (count === 1 ? wanted : `${wanted}-${count}`);
    let count = number;
    while (!isFree(numbered(count))) count += processes;
    const path = numbered(count);
    given.set(path, file);
    return path;
  };
}

/** The finding with its remedy, or with words. No remedy lets root act by the name of a file that a user may replace. */
export function withRemedy(found: CheckFinding, context: RemedyContext): CheckFinding {
  const { remedy: own, ...finding } = found;
  const stat = lookAt(finding.path);
  const one = { ...context, finding, stat };
  const general = () =>
    finding.repair === undefined ? (ofLinkToHomes(one) ?? REMEDIES[finding.rule]?.(one)) : fix(one);
  const usual = () => (own === undefined ? general() : ownAdvice(one, own));
  const isForged = stat !== undefined && isRegular(stat) && mayBeForged(finding);
  const advice = isForged ? copyAnew(finding.path, stat) : usual();
  return advice === undefined ? finding : advised(finding, advice);
}
