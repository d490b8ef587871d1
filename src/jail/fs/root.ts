import type { ByteString } from "../../../ffi/bytes.ts";
import * as C from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import type { Stat } from "../../../ffi/files.ts";
import { pathComponents } from "../../../ffi/paths.ts";
import { shortPath } from "../../cli/display.ts";
import type { AclReading } from "../../system/acl.ts";
import type { DirectoryCache } from "./cache.ts";
import { heldError } from "./held.ts";

/** An open directory of a jail. */
export interface Directory {
  /** O_PATH; -1 once closed, so that a stale descriptor is an error and never another file. */
  fd: number;
  /** As the jail sees it, without symbolic links: "/", "/usr/lib". */
  readonly path: ByteString;
  readonly stat: Stat;
  /**
   * It and all directories above it, up to the jail's root, belong to root, and nobody else can write them: only root can
   * exchange a name in it.
   */
  readonly trusted: boolean;
  /** If it is not trusted: the nearest trusted directory above from which rename(2) into it works. */
  readonly stage: Directory | undefined;
  /** The directory at which the mount begins that it is on; for the mount of the jail's root, that root. */
  readonly mount: Pick<Directory, "path" | "stat">;
  /** The root keeps it open; otherwise the caller closes it. */
  readonly cached: boolean;
}

/** A directory above a jail. */
export interface Ancestor {
  readonly path: ByteString;
  readonly stat: Stat;
  /** "none" unless it matters: see parentFindings of safety.ts. */
  readonly acl: AclReading;
}

/** An open jail; all access to it starts from its descriptor. Leaving the scope of a `using` closes it. */
export interface JailRoot extends Disposable {
  /** The absolute path on the host, without ".", ".." and doubled slashes. */
  readonly path: ByteString;
  /** O_PATH | O_DIRECTORY. */
  readonly fd: number;
  readonly top: Directory;
  /** The directories above the jail, from "/" on, as they were when the jail was opened through them. */
  readonly ancestors: readonly Ancestor[];
  /** fsync(2) after each write. */
  readonly sync: boolean;
  /** Opened by openJailRoot: nothing is written or removed below a mount of the host's own directories. */
  readonly isJail: boolean;
  /** Trusted directories, by the path that was asked for. */
  readonly cache: DirectoryCache<Directory>;
}

export interface TreeOptions {
  sync?: boolean;
  cacheLimit?: number;
  isJail?: boolean;
}

/** A path in the jail as a path of the host, for messages. */
export function hostPath(root: Pick<JailRoot, "path">, path: ByteString): ByteString {
  const rest = pathComponents(path).join("/");
  if (rest === "") return root.path;
  return root.path === "/" ? `/${rest}` : `${root.path}/${rest}`;
}

/**
 * The same error with `path` (of the host). Other errors, and those that have an absolute path, are unchanged; that of a
 * file or directory that chattr(1) protects says so.
 */
export function namedError(error: unknown, path: ByteString): unknown {
  if (!(error instanceof SystemError) || error.path?.startsWith("/")) return error;
  const held = error.code === "EPERM" ? heldError(path) : undefined;
  return held ?? new SystemError(error.errno, error.call, shortPath(path));
}

/** True for a directory. */
export const isDirectory = ({ mode }: Pick<Stat, "mode">): boolean => (mode & C.S_IFMT) === C.S_IFDIR;
/** True for a symbolic link. */
export const isLink = ({ mode }: Pick<Stat, "mode">): boolean => (mode & C.S_IFMT) === C.S_IFLNK;
/** True for a regular file. */
export const isRegular = ({ mode }: Pick<Stat, "mode">): boolean => (mode & C.S_IFMT) === C.S_IFREG;

/** `name` in the directory `path`. */
export function joinPath(path: ByteString, name: ByteString): ByteString {
  return path === "/" ? `/${name}` : `${path}/${name}`;
}
