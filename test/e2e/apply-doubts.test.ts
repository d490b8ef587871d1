/** `jailkit apply` warns of what `jailkit config check` warns of, when it gives it, and says nothing in a run without work. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const ADMIN = "a member of the group 'sudo' can become root on most machines";
const CODE = "'BASH_ENV' can make programs run other code";

let m: Machine;
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\n${more}`;
const declare = (...users: string[]) =>
  m.write(FILE, `[jail ${J}]\nsections = uidbasics, basicshell, sftp\n${users.join("")}`);
const BOB = user("bob", "allow = sftp\nenvironment = BASH_ENV=/x\n");

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["groupadd", "-f", "sudo"]);
  declare(user("anna", "shell = /bin/bash\ngroups = team, sudo\n"), BOB);
});
afterAll(() => m?.close());

/** The warnings of a run, without what they are about. */
const warned = (...options: string[]) => {
  const { changes, summary } = linesOf(m, ...options);
  return [...summary.warnings, ...changes.flatMap(({ warnings }) => warnings)].filter((line) =>
    [ADMIN, CODE].some((one) => line.includes(one)),
  );
};
const PLANNED = [
  `user anna: ${ADMIN} (declared in ${FILE}:6:16)`,
  `user bob: ${CODE} (declared in ${FILE}:10:15)`,
];

test("of what is declared, in --check, as the check of the configuration", () => {
  expect(warned("--check")).toEqual(PLANNED);
  const { stdout } = m.run(["jailkit", "config", "check", FILE]);
  expect(stdout).toContain(`${FILE}:6:16: warning: ${ADMIN} [doubtful-value]`);
  expect(stdout).toContain(`${FILE}:10:15: warning: ${CODE} [code-variable]`);
  const noKey = (name: string) =>
    `jailkit apply: warning: user ${name}: '${name}' has no password and no key, and cannot log in; declare a key with 'authorized_keys', or fix it with: passwd ${name}\n`;
  expect(m.run(["jailkit", "apply", "--check"]).stderr).toBe(
    `jailkit apply: warning: user anna: ${ADMIN}\n  declared in ${FILE}:6:16\njailkit apply: warning: user bob: ${CODE}\n  declared in ${FILE}:10:15\n${noKey("anna")}${noKey("bob")}`,
  );
});

test("of what a run gives, once; and no more when it is there", () => {
  expect(warned()).toEqual([PLANNED[1] ?? "", expect.stringContaining(ADMIN)]);
  expect(m.run(["jailkit", "apply"])).toMatchObject({ status: 0, stderr: "" });
  expect(warned("--check")).toEqual(PLANNED);
});

test.each([
  ["a key", `shell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`],
  ["a shell", "shell = /bin/sh\n"],
  ["limits", "shell = /bin/sh\nnetwork = none\n"],
  ["a comment", "shell = /bin/sh\nnetwork = none\ncomment = Anna\n"],
])("of a user who gets %s, once", (_, more) => {
  declare(user("anna", `groups = team, sudo\n${more}`), BOB);
  expect(warned()).toEqual([expect.stringContaining(ADMIN)]);
  expect(warned()).toEqual([]);
});

test("of a group that is named by its gid, and of many users with the same, once", () => {
  const { gid } = m.ids("anna");
  const [, , sudo = ""] = m.must(["getent", "group", "sudo"]).stdout.split(":");
  expect(`${gid}`).not.toBe(sudo);
  const names = ["u1", "u2", "u3"];
  declare(...names.map((name) => user(name, `shell = /bin/bash\ngroups = ${sudo}\n`)));
  const { stderr } = m.run(["jailkit", "apply", "--check"]);
  expect(stderr.split("\n").filter((line) => line.includes(ADMIN))).toEqual([
    `jailkit apply: warning: user u1: ${ADMIN}`,
    `jailkit apply: warning: user u1 and 2 more: ${ADMIN}`,
  ]);
});

test("of a home with which nobody can log in, with what helps", () => {
  const home = `${J}/./home/anna`;
  declare(user("anna", "shell = /bin/bash\n"));
  m.must(["jailkit", "apply"]);
  const said = (...options: string[]) =>
    m.run(["jailkit", "apply", ...options]).stderr.match(/anna cannot log in, .*/g) ?? [];
  const login = () => m.run(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "anna" }).status;
  expect([said("--check"), login()]).toEqual([[], 0]);
  for (const [mode, what, command] of [
    ["0770", "group writable", `chmod g-w ${home}`],
    ["0707", "writable for other", `chmod o-w ${home}`],
  ] as const) {
    m.must(["chmod", mode, `${J}/home/anna`]);
    expect(login()).toBe(53);
    const [line = "", ...more] = said("--check");
    expect([line, more]).toEqual([expect.stringContaining(`path ${home} is ${what}, set option`), []]);
    expect(line).toEndWith(`; fix it with: ${command}`);
    // A run that has nothing to do does not repeat it.
    expect(said()).toEqual([]);
    m.must(["sh", "-ec", command]);
    expect([said("--check"), login()]).toEqual([[], 0]);
  }
  m.must(["chgrp", "daemon", `${J}/home/anna`]);
  expect([said("--check"), login()]).toEqual([[expect.stringContaining("does not have group owner")], 53]);
  // Each run that changes the user tells it once.
  for (const more of ["comment = Other\n", "groups = daemon\ncomment = Other\n"]) {
    declare(user("anna", `shell = /bin/bash\n${more}`));
    expect(said()).toHaveLength(1);
  }
});

describe("of accounts that come, and need something yet: --check as the run, and nothing of who is there", () => {
  const LIMITED = "shell = /usr/sbin/jk_lsh\n";
  const SFTP = "allow = sftp\n";
  const NEW = "/srv/needy";
  const needs = (...options: string[]) => {
    const { changes, summary } = linesOf(m, ...options);
    const said = changes.flatMap(({ name, warnings }) => warnings.map((line) => `user ${name}: ${line}`));
    return [...summary.warnings, ...said].filter((line) =>
      /no password and no key|can run nothing/.test(line),
    );
  };
  const noKey = (name: string) =>
    `user ${name}: '${name}' has no password and no key, and cannot log in; declare a key with 'authorized_keys', or fix it with: passwd ${name}`;
  const nothing = (name: string, jail = J) =>
    `user ${name}: '${name}' can run nothing: no section of '${jail}/etc/jailkit/jk_lsh.ini' is for it; declare what it may do with 'allow'`;
  const key = `authorized_keys = ${KEYS[0]}\n`;
  const inNew = (name: string, more: string) => user(name, more).replace(J, NEW);
  const before = () => {
    m.addUser("old", { createHome: true, home: "/home/old" });
    m.mkdir(`${J}/keys`, { owner: [5008, 100], mode: 0o700 });
    m.mkdir(`${J}/keys/.ssh`, { owner: [5008, 100], mode: 0o700 });
    m.write(`${J}/keys/.ssh/authorized_keys`, `${KEYS[0]}\n`);
    m.must(["chown", "5008:100", `${J}/keys/.ssh/authorized_keys`]);
  };

  test.each<[string, string, readonly string[]]>([
    ["without a key", user("n1", SFTP), [noKey("n1")]],
    ["with one, or with rights", user("n2", SFTP + key), []],
    ["without rights", user("n3", LIMITED), [noKey("n3"), nothing("n3")]],
    ["of before, without rights", user("old", LIMITED), [nothing("old")]],
    ["with a key in a home that is there", user("n4", `home = /keys\nuid = 5008\n${SFTP}`), []],
    [
      "in a new jail",
      `[jail ${NEW}]\nsections = uidbasics, sftp\n${inNew("n5", SFTP)}${inNew("n6", LIMITED + key)}`,
      [noKey("n5"), nothing("n6", NEW)],
    ],
  ])("%s", (what, text, expected) => {
    if (what === "without a key") before();
    declare(text);
    const planned = needs("--check");
    expect(planned).toEqual([...expected]);
    expect(needs()).toEqual(planned);
    expect([needs("--check"), needs()]).toEqual([[], []]);
  });

  test.each([
    ["jail was deleted", `rm -r ${NEW}`],
    ["line was", `sed -i /^n6:/d ${NEW}/etc/passwd`],
    ["line and login shell were", `sed -i /^n6:/d ${NEW}/etc/passwd; usermod -s /bin/sh n6`],
  ])("whose %s", (_, command) => {
    m.must(["sh", "-ec", command]);
    const planned = needs("--check");
    expect(planned).toEqual([nothing("n6", NEW)]);
    expect([...new Set(needs())]).toEqual(planned);
    expect([needs("--check"), needs()]).toEqual([[], []]);
  });

  test("nor of one whose name was changed", () => {
    m.must(["usermod", "-l", "n66", "n6"]);
    m.write(FILE, m.read(FILE).replace("[user n6]", "[user n66]\nhome = /home/n6"));
    const { changes } = linesOf(m, "--check");
    expect(changes.map(({ action, what, name }) => `${action} ${what} ${name}`)).toEqual([
      "create entry n66",
    ]);
    expect([needs("--check"), needs()]).toEqual([[], []]);
  });

  test("with a key of the skeleton directory, or a section of the machine for a new jail", () => {
    m.mkdir("/etc/skel/.ssh", { mode: 0o700 });
    m.write("/etc/skel/.ssh/authorized_keys", `${KEYS[0]}\n`);
    m.must([
      "sh",
      "-ec",
      `jailkit delete --yes --unjail --user-files ${NEW}; echo '[n8]' >>/etc/jailkit/jk_lsh.ini`,
    ]);
    declare(user("n7", SFTP), `[jail ${NEW}]\nsections = uidbasics, jk_lsh\n${inNew("n8", LIMITED)}`);
    expect([needs("--check"), needs()]).toEqual([[], []]);
    m.remove("/etc/skel/.ssh");
    m.must(["sed", "-i", "/^.n8.$/d", "/etc/jailkit/jk_lsh.ini"]);
  });
});

test("of such a home that is there before its account", () => {
  m.must(["install", "-d", "-o", "5007", "-g", "5005", "-m", "0755", `${J}/web`]);
  declare(user("weber", "home = /web\nuid = 5007\nshell = /bin/bash\n"));
  const said = (...options: string[]) =>
    m.run(["jailkit", "apply", ...options]).stderr.match(/weber cannot log in, .*/g) ?? [];
  const planned = said("--check");
  expect(planned).toEqual([expect.stringContaining(`path ${J}/./web does not have group owner 100, `)]);
  expect(said()).toEqual(planned);
  expect(said("--check")).toEqual(planned);
  m.must(["sh", "-ec", planned[0]?.split("; fix it with: ")[1] ?? "false"]);
  expect(said("--check")).toEqual([]);
  expect(m.run(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "weber" }).status).toBe(0);
});

test("of such a home that is to move into the jail", () => {
  m.addUser("mover", { createHome: true, home: "/home/mover" });
  m.must(["chmod", "0770", "/home/mover"]);
  declare(user("mover", "shell = /bin/bash\n"));
  const said = (...options: string[]) =>
    m.run(["jailkit", "apply", ...options]).stderr.match(/mover cannot log in, .*/g) ?? [];
  const planned = said("--check");
  expect(planned).toEqual([
    expect.stringMatching(/group writable, .*; fix it with: chmod g-w \/srv\/customer\//),
  ]);
  expect(said()).toEqual(planned);
  expect(said("--check")).toEqual(planned);
  m.write("/etc/jailkit/jk_chrootsh.ini", "[mover]\nrelax_home_group_permissions = 1\n");
  expect(said("--check")).toEqual([]);
  expect(m.run(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "mover" }).status).toBe(0);
  m.remove("/etc/jailkit/jk_chrootsh.ini");
});
