import type { ByteString } from "../../../ffi/bytes.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { display } from "../../cli/display.ts";
import { isReported, JailkitError } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { isMounted } from "../../jail/fs/live-mounts.ts";
import { mountRemedy } from "../../jail/fs/unmounted.ts";
import { type JailRoot, openJailRoot } from "../../jail/fs/walk.ts";
import { isBare } from "../../jail/record/bare.ts";
import { isEmptied } from "../../jail/record/emptied.ts";
import { mountsOf } from "../../jail/record/live.ts";
import { knownJails, type ManifestContent, openManifest } from "../../jail/record/manifest.ts";
import { lostRemedy } from "../../jail/record/named-jail.ts";
import { below } from "../../system/mountinfo.ts";
import { directoriesByJail } from "../apply/live-lines.ts";
import { fstabText } from "../apply/proc.ts";
import { liveCopyProblem } from "../live-copy.ts";

/** Directories of the host for which fstab(5) has our lines in a jail that should not show them. */
export interface LeftMounts {
  readonly jail: ByteString;
  readonly directories: readonly ByteString[];
  /** The jail is elsewhere now, and the lines should follow it. */
  readonly moved: boolean;
  /** One printable line. */
  readonly message: string;
  /** The command that takes the lines out, or lets them follow a jail that was moved. */
  readonly remedy: Remedy;
}

/** True if a recorded jail was emptied, so that nothing of it is wanted. With its mount point it is still a live jail. */
export const isGone = (root: JailRoot, content: ManifestContent): boolean =>
  !hasUsr(root) && isEmptied(root, content);

/** True if a jail has something at /usr. */
export const hasUsr = ({ fd }: JailRoot): boolean => statIfPresent(fd, "usr") !== undefined;

/**
 * Those of `named` directories, for which fstab(5) has our lines in a jail, that it should not show: its record does not have
 * them, or it was emptied. One that is mounted is in use, unless it hides files that were put there. None if the file system
 * of the jail is not mounted.
 */
export function leftIn(
  root: JailRoot,
  content: ManifestContent,
  named: readonly ByteString[],
): readonly ByteString[] {
  const wanted = named.length === 0 || isGone(root, content) ? [] : mountsOf(content);
  const others = named.filter((path) => !wanted.includes(path));
  if (others.length === 0 || mountRemedy(root.path) !== undefined) return [];
  const hides = (path: ByteString) =>
    content.entries.keys().some((one) => one !== path && below(one, path) !== undefined);
  return others.filter((path) => !isMounted(root, path) || hides(path));
}

const BEHIND_LINK = "link-in-jail-path";
/** Errors for a path where no jail is. */
const NO_JAIL: Readonly<Record<string, string>> = {
  "no-such-jail": "does not exist",
  "not-a-directory": "is not a directory",
  [BEHIND_LINK]: "is behind a symbolic link, and no jail",
};

/** Those of a jail that may be missing, and why; undefined if that is not known, or told otherwise. */
function leftOf(jail: ByteString, named: readonly ByteString[]) {
  try {
    using root = openJailRoot(jail);
    const { content } = openManifest(root);
    // Its file system may not be mounted.
    if (liveCopyProblem(root, content) !== undefined || isBare(jail)) return undefined;
    const directories = leftIn(root, content, named);
    const why = isGone(root, content) ? "was emptied" : "does not have them in its record";
    return { directories, why, remedy: undefined };
  } catch (error) {
    const code = error instanceof JailkitError ? error.code : "";
    if (!Object.hasOwn(NO_JAIL, code)) {
      // Its record, or what is above it, is told otherwise.
      if (isReported(error)) return undefined;
      throw error;
    }
    // A known jail behind a link is told, too.
    if (code === BEHIND_LINK && knownJails().some((known) => known.jail.path === jail)) return undefined;
    if (mountRemedy(jail) !== undefined) return undefined;
    return { directories: named, why: NO_JAIL[code], remedy: lostRemedy(jail) };
  }
}

/**
 * What fstab(5) would show in jails that somebody deleted or emptied, or created anew: in those of `asked`, or in all. Throws
 * SystemError.
 */
export function leftMounts(asked: readonly ByteString[] = []): LeftMounts[] {
  return [...directoriesByJail(fstabText())].flatMap(([jail, named]) => {
    const left = asked.length === 0 || asked.includes(jail) ? leftOf(jail, named) : undefined;
    if (left === undefined || left.directories.length === 0) return [];
    const { directories, why } = left;
    const shown = directories.map((path) => display(jail + path)).join(", ");
    const message = `/etc/fstab: the next boot would show directories of the host on ${shown}, though ${display(jail)} ${why}`;
    const remedy = left.remedy ?? `jailkit unmount --left ${shellWord(jail)}`;
    return [{ jail, directories, moved: left.remedy !== undefined, message, remedy }];
  });
}
