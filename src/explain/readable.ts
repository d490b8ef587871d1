import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, openAt, readDirectory } from "../../ffi/files.ts";
import { type Credentials, MAY_EXECUTE, MAY_READ, mayAccess, withRightsOf } from "../../ffi/rights.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { dropInDirectory } from "../config/load.ts";
import type { JailRoot } from "../jail/fs/walk.ts";
import { aclAt } from "../system/acl.ts";
import { commandAt } from "../system/exchange.ts";

/** The obstacle to reading a file. */
export interface Obstacle {
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

function namesIn(directory: ByteString): ByteString[] {
  try {
    const fd = openAt(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    try {
      return readDirectory(fd).map(({ name }) => name);
    } finally {
      close(fd);
    }
  } catch (error) {
    if (error instanceof SystemError) return [];
    throw error;
  }
}

/** The first directory above an absolute path that this process, with the user's rights, cannot pass. */
export function closedAbove(path: ByteString, uid: number): Obstacle | undefined {
  const parts = path.split("/").slice(1, -1);
  for (let at = 1; at <= parts.length; at++) {
    const found = obstacleAt(`/${parts.slice(0, at).join("/")}`, uid, MAY_EXECUTE);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The obstacle to reading a file at an absolute path, or the drop-ins of a config file, for the user whose rights this
 * process has; undefined if there is none.
 */
export function obstacleTo(file: ByteString, uid: number): Obstacle | undefined {
  const closed = closedAbove(file, uid);
  if (closed !== undefined) return closed;
  const dropIns = dropInDirectory(file);
  const questions: [path: ByteString, wanted: number][] = [[file, MAY_READ]];
  if (dropIns !== undefined) {
    questions.push([dropIns, MAY_READ | MAY_EXECUTE]);
    for (const name of namesIn(dropIns))
      if (/^[^.].*\.ini$/.test(name)) questions.push([`${dropIns}/${name}`, MAY_READ]);
  }
  for (const [path, wanted] of questions) {
    const found = obstacleAt(path, uid, wanted);
    if (found !== undefined) return found;
  }
  return undefined;
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
