import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { chownSync, existsSync, lchownSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { fromBytes } from "../../ffi/bytes.ts";
import { readJailFile } from "../../src/jail/fs/look.ts";
import { USER } from "../unit/jail-helper.ts";
import { endRace, race } from "./escape-races.ts";
import { makeScene, OPERATIONS, protectedState, type Scene } from "./escape-scene.ts";

const ROUNDS = 150;

let scene: Scene;
beforeEach(() => {
  scene = makeScene();
});
afterEach(async () => {
  await endRace();
  scene.close();
});

/** The user's real directory, with what the operations may meet there. */
function fill(directory: string): void {
  mkdirSync(`${directory}/d`, { recursive: true });
  for (const name of ["f", "d/f"]) writeFileSync(`${directory}/${name}`, "the user's");
  for (const name of ["", "/d", "/f", "/d/f"]) chownSync(directory + name, USER, USER);
}

const TARGETS: Readonly<Record<string, (scene: Scene) => string>> = {
  "outside, absolute": ({ outside }) => outside,
  "outside, relative": () => "../../../outside",
  "root's in the jail": () => "../../etc/r",
};

describe.each(Object.keys(TARGETS))("a directory and a link to what is %s", (target) => {
  test.each(Object.keys(OPERATIONS))("%s", async (name) => {
    const home = `${scene.path}/home/u`;
    fill(`${home}/real`);
    symlinkSync(TARGETS[target]?.(scene) ?? "", `${home}/link`);
    lchownSync(`${home}/link`, USER, USER);
    const before = protectedState(scene);
    const racer = await race(`${home}/real`, `${home}/link`);
    let done = 0;
    const never = ["mknod", "chown"].includes(name);
    // Some operations must get through, or the race is none.
    for (let round = 0; round < ROUNDS || (!never && done === 0 && round < 100 * ROUNDS); round++) {
      for (const below of ["/f", "/d", `/new${round}`, "/d/f", "/d/new/x", ""]) {
        try {
          OPERATIONS[name]?.(scene.root, `/home/u/real${below}`, scene);
          done++;
        } catch {
          // It met the link, or what another round left.
        }
        // Never root's file, whatever is there.
        try {
          const bytes = readJailFile(scene.root, "/home/u/real/f", 100);
          if (bytes !== undefined) expect(fromBytes(bytes)).not.toContain("outside");
        } catch {
          // The link.
        }
      }
    }
    expect(protectedState(scene)).toEqual(before);
    if (!never) expect(done).toBeGreaterThan(0);
    expect(racer.exitCode).toBe(null);
  });
});

test("a tree that is removed while names in it are exchanged for links", async () => {
  const home = `${scene.path}/home/u`;
  mkdirSync(`${home}/tree`);
  const before = protectedState(scene);
  const plant = () => {
    mkdirSync(`${home}/tree`, { recursive: true });
    symlinkSync(scene.outside, `${home}/tree/y`);
    // The newest name comes first, and should be reached while the symbolic link is still there.
    for (let i = 0; i < 4; i++) mkdirSync(`${home}/tree/x/${i}`, { recursive: true });
    for (const name of ["", "/x", "/y"]) lchownSync(`${home}/tree${name}`, USER, USER);
  };
  plant();
  const racer = await race(`${home}/tree/x`, `${home}/tree/y`);
  for (let round = 0; round < ROUNDS * 10; round++) {
    for (let attempt = 0; existsSync(`${home}/tree`) && attempt < 10_000; attempt++) {
      try {
        OPERATIONS.rmtree?.(scene.root, "/home/u/tree", scene);
      } catch {
        // It met the link.
      }
    }
    plant();
  }
  expect(racer.exitCode).toBe(null);
  expect(protectedState(scene)).toEqual(before);
});

test("a user's directory that is exchanged for one of root's beside it is not given away", async () => {
  const home = `${scene.path}/home/u`;
  mkdirSync(`${home}/roots`);
  writeFileSync(`${home}/roots/f`, "root's");
  mkdirSync(`${home}/his`);
  chownSync(`${home}/his`, USER, USER);
  await race(`${home}/roots`, `${home}/his`);
  for (let round = 0; round < ROUNDS * 4; round++) {
    for (const path of ["/home/u/his", "/home/u/his/f"]) {
      for (const name of ["chown", "chmod"]) {
        try {
          OPERATIONS[name]?.(scene.root, path, scene);
        } catch {
          // It is root's at the moment.
        }
      }
    }
  }
  await endRace();
  const found = ["his", "roots"].map((name) => Bun.file(`${home}/${name}/f`));
  for (const file of found) {
    if (!(await file.exists())) continue;
    const stat = await file.stat();
    expect([stat.uid, stat.mode & 0o7777]).toEqual([0, 0o644]);
  }
  rmSync(home, { recursive: true });
});
