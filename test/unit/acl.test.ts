import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { AT_FDCWD, O_DIRECTORY, O_PATH } from "../../ffi/constants.ts";
import { close, openAt } from "../../ffi/files.ts";
import { libc } from "../../ffi/libc.ts";
import {
  type AclReading,
  aclAt,
  aclOf,
  inheritedEntries,
  modeBesideAcl,
  modeWithoutAcl,
  parseAcl,
  removalCommand,
  showEntries,
  writersOf,
} from "../../src/system/acl.ts";
import { grantsAt, grantsOf, namesAnyone } from "../../src/system/grants.ts";

/** The value of an ACL's attribute: linux/posix_acl_xattr.h. */
function encoded(
  entries: readonly (readonly [tag: number, permissions: number, id?: number])[],
  version = 2,
) {
  const bytes = Buffer.alloc(4 + 8 * entries.length);
  bytes.writeUInt32LE(version, 0);
  entries.forEach(([tag, permissions, id = 0xffffffff], index) => {
    bytes.writeUInt16LE(tag, 4 + 8 * index);
    bytes.writeUInt16LE(permissions, 6 + 8 * index);
    bytes.writeUInt32LE(id, 8 + 8 * index);
  });
  return bytes;
}

const [OWNER, USER, GROUP_OF_FILE, GROUP, MASK, OTHER] = [1, 2, 4, 8, 16, 32] as const;
const plain = [
  [OWNER, 7],
  [GROUP_OF_FILE, 5],
  [OTHER, 4],
] as const;

describe("parseAcl", () => {
  test("named entries, as the mask leaves them", () => {
    const bytes = encoded([
      ...plain,
      [USER, 7, 1234],
      [USER, 7, 0],
      [GROUP, 6, 50],
      [GROUP, 7, 0],
      [MASK, 3],
    ]);
    expect(parseAcl(bytes)).toEqual({
      group: 1,
      named: [
        { tag: "u", id: 1234, permissions: 7, effective: 3 },
        { tag: "g", id: 50, permissions: 6, effective: 2 },
      ],
    });
    expect(parseAcl(encoded(plain))).toEqual({ group: 5, named: [] });
    // At another offset than 0 of its buffer.
    expect(parseAcl(Buffer.concat([Buffer.alloc(3), encoded(plain)]).subarray(3))).toEqual({
      group: 5,
      named: [],
    });
    const many = Array.from({ length: 8000 }, (_, id) => [USER, 2, id + 1] as const);
    expect(parseAcl(encoded([...plain, ...many, [MASK, 7]]))?.named.length).toBe(8000);
  });
  test.each([
    ["nothing", Buffer.alloc(0)],
    ["no entry", encoded([])],
    ["another version", encoded(plain, 1)],
    ["half an entry", encoded(plain).subarray(0, -1)],
    ["more than an entry", Buffer.concat([encoded(plain), Buffer.alloc(4)])],
    ["an unknown tag", encoded([...plain, [64, 0]])],
    ["two tags in one", encoded([...plain, [OTHER | MASK, 0]])],
    ["permissions that are none", encoded([...plain, [MASK, 8]])],
    ["no owner", encoded(plain.slice(1))],
    ["no group", encoded([plain[0], plain[2]])],
    ["no others", encoded(plain.slice(0, 2))],
    ["two groups", encoded([...plain, [GROUP_OF_FILE, 7]])],
    ["two masks", encoded([...plain, [MASK, 7], [MASK, 0]])],
    ["a user, and no mask", encoded([...plain, [USER, 7, 5]])],
    ["a group, and no mask", encoded([...plain, [GROUP, 7, 5]])],
  ])("refuses %s", (_, bytes) => {
    expect(parseAcl(bytes)).toBeUndefined();
  });
});

test("the mode that a copy may have", () => {
  const acl = (group: number): AclReading => ({ group, named: [] });
  expect(modeWithoutAcl(0o100660, acl(4))).toBe(0o100640);
  expect(modeWithoutAcl(0o106777, acl(0))).toBe(0o106707);
  expect(modeWithoutAcl(0o660, "none")).toBe(0o660);
  // What cannot be told must not come into a copy, but may be so where it stands.
  expect([0o660, 0o664, 0o755, 0o2750, 0o002].map((mode) => modeWithoutAcl(mode, "unknown"))).toEqual([
    0o600, 0o644, 0o755, 0o2700, 0o002,
  ]);
  for (const reading of ["none", "unknown"] as const) expect(modeBesideAcl(0o660, reading)).toBe(0o660);
  expect(modeBesideAcl(0o100660, acl(4))).toBe(0o100640);
  expect(writersOf("unknown")).toEqual([]);
  expect([namesAnyone("unknown"), namesAnyone("none"), namesAnyone(acl(7))]).toEqual([true, false, false]);
});

test("entries are shown and removed in the syntax of setfacl(1)", () => {
  const entry = (id: number) => ({ tag: "u", id, permissions: 6, effective: 6 }) as const;
  const group = { tag: "g", id: 9, permissions: 1, effective: 0 } as const;
  expect(showEntries([entry(1), group])).toBe("u:1:rw-, g:9:--x");
  expect(showEntries([1, 2, 3, 4, 5].map(entry))).toBe("u:1:rw-, u:2:rw-, u:3:rw- and 2 more");
  expect(removalCommand([entry(1), group])).toBe("setfacl -x u:1,g:9");
  expect(removalCommand([entry(1), group], true)).toBe("setfacl -x d:u:1,d:g:9");
  expect(removalCommand([1, 2, 3, 4].map(entry))).toBe("setfacl -b");
  expect(removalCommand([1, 2, 3, 4].map(entry), true)).toBe("setfacl -k");
});

describe("an ACL that cannot be read", () => {
  const real = libc.lgetxattr;
  afterEach(() => {
    libc.lgetxattr = real;
  });
  /** Answers in the place of lgetxattr(2). */
  function answer(values: Record<string, Uint8Array>): AclReading {
    libc.lgetxattr = ((_path, attribute, buffer, size) => {
      const value =
        values[
          Buffer.from(attribute as Uint8Array)
            .toString("latin1")
            .split("\0")[0] ?? ""
        ];
      // A link has no such attribute: EOPNOTSUPP.
      if (value === undefined) return real(Buffer.from("/proc/self/exe\0"), attribute, buffer, size);
      (buffer as Uint8Array).set(value);
      return value.length;
    }) as typeof real;
    return aclAt(AT_FDCWD, "/");
  }
  test("does not count as none: an invalid value, and the ACL of a file server", () => {
    expect(answer({})).toBe("none");
    expect(answer({ "system.posix_acl_access": encoded(plain) })).toEqual({ group: 5, named: [] });
    expect(answer({ "system.posix_acl_access": encoded(plain, 3) })).toBe("unknown");
    expect(answer({ "system.nfs4_acl": new Uint8Array(4) })).toBe("unknown");
  });
});

describe("the kernel's", () => {
  let path: string;
  beforeEach(() => {
    path = mkdtempSync("/dev/shm/jailkit-acl-");
    mkdirSync(`${path}/d`);
    writeFileSync(`${path}/f`, "");
  });
  afterEach(() => rmSync(path, { recursive: true }));
  const run = (...words: string[]) => {
    const { exitCode, stderr } = Bun.spawnSync(words, { cwd: path });
    if (exitCode !== 0) throw new Error(`${words.join(" ")}: ${stderr}`);
  };
  const mode = (name: string) => statSync(`${path}/${name}`).mode & 0o777;
  const mallory = { tag: "u", id: 1234, permissions: 7, effective: 7 } as const;

  test("ACL is read in every way", () => {
    for (const name of ["d", "f"]) run("setfacl", "-m", "u:1234:rwx", name);
    const top = openAt(AT_FDCWD, path, O_PATH | O_DIRECTORY);
    const directory = openAt(AT_FDCWD, `${path}/d`, O_PATH | O_DIRECTORY);
    const file = openSync(`${path}/f`, "r");
    const expected = { group: 5, named: [mallory] };
    expect([aclAt(top, "d"), aclAt(directory, "."), aclAt(AT_FDCWD, `${path}/d`)]).toEqual([
      expected,
      expected,
      expected,
    ]);
    expect([aclAt(top, "f"), aclOf(file)]).toEqual([
      { group: 4, named: [mallory] },
      { group: 4, named: [mallory] },
    ]);
    // What an O_PATH descriptor of a file cannot tell is not taken for none.
    expect([aclAt(top, "."), aclAt(top, "missing"), aclOf(directory)]).toEqual([
      "none",
      "unknown",
      "unknown",
    ]);
    for (const fd of [top, directory]) close(fd);
    closeSync(file);
  });
  test("ACL is read before Linux 6.13 too, through /proc", () => {
    run("setfacl", "-m", "u:1234:rwx", "d");
    run("ln", "-s", "d", "link");
    const top = openAt(AT_FDCWD, path, O_PATH | O_DIRECTORY);
    const { syscall } = libc;
    const calls: number[] = [];
    // ENOSYS, as an older kernel says: this number is none of any kernel.
    libc.syscall = ((number, ...rest) => {
      calls.push(Number(number));
      return syscall(9999, ...rest);
    }) as typeof syscall;
    try {
      expect(aclAt(top, "d")).toEqual({ group: 5, named: [mallory] });
      expect(aclAt(top, "link")).toBe("none");
      expect(aclAt(top, "link", true)).toEqual({ group: 5, named: [mallory] });
      expect(aclAt(top, ".")).toBe("none");
    } finally {
      libc.syscall = syscall;
      close(top);
    }
    expect(new Set(calls)).toEqual(new Set([464]));
  });
  test("mask is shown by the group's bits, so without a w there no named user may write", () => {
    for (const name of ["d", "f"]) {
      run("setfacl", "-m", "u:1234:rwx,g:50:rw", name);
      expect([name, mode(name) & 0o070]).toEqual([name, 0o070]);
      chmodSync(`${path}/${name}`, mode(name) & ~0o020);
      expect([name, writersOf(aclAt(AT_FDCWD, `${path}/${name}`))]).toEqual([name, []]);
      // And back, as the entries are still there.
      chmodSync(`${path}/${name}`, mode(name) | 0o020);
      expect(writersOf(aclAt(AT_FDCWD, `${path}/${name}`)).length).toBe(2);
    }
  });
  test("ACL is removed by the advised command", () => {
    run("setfacl", "-m", "u:1234:rwx,g:50:r-x,d:u:1234:rwx", "d");
    const reading = aclAt(AT_FDCWD, `${path}/d`);
    if (typeof reading === "string") throw new Error(reading);
    run(...removalCommand(reading.named).split(" "), "d");
    // The mask stays, and masks nothing.
    expect([aclAt(AT_FDCWD, `${path}/d`), mode("d")]).toEqual([{ group: 5, named: [] }, 0o755]);
    const fd = openSync(`${path}/d`, "r");
    run(...removalCommand(inheritedEntries(fd), true).split(" "), "d");
    expect(inheritedEntries(fd)).toEqual([]);
    closeSync(fd);
  });
  test("file grants what the kernel reports", () => {
    const file = openSync(`${path}/f`, "r");
    const both = () => [grantsAt(AT_FDCWD, `${path}/f`, 0o100644), grantsOf(file, 0o100644)];
    const nothing = { special: 0, capability: false, acl: "none" as AclReading };
    expect(both()).toEqual([nothing, nothing]);
    run("setcap", "cap_setuid+ep", "f");
    expect(both()).toEqual([
      { ...nothing, capability: true },
      { ...nothing, capability: true },
    ]);
    expect(grantsOf(file, 0o104755).special).toBe(0o4000);
    expect(grantsOf(file, 0o102755).special).toBe(0o2000);
    // A directory hands its group on; a link is nothing.
    expect(grantsAt(AT_FDCWD, `${path}/d`, 0o042755)).toEqual(nothing);
    expect(grantsAt(AT_FDCWD, `${path}/f`, 0o120777)).toEqual(nothing);
    closeSync(file);
  });
});
