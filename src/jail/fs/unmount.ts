import { type ByteString, fromBytes } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { close, openAt, readFile } from "../../../ffi/files.ts";
import { cArgument, check, libc } from "../../../ffi/libc.ts";
import { atSpot } from "./look.ts";
import { forgetDirectories, hostPath, type JailRoot, namedError } from "./walk.ts";

/** A mount in a jail. */
export interface JailMount {
  /** As the jail sees it; "/" if the jail itself is a mount point. */
  readonly path: ByteString;
  /** The type of the file system, as "proc". */
  readonly type: ByteString;
}

const MOUNTINFO_LIMIT = 1 << 26;
// umount2(2)
const UMOUNT_NOFOLLOW = 8;

/** The mounts at `jail` and below it, from the text of /proc/self/mountinfo (proc(5)); the last first. */
export function mountsBelow(jail: ByteString, mountinfo: ByteString): JailMount[] {
  return mountinfo
    .split("\n")
    .flatMap((line): JailMount[] => {
      const fields = line.split(" ");
      const where = fields[4]?.replace(/\\([0-7]{3})/g, (_, digits: string) =>
        String.fromCharCode(Number.parseInt(digits, 8)),
      );
      const type = fields[fields.indexOf("-") + 1];
      if (where === undefined || type === undefined) return [];
      if (where === jail) return [{ path: "/", type }];
      return where.startsWith(`${jail}/`) ? [{ path: where.slice(jail.length), type }] : [];
    })
    .reverse();
}

/** The present mounts in a jail, the last first. */
export function jailMounts(jail: ByteString): JailMount[] {
  return mountsBelow(jail, fromBytes(readFile("/proc/self/mountinfo", MOUNTINFO_LIMIT)));
}

/**
 * Unmounts a path of a jail (umount2(2)). Starts from its directory and does not follow a symbolic link at the end, so
 * that no link of a user can lead to a mount of the host's. Throws SystemError; EBUSY if it is in use.
 */
export function unmountInJail(root: JailRoot, path: ByteString): void {
  forgetDirectories(root);
  atSpot(root, path, ({ parent, name }) => {
    const before = openAt(C.AT_FDCWD, ".", C.O_PATH | C.O_DIRECTORY);
    try {
      check(libc.fchdir(parent.fd), "fchdir");
      check(libc.umount2(cArgument(name), UMOUNT_NOFOLLOW), "umount");
    } catch (error) {
      throw namedError(error, hostPath(root, path));
    } finally {
      libc.fchdir(before);
      close(before);
    }
  });
  forgetDirectories(root);
}
