import type { ByteString } from "../../../ffi/bytes.ts";
import { parentOf, pathComponents } from "../../../ffi/paths.ts";
import { lookUp } from "../../jail/fs/look.ts";
import type { JailRoot } from "../../jail/fs/walk.ts";

/** Paths of a jail, each with what is below it. */
export interface PathSet {
  /** True where a path, as the jail sees it and without links, is one of them or below one. */
  has(path: ByteString): boolean;
  /** The paths themselves, as they are without links. */
  readonly paths: readonly ByteString[];
}

/**
 * Paths as the administrator writes them: as the jail sees them or as the host does, with a slash at the end or not.
 * Links of the jail that lead to them are followed, so that /bin/x is /usr/bin/x too, where it is.
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

/** A path that may begin with the jail's own, from the jail's root on. */
export function inJail(jail: ByteString, written: ByteString): ByteString {
  const plain = (path: ByteString) => {
    const parts: ByteString[] = [];
    for (const part of pathComponents(path)) {
      if (part === "..") parts.pop();
      else parts.push(part);
    }
    return `/${parts.join("/")}`;
  };
  const path = plain(written);
  if (path === jail) return "/";
  return path.startsWith(`${jail}/`) ? path.slice(jail.length) : path;
}

/** The path with the links of its directory resolved; what stands at its end need not be there. */
function withoutLinks(root: JailRoot, path: ByteString): ByteString | undefined {
  try {
    const above = lookUp(root, parentOf(path) || "/", { follow: true });
    if (above === undefined) return undefined;
    const name = path.slice(path.lastIndexOf("/") + 1);
    const here = above.canonicalPath === "/" ? `/${name}` : `${above.canonicalPath}/${name}`;
    // A directory is also what a link to it leads to.
    return lookUp(root, here, { follow: true })?.canonicalPath ?? here;
  } catch {
    // A link that a user may have made leads nowhere.
    return undefined;
  }
}
