import { basicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import { readLink } from "../../ffi/files.ts";
import { JailkitError } from "../cli/error.ts";
import { requireJailToFill } from "../jail/fs/host-directories.ts";
import { lookUp } from "../jail/fs/look.ts";
import { closeJailRoot, type JailRoot, openJailRoot, openTree } from "../jail/fs/walk.ts";
import { makeDirectories, removePath } from "../jail/fs/write.ts";
import { aclAt } from "../system/acl.ts";
import { type FileSystem, NOTHING_WITHHELD } from "./file-system.ts";

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
  const made = options.create ? makeJail(path) : [];
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

function makeJail(path: ByteString): ByteString[] {
  const top = openTree("/");
  try {
    return makeDirectories(top, path, () => ({ mode: 0o755, uid: 0, gid: 0 }));
  } finally {
    closeJailRoot(top);
  }
}

function unmake(made: readonly ByteString[]): void {
  if (made.length === 0) return;
  const top = openTree("/");
  try {
    for (const path of [...made].reverse()) {
      const found = lookUp(top, path);
      if (found?.stat.uid === 0) removePath(top, path, found.stat);
    }
  } finally {
    closeJailRoot(top);
  }
}

/** The view of a jail for planning. Paths must not lead through symbolic links: see JailPaths. */
export function jailFileSystem(root: JailRoot): FileSystem {
  const below = (path: ByteString) => (path === "/" || path === "" ? "." : path.slice(1));
  return {
    lstat: (path) => basicStat(root.fd, below(path)),
    stat: (path) => basicStat(root.fd, below(path)),
    acl: (path) => aclAt(root.fd, below(path)),
    withheld: () => NOTHING_WITHHELD,
    readlink: (path) => readLink(root.fd, below(path)),
    names: () => [],
    list: () => [],
  };
}
