/** What a path leads to, of which the end may be missing. */
import { afterAll, expect, test } from "bun:test";
import { mkdirSync, realpathSync, symlinkSync } from "node:fs";
import { leadsTo, type Way } from "../../src/jail/fs/leads-to.ts";
import { RootView } from "../../src/libraries/root-view.ts";
import { temporaryRoot } from "./temporary-root.ts";

const root = temporaryRoot({});
afterAll(() => root[Symbol.dispose]());
const base = realpathSync(root.path);
const at = (path: string) => `${base}/${path}`;
mkdirSync(at("real/deep"), { recursive: true });
for (const [link, text] of [
  ["link", "real"],
  ["gone", "real/none"],
  ["chain", "link/../gone"],
  ["away", "/nowhere/at/all"],
  ["loop", "loop"],
  ["twice", "twice/../twice"],
  ["up", "link/deep/../../none"],
  ["slash", "real/none/"],
] as const)
  symlinkSync(text, at(link));

using host = new RootView();
const through: Way = { realOf: (path) => host.realPath(path), mayFollow: () => true };

test.each([
  ["real", at("real")],
  ["link", at("real")],
  ["link/deep", at("real/deep")],
  ["link/none", at("real/none")],
  ["link/none/more", at("real/none/more")],
  ["gone", at("real/none")],
  ["gone/more/still", at("real/none/more/still")],
  ["gone/../deep", at("real/deep")],
  ["chain", at("real/none")],
  ["chain/more", at("real/none/more")],
  ["away/more", "/nowhere/at/all/more"],
  ["up", at("none")],
  ["slash", at("real/none")],
  ["loop", at("loop")],
  ["twice", at("twice")],
  ["twice/more", at("twice/more")],
])("%s", (path, expected) => {
  expect(leadsTo(at(path), through)).toBe(expected);
});

test("a link that leads nowhere is not followed by a way that may not", () => {
  const way: Way = { ...through, mayFollow: () => false };
  expect(["link/none", "gone", "chain", "gone/more"].map((path) => leadsTo(at(path), way))).toEqual([
    ...[at("real/none"), at("gone"), at("chain"), at("gone/more")],
  ]);
});

test("links that name each other twice are followed no more often than the kernel does", () => {
  for (let number = 0; number < 30; number++)
    symlinkSync(`z${number + 1}/../z${number + 1}`, at(`z${number}`));
  symlinkSync("none", at("z30"));
  let asked = 0;
  const counting: Way = {
    ...through,
    realOf(path) {
      asked++;
      return through.realOf(path);
    },
  };
  expect(leadsTo(at("z0"), counting)).toStartWith(base);
  expect(asked).toBeLessThan(100);
});
