import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, MOST_LINKS } from "../../ffi/constants.ts";
import { readLink, statIfPresent } from "../../ffi/files.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { CONFIG_DIRECTORY, dropInDirectory } from "../config/load.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { isLink, joinPath } from "../jail/fs/walk.ts";
import { RootView } from "../libraries/root-view.ts";
import { onlyRootExchanges } from "../system/exchange.ts";

/** The file that declares jails and users; its drop-in directory is jails.d. */
export const DECLARATION_FILE = `${CONFIG_DIRECTORY}/jails.ini`;
/** The directory of the others. */
export const DROP_INS: ByteString = dropInDirectory(DECLARATION_FILE) ?? "";

/** True for a file that is read without being named, by its path. */
export const isUsual = (file: ByteString): boolean =>
  file === DECLARATION_FILE || file.startsWith(`${DROP_INS}/`);

/** Finds the path without symbolic links; undefined if it is missing or cannot be followed. */
type Follow = (path: ByteString) => ByteString | undefined;

/** Paths as they are where they cannot be followed; each once, for thousands of files in one directory. */
function following(follow: Follow): (path: ByteString) => ByteString {
  const known = new Map<ByteString, ByteString>();
  return (path) => known.getOrInsertComputed(path, () => answered(() => follow(path)) ?? path);
}

/** A way to find paths without symbolic links. `mayFollow`: whether it follows one that leads nowhere. */
interface Way {
  readonly realOf: (path: ByteString) => ByteString;
  readonly mayFollow: (link: ByteString) => boolean;
}

/** Through all links: root names the path, and reading it refuses those that others may have made. */
const realPath = following((path) => {
  using host = new RootView();
  return host.realPath(path);
});
const ANY: Way = { realOf: realPath, mayFollow: () => true };

/** Through links that nobody but root can have made. */
const TRUSTED: Way = {
  realOf: following((path) => withTree((host) => lookUp(host, path, { follow: true })?.canonicalPath)),
  mayFollow: onlyRootExchanges,
};

/** What a path leads to, whose last name may be a symbolic link, also to what is not there any more. */
function targetOf(path: ByteString, way: Way, links = 0): ByteString {
  const place = joinPath(way.realOf(directoryOf(path)), baseName(path));
  const stat = answered(() => statIfPresent(AT_FDCWD, place));
  if (stat === undefined || !isLink(stat) || links === MOST_LINKS) return place;
  const real = way.realOf(place);
  const follows = real === place && way.mayFollow(place);
  const text = follows ? answered(() => readLink(AT_FDCWD, place)) : undefined;
  if (text === undefined) return real;
  return targetOf(text.startsWith("/") ? text : joinPath(directoryOf(place), text), way, links + 1);
}

function pathBy(way: Way, file: ByteString): ByteString {
  const path = targetOf(file, way);
  if (directoryOf(path) === realPath(DROP_INS)) return joinPath(DROP_INS, baseName(path));
  return path === realPath(DECLARATION_FILE) ? DECLARATION_FILE : path;
}

/**
 * The path of a declaration that root names now, the same by whatever way: without symbolic links, and that of the usual files
 * as they are read without a name. It may be missing.
 */
export const knownAs = (file: ByteString): ByteString => pathBy(ANY, file);

/**
 * The same of one that root named at any time. Whoever may write above it can have put a link there since, to a file that never
 * declared what this one did.
 */
export const rememberedAs = (file: ByteString): ByteString => (isUsual(file) ? file : pathBy(TRUSTED, file));
