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
])("%s", (path, expected) => {
  expect(leadsTo(at(path), through)).toBe(expected);
});

test("a link that leads nowhere is not followed by a way that may not", () => {
  const way: Way = { ...through, mayFollow: () => false };
  expect(["link/none", "gone", "chain", "gone/more"].map((path) => leadsTo(at(path), way))).toEqual([
    ...[at("real/none"), at("gone"), at("chain"), at("gone/more")],
  ]);
});
