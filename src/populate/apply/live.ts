import type { ByteString } from "../../../ffi/bytes.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { plainPath } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError, UsageError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { hostMountsIn } from "../../jail/fs/host-mounts.ts";
import { liveObstacle, mountLive, unmountLive } from "../../jail/fs/live-mounts.ts";
import { lookUp, withTree } from "../../jail/fs/look.ts";
import { isSocketDirectory } from "../../jail/fs/socket-directory.ts";
import { isDirectory, isLink, type JailRoot } from "../../jail/fs/walk.ts";
import { putSymlink } from "../../jail/fs/write.ts";
import { lackingProblem } from "../../jail/record/live.ts";
import {
  changeManifest,
  knownJails,
  type ManifestContent,
  openManifest,
  REGISTRY,
  saveManifest,
} from "../../jail/record/manifest.ts";
import { hostText } from "../../system/host-files.ts";
import { below, unescaped } from "../../system/mountinfo.ts";
import { fstabField, fstabFields } from "../../system/mounts.ts";
import type { PopulateProblem } from "../entry.ts";
import { type FileSystem, fileSystemAt } from "../file-system.ts";
import { liveCopyProblem } from "../live-copy.ts";
import type { LineReporter } from "../reporter.ts";
import { changeFstab, LARGEST_FSTAB } from "./proc.ts";

/** The directories of a live jail, and symbolic links that lead there, as the host has them. */
export interface Live {
  readonly directories: readonly ByteString[];
  readonly links: readonly { readonly path: ByteString; readonly target: ByteString }[];
}

/** The section with what a live jail needs besides /usr. */
export const LIVE_SECTION = "livebasics";

const USUAL = "/usr";
const OTHER_WAY =
  "create a new live jail, and take the users there with: jk_jailuser --unjail --move, and jk_jailuser --move";
const ALLOWED = /^\/(?:usr|usr\/local|opt|opt\/[^/]+)$/;
// On a host with a merged /usr these are symbolic links.
const BESIDE = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
const MARK = "x-jailkit";
const OPTIONS = `bind,ro,nosuid,nodev,private,nofail,${MARK}`;
// Directories in /run are created at each boot, at the latest by the service itself.
const SOCKET_OPTIONS = `bind,ro,nosuid,nodev,noexec,private,nofail,${MARK},x-systemd.after=systemd-tmpfiles-setup.service`;

/**
 * Reads the value of --live: directories separated by commas, "" for /usr. None of them may contain a jail, this one or
 * another: users would see its files. Throws UsageError, JailkitError "live-source".
 */
export function liveOf(value: ByteString, host: FileSystem, jail: ByteString): Live {
  const named = value === "" ? [USUAL] : value.split(",").map((each) => each.replace(/\/+$/, ""));
  const wrong = named.find((each) => !canBeLive(each));
  if (wrong !== undefined)
    throw new UsageError(`--live: ${display(wrong)}: name /usr, /usr/local, /opt or a directory in /opt`);
  const missing = named.find((path) => !isDirectory({ mode: host.lstat(path)?.mode ?? 0 }));
  if (missing !== undefined)
    throw new JailkitError("live-source", 1, `${display(missing)}: is no directory of this machine`);
  requireNoJailIn(named, jail);
  const beside = BESIDE.filter(() => named.includes(USUAL));
  const links = named.includes(USUAL) ? systemLinks(host) : [];
  const apart = beside.filter((path) => isDirectory({ mode: host.lstat(path)?.mode ?? 0 }));
  const all = [...new Set([...named, ...apart])].sort();
  // What another one shows already needs no mount: the mount of /usr has /usr/local, unless that is a file system of its own.
  const shown = (path: ByteString) =>
    all.some((other) => path.startsWith(`${other}/`) && mountIdOf(other) === mountIdOf(path));
  return { directories: all.filter((path) => !shown(path)), links };
}

/** Whether --live takes a path. Pure. */
export const canBeLive = (path: ByteString): boolean => ALLOWED.test(path) && !/\/\.\.?$/.test(path);

/** Of the recorded directories of a live jail those that --live takes; the others come with them. */
export const namedLive = (live: readonly ByteString[]): ByteString[] => live.filter(canBeLive);

/** Of the recorded directories of a live jail those that named ones bring. Pure. */
export const comesWith = (live: readonly ByteString[], named: readonly ByteString[]): ByteString[] =>
  live.filter((path) => named.includes(path) || (named.includes(USUAL) && BESIDE.includes(path)));

/** The option of jk_init that makes a jail live as one with these directories is. */
export function liveOption(live: readonly ByteString[]): ByteString {
  const named = namedLive(live);
  return named.length === 1 && named[0] === USUAL ? "--live" : `--live=${named.map(shellWord).join(",")}`;
}

/** The symbolic links of the host into /usr that a live jail has too. */
function systemLinks(host: FileSystem): Live["links"] {
  return BESIDE.flatMap((path) => {
    const stat = host.lstat(path);
    return stat !== undefined && isLink(stat) ? [{ path, target: host.readlink(path) }] : [];
  });
}

/** True for the path of a symbolic link into /usr that a jail with these directories has as the host does. Pure. */
export const isSystemLink = (path: ByteString, live: readonly ByteString[]): boolean =>
  live.includes(USUAL) && BESIDE.includes(path);

/** The symbolic links into /usr that a live jail lacks. `live`: its directories. */
export function lackingLinks(root: JailRoot, live: readonly ByteString[]): Live["links"] {
  if (!live.includes(USUAL)) return [];
  return systemLinks(fileSystemAt()).filter(({ path }) => lookUp(root, path) === undefined);
}

/** Creates the symbolic links into /usr that a live jail lacks, and returns their paths. */
export function restoreLinks(root: JailRoot, live: readonly ByteString[]): ByteString[] {
  return lackingLinks(root, live).flatMap(({ path, target }) =>
    putSymlink(root, path, target) === "created" ? [path] : [],
  );
}

function requireNoJailIn(directories: readonly ByteString[], jail: ByteString): void {
  const jails = [jail, ...knownJails().map((known) => known.jail.path)];
  for (const path of directories) {
    const inside = jails.find((one) => below(one, path) !== undefined);
    if (inside === undefined) continue;
    const what = `the jail ${display(inside)} is in it, and its files would be visible in ${display(jail)}`;
    throw new JailkitError("live-source", 1, `--live: ${display(path)}: ${what}`);
  }
}

const mountIdOf = (path: ByteString) => withTree((tree) => statIfPresent(tree.fd, path.slice(1))?.mountId);

/** The directories of a jail that are live: those recorded or requested, and others where the host's are mounted. */
export function liveDirectories(root: JailRoot | undefined, more: readonly ByteString[]): ByteString[] {
  return [...new Set([...(root ? hostMountsIn(root) : []), ...more])];
}

/**
 * The problem that prevents a jail from being filled: of a live one that is not mounted, or cannot become live. `recorded`:
 * the directories that should be mounted in it already.
 */
export function liveProblem(
  root: JailRoot,
  live: Live | undefined,
  recorded: readonly ByteString[],
  content: ManifestContent | undefined,
): PopulateProblem | undefined {
  const others = recorded.filter((path) => !live?.directories.includes(path));
  const lacking = lackingProblem(root, others);
  if (lacking !== undefined || live === undefined) return lacking;
  const what = live.directories.map((path) => liveObstacle(root, path)).find((each) => each !== undefined);
  if (what === undefined) return undefined;
  const copy = liveCopyProblem(root, content)?.message;
  return { code: "live-obstacle", path: root.path, message: copy ?? `${what}; ${OTHER_WAY}` };
}

/** Throws JailkitError if a directory of a jail cannot become live. */
export function requireLivePlaces(root: JailRoot, directories: readonly ByteString[]): void {
  const what = directories.map((path) => liveObstacle(root, path)).find((each) => each !== undefined);
  if (what !== undefined) throw new JailkitError("live-obstacle", 1, `${what}; ${OTHER_WAY}`);
}

/**
 * Shows directories of the host in a jail: records them under `key`, mounts those that exist, and adds a line of fstab(5)
 * for each. Each step may be repeated. True if lines were added. Throws JailkitError, SystemError.
 */
export function showInJail(
  root: JailRoot,
  key: "live" | "sockets",
  directories: readonly ByteString[],
  say: (line: ByteString) => void,
): boolean {
  const manifest = openManifest(root);
  const before = manifest.content[key] ?? [];
  if (directories.some((path) => !before.includes(path))) {
    changeManifest(manifest, (content) => {
      content[key] = [...new Set([...(content[key] ?? []), ...directories])];
    });
    saveManifest(manifest);
  }
  for (const path of directories)
    if (mountLive(root, path)) say(`Mounting ${path} on ${root.path}${path}, read-only`);
  return addLiveLines(root.path, directories);
}

/**
 * Undoes showInJail for those of the directories that are recorded; the record comes last, so that it may be repeated. Throws
 * JailkitError, SystemError.
 */
export function hideFromJail(
  root: JailRoot,
  key: "live" | "sockets",
  directories: readonly ByteString[],
  say: (line: ByteString) => void,
): void {
  if (directories.length === 0) return;
  const manifest = openManifest(root);
  const recorded = (manifest.content[key] ?? []).filter((path) => directories.includes(path));
  if (recorded.length === 0) return;
  for (const path of recorded) if (unmountLive(root, path)) say(`unmounted ${display(root.path + path)}`);
  if (removeLiveLines(root.path, { directories: recorded }))
    say(
      `removed the lines for ${recorded.map((path) => display(root.path + path)).join(", ")} from /etc/fstab`,
    );
  changeManifest(manifest, (content) => {
    const left = (content[key] ?? []).filter((path) => !recorded.includes(path));
    content[key] = left.length === 0 ? undefined : left;
  });
  saveManifest(manifest);
}

/**
 * Makes a jail live: records the directories, mounts them, adds a line of fstab(5) for each, and creates the links. Each
 * step may be repeated. Throws JailkitError, SystemError.
 */
export function setUpLive(root: JailRoot, { directories, links }: Live, reporter: LineReporter): void {
  if (showInJail(root, "live", directories, (line) => reporter.say(line)))
    reporter.detail(`Adding the mounts of ${root.path} to /etc/fstab`);
  for (const { path, target } of links)
    if (putSymlink(root, path, target) === "created")
      reporter.detail(`Creating symlink ${root.path}${path} to ${target}`);
}

/** The path in a field of fstab(5), which may be written with more slashes, or a dot. */
const pathIn = (field: ByteString): ByteString => plainPath(unescaped(field));

const lineOf = (jail: ByteString, path: ByteString) =>
  `${fstabField(path)} ${fstabField(jail + path)} none ${isSocketDirectory(path) ? SOCKET_OPTIONS : OPTIONS} 0 0`;

/** True for a line that mounts the host's directory without a restriction: ours, with changed options, or another one. */
function isUnrestricted(line: string, path: ByteString): boolean {
  const [from = "", , , fourth = ""] = fstabFields(line);
  const options = fourth.split(",");
  const needed = ["bind", "ro", "nosuid", "nodev", ...(isSocketDirectory(path) ? ["noexec"] : [])];
  const undone = ["rw", "suid", "dev"].some((option) => options.includes(option));
  const isBind = options.includes(MARK) || pathIn(from) === path;
  return isBind && (undone || !needed.every((option) => options.includes(option)));
}

/**
 * The text of fstab(5) with a line for each directory of the host in a jail; undefined if it has them already. A line for
 * it that lacks a restriction is replaced.
 */
export function withLiveLines(
  fstab: ByteString,
  jail: ByteString,
  directories: readonly ByteString[],
): ByteString | undefined {
  const there = new Set<ByteString>();
  const kept = fstab.split("\n").map((line) => {
    const [, where = ""] = fstabFields(line);
    const path = directories.find((one) => jail + one === pathIn(where));
    if (path === undefined) return line;
    there.add(path);
    return isUnrestricted(line, path) ? lineOf(jail, path) : line;
  });
  const text = kept.join("\n");
  const lines = directories.filter((path) => !there.has(path)).map((path) => `${lineOf(jail, path)}\n`);
  if (lines.length === 0) return text === fstab ? undefined : text;
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${lines.join("")}`;
}

/**
 * The text of fstab(5) without our lines for directories of the host in a jail, all or the given ones; undefined if there
 * are none.
 */
export function withoutLiveLines(
  fstab: ByteString,
  jail: ByteString,
  directories?: readonly ByteString[],
): ByteString | undefined {
  const lines = fstab.split("\n");
  const places = directories?.map((path) => fstabField(jail + path));
  const kept = lines.filter((line) => {
    const [, where = "", , options = ""] = fstabFields(line);
    const isOne = places?.includes(where) ?? where.startsWith(`${fstabField(jail)}/`);
    return !(isOne && options.split(",").includes(MARK));
  });
  return kept.length === lines.length ? undefined : kept.join("\n");
}

/** Adds the lines to /etc/fstab. True if it was changed. */
export function addLiveLines(jail: ByteString, directories: readonly ByteString[]): boolean {
  const byHand = `add the lines for ${display(jail)} by hand`;
  return withTree(
    (etc) => changeFstab(etc, (fstab) => withLiveLines(fstab, jail, directories), byHand),
    "/etc",
  );
}

/** Tells whether the text of fstab(5) has a line for a directory of the host in a jail, which lacks no restriction. Pure. */
export function liveLinesIn(fstab: ByteString): (jail: ByteString, directory: ByteString) => boolean {
  const byPlace = Map.groupBy(fstab.split("\n"), (line) => pathIn(fstabFields(line)[1] ?? ""));
  return (jail, directory) => {
    const found = byPlace.get(jail + directory) ?? [];
    return found.length > 0 && !found.some((line) => isUnrestricted(line, directory));
  };
}

/** True if /etc/fstab has the lines. */
export function hasLiveLines(jail: ByteString, directories: readonly ByteString[]): boolean {
  const has = liveLinesIn(hostText("/etc/fstab", LARGEST_FSTAB) ?? "");
  return directories.every((directory) => has(jail, directory));
}

/** The directories of the host for which /etc/fstab has our lines in a jail. */
export function directoriesInFstab(jail: ByteString): ByteString[] {
  const lines = (hostText("/etc/fstab", LARGEST_FSTAB) ?? "").split("\n");
  return lines.flatMap((line) => {
    const [from = "", where, , options = ""] = fstabFields(line);
    const path = unescaped(from);
    const known = ALLOWED.test(path) || BESIDE.includes(path) || isSocketDirectory(path);
    return known && where === fstabField(jail + path) && options.split(",").includes(MARK) ? [path] : [];
  });
}

/** Removes the lines from /etc/fstab, all or those of the given directories. True if it was changed. */
export function removeLiveLines(
  jail: ByteString,
  { directories, registry = REGISTRY }: { directories?: readonly ByteString[]; registry?: ByteString } = {},
): boolean {
  const byHand = `take the lines for ${display(jail)} out by hand`;
  return withTree(
    (etc) => changeFstab(etc, (fstab) => withoutLiveLines(fstab, jail, directories), byHand, registry),
    "/etc",
  );
}
