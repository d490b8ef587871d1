import { dlopen, FFIType } from "bun:ffi";
import type { ByteString } from "./bytes.ts";
import { SystemError } from "./error.ts";
import { cArgument, errno } from "./libc.ts";

const { i32, u64, ptr: pointer } = FFIType;

// Apart from ffi/libc.ts: a login, which counts its system calls, needs none of these.
const libc = dlopen("libc.so.6", {
  memcmp: { args: [pointer, pointer, u64], returns: i32 },
  lgetxattr: { args: [pointer, pointer, pointer, u64], returns: i32 },
}).symbols;

/** memcmp(3): whether the first `length` bytes of both are the same. */
export function sameBytes(a: Uint8Array, b: Uint8Array, length: number): boolean {
  return libc.memcmp(a, b, length) === 0;
}

const value = new Uint8Array(256);

/**
 * Whether what stands at `name` in the open directory has this extended attribute; nothing is opened, and no link
 * followed. False where the file system has none, and where /proc is not mounted.
 */
export function hasXattr(dirfd: number, name: ByteString, attribute: ByteString): boolean {
  const path = cArgument(`/proc/self/fd/${dirfd}/${name}`);
  if (libc.lgetxattr(path, cArgument(attribute), value, value.length) >= 0) return true;
  const number = errno();
  // ERANGE: it is there, and longer than the buffer.
  if (number === 34) return true;
  // ENODATA, ENOTSUP, ENOENT, ENOTDIR
  if ([61, 95, 2, 20].includes(number)) return false;
  throw new SystemError(number, "lgetxattr", name);
}
