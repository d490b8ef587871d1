/** ffi/native.ts is the part of bun:ffi that a login uses. */
import { FFIType } from "bun:ffi";
import { expect, test } from "bun:test";
import { cstring, dlopen, i32, i64_fast, linkSymbols, pointer, u32, u64 } from "../../ffi/native.ts";

test("the types are those of bun:ffi", () => {
  const types: number[] = [i32, u32, u64, pointer, cstring, i64_fast];
  const { i32: a, u32: b, u64: c, ptr: d, cstring: e, i64_fast: f } = FFIType;
  expect(types).toEqual([a, b, c, d, e, f]);
});

test("what cannot be opened or linked is an error", () => {
  expect(() => dlopen("libc.so.6", { no_such_name: { args: [], returns: i32 } })).toThrow("no_such_name");
  expect(() => dlopen("/nonexistent", { getpid: { args: [], returns: i32 } })).toThrow();
  const bad = { f: { args: [], returns: i32 } } as unknown as Parameters<typeof linkSymbols>[0];
  expect(() => linkSymbols(bad)).toThrow("ptr");
});
