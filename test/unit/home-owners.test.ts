import { expect, test } from "bun:test";
import { chownSync, closeSync, mkdirSync, openSync, readdirSync, renameSync, symlinkSync } from "node:fs";
import { ownersBelow } from "../../src/users/home-owners.ts";
import { temporaryRoot } from "./temporary-root.ts";

const MOST = { directories: 100, names: 1000, owners: 10, bytes: 100_000, atOnce: 100, open: 10 };

/** A home with a directory of each uid, `a/UID/b`. */
function homeOf(uids: readonly number[]) {
  const root = temporaryRoot();
  for (const uid of uids) {
    mkdirSync(`${root.path}/a/${uid}/b`, { recursive: true });
    chownSync(`${root.path}/a/${uid}`, uid, uid);
  }
  return root;
}

const owners = (path: string, most = MOST) =>
  [...ownersBelow(path, (uid) => uid === 0, most)].map(({ uid }) => uid).sort();

test("the owners of all directories, each once, without following links", () => {
  using other = homeOf([44]);
  using home = homeOf([41, 42, 43]);
  home.put({ "a/42/file": "" });
  mkdirSync(`${home.path}/b/c/d`, { recursive: true });
  chownSync(`${home.path}/b/c/d`, 42, 42);
  symlinkSync(other.path, `${home.path}/a/link`);
  symlinkSync("..", `${home.path}/a/up`);
  expect(owners(home.path)).toEqual([41, 42, 43]);
  expect([...ownersBelow(home.path, (uid) => uid !== 43, MOST)]).toEqual([{ uid: 43, path: "a/43" }]);
  expect(owners(`${home.path}/missing`)).toEqual([]);
});

test("nor one that a user puts there meanwhile", () => {
  using other = homeOf([44]);
  using home = homeOf([41, 42, 43]);
  const found: number[] = [];
  for (const { uid } of ownersBelow(home.path, (one) => one === 0, MOST)) {
    found.push(uid);
    if (found.length > 1) continue;
    for (const next of [41, 42, 43].filter((one) => one !== uid)) {
      renameSync(`${home.path}/a/${next}`, `${home.path}/${next}`);
      symlinkSync(`${other.path}/a/44`, `${home.path}/a/${next}`);
    }
  }
  expect(found).toHaveLength(1);
});

test("what users make does not take long: it ends with what to do", () => {
  using home = homeOf([41, 42, 43]);
  // The directories are a, and of each uid two.
  expect(owners(home.path, { ...MOST, directories: 7 })).toEqual([41, 42, 43]);
  const fail = (most: Partial<typeof MOST>) => () => owners(home.path, { ...MOST, ...most });
  expect(fail({ directories: 6 })).toThrow("holds more than 6 directories: too many");
  // Below the home, "a" and, thrice, "a/UID".
  expect(owners(home.path, { ...MOST, bytes: 0 + 3 + 3 * 4 })).toEqual([41, 42, 43]);
  expect(fail({ bytes: 14 })).toThrow("holds directories whose paths are longer than 14 bytes together: too");
  expect(fail({ names: 6 })).toThrow("holds more than 6 files: too many");
  expect(fail({ owners: 2 })).toThrow("holds directories of more than 2 uids:");
});

test("of directories in one some are looked at before the next ones are read, to the last", () => {
  using home = homeOf([41, 42, 43, 44, 45]);
  for (const uid of [51, 52, 53]) {
    mkdirSync(`${home.path}/a/43/b/${uid}/c`, { recursive: true });
    chownSync(`${home.path}/a/43/b/${uid}/c`, uid, uid);
  }
  const open = () => readdirSync("/proc/self/fd").length;
  const before = open();
  const found = (most: Partial<typeof MOST>) => owners(home.path, { ...MOST, ...most });
  for (const atOnce of [1, 2, 5]) expect(found({ atOnce })).toEqual([41, 42, 43, 44, 45, 51, 52, 53]);
  // On the way to c: the home, a, a/43, a/43/b and a/43/b/UID, of which none is at its end.
  expect(found({ atOnce: 1, open: 5 })).toHaveLength(8);
  expect(() => found({ atOnce: 1, open: 4 })).toThrow(
    "holds more than 4 directories, each in the one before, with 1",
  );
  expect(open()).toBe(before);
});

test("a directory to which no path leads is looked at as well, and what is in it", () => {
  using home = homeOf([]);
  const name = "x".repeat(255);
  const most = { ...MOST, bytes: 1_000_000 };
  const last = (directory: number) => `/proc/self/fd/${directory}/${name}`;
  mkdirSync(`${home.path}/${name}`);
  let directory = openSync(`${home.path}/${name}`, "r");
  try {
    for (let depth = 1; depth < 40; depth++) {
      mkdirSync(last(directory));
      const next = openSync(last(directory), "r");
      closeSync(directory);
      directory = next;
    }
    for (const [at, uid] of [
      [`/proc/self/fd/${directory}`, 42],
      [`${home.path}/${name}/${name}`, 43],
    ] as const)
      chownSync(at, uid, uid);
    mkdirSync(last(directory));
    chownSync(last(directory), 41, 41);
  } finally {
    closeSync(directory);
  }
  const found = [...ownersBelow(home.path, (uid) => uid === 0, most)];
  const pathOf = (depth: number) => Array.from({ length: depth }, () => name).join("/");
  expect(found).toEqual([
    { uid: 43, path: pathOf(2) },
    { uid: 42, path: pathOf(40) },
    { uid: 41, path: pathOf(41) },
  ]);
  expect(() => owners(home.path, { ...most, bytes: 100_000 })).toThrow("longer than 100000 bytes together");
});
