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

/** Returns why a directory is not copied, or undefined. */
export type Refusal = (stat: BasicStat) => string | undefined;

/** A test that returns why a directory is never copied whole. Compares device and inode, not paths. `ofJail`: jailTrees. */
export function forbiddenTrees(host: FileSystem, ofJail: Refusal): Refusal {
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
  if (root) reasons.set(inode(root), "/ is not copied whole");
  return (stat) => ofJail(stat) ?? reasons.get(inode(stat)) ?? devices.get(device(stat));
}

/** A test that returns why a directory is not copied into this jail: it is the jail, or the jail is in it. */
export function jailTrees(host: FileSystem, jail: ByteString): Refusal {
  const reasons = new Map<string, string>();
  for (let path = jail; path !== ""; path = parentOf(path)) {
    const stat = host.stat(path);
    if (stat) reasons.set(inode(stat), path === jail ? "it is the jail itself" : "the jail is in it");
  }
  return (stat) => reasons.get(inode(stat));
}
