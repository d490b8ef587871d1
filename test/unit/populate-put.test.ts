import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD, O_RDONLY } from "../../ffi/constants.ts";
import { close, fstat, openAt } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import { putFile } from "../../src/jail/fs/write.ts";
import { codeOf, makeJail, type TestJail } from "./jail-helper.ts";

const attributes = { mode: 0o640, uid: 12, gid: 34, atime: 1n, mtime: 1_000_000_007n };
let jail: TestJail;
beforeAll(() => {
  jail = makeJail();
});
afterAll(() => jail.close());

/** Puts a file of the host's into the jail, as a plan does that has seen nothing there. */
function put(path: string, content: string) {
  const source = `${jail.base}/source`;
  writeFileSync(source, content);
  const fd = openAt(AT_FDCWD, source, O_RDONLY);
  try {
    return putFile(jail.root, path, { fd, size: fstat(fd).size }, attributes, { absent: true });
  } finally {
    close(fd);
  }
}

describe("a file in an empty place", () => {
  // Small and large ones are copied in different ways.
  test.each([0, 1, 65536, 65537, 300_000])("of %d bytes", (size) => {
    const before = libc.umask(0o077);
    const path = `${jail.path}/usr/f${size}`;
    expect(put(`/usr/f${size}`, "x".repeat(size))).toBe("created");
    libc.umask(before);
    expect(readFileSync(path, "latin1")).toBe("x".repeat(size));
    const { mode, uid, gid, mtimeMs } = lstatSync(path);
    expect([mode & 0o7777, uid, gid, Math.floor(mtimeMs)]).toEqual([0o640, 12, 34, 1000]);
    expect(readdirSync(`${jail.path}/usr`).filter((name) => name.startsWith(".jk-"))).toEqual([]);
  });

  test("a file that came there meanwhile stays", () => {
    writeFileSync(`${jail.path}/usr/late`, "late");
    expect(put("/usr/late", "mine")).toBe("kept");
    expect(readFileSync(`${jail.path}/usr/late`, "latin1")).toBe("late");
    mkdirSync(`${jail.path}/usr/directory`);
    expect(codeOf(() => put("/usr/directory", "mine"))).toBe("directory-in-the-way");
    expect(readdirSync(`${jail.path}/usr`).filter((name) => name.startsWith(".jk-"))).toEqual([]);
  });

  test("bytes", () => {
    expect(putFile(jail.root, "/usr/bytes", toBytes("b"), attributes, { absent: true })).toBe("created");
  });
});
