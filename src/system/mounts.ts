import type { ByteString } from "../../ffi/bytes.ts";
import { cArgument, check, fail, libc } from "../../ffi/libc.ts";
import { fileSystemOf } from "../../ffi/statfs.ts";

// statfs(2), mount(2)
const PROC_SUPER_MAGIC = 0x9fa0;
const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;

// File systems that hold no files: f_type of statfs(2), as in linux/magic.h.
const KERNEL: Readonly<Record<number, string>> = {
  40864: "proc",
  1650812274: "sysfs",
  7377: "devpts",
  2613483: "cgroup",
  1667723888: "cgroup2",
  1684170528: "debugfs",
  1953653091: "tracefs",
  1935894131: "securityfs",
  3405662737: "bpf",
  1634035564: "pstore",
  3730735588: "efivarfs",
  427819522: "mqueue",
  1650812272: "configfs",
  391: "autofs",
  1112100429: "binfmt_misc",
  4185718668: "selinuxfs",
};

/** True if the file system of `fd` is mounted read-only: ST_RDONLY in f_flags of statfs(2). */
export function isReadOnly(fd: number): boolean {
  return (requireFileSystemOf(fd).getUint32(80, true) & 1) !== 0;
}

/** Restrictions of a mount: mount(8). */
export interface MountRestrictions {
  /** `nodev`: devices cannot be opened. */
  readonly devices: boolean;
  /** `nosuid`: setuid and setgid bits have no effect. */
  readonly setuid: boolean;
}

/** The restrictions of the mount of `fd` (O_PATH is enough): ST_NODEV and ST_NOSUID in f_flags of statfs(2). */
export function mountRestrictions(fd: number): MountRestrictions {
  const flags = requireFileSystemOf(fd).getUint32(80, true);
  return { devices: (flags & MS_NODEV) !== 0, setuid: (flags & MS_NOSUID) !== 0 };
}

/** True if the file system of `fd` is mounted noexec: ST_NOEXEC in f_flags. */
export function isNoexec(fd: number): boolean {
  return (requireFileSystemOf(fd).getUint32(80, true) & MS_NOEXEC) !== 0;
}

/** The type of the file system of `fd`: the low 32 bits of f_type of statfs(2). */
export function fileSystemType(fd: number): number {
  return requireFileSystemOf(fd).getUint32(0, true);
}

/** The type of the file system of `fd`, such as "proc", if the kernel makes its files up; undefined for all others. */
export function kernelFileSystem(fd: number): string | undefined {
  return KERNEL[fileSystemType(fd)];
}

function requireFileSystemOf(fd: number): DataView {
  return fileSystemOf(fd) ?? fail("fstatfs");
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

/** A field of fstab(5), with blanks and backslashes as octal numbers. */
export function fstabField(text: ByteString): ByteString {
  return text.replace(/[ \t\n\\]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
