import type { ByteString } from "../../../ffi/bytes.ts";
import { chmodFd, makeDirectory } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno, SystemError } from "../../../ffi/error.ts";
import { close, fstat, openAt, readDirectory, withFd } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { dropInheritedAcl } from "../../system/acl.ts";
import { type Attributes, setOwnerAndTimes, verifyNew } from "./attributes.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { createHeldDirectory } from "./left.ts";
import { inheritsAcl, isBornAs } from "./new-file.ts";
import { discard, movingIn, type Placement, renameNew, stageFor, syncDirectory } from "./place.ts";
import { type Directory, hostPath, type JailRoot, joinPath, namedError, release, walk } from "./walk.ts";

function finish(stage: Directory, name: ByteString, attributes: Attributes): void {
  withFd(openAt(stage.fd, name, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW), (fd) => {
    if (!stage.trusted) {
      const stat = fstat(fd);
      verifyNew(stage, stat, C.S_IFDIR);
      const fresh = (stat.mode & 0o777) === 0o700 && readDirectory(fd).length === 0;
      if (!fresh) throw new SystemError(C.EAGAIN, "exchanged", undefined);
    }
    dropInheritedAcl(fd, true);
    // The mode last, as a change of owner may take bits away; by descriptor, as mkdir(2) obeys the umask.
    setOwnerAndTimes(fd, attributes);
    chmodFd(fd, attributes.mode);
  });
}

/** True if mkdir(2) alone gives a new directory all attributes, so that one that was killed leaves nothing half done. */
function isBornWith(parent: Directory, attributes: Attributes): boolean {
  const { mode, mtime } = attributes;
  if (!parent.trusted || mtime !== undefined || (mode & ~0o755) !== 0) return false;
  return isBornAs(parent, attributes) && !inheritsAcl(parent);
}

/** Creates a directory; "kept" if the name exists. Where users could reach it, it appears with owner and mode set. */
export function makeDirectoryIn(
  root: JailRoot,
  parent: Directory,
  name: ByteString,
  attributes: Attributes,
): Placement {
  try {
    requireNoHostMount(root, parent, joinPath(parent.path, name));
    const stage = stageFor(root, parent);
    if (isBornWith(parent, attributes)) {
      const umask = libc.umask(0);
      try {
        makeDirectory(parent.fd, name, attributes.mode);
      } finally {
        libc.umask(umask);
      }
    } else if (stage === parent) {
      makeDirectory(parent.fd, name, 0o700);
      finish(parent, name, attributes);
    } else {
      const { name: temporary, fd } = createHeldDirectory(stage);
      const made = fstat(fd);
      try {
        finish(stage, temporary, attributes);
        movingIn(stage, temporary, parent, () => renameNew(stage, temporary, parent, name, true));
      } catch (error) {
        discard(stage, temporary, made, C.AT_REMOVEDIR);
        throw error;
      } finally {
        close(fd);
      }
    }
    syncDirectory(root, parent);
    return "created";
  } catch (error) {
    if (isErrno(error, "EEXIST", "ENOTEMPTY")) return "kept";
    throw namedError(error, hostPath(root, joinPath(parent.path, name)));
  }
}

/**
 * Creates the directory `path` and the missing ones above it; existing ones stay as they are. Symbolic links are followed as
 * in walk, and the target of a dangling one is created. `attributesFor` is called once for each new directory, with its
 * path as the jail sees it. Returns these paths, the topmost first.
 */
export function makeDirectories(
  root: JailRoot,
  path: ByteString,
  attributesFor: (path: ByteString) => Attributes,
): ByteString[] {
  const made: ByteString[] = [];
  const directory = walk(root, path, (parent, name) => {
    const at = joinPath(parent.path, name);
    if (makeDirectoryIn(root, parent, name, attributesFor(at)) === "created") made.push(at);
  });
  release(directory);
  return made;
}
