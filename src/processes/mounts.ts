import type { ByteString } from "../../ffi/bytes.ts";

/** The fields of a line of /proc/PID/mountinfo (proc_pid_mountinfo(5)) that locate a directory. */
export interface Mount {
  id: bigint;
  /** Major and minor number of the file system, as "8:1". */
  device: ByteString;
  /** The mounted directory of the file system. */
  root: ByteString;
  mountPoint: ByteString;
}

/** Decodes the octal escapes of blanks, tabs, newlines and backslashes. */
function unescaped(field: ByteString): ByteString {
  return field.replace(/\\([0-3][0-7]{2})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** The mounts in the text of mountinfo. */
export function parseMounts(text: ByteString): Mount[] {
  return text.split("\n").flatMap((line): Mount[] => {
    const [id = "", , device, root, mountPoint] = line.split(" ");
    if (!/^\d+$/.test(id) || device === undefined || root === undefined || mountPoint === undefined)
      return [];
    return [{ id: BigInt(id), device, root: unescaped(root), mountPoint: unescaped(mountPoint) }];
  });
}

/** The part of `path` after `directory`, with its slash; undefined if `path` is not below it. */
function below(path: ByteString, directory: ByteString): ByteString | undefined {
  if (directory === "/") return path === "/" ? "" : path;
  if (path === directory) return "";
  return path.startsWith(`${directory}/`) ? path.slice(directory.length) : undefined;
}

/**
 * The paths in `mounts` that may lead to the directory of `mount`, which is in another mount namespace: through mounts of
 * the same file system, at the same directory or above it. The shortest comes first; it makes no detour by bind mounts.
 */
export function nameOfMount(mount: Mount, mounts: readonly Mount[]): ByteString[] {
  const names: ByteString[] = [];
  for (const { device, root, mountPoint } of mounts) {
    if (device !== mount.device) continue;
    const rest = below(mount.root, root);
    if (rest === undefined) continue;
    names.push(mountPoint === "/" ? rest || "/" : `${mountPoint}${rest}`);
  }
  return names.sort((a, b) => a.length - b.length);
}
