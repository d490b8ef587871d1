import { type BasicStat, basicFstat, basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt } from "../../ffi/error.ts";
import { withFd } from "../../ffi/files.ts";
import { allowBeneath, landlockVersion, READ_FILE, WITH_FILES } from "../../ffi/landlock.ts";
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

/** The dynamic linkers, which the kernel executes for each program that is not static. */
export const LOADERS: readonly ByteString[] = [
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

/** What is at a path itself, for this user. */
export const statOf = (path: ByteString): BasicStat | undefined => attempt(() => basicStat(C.AT_FDCWD, path));

/** True for a file that is in /usr by the rest of its path, as all of /bin is where /bin is a link. */
function isInUsr(path: ByteString): boolean {
  const stat = statOf(path);
  const there = statOf(`/usr${path}`);
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
 * SYSTEM_GROUPS as names for addRules, each group in the directory of the one before, with A for what is executed; written
 * out, to save time.
 */
export const SYSTEM_NAMES = {
  count: 22,
  text:
    "/Abin\0/Asbin\0/Alib\0/Alib32\0/Alib64\0/Alibx32\0/Aopt\0" +
    ">Ausr\0/Abin\0/Asbin\0/Alib\0/Alib32\0/Alib64\0/Alibx32\0/Alibexec\0/Ashare\0" +
    ">Alocal\0/Abin\0/Asbin\0/Alib\0/Alibexec\0/Ashare\0",
};

/** True for the errno of a name that needs no rule. */
export const isMissing = (error: number): boolean =>
  error === C.ENOENT || error === C.ENOTDIR || error === C.ELOOP;

/** The directories of SYSTEM_NAMES that have no rule yet and are neither missing nor links. */
function notPlain(errorOf: (index: number) => number): Group[] {
  const others: Group[] = [];
  // The home is the first name.
  let i = 1;
  let depth = 0;
  for (const [above, last] of SYSTEM_GROUPS) {
    i += above.length - depth;
    depth = above.length;
    const left: ByteString[] = [];
    for (const name of last) {
      const error = errorOf(i++);
      if (error !== 0 && !isMissing(error)) left.push(name);
    }
    if (left.length > 0) others.push([above, left]);
  }
  return others;
}

/**
 * Adds the rules for the directories of `limits` that only root can write, as far as they have none. `rights`: on each of
 * them. `errorOf`: what came of the home, and of SYSTEM_NAMES after it. Returns the directories that were left out. Throws SystemError.
 */
export function allowDirectories(
  ruleset: number,
  root: number,
  limits: ExecuteLimits,
  rights: number,
  errorOf: (index: number) => number,
): LeftOut[] {
  const system = limits.onlyNamed ? {} : { system: notPlain(errorOf) };
  return eachTrustedDirectory(root, { ...limits, ...system }, (_, fd) => allowBeneath(ruleset, rights, fd));
}
