/** The line of an account is gone from /etc/shadow, as by an older backup of it, so that PAM lets nobody in. */
import { afterAll, afterEach, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import type { Sshd } from "../machine/sshd.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j2";
const FILE = "/etc/jailkit/jails.d/a.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const ANN = `[user ann]\njail = ${J}\nshell = /bin/bash\n`;
const HEAL = "usermod -p '*' ann";
const SAID =
  "'ann' is not in shadow(5), though passwd(5) says so: PAM lets nobody in, or, where pam_unix(8) has broken_shadow, a key alone; its password and its expiry are lost; " +
  `make a line without a password with: ${HEAL}; or, for logins by a password: passwd ann`;

let m: Machine;
let sshd: Sshd;

const sh = (text: string) => m.must(["sh", "-ec", text]).stdout;
const status = () =>
  reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings.map(
    ({ kind, subject, message, command }) => [kind, subject, message, command],
  );
const applied = (...options: string[]) => {
  const { summary, changes } = linesOf(m, ...options);
  const problems = summary.problems.map(({ code, message, remedy }) => [code, message, remedy]);
  return { status: summary.exitStatus, problems, changes: changes.map(({ text }) => text) };
};
const enters = () => sshd.ssh("ann", ["echo in"]).stdout === "in\n";
const lose = () => sh("sed -i '/^ann:/d' /etc/shadow");

beforeAll(async () => {
  m = await openApplyMachine();
  sshd = await m.startSshd({ config: ["UsePAM yes"] });
});
beforeEach(() => {
  m.mkdir("/srv", { mode: 0o755 });
  m.write(FILE, `${JAIL}${ANN}authorized_keys = ${KEYS[0]}\n`);
  m.must(["jailkit", "apply"]);
  expect([enters(), status(), applied()]).toEqual([true, [], { status: 0, problems: [], changes: [] }]);
});
afterEach(() => {
  m.run(["userdel", "-f", "ann"]);
  for (const path of ["/srv", "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

test("status and apply tell it, apply does all else, and the command lets the login in again", () => {
  const line = sh("grep ^ann: /etc/shadow");
  lose();
  expect(enters()).toBe(false);
  expect(status()).toEqual([["no-shadow", "ann", SAID, HEAL]]);
  const problems = [["no-shadow", `user ann: ${SAID}`, HEAL]];
  expect(applied("--check")).toEqual({ status: 1, problems, changes: [] });
  sh(`sed -i '/^ann:/d' ${J}/etc/passwd`);
  expect(applied()).toMatchObject({ status: 1, problems, changes: [expect.stringContaining("user ann")] });
  sh(HEAL);
  expect([enters(), status(), applied()]).toEqual([true, [], { status: 0, problems: [], changes: [] }]);
  expect(sh("grep ^ann: /etc/shadow")).toBe(line);
});

test("a login by a password gets a new one by passwd(1) alone", () => {
  lose();
  sh("printf 'a long secret\\n%.0s' 1 2 | passwd ann");
  expect([enters(), status(), applied().status]).toEqual([true, [], 0]);
  expect(m.read("/etc/passwd")).toMatch(/^ann:x:/m);
});

test("where the file itself is gone, no command makes lines that would count when it is back", () => {
  const message = expect.stringContaining("put it back, as from /etc/shadow-");
  for (const away of ["mv /etc/shadow /root/shadow", "cp /etc/shadow /root/shadow; : > /etc/shadow"]) {
    sh(away);
    expect([status(), applied("--check").problems]).toEqual([
      [["account-file", "/etc/shadow", message, "pwck -r"]],
      [["no-shadow", message, null]],
    ]);
    sh("cat /root/shadow > /etc/shadow; chmod 640 /etc/shadow; chgrp shadow /etc/shadow");
    expect([enters(), status(), applied()]).toEqual([true, [], { status: 0, problems: [], changes: [] }]);
  }
});

test("an account whose password is in passwd(5), and one whose login was closed, need no line", () => {
  lose();
  sh("sed -i 's/^ann:x:/ann:*:/' /etc/passwd");
  expect([enters(), status(), applied().problems]).toEqual([true, [], []]);
  sh("sed -i 's/^ann:.:/ann:x:/' /etc/passwd; usermod -s /usr/sbin/nologin ann");
  m.write(FILE, JAIL);
  expect(status()).toEqual([]);
});
