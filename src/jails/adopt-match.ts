import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { birthAt } from "../../ffi/extents.ts";
import { readLink, type Stat, sameFile, statIfPresent } from "../../ffi/files.ts";
import { isGenerated } from "../check/files/drift.ts";
import { createSpaces } from "../check/files/spaces.ts";
import { type WalkEntry, walkJail } from "../check/files/walk.ts";
import { servedSockets } from "../check/jails.ts";
import { problemFrom } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { sameContent } from "../jail/fs/compare.ts";
import { hostSystemOf, outsidePathOf } from "../jail/fs/host-mounts.ts";
import { isDirectory, isLink, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { modeBesideAcl } from "../system/acl.ts";

/** A file, directory or symbolic link of a jail that does not belong to a user. */
export interface MatchedFile extends Pick<WalkEntry, "path" | "stat" | "target"> {
  /**
   * Compared with the host's file of the same path. "older": a copy of an earlier file of the host, since it is older than
   * its inode; "edited": written in the jail; "only-here": the host has none.
   */
  readonly likeness: "same" | "older" | "edited" | "only-here";
  /** It is a hard link of the host's file. */
  readonly linked: boolean;
}

/**
 * Compares the files of a jail with the host's; without files of users, those that jailkit generates in each jail, and
 * the sockets of jk_socketd.
 */
export function matchJail(root: JailRoot): { matched: MatchedFile[]; problems: PopulateProblem[] } {
  const matched: MatchedFile[] = [];
  const problems: PopulateProblem[] = [];
  const homes = readJailAccounts(root).users.map(({ home }) => ({ path: home, confirmed: false }));
  const served = servedSockets([]);
  const fail = (path: ByteString, error: unknown) =>
    problems.push({ ...problemFrom(error, "unreadable", root.path + path), code: "unreadable" });
  walkJail(root, createSpaces(homes), {
    ignored: () => false,
    hostDirectory: () => undefined,
    innerJail: () => false,
    hostMount: (path, stat) => hostSystemOf(root, { path, stat }),
    outside: (path, stat) => outsidePathOf(root, { path, stat }),
    // jk_check reports copies of the kernel's files; they are not recorded.
    copied: () => true,
    seen(seen) {
      if (seen.path === "/" || (seen.space === "user" && !isShared(seen.stat)) || isGenerated(seen.path))
        return;
      if (isSocket(seen.stat) && served(root.path + seen.path)) return;
      try {
        matched.push(matchFile(root, seen));
      } catch (error) {
        fail(seen.path, error);
      }
    },
    barrier: () => undefined,
    failed: fail,
  });
  return { matched, problems };
}

/** A directory such as /tmp: it is root's, and its contents are the users'. */
export function isShared(stat: Pick<Stat, "mode" | "uid">): boolean {
  return isDirectory(stat) && stat.uid === 0 && (stat.mode & C.S_ISVTX) !== 0;
}

const isSocket = ({ mode }: Pick<Stat, "mode">): boolean => (mode & C.S_IFMT) === C.S_IFSOCK;

function matchFile(root: JailRoot, { path, stat: seen, target, grants }: WalkEntry): MatchedFile {
  // A new file would get no ACL, so the record must not have the mask of one in the group bits.
  const stat = { ...seen, mode: modeBesideAcl(seen.mode, grants.acl) };
  const there = statIfPresent(C.AT_FDCWD, path);
  const linked = there !== undefined && isRegular(stat) && sameFile(there, stat);
  return { path, stat, target, linked, likeness: likenessOf(root, { path, stat, target }, there) };
}

function likenessOf(
  root: JailRoot,
  { path, stat, target }: Pick<MatchedFile, "path" | "stat" | "target">,
  there: Stat | undefined,
): MatchedFile["likeness"] {
  if (there === undefined) return "only-here";
  if (isDirectory(stat)) {
    // A symbolic link to a directory counts as a directory.
    const leadsTo = statIfPresent(C.AT_FDCWD, path, true);
    return leadsTo !== undefined && isDirectory(leadsTo) ? "same" : "edited";
  }
  // A program in the jail made it.
  if (isSocket(stat) || (stat.mode & C.S_IFMT) !== (there.mode & C.S_IFMT)) return "edited";
  if (isLink(stat)) return readLink(C.AT_FDCWD, path) === target ? "same" : "older";
  if (!isRegular(stat)) {
    const same = stat.rdevMajor === there.rdevMajor && stat.rdevMinor === there.rdevMinor;
    return same ? "same" : "edited";
  }
  if (stat.size === there.size && (stat.size === 0 || sameContent(root, path, path, stat))) return "same";
  // A copy has the times of its source, which are older than its inode.
  const birth = birthAt(root.fd, path.slice(1))?.birth;
  return birth !== undefined && stat.mtime >= birth ? "edited" : "older";
}
