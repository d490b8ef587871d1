import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { requireSafeJail } from "./safety.ts";
import type { JailRoot } from "./walk.ts";

// What the machine itself is made of. A jail may be made below, but what is written into a jail must not end up here.
const NO_JAILS = (
  "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /proc /root /run /sbin /sys /tmp /usr /usr/bin /usr/lib " +
  "/usr/lib32 /usr/lib64 /usr/libx32 /usr/local /usr/sbin /usr/share /var /var/lib /var/log /var/lib/jailkit"
).split(" ");

// Some do use these as a jail; all the same, more than a jail may be in them.
const NEVER_DELETED = [...NO_JAILS, "/media", "/mnt", "/opt", "/srv"];

const amongThem = (list: readonly ByteString[], directory: Stat): ByteString | undefined =>
  list.find((path) => {
    const stat = statIfPresent(AT_FDCWD, path, true);
    return stat !== undefined && sameFile(stat, directory);
  });

/**
 * Which directory of the host's own a directory is that cannot be a jail, told by device and inode, so that links and
 * bind mounts of it are it too; undefined for others.
 */
export function hostDirectory(directory: Stat): ByteString | undefined {
  return amongThem(NO_JAILS, directory);
}

/** As hostDirectory, with those that may be a jail and are never deleted all the same. */
export function undeletableDirectory(directory: Stat): ByteString | undefined {
  return amongThem(NEVER_DELETED, directory);
}

/** Throws JailkitError "host-directory" for a directory of the host's own that cannot be a jail. */
function requireNoHostDirectory(root: JailRoot, exitStatus: number): void {
  const found = hostDirectory(root.top.stat);
  if (found === undefined) return;
  const message = `${display(root.path)}: is the host's ${found}, which cannot be a jail; name a directory of its own, such as /srv/jail`;
  throw new JailkitError("host-directory", exitStatus, message);
}

/** What a jail must be before something is written into it: no directory of the host's own, and safe. */
export function requireJailToFill(root: JailRoot, exitStatus: number): void {
  requireNoHostDirectory(root, exitStatus);
  requireSafeJail(root, exitStatus);
}
