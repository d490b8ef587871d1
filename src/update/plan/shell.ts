import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, O_NOCTTY, O_NONBLOCK, O_RDONLY } from "../../../ffi/constants.ts";
import { openAt, type Stat, sameFile, statIfPresent, withFd } from "../../../ffi/files.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { LIMITED_SHELL, programFindings } from "../../enter/shell.ts";
import { readJailAccounts } from "../../jail/accounts/accounts.ts";
import { type Found, lookUp, withJailFile } from "../../jail/fs/look.ts";
import { isRegular, type JailRoot } from "../../jail/fs/walk.ts";
import { isRuntime, type JailkitVersion, jailkitVersionOf } from "../../known-programs/jailkit-version.ts";
import { type JailLogins, loginObstacle } from "../logins.ts";
import { lookAt } from "../state.ts";
import type { Kept, Removal } from "./compare.ts";

/** A file or symbolic link in a jail with the name of the limited shell. */
interface ShellPlace {
  /** As the jail sees it; its directory is resolved. */
  readonly path: ByteString;
  readonly stat: Stat;
  /** The target of a symbolic link; undefined if it is dangling. */
  readonly leadsTo?: ByteString | undefined;
  readonly isLink: boolean;
}

const DIRECTORIES = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/usr/local/sbin", "/usr/local/bin"];

const SHELLS: Readonly<Record<JailkitVersion, string | undefined>> = {
  "jailkit-2": "the jk_lsh of jailkit 2",
  "jailkit-3": "a copy of jailkit's own runtime",
  entry: undefined,
};

/** True for a path with the name of the limited shell. */
export const namesShell = (path: ByteString): boolean => baseName(path) === LIMITED_SHELL;

/** The limited shells in a jail: in the usual directories, at `recorded` paths, of accounts, and targets of such links. */
export function shellPlaces(root: JailRoot, recorded: Iterable<ByteString>): Map<ByteString, ShellPlace> {
  const usual = DIRECTORIES.map((directory) => `${directory}/${LIMITED_SHELL}`);
  const places = new Map<ByteString, ShellPlace>();
  const add = (path: ByteString): void => {
    const found = path.startsWith("/") && namesShell(path) ? lookAt(root, path) : undefined;
    if (found === undefined || places.has(found.canonicalPath)) return;
    const { stat, target, canonicalPath } = found;
    const isLink = target !== undefined;
    if (!isLink && !isRegular(stat)) return;
    // An error: a loop, or a symbolic link of a user.
    const end = () => answered(() => lookUp(root, path, { follow: true }))?.canonicalPath;
    const leadsTo = isLink ? end() : undefined;
    places.set(canonicalPath, { path: canonicalPath, stat, isLink, leadsTo });
    if (leadsTo !== undefined) add(leadsTo);
  };
  // Without the accounts nothing is removed: see loginObstacle.
  const accounts = answered(() => readJailAccounts(root))?.users ?? [];
  for (const path of [...usual, ...accounts.map(({ shell }) => shell), ...recorded]) add(path);
  return places;
}

/** The paths of these places, and the targets of the links among them: these are not compared with the host. */
export function pathsOf(places: ReadonlyMap<ByteString, ShellPlace>): ReadonlySet<ByteString> {
  return new Set([...places.values()].flatMap(({ path, leadsTo }) => [path, leadsTo ?? path]));
}

/**
 * Decides which limited shells of a jail are removed: those of jailkit, known by their content, in places that only root
 * can change, if nobody asked for them by name and every login works without them.
 */
export function decideShells(
  root: JailRoot,
  places: ReadonlyMap<ByteString, ShellPlace>,
  wanted: (path: ByteString) => boolean,
  logins: JailLogins,
): { removals: Removal[]; kept: Kept[] } {
  const removals: Removal[] = [];
  const kept: Kept[] = [];
  const keep = (path: ByteString, reason: string) => kept.push({ path, reason, notable: true });
  let obstacle: { reason: string | undefined } | undefined;
  for (const place of places.values()) {
    const { path, stat, isLink } = place;
    if (isLink) continue;
    if (wanted(path)) {
      keep(path, "was asked for by name, and runs instead of the shell in jk_chrootsh");
      continue;
    }
    const what = recognise(root, place);
    if ("foreign" in what) {
      keep(path, what.foreign);
      continue;
    }
    obstacle ??= { reason: loginObstacle(root, new Set(places.keys()), logins) };
    if (obstacle.reason === undefined) {
      const reason = `${what.what}: jk_chrootsh has its own built in`;
      removals.push({ path, type: "file", seen: stat, reason });
    } else keep(path, `is ${what.what}, and ${obstacle.reason}`);
  }
  const removed = new Set(removals.map(({ path }) => path));
  for (const place of places.values()) {
    const { path, stat, isLink, leadsTo } = place;
    if (!isLink || leadsTo === undefined || !isOwnMount(root, place)) continue;
    if (removed.has(leadsTo) && programFindings(root, parentOf(path)).length === 0) {
      removals.push({ path, type: "link", seen: stat, reason: `a link to ${display(leadsTo)}` });
    } else if (!namesShell(leadsTo) && !wanted(path)) {
      keep(path, `leads to ${display(leadsTo)}, and runs instead of the shell in jk_chrootsh`);
    }
  }
  return { removals, kept };
}

/** True for a file on the mount of the jail's root. Other mounts in the jail may have files of the host. */
export function isOwnMount(root: JailRoot, { stat }: ShellPlace): boolean {
  // The device does not show it: in overlayfs a file may have another device than its directory, and a bind mount has the
  // same. The mount id needs Linux 5.8.
  return stat.mountId !== 0n && stat.mountId === root.top.stat.mountId;
}

/** The kind of a limited shell, or the reason why it stays. */
function recognise(root: JailRoot, place: ShellPlace): { what: string } | { foreign: string } {
  const { path, stat } = place;
  if (!isOwnMount(root, place)) return { foreign: "is on a file system that is mounted in the jail" };
  const unsafe = programFindings(root, path)[0];
  if (unsafe !== undefined) return { foreign: `is not trusted: ${unsafe.message}` };
  const versionOf = (fd: number, found: Found) =>
    sameFile(found.stat, stat) ? jailkitVersionOf(fd, found.stat.size) : undefined;
  const version = withJailFile(root, path, versionOf, { follow: false });
  const what = version && SHELLS[version];
  if (what !== undefined) return { what };
  return { foreign: "is not jailkit's, and runs instead of the shell in jk_chrootsh" };
}

/** True if a path of the host leads to an executable of ours, with the runtime in it: it is copied only if named. */
export function isOurRuntime(path: ByteString): boolean {
  const stat = statIfPresent(AT_FDCWD, path, true);
  if (stat === undefined || !isRegular(stat)) return false;
  return withFd(openAt(AT_FDCWD, path, O_RDONLY | O_NONBLOCK | O_NOCTTY), (fd) => isRuntime(fd, stat.size));
}
