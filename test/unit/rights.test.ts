/** Somebody's rights to files, borrowed by root: modes, groups and ACLs, and that they are given back. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { readFile } from "../../ffi/files.ts";
import { supplementaryGroups } from "../../ffi/process.ts";
import { type Credentials, MAY_EXECUTE, MAY_READ, mayAccess, withRightsOf } from "../../ffi/rights.ts";

const asRoot = test.skipIf(process.getuid?.() !== 0);
const OWNER = 4101;
const GROUP = 4102;

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync("/tmp/jailkit-rights-");
  chmodSync(folder, 0o755);
  file = join(folder, "file");
  writeFileSync(file, "x");
  chownSync(file, OWNER, GROUP);
});
afterEach(() => rmSync(folder, { recursive: true }));

const may = (who: Credentials, wanted: number) => withRightsOf(who, () => mayAccess(AT_FDCWD, file, wanted));

asRoot.each<[number, Credentials, number, boolean]>([
  [0o700, { uid: OWNER, gid: 9, groups: [] }, MAY_EXECUTE, true],
  [0o077, { uid: OWNER, gid: GROUP, groups: [] }, MAY_EXECUTE, false],
  [0o010, { uid: 5, gid: GROUP, groups: [] }, MAY_EXECUTE, true],
  [0o010, { uid: 5, gid: 9, groups: [GROUP] }, MAY_EXECUTE, true],
  [0o701, { uid: 5, gid: GROUP, groups: [] }, MAY_EXECUTE, false],
  [0o001, { uid: 5, gid: 9, groups: [3] }, MAY_EXECUTE, true],
  [0o010, { uid: 5, gid: 9, groups: [] }, MAY_EXECUTE, false],
  [0o400, { uid: OWNER, gid: 9, groups: [] }, MAY_READ | MAY_EXECUTE, false],
])("%o for %j", (mode, who, wanted, expected) => {
  chmodSync(file, mode);
  expect(may(who, wanted)).toBe(expected);
});

asRoot("an ACL counts before the mode", () => {
  const who = { uid: 4103, gid: 4103, groups: [] };
  chmodSync(file, 0o644);
  Bun.spawnSync(["setfacl", "-m", `u:${who.uid}:---`, file]);
  expect(may(who, MAY_READ)).toBe(false);
  expect(() => withRightsOf(who, () => readFile(file, 10))).toThrow("Permission denied");
});

asRoot("they are restored, also if the work fails, and within it", () => {
  chmodSync(file, 0);
  const groups = supplementaryGroups();
  const who = { uid: 5, gid: 5, groups: [6] };
  expect(() =>
    withRightsOf(who, () => {
      expect(supplementaryGroups()).toEqual([6]);
      expect(mayAccess(AT_FDCWD, file, MAY_READ)).toBe(false);
      expect(withRightsOf(undefined, () => mayAccess(AT_FDCWD, file, MAY_READ))).toBe(true);
      expect(mayAccess(AT_FDCWD, file, MAY_READ)).toBe(false);
      throw new Error("it failed");
    }),
  ).toThrow("it failed");
  expect(supplementaryGroups()).toEqual(groups);
  expect(mayAccess(AT_FDCWD, file, MAY_READ)).toBe(true);
  writeFileSync(join(folder, "new"), "");
  expect(statSync(join(folder, "new"))).toMatchObject({ uid: 0, gid: 0 });
  expect(readFileSync("/proc/self/status", "latin1")).toContain("Uid:\t0\t0\t0\t0\n");
});
