import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { attempt, isErrno } from "../../../ffi/error.ts";
import { close, fstat, openAt, openAt2, type Stat, statIfPresent, withFd } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { firstUserId } from "../../system/login-defs.ts";
import { withTree } from "./look.ts";
import { isSocketDirectory, socketDirectoryFault } from "./socket-directory.ts";
import { withDirectory } from "./walk.ts";

const RUN = "/run";

/**
 * Opens a directory of sockets, O_PATH. It is reached through no symbolic link and no mount: its owner can mount a file
 * system of his own on it, by fusermount(1), that never answers. Throws SystemError.
 */
function openSockets(path: ByteString): number {
  const resolve = C.RESOLVE_NO_XDEV | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_BENEATH;
  const flags = C.O_PATH | C.O_DIRECTORY;
  return withFd(openAt(C.AT_FDCWD, RUN, flags | C.O_NOFOLLOW), (run) =>
    openAt2(run, path.slice(RUN.length + 1), flags, resolve),
  );
}

/**
 * The directory of the host that is mounted in a jail at the same path; undefined if it is missing, or if something is
 * mounted on a directory of sockets.
 */
export function hostStat(path: ByteString): Stat | undefined {
  if (!isSocketDirectory(path)) return statIfPresent(C.AT_FDCWD, path);
  return attempt(() => withFd(openSockets(path), fstat));
}

const refuse = (path: ByteString, what: string) =>
  new JailkitError("live-source", 1, `${display(path)}: ${what}`);

/**
 * Opens a directory of the host, O_PATH. It must be in a directory that only root can change, and root's, or for sockets
 * that of a service: see socketDirectoryFault. Throws JailkitError "live-source", SystemError.
 */
export function openHostDirectory(path: ByteString): number {
  return isSocketDirectory(path) ? openHostSockets(path) : openSystemDirectory(path);
}

function openSystemDirectory(path: ByteString): number {
  return withTree((tree) => {
    const parent = withDirectory(tree, directoryOf(path), ({ trusted }) => trusted);
    return withDirectory(tree, path, (directory) => {
      if (directory.path !== path) throw refuse(path, "leads through a symbolic link");
      if (!parent || directory.stat.uid !== 0)
        throw refuse(path, "must belong to root, in directories that only root can write");
      return openAt(directory.fd, ".", C.O_PATH | C.O_DIRECTORY);
    });
  });
}

function openHostSockets(path: ByteString): number {
  let fd: number;
  try {
    fd = openSockets(path);
  } catch (error) {
    if (isErrno(error, "EXDEV")) throw refuse(path, "is a mount point, or is below one");
    if (isErrno(error, "ELOOP", "ENOTDIR"))
      throw refuse(path, "is not a directory, or leads through a symbolic link");
    throw error;
  }
  try {
    // Names above it that somebody else could exchange.
    const above = withTree((tree) => withDirectory(tree, directoryOf(path), ({ trusted }) => trusted));
    if (!above) throw refuse(path, "is in a directory that users other than root can write");
    const fault = socketDirectoryFault(fstat(fd), firstUserId());
    if (fault !== undefined) throw refuse(path, fault);
    return fd;
  } catch (error) {
    close(fd);
    throw error;
  }
}
