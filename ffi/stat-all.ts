import type { BasicStat } from "./basic-stat.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW, ENOENT, ENOTDIR, S_IFLNK, S_IFMT, S_IFREG } from "./constants.ts";
import { addressOf, errno, libc } from "./libc.ts";
import { STATX_BASIC_STATS, statxBuffer } from "./statx.ts";

/** How to look at paths. */
export interface Look {
  readonly follow: boolean;
  /** The content of directories matters too, and the ACL of any file. */
  readonly listed: boolean;
}

/** The words of one file in the result of statAll. */
export const STAT_WORDS = 16;

// Words of struct statx, by their offsets divided by 4.
const from = new Uint32Array(statxBuffer.buffer, statxBuffer.byteOffset, 64);
// uid, gid, inode, device, device number: of every file
const IDENTITY = [5, 6, 8, 9, 34, 35, 32, 33];
// size, ctime, mtime: they change with the content
const CONTENT = [10, 11, 24, 26, 28, 30];

/** True if statAll looks at the times of a file: of the others, which change all the time, only its identity counts. */
export function timesCount(mode: number, listed: boolean): boolean {
  const type = mode & S_IFMT;
  return mode !== 0 && (listed || type === S_IFREG || type === S_IFLNK);
}

/**
 * Looks at many files at once: statx(2) of each path of `paths`, which end with NUL, into STAT_WORDS words of `into` each,
 * from word `at` on: the mode, owner, group, inode, device and device number, and then size and times, if they count. All
 * zero for a path that leads nowhere. Returns the newest ctime that counts, in seconds since the epoch.
 */
export function statAll(paths: Uint8Array, { follow, listed }: Look, into: Uint32Array, at: number): number {
  const flags = follow ? 0 : AT_SYMLINK_NOFOLLOW;
  // SAFETY: only used by the calls below.
  const start = addressOf(paths);
  let newest = 0;
  let to = at;
  for (let offset = 0, end = paths.indexOf(0); end >= 0; offset = end + 1, end = paths.indexOf(0, offset)) {
    // SAFETY: `paths` is held by this call, each path in it ends with NUL, and struct statx has 256 bytes.
    const found =
      libc.statx(AT_FDCWD, (start + offset) as never, flags, STATX_BASIC_STATS, statxBuffer) === 0;
    const mode = found ? (from[7] ?? 0) & 0xffff : 0;
    const changes = timesCount(mode, listed);
    into[to++] = found ? mode : failure();
    for (const word of IDENTITY) into[to++] = found ? (from[word] ?? 0) : 0;
    for (const word of CONTENT) into[to++] = changes ? (from[word] ?? 0) : 0;
    to++;
    if (changes) newest = Math.max(newest, (from[24] ?? 0) + ((from[25] ?? 0) | 0) * 0x100000000);
  }
  return newest;
}

/**
 * The same words for a path that was looked at before, by its `stat`; undefined: it led nowhere. Returns its ctime in
 * seconds, or 0 if that does not count.
 */
export function statWords(
  stat: BasicStat | undefined,
  listed: boolean,
  into: Uint32Array,
  at: number,
): number {
  if (stat === undefined) return 0;
  const { mode, uid, gid, inoLow, inoHigh, devMajor, devMinor, rdevMajor, rdevMinor } = stat;
  into[at] = mode;
  into[at + 1] = uid;
  into[at + 2] = gid;
  into[at + 3] = inoLow;
  into[at + 4] = inoHigh;
  into[at + 5] = devMajor;
  into[at + 6] = devMinor;
  into[at + 7] = rdevMajor;
  into[at + 8] = rdevMinor;
  if (!timesCount(mode, listed)) return 0;
  // The lower 32 bits of each number: that is what an element of the array keeps.
  into[at + 9] = stat.size;
  into[at + 10] = stat.size / 0x100000000;
  into[at + 11] = stat.ctimeSeconds;
  into[at + 12] = stat.ctimeNanoseconds;
  into[at + 13] = stat.mtimeSeconds;
  into[at + 14] = stat.mtimeNanoseconds;
  return stat.ctimeSeconds;
}

/** Another failure than that of a missing path is not the same state. */
function failure(): number {
  const number = errno();
  return number === ENOENT || number === ENOTDIR ? 0 : number << 16;
}
