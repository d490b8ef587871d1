/** `jailkit export --declaration` declares nobody who cannot log in, and nothing that `jailkit apply` would change. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const D = "/etc/jailkit/jails.d";

/** Accounts of useradd(8), each with what somebody has done to it, and why it is left out. */
const FAULTS: readonly (readonly [name: string, script: string, why: string])[] = [
  ["nohome", `rm -r ${J}/home/nohome`, `path ${J}/./home/nohome is not a directory`],
  ["roots", `chown 0:0 ${J}/home/roots`, `path ${J}/./home/roots is not owned by`],
  ["grouped", `chgrp team ${J}/home/grouped`, `path ${J}/./home/grouped does not have group owner 100`],
  ["writable", `chmod g+w ${J}/home/writable`, `path ${J}/./home/writable is group writable`],
  ["closed", `chmod 0 ${J}/home/closed`, "chdir(/home/closed) failed inside the jail"],
  ["uid", `sed -i 's/^uid:x:[0-9]*/uid:x:4999/' ${J}/etc/passwd`, "got user information in the jail for"],
  ["else", `sed -i 's#:/home/else:#:/home/other:#' ${J}/etc/passwd`, "home directory /home/else differs"],
  ["doubled", `usermod -d ${J}/./home//doubled doubled`, "home directory /home//doubled differs"],
  ["unplain", "usermod -d /srv//j/./home/unplain unplain", "the jail /srv//j is not the path of a directory"],
  ["shell", `sed -i '/^shell:/s#/bin/bash#/bin/zsh#' ${J}/etc/passwd`, "failed to execute shell /bin/zsh"],
  ["lost", "usermod -s /usr/bin/jk_chrootsh lost", "the login shell /usr/bin/jk_chrootsh does not exist"],
  [
    "data",
    "install -m 0644 /usr/sbin/jk_chrootsh /opt/jk_chrootsh; usermod -s /opt/jk_chrootsh data",
    "the user cannot execute /opt/jk_chrootsh",
  ],
  [
    "gid",
    `sed -i 's/^\\(gid:x:[0-9]*\\):100:/\\1:101:/' ${J}/etc/passwd`,
    "'jailkit apply' would change it: ~",
  ],
];

let m: Machine;
const makeAccount = (name: string): void => {
  const home = `${J}/home/${name}`;
  m.must(["useradd", "-M", "-g", "users", "-d", `${J}/./home/${name}`, "-s", "/usr/sbin/jk_chrootsh", name]);
  const uid = m.must(["id", "-u", name]).stdout.trim();
  m.must(["sh", "-ec", `echo '${name}:x:${uid}:100::/home/${name}:/bin/bash' >> ${J}/etc/passwd`]);
  m.must(["install", "-d", "-o", name, "-g", "users", "-m", "0700", home]);
};
const login = (name: string) => m.run(["su", "-", name, "-c", "true"]).status;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.must(["sh", "-c", "rm -r /var/lib/jailkit/jails/*"]);
  m.must(["jailkit", "adopt", J]);
  m.must(["sh", "-ec", `echo users:x:100: >> ${J}/etc/group`]);
  for (const [name] of FAULTS) makeAccount(name);
  for (const name of ["good", "member"]) makeAccount(name);
});
afterAll(() => m?.close());

test("accounts whose login is refused are left out, with the reason, and apply finds nothing to do", () => {
  for (const [name, script] of FAULTS) {
    expect([name, login(name)]).toEqual([name, 0]);
    m.must(["sh", "-ec", script]);
    if (name !== "gid") expect([name, login(name)]).not.toEqual([name, 0]);
  }
  m.must(["gpasswd", "-a", "member", "team"]);
  const { status, stderr } = m.run(["jailkit", "export", "--declaration", "-o", D]);
  const text = m.read(`${D}/srv-j.ini`);
  expect([status, text.match(/^\[user .*/gm)]).toEqual([0, ["[user good]", "[user member]"]]);
  for (const [name, , why] of FAULTS) {
    const line = `left out: user '${name}': ${name === "gid" ? "" : "it cannot log in now: "}${why}`;
    expect(text).toContain(`\n# ${line}`);
    expect(stderr).toContain(`jailkit export: warning: jail '${J}': ${line}`);
  }
  // The jail has no such group: it is not told as if somebody had it there.
  expect(text).toContain(
    "# left out: the group 'team', of which it is no member in the jail\n[user member]\n",
  );
  expect(linesOf(m, "--check")).toMatchObject({ status: 0, changes: [] });
  expect(m.must(["jailkit", "apply"]).stdout).toMatch(/^0 changed, 0 failed/m);
  for (const [name] of FAULTS) if (name !== "gid") expect([name, login(name)]).not.toEqual([name, 0]);
});

test("a jk_chrootsh at another path is named", () => {
  m.must(["cp", "-a", "/usr/sbin/jk_chrootsh", "/usr/local/sbin/jk_chrootsh"]);
  m.must(["usermod", "-s", "/usr/local/sbin/jk_chrootsh", "good"]);
  expect(m.must(["jailkit", "export", "--declaration"]).stdout).toContain(
    "# left out: its login shell on this machine, '/usr/local/sbin/jk_chrootsh'\n[user good]\n",
  );
});
