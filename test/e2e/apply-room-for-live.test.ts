/** Live directories in the place of files that are no longer declared: --prune takes these first, in one run. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (...lines: readonly string[]) =>
  `[jail ${J}]\nsections = uidbasics\n${lines.map((one) => `${one}\n`).join("")}`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["mkdir", "-p", "/opt/app/sub/deep", "/opt/more"]);
  for (const file of ["top", "sub/f", "sub/deep/g"]) m.write(`/opt/app/${file}`, "x\n");
  m.write(
    "/etc/jailkit/jk_init.ini",
    `${m.read("/etc/jailkit/jk_init.ini")}\n[app]\npaths = /opt/app/sub/f\n`,
  );
});
afterAll(() => m?.close());

const done = (changes: readonly { readonly text: string }[]) => changes.map(({ text }) => text);

test.each([
  ["the directory itself", "files = /opt/app", "live = /opt/app"],
  ["one above it", "files = /opt/app", "live = /opt"],
  ["one above a directory in it", "files = /opt/app/sub", "live = /opt/app"],
  ["one above a file in it, and another one", "files = /opt/app/sub/deep/g", "live = /opt/app, /opt/more"],
  ["one above what a section has brought", "sections = uidbasics, app", "live = /opt"],
])("%s: %s, then %s", (_, before, after) => {
  m.write(FILE, before.startsWith("sections") ? `[jail ${J}]\n${before}\n` : jail(before));
  m.must(["jailkit", "apply"]);
  m.write(FILE, jail(after));
  const planned = linesOf(m, "--check", "--prune");
  expect([planned.status, planned.summary.problems]).toEqual([10, []]);
  const { status, changes, summary } = linesOf(m, "--prune");
  expect([status, summary.problems, done(changes)]).toEqual([0, [], done(planned.changes)]);
  expect(changes.map(({ action, what }) => `${action} ${what}`)).toEqual([
    `remove ${before.split(" ")[0]}`,
    "create live",
  ]);
  expect(m.read(`${J}/opt/app/sub/deep/g`)).toBe("x\n");
  expect(did(m, "--prune")).toEqual([]);
  expect(m.run(["jk_check", J]).status).toBe(0);
  m.write(FILE, "");
  expect(linesOf(m, "--prune").status).toBe(0);
  expect(m.exists(J)).toBe(false);
});

test("what else is there stays in the way, and is told by the plan", () => {
  m.write(FILE, jail("files = /opt/app"));
  m.must(["jailkit", "apply"]);
  m.write(`${J}/opt/mine`, "");
  m.write(FILE, jail("live = /opt"));
  const planned = linesOf(m, "--check", "--prune").summary.problems;
  expect(planned).toMatchObject([{ code: "live-obstacle" }]);
  const { status, summary } = linesOf(m, "--prune");
  expect([status, summary.problems]).toEqual([1, planned]);
  m.remove(`${J}/opt/mine`);
  m.must(["jailkit", "apply"]);
});
