import type { ByteString } from "../../ffi/bytes.ts";
import { SystemError } from "../../ffi/error.ts";
import {
  hasXattr,
  hasXattrOf,
  removeXattr,
  removeXattrOfPath,
  type XattrReading,
  xattrAt,
  xattrOf,
} from "../../ffi/xattrs.ts";

/** The extended attributes of acl(5): the ACL of a file, and that of a directory for new files in it. */
const ACCESS_ACL = "system.posix_acl_access";
const DEFAULT_ACL = "system.posix_acl_default";
// The ACLs of an NFS server, nfs4_acl(5), which are not read here.
const NFS4_ACL = "system.nfs4_acl";

/** An entry of an ACL for a named user or group. */
export interface NamedEntry {
  readonly tag: "u" | "g";
  readonly id: number;
  /** In the entry, and after the mask: 4 read, 2 write, 1 execute. */
  readonly permissions: number;
  readonly effective: number;
}

/** An access ACL. The permission bits are those of owner and others; the group bits are the mask, if there is one. */
interface Acl {
  /** The permissions of the file's own group, after the mask. */
  readonly group: number;
  /** Users and groups except root (0), which may do anything. */
  readonly named: readonly NamedEntry[];
}

/** An ACL, or none. "unknown": it cannot be read, and no exemption may be granted then. */
export type AclReading = Acl | "none" | "unknown";

// linux/posix_acl_xattr.h and posix_acl.h
const VERSION = 2;
const TAG = { userObject: 1, user: 2, groupObject: 4, group: 8, mask: 16, other: 32 } as const;
const ONCE: readonly number[] = [TAG.userObject, TAG.groupObject, TAG.other];

function rawEntries(bytes: Uint8Array) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 4 || (bytes.length - 4) % 8 !== 0 || view.getUint32(0, true) !== VERSION)
    return undefined;
  const entries: { tag: number; permissions: number; id: number }[] = [];
  for (let at = 4; at < bytes.length; at += 8) {
    const tag = view.getUint16(at, true);
    const permissions = view.getUint16(at + 2, true);
    entries.push({ tag, permissions, id: view.getUint32(at + 4, true) });
  }
  return entries;
}

/**
 * Parses the extended attribute of an ACL (acl(5)): owner, group and others once each, at most one mask, which named
 * entries need. Undefined for a value that the kernel would not accept: a file system may return anything.
 */
export function parseAcl(bytes: Uint8Array): Acl | undefined {
  const entries = rawEntries(bytes);
  if (entries === undefined) return undefined;
  const of = (tag: number) => entries.filter((entry) => entry.tag === tag);
  const known: readonly number[] = Object.values(TAG);
  if (entries.some(({ tag, permissions }) => !known.includes(tag) || permissions > 7)) return undefined;
  if (ONCE.some((tag) => of(tag).length !== 1)) return undefined;
  const naming = entries.filter(({ tag }) => tag === TAG.user || tag === TAG.group);
  const masks = of(TAG.mask);
  if (masks.length > 1 || (naming.length > 0 && masks.length === 0)) return undefined;
  const mask = masks[0]?.permissions ?? 7;
  const named = naming
    .filter(({ id }) => id !== 0)
    .map(({ tag, permissions, id }): NamedEntry => {
      return { tag: tag === TAG.user ? "u" : "g", id, permissions, effective: permissions & mask };
    });
  return { group: (of(TAG.groupObject)[0]?.permissions ?? 0) & mask, named };
}

function reading(read: (attribute: ByteString) => XattrReading): AclReading {
  try {
    const bytes = read(ACCESS_ACL);
    if (typeof bytes !== "string") return parseAcl(bytes) ?? "unknown";
    return bytes === "none" || typeof read(NFS4_ACL) === "string" ? "none" : "unknown";
  } catch (error) {
    if (error instanceof SystemError) return "unknown";
    throw error;
  }
}

/** The ACL of an open file (not O_PATH). */
export function aclOf(fd: number): AclReading {
  return reading((attribute) => xattrOf(fd, attribute));
}

/** The ACL of `name` in the open directory, or of the directory itself (".": O_PATH will do); see xattrAt. */
export function aclAt(dirfd: number, name: ByteString, follow = false): AclReading {
  return reading((attribute) => xattrAt(dirfd, name, attribute, follow));
}

/** The entries by which users other than root may write. */
export function writersOf(acl: AclReading): readonly NamedEntry[] {
  return typeof acl === "string" ? [] : acl.named.filter(({ effective }) => (effective & 2) !== 0);
}

/**
 * The permission bits without the named entries of the ACL: for the group, the bits that its own entry and the mask both
 * allow; stat(2) shows the mask. If the ACL is unknown, these are the most that the group may have.
 */
export function modeBesideAcl(mode: number, acl: AclReading): number {
  return typeof acl === "string" ? mode : (mode & ~0o070) | (acl.group << 3);
}

/**
 * The permission bits for a copy without ACL, so that nobody may do more with it. If the ACL is unknown, the group gets at
 * most the bits of others.
 */
export function modeWithoutAcl(mode: number, acl: AclReading): number {
  return acl === "unknown" ? mode & (~0o070 | ((mode & 0o007) << 3)) : modeBesideAcl(mode, acl);
}

const letters = (permissions: number) =>
  [4, 2, 1].map((bit, index) => (permissions & bit ? "rwx"[index] : "-")).join("");

const entryText = ({ tag, id }: NamedEntry) => `${tag}:${id}`;

/** Entries as setfacl(1) writes them, the first few of many. */
export function showEntries(entries: readonly NamedEntry[]): string {
  const shown = entries.slice(0, 3).map((entry) => `${entryText(entry)}:${letters(entry.permissions)}`);
  return entries.length > 3 ? `${shown.join(", ")} and ${entries.length - 3} more` : shown.join(", ");
}

/**
 * The command that removes these entries from an ACL, or (`inherited`) from a directory's default ACL, without the path at
 * its end.
 */
export function removalCommand(entries: readonly NamedEntry[], inherited = false): `setfacl ${string}` {
  // Nobody reads a long command line.
  if (entries.length > 3) return inherited ? "setfacl -k" : "setfacl -b";
  return `setfacl -x ${entries.map((entry) => `${inherited ? "d:" : ""}${entryText(entry)}`).join(",")}`;
}

/** Removes the ACL that a new file or directory has inherited from the default ACL of its directory. */
export function dropInheritedAcl(fd: number, directory: boolean): void {
  // Usually there is none, and asking costs less than removing.
  if (hasXattrOf(fd, ACCESS_ACL)) removeXattr(fd, ACCESS_ACL);
  if (directory && hasXattrOf(fd, DEFAULT_ACL)) removeXattr(fd, DEFAULT_ACL);
}

/** As dropInheritedAcl, for the O_PATH descriptor of a device, FIFO or socket. Needs /proc. */
export function dropInheritedAclOfPath(fd: number): void {
  removeXattrOfPath(fd, ACCESS_ACL);
}

/** True if new files in an open directory inherit an ACL. */
export function hasDefaultAcl(dirfd: number): boolean {
  return hasXattr(dirfd, ".", DEFAULT_ACL);
}

/** The named entries of an open directory's default ACL, which new files in it inherit. */
export function inheritedEntries(fd: number): readonly NamedEntry[] {
  const bytes = xattrOf(fd, DEFAULT_ACL);
  return typeof bytes === "string" ? [] : (parseAcl(bytes)?.named ?? []);
}
