import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_DIRECTORY, O_NOFOLLOW, O_RDONLY } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, openAt, readDirectory, statIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { shellWord } from "../cli/shell-word.ts";
import { dropInDirectory } from "../config/load.ts";
import { aclAt } from "../system/acl.ts";
import { type Credentials, MAY_EXECUTE, MAY_READ, mayAccess } from "./permission.ts";

/** What keeps somebody from reading a file. */
export interface Obstacle {
  path: ByteString;
  /** A command. */
  remedy: ByteString;
}

function obstacleAt(path: ByteString, who: Credentials, wanted: number): Obstacle | undefined {
  const stat = statIfPresent(AT_FDCWD, path, true);
  if (stat === undefined || mayAccess(stat, who, wanted) || aclAt(AT_FDCWD, path, true) !== "none")
    return undefined;
  const letters = `${wanted & MAY_READ ? "r" : ""}${wanted & MAY_EXECUTE ? "x" : ""}`;
  return { path, remedy: `chmod a+${letters} ${shellWord(path)}` };
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

/** The first of the directories above an absolute path that somebody may not pass, by the permission bits. */
export function closedAbove(path: ByteString, who: Credentials): Obstacle | undefined {
  const parts = path.split("/").slice(1, -1);
  for (let at = 1; at <= parts.length; at++) {
    const found = obstacleAt(`/${parts.slice(0, at).join("/")}`, who, MAY_EXECUTE);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * What keeps somebody from reading a file at an absolute path, and its drop-ins where it is a config file; undefined
 * where nothing does. By the permission bits: where there is an ACL it is not told. Throws SystemError.
 */
export function obstacleTo(file: ByteString, who: Credentials): Obstacle | undefined {
  const closed = closedAbove(file, who);
  if (closed !== undefined) return closed;
  const dropIns = dropInDirectory(file);
  const questions: [path: ByteString, wanted: number][] = [[file, MAY_READ]];
  if (dropIns !== undefined) {
    questions.push([dropIns, MAY_READ | MAY_EXECUTE]);
    for (const name of namesIn(dropIns))
      if (/^[^.].*\.ini$/.test(name)) questions.push([`${dropIns}/${name}`, MAY_READ]);
  }
  for (const [path, wanted] of questions) {
    const found = obstacleAt(path, who, wanted);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Throws JailkitError where somebody could not read a file; see obstacleTo. */
export function requireReadable(file: ByteString, who: Credentials): void {
  const obstacle = obstacleTo(file, who);
  if (obstacle === undefined) return;
  const { path, remedy } = obstacle;
  const message = `the user cannot read ${display(path)}; mend it with: ${display(remedy)}`;
  throw new JailkitError("config-unreadable", 1, message, undefined, remedy);
}
