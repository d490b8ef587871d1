import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../../ffi/constants.ts";
import { isEmptyDirectory, openAt, statIfPresent, withFd } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { quoted } from "../../cli/display.ts";
import { answered } from "../../cli/error.ts";
import { allOf, type Remedy } from "../../cli/remedy.ts";
import { operands } from "../../cli/shell-word.ts";
import { adviceAt } from "../../system/exchange.ts";
import { openJailRoot } from "../fs/walk.ts";
import { followRemedy } from "./follow.ts";
import { findMoved, isRecorded } from "./moved.ts";
import { isInPlaceOf, knownJails, REGISTRY } from "./registry.ts";

// A jail was moved, and somebody has made a directory at its path before anything followed it.

/**
 * True if another directory than was recorded is at the path of a jail, with nothing of what that has: of the mount points that
 * fstab(5) does not name, as of ZFS, nothing else is known.
 */
export const isBare = (jail: ByteString): boolean =>
  answered(() => {
    using root = openJailRoot(jail);
    return isInPlaceOf(root);
  }) ?? false;

/** True for the top of a file system. */
const isMountPoint = (path: ByteString): boolean =>
  statIfPresent(AT_FDCWD, path)?.mountId !== statIfPresent(AT_FDCWD, directoryOf(path))?.mountId;

/** True for a directory that rmdir(1) removes, and nothing else with it. */
export const isRemovable = (path: ByteString): boolean =>
  answered(
    () =>
      withFd(openAt(AT_FDCWD, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), isEmptyDirectory) &&
      !isMountPoint(path),
  ) === true;

interface Way {
  readonly text: string;
  readonly remedy: Remedy | undefined;
}

/** What lets all follow a jail at whose path another directory is: that goes first, by a command if it is empty. */
export function wayPast(from: ByteString, to: ByteString): Way {
  const follow = followRemedy(from, to);
  if (!isRemovable(from)) {
    const first = `look into what is at ${quoted(from)}, and move that away, or unmount it`;
    return { text: `${first}; then let all follow the jail, with: ${follow}`, remedy: undefined };
  }
  const { advice, remedy } = adviceAt(from, allOf([`rmdir ${operands(from)}`, follow]));
  return { text: `it is empty, so let all follow the jail, with: ${advice}`, remedy };
}

// Each search looks at thousands of directories, and several of a run ask.
const searched = new Map<ByteString, ByteString | undefined>();

/** Where the jail is in whose place a bare directory is. What is at the top of a file system was mounted there, and not moved. */
function placeOf(jail: ByteString): ByteString | undefined {
  const found = searched.getOrInsertComputed(jail, () => {
    const record = knownJails().find((one) => one.jail.path === jail);
    return record && findMoved(record);
  });
  return found === undefined || isMountPoint(found) ? undefined : found;
}

/** Where a jail was moved at whose path a bare directory is, and what lets all follow it; undefined if that is not known. */
export const movedFromBare = (jail: ByteString): (Way & { readonly to: ByteString }) | undefined =>
  answered(() => {
    const to = isBare(jail) ? placeOf(jail) : undefined;
    return to === undefined ? undefined : { to, ...wayPast(jail, to) };
  });

/** The same for a directory that has what is recorded of the jail, as if it was moved there, or copied. */
export const movedFromBareTo = (jail: ByteString, to: ByteString): Way | undefined =>
  answered(() => {
    const record = isBare(jail) ? knownJails().find((one) => one.jail.path === jail) : undefined;
    return record !== undefined && isRecorded(to, record, REGISTRY, false) ? wayPast(jail, to) : undefined;
  });
