import type { ByteString } from "../../../ffi/bytes.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { mountRemedy, unmountedReason } from "../../system/unmounted.ts";
import type { JailRoot } from "../fs/walk.ts";
import type { ManifestContent } from "./manifest.ts";

// Without these no program runs and no account is found.
const NEEDED = /^\/(etc|usr|bin|lib[^/]*)(?:\/|$)/;

/** True if a jail has a place of programs. One for sshd's own sftp has none, and nothing in it comes from the host. */
export const hasPrograms = (root: JailRoot): boolean =>
  ["usr", "bin", "lib"].some((name) => statIfPresent(root.fd, name) !== undefined);

/**
 * True if somebody removed the contents of a recorded jail but kept its directory, as a panel does that keeps the site in
 * it: the record has directories that a jail needs, and none of them is left. Also true of a mount point of fstab(5) on
 * which nothing is mounted, and which has no record.
 */
export function isEmptied(root: JailRoot, content: Pick<ManifestContent, "entries" | "live">): boolean {
  const { live = [] } = content;
  // Most jails have it, and many entries. In a live jail it is a mount point, which nobody can remove.
  if (!live.includes("/usr") && statIfPresent(root.fd, "usr") !== undefined) return false;
  const tops = new Set<ByteString>();
  // Not before here: they are parsed at the first use.
  for (const path of content.entries.keys()) {
    const top = NEEDED.exec(path)?.[1];
    if (top !== undefined && !live.includes(`/${top}`)) tops.add(top);
  }
  // The record is of the file system that belongs here, and not of the directory below it.
  if (content.entries.size === 0) return mountRemedy(root.path) !== undefined;
  return tops.size > 0 && [...tops].every((name) => statIfPresent(root.fd, name) === undefined);
}

/** Says that a jail is emptied, or that its file system is not mounted, and what can be done. */
export function emptiedMessage(jail: ByteString): string {
  const mount = mountRemedy(jail);
  if (mount !== undefined) return `${display(jail)} is empty: ${unmountedReason(mount)}`;
  const what = "is emptied: what jailkit put there was removed";
  return `${display(jail)} ${what}; 'jk_init' or 'jk_update -j' fills it again, and 'jailkit forget' drops its record`;
}
