import type { ByteString } from "../../ffi/bytes.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { othersCanWrite } from "../populate/plan/trust.ts";

/**
 * The directories in which a program is searched that is named without its directory. Not the PATH of the caller: the
 * contents of a jail must not depend on who fills it, or how (sudo, cron, a login).
 */
const SEARCH_PATH: readonly ByteString[] = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
];

/** The absolute path of `name` in the first directory of SEARCH_PATH that has it; undefined if none has. */
export function searchPath(host: FileSystem, name: ByteString): ByteString | undefined {
  for (const directory of SEARCH_PATH) {
    if (isSkipped(host, directory)) continue;
    const path = `${directory}/${name}`;
    if (host.stat(path) !== undefined) return path;
  }
  return undefined;
}

/** A directory is skipped if users other than root could put a program of that name there. */
function isSkipped(host: FileSystem, directory: ByteString): boolean {
  const stat = host.stat(directory);
  return stat === undefined || othersCanWrite(host, directory, stat, true);
}
