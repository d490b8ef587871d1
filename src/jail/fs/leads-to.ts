import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD, MOST_LINKS } from "../../../ffi/constants.ts";
import { attempt } from "../../../ffi/error.ts";
import { readLink, statIfPresent } from "../../../ffi/files.ts";
import { baseName, directoryOf, pathComponents } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import { onlyRootExchanges } from "../../system/exchange.ts";
import { lookUp, withTree } from "./look.ts";
import { isLink, joinPath } from "./walk.ts";

/** A way to find paths of the host without symbolic links. */
export interface Way {
  /** The path without symbolic links; as it is written, if it cannot be followed; undefined if nothing is there. */
  readonly realOf: (path: ByteString) => ByteString | undefined;
  /** Whether a link is followed that leads nowhere. */
  readonly mayFollow: (link: ByteString) => boolean;
}

/** Finds the path without symbolic links; undefined if it is missing. Throws JailkitError, SystemError if it cannot be followed. */
type Follow = (path: ByteString) => ByteString | undefined;

/** Paths as they are where they cannot be followed; each once, for thousands of files in one directory. */
export function following(follow: Follow): Way["realOf"] {
  const known = new Map<ByteString, { readonly real: ByteString | undefined }>();
  const once = (path: ByteString) => answered(() => ({ real: follow(path) })) ?? { real: path };
  return (path) => known.getOrInsertComputed(path, once).real;
}

/** Through links that nobody but root can have made. */
export const TRUSTED: Way = {
  realOf: following((path) => withTree((host) => lookUp(host, path, { follow: true })?.canonicalPath)),
  mayFollow: onlyRootExchanges,
};

/**
 * What a path of the host leads to, without symbolic links as far as it is there. The rest, and what a link names that leads
 * nowhere, may come, or come back: whoever owns a directory above may have moved it away. Follows no more links than the
 * kernel would (path_resolution(7)): users can make links that name each other so often that it would never end.
 */
export function leadsTo(path: ByteString, way: Way): ByteString {
  const above = way.realOf(directoryOf(path));
  let at = above ?? "/";
  let links = 0;
  const rest = above === undefined ? pathComponents(path).reverse() : [baseName(path)];
  for (let name = rest.pop(); name !== undefined; name = rest.pop()) {
    if (name === "..") at = directoryOf(at);
    if (name === ".." || name === "." || name === "") continue;
    const directory = at;
    at = joinPath(at, name);
    const place = at;
    const stat = attempt(() => statIfPresent(AT_FDCWD, place));
    if (stat === undefined || !isLink(stat) || ++links > MOST_LINKS) continue;
    at = way.realOf(place) ?? place;
    const text = at === place && way.mayFollow(place) ? attempt(() => readLink(AT_FDCWD, place)) : undefined;
    if (text === undefined) continue;
    at = text.startsWith("/") ? "/" : directory;
    rest.push(...pathComponents(text).reverse());
  }
  return at;
}
