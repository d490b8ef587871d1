import { basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import { readLink } from "../../ffi/files.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { JailkitError } from "../cli/error.ts";
import { heldDirectory } from "../jail/fs/held.ts";
import { requireFileSystem, requireJailToFill } from "../jail/fs/host-directories.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { requireSafeAbove } from "../jail/fs/safety.ts";
import { closeJailRoot, type JailRoot, openJailRoot, openTree } from "../jail/fs/walk.ts";
import { readOnlyProblem } from "../jail/fs/writable.ts";
import { makeDirectories, removePath } from "../jail/fs/write.ts";
import { aclAt } from "../system/acl.ts";
import { emptyFileSystem, type FileSystem } from "./file-system.ts";

interface OpenOptions {
  /** Create the jail if it is missing; otherwise a missing jail is undefined. */
  readonly create: boolean;
  /** With `create`: only check that it can be created. */
  readonly dryRun?: boolean;
  /** Sync to disk before the tool exits. */
  readonly sync: boolean;
  /** The exit status for a jail that is not safe. */
  readonly unsafeStatus: number;
}

/**
 * Opens a jail, after a check that it is safe, or creates it where it can be safe. Throws JailkitError with
 * `unsafeStatus`; with 1 if it cannot be created.
 */
export function openSafeJail(path: ByteString, options: OpenOptions): JailRoot | undefined {
  const { create, dryRun, unsafeStatus } = options;
  try {
    return openChecked(path, options);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  if (!create) return undefined;
  requirePlace(path, unsafeStatus);
  if (dryRun) return undefined;
  const made = withTree((tree) => makeDirectories(tree, path, () => ({ mode: 0o755, uid: 0, gid: 0 })));
  try {
    return openChecked(path, options);
  } catch (error) {
    unmake(made);
    throw error;
  }
}

/** Throws JailkitError if a jail that does not exist cannot be created safely at its place. */
export const requireNewJail = (path: ByteString): void => requirePlace(path, 1);

const isMissing = (error: unknown) => error instanceof JailkitError && error.code === "no-such-jail";

function openChecked(path: ByteString, { create, sync, unsafeStatus }: OpenOptions): JailRoot {
  let root: JailRoot | undefined;
  try {
    root = openJailRoot(path, { sync });
    requireJailToFill(root, unsafeStatus);
    return root;
  } catch (error) {
    if (root) closeJailRoot(root);
    if (!(error instanceof JailkitError) || (create && error.code === "not-a-directory")) throw error;
    throw new JailkitError(error.code, unsafeStatus, error.message, error.place, error.remedy);
  }
}

/** Looks whether a jail can be created, before the first directory is. */
function requirePlace(path: ByteString, unsafeStatus: number): void {
  using above = openNearest(path);
  requireFileSystem(above, 1);
  requireSafeAbove(above, path, unsafeStatus);
  const problem = readOnlyProblem(above, ["/"], path);
  if (problem !== undefined)
    throw new JailkitError(problem.code, 1, problem.message, undefined, problem.remedy);
  const held = heldDirectory(above.path);
  if (held !== undefined) throw held;
}

/** The nearest directory that is there, at or above a path of the host. Close it. */
export function openNearest(path: ByteString): JailRoot {
  for (let at = path; ; at = directoryOf(at)) {
    try {
      return openTree(at);
    } catch (error) {
      if (!isMissing(error)) throw error;
    }
  }
}

function unmake(made: readonly ByteString[]): void {
  withTree((tree) => {
    for (const path of made.toReversed()) {
      const found = lookUp(tree, path);
      if (found?.stat.uid === 0) removePath(tree, path, found.stat);
    }
  });
}

/** The view of a jail for planning. Paths must not lead through symbolic links: see JailPaths. */
export function jailFileSystem(root: JailRoot): FileSystem {
  const below = (path: ByteString) => (path === "/" || path === "" ? "." : path.slice(1));
  return {
    ...emptyFileSystem,
    lstat: (path) => basicStat(root.fd, below(path)),
    stat: (path) => basicStat(root.fd, below(path)),
    acl: (path) => aclAt(root.fd, below(path)),
    readlink: (path) => readLink(root.fd, below(path)),
  };
}
