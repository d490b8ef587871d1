import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmodSync, chownSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { ownedIn } from "../../src/jail/fs/owned.ts";
import { codeOf, makeJail, type TestJail, USER } from "./jail-helper.ts";

// Later than all that a test does.
const LATER = BigInt(Date.now() + 3_600_000) * 1_000_000n;
const OTHER = 4712;

let jail: TestJail;
beforeEach(() => {
  jail = makeJail();
});
afterEach(() => jail.close());

const owned = (since = LATER, ...uids: number[]) =>
  [...ownedIn(jail.root, new Set(uids), since)].map(([uid, { path, tops }]) => [uid, path, [...tops]]);
const file = (path: string, uid: number) => {
  writeFileSync(jail.path + path, "");
  chownSync(jail.path + path, uid, uid);
};

test("files, directories and links, but nothing that a link leads to", () => {
  expect(owned(LATER, USER, OTHER)).toEqual([[USER, "/home/u", ["home"]]]);
  mkdirSync(`${jail.base}/outside`);
  writeFileSync(`${jail.base}/outside/x`, "");
  chownSync(`${jail.base}/outside/x`, OTHER, OTHER);
  symlinkSync("../../outside", `${jail.path}/home/out`);
  symlinkSync("../outside/x", `${jail.path}/link`);
  expect(owned(LATER, OTHER)).toEqual([]);
  file("/usr/x", OTHER);
  file("/top", OTHER);
  const [[uid, , tops]] = owned(LATER, OTHER) as [[number, string, string[]]];
  expect([uid, tops.toSorted()]).toEqual([OTHER, ["top", "usr"]]);
});

test("directories of any depth, with few descriptors", () => {
  const before = readdirSync("/proc/self/fd").length;
  const deep = `${jail.path}/home/u${"/d".repeat(300)}`;
  mkdirSync(deep, { recursive: true });
  file(`/home/u${"/d".repeat(300)}/x`, OTHER);
  file("/home/u/d/z", OTHER + 1);
  expect(
    owned(LATER, OTHER, OTHER + 1)
      .map(([uid]) => uid)
      .toSorted(),
  ).toEqual([OTHER, OTHER + 1]);
  expect(readdirSync("/proc/self/fd").length).toBe(before);
});

test("a change in a directory of a user counts, and one in a directory of root alone does not", () => {
  expect(codeOf(() => owned(0n, OTHER))).toBe("files-change");
  chownSync(`${jail.path}/home/u`, 0, 0);
  expect(owned(0n, OTHER)).toEqual([]);
  chmodSync(`${jail.path}/home`, 0o1777);
  expect(codeOf(() => owned(0n, OTHER))).toBe("files-change");
});
