import type { ByteString } from "../../ffi/bytes.ts";
import type { FileSystem } from "../populate/sources.ts";
import { writersOf } from "../system/acl.ts";

/**
 * Where a program that is named without its directory is looked for, in this order. Not the caller's PATH: what a
 * jail gets must not depend on who builds it, or on how (sudo, cron, a login).
 */
export const SEARCH_PATH: readonly ByteString[] = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

/** The absolute path of `name` below the first directory of SEARCH_PATH that has it; undefined where none has. */
export function searchPath(host: FileSystem, name: ByteString): ByteString | undefined {
  for (const directory of SEARCH_PATH) {
    if (othersCanWrite(host, directory)) continue;
    const path = `${directory}/${name}`;
    if (host.stat(path) !== undefined) return path;
  }
  return undefined;
}

/** A directory into which others than root could put a program of that name is passed over. */
function othersCanWrite(host: FileSystem, directory: ByteString): boolean {
  const stat = host.stat(directory);
  if (stat === undefined) return true;
  if (stat.uid !== 0 || (stat.mode & 0o002) !== 0) return true;
  if ((stat.mode & 0o020) === 0) return false;
  if (stat.gid !== 0) return true;
  // Root's own group may: but the bits may be the mask of an ACL that lets others.
  const acl = host.acl(directory, true);
  return acl === "unknown" || writersOf(acl).length > 0;
}
