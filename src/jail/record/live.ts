import type { ByteString } from "../../../ffi/bytes.ts";
import { pathsDownTo } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, errorOf, JailkitError } from "../../cli/error.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { asideCommand, freeName } from "../../system/free-name.ts";
import { below, ownMounts } from "../../system/mountinfo.ts";
import { byWhat, leadingInto } from "../fs/leads-into.ts";
import {
  hasFilesInPlace,
  isHostMissing,
  lackingMounts,
  liveObstacle,
  liveState,
  restrictionsOf,
} from "../fs/live-mounts.ts";
import { lookUp } from "../fs/look.ts";
import { directoryFindings } from "../fs/safety.ts";
import { hostPath, isLink, type JailRoot } from "../fs/walk.ts";
import { knownJails, type ManifestContent } from "./manifest.ts";

/**
 * Throws JailkitError "live-source" for a directory of the host that has a jail in it, one of `others`, or a known one: the
 * users of the jail that shows it would see its files.
 */
export function requireNoJailIn(
  directories: readonly ByteString[],
  jail: ByteString,
  others: readonly ByteString[] = [],
): void {
  const jails = [jail, ...others, ...knownJails().map((known) => known.jail.path)];
  const leads = leadingInto();
  for (const path of directories) {
    const inside = jails.find((one) => leads(one, path));
    if (inside === undefined) continue;
    const how = below(inside, path) === undefined ? `, ${byWhat(inside)},` : "";
    const what = `the jail ${display(inside)} is${how} in it, and its files would be visible in ${display(jail)}`;
    throw new JailkitError("live-source", 1, `${display(path)}: ${what}`);
  }
}

/** The command that mounts what a live jail lacks. */
export const mountCommand = (jail: ByteString): Remedy => `jailkit mount ${shellWord(jail)}`;

/** The directories of the host that should be mounted in a jail: those of a live jail, and those with sockets. */
export const mountsOf = ({ live = [], sockets = [] }: Pick<ManifestContent, "live" | "sockets">) => [
  ...live,
  ...sockets,
];

/** The problem that a directory of sockets is not mounted as it should be; undefined if all are. The jail works without. */
export function lackingSockets(root: JailRoot, sockets: readonly ByteString[] = []) {
  const [path] = lackingMounts(root, sockets);
  if (path === undefined) return undefined;
  const remedy = mountCommand(root.path);
  const message = `${display(hostPath(root, path))}: the host's ${display(path)}, with its sockets, is not mounted there as it should be; fix it with: ${remedy}`;
  return { code: "sockets", path: root.path, message, remedy } as const;
}

/**
 * The command that moves a directory of a jail out of it, since its users should not see it, to where only root can enter.
 * Undefined if others could exchange a name in it.
 */
export function moveAway(root: JailRoot, path: ByteString): Remedy | undefined {
  if (directoryFindings(root).length > 0) return undefined;
  const from = hostPath(root, path);
  const away = shellWord(freeName(`${root.path}${path.replaceAll("/", "-")}`, ".old"));
  // Later ones may be in earlier ones. Otherwise mv (to another file system), or rm later, would remove the host's files.
  const mounts = ownMounts().filter(({ mountPoint }) => below(mountPoint, from));
  const unmount = mounts.reverse().map(({ mountPoint }): Remedy => `umount ${shellWord(mountPoint)}`);
  // It may have setuid programs that nothing updates.
  return allOf([...unmount, `mv -nT ${shellWord(from)} ${away} && chmod go= ${away}`]);
}

/** A problem of a live jail of which a directory is not mounted as it should be; undefined for all others. */
export function lackingProblem(root: JailRoot, live: readonly ByteString[] = []) {
  const [path] = lackingMounts(root, live);
  if (path === undefined) return undefined;
  const at = hostPath(root, path);
  const how =
    liveState(root, path) === "open"
      ? `is mounted there, but not ${restrictionsOf(path)}`
      : "is not mounted there, as it should be in this live jail";
  if (isHostMissing(path)) {
    const message = `${display(at)}: the host's ${display(path)} does not exist, which is to be mounted there: bring it back first, and then type: ${mountCommand(root.path)}`;
    return { code: "not-mounted", path: root.path, message, remedy: undefined } as const;
  }
  const { what, clear } = inTheWay(root, path);
  const remedy = allOf([clear ?? "", mountCommand(root.path)]);
  const also = what === undefined ? "" : `, and ${what}`;
  const message = `${display(at)}: the host's ${display(path)} ${how}${also}; fix it with: ${remedy}`;
  return { code: "not-mounted", path: root.path, message, remedy } as const;
}

/** What is in the place of a mount, and the command that makes place for it; undefined for nothing, and if nothing can. */
function inTheWay(root: JailRoot, path: ByteString): { what?: string; clear?: Remedy | undefined } {
  if (hasFilesInPlace(root, path)) return { what: "files are in its place", clear: moveAway(root, path) };
  if (liveState(root, path) === "other")
    return { what: "something else is mounted there", clear: `umount ${shellWord(hostPath(root, path))}` };
  const clear = linkAside(root, path);
  return clear === undefined ? {} : { what: "a symbolic link is in its place", clear };
}

/** Throws JailkitError if a directory of the host cannot be mounted in a jail, with the command that makes place for it. */
export function requireMountPlace(root: JailRoot, path: ByteString): void {
  // Its error has the remedy.
  if (hasFilesInPlace(root, path) || isHostMissing(path)) requireMounted(root, [path]);
  if (lackingMounts(root, [path]).length > 0) requireNoJailIn([path], root.path);
  const what = liveState(root, path) === "absent" ? undefined : liveObstacle(root, path);
  if (what === undefined) return;
  const { clear } = inTheWay(root, path);
  const remedy = clear && allOf([clear, mountCommand(root.path)]);
  const fix = remedy === undefined ? "" : `; fix it with: ${remedy}`;
  throw new JailkitError("live-obstacle", 1, `${what}${fix}`, undefined, remedy);
}

/** The command that renames a symbolic link of root's on the way to a directory; undefined for none. */
function linkAside(root: JailRoot, path: ByteString): Remedy | undefined {
  const link = pathsDownTo(path).find((at) => {
    const stat = answered(() => lookUp(root, at)?.stat);
    return stat !== undefined && isLink(stat);
  });
  if (link === undefined || directoryFindings(root).length > 0) return undefined;
  const place = hostPath(root, link);
  return asideCommand(place);
}

/** Throws JailkitError "not-mounted" for a live jail of which a directory is not mounted as it should be. */
export function requireMounted(root: JailRoot, live: readonly ByteString[] | undefined): void {
  const problem = lackingProblem(root, live);
  if (problem !== undefined) throw errorOf(problem);
}
