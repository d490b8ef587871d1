/** `jailkit apply --check --config-dir`: the plan for declarations before they are in their place. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const NEW = "/root/new";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string) => `[user ${name}]\njail = ${J}\nshell = /bin/sh\n`;

let m: Machine;
const everything = () => ["/etc", "/var/lib/jailkit", J].map((path) => m.snapshot(path));

beforeAll(async () => {
  m = await openApplyMachine();
  m.write("/etc/jailkit/jails.d/one.ini", `${JAIL}${user("anna")}`);
  m.write("/etc/jailkit/jails.d/two.ini", user("bert"));
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test("shows what would be done if they were there, also what would be removed, and does nothing", () => {
  m.write(`${NEW}/jails.d/one.ini`, `${JAIL}${user("carl")}`);
  const before = everything();
  const { status, changes, summary } = linesOf(m, "--check", "--prune", "--config-dir", NEW);
  expect(status).toBe(10);
  expect(changes.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^- user anna: account but not its home .* \(no longer declared\)$/),
    expect.stringMatching(/^- user bert: account but not its home .* \(no longer declared\)$/),
    expect.stringMatching(/^\+ user carl: account /),
  ]);
  expect(summary).toMatchObject({ changed: 3, failed: 0 });
  expect(did(m, "--check", "--config-dir", NEW)).toHaveLength(1);
  // By the files alone, nothing is known of others.
  expect(did(m, "--check", "--prune", `${NEW}/jails.d/one.ini`)).toHaveLength(1);
  expect(everything()).toEqual(before);
  expect(did(m)).toEqual([]);
});

test("what it shows is what is then done", () => {
  const planned = linesOf(m, "--check", "--prune", "--config-dir", NEW).changes.map(({ text }) => text);
  m.remove("/etc/jailkit/jails.d");
  m.must(["cp", "-a", `${NEW}/jails.d`, "/etc/jailkit/"]);
  expect(linesOf(m, "--prune").changes.map(({ text }) => text)).toEqual(planned);
});

test("reads jails.ini there, too, and names the place of a mistake", () => {
  m.write(`${NEW}/jails.ini`, `${user("dora")}shel = /bin/sh\n`);
  const { status, summary } = linesOf(m, "--check", "--config-dir", NEW);
  expect([status, summary.failed]).toEqual([1, 0]);
  expect(summary.problems[0]?.message).toStartWith(`${NEW}/jails.ini:4:1: `);
  m.remove(`${NEW}/jails.ini`);
});

test("a directory that is missing is a failure, and declares not nothing", () => {
  const { status, summary } = linesOf(m, "--check", "--config-dir", "/root/newer");
  expect([status, summary.problems]).toMatchObject([
    1,
    [{ code: "config-unreadable", path: "/root/newer", message: "/root/newer: no such directory" }],
  ]);
});

test("refuses a directory that others can write, as it refuses jails.d", () => {
  m.chmod(`${NEW}/jails.d`, 0o777);
  const { status, summary } = linesOf(m, "--check", "--config-dir", NEW);
  expect([status, summary.problems[0]?.code]).toEqual([1, "config-unsafe"]);
  m.chmod(`${NEW}/jails.d`, 0o755);
});

test.each([[["--config-dir", NEW]], [["--check", "--config-dir", NEW, "/root/other.ini"]]])(
  "is refused with %p",
  (words) => {
    const before = everything();
    expect(m.run(["jailkit", "apply", ...words])).toMatchObject({ status: 2, stdout: "" });
    expect(everything()).toEqual(before);
  },
);

test("so is one without declarations, which may be a misspelt path", () => {
  m.mkdir("/root/empty/jail.d");
  const { status, summary } = linesOf(m, "--check", "--config-dir", "/root/empty");
  expect([status, summary.problems[0]?.message]).toEqual([
    1,
    "/root/empty: has neither jails.ini nor jails.d",
  ]);
  m.mkdir("/root/empty/jails.d");
  expect(linesOf(m, "--check", "--config-dir", "/root/empty").status).toBe(0);
});
