import type { ByteString } from "../../../ffi/bytes.ts";
import { EISDIR, O_CREAT, O_EXCL, O_NOFOLLOW, O_WRONLY } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { openAt, statIfPresent } from "../../../ffi/files.ts";
import { absolute } from "../../../ffi/guard.ts";
import type { UnwrittenPidfile } from "../../../ffi/launch.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { requirePidfilePlace } from "../../jail/fs/pidfile.ts";
import { temporaryName } from "../../jail/fs/place.ts";
import { isDirectory, openDirectory, openTree } from "../../jail/fs/walk.ts";

/** An open pidfile. `trusted`: only root can exchange it. */
interface OpenPidfile extends UnwrittenPidfile {
  trusted: boolean;
}

/**
 * Creates an empty file beside the pidfile, to be renamed to it: a symbolic link in its place is not followed, nor one on
 * the way that users could make. Throws SystemError, or JailkitError "link-in-untrusted-directory", "in-the-way".
 */
export function openPidfile(path: ByteString): OpenPidfile {
  const whole = absolute(path);
  const name = baseName(whole);
  if (["", ".", ".."].includes(name)) throw new SystemError(EISDIR, "open", path);
  const directory = openDirectory(openTree("/"), parentOf(whole));
  const present = statIfPresent(directory.fd, name);
  if (present !== undefined && isDirectory(present)) throw new SystemError(EISDIR, "open", path);
  requirePidfilePlace(path, present);
  const temporary = temporaryName();
  try {
    const file = openAt(directory.fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o644);
    return { directory: directory.fd, file, temporary, name, trusted: directory.trusted };
  } catch (error) {
    throw error instanceof SystemError ? new SystemError(error.errno, error.call, path) : error;
  }
}
