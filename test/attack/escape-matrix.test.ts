import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { linkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { readJailFile } from "../../src/jail/fs/look.ts";
import { makeScene, OPERATIONS, protectedState, type Scene } from "./escape-scene.ts";

let scene: Scene;
beforeEach(() => {
  scene = makeScene();
});
afterEach(() => scene.close());

/** What a user plants: where, and a text of a link, or a path of the jail without any link. */
const PLANTS: Readonly<Record<string, (scene: Scene) => string>> = {
  "absolute link to outside": ({ outside }) => outside,
  "relative link to outside": () => "../../../outside",
  "link to the user's own directory outside": ({ outsideUser }) => outsideUser,
  "relative link to root's files in the jail": () => "../../etc/r",
  "absolute link to root's files in the jail": () => "/etc/r",
  "link through /proc": ({ outside }) => `/proc/self/root${outside}`,
};

/** The paths that root uses while "planted" leads elsewhere: the link itself, what it leads to, and below that. */
const PATHS: Readonly<Record<string, { target: string; path: string }>> = {
  "leaf, a directory": { target: "", path: "/home/u/planted" },
  "leaf, a file": { target: "/f", path: "/home/u/planted" },
  "leaf, nothing": { target: "/none", path: "/home/u/planted" },
  "parent of a file": { target: "", path: "/home/u/planted/f" },
  "parent of a directory": { target: "", path: "/home/u/planted/d" },
  "parent of nothing": { target: "", path: "/home/u/planted/new" },
  "parent twice above": { target: "", path: "/home/u/planted/d/f" },
  "parent, and .. after it": { target: "", path: "/home/u/planted/../f" },
  "parent, with . and //": { target: "/d", path: "//home/./u//planted/./f" },
};

/** Lets root do all operations on `path`; whatever they answer, what is protected stays. */
function tryAll(path: string): void {
  for (const [name, operation] of Object.entries(OPERATIONS)) {
    const before = protectedState(scene);
    let refused = true;
    try {
      operation(scene.root, path, scene);
      refused = false;
    } catch {
      // A refusal is fine.
    }
    expect({ name, path, refused, state: protectedState(scene) }).toEqual({
      name,
      path,
      refused,
      state: before,
    });
  }
}

describe.each(Object.keys(PLANTS))("%s", (plant) => {
  test.each(Object.keys(PATHS))("%s", (position) => {
    const { target, path } = PATHS[position] ?? { target: "", path: "" };
    const text = `${PLANTS[plant]?.(scene)}${target}`;
    for (const operation of Object.keys(OPERATIONS)) {
      rmSync(`${scene.path}/home/u/planted`, { recursive: true, force: true });
      symlinkSync(text, `${scene.path}/home/u/planted`);
      const before = protectedState(scene);
      try {
        OPERATIONS[operation]?.(scene.root, path, scene);
      } catch {
        // A refusal is fine.
      }
      expect({ operation, state: protectedState(scene) }).toEqual({ operation, state: before });
    }
    rmSync(`${scene.path}/home/u/planted`, { recursive: true, force: true });
    symlinkSync(text, `${scene.path}/home/u/planted`);
    expect(() => readJailFile(scene.root, path, 1000)).toThrow();
  });
});

test.each([
  "/home/u/../../../outside/f",
  "/home/u/own/../../../../outside/f",
  "../../outside/f",
  "/../outside",
  "/home/u/own/d/../../../../../outside/d",
  "/home/u/..",
  "/home/u/own/../..",
])("dots: %s", (path) => tryAll(path));

describe("hard links to what is not the user's", () => {
  const victims: Readonly<Record<string, (scene: Scene) => string>> = {
    "root's file outside": ({ outside }) => `${outside}/f`,
    "root's file in the jail": ({ path }) => `${path}/etc/r/f`,
  };
  test.each(Object.keys(victims))("%s", (victim) => {
    const from = victims[victim]?.(scene) ?? "";
    for (const operation of Object.keys(OPERATIONS)) {
      rmSync(`${scene.path}/home/u/h`, { recursive: true, force: true });
      // The count of links is part of the state, so it is the same before and after where the name goes.
      const before = protectedState(scene);
      linkSync(from, `${scene.path}/home/u/h`);
      try {
        OPERATIONS[operation]?.(scene.root, "/home/u/h", scene);
      } catch {
        // A refusal is fine.
      }
      rmSync(`${scene.path}/home/u/h`, { recursive: true, force: true });
      expect({ operation, state: protectedState(scene) }).toEqual({ operation, state: before });
    }
  });
});

test("a tree is removed without what its links lead to", () => {
  for (const [index, plant] of Object.values(PLANTS).entries()) {
    symlinkSync(plant(scene), `${scene.path}/home/u/own/d/${index}`);
  }
  const before = protectedState(scene);
  expect(OPERATIONS.rmtree?.(scene.root, "/home/u/own", scene)).toBe(true);
  expect(protectedState(scene)).toEqual(before);
});

/** Where each operation may do its work: in root's own directory of the jail. */
const OWN: Readonly<Record<string, string>> = {
  create: "/etc/r/new",
  overwrite: "/etc/r/f",
  chmod: "/etc/r/f",
  chown: "/etc/r/f",
  utimes: "/etc/r/f",
  link: "/etc/r/f",
  symlink: "/etc/r/new",
  mknod: "/etc/r/new",
  mkfifo: "/etc/r/new",
  mkdir: "/etc/r/new/below",
  unlink: "/etc/r/f",
  rmtree: "/etc/r/d",
};

/** The control for all that is above: the operation does work, and the state that is compared shows it. */
test.each(Object.keys(OPERATIONS))("%s works where only root can write", (operation) => {
  const path = OWN[operation] ?? "";
  const names = (lines: readonly string[]) => lines.map((line) => line.split(" ")[0]);
  const before = protectedState(scene);
  OPERATIONS[operation]?.(scene.root, path, scene);
  const after = protectedState(scene);
  const changed = [
    ...before.filter((line) => !after.includes(line)),
    ...after.filter((line) => !before.includes(line)),
  ];
  expect(names(changed)).toContain(`${scene.path}${path}`);
  const elsewhere = names(changed).filter(
    (name) => !`${scene.path}${path}`.startsWith(name ?? "") && !name?.startsWith(`${scene.path}${path}`),
  );
  expect(elsewhere).toEqual([]);
});

test("the compared state shows a write by path", () => {
  symlinkSync(scene.outside, `${scene.path}/home/u/planted`);
  const before = protectedState(scene);
  writeFileSync(`${scene.path}/home/u/planted/f`, "escaped");
  expect(protectedState(scene)).not.toEqual(before);
});
