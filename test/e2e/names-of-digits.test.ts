/** Accounts whose names are the uids of others: no printed command acts as another one, or for it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\nfiles = /usr/bin/id\n`;

let m: Machine;
const sh = (line: string) => m.must(["sh", "-c", line]);

/** A jailed account, by the files alone. */
function jailed(name: string, uid: number): string {
  const home = `${J}/home/u${name}`;
  const line = `${name}:x:${uid}:100::${J}/./home/u${name}:/usr/sbin/jk_chrootsh\n`;
  m.write("/etc/passwd", m.read("/etc/passwd") + line);
  m.write("/etc/shadow", `${m.read("/etc/shadow")}${name}:*:20000:0:99999:7:::\n`);
  m.mkdir(home, { mode: 0o700, owner: [uid, 100] });
  m.must(["jk_jailuser", "--jail-side-only", "-s", "/bin/bash", "-j", J, name]);
  return home;
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test.each([
  ["root", "0", 1500],
  ["another user", "1600", 1501],
])("a command with the rights of a user has not those of %s", (_, name, uid) => {
  if (name !== "0") m.must(["useradd", "-u", name, "victim"]);
  const home = jailed(name, uid);
  sh(
    `cd ${home} && mkdir .ssh && touch .ssh/authorized_keys && ln .ssh/authorized_keys x && chown -R ${uid} .`,
  );
  m.write(
    FILE,
    `${JAIL}[user ${name}]\njail = ${J}\nshell = /bin/bash\nhome = /home/u${name}\nauthorized_keys = ${KEYS[0]}\n`,
  );
  const { stdout, stderr } = m.run(["jailkit", "apply"]);
  const command = /with: (.*jk_chrootlaunch .*)/.exec(stdout + stderr)?.[1] ?? "false";
  expect(command).toContain(` -u ${uid} `);
  const asIt = command.replace(/^.*&& /, "").replace(/-x \S+ -- .*/, "-x /usr/bin/id -- -u");
  expect(sh(asIt).stdout).toBe(`${uid}\n`);
  sh(command);
  expect(m.stat(`${home}/.ssh/authorized_keys`)).toMatchObject({ uid, nlink: 1 });
  m.write(FILE, JAIL);
});

test("where another account has the same uid, words are printed", () => {
  jailed("twin", 1502);
  const home = jailed("1601", 1502);
  sh(
    `cd ${home} && mkdir .ssh && touch .ssh/authorized_keys && ln .ssh/authorized_keys x && chown -R 1502 .`,
  );
  m.write("/root/key.pub", `${KEYS[0]}\n`);
  const { stderr } = m.run(["jk_jailuser", "-n", "-j", J, "--authorized-key", "/root/key.pub", "1601"]);
  expect(stderr).toContain("let 1601 do in the jail what this does: ");
  expect(stderr).not.toContain("jk_chrootlaunch");
});

test("a file is given to a uid, and not to the account of that name", () => {
  const home = jailed("carl", 1700);
  jailed("1700", 1800);
  sh(`chown +0:+0 ${home}`);
  const remedies = check(m, J).found.flatMap((one) =>
    one.rule === "home-owner" && one.path === home ? [(one as { remedy?: string }).remedy] : [],
  );
  expect(remedies).toHaveLength(1);
  sh(remedies[0] ?? "false");
  expect(m.stat(home)).toMatchObject({ uid: 1700, gid: 100 });
});
