import type { ByteString } from "../../ffi/bytes.ts";
import { EROFS } from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { withTree } from "../jail/fs/look.ts";
import { nearestDirectory } from "../jail/fs/safety.ts";
import { hostPath, type JailRoot, release } from "../jail/fs/walk.ts";
import { isReadOnly } from "../system/mounts.ts";

/** Throws SystemError EROFS if one of these directories of a jail, or the nearest above it, is on a read-only mount. */
export function requireWritable(root: JailRoot, paths: readonly ByteString[]): void {
  for (const path of paths) {
    const directory = nearestDirectory(root, path);
    const closed = isReadOnly(directory.fd);
    release(directory);
    if (closed) throw new SystemError(EROFS, "statfs", hostPath(root, directory.path));
  }
}

/** The same for the host's account files, which usermod(8) and useradd(8) cannot lock then. */
export function requireWritableAccounts(): void {
  withTree((host) => requireWritable(host, ["/etc"]));
}
