import { type ByteString, fromBytes } from "./bytes.ts";
import * as C from "./constants.ts";
import { SystemError } from "./error.ts";
import { statIfPresent } from "./files.ts";
import { addressOf, cArgument, check, errno, libc, syscall } from "./libc.ts";

// Linux 6.13; glibc 2.41 has no wrapper.
const SYS_getxattrat = 464;

// No value, and no list of names, is longer: XATTR_SIZE_MAX, XATTR_LIST_MAX.
const LONGEST = 65536;
let buffer: Uint8Array | undefined;
const space = () => {
  buffer ??= new Uint8Array(LONGEST);
  return buffer;
};
// struct xattr_args: the address of the value, its size, and flags.
const request = new BigUint64Array(2);

/** A value, or "none", or "unsupported" if the file system has no such attributes. */
export type XattrReading = Uint8Array | "none" | "unsupported";

function readingOf(size: number, call: string, path: ByteString | undefined): XattrReading {
  if (size >= 0) return space().slice(0, size);
  const number = errno();
  if (number === C.ENODATA) return "none";
  if (number === C.EOPNOTSUPP) return "unsupported";
  throw new SystemError(number, call, path);
}

/** getxattrat(2): -1, with errno, or the size of the value in the buffer. */
function getxattrat(dirfd: number, name: ByteString, attribute: ByteString, flags: number): number {
  // SAFETY: this module holds both.
  request[0] = BigInt(addressOf(space()));
  request[1] = BigInt(LONGEST);
  const [path, key] = [addressOf(cArgument(name)), addressOf(cArgument(attribute))];
  return syscall(SYS_getxattrat, dirfd, path, flags, key, addressOf(request), request.byteLength);
}

/**
 * The value of an extended attribute of `name` in the open directory, which may be O_PATH ("." for itself). Opens
 * nothing, and follows a symbolic link only with `follow`. Before Linux 6.13 it needs /proc: ENOSYS without it. Throws
 * SystemError.
 */
export function xattrAt(
  dirfd: number,
  name: ByteString,
  attribute: ByteString,
  follow = false,
): XattrReading {
  if (dirfd !== C.AT_FDCWD) {
    const size = getxattrat(dirfd, name, attribute, follow ? 0 : C.AT_SYMLINK_NOFOLLOW);
    // A filter of system calls that does not know this one may return EPERM, which reading an attribute never does.
    if (size >= 0 || (errno() !== C.ENOSYS && errno() !== C.EPERM))
      return readingOf(size, "getxattrat", name);
  }
  const path = cArgument(dirfd === C.AT_FDCWD ? name : `/proc/self/fd/${dirfd}/${name}`);
  const get = follow ? libc.getxattr : libc.lgetxattr;
  // SAFETY: cArgument holds `path`; at most LONGEST bytes of the module's buffer are written.
  const size = get(path, cArgument(attribute), space(), LONGEST);
  if (size < 0 && errno() === C.ENOENT) {
    // A file that exists cannot be reached without /proc.
    const exists = statIfPresent(dirfd, name, follow) !== undefined;
    throw new SystemError(exists ? C.ENOSYS : C.ENOENT, exists ? "getxattrat" : "getxattr", name);
  }
  return readingOf(size, "getxattr", name);
}

/** As xattrAt, of an open file that is not O_PATH. */
export function xattrOf(fd: number, attribute: ByteString): XattrReading {
  // SAFETY: at most LONGEST bytes of the module's buffer are written.
  const size = libc.fgetxattr(fd, cArgument(attribute), space(), LONGEST);
  return readingOf(size, "fgetxattr", attribute);
}

/** The value of an extended attribute of an open file that is not O_PATH; undefined if it has none. */
export function getXattr(fd: number, attribute: ByteString): Uint8Array | undefined {
  const reading = xattrOf(fd, attribute);
  return typeof reading === "string" ? undefined : reading;
}

/** The names of the extended attributes of an open file; none if the file system has no such attributes. */
export function listXattrs(fd: number): ByteString[] {
  const size = libc.flistxattr(fd, null, 0);
  if (size < 0 && errno() === C.EOPNOTSUPP) return [];
  if (check(size, "flistxattr") === 0) return [];
  // SAFETY: at most LONGEST bytes of the module's buffer are written.
  const used = check(libc.flistxattr(fd, space(), LONGEST), "flistxattr");
  return fromBytes(space(), 0, used).split("\0").slice(0, -1);
}

/** Sets an extended attribute of an open file. */
export function setXattr(fd: number, attribute: ByteString, value: Uint8Array): void {
  // bun:ffi passes no pointer to an empty array.
  const bytes = value.length === 0 ? new Uint8Array(1) : value;
  // SAFETY: exactly the bytes of the caller's `value` are read.
  check(libc.fsetxattr(fd, cArgument(attribute), bytes, value.length, 0), "fsetxattr", attribute);
}

/** Whether `name` in the open directory has this extended attribute (see xattrAt); false if there is no such name. */
export function hasXattr(dirfd: number, name: ByteString, attribute: ByteString): boolean {
  try {
    return typeof xattrAt(dirfd, name, attribute) !== "string";
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (error.errno === C.ENOENT || error.errno === C.ENOTDIR) return false;
    // The attribute exists, and is longer than a value may be.
    if (error.errno === C.ERANGE) return true;
    throw error;
  }
}

/** What a call on an extended attribute returned: false if there is no such attribute. Throws SystemError. */
function found(result: number, call: string, attribute: ByteString): boolean {
  if (result >= 0) return true;
  const number = errno();
  if (number === C.ENODATA || number === C.EOPNOTSUPP) return false;
  throw new SystemError(number, call, attribute);
}

/** As hasXattr, of an open file that is not O_PATH. */
export function hasXattrOf(fd: number, attribute: ByteString): boolean {
  return found(libc.fgetxattr(fd, cArgument(attribute), null, 0), "fgetxattr", attribute);
}

/** Removes an extended attribute of an open file; false if it has none. */
export function removeXattr(fd: number, attribute: ByteString): boolean {
  return found(libc.fremovexattr(fd, cArgument(attribute)), "fremovexattr", attribute);
}

/** As removeXattr, of an O_PATH descriptor, through /proc, whose link cannot be exchanged. */
export function removeXattrOfPath(fd: number, attribute: ByteString): boolean {
  const path = `/proc/self/fd/${fd}`;
  return found(libc.removexattr(cArgument(path), cArgument(attribute)), "removexattr", attribute);
}
