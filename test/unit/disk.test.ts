import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { AT_FDCWD, O_RDONLY, S_IFREG } from "../../ffi/constants.ts";
import { type Extent, extentsOf, usageAt } from "../../ffi/extents.ts";
import { close, fstat, openAt } from "../../ffi/files.ts";
import { addUp, collectInodes, type Inode, newLedger } from "../../src/jails/disk.ts";
import { fileSystemType } from "../../src/system/mounts.ts";
import { makeJail, type TestJail, USER } from "./jail-helper.ts";

const K = 1024;

/** An inode of `size` bytes with extents at these places of the disk; "+" says that others have them too. */
function inode(
  ino: number,
  size: number,
  places: readonly string[] | undefined,
  more: object = {},
): [string, Inode] {
  const extents = places?.map((text): Extent => {
    const [from = 0, length = 0] = text.replace("+", "").split("-").map(Number);
    return {
      physical: BigInt(from * K),
      length: BigInt(length * K),
      shared: text.endsWith("+"),
      placeless: false,
    };
  });
  const usage = {
    ...{
      mode: S_IFREG | 0o644,
      uid: 0,
      nlink: 1,
      size,
      mtime: 0n,
      ino: BigInt(ino),
      devMajor: 8,
      devMinor: 1,
      mountId: 1n,
    },
    ...{ birth: undefined, allocated: size },
    ...more,
  };
  return [`8:1:${ino}`, { usage, names: 1, extents }];
}

describe("the space that files take together", () => {
  test("extents shared with other files are counted separately, and once", () => {
    const inodes = new Map([
      inode(1, 100 * K, ["0-100"]),
      inode(2, 60 * K, ["100-40+", "140-20"]),
      inode(3, 40 * K, ["100-40+"]),
    ]);
    const use = addUp(inodes, newLedger());
    expect(use).toMatchObject({ files: 3, allocated: 160 * K, shared: 40 * K, own: 120 * K, linked: 0 });
    expect(use.apparent).toBe(200 * K);
    expect(use.sharingKnown).toBe(true);
  });

  test("across two jails too, for extents and inodes", () => {
    const ledger = newLedger();
    const first = addUp(new Map([inode(1, 10 * K, ["0-10+"]), inode(2, 5 * K, ["50-5"])]), ledger);
    const second = addUp(new Map([inode(3, 10 * K, ["0-10+"]), inode(2, 5 * K, ["50-5"])]), ledger);
    expect([first.allocated, second.allocated]).toEqual([15 * K, 0]);
    expect(second.own).toBe(0);
  });

  test("an inode with names elsewhere does not count as the jail's own", () => {
    const use = addUp(
      new Map([inode(1, 8 * K, undefined, { nlink: 2 }), inode(2, 4 * K, undefined)]),
      newLedger(),
    );
    expect(use).toMatchObject({ allocated: 12 * K, linked: 8 * K, own: 4 * K, sharingKnown: false });
  });

  test("a compressed file takes less than the length of its extents", () => {
    const use = addUp(new Map([inode(1, 100 * K, ["0-100+"], { allocated: 25 * K })]), newLedger());
    expect(use).toMatchObject({ allocated: 25 * K, shared: 25 * K, own: 0 });
  });

  test("the users' share", () => {
    const use = addUp(
      new Map([inode(1, 8 * K, ["0-8"], { uid: USER }), inode(2, 4 * K, ["8-4"])]),
      newLedger(),
    );
    expect(use).toMatchObject({ own: 12 * K, users: 8 * K });
  });
});

describe("a real tree", () => {
  let jail: TestJail;
  beforeAll(() => {
    jail = makeJail();
  });
  afterAll(() => jail.close());

  test("is measured without following symbolic links, each inode once", () => {
    const { inodes } = collectInodes(jail.root);
    const before = addUp(inodes, newLedger());
    writeFileSync(`${jail.path}/usr/a`, Buffer.alloc(64 * K, 1));
    linkSync(`${jail.path}/usr/a`, `${jail.path}/usr/b`);
    truncateSync(`${jail.path}/usr/a`, 64 * K);
    writeFileSync(`${jail.path}/usr/holes`, "");
    truncateSync(`${jail.path}/usr/holes`, 1 << 20);
    mkdirSync(`${jail.base}/outside`);
    writeFileSync(`${jail.base}/outside/large`, Buffer.alloc(256 * K, 1));
    symlinkSync(`${jail.base}/outside`, `${jail.path}/usr/link`);
    const collected = collectInodes(jail.root);
    const after = addUp(collected.inodes, newLedger());
    expect(after.allocated - before.allocated).toBe(64 * K);
    expect(after.apparent - before.apparent).toBeGreaterThan(1 << 20);
    expect(after.files - before.files).toBe(3);
    expect(after.linked).toBe(0);
    linkSync(`${jail.path}/usr/a`, `${jail.base}/outside/a`);
    expect(addUp(collectInodes(jail.root).inodes, newLedger()).linked).toBe(64 * K);
    expect(collected).toMatchObject({ mounts: [], unread: 0 });
  });
});

describe("extents", () => {
  test("of a file, if the file system reports them", () => {
    const told: boolean[] = [];
    for (const base of ["/var/tmp", "/dev/shm"]) {
      const folder = mkdtempSync(`${base}/jailkit-extents-`);
      const path = `${folder}/file`;
      try {
        writeFileSync(path, Buffer.alloc(256 * K, 7), { flush: true });
        const fd = openAt(AT_FDCWD, path, O_RDONLY);
        const extents = extentsOf(fd);
        const TMPFS_MAGIC = 0x01021994;
        expect(extents === undefined).toBe(fileSystemType(fd) === TMPFS_MAGIC);
        told.push(extents !== undefined);
        const length = extents?.reduce((sum, extent) => sum + Number(extent.length), 0) ?? 256 * K;
        expect(length).toBeGreaterThanOrEqual(256 * K);
        expect(usageAt(AT_FDCWD, path)).toMatchObject({ size: 256 * K, ino: fstat(fd).ino, nlink: 1 });
        close(fd);
      } finally {
        rmSync(folder, { recursive: true });
      }
    }
    expect(told).toContain(false);
  });
});
