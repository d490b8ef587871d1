import type { ByteString } from "../../ffi/bytes.ts";

/**
 * An item that starts with this means a path below each directory where the dynamic linker looks for libraries. It is
 * not an absolute path, and it has a slash, so it cannot be the name of a file or program.
 */
export const LIBRARY_DIRECTORY = "$LIBDIR/";

/**
 * The paths that an item means: one below each library directory if it starts with `$LIBDIR/`, else the item itself.
 * Wildcards stay. Directories that are the same through symbolic links (/lib and /usr/lib) give several names of one
 * file.
 */
export function expandLibraryDirectory(
  item: ByteString,
  libraryDirectories: readonly ByteString[],
): ByteString[] {
  if (!item.startsWith(LIBRARY_DIRECTORY)) return [item];
  const rest = item.slice(LIBRARY_DIRECTORY.length);
  return libraryDirectories.map((directory) => `${directory.replace(/\/+$/, "")}/${rest}`);
}
