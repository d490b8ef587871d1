import type { ByteString } from "../../../ffi/bytes.ts";
import { isErrno } from "../../../ffi/error.ts";
import { close, fstat, isEmptyDirectory, type Stat, sameFile } from "../../../ffi/files.ts";
import { attachMount, cloneMountOf, limitMount } from "../../../ffi/mounts.ts";
import { display } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { ownMounts } from "../../system/mountinfo.ts";
import { isLimited } from "../../system/mounts.ts";
import { hostStat, openHostDirectory } from "./host-source.ts";
import { isEmptyAt } from "./look.ts";
import { isSocketDirectory } from "./socket-directory.ts";
import { unmountInJail } from "./unmount.ts";
import { forgetDirectories, hostPath, type JailRoot, openDirectory, release, withDirectory } from "./walk.ts";
import { makeDirectories } from "./write.ts";

/**
 * The state of a directory on which one of the host's is mounted, of a live jail or for sockets. "mounted": it shows the
 * host's, read-only, nosuid and nodev (noexec too, for sockets). "open": it lacks one of these. "stale": the host's has
 * been removed since, and perhaps created again. "other": something else is mounted there. "missing": nothing is.
 * "absent": the same, and the host has no such directory of sockets either, as while a service is stopped.
 */
export type LiveState = "mounted" | "open" | "stale" | "other" | "missing" | "absent";

// Something keeps mounting there.
const MOST_MOUNTS = 64;

/** The state of a directory of the host's in a jail. `path`: as the jail sees it. */
export function liveState(root: JailRoot, path: ByteString): LiveState {
  const sockets = isSocketDirectory(path);
  const host = hostStat(path);
  const nothing = sockets && host === undefined ? "absent" : "missing";
  const look = () => {
    const directory = openDirectory(root, path);
    const { stat, fd, mount } = directory;
    try {
      // A symbolic link in its place leads elsewhere.
      if (directory.path !== path || mount.path !== path) return nothing;
      if (stat.nlink === 0) return "stale";
      if (host === undefined || !sameFile(host, stat)) return "other";
      return isLimited(fd, sockets) ? "mounted" : "open";
    } finally {
      release(directory);
    }
  };
  return answered(look) ?? nothing;
}

/** True if the host has no directory to mount at this path. */
export const isHostMissing = (path: ByteString): boolean => hostStat(path) === undefined;

/** True if something is mounted in the place of a directory of the host's in a jail. */
export const isMounted = (root: JailRoot, path: ByteString): boolean =>
  !["missing", "absent"].includes(liveState(root, path));

/** Those directories of the host's that a jail does not show as it should, of those that the host has. */
export function lackingMounts(root: JailRoot, directories: readonly ByteString[]): ByteString[] {
  return directories.filter((path) => {
    const state = liveState(root, path);
    if (state === "mounted" || state === "absent") return false;
    return !isSocketDirectory(path) || hostStat(path) !== undefined;
  });
}

/** The restrictions of such a mount, for messages. */
export const restrictionsOf = (path: ByteString): string =>
  isSocketDirectory(path) ? "read-only, nosuid, nodev and noexec" : "read-only, nosuid and nodev";

const refuse = (code: ProblemCode, path: ByteString, what: string) =>
  new JailkitError(code, 1, `${display(path)}: ${what}`);

/**
 * The reason why a directory of the jail cannot become a mount point, printable; undefined if it can. It must be empty, or
 * missing, and only root may be able to exchange it. A mount of the host's directory is no reason.
 */
export function liveObstacle(root: JailRoot, path: ByteString): string | undefined {
  const state = liveState(root, path);
  // A mount of a directory that was removed is replaced, and one that lacks a restriction gets it.
  if (state === "mounted" || state === "stale" || state === "open") return undefined;
  const shown = display(hostPath(root, path));
  if (state === "other") return `${shown}: something else is mounted there`;
  const directory = answered(() => openDirectory(root, path));
  if (directory === undefined) return undefined;
  try {
    if (directory.path !== path) return `${shown}: is a symbolic link`;
    if (!directory.trusted) return `${shown}: users other than root can change it`;
    return isEmptyDirectory(directory.fd)
      ? undefined
      : `${shown}: has files of its own; the host's can be mounted only on an empty directory`;
  } finally {
    release(directory);
  }
}

/**
 * True if a directory of the host's is mounted in a jail, or could be at once: there is an empty directory for it, or its
 * service, which brings the one of sockets, does not run.
 */
export function hasMountPlace(root: JailRoot, path: ByteString): boolean {
  if (liveState(root, path) !== "missing") return true;
  return isEmptyAt(root, path);
}

/** True if a live jail has files of its own where one of the host's directories should be mounted. */
export function hasFilesInPlace(root: JailRoot, path: ByteString): boolean {
  if (isSocketDirectory(path) || liveState(root, path) !== "missing") return false;
  return (
    answered(() => withDirectory(root, path, (at) => at.path === path && !isEmptyDirectory(at.fd))) ?? false
  );
}

/** Makes a mount of the host's directory read-only, nosuid, nodev and private, as mountLive does. */
function restrictLive(root: JailRoot, path: ByteString): void {
  const stat = withDirectory(root, path, (directory) => {
    if (directory.path !== path) throw refuse("exchanged", hostPath(root, path), "was exchanged meanwhile");
    limitMount(directory.fd, hostPath(root, path), isSocketDirectory(path));
    return directory.stat;
  });
  requireMounted(root, path, stat);
}

/**
 * Mounts a directory of the host at the same path of the jail: read-only, nosuid, nodev, private, and without the mounts in
 * it; noexec too, for sockets. All by descriptor, so that no name is looked up below a directory of users. One that is
 * mounted without these restrictions gets them. False if it is mounted already, or absent. Throws JailkitError, SystemError.
 */
export function mountLive(root: JailRoot, path: ByteString): boolean {
  if (liveState(root, path) === "stale") unmountLive(root, path);
  const state = liveState(root, path);
  if (state === "mounted" || state === "absent") return false;
  if (state === "open") {
    restrictLive(root, path);
    return true;
  }
  const obstacle = liveObstacle(root, path);
  if (obstacle !== undefined) throw new JailkitError("live-obstacle", 1, obstacle);
  makeDirectories(root, path, () => ({ mode: 0o755, uid: 0, gid: 0 }));
  const at = hostPath(root, path);
  const source = openHostDirectory(path);
  let mount = -1;
  try {
    mount = cloneMountOf(source, path);
    limitMount(mount, at, isSocketDirectory(path));
    withDirectory(root, path, (directory) => {
      if (directory.path !== path || !directory.trusted)
        throw refuse("exchanged", at, "was exchanged meanwhile");
      attachMount(mount, directory.fd, at);
    });
    // In a directory of a peer group, the kernel has put it into one too.
    limitMount(mount, at, isSocketDirectory(path));
    requireMounted(root, path, fstat(mount));
    return true;
  } finally {
    if (mount >= 0) close(mount);
    close(source);
  }
}

/** Verifies a new mount by what the kernel says about it. */
function requireMounted(root: JailRoot, path: ByteString, mounted: Stat): void {
  forgetDirectories(root);
  const at = hostPath(root, path);
  const line = ownMounts().find(({ id }) => id === mounted.mountId);
  const options = ["ro", "nosuid", "nodev", ...(isSocketDirectory(path) ? ["noexec"] : [])];
  const isRight =
    line?.mountPoint === at &&
    options.every((one) => line.options.includes(one)) &&
    line.propagation.length === 0;
  if (isRight && liveState(root, path) === "mounted") return;
  throw refuse("live-mount", at, "is not mounted as it should be");
}

/** True if the mount of a directory of a live jail is in no peer group, so that nothing mounted elsewhere appears in it. */
export function isPrivate(root: JailRoot, path: ByteString): boolean {
  const mountId = withDirectory(root, path, ({ stat }) => stat.mountId);
  return ownMounts().find(({ id }) => id === mountId)?.propagation.length === 0;
}

/**
 * Unmounts the host's directory from a path of a live jail, and nothing else. False if it is not mounted. Throws
 * JailkitError "live-busy" if a process uses it, "live-other" if something else is mounted there.
 */
export function unmountLive(root: JailRoot, path: ByteString): boolean {
  const at = hostPath(root, path);
  for (let count = 0; count < MOST_MOUNTS; count++) {
    const state = liveState(root, path);
    if (state === "missing" || state === "absent") return count > 0;
    if (state === "other")
      throw refuse("live-other", at, "something else is mounted there; unmount it first");
    try {
      // Nothing is lost with a directory that was removed, and a user must not be able to keep it.
      unmountInJail(root, path, { detach: state === "stale" });
    } catch (error) {
      if (!isErrno(error, "EBUSY")) throw error;
      const remedy = `jk_list -j ${shellWord(root.path)}`;
      throw refuse("live-busy", at, `is in use; end the processes in the jail first (see: ${remedy})`);
    }
  }
  throw refuse("mounts", at, "something keeps mounting there");
}
