import type { ByteString } from "../../ffi/bytes.ts";
import { sameBytes } from "../../ffi/compare.ts";
import * as C from "../../ffi/constants.ts";
import { close, fstat, openAt2, readInto, type Stat } from "../../ffi/files.ts";
import { describeError } from "../cli/error.ts";
import { openSource } from "../jail/source.ts";
import { isRegular } from "../jail/walk.ts";

/** Two files whose contents are to be compared, or one whose digest is wanted. */
export interface Job {
  /** The file in the jail, as the jail sees it, without links; and what it was when it was seen. */
  readonly path: ByteString;
  readonly stamp: string;
  /** The file on the host, and what it was. */
  readonly source: { readonly path: ByteString; readonly stamp: string } | undefined;
}

/** What came of a job. "changed": it was exchanged or written meanwhile. `digest`: SHA-256 of the jail's file. */
export interface Outcome {
  readonly verdict: "same" | "different" | "changed" | "unreadable";
  readonly reason?: string;
  readonly digest?: string;
}

/**
 * What tells that a file is the one that it was: size, mtime, ctime, inode. Whoever writes to a file cannot keep its
 * ctime.
 */
export function stampOf({ size, mtime, ctime, ino }: Stat): string {
  return `${size} ${mtime} ${ctime} ${ino}`;
}

// Large enough that the system calls do not matter, small enough that both stay in the processor's cache.
const BUFFER = 1 << 18;
const FLAGS = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
// In the jail nothing but the file that was seen will do; a mount point was walked through already.
const RESOLVE = C.RESOLVE_IN_ROOT | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS;

/** Compares files of the jail below `rootFd`; makes its buffers once. */
export function createComparer(rootFd: number): (job: Job, wantDigest: boolean) => Outcome {
  const one = new Uint8Array(BUFFER);
  const other = new Uint8Array(BUFFER);

  /** Fills the buffer unless the file ends; a read(2) of a regular file may still be cut short. */
  function fill(fd: number, buffer: Uint8Array): number {
    let used = readInto(fd, buffer);
    while (used > 0 && used < buffer.length) {
      const more = readInto(fd, buffer.subarray(used));
      if (more === 0) break;
      used += more;
    }
    return used;
  }

  function contents(fd: number, sourceFd: number | undefined, size: number, wantDigest: boolean): Outcome {
    const hasher = wantDigest ? new Bun.CryptoHasher("sha256") : undefined;
    for (let done = 0; done < size; ) {
      const count = fill(fd, one);
      if (count === 0) return { verdict: "changed" };
      if (sourceFd !== undefined) {
        if (fill(sourceFd, other) !== count) return { verdict: "changed" };
        if (!sameBytes(one, other, count)) return { verdict: "different" };
      }
      hasher?.update(one.subarray(0, count));
      done += count;
    }
    return hasher === undefined ? { verdict: "same" } : { verdict: "same", digest: hasher.digest("hex") };
  }

  return ({ path, stamp, source }, wantDigest) => {
    let fd = -1;
    let sourceFd = -1;
    try {
      fd = openAt2(rootFd, path.slice(1), FLAGS, RESOLVE);
      const stat = fstat(fd);
      if (!isRegular(stat) || stampOf(stat) !== stamp) return { verdict: "changed" };
      if (source === undefined) return contents(fd, undefined, stat.size, true);
      sourceFd = openSource(source.path);
      const sourceStat = fstat(sourceFd);
      if (!isRegular(sourceStat) || stampOf(sourceStat) !== source.stamp) return { verdict: "changed" };
      return contents(fd, sourceFd, stat.size, wantDigest);
    } catch (error) {
      return { verdict: "unreadable", reason: describeError(error) };
    } finally {
      if (fd >= 0) close(fd);
      if (sourceFd >= 0) close(sourceFd);
    }
  };
}
