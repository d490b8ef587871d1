/** What a jail has of a disk that is not mounted, and what a user may start of it: nothing advises to take that away. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { configReportSchema } from "../../src/lint/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [J, N, DISK] = ["/srv/a", "/srv/n", "/opt/disk"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (path: string, list: string) => `[jail ${path}]\nsections = uidbasics\n${list}\n`;
const FILES = `files = ${DISK}/one, ${DISK}/two`;
const ways = (key: string) =>
  `; bring it back, as by a mount, or take it out of '${key}': then --prune takes it out of the jail, too`;

let m: Machine;
const mounted = () => m.must(["mount", "--bind", "/root/disk", DISK]);
const checked = () =>
  reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout).findings.map(
    ({ line, code, message, remedy }) => [line, code, message, remedy],
  );
const problems = (...options: readonly string[]) =>
  linesOf(m, ...options).summary.problems.map(({ path, finding, message, remedy }) => [
    ...[path, finding, message, remedy],
  ]);

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/root/disk");
  m.mkdir(DISK);
  for (const name of ["one", "two"]) m.must(["cp", "/usr/bin/tac", `/root/disk/${name}`]);
});
afterAll(() => m?.close());

test.each([
  ["all files of a jail", FILES, 2],
  ["all files of a directory", `files = /usr/bin/rev, ${DISK}/one`, 1],
])("%s: the jail keeps them, and a new one is told both ways", (_, list, count) => {
  m.must(["cp", "/usr/bin/tac", "/usr/bin/rev"]);
  mounted();
  m.write(FILE, jail(J, list));
  m.must(["jailkit", "apply", "--prune"]);
  m.must(["umount", DISK]);
  const names = ["one", "two"].slice(0, count);
  const found = (line: number) =>
    names.map((name) => [
      ...[line, "no-such-path", `'${DISK}/${name}' does not exist${ways("files")}`, null],
    ]);
  expect(checked()).toEqual(found(3));
  m.write(FILE, jail(J, list) + jail(N, list));
  expect(checked()).toEqual([...found(3), ...found(6)]);
  const text = names.map((name) => `${DISK}/${name} does not exist`).join("; ");
  for (const options of [["--check"], ["--prune"]])
    expect(problems(...options)).toEqual([[N, "no-such-path", `jail ${N}: ${text}${ways("files")}`, null]]);
  for (const name of names) expect(m.exists(`${J}${DISK}/${name}`)).toBe(true);
  mounted();
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0 });
  expect([m.exists(`${N}${DISK}/one`), checked()]).toEqual([true, []]);
  m.must(["umount", DISK]);
  m.write(FILE, "");
  m.must(["jailkit", "apply", "--prune"]);
});

test.each(["/opt/live", "/usr, /opt/live"])("a live directory: %s", (list) => {
  const at = "/opt/live";
  m.write(FILE, jail(N, `live = ${list}`));
  const message = `is no directory of this machine${ways("live")}`;
  expect(checked()).toEqual([[3, "not-a-directory", `'${at}' ${message}`, null]]);
  expect(problems("--prune")).toEqual([[N, "not-a-directory", `jail ${N}: ${at}: ${message}`, null]]);
});

test("all programs that a user may start, and where they are looked for: the rights stay as they are written", () => {
  const rights = `executables = ${DISK}/one\npaths = ${DISK}\n`;
  const declared = `${jail(J, FILES)}[user ann]\njail = ${J}\n${rights}`;
  mounted();
  m.write(FILE, declared);
  m.must(["jailkit", "apply"]);
  m.must(["umount", DISK]);
  m.must(["mv", `${J}${DISK}`, "/root/aside"]);
  const lacks = `'${DISK}/one' does not exist, nor does another one of 'executables': bring it back, or name others`;
  expect(checked().slice(2)).toEqual([
    [6, "no-such-path", lacks, null],
    [7, "no-such-path", `'${DISK}' does not exist`, null],
  ]);
  m.must(["mv", "/root/aside", `${J}${DISK}`]);
});
