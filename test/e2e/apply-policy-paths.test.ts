/** Paths in the rights of declared users that are not there, or no list: what tells of them before they are written, and where. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/p";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n`;
const user = (more: string, name = "anna") => `[user ${name}]\njail = ${J}\n${more}\n`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL + user("allow = sftp") + user("shell = /bin/bash", "bert"));
  m.must(["jailkit", "apply"]);
  m.mkdir(`${J}/home/mirror`);
  for (const name of ["its' data", "a:/b", "a 'b'"]) m.must(["mkdir", "-p", `${J}/home/${name}`]);
});
afterAll(() => m?.close());
beforeEach(() => {
  m.write(FILE, JAIL + user("allow = sftp") + user("shell = /bin/bash", "bert"));
  m.must(["jailkit", "apply", "--prune"]);
});

const found = () =>
  reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout).findings;
const warned = (...options: string[]) =>
  m
    .run(["jailkit", "apply", ...options])
    .stderr.split("\n")
    .filter((line) => line.startsWith("jailkit apply: warning: "))
    .map((line) => line.replace("jailkit apply: warning: ", ""));

describe.each([
  ["the limited shell", "anna", "allow = sftp", ""],
  ["bash", "bert", "shell = /bin/bash", "confine = 1\n"],
])("of a user with %s", (_, name, shell, confine) => {
  test.each([
    ["read = /home/mirror, /nodir", "no-such-path", "'/nodir' does not exist: 'read' allows nothing there"],
    ["write = /home/mirror, /nodir", "no-such-path", "'/nodir' does not exist: 'write' allows nothing there"],
    [
      "read = /home/mirror /data",
      "not-a-list",
      "'/home/mirror /data' is one item here: commas separate the items of a list; write /home/mirror, /data",
    ],
    [
      "read = /home/mirror' data",
      "no-such-path",
      "'/home/mirror' data' does not exist: 'read' allows nothing there",
    ],
    ["read = /home/its' data, /home/a:/b, /home/a 'b'", undefined, undefined],
    // The home of another one, which comes only now.
    ["read = /home/mirror, /home/carl, ~", undefined, undefined],
    ["write = /home/carl/.ssh, /home", undefined, undefined],
  ])("before it is written, config check, --check and the run tell of %s", (line, code, message) => {
    const other = name === "anna" ? user("shell = /bin/bash", "bert") : user("allow = sftp");
    const carl = user(`allow = sftp\nauthorized_keys = ${KEYS[0]}`, "carl");
    m.write(FILE, JAIL + other + carl + user(`${shell}\n${confine}${line}`, name));
    const codes = code === undefined ? [] : [code];
    const said = message === undefined ? [] : [expect.stringContaining(`user ${name}: ${message}`)];
    expect(found().map((one) => [one.file, one.code])).toEqual(codes.map((one) => [FILE, one]));
    expect(warned("--check")).toEqual(said);
    expect(warned()).toEqual(said);
    expect(warned()).toEqual([]);
    expect(found().map((one) => [one.file, one.code])).toEqual(codes.map((one) => [FILE, one]));
  });
});

test("of a new jail, a path is told that neither it nor the machine has, before it is made", () => {
  const jail = "/srv/new-p";
  const text = `[jail ${jail}]\nsections = uidbasics, basicshell, sftp\n[user dora]\njail = ${jail}\nauthorized_keys = ${KEYS[0]}\nallow = sftp\nread = /nodir, /home/dora, /usr, /etc\n`;
  m.write(FILE, JAIL + user("allow = sftp") + user("shell = /bin/bash", "bert") + text);
  expect(found().map(({ code, message }) => [code, message.slice(0, 8)])).toEqual([
    ["no-such-path", "'/nodir'"],
  ]);
  expect(warned("--check")).toHaveLength(1);
  expect(warned()).toHaveLength(1);
});

test("config check tells of a value that was written before where that is, and apply heals it", () => {
  m.write(FILE, JAIL + user("allow = sftp\nread = /home/mirror, /nodir") + user("shell = /bin/bash", "bert"));
  m.must(["jailkit", "apply"]);
  m.write(FILE, JAIL + user("allow = sftp\nread = /home/mirror") + user("shell = /bin/bash", "bert"));
  const written = `${J}/etc/jailkit/jk_lsh.ini`;
  const { stdout } = m.run(["jailkit", "config", "check"]);
  expect(stdout).toContain(`${written}:`);
  expect(stdout).not.toContain(FILE);
  expect(found().map(({ file, code, remedy }) => [file, code, remedy])).toEqual([
    [written, "no-such-path", "jailkit apply"],
  ]);
  m.must(["jailkit", "apply"]);
  expect(found()).toEqual([]);
});

describe("a path that was meant for another one, in config check, --check and the run", () => {
  const OUTER = `'${J}/home/anna/in' does not exist: 'write' allows nothing there; it begins with the path of the jail: write '/home/anna/in', as the jail sees it`;
  const near = (path: string, meant: string) =>
    `'${path}' does not exist: 'write' allows nothing there; did you mean '${meant}'?`;
  test.each([
    ["write = /home/annna", near("/home/annna", "/home/anna"), "write = /home/anna"],
    ["write = /hmoe/anna/in, ~", near("/hmoe/anna/in", "/home/anna/in"), "write = /home/anna/in, ~"],
    [`write = ${J}/home/anna/in`, OUTER, "write = /home/anna/in"],
    // That may be anything.
    ["write = /home/bert2", "'/home/bert2' does not exist: 'write' allows nothing there", "write = none"],
    ["write = /home/anna2", "'/home/anna2' does not exist: 'write' allows nothing there", "write = none"],
  ])("%s", (line, message, mended) => {
    m.mkdir(`${J}/home/anna/in`);
    const declare = (text: string) =>
      m.write(FILE, JAIL + user(`allow = sftp\n${text}`) + user("shell = /bin/bash", "bert"));
    declare(line);
    const remedy = `write in line 6 of ${FILE}:\n${mended}`;
    expect(found()).toMatchObject([{ line: 6, severity: "warning", code: "no-such-path", message, remedy }]);
    for (const options of [["--check"], []])
      expect(warned(...options).join("\n")).toContain(`user anna: ${message}`);
    declare(mended);
    m.must(["jailkit", "apply"]);
    expect(found()).toEqual([]);
  });
});
