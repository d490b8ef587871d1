import type { ByteString } from "../../ffi/bytes.ts";
import { cArgument, check, fail, libc } from "../../ffi/libc.ts";
import { normalPath } from "../../ffi/paths.ts";
import { unescaped } from "../../ffi/served.ts";
import { fileSystemOf } from "../../ffi/statfs.ts";
import { allOf, type Remedy } from "../cli/remedy.ts";
import { operands, shellWord } from "../cli/shell-word.ts";
import { hostText } from "./host-files.ts";

// statfs(2), mount(2)
const PROC_SUPER_MAGIC = 0x9fa0;
const OVERLAY = 0x794c7630;
const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;

// File systems that hold no files: f_type of statfs(2), as in linux/magic.h.
const KERNEL = new Map([
  [PROC_SUPER_MAGIC, "proc"],
  [0x62656572, "sysfs"],
  [0x1cd1, "devpts"],
  [0x27e0eb, "cgroup"],
  [0x63677270, "cgroup2"],
  [0x64626720, "debugfs"],
  [0x74726163, "tracefs"],
  [0x73636673, "securityfs"],
  [0xcafe4a11, "bpf"],
  [0x6165676c, "pstore"],
  [0xde5e81e4, "efivarfs"],
  [0x19800202, "mqueue"],
  [0x62656570, "configfs"],
  [0x187, "autofs"],
  [0x42494e4d, "binfmt_misc"],
  [0xf97cff8c, "selinuxfs"],
]);

const fileSystem = (fd: number) => fileSystemOf(fd) ?? fail("fstatfs");
/** f_flags of statfs(2), whose bits are those of mount(2). */
const flagsOf = (fd: number) => fileSystem(fd).getUint32(80, true);

/** True if the file system of `fd` (O_PATH is enough) is mounted read-only. */
export function isReadOnly(fd: number): boolean {
  return (flagsOf(fd) & MS_RDONLY) !== 0;
}

/** True if `fd` (O_PATH is enough) is on a mount that is read-only, nosuid and nodev, and with `noexec` that too. */
export function isLimited(fd: number, noexec = false): boolean {
  const all = MS_NOSUID | MS_NODEV | MS_RDONLY | (noexec ? MS_NOEXEC : 0);
  return (flagsOf(fd) & all) === all;
}

/** Restrictions of a mount: mount(8). */
export interface MountRestrictions {
  /** `nodev`: devices cannot be opened. */
  readonly devices: boolean;
  /** `nosuid`: setuid and setgid bits have no effect. */
  readonly setuid: boolean;
}

/** The restrictions of the mount of `fd` (O_PATH is enough). */
export function mountRestrictions(fd: number): MountRestrictions {
  const flags = flagsOf(fd);
  return { devices: (flags & MS_NODEV) !== 0, setuid: (flags & MS_NOSUID) !== 0 };
}

/**
 * The command that changes an option of the mount that a path is on: mount(8). `bind`: of the mount alone, as for "exec",
 * "suid" and "dev", which are no options of a file system. It names the other options of the mount, such as nosuid, which
 * would be lost otherwise.
 */
export function remountCommand(
  option: "exec" | "noexec" | "suid" | "dev" | "rw",
  path: ByteString,
  bind = true,
): Remedy {
  const word = shellWord(path);
  const options = bind
    ? `"remount,bind,$(findmnt -no VFS-OPTIONS -T ${word}),${option}"`
    : `remount,${option}`;
  return `mount -o ${options} "$(findmnt -no TARGET -T ${word})"`;
}

/** True if the file system of a mount (statx(2), stx_mnt_id) can be written, though perhaps not by this mount. */
export function isWritableFileSystem(mountId: bigint): boolean {
  const lines = (hostText("/proc/self/mountinfo", 1 << 26) ?? "").split("\n");
  const [, options = ""] = lines.find((line) => line.startsWith(`${mountId} `))?.split(" - ") ?? [];
  return options.split(" ")[2]?.split(",").includes("rw") ?? false;
}

/** True if the file system of `fd` (O_PATH is enough) is mounted noexec. */
export function isNoexec(fd: number): boolean {
  return (flagsOf(fd) & MS_NOEXEC) !== 0;
}

/** The type of the file system of `fd`: the low 32 bits of f_type of statfs(2). */
export function fileSystemType(fd: number): number {
  return fileSystem(fd).getUint32(0, true);
}

/** The type of the file system of `fd`, such as "proc", if the kernel makes its files up; undefined for all others. */
export function kernelFileSystem(fd: number): string | undefined {
  return KERNEL.get(fileSystemType(fd));
}

/** True for the name of such a type, as fstab(5) has it. */
export const isKernelType = (type: ByteString): boolean => [...KERNEL.values()].includes(type);

// File systems of this machine alone, which change the ctime of a file with each change: f_type, as in linux/magic.h.
const KEEPS_TIMES = new Map([
  [0xef53, "ext4"],
  [0x58465342, "xfs"],
  [0x9123683e, "btrfs"],
  [0xf2f52010, "f2fs"],
  [0xca451a4e, "bcachefs"],
  [0x2fc12fc1, "zfs"],
  [0x01021994, "tmpfs"],
  [OVERLAY, "overlay"],
  [0x73717368, "squashfs"],
  [0xe0f5e1e2, "erofs"],
]);

/** True if the file system of `fd` (O_PATH is enough) shows by the ctime of a file that it changed; not one of a network. */
export function keepsTimes(fd: number): boolean {
  return KEEPS_TIMES.has(fileSystemType(fd));
}

/**
 * True if root's files in the file system of `fd` are certainly those of the machine's root: what FUSE shows, or an overlay of
 * it, is up to the user who mounted it. Throws SystemError.
 */
export function keepsOwners(fd: number): boolean {
  const type = fileSystemType(fd);
  return type !== OVERLAY && KEEPS_TIMES.has(type);
}

/** True for a directory of proc(5). */
export function isProc(fd: number): boolean {
  return fileSystemType(fd) === PROC_SUPER_MAGIC;
}

/**
 * Mounts proc(5) on the directory of `fd` (O_PATH is enough): nosuid, nodev, noexec; read-only, because a client could
 * let a server write its own memory; and hidepid, so that users see only their own processes (Linux 5.8 and later;
 * before, the option applies to the whole machine).
 */
export function mountProc(fd: number): void {
  // By the descriptor: a name could lead elsewhere by then.
  const target = cArgument(`/proc/self/fd/${fd}`);
  const type = cArgument("proc");
  // SAFETY: cArgument holds the three strings.
  check(
    libc.mount(type, target, type, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, cArgument("hidepid=2")),
    "mount",
  );
}

/** The fields of a line of fstab(5); none of a comment or an empty line. */
export function fstabFields(line: ByteString): ByteString[] {
  // Not trim(): a byte of a name may be a blank of another character set.
  const text = line.replace(/^[ \t]+|[ \t\r]+$/g, "");
  return text === "" || text.startsWith("#") ? [] : text.split(/[ \t]+/);
}

/** The directory on which a line of fstab(5) mounts something, which may be written with more slashes, or dots; undefined for none. */
export function fstabPlace(line: ByteString): ByteString | undefined {
  const [, where] = fstabFields(line);
  return where?.startsWith("/") ? normalPath(unescaped(where)) : undefined;
}

/** True if a boot mounts nothing by options of fstab(5), not even when somebody looks there. */
export const isByHand = (options: readonly ByteString[]): boolean =>
  options.includes("noauto") && !options.includes("x-systemd.automount");

/** What a field is in a regular expression of sed(1), between `@`. */
const literal = (field: ByteString) => field.replace(/[\\.*^$[\]@]/g, "\\$&");

/**
 * The command that makes comments of lines of /etc/fstab. It knows them by their text: another command, which is typed first,
 * may take lines out before them.
 */
export function commentOut(lines: readonly ByteString[]): Remedy {
  const texts = new Set(lines.map((line) => fstabFields(line).map(literal).join("\\s\\+")));
  const script = [...texts].map((text) => `s@^\\s*${text}\\s*$@#&@`).join(";");
  return `sed -i ${shellWord(script)} /etc/fstab`;
}

/** The command that unmounts what is on some directories, and keeps the next boot from mounting it by the text of fstab(5). */
export function unmountForGood(places: readonly ByteString[], fstab: ByteString): Remedy {
  const lines = fstab.split("\n").filter((line) => places.includes(fstabPlace(line) ?? ""));
  // One may be in another.
  const unmount: Remedy = `umount ${operands(...places.toSorted().reverse())}`;
  return lines.length === 0 ? unmount : allOf([unmount, commentOut(lines)]);
}

/** A field of fstab(5), with blanks and backslashes as octal numbers. */
export function fstabField(text: ByteString): ByteString {
  return text.replace(/[ \t\n\\]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`);
}

/** The types of mounted file systems by directory, from the text of /proc/self/mounts. Pure. */
export function mountTypes(text: ByteString): Map<ByteString, string> {
  const lines = text.split("\n").map((line) => line.split(" "));
  return new Map(
    lines.map(([, field = "", type = ""]) => [
      field.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8))),
      type,
    ]),
  );
}

/** The text of /proc/self/mounts. Throws SystemError. */
export const mountsText = (): ByteString => hostText("/proc/self/mounts", 1 << 26) ?? "";

const SERVED = /^(?:9p|afs|autofs|ceph|cifs|fuse(?:\..*)?|lustre|nfs4?|orangefs|smb3|smbfs)$/;

/** The directories whose files a program or another machine serves, which may lie or never answer. Throws SystemError. */
export function servedMounts(): Set<ByteString> {
  return new Set([...mountTypes(mountsText())].flatMap(([path, type]) => (SERVED.test(type) ? [path] : [])));
}
