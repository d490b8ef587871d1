/**
 * jk_check --fix gives root only what it checked: a user who puts something else in its place, or who wrote the
 * contents of a file, gets no program of root's out of it.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const jail = "/srv/mended";
const RACER = "/usr/local/bin/exchange-racer";
let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init", "jk_cp", "jk_check", "jk_update"] });
  m.write(RACER, readFileSync(compiledC(join(import.meta.dir, "exchange-racer.c"))), { mode: 0o755 });
  m.must(["jk_init", "-j", jail, "basicshell"]);
  m.addUser("mallory");
});
afterAll(async () => m.close());

/** Programs of root's that everybody may start with root's rights. */
const setuidRoot = () =>
  m.must(["find", jail, "-xdev", "-user", "root", "-perm", "-4000", "-type", "f"]).stdout;

test("a setuid program that replaces a directory after the check does not become root's", async () => {
  m.must(["sh", "-ec", "mkdir -p /opt/app/sub; echo x > /opt/app/file"]);
  m.must(["jk_cp", "-j", jail, "/opt/app"]);
  const app = `${jail}/opt/app`;
  // The mistake that should be fixed.
  m.must(["chown", "-R", "mallory", app]);
  m.must(["sh", "-ec", `cp /usr/bin/bash ${app}/evil; chmod 4755 ${app}/evil`], { user: "mallory" });
  // When the directory has been listed, it has been judged.
  const racer = m.start([RACER, `${app}/sub`, `${app}/evil`, "closed", app, "sub"], { user: "mallory" });
  await racer.until(({ stdout }) => (stdout.includes("ready\n") ? true : undefined));
  const { status, stdout } = m.run(["jk_check", "--fix", jail]);
  await racer.until(({ stdout }) => (stdout.includes("exchanged\n") ? true : undefined));
  racer.kill();
  await racer.ended;
  expect(setuidRoot()).toBe("");
  expect([status, stdout]).toEqual([
    1,
    expect.stringContaining(`Not fixed: ${app}/sub: was exchanged after it was examined`),
  ]);
  expect(m.stat(`${app}/sub`)?.uid).toBe(m.ids("mallory").uid);
  m.remove(app);
});

test("a file that a user owned for a while is replaced", () => {
  m.must(["sh", "-ec", "mkdir -p /srv/tools; cp /usr/bin/true /srv/tools/tool; chmod 4755 /srv/tools/tool"]);
  m.must(["jk_cp", "-s", "-j", jail, "/srv/tools"]);
  const tool = `${jail}/srv/tools/tool`;
  const recorded = m.stat(tool);
  expect(recorded?.mode).toBe(0o104755);
  const evil = "#!/bin/sh\nid\n".padEnd(recorded?.size ?? 0, "\n");
  m.write(tool, evil, { mode: 0o4755, owner: [m.ids("mallory").uid, 0] });
  m.must(["touch", "-r", "/srv/tools/tool", tool]);
  m.run(["jk_check", "--fix", jail]);
  expect(Buffer.compare(m.readBytes(tool), m.readBytes("/srv/tools/tool"))).toBe(0);
  expect([m.stat(tool)?.mode, m.stat(tool)?.uid]).toEqual([0o104755, 0]);
});

test("more findings about a user's files than are shown hide none about root's, which are reported and fixed", () => {
  const ls = `${jail}/usr/bin/ls`;
  m.chmod(ls, 0o4755);
  m.mkdir(`${jail}/home/mallory`, { owner: [m.ids("mallory").uid, 0] });
  const flood = `cd ${jail}/home/mallory; for i in $(seq 1100); do : > $i; done; chmod 6777 *`;
  m.must(["sh", "-ec", flood], { user: "mallory" });
  expect(m.run(["jk_check", jail]).stdout).toContain(`${ls} is executable for others and setuid root!!`);
  expect(m.run(["jk_check", "--fix", jail]).stdout).toContain(`Fixed: ${ls}: `);
  expect(m.stat(ls)?.mode).toBe(0o100755);
});

test("in a printed command, a name that somebody chose is one word", () => {
  m.must(["sh", "-ec", "mkdir -p '/opt/theirs'; cp /usr/bin/ls '/opt/theirs/x;touch pwned'"]);
  m.must(["jk_cp", "-j", jail, "/opt/theirs"]);
  m.must(["sh", "-ec", `rm ${jail}/usr/lib/*-linux-*/libselinux.so.1*`]);
  const { stdout } = m.run(["jk_check", "--json", jail]);
  const findings = reportOf(checkReportSchema, stdout).jails.flatMap((one) => one.findings);
  const found = findings.find(({ path }) => path.endsWith("/x;touch pwned"));
  expect(found).toMatchObject({
    rule: "missing-library",
    remedy: `jk_cp -f -j ${jail} '/opt/theirs/x;touch pwned'`,
  });
});
