import type { ByteString } from "../../ffi/bytes.ts";
import { cArgument, check, fail, libc } from "../../ffi/libc.ts";
import { fileSystemOf } from "../../ffi/statfs.ts";

// statfs(2), mount(2)
const PROC_SUPER_MAGIC = 0x9fa0;
const MS_RDONLY = 1;
const MS_NOSUID = 2;
const MS_NODEV = 4;
const MS_NOEXEC = 8;

/** Whether what `fd` is on is mounted so that nothing can be written: ST_RDONLY in f_flags of statfs(2). */
export function isReadOnly(fd: number): boolean {
  return (requireFileSystemOf(fd).getUint32(80, true) & 1) !== 0;
}

/** What the mount that something is on takes away from it: mount(8). */
export interface MountRestrictions {
  /** `nodev`: devices cannot be opened. */
  readonly devices: boolean;
  /** `nosuid`: setuid and setgid bits have no effect. */
  readonly setuid: boolean;
}

/** What the mount that `fd` is on withholds: ST_NODEV and ST_NOSUID in f_flags of statfs(2). O_PATH will do. */
export function mountRestrictions(fd: number): MountRestrictions {
  const flags = requireFileSystemOf(fd).getUint32(80, true);
  return { devices: (flags & MS_NODEV) !== 0, setuid: (flags & MS_NOSUID) !== 0 };
}

/** Whether the kernel executes nothing on the file system that `fd` is on: ST_NOEXEC in f_flags. */
export function isNoexec(fd: number): boolean {
  return (requireFileSystemOf(fd).getUint32(80, true) & MS_NOEXEC) !== 0;
}

/** The type of the file system that `fd` is on: f_type of statfs(2), its low 32 bits. */
export function fileSystemType(fd: number): number {
  return requireFileSystemOf(fd).getUint32(0, true);
}

function requireFileSystemOf(fd: number): DataView {
  return fileSystemOf(fd) ?? fail("fstatfs");
}

/** True where the directory that `fd` is belongs to a mounted proc(5). */
export function isProc(fd: number): boolean {
  return fileSystemType(fd) === PROC_SUPER_MAGIC;
}

/**
 * Mounts proc(5) on the directory that `fd` is (O_PATH will do), without setuid programs, devices and programs; so that
 * nothing there can be written: a server that writes where its client says could be told to write its own memory; and so
 * that users see no processes but their own, from Linux 5.8 on (before that, the option is for all of the machine, and
 * the kernel lets a second mount not change it).
 */
export function mountProc(fd: number): void {
  // By way of the descriptor: a name could lead elsewhere by the time it is used.
  const target = cArgument(`/proc/self/fd/${fd}`);
  const type = cArgument("proc");
  // SAFETY: cArgument holds the three strings.
  check(
    libc.mount(type, target, type, MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, cArgument("hidepid=2")),
    "mount",
  );
}

/** A field of fstab(5): blanks and backslashes are written as octal numbers. */
export function fstabField(text: ByteString): ByteString {
  return text.replace(/[ \t\n\\]/g, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, "0")}`);
}
