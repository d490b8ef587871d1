import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { readLink, type Stat, statIfPresent } from "../../ffi/files.ts";
import { pathComponents } from "../../ffi/paths.ts";
import { groupByGid, type PasswdEntry } from "./accounts.ts";
import { hostText } from "./host-files.ts";

/** What sshd's StrictModes objects to: a path, and the command that mends it. */
export interface StrictFinding {
  path: ByteString;
  message: ByteString;
  remedy: ByteString;
}

const MOST_LINKS = 40;

/** realpath(3): the path without links, "." and ".."; undefined where it leads nowhere. Throws SystemError. */
export function realPath(path: ByteString): ByteString | undefined {
  let rest = pathComponents(path);
  let done: ByteString[] = [];
  let links = 0;
  while (rest.length > 0) {
    const [name = "", ...after] = rest;
    rest = after;
    if (name === "..") {
      done = done.slice(0, -1);
      continue;
    }
    const here = `/${[...done, name].join("/")}`;
    const stat = statIfPresent(AT_FDCWD, here);
    if (stat === undefined) return undefined;
    if ((stat.mode & S_IFMT) !== 0o120000) {
      done.push(name);
      continue;
    }
    if (++links > MOST_LINKS) throw new SystemError(40, "realpath", path);
    const target = readLink(AT_FDCWD, here);
    if (target.startsWith("/")) done = [];
    rest = [...pathComponents(target), ...rest];
  }
  return `/${done.join("/")}`;
}

// Debian's sshd, and that of its children, lets the group write whose one member the user is (user-group-modes.patch).
const isDebian = () => statIfPresent(AT_FDCWD, "/etc/debian_version", true) !== undefined;

/** Whether the user alone is in a group, as far as the machine's own files say. */
function isGroupOfOne(gid: number, uid: number): boolean {
  const group = groupByGid(gid);
  if (group === undefined) return false;
  const members = passwdEntries().filter((one) => one.gid === gid || group.members.includes(one.name));
  return members.length > 0 && members.every((one) => one.uid === uid);
}

function passwdEntries(): Pick<PasswdEntry, "name" | "uid" | "gid">[] {
  return (hostText("/etc/passwd") ?? "").split("\n").flatMap((line) => {
    const [name = "", , uid = "", gid = ""] = line.split(":");
    return /^\d+$/.test(uid) && /^\d+$/.test(gid) ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

function finding(path: ByteString, stat: Stat, uid: number): StrictFinding | undefined {
  if (stat.uid !== 0 && stat.uid !== uid)
    return { path, message: `${path} belongs to uid ${stat.uid}`, remedy: `chown ${uid} ${path}` };
  const byGroup = (stat.mode & 0o022) === 0o020 && isDebian() && isGroupOfOne(stat.gid, uid);
  if ((stat.mode & 0o022) !== 0 && !byGroup)
    return { path, message: `${path} can be written by others`, remedy: `chmod go-w ${path}` };
  return undefined;
}

/**
 * What StrictModes of sshd_config(5) objects to at a file, as safe_path of OpenSSH looks: the file, and each directory
 * above it up to the home (to the root directory, where it lies elsewhere) is root's or the user's, and nobody else can
 * write it. undefined for nothing. Throws SystemError.
 */
export function strictFinding(file: ByteString, home: ByteString, uid: number): StrictFinding | undefined {
  const path = realPath(file);
  if (path === undefined) return undefined;
  const top = realPath(home);
  for (let at = path; ; at = at.slice(0, at.lastIndexOf("/")) || "/") {
    const stat = statIfPresent(AT_FDCWD, at);
    if (stat === undefined) return undefined;
    if (at === path && (stat.mode & S_IFMT) !== S_IFREG)
      return { path: at, message: `${at} is no regular file`, remedy: "make it a file" };
    const found = finding(at, stat, uid);
    if (found !== undefined) return found;
    if (at === top || at === "/") return undefined;
  }
}
