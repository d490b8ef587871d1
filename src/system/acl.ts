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

/** The extended attributes that hold the ACLs of acl(5): of a file, and of a directory for what is made in it. */
const ACCESS_ACL = "system.posix_acl_access";
const DEFAULT_ACL = "system.posix_acl_default";
// A server's own kind, which says more than nfs4_acl(5) mode bits do, and which is not read here.
const NFS4_ACL = "system.nfs4_acl";

/** What an entry of an ACL gives to a user or a group that it names. */
export interface NamedEntry {
  readonly tag: "u" | "g";
  readonly id: number;
  /** As the entry has them, and as the mask leaves them: 4 read, 2 write, 1 execute. */
  readonly permissions: number;
  readonly effective: number;
}

/** An access ACL. Owner and others have what the permission bits say; the group's bits are the mask, if there is one. */
interface Acl {
  /** What the file's own group may do, as the mask leaves it. */
  readonly group: number;
  /** Users and groups but root (0): whoever is root may do anything. */
  readonly named: readonly NamedEntry[];
}

/** An ACL, that there is none, or that it cannot be told: whoever grants an exemption must not grant it then. */
export type AclReading = Acl | "none" | "unknown";

// linux/posix_acl_xattr.h and posix_acl.h
const VERSION = 2;
const TAG = { userObject: 1, user: 2, groupObject: 4, group: 8, mask: 16, other: 32 } as const;
const ONCE: readonly number[] = [TAG.userObject, TAG.groupObject, TAG.other];

interface RawEntry {
  readonly tag: number;
  readonly permissions: number;
  readonly id: number;
}

function rawEntries(bytes: Uint8Array): RawEntry[] | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 4 || (bytes.length - 4) % 8 !== 0 || view.getUint32(0, true) !== VERSION)
    return undefined;
  const entries: RawEntry[] = [];
  for (let at = 4; at < bytes.length; at += 8) {
    const tag = view.getUint16(at, true);
    const permissions = view.getUint16(at + 2, true);
    entries.push({ tag, permissions, id: view.getUint32(at + 4, true) });
  }
  return entries;
}

/**
 * Reads the value of an ACL's extended attribute as acl(5) has it: each of owner, group and others once, a mask once at
 * most, and where anybody is named. undefined for what the kernel would not take: a file system may hand out anything.
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

/** The ACL of a file that is open, and not O_PATH. */
export function aclOf(fd: number): AclReading {
  return reading((attribute) => xattrOf(fd, attribute));
}

/** The ACL of `name` in the open directory, or of the directory itself (".": O_PATH will do); see xattrAt. */
export function aclAt(dirfd: number, name: ByteString, follow = false): AclReading {
  return reading((attribute) => xattrAt(dirfd, name, attribute, follow));
}

/** The entries by which a user or a group that is not root's may write. */
export function writersOf(acl: AclReading): readonly NamedEntry[] {
  return typeof acl === "string" ? [] : acl.named.filter(({ effective }) => (effective & 2) !== 0);
}

/**
 * The permission bits without what is an ACL's alone: for the group, what its own entry and the mask both allow, and not
 * the mask, which is what stat(2) shows. Where the ACL cannot be told that is the most that the group may do.
 */
export function modeBesideAcl(mode: number, acl: AclReading): number {
  return typeof acl === "string" ? mode : (mode & ~0o070) | (acl.group << 3);
}

/**
 * The permission bits that a copy without ACL is to have so that nobody may do more with it. Where the ACL cannot be told
 * the group gets what others have, too, and nothing besides.
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
 * The beginning of the command that takes these entries of an ACL, or of a directory's default ACL, away: a path
 * follows.
 */
export function removalCommand(entries: readonly NamedEntry[], inherited = false): string {
  // In a long command line nobody reads what it does.
  if (entries.length > 3) return inherited ? "setfacl -k" : "setfacl -b";
  return `setfacl -x ${entries.map((entry) => `${inherited ? "d:" : ""}${entryText(entry)}`).join(",")}`;
}

/** Takes from a new file or directory what a default ACL of the directory that it was made in has given to it. */
export function dropInheritedAcl(fd: number, directory: boolean): void {
  // Mostly there is none, and to ask costs less than to remove what is not there.
  if (hasXattrOf(fd, ACCESS_ACL)) removeXattr(fd, ACCESS_ACL);
  if (directory && hasXattrOf(fd, DEFAULT_ACL)) removeXattr(fd, DEFAULT_ACL);
}

/** As dropInheritedAcl, of a device, FIFO or socket that an O_PATH descriptor is. Takes /proc. */
export function dropInheritedAclOfPath(fd: number): void {
  removeXattrOfPath(fd, ACCESS_ACL);
}

/** True where what is made in an open directory gets an ACL from it. */
export function hasDefaultAcl(dirfd: number): boolean {
  return hasXattr(dirfd, ".", DEFAULT_ACL);
}

/** The entries of an open directory's default ACL that name somebody: what is made in it gets them. */
export function inheritedEntries(fd: number): readonly NamedEntry[] {
  const bytes = xattrOf(fd, DEFAULT_ACL);
  return typeof bytes === "string" ? [] : (parseAcl(bytes)?.named ?? []);
}
