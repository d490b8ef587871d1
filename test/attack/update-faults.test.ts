import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { CHANGING, JAIL, openScene, type Point, type UpdateScene } from "./update-scene.ts";

setDefaultTimeout(120_000);

let scene: UpdateScene;
let points: Point[] = [];
let before: Record<string, string> = {};
beforeAll(async () => {
  scene = await openScene();
  const opens = scene.points(["openat"]).filter((_, index) => index % 4 === 0);
  points = [...scene.points(CHANGING), ...opens];
  scene.reset();
  before = scene.m.snapshot(JAIL);
});
afterAll(async () => scene.m.close());

const outcomes = { failed: 0, untouched: 0, sane: 0 };

/** Lets one call of an update fail: the jail works, what it says is true, and a second run completes it. */
function fail(error: string, { call, nth }: Point): void {
  const at = `${error} ${call} ${nth}`;
  scene.reset();
  const { status, signal, stderr } = scene.disturbed("-e", `inject=${call}:error=${error}:when=${nth}`);
  expect([at, scene.works()]).toEqual([at, expect.stringMatching(/^version [12]\n$/)]);
  const after = scene.m.snapshot(JAIL);
  if (status === 0) expect([at, after]).toEqual([at, scene.wanted]);
  else outcomes.failed++;
  // What could not be changed is reported in one line, whatever else would fail in the same way.
  const told = stderr.split("\n").filter((line) => /^jk_update: (?!warning: )/.test(line));
  if (CHANGING.some((each) => each === call) && status === 1)
    expect([at, told]).toEqual([at, [expect.stringMatching(/ run this again$|: standard output: write: /)]]);
  // Where no program could be started at all, the runtime may end in its own way.
  if (status === 1 && /^jk_update: (?!warning: )/m.test(stderr) && signal === undefined) outcomes.sane++;
  if (status !== 0 && Bun.deepEquals(after, before)) outcomes.untouched++;
  expect([at, scene.complete()]).toEqual([at, scene.wanted]);
}

const PARTS = 4;
const cases = ["ENOSPC", "EROFS"].flatMap((error) =>
  Array.from({ length: PARTS }, (_, part) => [error, part] as const),
);

describe("an update in which one call fails", () => {
  test.each(cases)("with %s: part %d", (error, part) => {
    for (let at = part; at < points.length; at += PARTS) fail(error, points[at] ?? { call: "", nth: 0 });
  });

  test("reports it, and mostly leaves the jail unchanged", () => {
    expect(outcomes.failed).toBeGreaterThan(100);
    expect(outcomes.untouched).toBeGreaterThan(30);
    expect(outcomes.sane).toBeGreaterThan(100);
  });
});
