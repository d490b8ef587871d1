/** The path of a jail is bytes: whatever root starts with it as an argument (ldconfig, usermod, chroot) gets them. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
});
afterAll(async () => m.close());

// UTF-8 that a decoder would have to cut, and bytes that are never UTF-8.
const COPIED = "/srv/\xc3\xa9 \xff\xc3";
const LIVE = "/srv/live\xfe";

test("a jail of any bytes is filled, used, checked, updated and deleted", () => {
  m.must(["jk_init", "-j", COPIED, "basicshell"]);
  expect(m.stat(`${COPIED}/etc/ld.so.cache`)?.mtime).toBeGreaterThan(0n);
  m.must(["jk_addjailuser", "-j", COPIED, "-s", "/bin/bash", "new"]);
  m.addUser("old", { uid: 4002, home: "/home/old", createHome: true });
  m.must(["jk_jailuser", "--move", "-j", COPIED, "-s", "/bin/bash", "old"]);
  expect(m.read("/etc/passwd")).toContain(`:${COPIED}/./home/old:`);
  for (const user of ["new", "old"]) {
    const login = m.must(["/usr/sbin/jk_chrootsh", "-c", "pwd; id -un"], { user, argv0: "-jk_chrootsh" });
    expect(login.stdout).toBe(`/home/${user}\n${user}\n`);
  }
  const report = reportOf(checkReportSchema, m.must(["jk_check", "--json", "--run", COPIED]).stdout);
  expect(report.jails[0]?.tests.map(({ outcome }) => outcome)).toContain("passed");
  m.must(["jk_update", "-j", COPIED]);
  m.must(["jk_jailuser", "--unjail", "--move", "-s", "/bin/sh", "--", "old", "new"]);
  m.must(["jailkit", "delete", "--yes", COPIED]);
  expect(m.stat(COPIED)).toBeUndefined();
});

test("a live jail of any bytes is mounted, checked, unmounted and deleted", () => {
  m.must(["jk_init", "--live", "-j", LIVE, "basicshell"]);
  m.must(["jailkit", "unmount", LIVE]);
  expect(m.list(`${LIVE}/usr`)).toEqual([]);
  m.must(["jailkit", "mount", LIVE]);
  m.must(["jk_check", "--run", LIVE]);
  m.must(["jailkit", "delete", "--yes", LIVE]);
  expect(m.stat(LIVE)).toBeUndefined();
  expect(m.read("/etc/fstab")).not.toContain("/srv/");
});

test("no character of a path ends a line of JSON", () => {
  // U+0085, U+2028 and U+2029 end lines for Python, and so for Ansible.
  const path = "/srv/a\xc2\x85b\xe2\x80\xa8c\xe2\x80\xa9d";
  m.mkdir("/etc/jailkit/jails.d", { mode: 0o755 });
  m.write("/etc/jailkit/jails.d/one.ini", `[jail ${path}]\nsections = uidbasics\n`);
  for (const command of [
    "jailkit apply --check",
    "jailkit apply",
    "jailkit list",
    "jk_check",
    "jk_update --all",
  ]) {
    const { stdout } = m.run([...command.split(" "), "--json"]);
    expect(stdout).toContain("a\\u0085b\\u2028c\\u2029d");
    expect(stdout).not.toMatch(/\xc2\x85|\xe2\x80[\xa8\xa9]/);
  }
  m.must(["jailkit", "delete", "--yes", path]);
});
