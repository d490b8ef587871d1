import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD, MOST_LINKS } from "../../ffi/constants.ts";
import { readLink, statIfPresent } from "../../ffi/files.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import { answered } from "../cli/error.ts";
import { CONFIG_DIRECTORY, dropInDirectory } from "../config/load.ts";
import { isLink, joinPath } from "../jail/fs/walk.ts";
import { RootView } from "../libraries/root-view.ts";

/** The file that declares jails and users; its drop-in directory is jails.d. */
export const DECLARATION_FILE = `${CONFIG_DIRECTORY}/jails.ini`;
/** The directory of the others. */
export const DROP_INS: ByteString = dropInDirectory(DECLARATION_FILE) ?? "";

/** True for a file that is read without being named, by its path. */
export const isUsual = (file: ByteString): boolean =>
  file === DECLARATION_FILE || file.startsWith(`${DROP_INS}/`);

// For thousands of files in one directory.
const real = new Map<ByteString, ByteString>();

/** A path of the host without symbolic links; as it is, if it is missing or cannot be followed. */
const realPath = (path: ByteString): ByteString =>
  real.getOrInsertComputed(path, () => {
    using host = new RootView();
    return answered(() => host.realPath(path)) ?? path;
  });

/** What a path leads to, whose last name may be a symbolic link, also to what is not there any more. */
function targetOf(path: ByteString, links = 0): ByteString {
  const place = joinPath(realPath(directoryOf(path)), baseName(path));
  const stat = answered(() => statIfPresent(AT_FDCWD, place));
  if (stat === undefined || !isLink(stat) || links === MOST_LINKS) return place;
  const real = realPath(place);
  const text = real === place ? answered(() => readLink(AT_FDCWD, place)) : undefined;
  if (text === undefined) return real;
  return targetOf(text.startsWith("/") ? text : joinPath(directoryOf(place), text), links + 1);
}

/**
 * The path of a declaration, the same by whatever way it was named: without symbolic links, and that of the usual files as
 * they are read without a name. It may be missing.
 */
export function knownAs(file: ByteString): ByteString {
  const path = targetOf(file);
  if (directoryOf(path) === realPath(DROP_INS)) return joinPath(DROP_INS, baseName(path));
  return path === realPath(DECLARATION_FILE) ? DECLARATION_FILE : path;
}
