import { basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { openIfPresent, withFd } from "../../ffi/files.ts";
import {
  allowBeneath,
  EXECUTE,
  landlockVersion,
  READ_DIR,
  READ_FILE,
  WITH_FILES,
} from "../../ffi/landlock.ts";
import { allowNames, type NameResults, type Names, PROGRAM } from "../../ffi/landlock-names.ts";
import { hasFilters } from "../../ffi/seccomp.ts";
import {
  type ExecuteScope,
  eachTrustedDirectory,
  type Group,
  type LeftOut,
  SYSTEM_GROUPS,
  sameInode,
} from "./directories.ts";

/** The reason if canLimitExecution returns false. */
export const NO_LANDLOCK =
  "the kernel has no Landlock (Linux 5.19 and later have it, unless built or booted without)";

/** True if this kernel can limit what a session executes. Throws SystemError if that is unknown. */
export function canLimitExecution(): boolean {
  return landlockVersion() >= WITH_FILES;
}

/** True if this kernel can also keep a server from executing what others may: forbidExecution of calls.ts. Throws as above. */
export const canLimitServers = (): boolean => canLimitExecution() && hasFilters();

/** The files that may be executed besides those in the system's directories. */
export interface ExecuteLimits extends ExecuteScope {
  /** Programs, by absolute path. Symbolic links are followed, and missing files do not count. */
  executables: readonly ByteString[];
}

// The dynamic linkers, which the kernel executes for each program that is not static.
const LOADERS = [
  "/lib64/ld-linux-x86-64.so.2",
  "/lib/ld-linux-aarch64.so.1",
  "/lib/ld-musl-x86_64.so.1",
  "/lib/ld-musl-aarch64.so.1",
];

/** The limits of a program that executes only itself and `starts` (directories and files). */
export function startsLimits(
  program: ByteString,
  starts: readonly ByteString[],
  home: ByteString,
): ExecuteLimits {
  return { named: starts, executables: [program, ...starts, ...LOADERS], home, onlyNamed: true };
}

/** Opens a path of the settings, or says why not: see named-file.ts. */
export type OpenPath = (root: number, path: ByteString) => number | ByteString;

const isRegular = (fd: number) => (basicFstat(fd).mode & C.S_IFMT) === C.S_IFREG;

/** True for a file that is in /usr by the rest of its path, as all of /bin is where /bin is a link. */
function isInUsr(path: ByteString): boolean {
  const stat = basicStat(C.AT_FDCWD, path);
  const there = basicStat(C.AT_FDCWD, `/usr${path}`);
  return stat !== undefined && there !== undefined && sameInode(stat, there);
}

/**
 * Allows reading a program, as execve(2) does; in /usr, every session may. Returns why `open` does not open it, if so.
 */
export function allowReading(
  ruleset: number,
  root: number,
  path: ByteString,
  open: OpenPath,
): ByteString | undefined {
  if (isInUsr(path)) return undefined;
  const file = open(root, path);
  if (typeof file !== "number") return file;
  withFd(file, (fd) => {
    if (isRegular(fd)) allowBeneath(ruleset, READ_FILE, fd);
  });
  return undefined;
}

/**
 * Allows executing a program. Whoever can make a symbolic link in its place can put a program there, too. False if there is
 * none: execve(2) will fail with the same error.
 */
function allowExecuting(ruleset: number, path: ByteString): boolean {
  const file = openIfPresent(C.AT_FDCWD, path, C.O_PATH);
  if (file === undefined) return false;
  return withFd(file, (fd) => {
    if (!isRegular(fd)) return false;
    allowBeneath(ruleset, EXECUTE, fd);
    return true;
  });
}

/** True for a program that is in one of `directories`, and is no symbolic link. */
function isIn(directories: ReadonlySet<ByteString>, path: ByteString): boolean {
  if (!directories.has(path.slice(0, path.lastIndexOf("/")))) return false;
  const stat = basicStat(C.AT_FDCWD, path);
  return stat === undefined || (stat.mode & C.S_IFMT) !== C.S_IFLNK;
}

/** SYSTEM_GROUPS as names for allowNames, each group in the directory of the one before; written out, to save time. */
export const SYSTEM_NAMES: Names = {
  count: 22,
  text:
    "/bin\0/sbin\0/lib\0/lib32\0/lib64\0/libx32\0/opt\0" +
    ">usr\0/bin\0/sbin\0/lib\0/lib32\0/lib64\0/libx32\0/libexec\0/share\0" +
    ">local\0/bin\0/sbin\0/lib\0/libexec\0/share\0",
};

const isMissing = (error: number): boolean => error === C.ENOENT || error === C.ENOTDIR;

/** The directories of the system that have no rule yet and are neither missing nor links; `use`: those that have one. */
function notPlain({ errorOf }: NameResults, use: (path: ByteString) => void): Group[] {
  const others: Group[] = [];
  let i = 0;
  let depth = 0;
  for (const [above, last] of SYSTEM_GROUPS) {
    i += above.length - depth;
    depth = above.length;
    const left: ByteString[] = [];
    const prefix = depth === 0 ? "/" : `/${above.join("/")}/`;
    for (const name of last) {
      const error = errorOf(i++);
      if (error === 0) use(prefix + name);
      else if (error !== C.ELOOP && !isMissing(error)) left.push(name);
    }
    if (left.length > 0) others.push([above, left]);
  }
  return others;
}

/**
 * Adds the rules for the system's directories, and those to execute the programs, in one call, as far as a directory is
 * plainly trusted or missing. `use` is called with the path of each that has its rule. Returns the others, of which
 * eachTrustedDirectory knows more; undefined if there are no rules at all.
 */
function allowQuickly(
  ruleset: number,
  root: number,
  { executables, home }: ExecuteLimits,
  rights: number,
  use: (path: ByteString) => void,
): readonly Group[] | undefined {
  let { text, count } = SYSTEM_NAMES;
  const allowed: number[] = [];
  for (let i = 0; i < count; i++) allowed.push(rights);
  const paths: ByteString[] = [];
  for (const path of executables) {
    if (path.includes("\0")) return undefined;
    if (!path.startsWith("/")) continue;
    paths.push(path);
    text += `${PROGRAM}${path}\0`;
    allowed.push(EXECUTE);
    count++;
  }
  const results = allowNames(ruleset, root, { text, count }, allowed, home);
  if (results === undefined) return undefined;
  // The paths are of use only to those who read the programs.
  if (results.isPlain && (rights & READ_FILE) === 0) return [];
  if (results.rule !== 0) throw new SystemError(results.rule, "landlock_add_rule", undefined);
  for (let i = SYSTEM_NAMES.count; i < count; i++) {
    const error = results.errorOf(i);
    // execve(2) will fail with the same error.
    if (error !== 0 && !isMissing(error)) throw new SystemError(error, "open", paths[i - SYSTEM_NAMES.count]);
  }
  return notPlain(results, use);
}

/**
 * Adds the rules for `limits`: files in directories that only root can write, and its programs. The dynamic linker and
 * interpreters need to be among them. `handled`: the rights that the ruleset denies; execve(2) reads what it executes.
 * `open`: how the programs are opened for that, which gives a session the content of what it may not read otherwise.
 * Returns the directories that were left out. Throws SystemError.
 */
export function allowExecution(
  ruleset: number,
  root: number,
  limits: ExecuteLimits,
  handled: number,
  open: OpenPath,
): LeftOut[] {
  const rights = handled & (EXECUTE | READ_FILE | READ_DIR);
  const directories = new Set<ByteString>();
  const { onlyNamed = false, executables } = limits;
  const others = onlyNamed
    ? undefined
    : allowQuickly(ruleset, root, limits, rights, (path) => directories.add(path));
  const system = others === undefined ? {} : { system: others };
  const leftOut = eachTrustedDirectory(root, { ...limits, ...system }, (path, fd) => {
    allowBeneath(ruleset, rights, fd);
    directories.add(path);
  });
  if (others !== undefined && (rights & READ_FILE) === 0) return leftOut;
  for (const path of executables) {
    if (!path.startsWith("/") || isIn(directories, path)) continue;
    // After a call of allowQuickly, this rule is there already, unless the file is missing.
    const exists = others !== undefined || allowExecuting(ruleset, path);
    // The dynamic linkers are in directories that every session reads.
    if (!exists || (rights & READ_FILE) === 0 || LOADERS.includes(path)) continue;
    allowReading(ruleset, root, path, open);
  }
  return leftOut;
}
