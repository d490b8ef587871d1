import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { hasXattr, hasXattrOf } from "../../ffi/xattrs.ts";
import { type AclReading, aclAt, aclOf } from "./acl.ts";

/** The rights that a file gives to whoever executes or opens it, besides its permission bits. */
export interface Grants {
  /** The setuid and setgid bits; 0 for a directory, whose setgid only passes its group on. */
  readonly special: number;
  /** It has file capabilities: capabilities(7). */
  readonly capability: boolean;
  readonly acl: AclReading;
}

const CAPABILITY = "security.capability";

/** True for extended attributes that give rights to whoever executes a file: no copy may have them. */
export const grantsRights = (attribute: ByteString): boolean => attribute === CAPABILITY;

/**
 * True if a regular file, `name` in the open directory, gives rights to whoever executes it: setuid, setgid or file
 * capabilities. Opens nothing, and follows no symbolic link. Throws SystemError.
 */
export const grantsPower = (dirfd: number, name: ByteString, mode: number): boolean =>
  (mode & (C.S_ISUID | C.S_ISGID)) !== 0 || hasXattr(dirfd, name, CAPABILITY);

/** True for an ACL that names anyone but root, or is unknown. */
export const namesAnyone = (acl: AclReading): boolean =>
  acl === "unknown" || (acl !== "none" && acl.named.length > 0);

function grants(mode: number, capability: () => boolean, acl: () => AclReading): Grants {
  const type = mode & C.S_IFMT;
  if (type === C.S_IFLNK) return { special: 0, capability: false, acl: "none" };
  return {
    special: type === C.S_IFDIR ? 0 : mode & (C.S_ISUID | C.S_ISGID),
    capability: type === C.S_IFREG && capability(),
    acl: acl(),
  };
}

/** The grants of an open file (not O_PATH); `mode` is its st_mode. Throws SystemError. */
export function grantsOf(fd: number, mode: number): Grants {
  return grants(
    mode,
    () => hasXattrOf(fd, CAPABILITY),
    () => aclOf(fd),
  );
}

/** As grantsOf, for `name` in the open directory. Opens nothing, and follows no symbolic link. */
export function grantsAt(dirfd: number, name: ByteString, mode: number): Grants {
  return grants(
    mode,
    () => hasXattr(dirfd, name, CAPABILITY),
    () => aclAt(dirfd, name),
  );
}
