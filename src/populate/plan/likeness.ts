import type { BasicStat } from "../../../ffi/basic-stat.ts";
import { S_IFCHR, S_IFMT } from "../../../ffi/constants.ts";
import type { Entry } from "../entry.ts";
import { isDirectory } from "../file-system.ts";
import type { Node } from "./jail-paths.ts";

/** True where a directory stands, or will stand. */
export function isDirectoryNode(node: Node): boolean {
  return node.planned === undefined ? isDirectory(node.stat.mode) : node.planned.type === "directory";
}

/** True where the jail has a device of the same kind and numbers already. */
export function sameDevice(node: Node | undefined, stat: BasicStat): boolean {
  if (node === undefined || node.planned !== undefined) return false;
  const there = node.stat;
  return (
    (there.mode & S_IFMT) === (stat.mode & S_IFMT) &&
    there.rdevMajor === stat.rdevMajor &&
    there.rdevMinor === stat.rdevMinor
  );
}

/** Which device a device file stands for. */
export function deviceOf(stat: BasicStat): NonNullable<Entry["device"]> {
  const type = (stat.mode & S_IFMT) === S_IFCHR ? "char" : "block";
  return { type, major: stat.rdevMajor, minor: stat.rdevMinor };
}
