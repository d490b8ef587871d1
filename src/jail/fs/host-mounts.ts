import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { fstat, openAt, readLink, type Stat, sameFile, statIfPresent, withFd } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { below, isIn, type Mount, ownMounts, type Place, placeOn } from "../../system/mountinfo.ts";
import { type Directory, hostPath, isDirectory, type JailRoot } from "./root.ts";

// The host's programs, libraries, configuration and devices. What is below them counts too.
const SYSTEM =
  "/usr /usr/local /opt /bin /sbin /lib /lib32 /lib64 /libx32 /etc /dev /dev/pts /boot /boot/efi /run /sys".split(
    " ",
  );

// Files of users may be here as well: a directory of another user below them is not the host's own.
const SHARED: readonly ByteString[] = ["/usr/local", "/opt"];

/** A directory of the host. */
export interface SystemPlace extends Place {
  readonly name: ByteString;
}

/**
 * The directory of the host that a mounted directory is, is in, or contains; undefined if there is none, or if it is in
 * the jail itself. `uid`: the owner of the mounted directory. Pure.
 */
export function systemOf(
  mounted: Place & { readonly uid: number },
  jail: Place | undefined,
  systems: readonly SystemPlace[],
): ByteString | undefined {
  if (jail !== undefined && isIn(mounted, jail)) return undefined;
  return systems.find(
    (system) =>
      isIn(system, mounted) ||
      (isIn(mounted, system) && (mounted.uid === 0 || !SHARED.includes(system.name))),
  )?.name;
}

/** Where the directory at `path` of the host, of which `stat` is on the mount, is in its file system. */
function placeOf(path: ByteString, { mountId }: Stat, mounts: readonly Mount[]): Place | undefined {
  const mount = mounts.find(({ id }) => id === mountId);
  return mount && placeOn(mount, path);
}

interface HostDirectory {
  readonly name: ByteString;
  readonly stat: Stat;
  /** Without symbolic links. */
  readonly path: ByteString;
}

function hostDirectories(): HostDirectory[] {
  return ["/", ...SYSTEM].flatMap((name) => {
    const found = attempt(() =>
      withFd(openAt(C.AT_FDCWD, name, C.O_PATH | C.O_DIRECTORY), (fd) => ({
        name,
        stat: fstat(fd),
        path: readLink(C.AT_FDCWD, `/proc/self/fd/${fd}`),
      })),
    );
    return found === undefined ? [] : [found];
  });
}

/** Answers for the mounts that a jail was asked about. */
const answers = new WeakMap<JailRoot, Map<string, ByteString | undefined>>();

/**
 * The directory of the host, such as /usr, that the mount of a directory or file of a jail shows; undefined if it shows
 * none. A directory on the mount of the jail itself costs nothing. Throws SystemError and
 * JailkitError "no-proc" if mountinfo cannot be read, and "unknown-mount" if the mount is not listed there.
 */
export function hostSystemOf(root: JailRoot, mount: Directory["mount"]): ByteString | undefined {
  const { stat } = mount;
  if (!root.isJail || stat.mountId === root.top.stat.mountId) return undefined;
  const known = answers.get(root) ?? new Map<string, ByteString | undefined>();
  answers.set(root, known);
  const key = `${stat.mountId}:${stat.devMajor}:${stat.devMinor}:${stat.ino}`;
  if (!known.has(key)) known.set(key, lookAt(root, mount));
  return known.get(key);
}

function lookAt(root: JailRoot, { path, stat }: Directory["mount"]): ByteString | undefined {
  const directories = hostDirectories();
  const same = directories.find((directory) => sameFile(directory.stat, stat));
  if (same !== undefined) return same.name;
  const mounts = ownMounts();
  const mount = mounts.find(({ id }) => id === stat.mountId);
  if (mount === undefined) {
    const message = `${display(hostPath(root, path))}: is a mount that /proc/self/mountinfo does not list`;
    throw new JailkitError("unknown-mount", 1, message);
  }
  const systems = directories.flatMap(({ name, stat: of, path: at }) => {
    const place = name === "/" ? undefined : placeOf(at, of, mounts);
    return place === undefined ? [] : [{ ...place, name }];
  });
  const mounted = { device: mount.device, path: mount.root, uid: stat.uid };
  return systemOf(mounted, placeOf(root.path, root.top.stat, mounts), systems);
}

/**
 * Whether a mount shows a whole file system: with `mount --bind` it may show one directory of another one, as a subvolume of
 * btrfs does. Throws SystemError, and JailkitError "no-proc" if mountinfo cannot be read.
 */
export const isWholeFileSystem = ({ stat }: Directory["mount"]): boolean =>
  ownMounts().find(({ id }) => id === stat.mountId)?.root === "/";

/**
 * The directory of the host, outside the jail, that a mount in the jail shows, such as the home of a user that a panel
 * mounted; undefined for a file system that is mounted only in the jail, and for a directory of the jail itself.
 */
export function outsidePathOf(root: JailRoot, { stat }: Directory["mount"]): ByteString | undefined {
  if (!root.isJail || stat.mountId === root.top.stat.mountId) return undefined;
  const mounts = ownMounts();
  const shown = mounts.find(({ id }) => id === stat.mountId);
  if (shown === undefined) return undefined;
  for (const { device, root: top, mountPoint } of mounts) {
    const rest = device === shown.device ? below(shown.root, top) : undefined;
    if (rest === undefined) continue;
    const path = mountPoint === "/" ? rest || "/" : mountPoint + rest;
    if (below(path, root.path) !== undefined) continue;
    const found = attempt(() => statIfPresent(C.AT_FDCWD, path));
    if (found !== undefined && sameFile(found, stat)) return path;
  }
  return undefined;
}

/**
 * The directories of a jail on which directories of the host's own are mounted, such as "/usr": those directly in its root,
 * and usr/local. Symbolic links do not count.
 */
export function hostMountsIn(root: JailRoot): ByteString[] {
  const found = SYSTEM.filter((path) => {
    const stat = attempt(() => statIfPresent(root.fd, path.slice(1)));
    return stat !== undefined && isDirectory(stat) && hostSystemOf(root, { path, stat }) !== undefined;
  });
  // A mount of /usr shows /usr/local.
  return found.filter((path) => !found.some((other) => path.startsWith(`${other}/`)));
}

/**
 * Throws JailkitError "host-mount" if a directory of a jail is on a mount of the host's own directories: nothing is
 * written or removed there, whether or not it is mounted read-only. `path`: what would be written, as the jail sees it;
 * `stat`: of the file there, which may be a mount point itself.
 */
export function requireNoHostMount(
  root: JailRoot,
  parent: Pick<Directory, "mount">,
  path: ByteString,
  stat: Stat = parent.mount.stat,
): void {
  const mount = stat.mountId === parent.mount.stat.mountId ? parent.mount : { path, stat };
  const system = hostSystemOf(root, mount);
  if (system === undefined) return;
  const remedy: Remedy = `umount ${shellWord(hostPath(root, mount.path))}`;
  const what = `is on the host's ${display(system)}, mounted in the jail: nothing is written or removed there`;
  const message = `${display(hostPath(root, path))}: ${what}; change the file on the host, or unmount it first: ${remedy}`;
  throw new JailkitError("host-mount", 1, message, undefined, remedy);
}
