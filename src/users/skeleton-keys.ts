import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { lookUp, readJailFile, withTree } from "../jail/fs/look.ts";
import { isDirectory, isLink, isRegular } from "../jail/fs/walk.ts";
import { type KeyLine, type KeyMerge, mergeKeys } from "./key-lines.ts";
import { KEYS_DIRECTORY, KEYS_FILE, KEYS_FILE_LIMIT, refuseKeys } from "./key-place.ts";

/**
 * Plans to add keys to the authorized_keys that a new home gets from a skeleton directory of the host. Throws JailkitError
 * "keys-not-written" if that is impossible: a symbolic link, or what is not a file.
 */
export function planSkeletonKeys(skeleton: ByteString, keys: readonly KeyLine[]): KeyMerge {
  return withTree((tree) => {
    const need = (path: ByteString, is: (stat: Stat) => boolean, what: ByteString): boolean => {
      const stat = lookUp(tree, path)?.stat;
      if (stat === undefined || is(stat)) return stat !== undefined;
      const why = isLink(stat) ? "is a symbolic link" : `is not a ${what}`;
      throw refuseKeys(tree, path, `${why}: no key is written to a copy of it`);
    };
    const file = `${skeleton}/${KEYS_FILE}`;
    const isThere =
      need(`${skeleton}/${KEYS_DIRECTORY}`, isDirectory, "directory") &&
      need(file, isRegular, "regular file");
    const text = isThere ? readJailFile(tree, file, KEYS_FILE_LIMIT) : undefined;
    return mergeKeys(text === undefined ? "" : fromBytes(text), keys);
  });
}
