import type { ByteString } from "../../../ffi/bytes.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import type { ProblemCode } from "../../cli/problem-codes.ts";
import { lookUp, withJailFile, withTree } from "../../jail/fs/look.ts";
import { isDirectory, type JailRoot, release, walk } from "../../jail/fs/walk.ts";
import { type Attributes, makeDirectories, putDevice, putFile, putSymlink } from "../../jail/fs/write.ts";
import type { ManifestContent, ManifestEntry } from "../../jail/record/manifest.ts";
import { onlyRootWrites } from "../../system/exchange.ts";

/**
 * Restores the recorded entries at a path and below it, with their recorded modes and owners. Does not use a host's file
 * that has changed since: jk_update copies it with its dependencies. Returns the changes. Throws JailkitError for the
 * first entry that cannot be restored.
 */
export function restoreEntries(
  root: JailRoot,
  content: ManifestContent | undefined,
  path: ByteString,
): string {
  const entries = content?.entries ?? new Map<ByteString, ManifestEntry>();
  const wanted = [...entries.values()].filter((entry) => `${entry.path}/`.startsWith(`${path}/`));
  if (wanted.length === 0)
    throw new JailkitError("not-recorded", 1, `${display(path)}: is not in the record`);
  const given = (directory: ByteString): Attributes => {
    const entry = entries.get(directory);
    return entry?.type === "directory" ? attributesOf(entry) : { mode: 0o755, uid: 0, gid: 0 };
  };
  for (const entry of wanted) {
    makeDirectories(root, directoryOf(entry.path), given);
    restoreOne(root, entry, given);
  }
  return wanted.length === 1 ? "was restored" : `was restored, with ${wanted.length - 1} entries below it`;
}

const attributesOf = ({ mode, uid, gid }: ManifestEntry): Attributes => ({ mode, uid, gid });

function restoreOne(
  root: JailRoot,
  entry: ManifestEntry,
  given: (directory: ByteString) => Attributes,
): void {
  const { path, type, target = "", major = 0, minor = 0 } = entry;
  const replace = { replace: true };
  switch (type) {
    case "directory": {
      const there = lookUp(root, path);
      if (there !== undefined && !isDirectory(there.stat))
        throw new JailkitError("in-the-way", 1, `${display(root.path + path)}: something is in the way`);
      makeDirectories(root, path, given);
      return;
    }
    case "link":
      putSymlink(root, path, target, replace);
      return;
    case "char":
    case "block":
      putDevice(root, path, { type, major, minor }, attributesOf(entry), replace);
      return;
    case "file":
      restoreFile(root, entry);
  }
}

/** Requires that only root can change the source: otherwise a user would choose what root copies. */
function restoreFile(root: JailRoot, entry: ManifestEntry): void {
  const { path, source, mtime } = entry;
  const refusal = (code: ProblemCode, why: string) =>
    new JailkitError(code, 1, `${display(root.path + path)}: ${why}`);
  if (source === undefined) throw refusal("no-source", "was not copied from the host");
  const distrusted = (why: string) => refusal("source-not-trusted", `${display(source)} ${why}`);
  withTree((tree) => {
    const directory = walk(tree, directoryOf(source));
    release(directory);
    if (!directory.trusted)
      throw distrusted("is in a directory that users other than root can write: copy it with jk_cp");
    const restored = withJailFile(
      tree,
      source,
      (fd, { stat }) => {
        if (!onlyRootWrites(stat))
          throw distrusted("can be changed by users other than root: copy it with jk_cp");
        if (stat.size !== entry.size || stat.mtime !== mtime)
          throw distrusted("has changed since: run jk_update");
        const attributes = { ...attributesOf(entry), atime: stat.atime, mtime: stat.mtime };
        return putFile(root, path, { fd, size: stat.size }, attributes, { replace: true });
      },
      { follow: false },
    );
    if (restored === undefined) throw distrusted("is missing");
  });
}
