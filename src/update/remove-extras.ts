import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import { dropInName } from "../config/write.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { jailMounts, unmountInJail } from "../jail/fs/unmount.ts";
import { isRegular, type JailRoot } from "../jail/fs/walk.ts";
import { REGISTRY } from "../jail/record/manifest.ts";
import { removeDropIn } from "../populate/apply/drop-in.ts";
import { changeFstab } from "../populate/apply/proc.ts";
import { unescaped } from "../system/mountinfo.ts";
import { fstabField, fstabFields } from "../system/mounts.ts";

/** The text of fstab(5) without the line of jk_init for the proc of a jail; undefined if there is none. */
export function withoutProcLine(fstab: ByteString, jail: ByteString): ByteString | undefined {
  const target = fstabField(`${jail}/proc`);
  const lines = fstab.split("\n");
  const kept = lines.filter((line) => {
    const [, where, type] = fstabFields(line);
    return where !== target || type !== "proc";
  });
  return kept.length === lines.length ? undefined : kept.join("\n");
}

/** Mount points of fstab(5) in a jail. */
export function fstabMounts(fstab: ByteString, jail: ByteString): ByteString[] {
  const field = fstabField(jail);
  return fstab.split("\n").flatMap((line) => {
    const [, where] = fstabFields(line);
    if (where === undefined) return [];
    return where === field || where.startsWith(`${field}/`) ? [where] : [];
  });
}

/** Removes the line of addProcLine from `etc`/fstab. `left`: other mount points in the jail, which others added. */
export function removeProcLine(
  jail: ByteString,
  etc: ByteString = "/etc",
  registry: ByteString = REGISTRY,
): { removed: boolean; left: ByteString[] } {
  return withTree((root) => {
    const stat = lookUp(root, "/fstab")?.stat;
    if (stat === undefined || !isRegular(stat)) return { removed: false, left: [] };
    let left: ByteString[] = [];
    const change = (fstab: ByteString) => {
      const without = withoutProcLine(fstab, jail);
      left = fstabMounts(without ?? fstab, jail);
      return without;
    };
    const byHand = `take the line for ${display(jail)}/proc out by hand`;
    return { removed: changeFstab(root, change, byHand, registry), left };
  }, etc);
}

/** Says what fstab(5) still mounts in a jail: `left` of removeProcLine. */
export const stillMounted = (left: readonly ByteString[]): string =>
  `/etc/fstab still mounts something in the jail: ${left.map((where) => display(unescaped(where))).join(", ")}`;

/** Unmounts proc(5) from /proc of the jail. True if it was mounted. */
export function unmountJailProc(root: JailRoot): boolean {
  const mounted = jailMounts(root.path).some(({ path, type }) => path === "/proc" && type === "proc");
  if (mounted) unmountInJail(root, "/proc");
  return mounted;
}

/**
 * Removes the drop-in of jk_init for the socket JAIL/dev/log in jk_socketd. `removed`: its path; `left`: a file of the
 * administrator that names the socket, which is never changed.
 */
export function unregisterLogSocket(
  jail: ByteString,
  directory: ByteString = CONFIG_DIRECTORY,
): { removed: ByteString | undefined; left: ByteString | undefined } {
  const path = `/jk_socketd.d/${dropInName(jail)}`;
  const socket = `${jail}/dev/log`;
  const file = `${directory}/jk_socketd.ini`;
  const named = loadConfig(file, { dialect: "c" })?.sections.find(({ name }) => name === socket);
  // A drop-in of that name with other content is not ours.
  if (named?.file !== directory + path) return { removed: undefined, left: named?.file };
  return { removed: removeDropIn(directory, path) ? directory + path : undefined, left: undefined };
}
