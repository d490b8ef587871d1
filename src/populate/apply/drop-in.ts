import { type ByteString, toBytes } from "../../../ffi/bytes.ts";
import { parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { changingDropIn } from "../../config/known-sections.ts";
import { LIMITS } from "../../config/model.ts";
import { lookUp, withTree } from "../../jail/fs/look.ts";
import { type JailRoot, withDirectory } from "../../jail/fs/walk.ts";
import { makeDirectories, putFile, removePath } from "../../jail/fs/write.ts";
import { onlyRootWrites } from "../../system/exchange.ts";

/**
 * Creates a drop-in `path` ("/jk_socketd.d/NAME.ini") below the configuration `directory`, by one rename. Throws
 * JailkitError if users other than root can write its directory, if nothing would read so long a file, or, without
 * `replace`, if the file exists.
 */
export function putDropIn(
  directory: ByteString,
  path: ByteString,
  text: ByteString,
  options: { replace: boolean },
): void {
  const attributes = { mode: 0o755, uid: 0, gid: 0 };
  const put = (root: JailRoot) => {
    makeDirectories(root, parentOf(path), () => attributes);
    if (!withDirectory(root, parentOf(path), ({ stat }) => onlyRootWrites(stat))) {
      const message = `${display(directory + parentOf(path))}: must belong to root and be writable by root alone`;
      throw new JailkitError("config-unsafe", 1, message);
    }
    const most = LIMITS.fileBytes;
    const placement = putFile(
      root,
      path,
      toBytes(text),
      { ...attributes, mode: 0o644 },
      { ...options, most },
    );
    if (placement !== "kept") return;
    throw new JailkitError("file-exists", 1, `${display(directory + path)}: is there already`);
  };
  withTree((tree) => makeDirectories(tree, directory, () => attributes));
  changingDropIn(directory + path, () => withTree(put, directory));
}

/** Removes a drop-in of putDropIn; false if it is missing. */
export function removeDropIn(directory: ByteString, path: ByteString): boolean {
  const remove = (root: JailRoot) => {
    const found = lookUp(root, path);
    return found !== undefined && removePath(root, path, found.stat);
  };
  return changingDropIn(directory + path, () => withTree(remove, directory));
}
