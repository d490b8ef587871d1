import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { birthAt } from "../../ffi/extents.ts";
import { readLink, type Stat, sameFile, statIfPresent } from "../../ffi/files.ts";
import { isGenerated } from "../check/files/drift.ts";
import { createSpaces } from "../check/files/spaces.ts";
import { type WalkEntry, walkJail } from "../check/files/walk.ts";
import { describeError } from "../cli/error.ts";
import { readJailAccounts } from "../jail/accounts/accounts.ts";
import { sameContent } from "../jail/fs/compare.ts";
import { isDirectory, isLink, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import type { PopulateProblem } from "../populate/entry.ts";
import { modeBesideAcl } from "../system/acl.ts";

/**
 * How something in a jail is like what the host has at the same path. "same"; "older": a copy of what the host had
 * before, as it is older than its inode; "edited": something of that name was written in the jail; "only-here".
 */
export type Likeness = "same" | "older" | "edited" | "only-here";

/** Something in a jail that is not a user's. */
export interface Thing {
  /** As the jail sees it, without links. */
  readonly path: ByteString;
  readonly stat: Stat;
  /** The text of a link. */
  readonly target: ByteString | undefined;
  readonly likeness: Likeness;
  /** It is another name of the host's file. */
  readonly linked: boolean;
}

/**
 * Compares all that is in a jail with what the host has at the same paths; homes, and what else users can write, are
 * left out, and so is what every jail has for itself.
 */
export function matchJail(root: JailRoot): { things: Thing[]; problems: PopulateProblem[] } {
  const things: Thing[] = [];
  const problems: PopulateProblem[] = [];
  const homes = readJailAccounts(root).users.map(({ home }) => ({ path: home, confirmed: false }));
  const fail = (path: ByteString, error: unknown) =>
    problems.push({ code: "unreadable", path: root.path + path, message: describeError(error) });
  walkJail(root, createSpaces(homes), {
    ignored: () => false,
    hostDirectory: () => undefined,
    seen(seen) {
      if (seen.path === "/" || (seen.space === "user" && !isShared(seen.stat)) || isGenerated(seen.path))
        return;
      try {
        things.push(thingOf(root, seen));
      } catch (error) {
        fail(seen.path, error);
      }
    },
    barrier: () => undefined,
    failed: fail,
  });
  return { things, problems };
}

/** A directory that root made for all, such as /tmp; what is in it is the users'. */
function isShared(stat: Stat): boolean {
  return isDirectory(stat) && stat.uid === 0 && (stat.mode & C.S_ISVTX) !== 0;
}

function thingOf(root: JailRoot, { path, stat: seen, target, grants }: WalkEntry): Thing {
  // What is recorded is what a new one would be given: no ACL, and so no mask in the group's bits.
  const stat = { ...seen, mode: modeBesideAcl(seen.mode, grants.acl) };
  const there = statIfPresent(C.AT_FDCWD, path);
  const linked = there !== undefined && isRegular(stat) && sameFile(there, stat);
  return { path, stat, target, likeness: likenessOf(root, path, stat, target, there), linked };
}

function likenessOf(
  root: JailRoot,
  path: ByteString,
  stat: Stat,
  target: ByteString | undefined,
  there: Stat | undefined,
): Likeness {
  if (there === undefined) return "only-here";
  if (isDirectory(stat)) {
    // A link to a directory stands for one.
    const leadsTo = statIfPresent(C.AT_FDCWD, path, true);
    return leadsTo !== undefined && isDirectory(leadsTo) ? "same" : "edited";
  }
  if ((stat.mode & C.S_IFMT) !== (there.mode & C.S_IFMT)) return "edited";
  if (isLink(stat)) return readLink(C.AT_FDCWD, path) === target ? "same" : "older";
  if (!isRegular(stat)) {
    const same = stat.rdevMajor === there.rdevMajor && stat.rdevMinor === there.rdevMinor;
    return same ? "same" : "edited";
  }
  if (stat.size === there.size && (stat.size === 0 || sameContent(root, path, path, stat))) return "same";
  // What is copied gets the time of its source, which is older than the copy.
  const birth = birthAt(root.fd, path.slice(1))?.birth;
  return birth !== undefined && stat.mtime >= birth ? "edited" : "older";
}
