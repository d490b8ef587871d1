import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, directoryOf, normalPath } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { type JailRoot, joinPath } from "../../jail/fs/walk.ts";

/** Paths of a jail, with everything below them. */
export interface PathSet {
  /** True for one of the paths, or a path below one, as the jail sees it and without symbolic links. */
  has(path: ByteString): boolean;
  /** The paths themselves, without symbolic links. */
  readonly paths: readonly ByteString[];
}

/**
 * Paths as the administrator writes them: as the jail or the host sees them, with or without a slash at the end.
 * Symbolic links of the jail are followed, so that /bin/x may also be /usr/bin/x.
 */
export function pathSet(root: JailRoot, written: readonly ByteString[]): PathSet {
  const paths = new Set<ByteString>();
  for (const each of written) {
    const path = inJail(root.path, each);
    paths.add(path);
    const real = withoutLinks(root, path);
    if (real !== undefined) paths.add(real);
  }
  const list = [...paths];
  return {
    paths: list,
    has: (path) => list.some((each) => each === "/" || path === each || path.startsWith(`${each}/`)),
  };
}

/** A path as the jail sees it; `written` may begin with the path of the jail. */
export function inJail(jail: ByteString, written: ByteString): ByteString {
  const path = normalPath(written);
  if (path === jail) return "/";
  return path.startsWith(`${jail}/`) ? path.slice(jail.length) : path;
}

/** The path without symbolic links; the file itself need not exist. */
function withoutLinks(root: JailRoot, path: ByteString): ByteString | undefined {
  // An error: a symbolic link that a user may have created.
  return answered(() => {
    const above = lookUp(root, directoryOf(path), { follow: true });
    if (above === undefined) return undefined;
    const here = joinPath(above.canonicalPath, baseName(path));
    // A symbolic link to a directory means the directory.
    return lookUp(root, here, { follow: true })?.canonicalPath ?? here;
  });
}
