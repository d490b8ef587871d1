import type { ByteString } from "../../../ffi/bytes.ts";
import { isMissing, statIfPresent } from "../../../ffi/files.ts";
import { display, quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { isEmptyAt, isIn, lookUp } from "../fs/look.ts";
import { mountRemedy, unmountedReason } from "../fs/unmounted.ts";
import type { JailRoot } from "../fs/walk.ts";
import { isBare, movedFromBare } from "./bare.ts";
import type { ManifestContent } from "./manifest.ts";
import { hasRecord } from "./registry.ts";

// Without these no program runs and no account is found.
const NEEDED = /^\/(etc|usr|bin|lib[^/]*)(?:\/|$)/;

/** True if a jail has a place of programs. One for sshd's own sftp has none, and nothing in it comes from the host. */
export const hasPrograms = (root: JailRoot): boolean =>
  ["usr", "bin", "lib"].some((name) => statIfPresent(root.fd, name) !== undefined);

/**
 * True if a directory has what makes it a jail, also without a record: accounts, or programs. A boot creates the mount points of a
 * live jail, and mounts on them, also where the file system of the jail is missing.
 */
export function hasContents(root: JailRoot): boolean {
  if (isIn(root)("/etc/passwd")) return true;
  const usr = answered(() => lookUp(root, "/usr"))?.stat;
  return usr?.mountId === root.top.stat.mountId && !isEmptyAt(root, "/usr");
}

/**
 * True if somebody removed the contents of a recorded jail but kept its directory, as a panel does that keeps the site in
 * it: the record has directories that a jail needs, and none of them is left. Also true by unmountedUnrecorded of what has no
 * record.
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
  if (content.entries.size === 0) return unmountedUnrecorded(root) !== undefined;
  return tops.size > 0 && [...tops].every((name) => statIfPresent(root.fd, name) === undefined);
}

/** Why the contents of a jail may be elsewhere, and the command that mounts them, if it is known. */
interface Unmounted {
  readonly message: string;
  readonly remedy: Remedy | undefined;
}

/** The command that drops the record of a jail which was deleted. */
export const forgetCommand = (jail: ByteString): ByteString =>
  `jailkit forget --with-users ${operands(jail)}`;

/** Says that the file system of a jail is not mounted, or that another directory is there; undefined if neither is so. */
export function unmounted(jail: ByteString): Unmounted | undefined {
  const remedy = mountRemedy(jail);
  if (remedy !== undefined) return { message: unmountedReason(remedy), remedy };
  return elsewhere(jail);
}

/** The same, without a look at fstab(5). */
function elsewhere(jail: ByteString): Unmounted | undefined {
  if (!isBare(jail)) return undefined;
  const what = "another directory is there, with nothing of what the recorded one has";
  const moved = movedFromBare(jail);
  if (moved !== undefined)
    return { message: `${what}, which is at ${quoted(moved.to)} now: ${moved.text}`, remedy: moved.remedy };
  const message = `${what}: if that has a file system of its own, it is to be mounted; if the jail was deleted: ${forgetCommand(jail)}`;
  return { message, remedy: undefined };
}

/**
 * As unmounted, of an open jail without a record of files, such as one of jailkit 2: if its contents are there, so is its file
 * system, whatever fstab(5) says.
 */
export const unmountedUnrecorded = (root: JailRoot): Unmounted | undefined =>
  hasContents(root) ? elsewhere(root.path) : unmounted(root.path);

/**
 * True if a jail is not there as it was recorded, and may come back: its file system is not mounted, or that of a directory above
 * it, or somebody has moved it. Also if that cannot be known.
 */
export const mayComeBack = (jail: ByteString): boolean =>
  answered(() =>
    isMissing(jail) ? mountRemedy(jail) !== undefined || hasRecord(jail) : unmounted(jail) !== undefined,
  ) ?? true;

/** Says that a jail is emptied, or that its file system is not mounted, and what can be done. */
export function emptiedMessage(jail: ByteString): string {
  const away = unmounted(jail);
  if (away !== undefined) return `${display(jail)}: ${away.message}`;
  const what = "is emptied: what jailkit put there was removed";
  return `${display(jail)} ${what}; 'jk_init' or 'jk_update -j' fills it again, and 'jailkit forget' drops its record`;
}
