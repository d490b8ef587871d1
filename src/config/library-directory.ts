import type { ByteString } from "../../ffi/bytes.ts";

/**
 * An item that starts with this stands for a path below each directory where the dynamic linker looks for
 * libraries. It is no absolute path and holds a slash, so it cannot be a file or the name of a program.
 */
export const LIBRARY_DIRECTORY = "$LIBDIR/";

/**
 * The paths that an item of a list of paths stands for: one below each of `libraryDirectories` when it starts with
 * `$LIBDIR/`, else the item itself. Wildcards stay. Directories that are the same through links (/lib and
 * /usr/lib) give several names of one file.
 */
export function expandLibraryDirectory(
  item: ByteString,
  libraryDirectories: readonly ByteString[],
): ByteString[] {
  if (!item.startsWith(LIBRARY_DIRECTORY)) return [item];
  const rest = item.slice(LIBRARY_DIRECTORY.length);
  return libraryDirectories.map((directory) => `${directory.replace(/\/+$/, "")}/${rest}`);
}
