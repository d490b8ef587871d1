import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { readFileIfPresent } from "../../ffi/files.ts";
import { unescaped } from "../../ffi/served.ts";
import { JailkitError } from "../cli/error.ts";

/** A line of /proc/PID/mountinfo: proc_pid_mountinfo(5). */
export interface Mount {
  readonly id: bigint;
  /** Major and minor number of the file system, as "8:1". */
  readonly device: ByteString;
  /** The mounted directory or file of the file system. */
  readonly root: ByteString;
  readonly mountPoint: ByteString;
  /** Options of this mount, such as "ro" and "nosuid". */
  readonly options: readonly ByteString[];
  /** Peer groups and similar, such as "shared:1". */
  readonly propagation: readonly ByteString[];
  /** The type of the file system, such as "ext4". */
  readonly type: ByteString;
}

/** The longest text of mountinfo, in bytes: 5,000 mounts take 0.75 MB. */
export const LIMIT = 1 << 26;

/** The mounts in the text of mountinfo. */
export function parseMounts(text: ByteString): Mount[] {
  return text.split("\n").flatMap((line): Mount[] => {
    const fields = line.split(" ");
    const [id = "", , device, root, mountPoint, options = ""] = fields;
    if (!/^\d+$/.test(id) || device === undefined || root === undefined || mountPoint === undefined)
      return [];
    const end = fields.indexOf("-", 6);
    return [
      {
        id: BigInt(id),
        device,
        root: unescaped(root),
        mountPoint: unescaped(mountPoint),
        options: options.split(","),
        propagation: end < 0 ? [] : fields.slice(6, end),
        type: end < 0 ? "" : (fields[end + 1] ?? ""),
      },
    ];
  });
}

/** The error "no-proc" for what only proc(5) shows. */
export const noProc = (what: string): JailkitError => {
  const remedy = "mount -t proc proc /proc";
  const message = `/proc is not mounted, so ${what} cannot be seen: ${remedy}`;
  return new JailkitError("no-proc", 1, message, undefined, remedy);
};

/**
 * The present mounts of this process, in the order in which they were mounted. Throws SystemError, and JailkitError
 * "no-proc" if proc(5) is not mounted.
 */
export function ownMounts(): Mount[] {
  const bytes = readFileIfPresent("/proc/self/mountinfo", LIMIT);
  if (bytes === undefined) throw noProc("mounts");
  return parseMounts(fromBytes(bytes));
}

/** The part of `path` after `directory`, with its slash; "" for the directory; undefined if `path` is not below it. */
export function below(path: ByteString, directory: ByteString): ByteString | undefined {
  if (directory === "/") return path === "/" ? "" : path;
  if (path === directory) return "";
  return path.startsWith(`${directory}/`) ? path.slice(directory.length) : undefined;
}

/** The mount that a path is on, by its directory: of equal places the last one, which covers the others. */
export const mountOver = (mounts: readonly Mount[], path: ByteString): Mount | undefined =>
  mounts
    .filter(({ mountPoint }) => below(path, mountPoint) !== undefined)
    .reduce<Mount | undefined>(
      (best, one) => (one.mountPoint.length >= (best?.mountPoint.length ?? 0) ? one : best),
      undefined,
    );

/** A file or directory in its file system, as mountinfo names it. */
export interface Place {
  readonly device: ByteString;
  readonly path: ByteString;
}

/** Where a path would be by one of the mounts; undefined for a mount that is neither at it nor above it. */
export function placeOn({ device, root, mountPoint }: Mount, path: ByteString): Place | undefined {
  const rest = below(path, mountPoint);
  return rest === undefined ? undefined : { device, path: root === "/" ? rest || "/" : root + rest };
}

/** True for a place that is another one, or in it. */
export const isIn = (place: Place, other: Place): boolean =>
  place.device === other.device && below(place.path, other.path) !== undefined;
