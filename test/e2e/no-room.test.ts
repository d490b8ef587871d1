/** A jail on a file system that is full, or that cannot be written: one line tells, and the same command goes on. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { check, summary } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(300_000);

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_update", "jk_check", "jailkit"] });
  m.remove("/var/lib/jailkit");
});
afterAll(() => m?.close());

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

test("a full file system: what is missing and how much, and after room is made it goes on", () => {
  m.mkdir("/srv/small");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=3m", "tmpfs", "/srv/small"]);
  const first = m.run(["jk_init", "-j", "/srv/small", "basicshell", "uidbasics"]);
  expect(first.status).toBe(1);
  expect(lines(first.stderr)).toEqual([
    expect.stringMatching(
      /^jk_init: \/srv\/small: its file system is full: \d+ MiB more are needed, \d+ MiB are free \(\d+ of \d+ objects are in place\); make room, and run this again$/,
    ),
  ]);
  const leftovers = m.must(["find", "/srv/small", "-name", ".jk-*"]).stdout;
  expect(leftovers).toBe("");
  m.must(["mount", "-o", "remount,size=200m", "/srv/small"]);
  expect(m.run(["jk_init", "-j", "/srv/small", "basicshell", "uidbasics"])).toMatchObject({
    status: 0,
    stderr: "",
  });
  expect(summary(check(m, "/srv/small").found)).toEqual([]);
});

test("a read-only one: the command that is told makes it writable", () => {
  m.mkdir("/srv/fixed");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/srv/fixed"]);
  m.must(["mount", "-o", "remount,ro", "/srv/fixed"]);
  const first = m.run(["jk_cp", "-j", "/srv/fixed", "/bin/true"]);
  expect(first.status).toBe(1);
  const [line = "", ...more] = lines(first.stderr);
  expect(more).toEqual([]);
  const command = /read-only \(.*?\): (.*), and run this again$/.exec(line)?.[1] ?? "";
  expect(typeRemedy(m, command)).toMatchObject({ status: 0 });
  expect(m.run(["jk_cp", "-j", "/srv/fixed", "/bin/true"])).toMatchObject({ status: 0, stderr: "" });
});

test.each([
  ["jk_init -v -j JAIL uidbasics", "jk_init: "],
  ["jk_update -j JAIL", "jk_update: JAIL: "],
  ["jk_check JAIL", "jk_check: "],
  ["jailkit list", "jailkit list: "],
])("standard output is on one, of %s: it is told as that, and the work is done", (command, label) => {
  m.mkdir("/opt/told");
  m.mkdir("/srv/told");
  m.write("/opt/told/file", "1");
  m.must(["jk_cp", "-f", "-j", "/srv/told", "/opt/told"]);
  m.write("/opt/told/file", "2, and longer");
  const words = (text: string) => text.replace("JAIL", "/srv/told");
  const { status, stderr } = m.run(["sh", "-c", `${words(command)} > /dev/full`]);
  const message = `${words(label)}standard output: write: No space left on device`;
  expect([status, lines(stderr)]).toEqual([1, [message]]);
  if (command.startsWith("jk_update")) expect(m.read("/srv/told/opt/told/file")).toBe("2, and longer");
});
