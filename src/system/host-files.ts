import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_RDONLY, S_IFDIR, S_IFMT } from "../../ffi/constants.ts";
import { isErrno } from "../../ffi/error.ts";
import { openAt, readDirectory, readFileIfPresent, statIfPresent, withFd } from "../../ffi/files.ts";

const LARGEST_FILE = 1 << 20;

/** The text of a file of the host, up to `limit` bytes; undefined if it is missing. Throws SystemError. */
export function hostText(path: ByteString, limit = LARGEST_FILE): ByteString | undefined {
  const bytes = readFileIfPresent(path, limit);
  return bytes === undefined ? undefined : fromBytes(bytes);
}

/** Whether there is a directory of the host, or a link to one. Throws SystemError. */
export const isHostDirectory = (path: ByteString): boolean =>
  ((statIfPresent(AT_FDCWD, path, true)?.mode ?? 0) & S_IFMT) === S_IFDIR;

/** The names in a directory of the host, in the order of their bytes; none if it is missing. */
export function hostNames(path: ByteString): ByteString[] {
  try {
    const entries = withFd(openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY), readDirectory);
    return entries.map(({ name }) => name).sort();
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return [];
    throw error;
  }
}

/** Changes whenever one of these files or directories is replaced or written: then what was read of them is old. */
export function versionsOf(paths: readonly ByteString[]): string {
  const stats = paths.map((path) => statIfPresent(AT_FDCWD, path, true));
  return stats.map((stat) => (stat === undefined ? "" : `${stat.ino} ${stat.size} ${stat.ctime}`)).join("\n");
}
