/** /etc/nsswitch.conf has a mistake, so that no name service has the accounts of /etc/passwd: these are not taken for gone. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const NSSWITCH = "/etc/nsswitch.conf";

let m: Machine;

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(
    "/etc/jailkit/jails.d/one.ini",
    `[jail ${J}]\nsections = uidbasics, basicshell\n[user ann]\njail = ${J}\nshell = /bin/bash\ngroups = team, jailed\nauthorized_keys = ${KEYS[0]}\n[user lim]\njail = ${J}\nshell = /bin/bash\n`,
  );
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test("apply makes nothing; no command takes a user out of the jail", () => {
  const before = m.read(NSSWITCH);
  const files = ["/etc/passwd", `${J}/etc/passwd`].map((path) => m.read(path));
  m.write(NSSWITCH, before.replace(/^passwd:.*/m, "passwd: nothere"));
  for (const options of [["--check"], [], ["--prune"]]) {
    const { changes, summary } = linesOf(m, ...options);
    expect([options, changes, summary.problems]).toEqual([options, [], []]);
  }
  expect(m.run(["jk_check", "--json"]).stdout).not.toMatch(/jk_jailuser|userdel/);
  const status = reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout);
  expect(JSON.stringify(status.findings)).not.toMatch(/jk_jailuser|userdel|prune/);
  m.write(NSSWITCH, before);
  expect(["/etc/passwd", `${J}/etc/passwd`].map((path) => m.read(path))).toEqual(files);
  expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [] });
});
