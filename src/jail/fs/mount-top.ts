import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { usageAt } from "../../../ffi/extents.ts";
import { close, fstat, openAt, sameFile } from "../../../ffi/files.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { fileSystemId } from "../../../ffi/statfs.ts";
import { answered } from "../../cli/error.ts";
import { nearestDirectory } from "./nearest.ts";
import { type JailRoot, release } from "./walk.ts";

// A directory that is missing was removed, or is on a file system that is not mounted, which fstab(5) need not name. It was
// removed if the nearest one that exists is on the very mount that it was on.

/** That of a directory of which nothing was written down. */
export const UNKNOWN_TOP = "";

/** Identifies the directory at the top of the mount on which an open directory is; UNKNOWN_TOP where that is not known. */
export function topOf(fd: number): ByteString {
  return answered(() => topId(fd)) ?? UNKNOWN_TOP;
}

function topId(fd: number): ByteString | undefined {
  const { mountId } = fstat(fd);
  // Of Linux 5.7.
  if (mountId === 0n) return undefined;
  let at = openAt(fd, ".", C.O_PATH | C.O_DIRECTORY);
  try {
    for (;;) {
      const above = openAt(at, "..", C.O_PATH | C.O_DIRECTORY);
      const stat = fstat(above);
      if (stat.mountId !== mountId || sameFile(stat, fstat(at))) {
        close(above);
        break;
      }
      close(at);
      at = above;
    }
    const [system, found] = [fileSystemId(at), usageAt(at, ".")];
    if (system === undefined || found?.birth === undefined) return undefined;
    return `${system} ${found.ino} ${found.birth}`;
  } finally {
    close(at);
  }
}

/** That of the nearest directory above a path of the host. */
export function topAbove(tree: JailRoot, path: ByteString): ByteString {
  return (
    answered(() => {
      const directory = nearestDirectory(tree, directoryOf(path));
      try {
        return topOf(directory.fd);
      } finally {
        release(directory);
      }
    }) ?? UNKNOWN_TOP
  );
}
