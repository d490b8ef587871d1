import type { ByteString } from "../../../ffi/bytes.ts";
import { EROFS } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { holdingFlags } from "../../../ffi/extents.ts";
import { baseName, parentOf } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, JailkitError } from "../../cli/error.ts";
import { withAdvice } from "../../cli/remedy.ts";
import { hostText } from "../../system/host-files.ts";
import { isReadOnly, mountsText, mountTypes, unmountForGood } from "../../system/mounts.ts";
import { heldError } from "./held.ts";
import { requireNoHostMount } from "./host-mounts.ts";
import { withTree } from "./look.ts";
import { nearestDirectory } from "./nearest.ts";
import { type Failure, noRoom } from "./no-room.ts";
import { type Directory, hostPath, type JailRoot, release } from "./walk.ts";

/**
 * Throws SystemError EROFS if one of these directories of a jail, or the nearest above it, is on a read-only mount, and
 * JailkitError "host-mount" if it is on a mount of the host's own directories.
 */
export function requireWritable(root: JailRoot, paths: readonly ByteString[]): void {
  for (const path of paths) {
    const directory = nearestDirectory(root, path);
    const closed = isReadOnly(directory.fd);
    release(directory);
    requireNoHostMount(root, directory, path);
    if (closed) throw new SystemError(EROFS, "statfs", hostPath(root, directory.path));
  }
}

/** The same for the host's account files, which usermod(8) and useradd(8) cannot lock then. */
export function requireWritableAccounts(): void {
  withTree((host) => requireWritable(host, ["/etc"]));
}

/**
 * The problem to report before any change if one of these directories of `root`, or the nearest above it, is on a
 * read-only mount; `jail` and `progress` as for noRoom. A path that cannot be walked is skipped: its change will fail.
 */
export function readOnlyProblem(
  root: JailRoot,
  paths: Iterable<ByteString>,
  jail: ByteString,
  progress = "nothing was changed",
): Failure | undefined {
  for (const path of new Set(paths)) {
    try {
      requireWritable(root, [path]);
    } catch (error) {
      const problem = noRoom(error, jail, { left: [], progress });
      if (problem !== undefined) return problem;
    }
  }
  return undefined;
}

/**
 * The error for the first of these places of a jail that chattr(1) protects: a directory, or the nearest above it, in which
 * nothing can be made, or a file that cannot be replaced. New names in an append-only directory are left to the run.
 */
export function heldPlace(
  root: JailRoot,
  directories: Iterable<ByteString>,
  replaced: Iterable<ByteString>,
): JailkitError | undefined {
  const flagsIn = (path: ByteString, use: (directory: Directory) => string) =>
    answered(() => {
      const directory = nearestDirectory(root, path);
      try {
        return use(directory);
      } finally {
        release(directory);
      }
    }) ?? "";
  for (const path of directories) {
    const held = flagsIn(path, ({ fd, path: real }) => (holdingFlags(".", fd).startsWith("i") ? real : ""));
    if (held !== "") return heldError(hostPath(root, held));
  }
  for (const path of replaced) {
    const held = flagsIn(
      parentOf(path),
      ({ fd }) => holdingFlags(".", fd) + holdingFlags(baseName(path), fd),
    );
    if (held !== "") return heldError(hostPath(root, path));
  }
  return undefined;
}

/**
 * Throws SystemError EROFS, or a JailkitError, if a file of this machine cannot be replaced by rename(2): chattr(1) protects it
 * (as heldPlace), or something is mounted on it, as container engines do.
 */
export function requireReplaceable(file: ByteString): void {
  const held = withTree((host) => {
    requireWritable(host, [parentOf(file)]);
    return heldPlace(host, [], [file]);
  });
  if (held !== undefined) throw held;
  if (!mountTypes(mountsText()).has(file)) return;
  const remedy = unmountForGood([file], answered(() => hostText("/etc/fstab")) ?? "");
  const message = withAdvice(`${display(file)} is a mount point, and cannot be replaced`, remedy);
  throw new JailkitError("mounted", 1, message, undefined, remedy);
}
