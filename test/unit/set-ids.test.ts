import { expect, spyOn, test } from "bun:test";
import { chmodSync, chownSync, linkSync, writeFileSync } from "node:fs";
import { Descent } from "../../src/jail/fs/descent.ts";
import { foreseeSetIds, setIdsOf, setIdsText } from "../../src/users/set-ids.ts";
import { makeJail, USER } from "./jail-helper.ts";

test("only the paths are made that are shown, however many names a program has", () => {
  const jail = makeJail();
  const first = `${jail.path}/home/u/0`;
  writeFileSync(first, "");
  chownSync(first, USER, USER);
  chmodSync(first, 0o6755);
  for (let name = 1; name < 50; name++) linkSync(first, `${jail.path}/home/u/${name}`);
  const made = spyOn(Descent.prototype, "path");
  const { count, paths } = setIdsOf(foreseeSetIds(jail.root), { uid: USER, gids: new Set([USER]) });
  const calls = made.mock.calls.length;
  made.mockRestore();
  jail.close();
  expect([count, paths.length, calls]).toEqual([50, 3, 3]);
});

test("of a path that a user has made very long only both ends are shown", () => {
  const long = `/${"x".repeat(100_000)}/end`;
  const text = setIdsText({ path: "/srv" }, { count: 1, paths: [long] }) ?? "";
  expect([text.length < 2000, text.endsWith("x/end'")]).toEqual([true, true]);
});
