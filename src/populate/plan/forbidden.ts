import type { BasicStat } from "../../../ffi/basic-stat.ts";
import type { ByteString } from "../../../ffi/bytes.ts";
import { parentOf } from "../../../ffi/paths.ts";
import type { FileSystem } from "../file-system.ts";

// Whole trees that no jail needs: secrets of the host and of other users, or no real files. Paths below them can be
// requested by name.
const WHOLE = "/etc /var /home /root /run /tmp /boot /mnt /media /dev /dev/pts /dev/shm".split(" ");
const KERNEL = ["/proc", "/sys"];

const inode = (stat: BasicStat) => `${stat.devMajor}:${stat.devMinor}:${stat.inoHigh}:${stat.inoLow}`;
const device = (stat: BasicStat) => `${stat.devMajor}:${stat.devMinor}`;

/** A test that returns why a directory is never copied whole, or undefined. Compares device and inode, not paths. */
export function forbiddenTrees(host: FileSystem, jail: ByteString): (stat: BasicStat) => string | undefined {
  const reasons = new Map<string, string>();
  const devices = new Map<string, string>();
  const root = host.stat("/");
  for (const path of WHOLE) {
    const stat = host.stat(path);
    if (stat) reasons.set(inode(stat), `${path} is not copied whole: name what is needed of it`);
  }
  for (const path of KERNEL) {
    const stat = host.stat(path);
    // If nothing is mounted there, it has the device of the root directory.
    if (stat && root && device(stat) !== device(root)) {
      devices.set(device(stat), `it is in ${path}, which holds no files to copy`);
    }
  }
  for (let path = jail; ; path = parentOf(path)) {
    const stat = host.stat(path === "" ? "/" : path);
    const what = path === jail ? "it is the jail itself" : "the jail is in it";
    if (stat) reasons.set(inode(stat), path === "" ? "/ is not copied whole" : what);
    if (path === "") break;
  }
  return (stat) => reasons.get(inode(stat)) ?? devices.get(device(stat));
}
