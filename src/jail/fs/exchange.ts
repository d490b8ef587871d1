import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, S_ISVTX } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { type Stat, statIfPresent } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { withRightsOf } from "../../../ffi/rights.ts";
import { display } from "../../cli/display.ts";
import { aclAt, writersOf } from "../../system/acl.ts";
import { isDirectory, joinPath, onlyRootWrites, toleratesGroup } from "./walk.ts";

/** True where nobody but root can put something else in the place of `child`, which stands in `directory`. */
function keeps(path: ByteString, directory: Stat, child: Stat | undefined): boolean {
  if (directory.uid !== 0 || !isDirectory(directory)) return false;
  if (onlyRootWrites(directory)) return true;
  // What is root's in a sticky directory stays root's.
  if ((directory.mode & S_ISVTX) !== 0) return child?.uid === 0;
  if ((directory.mode & 0o002) !== 0 || !toleratesGroup(directory)) return false;
  const acl = aclAt(AT_FDCWD, path);
  return acl !== "unknown" && writersOf(acl).length === 0;
}

/**
 * True where an absolute path of the host means the same until root changes that: nobody else can exchange what it
 * names, be that there or not, or a directory on the way, and no link is on the way. A command that root is told to type
 * acts by name, some time after a look at what stands there: elsewhere a user has led it to another file by then.
 */
export function onlyRootExchanges(path: ByteString): boolean {
  try {
    let at: ByteString = "/";
    let above = statIfPresent(AT_FDCWD, at);
    for (const name of pathComponents(path)) {
      if (name === "..") return false;
      // Root alone can make what is on the rest of the way.
      if (above === undefined) return true;
      const here = joinPath(at, name);
      const stat = statIfPresent(AT_FDCWD, here);
      if (!keeps(at, above, stat)) return false;
      at = here;
      above = stat;
    }
    return true;
  } catch (error) {
    if (error instanceof SystemError) return false;
    throw error;
  }
}

/** What comes before a command that acts by the name `path`, where others could exchange that. */
export const closeFirst = (path: ByteString): ByteString =>
  `first let root alone write the directories above ${display(path)}`;

/** `command`, which acts by the name `path`, where root may type it; else what has to be done before. */
export function commandAt(path: ByteString, command: ByteString): ByteString {
  return withRightsOf(undefined, () => onlyRootExchanges(path)) ? command : closeFirst(path);
}
