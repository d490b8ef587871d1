import { dlopen, FFIType } from "bun:ffi";

const { i32, u64, ptr: pointer } = FFIType;

// Not in ffi/libc.ts, since a login does not need it.
const libc = dlopen("libc.so.6", {
  memcmp: { args: [pointer, pointer, u64], returns: i32 },
}).symbols;

/** memcmp(3): whether the first `length` bytes of both are equal. */
export function sameBytes(a: Uint8Array, b: Uint8Array, length: number): boolean {
  if (length > a.length || length > b.length) throw new RangeError("sameBytes: too long");
  // SAFETY: the caller's arrays have `length` bytes.
  return libc.memcmp(a, b, length) === 0;
}
