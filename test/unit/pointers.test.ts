/** The rule of SAFETY notes, which build/check-structure.ts applies to ffi/ and src/. */
import { expect, test } from "bun:test";
import { readNative, unnotedPointers } from "../../build/pointers.ts";

const native = readNative([
  `const libc = dlopen("libc.so.6", {
  read: { args: [i32, pointer, u64], returns: i32 },
  close: { args: [i32], returns: i32 },
}).symbols;
/** A path. SAFETY: held here. */
export function cArgument(text: string): Uint8Array {}
/** An address. SAFETY: held here. */
export function addressOf(buffer: Uint8Array): number {}
`,
]);

test.each([
  ["libc.read(fd, buffer, 1);", [1]],
  ["libc.read(fd, null, 0);", []],
  ["libc.close(fd);", []],
  ["// SAFETY: held.\nlibc.read(fd, buffer, 1);", []],
  ["// SAFETY: held.\n\n\n\nlibc.read(fd, buffer, 1);", [5]],
  ["// SAFETY: held.\nconst count = check(\n  other,\n  more,\n  libc.read(fd, buffer, 1),\n);", []],
  ["libc.read(fd, cArgument(path), 1);", []],
  ["base.read(fd, cString(path), 1);", [1]],
  ["libc.syscall(1, addressOf(buffer), 2);", []],
  ["libc.syscall(1, other(addressOf(buffer)), 2);", []],
  ["const kept = addressOf(buffer);", [1]],
  ["start(addressOf(buffer));", [1]],
  ["// SAFETY: held.\nstart(addressOf(buffer));", []],
  ["libc[call](buffer);", [1]],
  ["const { read } = libc;\nread(fd, buffer, 1);", [2]],
  ["const bytes = toBuffer(address, 0, 8);", [1]],
  ["const word = read.u64(address);", [1]],
  ['import { addressOf } from "./libc.ts";', []],
])("%j", (text, lines) => {
  expect(unnotedPointers(text, native)).toEqual(lines);
});
