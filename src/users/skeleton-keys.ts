import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import type { JailkitError } from "../cli/error.ts";
import { operands, readFirst } from "../cli/shell-word.ts";
import { ownRemedy } from "../config/trusted.ts";
import { lookUp, readJailFile, withTree } from "../jail/fs/look.ts";
import { hostPath, isDirectory, isLink, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import { adviceAt, closeFirst, onlyRootExchanges, onlyRootWrites } from "../system/exchange.ts";
import type { KeyLine } from "./key-lines.ts";
import { KEYS_FILE, KEYS_FILE_LIMIT, refuseKeys } from "./key-place.ts";
import { type KeyMerge, mergeKeys } from "./key-text.ts";

/** A directory that does not exist, for a new home that gets no files: it has no keys. */
export const NO_SKELETON = "/nonexistent";

/**
 * Plans to add keys to the authorized_keys that a new home gets from a skeleton directory of the host. Throws JailkitError
 * "keys-not-written" if that is impossible: a symbolic link, what is not a file, or what others could have put there.
 */
export function planSkeletonKeys(skeleton: ByteString, keys: readonly KeyLine[]): KeyMerge {
  return withTree((tree) => {
    const need = (path: ByteString, is: (stat: Stat) => boolean, what: ByteString): boolean => {
      const stat = lookUp(tree, path)?.stat;
      if (stat === undefined || is(stat)) return stat !== undefined;
      const why = isLink(stat) ? "is a symbolic link" : `is not a ${what}`;
      throw refuseKeys(tree, path, `${why}: ${NO_COPY}`);
    };
    const file = `${skeleton}/${KEYS_FILE}`;
    const isThere =
      need(directoryOf(file), isDirectory, "directory") && need(file, isRegular, "regular file");
    if (isThere && (lookUp(tree, file)?.stat.nlink ?? 0) > 1) throw linkedSkeleton(tree, file);
    for (const path of [skeleton, directoryOf(file), file])
      requireRoots(tree, path, isThere ? file : undefined);
    const text = isThere ? readJailFile(tree, file, KEYS_FILE_LIMIT) : undefined;
    return mergeKeys(text === undefined ? "" : fromBytes(text), keys);
  });
}

const NO_COPY = "no key is written to a copy of it";

/** The error for a file of keys with several names, which useradd(8) copies with them. */
function linkedSkeleton(tree: JailRoot, file: ByteString): JailkitError {
  const { advice, remedy } = adviceAt(file, `sed -i '' ${operands(file)}`);
  const why = `has another name elsewhere (a hard link): ${NO_COPY}; put a copy in its place with: ${advice}`;
  return refuseKeys(tree, file, why, remedy);
}

/**
 * Throws unless root alone can change what is at a path of the skeleton: the copy would be the user's, and whoever wrote into
 * it would log in. `file`: the keys in it, which others may have put there, too.
 */
function requireRoots(tree: JailRoot, path: ByteString, file: ByteString | undefined): void {
  const found = lookUp(tree, path, { follow: true });
  if (found === undefined) return;
  const place = hostPath(tree, found.canonicalPath);
  if (onlyRootWrites(found.stat) && onlyRootExchanges(place)) return;
  const remedy = ownRemedy(place, found.stat);
  const fix = remedy === undefined ? closeFirst(place) : `fix it with: ${remedy}`;
  const isTold = file === undefined || path === file || remedy === undefined;
  const why = `can be written by others, whose keys would become valid: ${NO_COPY}; `;
  throw refuseKeys(tree, path, why + (isTold ? fix : readFirst(file) + remedy), isTold ? remedy : undefined);
}
