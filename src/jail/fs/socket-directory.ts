import type { ByteString } from "../../../ffi/bytes.ts";
import type { Stat } from "../../../ffi/files.ts";
import { directoryOf, normalPath } from "../../../ffi/paths.ts";

const RUN = "/run/";
const OLD_RUN = "/var/run/";

/** True for a directory of the host that is mounted in a jail for the sockets in it; the others are those of live jails. */
export const isSocketDirectory = (path: ByteString): boolean => path.startsWith(RUN);

/**
 * The directory that is mounted for a socket of the host, such as "/run/mysqld"; undefined if it is not below /run, or is
 * /run itself: all of it would be visible in the jail. `socket`: a path, in which /var/run counts as /run. Pure.
 */
export function socketDirectory(socket: ByteString): ByteString | undefined {
  const path = socket.startsWith(OLD_RUN) ? RUN + socket.slice(OLD_RUN.length) : socket;
  const directory = directoryOf(path);
  return isSocketDirectory(directory) && !path.includes("\n") && normalPath(path) === path
    ? directory
    : undefined;
}

/** The rule for the path of a socket, as the end of a sentence. */
export const SOCKET_RULE =
  "is not a socket in a directory of its own below /run, such as /run/mysqld/mysqld.sock: all of the directory is visible in the jail";

/**
 * Why a directory of the host is not mounted for its sockets, as the end of a sentence; undefined if it may be. A service
 * that runs as root, such as systemd, D-Bus or Docker, has its sockets in a directory of root. `firstUser`: the lowest uid
 * of an account that is not a system account. Pure.
 */
export function socketDirectoryFault(
  { uid, mode }: Pick<Stat, "uid" | "mode">,
  firstUser: number,
): string | undefined {
  if (uid === 0)
    return "belongs to root, not to the account of a service: services that run as root are not opened to jails";
  if (uid >= firstUser) return `belongs to uid ${uid}, which is not the account of a service`;
  return mode & 0o002 ? "is writable by everyone" : undefined;
}
