/** What is said of an account that comes into a jail is the same whatever brings it: jk_jailuser, jk_addjailuser, apply, import. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

const saidOfChanges = (...options: string[]) => {
  const { changes, summary } = linesOf(m, ...options);
  return [...summary.warnings, ...changes.flatMap(({ warnings }) => warnings)];
};

test("sshd does not read the keys: of a new account, and of one that is there", async () => {
  await m.startSshd({ config: ["AuthorizedKeysFile /etc/ssh/keys/%u"] });
  m.write("/root/k.pub", `${KEYS[0]}\n`);
  const say = expect.stringContaining("sshd reads this user's keys from /etc/ssh/keys/%u, and not from");
  for (const name of ["dora", "emma"])
    m.addUser(name, { home: `/home/${name}`, createHome: true, shell: "/bin/bash" });
  const jailed = ["-n", "-m", "-j", J, "-s", "/bin/bash", "--authorized-key", "/root/k.pub", "emma"];
  expect(m.run(["jk_jailuser", ...jailed]).stderr).toEqual(say);
  const user = (name: string) =>
    `[user ${name}]\njail = ${J}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`;
  m.write(FILE, JAIL + user("dora"));
  expect(saidOfChanges()).toContainEqual(say);
  m.write(FILE, JAIL + user("dora") + user("nina"));
  expect(saidOfChanges()).toContainEqual(say);
  // Of keys that were there before, nobody is told again.
  expect(saidOfChanges()).not.toContainEqual(say);
});

test("a new account gets the rights that an account of its name had", () => {
  const rights = (name: string) => `[${name}]\npaths = /usr/bin\nexecutables = /usr/bin/bash\n`;
  m.write(`${J}/etc/jailkit/jk_lsh.ini`, rights("gina") + rights("hans") + rights("ida") + rights("jan"));
  const say = expect.stringContaining("exists already and allows the new account to run: /usr/bin/bash");
  expect(m.run(["jk_addjailuser", "-j", J, "gina"]).stderr).toEqual(say);
  m.write(FILE, `${JAIL}[user hans]\njail = ${J}\nshell = /usr/sbin/jk_lsh\n`);
  expect(saidOfChanges("--check")).toContainEqual(say);
  expect(saidOfChanges()).toContainEqual(say);
  expect(saidOfChanges("--check")).not.toContainEqual(say);
  // Declared rights take their place, and another shell does not obey them.
  for (const user of [
    `[user ida]\njail = ${J}\nallow = sftp\n`,
    `[user jan]\njail = ${J}\nshell = /bin/bash\n`,
  ]) {
    m.write(FILE, JAIL + user);
    expect([saidOfChanges("--check"), saidOfChanges()].flat()).not.toContainEqual(say);
  }
});

test("an imported account cannot pass a directory above its jail", () => {
  m.must(["jk_init", "-j", "/srv/other", "uidbasics", "basicshell"]);
  m.must(["jk_addjailuser", "-j", "/srv/other", "-s", "/bin/bash", "-p", "*", "kai"]);
  m.must(["sh", "-c", "jailkit export /srv/other >/root/jail.json"]);
  m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", "/srv/other", "kai"]);
  m.must(["userdel", "-r", "kai"]);
  m.mkdir("/srv/closed", { mode: 0o700 });
  const { status, stderr } = m.run([
    "jailkit",
    "import",
    "-j",
    "/srv/closed/j",
    "--create-users",
    "/root/jail.json",
  ]);
  const say = "kai cannot pass /srv/closed: no login works; fix it with: chmod a+x /srv/closed";
  expect([status, stderr]).toEqual([0, expect.stringContaining(`'kai': ${say}\n`)]);
  expect(m.run(["jk_addjailuser", "-j", "/srv/closed/j", "-s", "/bin/bash", "liv"]).stderr).toContain(
    say.replace("kai", "liv"),
  );
});

test("the shell of the line in the jail decides which rules a login reads, whatever was asked for", () => {
  const rules = `${J}/etc/jailkit/jk_lsh.ini`;
  m.write(rules, "[other]\nallow = sftp\n", { mode: 0o600 });
  const shellOf = (name: string) =>
    m.must(["sed", "-n", `s/^${name}:.*://p`, `${J}/etc/passwd`]).stdout.trim();
  const [bash, limited] = ["/bin/bash", "/usr/sbin/jk_lsh"];
  const closed = expect.stringContaining(`cannot read ${rules}: no login works`);
  const says = (name: string, ...options: string[]) =>
    m.run(["jk_jailuser", ...options, "-j", J, name]).stderr;
  const both = (name: string, ...options: string[]) => [
    says(name, "--dry-run", ...options),
    says(name, ...options),
  ];
  for (const [name, shell] of [
    ["mara", limited],
    ["nils", bash],
  ] as const)
    m.must(["jk_addjailuser", "-j", J, "-s", shell, name]);
  // Who is in the jail keeps the shell of its line there.
  expect(both("mara", "-n", "-s", bash)).toEqual([closed, closed]);
  expect(both("nils", "-n", "-s", limited)).not.toContainEqual(closed);
  expect([shellOf("mara"), shellOf("nils")]).toEqual([limited, bash]);
  // With --jail-side-only the line changes.
  expect(both("mara", "--jail-side-only", "-s", bash)).not.toContainEqual(closed);
  expect(both("nils", "--jail-side-only", "-s", limited)).toEqual([closed, closed]);
  expect([shellOf("mara"), shellOf("nils")]).toEqual([bash, limited]);
  // So it does if only its name is another one.
  m.must(["usermod", "-l", "maria", "mara"]);
  m.must(["usermod", "-l", "nelson", "nils"]);
  expect(both("maria", "--jail-side-only")).not.toContainEqual(closed);
  expect(both("nelson", "--jail-side-only")).toEqual([closed, closed]);
  expect([shellOf("maria"), shellOf("nelson")]).toEqual([bash, limited]);
  m.must(["rm", rules]);
});
