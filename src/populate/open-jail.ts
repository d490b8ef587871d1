import { basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import { readLink } from "../../ffi/files.ts";
import { JailkitError } from "../cli/error.ts";
import { requireJailToFill } from "../jail/fs/host-directories.ts";
import { lookUp, withTree } from "../jail/fs/look.ts";
import { closeJailRoot, type JailRoot, openJailRoot } from "../jail/fs/walk.ts";
import { makeDirectories, removePath } from "../jail/fs/write.ts";
import { aclAt } from "../system/acl.ts";
import { emptyFileSystem, type FileSystem } from "./file-system.ts";

interface OpenOptions {
  /** Create the jail if it is missing; otherwise a missing jail is undefined. */
  readonly create: boolean;
  /** Sync to disk before the tool exits. */
  readonly sync: boolean;
  /** The exit status for a jail that is not safe. */
  readonly unsafeStatus: number;
}

/** Opens a jail, after a check that it is safe. Throws JailkitError with `unsafeStatus`. */
export function openSafeJail(path: ByteString, options: OpenOptions): JailRoot | undefined {
  const { sync, unsafeStatus } = options;
  const attributes = () => ({ mode: 0o755, uid: 0, gid: 0 });
  const made = options.create ? withTree((tree) => makeDirectories(tree, path, attributes)) : [];
  let root: JailRoot | undefined;
  try {
    root = openJailRoot(path, { sync });
    requireJailToFill(root, unsafeStatus);
    return root;
  } catch (error) {
    if (root) closeJailRoot(root);
    unmake(made);
    if (!(error instanceof JailkitError)) throw error;
    if (error.code === "no-such-jail" && !options.create) return undefined;
    throw new JailkitError(error.code, unsafeStatus, error.message);
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
