import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { copyContents } from "../../ffi/copy.ts";

const K = 1 << 10;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync("/dev/shm/jailkit-copy-");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A file of that size with these pieces of data, offset and length. */
function make(size: number, pieces: readonly (readonly [number, number])[]): number {
  const fd = openSync(`${folder}/from`, "w+");
  ftruncateSync(fd, size);
  for (const [offset, length] of pieces)
    writeSync(fd, Buffer.alloc(length, 1 + (offset % 250)), 0, length, offset);
  return fd;
}

function copy(from: number, size: number): { copied: number; taken: number } {
  const to = openSync(`${folder}/to`, "wx");
  const copied = copyContents(from, to, size);
  closeSync(to);
  closeSync(from);
  return { copied, taken: statSync(`${folder}/to`).blocks * 512 };
}

const same = () => readFileSync(`${folder}/from`).equals(readFileSync(`${folder}/to`));

test.each([
  ["only holes", 1024 * K, [], 0],
  ["a hole first", 1024 * K, [[512 * K, 512 * K]], 512 * K],
  ["a hole last", 1024 * K, [[0, 100 * K]], 100 * K],
  [
    "data that ends amid a block",
    1024 * K + 5,
    [
      [3, 7],
      [700 * K + 1, 9000],
    ],
    24 * K,
  ],
  ["no hole", 256 * K, [[0, 256 * K]], 256 * K],
  ["little", 60 * K, [[40 * K, 10]], 60 * K],
  ["nothing", 0, [], 0],
] as const)("holes are copied as holes: %s", (_, size, pieces, most) => {
  const { copied, taken } = copy(make(size, pieces), size);
  expect([copied, same()]).toEqual([size, true]);
  expect(taken).toBeLessThanOrEqual(most + 4 * K);
});

test("a size of 0 is not believed", () => {
  const from = openSync("/proc/self/status", "r");
  expect(copy(from, 0).copied).toBeGreaterThan(100);
});

test("a file that grew from empty is not copied until the disk is full", () => {
  const from = make(2 ** 40, [[0, 4 * K]]);
  const to = openSync(`${folder}/to`, "wx");
  expect(() => copyContents(from, to, 0)).toThrow("File too large");
  expect(statSync(`${folder}/to`).size).toBeLessThan(1 << 27);
  closeSync(to);
  closeSync(from);
});

test("a file with an offset beyond the largest number is refused, and not truncated", () => {
  const from = make(1, []);
  const end = 2n ** 53n + 1n;
  // The file system may hold it or not; what fstat(2) says of it is a rounded number.
  expect(() => copy(from, Number(end))).toThrow("File too large");
});

test.each([
  ["data", [[0, 300 * K]]],
  ["a hole", [[0, 4 * K]]],
] as const)("a source that became shorter is reported if %s was missing", (_, pieces) => {
  const size = 400 * K;
  const from = make(300 * K, pieces);
  expect(copy(from, size).copied).toBeLessThan(size);
});

test("a source that grows is copied at its earlier length", () => {
  const from = make(300 * K, [[0, 300 * K]]);
  expect(copy(from, 100 * K).copied).toBe(100 * K);
  expect(statSync(`${folder}/to`).size).toBe(100 * K);
});
