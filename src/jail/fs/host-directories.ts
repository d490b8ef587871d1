import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { kernelFileSystem } from "../../system/mounts.ts";
import { requireSafeJail } from "./safety.ts";
import type { JailRoot } from "./walk.ts";

// Directories of the host itself. A jail may be below one, but never be one.
const NO_JAILS = (
  "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /proc /root /run /sbin /sys /tmp /usr /usr/bin /usr/lib " +
  "/usr/lib32 /usr/lib64 /usr/libx32 /usr/local /usr/sbin /usr/share /var /var/lib /var/log /var/lib/jailkit"
).split(" ");

// Some hosts use these as a jail, but other files may be in them too.
const NEVER_DELETED = [...NO_JAILS, "/media", "/mnt", "/opt", "/srv"];

const amongThem = (list: readonly ByteString[], directory: Stat): ByteString | undefined =>
  list.find((path) => {
    const stat = statIfPresent(AT_FDCWD, path, true);
    return stat !== undefined && sameFile(stat, directory);
  });

/** The host's own directory that this one is, if it cannot be a jail; also through symbolic links and bind mounts. */
export function hostDirectory(directory: Stat): ByteString | undefined {
  return amongThem(NO_JAILS, directory);
}

/** As hostDirectory, but also for directories that may be a jail and are never deleted. */
export function undeletableDirectory(directory: Stat): ByteString | undefined {
  return amongThem(NEVER_DELETED, directory);
}

/** Throws JailkitError for a directory in a file system of the kernel, such as proc: no jail can be in it. */
export function requireFileSystem({ path, fd }: Pick<JailRoot, "path" | "fd">, exitStatus: number): void {
  const type = kernelFileSystem(fd);
  if (type === undefined) return;
  const message = `${display(path)}: is in a file system of the kernel (${type}), which cannot hold a jail; name a directory elsewhere, such as /srv/jail`;
  throw new JailkitError("kernel-file-system", exitStatus, message);
}

/** Throws JailkitError if the jail is one of the host's own directories or is unsafe: nothing may be written into it. */
export function requireJailToFill(root: JailRoot, exitStatus: number): void {
  const found = hostDirectory(root.top.stat);
  if (found !== undefined) {
    const message = `${display(root.path)}: is the host's ${found}, which cannot be a jail; name a directory of its own, such as /srv/jail`;
    throw new JailkitError("host-directory", exitStatus, message);
  }
  requireFileSystem(root, exitStatus);
  requireSafeJail(root, exitStatus);
}
