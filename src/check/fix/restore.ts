import type { ByteString } from "../../../ffi/bytes.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { lookUp, withJailFile, withTree } from "../../jail/fs/look.ts";
import { isDirectory, type JailRoot, release, walk } from "../../jail/fs/walk.ts";
import { type Attributes, makeDirectories, putDevice, putFile, putSymlink } from "../../jail/fs/write.ts";
import type { ManifestContent, ManifestEntry } from "../../jail/record/manifest.ts";
import { onlyRootWrites } from "../../system/exchange.ts";

/**
 * Puts back what the record has at a path and below it, with the mode and owner that it was given. From the host's
 * files only as they were when they were put there: newer ones are for jk_update, which brings all that belongs to
 * them. Returns what was done. Throws JailkitError where something cannot be put back; what came before it is.
 */
export function restoreEntries(
  root: JailRoot,
  content: ManifestContent | undefined,
  path: ByteString,
): string {
  const entries = content?.entries ?? new Map<ByteString, ManifestEntry>();
  const wanted = [...entries.values()].filter(
    (entry) => entry.path === path || entry.path.startsWith(`${path}/`),
  );
  if (wanted.length === 0) throw new JailkitError("not-recorded", 1, `${display(path)}: is not recorded`);
  const given = (directory: ByteString): Attributes => {
    const entry = entries.get(directory);
    return entry?.type === "directory"
      ? { mode: entry.mode, uid: entry.uid, gid: entry.gid }
      : { mode: 0o755, uid: 0, gid: 0 };
  };
  for (const entry of wanted) {
    makeDirectories(root, directoryOf(entry.path), given);
    restoreOne(root, entry, given);
  }
  return wanted.length === 1 ? "is put back" : `is put back, with ${wanted.length - 1} things in it`;
}

function restoreOne(
  root: JailRoot,
  entry: ManifestEntry,
  given: (directory: ByteString) => Attributes,
): void {
  const { path, mode, uid, gid } = entry;
  const replace = { replace: true };
  switch (entry.type) {
    case "directory": {
      const there = lookUp(root, path);
      if (there !== undefined && !isDirectory(there.stat))
        throw new JailkitError("in-the-way", 1, `${display(root.path + path)}: something is in the way`);
      makeDirectories(root, path, given);
      return;
    }
    case "link":
      putSymlink(root, path, entry.target ?? "", replace);
      return;
    case "char":
    case "block": {
      const { major = 0, minor = 0 } = entry;
      putDevice(root, path, { type: entry.type, major, minor }, { mode, uid, gid }, replace);
      return;
    }
    case "file":
      restoreFile(root, entry);
  }
}

/** The source must be root's own, in directories that are: otherwise somebody else chooses what root copies. */
function restoreFile(root: JailRoot, entry: ManifestEntry): void {
  const { path, source, mode, uid, gid, mtime } = entry;
  if (source === undefined) {
    throw new JailkitError(
      "no-source",
      1,
      `${display(root.path + path)}: was made, not copied from the host`,
    );
  }
  const refuse = (why: string): never => {
    throw new JailkitError(
      "source-not-trusted",
      1,
      `${display(root.path + path)}: ${display(source)} ${why}`,
    );
  };
  withTree((tree) => {
    const directory = walk(tree, directoryOf(source));
    const { trusted } = directory;
    release(directory);
    if (!trusted) refuse("is in a directory that others than root can write: jk_cp it");
    const placed = withJailFile(
      tree,
      source,
      (fd, { stat }) => {
        if (!onlyRootWrites(stat)) refuse("can be changed by others than root: jk_cp it");
        if (stat.size !== entry.size || stat.mtime !== mtime)
          refuse("has changed since: jk_update brings it");
        const attributes = { mode, uid, gid, atime: stat.atime, mtime: stat.mtime };
        return putFile(root, path, { fd, size: stat.size }, attributes, { replace: true });
      },
      { follow: false },
    );
    if (placed === undefined) refuse("is gone");
  });
}
