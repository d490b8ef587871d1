import type { ByteString } from "../../ffi/bytes.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import { STANDARD_PATH } from "../libraries/script.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { othersCanWrite } from "../populate/plan/trust.ts";

/**
 * The absolute path of the program `name`; undefined if there is none. It is not searched in the PATH of the caller: the
 * contents of a jail must not depend on who fills it, or how (sudo, cron, a login). A directory is skipped if users other
 * than root could put a program of that name there.
 */
export function searchPath(host: FileSystem, name: ByteString): ByteString | undefined {
  const found = STANDARD_PATH.find((directory) => {
    const stat = host.stat(directory);
    if (stat === undefined || othersCanWrite(host, directory, stat, true)) return false;
    const there = host.stat(`${directory}/${name}`);
    // Such as ".", "..", and X11, a link to all programs.
    return there !== undefined && !isDirectory(there);
  });
  return found === undefined ? undefined : `${found}/${name}`;
}
