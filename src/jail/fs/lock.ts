import type { ByteString } from "../../../ffi/bytes.ts";
import { lockFile } from "../../../ffi/changes.ts";
import * as C from "../../../ffi/constants.ts";
import { close, fstat, openAt } from "../../../ffi/files.ts";
import { libc } from "../../../ffi/libc.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";
import { atSpot } from "./look.ts";
import { hostPath, isRegular, type JailRoot, namedError } from "./walk.ts";
import { putFile } from "./write.ts";

/**
 * Locks the file at `path`, and creates it if missing; close(2) of the returned descriptor unlocks it. The file is root's
 * and 0600, because any user who can open a file can hold its lock (flock(2)) forever. Throws JailkitError "unsafe-jail"
 * if users other than root could replace it.
 */
export function takeLock(root: JailRoot, path: ByteString): number {
  putFile(root, path, new Uint8Array(0), { uid: 0, gid: 0, mode: 0o600 });
  const shown = hostPath(root, path);
  const unsafe = (at: ByteString, what: string) =>
    new JailkitError("unsafe-jail", 1, `${display(at)}: ${what}`);
  return atSpot(root, path, ({ parent, name }) => {
    if (!parent.trusted)
      throw unsafe(directoryOf(shown), "must belong to root and be writable by nobody else");
    try {
      const fd = openAt(parent.fd, name, C.O_RDWR | C.O_NOFOLLOW | C.O_NONBLOCK | C.O_NOCTTY);
      const stat = fstat(fd);
      if (isRegular(stat) && stat.uid === libc.geteuid() && (stat.mode & 0o077) === 0) {
        lockFile(fd, C.LOCK_EX);
        return fd;
      }
      close(fd);
    } catch (error) {
      throw namedError(error, shown);
    }
    throw unsafe(shown, "is not root's own file of mode 0600; move it away");
  });
}
