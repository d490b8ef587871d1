import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import {
  close,
  fstat,
  openAt,
  readDirectory,
  type Stat,
  sameFile,
  statIfPresent,
  withFd,
} from "../../../ffi/files.ts";
import { attachMount, cloneMountOf, limitMount } from "../../../ffi/mounts.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { ownMounts } from "../../system/mountinfo.ts";
import { isLimited } from "../../system/mounts.ts";
import { withTree } from "./look.ts";
import { unmountInJail } from "./unmount.ts";
import { forgetDirectories, hostPath, type JailRoot, openDirectory, release, withDirectory } from "./walk.ts";
import { makeDirectories } from "./write.ts";

/**
 * The state of a directory of a live jail. "mounted": it shows the host's, read-only, nosuid and nodev. "open": it lacks
 * one of these. "other": something else is mounted there. "missing": nothing is.
 */
export type LiveState = "mounted" | "open" | "other" | "missing";

// Something keeps mounting there.
const MOST_MOUNTS = 64;

/** The host's directory for a path of a live jail, without symbolic links; undefined if it is missing. */
function hostStat(path: ByteString): Stat | undefined {
  return statIfPresent(C.AT_FDCWD, path);
}

/** The state of a directory of a live jail. `path`: as the jail sees it. */
export function liveState(root: JailRoot, path: ByteString): LiveState {
  const look = () => {
    const directory = openDirectory(root, path);
    const { stat, fd, mount } = directory;
    try {
      // A symbolic link in its place leads elsewhere.
      if (directory.path !== path || mount.path !== path) return "missing";
      const host = hostStat(path);
      if (host === undefined || !sameFile(host, stat)) return "other";
      return isLimited(fd) ? "mounted" : "open";
    } finally {
      release(directory);
    }
  };
  return answered(look) ?? "missing";
}

/** The directories of a live jail that do not show the host's as they should. */
export function lackingMounts(root: JailRoot, live: readonly ByteString[]): ByteString[] {
  return live.filter((path) => liveState(root, path) !== "mounted");
}

const refuse = (code: string, path: ByteString, what: string) =>
  new JailkitError(code, 1, `${display(path)}: ${what}`);

/** Opens a directory of the host. It must be root's, in a directory that only root can change. */
function openHostDirectory(path: ByteString): number {
  return withTree((tree) => {
    const parent = withDirectory(tree, directoryOf(path), ({ trusted }) => trusted);
    return withDirectory(tree, path, (directory) => {
      if (directory.path !== path) throw refuse("live-source", path, "leads through a symbolic link");
      if (!parent || directory.stat.uid !== 0)
        throw refuse("live-source", path, "must belong to root, in directories that only root can write");
      return openAt(directory.fd, ".", C.O_PATH | C.O_DIRECTORY);
    });
  });
}

/**
 * The reason why a directory of the jail cannot become a mount point, printable; undefined if it can. It must be empty, or
 * missing, and only root may be able to exchange it. A mount of the host's directory is no reason.
 */
export function liveObstacle(root: JailRoot, path: ByteString): string | undefined {
  const state = liveState(root, path);
  if (state === "mounted") return undefined;
  const shown = display(hostPath(root, path));
  if (state === "open") {
    const remedy = `umount ${shellWord(hostPath(root, path))}`;
    return `${shown}: the host's is mounted there, but not read-only, nosuid and nodev; fix it with: ${remedy}`;
  }
  if (state === "other") return `${shown}: something else is mounted there`;
  const directory = answered(() => openDirectory(root, path));
  if (directory === undefined) return undefined;
  try {
    if (directory.path !== path) return `${shown}: is a symbolic link`;
    if (!directory.trusted) return `${shown}: users other than root can change it`;
    const names = withFd(openAt(directory.fd, ".", C.O_RDONLY | C.O_DIRECTORY), (fd) => readDirectory(fd, 1));
    return names.length === 0
      ? undefined
      : `${shown}: has files of its own; a live jail needs an empty directory there`;
  } finally {
    release(directory);
  }
}

/**
 * Mounts a directory of the host at the same path of the jail: read-only, nosuid, nodev, private, and without the mounts in
 * it. All by descriptor, so that no name is looked up below a directory of users. False if it is mounted already. Throws
 * JailkitError, SystemError.
 */
export function mountLive(root: JailRoot, path: ByteString): boolean {
  if (liveState(root, path) === "mounted") return false;
  const obstacle = liveObstacle(root, path);
  if (obstacle !== undefined) throw new JailkitError("live-obstacle", 1, obstacle);
  makeDirectories(root, path, () => ({ mode: 0o755, uid: 0, gid: 0 }));
  const at = hostPath(root, path);
  const source = openHostDirectory(path);
  let mount = -1;
  try {
    mount = cloneMountOf(source, path);
    limitMount(mount, at);
    withDirectory(root, path, (directory) => {
      if (directory.path !== path || !directory.trusted)
        throw refuse("exchanged", at, "was exchanged meanwhile");
      attachMount(mount, directory.fd, at);
    });
    // In a directory of a peer group, the kernel has put it into one too.
    limitMount(mount, at);
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
  const options = ["ro", "nosuid", "nodev"];
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
    if (state === "missing") return count > 0;
    if (state === "other")
      throw refuse("live-other", at, "something else is mounted there; unmount it first");
    try {
      unmountInJail(root, path);
    } catch (error) {
      if (!isErrno(error, "EBUSY")) throw error;
      const remedy = `jk_list -j ${shellWord(root.path)}`;
      throw refuse("live-busy", at, `is in use; end the processes in the jail first (see: ${remedy})`);
    }
  }
  throw refuse("mounts", at, "something keeps mounting there");
}
