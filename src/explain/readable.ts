import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../ffi/constants.ts";
import { attempt, SystemError } from "../../ffi/error.ts";
import { openAt, readDirectory, withFd } from "../../ffi/files.ts";
import { directoryOf, pathsDownTo } from "../../ffi/paths.ts";
import { type Credentials, MAY_EXECUTE, MAY_READ, mayAccess, withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type Advice, type Remedy, told } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { dropInDirectory, isDropIn } from "../config/load.ts";
import { aclAt, removalCommand } from "../system/acl.ts";
import { commandAt } from "../system/exchange.ts";
import { hostText } from "../system/host-files.ts";

/**
 * The text of a file of the host, read with these rights, or root's; undefined if it is missing, cannot be read, or is
 * larger than 1 MiB.
 */
export function readAs(
  who: Credentials | undefined,
  file: ByteString,
): { text: ByteString | undefined; isLarge: boolean } {
  try {
    return { text: withRightsOf(who, () => hostText(file)), isLarge: false };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return { text: undefined, isLarge: error.code === "EFBIG" };
  }
}

/** The obstacle to reading a file. */
interface Obstacle {
  path: ByteString;
  advice: Advice;
}

/**
 * The command that lets a user use a file: for everybody, since a group may be the user's. An ACL comes before that: in the
 * jail, whose files should have none, it goes; elsewhere the user gets an entry. `jail`: "" for no jail. `uid`: undefined for
 * an account that is yet to be created. Only root can ask.
 */
export function accessRemedy(
  path: ByteString,
  jail: ByteString,
  uid: number | undefined,
  letters: string,
): Remedy {
  const acl = withRightsOf(undefined, () => aclAt(AT_FDCWD, path, true));
  const word = shellWord(path);
  const named = typeof acl === "string" ? [] : acl.named;
  const open: Remedy = `chmod a+${letters} ${word}`;
  if (named.length === 0) return open;
  if (jail !== "" && `${path}/`.startsWith(`${jail}/`)) return `${removalCommand(named)} ${word} && ${open}`;
  return uid === undefined ? open : `setfacl -m u:${uid}:${letters} ${word}`;
}

/** A file or directory of a jail, or above it; `jail` is "" for others. */
interface FileToRead {
  path: ByteString;
  jail: ByteString;
}

function obstacleAt({ path, jail }: FileToRead, uid: number, wanted: number): Obstacle | undefined {
  if (mayAccess(AT_FDCWD, path, wanted) || !withRightsOf(undefined, () => mayAccess(AT_FDCWD, path, 0)))
    return undefined;
  const letters = `${wanted & MAY_READ ? "r" : ""}${wanted & MAY_EXECUTE ? "x" : ""}`;
  return { path, advice: commandAt(path, accessRemedy(path, jail, uid, letters)) };
}

/** The names in a directory; none if it cannot be read. */
function namesIn(directory: ByteString): ByteString[] {
  const open = () => openAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return attempt(() => withFd(open(), readDirectory).map(({ name }) => name)) ?? [];
}

/** The obstacle at the first of several paths that has one. */
function firstObstacle(
  paths: readonly ByteString[],
  jail: ByteString,
  uid: number,
  wanted: number,
): Obstacle | undefined {
  for (const path of paths) {
    const found = obstacleAt({ path, jail }, uid, wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first directory above an absolute path that this process, with the user's rights, cannot pass. */
export function closedAbove({ path, jail }: FileToRead, uid: number): Obstacle | undefined {
  return firstObstacle(pathsDownTo(directoryOf(path)), jail, uid, MAY_EXECUTE);
}

/**
 * The obstacle that keeps the user whose rights this process has from reading a file, or the drop-ins of a config file.
 * `file`: absolute, in etc of the host or of a jail. Undefined if there is none.
 */
export function obstacleTo(file: ByteString, uid: number): Obstacle | undefined {
  const jail = file.slice(0, file.lastIndexOf("/etc/"));
  const place = { path: file, jail };
  const found = closedAbove(place, uid) ?? obstacleAt(place, uid, MAY_READ);
  const dropIns = dropInDirectory(file);
  if (found !== undefined || dropIns === undefined) return found;
  const closed = obstacleAt({ path: dropIns, jail }, uid, MAY_READ | MAY_EXECUTE);
  if (closed !== undefined) return closed;
  const names = namesIn(dropIns).filter(isDropIn);
  return firstObstacle(
    names.map((name) => `${dropIns}/${name}`),
    jail,
    uid,
    MAY_READ,
  );
}

/** A function that throws JailkitError if this process, with the user's rights, cannot read a file; see obstacleTo. */
export function readableFor(uid: number): (file: ByteString) => void {
  return (file) => {
    const obstacle = obstacleTo(file, uid);
    if (obstacle === undefined) return;
    const { path, advice } = obstacle;
    const { message, remedy } = told(`the user cannot read ${display(path)}`, advice);
    throw new JailkitError("unreadable", 1, message, undefined, remedy);
  };
}
