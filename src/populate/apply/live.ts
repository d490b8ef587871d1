import type { ByteString } from "../../../ffi/bytes.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered, JailkitError, UsageError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { hostMountsIn } from "../../jail/fs/host-mounts.ts";
import { liveObstacle, mountLive, unmountLive } from "../../jail/fs/live-mounts.ts";
import { isEmptyAt, lookUp, withTree } from "../../jail/fs/look.ts";
import { removePath } from "../../jail/fs/remove.ts";
import { hostPath, isDirectory, isLink, type JailRoot } from "../../jail/fs/walk.ts";
import { putSymlink } from "../../jail/fs/write.ts";
import { lackingProblem, requireNoJailIn } from "../../jail/record/live.ts";
import {
  changeManifest,
  type ManifestContent,
  openManifest,
  saveManifest,
} from "../../jail/record/manifest.ts";
import type { PopulateProblem } from "../entry.ts";
import { type FileSystem, fileSystemAt } from "../file-system.ts";
import { liveCopyProblem } from "../live-copy.ts";
import type { LineReporter } from "../reporter.ts";
import { BESIDE, canBeLive } from "./live-line.ts";
import { addLiveLines, removeLiveLines, requireLiveLines, requireNoLiveLines } from "./live-lines.ts";

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

/**
 * Reads the value of --live: directories separated by commas, "" for /usr. None of them may contain a jail, this one or
 * another, such as `others`: users would see its files. Throws UsageError, JailkitError "live-source".
 */
export function liveOf(
  value: ByteString,
  host: FileSystem,
  jail: ByteString,
  others: readonly ByteString[] = [],
): Live {
  const named = value === "" ? [USUAL] : value.split(",").map((each) => each.replace(/\/+$/, ""));
  const wrong = named.find((each) => !canBeLive(each));
  if (wrong !== undefined)
    throw new UsageError(`--live: ${display(wrong)}: name /usr, /usr/local, /opt or a directory in /opt`);
  const missing = named.find((path) => !isDirectory({ mode: host.lstat(path)?.mode ?? 0 }));
  if (missing !== undefined)
    throw new JailkitError("live-source", 1, `${display(missing)}: is no directory of this machine`);
  requireNoJailIn(named, jail, others);
  const beside = BESIDE.filter(() => named.includes(USUAL));
  const links = named.includes(USUAL) ? systemLinks(host) : [];
  const apart = beside.filter((path) => isDirectory({ mode: host.lstat(path)?.mode ?? 0 }));
  const all = [...new Set([...named, ...apart])].sort();
  // What another one shows already needs no mount: the mount of /usr has /usr/local, unless that is a file system of its own.
  const shown = (path: ByteString) =>
    all.some((other) => path.startsWith(`${other}/`) && mountIdOf(other) === mountIdOf(path));
  return { directories: all.filter((path) => !shown(path)), links };
}

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
  const inside = insideProblem(root, live, others);
  if (inside !== undefined) return inside;
  const what = live.directories.map((path) => liveObstacle(root, path)).find((each) => each !== undefined);
  if (what === undefined) return undefined;
  const { message, remedy } = liveCopyProblem(root, content) ?? {
    message: `${what}; ${OTHER_WAY}`,
    remedy: undefined,
  };
  return { code: "live-obstacle", path: root.path, message, remedy };
}

/** The problem of a directory that would hide one that is live already, and that only a declaration takes out. */
function insideProblem(root: JailRoot, { directories }: Live, recorded: readonly ByteString[]) {
  for (const path of directories) {
    const inner = recorded.find((one) => one.startsWith(`${path}/`));
    if (inner === undefined) continue;
    const message = `${display(hostPath(root, path))}: ${quoted(inner)}, which is live, is in it, and goes first: with a declaration without it, and jailkit apply --prune`;
    return { code: "live-obstacle", path: root.path, message, remedy: undefined } as const;
  }
  return undefined;
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
  requireLiveLines(root.path, directories);
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
  hideLeft(root.path, root, recorded, say);
  const { entries } = manifest.content;
  for (const path of recorded.filter((one) => losesPlace(one, entries))) removeMountPoint(root, path);
  changeManifest(manifest, (content) => {
    const left = (content[key] ?? []).filter((path) => !recorded.includes(path));
    content[key] = left.length === 0 ? undefined : left;
  });
  saveManifest(manifest);
}

/** Whether a directory that is live no more loses its place in the jail. */
export const losesPlace = (path: ByteString, entries: ManifestContent["entries"]): boolean =>
  canBeLive(path) && path !== USUAL && !entries.has(path);

/** Removes the directory that mountLive has made, if it is empty: it would be in the way of a mount above it. */
function removeMountPoint(root: JailRoot, path: ByteString): void {
  const stat = isEmptyAt(root, path) ? lookUp(root, path)?.stat : undefined;
  // A jail may keep it.
  if (stat !== undefined) answered(() => removePath(root, path, stat));
}

/**
 * The same for directories that the record does not have: lines of fstab(5), and mounts by them, of a jail that somebody
 * deleted. `root`: the jail; undefined if nothing is mounted in it.
 */
export function hideLeft(
  jail: ByteString,
  root: JailRoot | undefined,
  directories: readonly ByteString[],
  say: (line: ByteString) => void,
): void {
  const at = (path: ByteString) => display(jail + path);
  requireNoLiveLines(jail, directories);
  if (root !== undefined)
    for (const path of directories) if (unmountLive(root, path)) say(`unmounted ${at(path)}`);
  if (removeLiveLines(jail, { directories }))
    say(`removed the lines for ${directories.map(at).join(", ")} from /etc/fstab`);
}

/**
 * Makes a jail live: records the directories, mounts them, adds a line of fstab(5) for each, and creates the links. Each
 * step may be repeated. Throws JailkitError, SystemError.
 */
export function setUpLive(
  root: JailRoot,
  { directories, links }: Live,
  reporter: Pick<LineReporter, "say" | "detail">,
): void {
  if (showInJail(root, "live", directories, (line) => reporter.say(line)))
    reporter.detail(`Adding the mounts of ${root.path} to /etc/fstab`);
  for (const { path, target } of links)
    if (putSymlink(root, path, target) === "created")
      reporter.detail(`Creating symlink ${root.path}${path} to ${target}`);
}
