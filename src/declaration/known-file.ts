import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { CONFIG_DIRECTORY, dropInDirectory } from "../config/load.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { isLink, joinPath } from "../jail/fs/walk.ts";
import { RootView } from "../libraries/root-view.ts";

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

/** Through all links: root names the path, and reading it refuses those that others may have made. */
const realPath = following((path) => {
  using host = new RootView();
  return host.realPath(path);
});

/** Through links that nobody but root can have made. */
const trustedPath = following((path) =>
  withTree((host) => lookUp(host, path, { follow: true })?.canonicalPath),
);

function pathBy(follow: (path: ByteString) => ByteString, file: ByteString): ByteString {
  const place = joinPath(follow(directoryOf(file)), baseName(file));
  const stat = answered(() => statIfPresent(AT_FDCWD, place));
  const path = stat !== undefined && isLink(stat) ? follow(place) : place;
  if (directoryOf(path) === realPath(DROP_INS)) return joinPath(DROP_INS, baseName(path));
  return path === realPath(DECLARATION_FILE) ? DECLARATION_FILE : path;
}

/**
 * The path of a declaration that root names now, the same by whatever way: without symbolic links, and that of the usual files
 * as they are read without a name. It may be missing.
 */
export const knownAs = (file: ByteString): ByteString => pathBy(realPath, file);

/**
 * The same of one that root named at any time. Whoever may write above it can have put a link there since, to a file that never
 * declared what this one did.
 */
export const rememberedAs = (file: ByteString): ByteString =>
  isUsual(file) ? file : pathBy(trustedPath, file);
