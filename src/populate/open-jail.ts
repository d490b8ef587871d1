import { basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import { readLink, type Stat, sameFile } from "../../ffi/files.ts";
import { directoryOf, normalPath } from "../../ffi/paths.ts";
import { answered, errorOf, JailkitError } from "../cli/error.ts";
import { requireOwnPath } from "../jail/accounts/own-path.ts";
import { heldDirectory } from "../jail/fs/held.ts";
import { requireFileSystem, requireJailToFill } from "../jail/fs/host-directories.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { requireSafeAbove } from "../jail/fs/safety.ts";
import { requireMountedAt } from "../jail/fs/unmounted.ts";
import { closeJailRoot, type JailRoot, openJailRoot, openTree } from "../jail/fs/walk.ts";
import { readOnlyProblem } from "../jail/fs/writable.ts";
import { makeDirectories, removePath } from "../jail/fs/write.ts";
import { requireInPlace } from "../jail/record/displaced.ts";
import { aclAt } from "../system/acl.ts";
import { emptyFileSystem, type FileSystem } from "./file-system.ts";
import { requireMountedJail } from "./hidden-place.ts";
import { requireNotShown } from "./shown-place.ts";

interface OpenOptions {
  /** Create the jail if it is missing; otherwise a missing jail is undefined. */
  readonly create: boolean;
  /** With `create`: only check that it can be created. */
  readonly dryRun?: boolean;
  /** Sync to disk before the tool exits. */
  readonly sync: boolean;
  /** The exit status for a jail that is not safe. */
  readonly unsafeStatus: number;
  /** Gets the directories that are created. */
  readonly fresh?: NewDirectories;
}

/** Directories that a run has created for a jail. Unless they are kept, leaving the scope removes those that are empty. */
export class NewDirectories implements Disposable {
  #made: readonly { readonly path: ByteString; readonly stat: Stat }[] = [];

  make(path: ByteString): void {
    this.#made = withTree((tree) => {
      const made = makeDirectories(tree, path, () => ({ mode: 0o755, uid: 0, gid: 0 }));
      return made
        .flatMap((one) => lookUp(tree, one) ?? [])
        .map(({ canonicalPath, stat }) => ({ path: canonicalPath, stat }));
    });
  }

  /** Takes over what another one has made. */
  take(other: NewDirectories): void {
    this.#made = other.#made;
  }

  keep(when = true): void {
    if (when) this.#made = [];
  }

  /** True if an open jail is one of them. */
  hasMade({ top }: JailRoot): boolean {
    return this.#made.some(({ stat }) => sameFile(stat, top.stat));
  }

  [Symbol.dispose](): void {
    // Once one is in use, so are those above it.
    answered(() => {
      withTree((tree) => {
        for (const { path, stat } of this.#made.toReversed())
          if (stat.uid === 0) removePath(tree, path, stat);
      });
    });
  }
}

/**
 * Opens a jail, after a check that it is safe, or creates it where it can be safe. Throws JailkitError with
 * `unsafeStatus`; with 1 if it cannot be created.
 */
export function openSafeJail(path: ByteString, options: OpenOptions): JailRoot | undefined {
  const { create, dryRun, unsafeStatus } = options;
  const there = openIfThere(path, options);
  if (there !== undefined || !create) return there;
  requirePlace(path, unsafeStatus);
  requireInPlace(path, undefined, unsafeStatus);
  if (dryRun) return undefined;
  using made = new NewDirectories();
  made.make(path);
  const root = openChecked(path, options);
  options.fresh?.take(made);
  made.keep();
  return root;
}

/** Throws JailkitError if a jail that does not exist cannot be created safely at its place. */
export const requireNewJail = (path: ByteString): void => requirePlace(path, 1);

function openIfThere(path: ByteString, options: OpenOptions): JailRoot | undefined {
  let root: JailRoot;
  try {
    root = openChecked(path, options);
  } catch (error) {
    if (!isMissing(error)) throw error;
    return undefined;
  }
  try {
    if (options.create) requireNotShown(path, root);
    requireOwnPath(root.path);
    requireInPlace(root.path, root, options.unsafeStatus);
    requireMountedJail(root);
    return root;
  } catch (error) {
    closeJailRoot(root);
    throw error;
  }
}

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
  requireNotShown(path, undefined);
  using above = openNearest(path);
  requireFileSystem(above, 1);
  requireSafeAbove(above, path, unsafeStatus);
  const problem = readOnlyProblem(above, ["/"], path);
  if (problem !== undefined) throw errorOf(problem);
  const held = heldDirectory(above.path);
  if (held !== undefined) throw held;
  requireOwnPath(normalPath(path));
  requireMountedAt(path);
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
