import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import type { Stat } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import type { JailkitError } from "../cli/error.ts";
import { operands, readFirst } from "../cli/shell-word.ts";
import { lookUp, readJailFile, withTree } from "../jail/fs/look.ts";
import { isDirectory, isLink, isRegular, type JailRoot } from "../jail/fs/walk.ts";
import type { PasswdEntry } from "../system/accounts.ts";
import { adviceAt } from "../system/exchange.ts";
import { othersWrite } from "../system/sshd/strict-modes.ts";
import { type KeyLine, type KeyMerge, mergeKeys } from "./key-lines.ts";
import { KEYS_FILE, KEYS_FILE_LIMIT, refuseKeys } from "./key-place.ts";

/** A directory that does not exist, for a new home that gets no files: it has no keys. */
export const NO_SKELETON = "/nonexistent";

/**
 * Plans to add keys to the authorized_keys that a new home gets from a skeleton directory of the host. Throws JailkitError
 * "keys-not-written" if that is impossible: a symbolic link, what is not a file, or a copy that would be refused. `user`: who
 * gets the copy.
 */
export function planSkeletonKeys(
  skeleton: ByteString,
  keys: readonly KeyLine[],
  { uid, gid }: Pick<PasswdEntry, "uid" | "gid">,
): KeyMerge {
  return withTree((tree) => {
    const open: ByteString[] = [];
    const need = (path: ByteString, is: (stat: Stat) => boolean, what: ByteString): boolean => {
      const stat = lookUp(tree, path)?.stat;
      // useradd(8) keeps the mode.
      if (stat !== undefined && othersWrite({ mode: stat.mode, gid }, uid, true)) open.push(path);
      if (stat === undefined || is(stat)) return stat !== undefined;
      const why = isLink(stat) ? "is a symbolic link" : `is not a ${what}`;
      throw refuseKeys(tree, path, `${why}: ${NO_COPY}`);
    };
    const file = `${skeleton}/${KEYS_FILE}`;
    const isThere =
      need(directoryOf(file), isDirectory, "directory") && need(file, isRegular, "regular file");
    if (isThere && (lookUp(tree, file)?.stat.nlink ?? 0) > 1) throw linkedSkeleton(tree, file);
    const text = isThere ? readJailFile(tree, file, KEYS_FILE_LIMIT) : undefined;
    const merge = mergeKeys(text === undefined ? "" : fromBytes(text), keys);
    if (merge.added > 0 && open.length > 0) throw openSkeleton(tree, open, isThere ? file : undefined);
    return merge;
  });
}

const NO_COPY = "no key is written to a copy of it";

/** The error for a file of keys with several names, which useradd(8) copies with them. */
function linkedSkeleton(tree: JailRoot, file: ByteString): JailkitError {
  const { advice, remedy } = adviceAt(file, `sed -i '' ${operands(file)}`);
  const why = `has another name elsewhere (a hard link): ${NO_COPY}; put a copy in its place with: ${advice}`;
  return refuseKeys(tree, file, why, remedy);
}

/** The error for what others could write. `file`: the keys in it. */
function openSkeleton(
  tree: JailRoot,
  open: readonly ByteString[],
  file: ByteString | undefined,
): JailkitError {
  const [first = ""] = open;
  const { advice, remedy } = adviceAt(first, `chmod go-w ${operands(...open)}`);
  const fix = file === undefined ? `fix it with: ${advice}` : readFirst(file) + advice;
  const why = `can be written by others, whose keys would become valid: ${NO_COPY}; ${fix}`;
  return refuseKeys(tree, first, why, file === undefined ? remedy : undefined);
}
