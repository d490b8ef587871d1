import type { ByteString } from "./bytes.ts";
import * as C from "./constants.ts";
import { SystemError } from "./error.ts";
import { statIfPresent } from "./files.ts";
import { addressOf, cArgument, errno, libc } from "./libc.ts";

// The system call tables; Linux 6.13. glibc 2.41 has no wrapper.
const SYS_getxattrat = 464;
const [ENOENT, ENOTDIR, ERANGE, ENOSYS, ENODATA, EOPNOTSUPP] = [2, 20, 34, 38, 61, 95];

// XATTR_SIZE_MAX: no value is longer.
let value: Uint8Array | undefined;
let request: BigUint64Array | undefined;

/** A value, or that there is none: "unsupported" where the file system knows no such attribute. */
export type XattrReading = Uint8Array | "none" | "unsupported";

/** What a call that gave `size` back has read into `buffer`. */
function readingOf(
  size: number,
  buffer: Uint8Array,
  call: string,
  path: ByteString | undefined,
): XattrReading {
  if (size >= 0) return buffer.slice(0, size);
  const number = errno();
  if (number === ENODATA) return "none";
  if (number === EOPNOTSUPP) return "unsupported";
  throw new SystemError(number, call, path);
}

/** struct xattr_args of linux/xattr.h: the address of the value, its size, and flags. */
function requestFor(buffer: Uint8Array): number {
  request ??= new BigUint64Array(2);
  request[0] = BigInt(addressOf(buffer));
  request[1] = BigInt(buffer.length);
  return addressOf(request);
}

/**
 * The value of an extended attribute of `name` in the open directory, which may be O_PATH ("." for itself); nothing
 * is opened, and no link followed unless `follow`. Before Linux 6.13 this takes /proc:
 * ENOSYS without it. Throws SystemError.
 */
export function xattrAt(
  dirfd: number,
  name: ByteString,
  attribute: ByteString,
  follow = false,
): XattrReading {
  value ??= new Uint8Array(65536);
  if (dirfd !== C.AT_FDCWD) {
    const flags = follow ? 0 : C.AT_SYMLINK_NOFOLLOW;
    const [path, wanted] = [addressOf(cArgument(name)), addressOf(cArgument(attribute))];
    const size = libc.syscall(SYS_getxattrat, dirfd, path, flags, wanted, requestFor(value), 16);
    // A filter of system calls that does not know this one may say C.EPERM, which reading an attribute never gives.
    if (size >= 0 || (errno() !== ENOSYS && errno() !== C.EPERM))
      return readingOf(size, value, "getxattrat", name);
  }
  const path = cArgument(dirfd === C.AT_FDCWD ? name : `/proc/self/fd/${dirfd}/${name}`);
  const get = follow ? libc.getxattr : libc.lgetxattr;
  const size = get(path, cArgument(attribute), value, value.length);
  if (size < 0 && errno() === ENOENT) {
    // What is there all the same cannot be found for want of /proc.
    const there = statIfPresent(dirfd, name, follow) !== undefined;
    throw new SystemError(there ? ENOSYS : ENOENT, there ? "getxattrat" : "getxattr", name);
  }
  return readingOf(size, value, "getxattr", name);
}

/** As xattrAt, of an open file that is not O_PATH. */
export function xattrOf(fd: number, attribute: ByteString): XattrReading {
  value ??= new Uint8Array(65536);
  const size = libc.fgetxattr(fd, cArgument(attribute), value, value.length);
  return readingOf(size, value, "fgetxattr", attribute);
}

/**
 * Whether what stands at `name` in the open directory has this extended attribute; see xattrAt. False where nothing
 * stands there.
 */
export function hasXattr(dirfd: number, name: ByteString, attribute: ByteString): boolean {
  try {
    return typeof xattrAt(dirfd, name, attribute) !== "string";
  } catch (error) {
    if (error instanceof SystemError && [ENOENT, ENOTDIR].includes(error.errno)) return false;
    // It is there, and longer than any value may be.
    if (error instanceof SystemError && error.errno === ERANGE) return true;
    throw error;
  }
}

/** As hasXattr, of an open file that is not O_PATH. */
export function hasXattrOf(fd: number, attribute: ByteString): boolean {
  if (libc.fgetxattr(fd, cArgument(attribute), null, 0) >= 0) return true;
  if (errno() === ENODATA || errno() === EOPNOTSUPP) return false;
  throw new SystemError(errno(), "fgetxattr", attribute);
}

/** Takes an extended attribute away from an open file; false where it had none. */
export function removeXattr(fd: number, attribute: ByteString): boolean {
  if (libc.fremovexattr(fd, cArgument(attribute)) >= 0) return true;
  if (errno() === ENODATA || errno() === EOPNOTSUPP) return false;
  throw new SystemError(errno(), "fremovexattr", attribute);
}

/** As removeXattr, of what an O_PATH descriptor is: by way of /proc, whose link cannot be exchanged. */
export function removeXattrOfPath(fd: number, attribute: ByteString): boolean {
  if (libc.removexattr(cArgument(`/proc/self/fd/${fd}`), cArgument(attribute)) >= 0) return true;
  if (errno() === ENODATA || errno() === EOPNOTSUPP) return false;
  throw new SystemError(errno(), "removexattr", attribute);
}
