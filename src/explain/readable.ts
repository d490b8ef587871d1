import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { openAt, readDirectory, withFd } from "../../ffi/files.ts";
import { type Credentials, MAY_EXECUTE, MAY_READ, mayAccess, withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { dropInDirectory } from "../config/load.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { aclAt } from "../system/acl.ts";
import { commandAt } from "../system/exchange.ts";

/** The obstacle to reading a file. */
interface Obstacle {
  path: ByteString;
  /** A command. */
  remedy: ByteString;
}

/** The command that lets a user use a file: for everybody, since a group may be the user's, or by the ACL. Only root can ask. */
export function accessRemedy(path: ByteString, uid: number, letters: string): ByteString {
  const acl = withRightsOf(undefined, () => aclAt(AT_FDCWD, path, true));
  const word = shellWord(path);
  // In an ACL, the entry for a user comes before the one for others.
  const named = typeof acl !== "string" && acl.named.length > 0;
  return named ? `setfacl -m u:${uid}:${letters} ${word}` : `chmod a+${letters} ${word}`;
}

function obstacleAt(path: ByteString, uid: number, wanted: number): Obstacle | undefined {
  if (mayAccess(AT_FDCWD, path, wanted) || !withRightsOf(undefined, () => mayAccess(AT_FDCWD, path, 0)))
    return undefined;
  const letters = `${wanted & MAY_READ ? "r" : ""}${wanted & MAY_EXECUTE ? "x" : ""}`;
  return { path, remedy: commandAt(path, accessRemedy(path, uid, letters)) };
}

/** The names in a directory; none if it cannot be read. */
function namesIn(directory: ByteString): ByteString[] {
  const open = () => openAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return attempt(() => withFd(open(), readDirectory).map(({ name }) => name)) ?? [];
}

/** The obstacle at the first of several paths that has one. */
function firstObstacle(paths: readonly ByteString[], uid: number, wanted: number): Obstacle | undefined {
  for (const path of paths) {
    const found = obstacleAt(path, uid, wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The first directory above an absolute path that this process, with the user's rights, cannot pass. */
export function closedAbove(path: ByteString, uid: number): Obstacle | undefined {
  const parts = path.split("/").slice(1, -1);
  const above = parts.map((_, index) => `/${parts.slice(0, index + 1).join("/")}`);
  return firstObstacle(above, uid, MAY_EXECUTE);
}

/**
 * The obstacle to reading a file at an absolute path, or the drop-ins of a config file, for the user whose rights this
 * process has; undefined if there is none.
 */
export function obstacleTo(file: ByteString, uid: number): Obstacle | undefined {
  const found = closedAbove(file, uid) ?? obstacleAt(file, uid, MAY_READ);
  const dropIns = dropInDirectory(file);
  if (found !== undefined || dropIns === undefined) return found;
  const closed = obstacleAt(dropIns, uid, MAY_READ | MAY_EXECUTE);
  if (closed !== undefined) return closed;
  const names = namesIn(dropIns).filter((name) => /^[^.].*\.ini$/.test(name));
  return firstObstacle(
    names.map((name) => `${dropIns}/${name}`),
    uid,
    MAY_READ,
  );
}

/** A function that throws JailkitError if this process, with the user's rights, cannot read a file; see obstacleTo. */
export function readableFor(uid: number): (file: ByteString) => void {
  return (file) => {
    const obstacle = obstacleTo(file, uid);
    if (obstacle === undefined) return;
    const { path, remedy } = obstacle;
    throw new JailkitError("unreadable", 1, `the user cannot read ${display(path)}`, undefined, remedy);
  };
}

/** The jail's directory, or one above it, that `who` cannot pass; undefined if there is none. Only root can ask. */
export function closedDirectory(root: JailRoot, who: Credentials): ByteString | undefined {
  const way = [...root.ancestors.map(({ path }) => path), root.path];
  return withRightsOf(who, () => way.find((path) => !mayAccess(AT_FDCWD, path, MAY_EXECUTE)));
}
