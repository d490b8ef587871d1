/**
 * Refusals because somebody owns the directory above a home or a jail: no advice takes a home from its user, and what is
 * advised heals.
 */
import { afterAll, beforeAll, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/new";
const BOB = "/root/bob.json";
let m: Machine;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.must(["jk_init", "-j", "/srv/old", "basicshell"]);
  for (const [name, uid] of [
    ["bob", 4001],
    ["anna", 4005],
  ] as const) {
    m.addUser(name, { uid, createHome: true, home: `/home/${name}` });
    m.must(["jk_jailuser", "-m", "-j", "/srv/old", "-s", "/bin/bash", name]);
  }
  const text = m.must(["jailkit", "export", "/srv/old"]).stdout.replaceAll("/home/anna", "/home/bob/anna");
  m.write(BOB, text);
  const { users, ...rest } = JSON.parse(text);
  m.write("/root/anna.json", JSON.stringify({ ...rest, users: users.toReversed() }));
  m.must(["jk_jailuser", "--unjail", "-m", "bob", "anna"]);
  // They stay on the former machine.
  for (const name of ["bob", "anna"]) m.remove(`/home/${name}`);
});
afterAll(async () => m.close());
beforeEach(() => {
  for (const user of ["bob", "anna", "other"]) m.run(["userdel", "-f", user]);
  m.run(["jailkit", "delete", "--yes", "--user-files", J]);
  m.remove(J);
});

const owner = (path: string) => m.stat(path)?.uid;
const importing = (file: string, ...options: string[]) =>
  m.run(["jailkit", "import", ...options, "-j", J, file]);
const WARNING = `jailkit import: warning: 'anna': the home '${J}/home/bob/anna' is not created, because other users could exchange it: ${J}/home/bob belongs to uid 4001, not to root; it is in the home of 'bob': give the account another home: `;
const COMMAND = `usermod -d ${J}/./home/anna anna && jk_jailuser --jail-side-only -j ${J} anna`;

for (const file of [BOB, "/root/anna.json"])
  test(`a home in that of another imported user, in the order of ${file}`, () => {
    const { status, stderr } = importing(file, "--create-users");
    expect({ status, stderr }).toEqual({ status: 0, stderr: `${WARNING}${COMMAND}\n` });
    expect([owner(`${J}/home/bob`), m.exists(`${J}/home/bob/anna`)]).toEqual([4001, false]);
    m.must(["sh", "-ec", COMMAND]);
    expect(owner(`${J}/home/bob`)).toBe(4001);
    expect(owner(`${J}/home/anna`)).toBe(4005);
    const login = m.must(["/usr/sbin/jk_chrootsh", "-c", "pwd"], { user: "anna" });
    expect(login.stdout).toBe("/home/anna\n");
  });

test("the same for an account that a panel has created before, and for its keys", () => {
  m.addUser("bob", { uid: 4001, home: `${J}/./home/bob` });
  m.addUser("anna", { uid: 4005, home: `${J}/./home/bob/anna` });
  expect(importing(BOB)).toMatchObject({ status: 0, stderr: `${WARNING}${COMMAND}\n` });
  m.must(["sh", "-c", "ssh-keygen -q -t ed25519 -N '' -f /root/key || true"]);
  const keys = ["jk_jailuser", "--jail-side-only", "--authorized-key", "/root/key.pub", "-j", J, "anna"];
  const { status, stderr } = m.run(keys);
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(COMMAND) });
  m.must(["sh", "-ec", COMMAND]);
  m.must(keys);
});

test("a directory that is nobody's home is given back to root", () => {
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.addUser("other", { uid: 4010, home: "/home/other" });
  m.mkdir(`${J}/home`, { owner: [4010, 4010] });
  const add = ["jk_addjailuser", "-j", J, "anna"];
  const { stderr } = m.run(add);
  expect(stderr).toContain(
    `${J}/home belongs to uid 4010, not to root; fix it with: chown -h root ${J}/home\n`,
  );
  m.must(["chown", "root", `${J}/home`]);
  m.must(add);
});

test("a new home in that of another user, and a home that would move out of one", () => {
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.must(["jk_addjailuser", "-j", J, "bob"]);
  expect(m.run(["jk_addjailuser", "-j", J, "-d", "/home/bob/x", "anna"])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("it is in the home of 'bob': name another home with -d\n"),
  });
  // An account of the jail alone.
  m.write(`${J}/etc/passwd`, `${m.read(`${J}/etc/passwd`)}ghost:x:4020:4020::/home/ghost:/bin/sh\n`);
  m.mkdir(`${J}/home/ghost`, { owner: [4020, 4020] });
  expect(m.run(["jk_addjailuser", "-j", J, "-d", "/home/ghost/x", "anna"]).stderr).toContain(
    "it is in the home of 'ghost': name another home with -d\n",
  );
  m.addUser("other", { uid: 4010, home: "/home/other", createHome: true });
  m.addUser("anna", { uid: 4005, home: "/home/other/anna", createHome: true });
  expect(m.run(["jk_jailuser", "-m", "-j", J, "anna"])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining("it is in the home of 'other': choose a home outside of it\n"),
  });
});

test("a jail in the home of a user, that is there or missing", () => {
  m.addUser("other", { uid: 4010, home: "/home/other", createHome: true });
  for (const jail of ["/home/other", "/home/other/jail"])
    for (const command of [
      ["jk_init", "-j", jail, "basicshell"],
      ["jailkit", "import", "-j", jail, BOB],
    ])
      expect(m.run(command).stderr).toEndWith(
        `${jail}: not a safe jail: /home/other belongs to uid 4010, not to root; it is in the home of 'other': a jail must be elsewhere\n`,
      );
  // The home of a user of the jail is no reason.
  m.must(["jk_init", "-j", J, "basicshell"]);
  m.must(["usermod", "-d", `${J}/./home/other`, "other"]);
  m.chown(J, 4010, 4010);
  expect(m.run(["jk_init", "-j", J, "sftp"]).stderr).toContain(`; fix it with: chown -h root ${J}`);
});

test("several unsafe directories: the command in the message shows the others, also of a jail that is not known yet", () => {
  const jail = "/srv/not known";
  for (const path of [jail, `${jail}/etc`]) m.mkdir(path, { mode: 0o777 });
  const { status, stderr } = m.run(["jk_init", "-j", jail, "basicshell"]);
  expect(status).toBe(3);
  const [, command = "none"] = /more, see: (.*)\)$/m.exec(stderr) ?? [];
  const shown = m.run(["sh", "-c", command]);
  expect({ command, ...shown }).toMatchObject({ status: 1, stdout: expect.stringContaining(`${jail}/etc`) });
});
