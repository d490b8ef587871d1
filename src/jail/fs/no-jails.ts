import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { type Stat, sameFile, statIfPresent } from "../../../ffi/files.ts";
import { quoted } from "../../cli/display.ts";
import { isStrict } from "./strict.ts";

// Directories of the host itself. A jail may be below one, but never be one.
const OWN = (
  "/ /bin /boot /dev /etc /home /lib /lib32 /lib64 /libx32 /proc /root /run /sbin /sys /tmp /usr /usr/bin /usr/lib " +
  "/usr/lib32 /usr/lib64 /usr/libx32 /usr/local /usr/sbin /usr/share /var /var/lib /var/log /var/lib/jailkit"
).split(" ");

// Programs share these, and users write some of them. One may be mounted in a jail.
const SHARED =
  "/dev/shm /run/lock /var/backups /var/cache /var/mail /var/opt /var/spool /var/spool/mail /var/tmp".split(
    " ",
  );

// Some hosts use these as a jail, but other files may be in them too.
const NEVER_DELETED = [...OWN, ...SHARED, "/media", "/mnt", "/opt", "/srv"];

/** What a jail may have that nothing has put there, besides what only root may change. */
export const OF_JAILS: readonly ByteString[] = [
  "boot",
  "home",
  "lost+found",
  "media",
  "mnt",
  "srv",
  "tmp",
  "var",
];

const amongThem = (list: readonly ByteString[], directory: Stat): ByteString | undefined =>
  list.find((path) => {
    const stat = statIfPresent(AT_FDCWD, path, true);
    return stat !== undefined && sameFile(stat, directory);
  });

/** The host's own directory that this one is, if it belongs into no jail; also through symbolic links and bind mounts. */
export function hostDirectory(directory: Stat): ByteString | undefined {
  return amongThem(OWN, directory);
}

/** The same of one that cannot be a jail. */
export const noJailAt = (directory: Stat): ByteString | undefined =>
  hostDirectory(directory) ?? amongThem(SHARED, directory);

/**
 * Why a directory is not to be closed to others so that it becomes a jail, as the end of a sentence: it is the host's own, or it
 * has what no jail has, and nothing that a jail has, as the uploads that a path names by mistake. `names`: what is in it.
 */
export function whyNoJail(directory: Stat, names: readonly ByteString[]): string | undefined {
  const own = noJailAt(directory);
  if (own !== undefined) return `is the host's ${own}, which cannot be a jail`;
  const other = names.some(isStrict) ? undefined : names.find((name) => !OF_JAILS.includes(name));
  return other && `has other things in it, such as ${quoted(other)}, and nothing of a jail`;
}

/** As hostDirectory, but also for directories that may be a jail and are never deleted. */
export function undeletableDirectory(directory: Stat): ByteString | undefined {
  return amongThem(NEVER_DELETED, directory);
}
