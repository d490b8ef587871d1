import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { isErrno } from "../../../ffi/error.ts";
import { entriesOf, sameFile, statIfPresent, withFd } from "../../../ffi/files.ts";
import { baseName } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError, problemFrom } from "../../cli/error.ts";
import { openHostDirectory } from "../../jail/fs/host-source.ts";
import { lackingMounts, liveObstacle } from "../../jail/fs/live-mounts.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { SOCKET_RULE, socketDirectory } from "../../jail/fs/socket-directory.ts";
import { isLink, type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import { makeDirectories, putSymlink } from "../../jail/fs/write.ts";
import { mountCommand } from "../../jail/record/live.ts";
import type { PopulateProblem } from "../entry.ts";
import { hideFromJail, showInJail } from "./live.ts";
import { bootFaultOf } from "./live-lines.ts";

/** The sockets that sections name, on this machine. */
interface Sockets {
  /** To mount. One that does not exist now is recorded, and mounted later. */
  readonly directories: readonly ByteString[];
  readonly warnings: readonly string[];
  readonly problems: readonly PopulateProblem[];
}

/** The code of the error for a directory that cannot be mounted in the jail. */
export const OBSTACLE = "live-obstacle";

const RUN = "/run";
const OLD_RUN = "/var/run";
// d_type of getdents64(2)
const DT_SOCK = 12;
// A service may have one for each of its users.
const MOST_NAMES = 1000;
const MOST_SHOWN = 5;

/** Reads the key `sockets`: decides which directories of the host are mounted in the jail, and what to say about them. */
export function readSockets(sockets: readonly ByteString[], jail: ByteString): Sockets {
  const named = new Map<ByteString, Set<ByteString>>();
  const warnings: string[] = [];
  const problems: PopulateProblem[] = [];
  for (const socket of sockets) {
    try {
      const directory = directoryOfSocket(socket);
      named.getOrInsertComputed(directory, () => new Set()).add(baseName(socket));
    } catch (error) {
      problems.push(problemFrom(error, "socket", socket));
    }
  }
  const directories = [...named].flatMap(([directory, names]) => {
    try {
      warnings.push(...lookInto(directory, names));
      return [directory];
    } catch (error) {
      if (isErrno(error, "ENOENT")) {
        warnings.push(absentWarning(directory, jail));
        return [directory];
      }
      problems.push(problemFrom(error, "socket", directory));
      return [];
    }
  });
  return { directories, warnings, problems };
}

function directoryOfSocket(socket: ByteString): ByteString {
  const directory = socketDirectory(socket);
  if (directory === undefined) throw new JailkitError("socket", 1, `${display(socket)} ${SOCKET_RULE}`);
  const [old, run] = [OLD_RUN, RUN].map((path) => statIfPresent(C.AT_FDCWD, path, true));
  if (!socket.startsWith(`${OLD_RUN}/`) || (old && run && sameFile(old, run))) return directory;
  throw new JailkitError("socket", 1, `${display(socket)}: ${OLD_RUN} of this machine is not ${RUN}`);
}

function absentWarning(directory: ByteString, jail: ByteString): string {
  const when = "its service is stopped or not installed; when it runs, mount it with";
  return `${display(directory)} does not exist on this machine: ${when}: ${mountCommand(jail)}`;
}

/** Verifies a directory of the host and the named sockets; returns a warning of others that the jail will see too. */
function lookInto(directory: ByteString, names: ReadonlySet<ByteString>): string[] {
  return withFd(openHostDirectory(directory), (fd) => {
    for (const name of names) {
      const stat = statIfPresent(fd, name);
      if (stat === undefined || (stat.mode & C.S_IFMT) === C.S_IFSOCK) continue;
      throw new JailkitError("socket", 1, `${display(`${directory}/${name}`)}: is not a socket`);
    }
    const others = entriesOf(fd, MOST_NAMES).filter(({ name, type }) => type === DT_SOCK && !names.has(name));
    if (others.length === 0) return [];
    const shown = others.slice(0, MOST_SHOWN).map(({ name }) => display(name));
    const more = others.length > MOST_SHOWN ? ` and ${others.length - MOST_SHOWN} more` : "";
    return [
      `all of ${display(directory)} is visible in the jail, with other sockets too: ${shown.join(", ")}${more}`,
    ];
  });
}

/**
 * The directories for which setUpSockets has something to do, and those that are `recorded` but not asked for any more.
 * With problems, something asked for is not known.
 */
export function socketChanges(
  root: JailRoot,
  { sockets, problems }: { readonly sockets: readonly ByteString[]; readonly problems: readonly unknown[] },
  recorded: readonly ByteString[],
) {
  if (sockets.length + recorded.length === 0) return { lacking: [], unused: [] };
  const lacking = readSockets(sockets, root.path).directories.filter((path) => {
    if (!recorded.includes(path) || bootFaultOf(root.path, path) !== undefined) return true;
    return lackingMounts(root, [path]).length > 0;
  });
  const asked = sockets.map(socketDirectory);
  const unused = problems.length > 0 ? [] : recorded.filter((path) => !asked.includes(path));
  return { lacking, unused };
}

/**
 * Shows directories with sockets of the host in a jail: see showInJail. One that cannot be mounted is not recorded, and
 * JailkitError "live-obstacle" when the others are shown. Throws JailkitError, SystemError.
 */
export function setUpSockets(
  root: JailRoot,
  directories: readonly ByteString[],
  say: (line: ByteString) => void,
): void {
  const obstacles = new Map(directories.map((path) => [path, liveObstacle(root, path)]));
  const free = directories.filter((path) => obstacles.get(path) === undefined);
  if (free.length > 0) {
    showInJail(root, "sockets", free, say);
    linkOldRun(root);
  }
  const reasons = [...obstacles.values()].filter((reason) => reason !== undefined);
  if (reasons.length > 0) throw new JailkitError(OBSTACLE, 1, reasons.join("; "));
}

/** Programs may look for a socket in /var/run: creates the symbolic link that the host has there. */
function linkOldRun(root: JailRoot): void {
  const host = statIfPresent(C.AT_FDCWD, OLD_RUN);
  if (host === undefined || !isLink(host) || lookUp(root, OLD_RUN) !== undefined) return;
  makeDirectories(root, "/var", () => ({ mode: 0o755, uid: 0, gid: 0 }));
  // Users of the jail may decide what is there.
  if (withDirectory(root, "/var", ({ trusted }) => trusted)) putSymlink(root, OLD_RUN, RUN);
}

/** Undoes setUpSockets. Throws JailkitError, SystemError. */
export const removeSockets = (
  root: JailRoot,
  directories: readonly ByteString[],
  say: (line: ByteString) => void,
): void => hideFromJail(root, "sockets", directories, say);
