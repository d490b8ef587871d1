import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { hasXattr, hasXattrOf } from "../../ffi/xattrs.ts";
import { type AclReading, aclAt, aclOf } from "./acl.ts";

/** What a file gives to whoever executes or opens it, beyond the permission bits of owner, group and others. */
export interface Grants {
  /** The setuid and setgid bits; a directory only hands its group on with setgid. */
  readonly special: number;
  /** It has file capabilities: capabilities(7). */
  readonly capability: boolean;
  readonly acl: AclReading;
}

const CAPABILITY = "security.capability";

/** True for the extended attributes that give rights to whoever executes a file, so that no copy may have them. */
export const grantsRights = (attribute: ByteString): boolean => attribute === CAPABILITY;

/** True for an ACL that names anyone but root, and where that cannot be told. */
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

/** What the file of an open descriptor (not O_PATH) grants; `mode` is its st_mode. Throws SystemError. */
export function grantsOf(fd: number, mode: number): Grants {
  return grants(
    mode,
    () => hasXattrOf(fd, CAPABILITY),
    () => aclOf(fd),
  );
}

/** As grantsOf, of `name` in the open directory; nothing is opened, and no link followed. */
export function grantsAt(dirfd: number, name: ByteString, mode: number): Grants {
  return grants(
    mode,
    () => hasXattr(dirfd, name, CAPABILITY),
    () => aclAt(dirfd, name),
  );
}
