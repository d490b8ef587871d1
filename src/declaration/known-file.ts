import type { ByteString } from "../../ffi/bytes.ts";
import { baseName, directoryOf } from "../../ffi/paths.ts";
import { CONFIG_DIRECTORY, dropInDirectory, isDropIn } from "../config/load.ts";
import { readName } from "../config/unread.ts";
import { following, leadsTo, TRUSTED, type Way } from "../jail/fs/leads-to.ts";
import { joinPath } from "../jail/fs/walk.ts";
import { RootView } from "../libraries/root-view.ts";

/** The file that declares jails and users; its drop-in directory is jails.d. */
export const DECLARATION_FILE = `${CONFIG_DIRECTORY}/jails.ini`;
/** The directory of the others. */
export const DROP_INS: ByteString = dropInDirectory(DECLARATION_FILE) ?? "";

/** True for a file that is read without being named, by its path. */
export const isUsual = (file: ByteString): boolean =>
  file === DECLARATION_FILE || file.startsWith(`${DROP_INS}/`);

/** The path that a file gets if it is renamed to be read with the usual ones, by its name; its own if that is one of these. */
export const readAs = (file: ByteString): ByteString => `${DROP_INS}/${readName(baseName(file)) ?? ""}`;

/** True for a file in jails.d that is not read there, as while somebody writes it. */
export const isToBeRead = (file: ByteString): boolean =>
  directoryOf(file) === DROP_INS && !isDropIn(baseName(file));

/** Through all links: root names the path, and reading it refuses those that others may have made. */
const realPath = following((path) => {
  using host = new RootView();
  return host.realPath(path);
});
const ANY: Way = { realOf: realPath, mayFollow: () => true };

function pathBy(way: Way, file: ByteString): ByteString {
  const path = leadsTo(file, way);
  const is = (usual: ByteString, place: ByteString) => place === (realPath(usual) ?? usual);
  if (is(DROP_INS, directoryOf(path))) return joinPath(DROP_INS, baseName(path));
  return is(DECLARATION_FILE, path) ? DECLARATION_FILE : path;
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
