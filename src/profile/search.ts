import type { ByteString } from "../../ffi/bytes.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { othersCanWrite } from "../populate/plan/trust.ts";

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
    if (isPassedOver(host, directory)) continue;
    const path = `${directory}/${name}`;
    if (host.stat(path) !== undefined) return path;
  }
  return undefined;
}

/** A directory into which others than root could put a program of that name is passed over. */
function isPassedOver(host: FileSystem, directory: ByteString): boolean {
  const stat = host.stat(directory);
  return stat === undefined || othersCanWrite(host, directory, stat, true);
}
