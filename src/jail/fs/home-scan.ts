import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { fstat, openAt2, readDirectory, readLink, type Stat, statAt, withFd } from "../../../ffi/files.ts";
import { quoted } from "../../cli/display.ts";
import { JailkitError } from "../../cli/error.ts";

/** An entry of a directory tree; for a symbolic link, with its text. */
export interface TreeEntry {
  /** Relative to the top, without a leading slash; "" is the top itself. */
  path: ByteString;
  stat: Stat;
  target: ByteString | undefined;
}

/** No symbolic link is followed below the top, even if a rename puts one there meanwhile. */
export const WITHIN = C.RESOLVE_BENEATH | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS | C.RESOLVE_NO_XDEV;

// PATH_MAX limits a path in one system call.
const LONGEST_PATH = 4000;

/**
 * All entries below the open directory `top`, each directory before its content, without following symbolic links or
 * leaving the file system. `shown` names the tree in messages. Throws JailkitError for a device, a mount point, or a tree
 * that is too deep.
 */
export function scanTree(top: number, shown: ByteString): TreeEntry[] {
  const stat = fstat(top);
  const mount = stat.mountId;
  const entries: TreeEntry[] = [{ path: "", stat, target: undefined }];
  const directories: ByteString[] = [""];
  for (let path = directories.pop(); path !== undefined; path = directories.pop()) {
    withFd(openAt2(top, path || ".", C.O_RDONLY | C.O_DIRECTORY, WITHIN), (fd) => {
      for (const { name } of readDirectory(fd)) {
        const child = path === "" ? name : `${path}/${name}`;
        const stat = statAt(fd, name);
        const why = obstacle(child, stat, mount);
        if (why !== undefined)
          throw new JailkitError("home-not-movable", 1, `${quoted(`${shown}/${child}`)} ${why}`);
        const type = stat.mode & C.S_IFMT;
        entries.push({ path: child, stat, target: type === C.S_IFLNK ? readLink(fd, name) : undefined });
        if (type === C.S_IFDIR) directories.push(child);
      }
    });
  }
  return entries;
}

/** The reason why an entry cannot be moved, with the remedy. */
function obstacle(path: ByteString, { mode, mountId }: Stat, mount: Stat["mountId"]): string | undefined {
  const type = mode & C.S_IFMT;
  if (path.length > LONGEST_PATH) return "is too deep: move it out of the way";
  if (type === C.S_IFBLK || type === C.S_IFCHR)
    return "is a device, which no home should hold: move it out of the way";
  // Not the device number: files of an overlay have those of its layers.
  return mountId === mount ? undefined : "is a mount point: unmount it first";
}
