import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno } from "../../../ffi/error.ts";
import { openIfPresent, readLink, type Stat, statIfPresent, withFd } from "../../../ffi/files.ts";
import { isDirectory, isLink } from "../../jail/fs/walk.ts";
import { kernelFileSystem } from "../../system/mounts.ts";
import type { Item } from "./item.ts";

/** The host's file for an item of a jail: the recorded source, or the same path. */
export interface Counterpart {
  readonly path: ByteString;
  /** lstat(2); undefined if it does not exist. */
  readonly stat: Stat | undefined;
  /** The text of a symbolic link. */
  readonly target: ByteString | undefined;
}

/** A file of the host, if it exists. A path of a jail may be too long for the host: users nest directories. */
export function statOnHost(path: ByteString, follow = false): Stat | undefined {
  try {
    return statIfPresent(C.AT_FDCWD, path, follow);
  } catch (error) {
    if (isErrno(error, "ENAMETOOLONG")) return undefined;
    throw error;
  }
}

/** The counterpart of an item. No rule looks at that of a directory. */
export function counterpartOf({ seen, entry }: Item): Counterpart {
  const path = entry?.source ?? seen.path;
  if (isDirectory(seen.stat) && (entry === undefined || entry.type === "directory"))
    return { path, stat: undefined, target: undefined };
  const stat = statOnHost(path);
  return { path, stat, target: stat !== undefined && isLink(stat) ? readLink(C.AT_FDCWD, path) : undefined };
}

/** True if the kernel makes up the host's file, as in /proc: no copy of it stays equal. */
export function isOfKernel(path: ByteString): boolean {
  const found = attempt(() => {
    const fd = openIfPresent(C.AT_FDCWD, path, C.O_PATH | C.O_NOFOLLOW);
    return fd !== undefined && withFd(fd, kernelFileSystem) !== undefined;
  });
  return found ?? false;
}

/** As isOfKernel, but examines each file system only once. */
export function kernelTest(): (counterpart: Counterpart) => boolean {
  const known = new Map<string, boolean>();
  return ({ path, stat }) =>
    stat !== undefined &&
    known.getOrInsertComputed(`${stat.devMajor}:${stat.devMinor}`, () => isOfKernel(path));
}

const isDevice = ({ mode }: Stat) => [C.S_IFCHR, C.S_IFBLK].includes(mode & C.S_IFMT);

/** The device that the host has at the path of a device in the jail. */
export function hostDevice({ seen: { stat, path } }: Item): Stat | undefined {
  const device = isDevice(stat) ? statOnHost(path, true) : undefined;
  return device !== undefined && isDevice(device) ? device : undefined;
}
