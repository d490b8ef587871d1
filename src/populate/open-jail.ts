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

/** How a jail is opened. */
export interface OpenOptions {
  /** Makes it where it is missing; else a missing one is undefined. */
  readonly create: boolean;
  /** What is written is on the disk before the tool ends. */
  readonly sync: boolean;
  /** What a jail that is not safe ends with. */
  readonly unsafeStatus: number;
}

/** Opens a jail after the rule of safety was applied to it. Throws JailkitError with `unsafeStatus`. */
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

/** Takes directories away again that were made for a jail that may not be there. */
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

/** A jail as planning looks at it. Its paths must not lead through links: see jailPaths. */
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
