import type * as FFI from "bun:ffi";

// What the module bun:ffi is made of. No start of a program has time for the module itself, which adds little to these
// functions.
const native = (Bun as unknown as { FFI: typeof FFI }).FFI;

export const { ptr, read, toBuffer } = native;

/** FFIType of bun:ffi. */
export const i32 = 5 as FFI.FFIType.i32;
export const u32 = 6 as FFI.FFIType.u32;
export const u64 = 8 as FFI.FFIType.u64;
export const pointer = 12 as FFI.FFIType.ptr;
export const cstring = 14 as FFI.FFIType.cstring;
export const i64_fast = 15 as FFI.FFIType.i64_fast;

// The functions return an error where those of the module throw it.
function checked<T>(result: T): T {
  if (result instanceof Error) throw result;
  return result;
}

/** dlopen of bun:ffi. Throws an error if a name is missing. */
export const dlopen: typeof FFI.dlopen = (library, names) => checked(native.dlopen(library, names));

/** linkSymbols of bun:ffi. */
export const linkSymbols: typeof FFI.linkSymbols = (functions) => checked(native.linkSymbols(functions));
