import type { ByteString } from "../../../ffi/bytes.ts";
import { attempt } from "../../../ffi/error.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { componentMatcher, hasMagic } from "../../libraries/pattern.ts";
import type { FileSystem } from "../file-system.ts";

/** Expands patterns over one file system; see createGlob. */
export type Glob = (pattern: ByteString) => ByteString[];

/**
 * The paths that an absolute pattern matches, in the order of their bytes: glob(7), with `*`, `?`, `[a-z]` and `[!a-z]`
 * within one component; only a dot matches a leading dot. Links on the way are followed. A directory is read once for all
 * patterns.
 */
export function createGlob(files: FileSystem): Glob {
  const listings = new Map<ByteString, ByteString[]>();

  function namesIn(directory: ByteString): ByteString[] {
    // Not a directory, or removed: no match.
    const names = listings.get(directory) ?? attempt(() => files.names(directory || "/")) ?? [];
    listings.set(directory, names);
    return names;
  }

  return (pattern) => {
    let bases: ByteString[] = [""];
    for (const part of pathComponents(pattern)) {
      if (!hasMagic(part)) {
        bases = bases.map((base) => `${base}/${part}`);
        continue;
      }
      const matches = componentMatcher(part);
      bases = bases.flatMap((base) =>
        namesIn(base)
          .filter(matches)
          .sort()
          .map((name) => `${base}/${name}`),
      );
    }
    return bases.filter((path) => files.lstat(path) !== undefined);
  };
}
