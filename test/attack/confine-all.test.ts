/**
 * Everything that the keys of src/config/schemas/confine.ts confine, at once, in each kind of session and both layouts: the
 * lists of confine-attempts.ts, tried by one process of a session.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { ALL, FAILS, HOME, LEFT, LEFT_NOEXEC, LOCAL, NETWORK, NONE, WORKS } from "./confine-attempts.ts";
import { type LiveScene, openLiveScene, RUN, RUNS } from "./confine-live.ts";
import { J, KINDS } from "./confine-scene.ts";

setDefaultTimeout(120_000);

/** The attempts of a table. */
const second = (table: readonly (readonly [string, string, ...unknown[]])[]) =>
  table.map(([, attempt]) => attempt);

describe.each(["standalone", "package"] as const)("%s", (layout) => {
  let scene: LiveScene;
  const tried: LiveScene["tried"] = (...given) => scene.tried(...given);

  beforeAll(async () => {
    scene = await openLiveScene(layout);
  });
  afterAll(() => scene?.m.close());
  beforeEach(() => scene.fill());

  /** What the programs printed, without size and time of a file that is not the same in all sessions. */
  const printed = () =>
    Object.keys(RUN).map((name) => [
      name,
      scene.m.read(`${J}${HOME}/${name}.out`).replace(/\d+ \w+ +\d+ \d\d:\d\d (?=\/etc\/passwd)/, ""),
    ]);
  let printedWithoutKeys: ReturnType<typeof printed> | undefined;
  const expectedToPrint = () => {
    if (printedWithoutKeys === undefined) {
      tried("jk_chrootsh", {}, RUNS);
      printedWithoutKeys = printed();
      scene.fill();
    }
    return printedWithoutKeys;
  };

  describe("without keys", () => {
    test("what works when confined works", () => {
      const works = [...WORKS.map(([, attempt]) => attempt), ...RUNS];
      const { seen } = tried("jk_chrootsh", {}, works);
      expect(works.map((one, i) => [one, seen[i]])).toEqual(works.map((one) => [one, "works"]));
    });

    test("what fails when confined works, unless other rules stop it", () => {
      const { seen } = tried("jk_chrootsh", {}, second(FAILS));
      const wrong = FAILS.flatMap(([what, attempt, , free], i) =>
        free === "?" || (free === "works") === (seen[i] === "works") ? [] : [[what, attempt, seen[i]]],
      );
      expect(wrong).toEqual([]);
    });
  });

  describe.each(KINDS)("%s", (kind) => {
    test("what must fail", () => {
      const { seen } = tried(kind, ALL, second(FAILS));
      expect(FAILS.map(([what], i) => [what, seen[i]])).toEqual(FAILS.map(([what, , held]) => [what, held]));
    });

    test("what must work", () => {
      const { seen } = tried(kind, ALL, second(WORKS));
      expect(WORKS.map(([what], i) => [what, seen[i]])).toEqual(WORKS.map(([what]) => [what, "works"]));
    });

    test("programs that must work", () => {
      const expected = expectedToPrint();
      const { seen } = tried(kind, ALL, RUNS);
      expect(RUNS.map((one, i) => [one, seen[i]])).toEqual(RUNS.map((one) => [one, "works"]));
      expect(printed()).toEqual(expected);
    });

    test.each([
      ["without keys", {}, 2],
      ["tcp_connect and tcp_bind", ALL, 3],
      ["network = local", LOCAL, 4],
      ["network = none", NONE, 5],
    ] as const)("the network: %s", (_, keys, column) => {
      const { seen } = tried(kind, keys, second(NETWORK));
      const known = NETWORK.map((row, i) => [row[0], row[column] === "?" ? "?" : seen[i]]);
      expect(known).toEqual(NETWORK.map((row) => [row[0], row[column]]));
    });

    test("what the keys do not stop, and what a noexec mount stops of it", () => {
      const { m } = scene;
      expect(tried(kind, ALL, second(LEFT)).seen).toEqual(LEFT.map(() => "works"));
      m.must(["mount", "--bind", `${J}/home`, `${J}/home`]);
      m.must(["mount", "-o", "remount,bind,noexec", `${J}/home`]);
      const { seen } = tried(kind, ALL, second(LEFT));
      m.must(["umount", `${J}/home`]);
      expect(seen).toEqual(LEFT_NOEXEC);
    });
  });
});
