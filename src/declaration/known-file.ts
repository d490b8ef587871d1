import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
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

/**
 * The path of a declaration, the same by whatever way it was named: without symbolic links, and that of the usual files as
 * they are read without a name. It may be missing.
 */
export function knownAs(file: ByteString): ByteString {
  const place = joinPath(realPath(directoryOf(file)), baseName(file));
  const stat = answered(() => statIfPresent(AT_FDCWD, place));
  const path = stat !== undefined && isLink(stat) ? realPath(place) : place;
  if (directoryOf(path) === realPath(DROP_INS)) return joinPath(DROP_INS, baseName(path));
  return path === realPath(DECLARATION_FILE) ? DECLARATION_FILE : path;
}
