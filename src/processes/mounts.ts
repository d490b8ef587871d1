import type { ByteString } from "../../ffi/bytes.ts";

/** A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), as far as it tells where a directory is. */
export interface Mount {
  id: bigint;
  /** Major and minor number of the file system, as "8:1". */
  device: ByteString;
  /** The directory of the file system that is mounted. */
  root: ByteString;
  mountPoint: ByteString;
}

/** Undoes the octal escapes of blanks, tabs, newlines and backslashes. */
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

/** What follows `directory` in `path`, with its slash; undefined where `path` does not lie below it. */
function below(path: ByteString, directory: ByteString): ByteString | undefined {
  if (directory === "/") return path === "/" ? "" : path;
  if (path === directory) return "";
  return path.startsWith(`${directory}/`) ? path.slice(directory.length) : undefined;
}

/**
 * The paths by which `mounts` may lead to what `mount` (of another mount namespace) mounts: those of the same file
 * system whose directory is the same or above. The shortest first: it is the one without detours through bind mounts.
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
