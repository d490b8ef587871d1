import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { fstat, openAt2, type Stat, withFd } from "../../../ffi/files.ts";
import { describeError } from "../../cli/error.ts";
import { compareOpen } from "../../jail/fs/compare.ts";
import { openSource } from "../../jail/fs/source.ts";
import { isRegular } from "../../jail/fs/walk.ts";
import { stampOf } from "../../jail/record/verified.ts";

/** Two files to compare, or one whose digest is wanted. */
export interface Job {
  /** The file in the jail, as the jail sees it, without symbolic links; and its stamp when it was seen. */
  readonly path: ByteString;
  readonly stamp: string;
  /** The file on the host, and its stamp. */
  readonly source: { readonly path: ByteString; readonly stamp: string } | undefined;
}

/** The outcome of a job. "changed": a file was replaced or written meanwhile. `digest`: of the jail's file. */
export interface Comparison {
  readonly verdict: "same" | "different" | "changed" | "unreadable";
  readonly reason?: string;
  readonly digest?: string;
}

const FLAGS = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY;
// Mounts are allowed: the walk entered them.
const RESOLVE = C.RESOLVE_IN_ROOT | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS;

/** A digest that does not depend on holes: SHA-256 of the size, and of each block that is not all zeros. */
function contentsHasher(size: number) {
  const hasher = new Bun.CryptoHasher("sha256");
  const number = (value: number) => new BigUint64Array([BigInt(value)]);
  let zeros: Uint8Array | undefined;
  return {
    add(offset: number, block: Uint8Array) {
      zeros ??= new Uint8Array(block.length);
      if (Buffer.compare(block, zeros.subarray(0, block.length)) !== 0)
        hasher.update(number(offset)).update(block);
    },
    digest: () => hasher.update(number(size)).digest("hex"),
  };
}

function contents(fd: number, sourceFd: number | undefined, size: number, wantDigest: boolean): Comparison {
  const hasher = wantDigest ? contentsHasher(size) : undefined;
  const verdict = compareOpen(fd, sourceFd, size, hasher?.add);
  if (verdict !== "same") return { verdict: verdict === "ended" ? "changed" : verdict };
  return hasher === undefined ? { verdict } : { verdict, digest: hasher.digest() };
}

/** Compares files of the jail below `rootFd`. */
export function createComparer(rootFd: number): (job: Job, wantDigest: boolean) => Comparison {
  const isUnchanged = (stat: Stat, stamp: string) => isRegular(stat) && stampOf(stat) === stamp;
  return ({ path, stamp, source }, wantDigest) => {
    try {
      return withFd(openAt2(rootFd, path.slice(1), FLAGS, RESOLVE), (fd) => {
        const stat = fstat(fd);
        if (!isUnchanged(stat, stamp)) return { verdict: "changed" };
        if (source === undefined) return contents(fd, undefined, stat.size, true);
        return withFd(openSource(source.path), (sourceFd) =>
          isUnchanged(fstat(sourceFd), source.stamp)
            ? contents(fd, sourceFd, stat.size, wantDigest)
            : { verdict: "changed" },
        );
      });
    } catch (error) {
      return { verdict: "unreadable", reason: describeError(error) };
    }
  };
}
