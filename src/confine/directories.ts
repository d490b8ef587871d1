import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, openAt2, type Stat, sameFile } from "../../ffi/files.ts";
import { unsafeBecause } from "../config/load.ts";

/**
 * Where systems keep programs and what these start: interpreters, the dynamic linker, helpers. /usr/share too, where
 * many names in /usr/bin lead. Neither /opt nor /etc: nothing that is started for others lies there by rule, and /opt
 * has homes of applications.
 */
export const SYSTEM_DIRECTORIES: readonly ByteString[] = [
  ...["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"],
  ...[
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libx32",
    "/usr/libexec",
    "/usr/share",
  ],
  ...["bin", "sbin", "lib", "libexec", "share"].map((name) => `/usr/local/${name}`),
];

/** A directory from which nothing may be executed, and why: a clause. */
export interface LeftOut {
  path: ByteString;
  why: ByteString;
}

interface Reason {
  why: ByteString;
  /** Nothing is wrong: on many systems some of the names are missing, or links to others of them. */
  usual: boolean;
}

const RESOLVE = C.RESOLVE_IN_ROOT | C.RESOLVE_NO_MAGICLINKS;

/** Opens a directory, without following a link, and hands it on if root alone can write into it. */
function inspect(
  root: number,
  path: ByteString,
  use?: (fd: number, stat: Stat) => Reason | undefined,
): Reason | undefined {
  let fd: number;
  try {
    fd = openAt2(root, path, C.O_PATH | C.O_DIRECTORY, RESOLVE | C.RESOLVE_NO_SYMLINKS);
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return { why: "there is no such directory", usual: true };
    if (isErrno(error, "ELOOP")) return { why: "it is a link, or lies behind one", usual: true };
    if (isErrno(error, "EACCES")) return { why: "the user cannot look into it", usual: false };
    throw error;
  }
  try {
    const stat = fstat(fd);
    const unsafe = unsafeBecause(stat, 0);
    return unsafe === undefined ? use?.(fd, stat) : { why: `${path} ${unsafe}`, usual: false };
  } finally {
    close(fd);
  }
}

/** The home and the directories above it, the nearest first; nothing where root alone can write into the home. */
function homeAndAbove(root: number, home: ByteString): Stat[] {
  const found: Stat[] = [];
  let fd: number;
  try {
    fd = openAt2(root, home, C.O_PATH | C.O_DIRECTORY, RESOLVE);
  } catch (error) {
    if (error instanceof SystemError) return found;
    throw error;
  }
  let stat = fstat(fd);
  const own = unsafeBecause(stat, 0) !== undefined;
  // Above the root there is only the root.
  for (let last: Stat | undefined; own && (last === undefined || !sameFile(last, stat)); ) {
    found.push(stat);
    last = stat;
    const above = openAt(fd, "..", C.O_PATH | C.O_DIRECTORY);
    close(fd);
    fd = above;
    stat = fstat(fd);
  }
  close(fd);
  return found;
}

/** Whose directories are asked for. */
export interface ExecuteScope {
  /** Directories besides those of the system. */
  named: readonly ByteString[];
  /** The user's home directory. */
  home: ByteString;
}

/**
 * Hands on, one by one and opened (O_PATH), the directories below `root` into which root alone can write: those of the
 * system, and the named ones. Each of them and all above belong to root, have no write bit for others (the named
 * entries of an ACL show in these bits: acl(5)), and are no links; and the home does not lie in it. Returns what was
 * left out; of the system's directories not those that are missing or links. Throws SystemError.
 */
export function eachTrustedDirectory(
  root: number,
  { named, home }: ExecuteScope,
  use: (path: ByteString, fd: number) => void,
): LeftOut[] {
  const homes = homeAndAbove(root, home);
  const judged = new Map<ByteString, Reason | undefined>();
  const judge = (path: ByteString): Reason | undefined => {
    if (!judged.has(path)) judged.set(path, judgeAbove(path) ?? inspect(root, path));
    return judged.get(path);
  };
  const judgeAbove = (path: ByteString): Reason | undefined =>
    path === "/" ? undefined : judge(path.slice(0, path.lastIndexOf("/")) || "/");

  const leftOut: LeftOut[] = [];
  for (const path of [...SYSTEM_DIRECTORIES, ...named]) {
    const reason =
      judgeAbove(path) ??
      inspect(root, path, (fd, stat) => {
        if (homes.some((one) => sameFile(one, stat)))
          return { why: `the home ${home} lies in it`, usual: false };
        use(path, fd);
        return undefined;
      });
    if (reason !== undefined && (!reason.usual || named.includes(path)))
      leftOut.push({ path, why: reason.why });
  }
  return leftOut;
}
