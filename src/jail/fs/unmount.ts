import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { close, openAt } from "../../../ffi/files.ts";
import { cArgument, check, libc } from "../../../ffi/libc.ts";
import { below, type Mount, ownMounts } from "../../system/mountinfo.ts";
import { atSpot } from "./look.ts";
import { forgetDirectories, hostPath, type JailRoot, namedError } from "./walk.ts";

/** A mount in a jail. */
export interface JailMount {
  /** As the jail sees it; "/" if the jail itself is a mount point. */
  readonly path: ByteString;
  /** The type of the file system, as "proc". */
  readonly type: ByteString;
}

// umount2(2)
const MNT_DETACH = 2;
const UMOUNT_NOFOLLOW = 8;

/** The mounts at `jail` and below it; the last first. */
export function mountsBelow(jail: ByteString, mounts: readonly Mount[]): JailMount[] {
  return mounts
    .flatMap(({ mountPoint, type }): JailMount[] => {
      const path = below(mountPoint, jail);
      return path === undefined ? [] : [{ path: path || "/", type }];
    })
    .reverse();
}

/** The present mounts in a jail, the last first. */
export function jailMounts(jail: ByteString): JailMount[] {
  return mountsBelow(jail, ownMounts());
}

/**
 * Unmounts a path of a jail (umount2(2)). Starts from its directory and does not follow a symbolic link at the end, so
 * that no link of a user can lead to a mount of the host's. Throws SystemError; EBUSY if it is in use, unless `detach`:
 * then it disappears now, and processes that use it keep it.
 */
export function unmountInJail(root: JailRoot, path: ByteString, { detach = false } = {}): void {
  forgetDirectories(root);
  atSpot(root, path, ({ parent, name }) => {
    const before = openAt(C.AT_FDCWD, ".", C.O_PATH | C.O_DIRECTORY);
    try {
      check(libc.fchdir(parent.fd), "fchdir");
      check(libc.umount2(cArgument(name), UMOUNT_NOFOLLOW | (detach ? MNT_DETACH : 0)), "umount");
    } catch (error) {
      throw namedError(error, hostPath(root, path));
    } finally {
      libc.fchdir(before);
      close(before);
    }
  });
  forgetDirectories(root);
}
