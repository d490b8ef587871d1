import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import type { Stat } from "../../../ffi/files.ts";
import { isDirectory, isLink, isRegular } from "../fs/walk.ts";
import type { ManifestEntry } from "./manifest-text.ts";

/** True if a file matches an entry of the record: type, owner, and size and time, text or device numbers. */
export function isAsRecorded(entry: ManifestEntry, stat: Stat, target: ByteString | undefined): boolean {
  if (stat.uid !== entry.uid) return false;
  switch (entry.type) {
    case "file":
      return isRegular(stat) && stat.size === entry.size && stat.mtime === (entry.mtime ?? stat.mtime);
    case "link":
      return isLink(stat) && target === entry.target;
    case "directory":
      return isDirectory(stat);
    default: {
      const type = { char: C.S_IFCHR, block: C.S_IFBLK }[entry.type];
      const same = stat.rdevMajor === (entry.major ?? 0) && stat.rdevMinor === (entry.minor ?? 0);
      return (stat.mode & C.S_IFMT) === type && same;
    }
  }
}
