import { type ByteString, fromBytes, toBytes } from "../../../ffi/bytes.ts";
import { readAllFd } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { lookUp, withJailFile, withTree } from "../../jail/fs/look.ts";
import { requirePidfilePlace } from "../../jail/fs/pidfile.ts";
import { putFile, removePath } from "../../jail/fs/write.ts";

/**
 * Writes the pid of this process, in decimal and without a newline. Follows no symbolic link in a directory that users
 * can write. Throws SystemError, JailkitError.
 */
export function writePidfile(path: ByteString): void {
  const bytes = toBytes(String(libc.getpid()));
  withTree((tree) => {
    requirePidfilePlace(path, lookUp(tree, path)?.stat);
    putFile(tree, path, bytes, { mode: 0o644, uid: 0, gid: 0 }, { replace: true });
  });
}

/** Removes the pidfile if it still has the pid of this process. Never throws. */
export function removePidfile(path: ByteString): void {
  try {
    withTree((tree) => {
      const found = withJailFile(
        tree,
        path,
        (fd, { stat }) => ({ text: fromBytes(readAllFd(fd, 64)), stat }),
        {
          follow: false,
        },
      );
      if (found?.text === String(libc.getpid())) removePath(tree, path, found.stat);
    });
  } catch {
    // It is gone, or another process's now.
  }
}
