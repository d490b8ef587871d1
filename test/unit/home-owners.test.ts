import { expect, test } from "bun:test";
import { chownSync, closeSync, mkdirSync, openSync, renameSync, symlinkSync } from "node:fs";
import { ownersBelow } from "../../src/users/home-owners.ts";
import { temporaryRoot } from "./temporary-root.ts";

const MOST = { directories: 100, names: 1000, owners: 10, bytes: 100_000 };

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
  // Below ".", "a" and, thrice, "a/UID".
  expect(owners(home.path, { ...MOST, bytes: 1 + 3 + 3 * 4 })).toEqual([41, 42, 43]);
  expect(fail({ bytes: 15 })).toThrow("holds directories whose paths are longer than 15 bytes together: too");
  expect(fail({ names: 6 })).toThrow("holds more than 6 files: too many");
  expect(fail({ owners: 2 })).toThrow("holds directories of more than 2 uids:");
});

test("a directory with a longer path than any account's home is not entered", () => {
  using home = homeOf([]);
  const name = "x".repeat(255);
  let path = home.path;
  while (path.length + 256 < 4096) {
    path = `${path}/${name}`;
  }
  mkdirSync(path, { recursive: true });
  const directory = openSync(path, "r");
  try {
    const deep = `/proc/self/fd/${directory}/${name}`;
    mkdirSync(deep);
    chownSync(deep, 41, 41);
    expect(owners(home.path)).toEqual([]);
  } finally {
    closeSync(directory);
  }
  chownSync(path, 42, 42);
  expect(owners(home.path)).toEqual([42]);
});
