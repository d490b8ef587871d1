import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { CHANGING, openScene, type Point, type UpdateScene } from "./update-scene.ts";

setDefaultTimeout(120_000);

let scene: UpdateScene;
let changing: Point[] = [];
let others: Point[] = [];
beforeAll(async () => {
  scene = await openScene();
  changing = scene.points(CHANGING);
  others = scene.points(["openat", "statx", "close", "flock", "getdents64", "readlinkat"]);
});
afterAll(async () => scene.m.close());

const outcomes = { killed: 0, version1: 0, version2: 0 };

/** Kills an update at that call, and looks whether the jail works and a second run completes it. */
function kill({ call, nth }: Point): void {
  scene.reset();
  const { signal } = scene.disturbed("-e", `inject=${call}:signal=KILL:when=${nth}`);
  if (signal === "SIGKILL") outcomes.killed++;
  const printed = scene.works();
  const at = `${call} ${nth}`;
  expect([at, printed]).toEqual([at, expect.stringMatching(/^version [12]\n$/)]);
  if (printed === "version 1\n") outcomes.version1++;
  else outcomes.version2++;
  expect([at, scene.complete()]).toEqual([at, scene.wanted]);
  expect(scene.works()).toBe("version 2\n");
}

const PARTS = 4;
const parts = Array.from({ length: PARTS }, (_, part) => part);

describe("an update that is killed", () => {
  test.each(parts)("at each of its calls that change something: part %d", (part) => {
    for (let at = part; at < changing.length; at += PARTS) kill(changing[at] ?? { call: "", nth: 0 });
  });

  test.each(parts)("at others of its calls: part %d", (part) => {
    const step = Math.max(1, Math.floor(others.length / 120));
    for (let at = part * step; at < others.length; at += PARTS * step) {
      kill(others[at] ?? { call: "", nth: 0 });
    }
  });

  test("was killed 200 times, before and after the new program came", () => {
    expect(outcomes.killed).toBeGreaterThanOrEqual(200);
    expect(outcomes.version1).toBeGreaterThan(50);
    expect(outcomes.version2).toBeGreaterThan(10);
  });
});
