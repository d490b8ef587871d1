import type { ByteString } from "../../../ffi/bytes.ts";

// Programs, libraries, configuration and devices come from these, and from /root the configuration of root's own programs.
const STRICT: readonly ByteString[] = ["dev", "etc", "usr", "bin", "sbin", "opt", "run", "root"];
// The dynamic linker asks proc(5) where a program is. If the kernel's is mounted there, it shows other owners in a container.
const OF_THE_KERNEL: readonly ByteString[] = ["proc", "sys"];

/** True for a directory at the top of a jail in which only root may change names; `name` without a slash. */
export const isStrict = (name: ByteString): boolean =>
  STRICT.includes(name) || OF_THE_KERNEL.includes(name) || name.startsWith("lib");

/** True for one of these where the kernel's file system may be mounted. */
export const isOfKernel = (name: ByteString): boolean => OF_THE_KERNEL.includes(name);

/** True for a path of a jail at or below a directory that need not be root's: it may have been a user's at any time. */
export function isLoose(path: ByteString): boolean {
  const end = path.indexOf("/", 1);
  const top = path.slice(1, end < 0 ? path.length : end);
  return top !== "" && !isStrict(top);
}

/**
 * True if no user can have created a symbolic link (with owner `uid`) in a directory of a jail: it is trusted and, if it
 * may have been a user's before, the link is root's.
 */
export function mayFollow(directory: { trusted: boolean; path: ByteString }, link: { uid: number }): boolean {
  return directory.trusted && (link.uid === 0 || !isLoose(directory.path));
}
