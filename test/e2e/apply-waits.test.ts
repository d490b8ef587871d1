/** `jailkit apply` for a jail that cannot be used: its error is told once, and each of its users waits for it. */
import {
  afterAll,
  afterEach,
  beforeAll,
  beforeEach,
  describe,
  expect,
  setDefaultTimeout,
  test,
} from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [J, NOW] = ["/srv/customer", "/srv/now"];
const FILE = "/etc/jailkit/jails.d/one.ini";
const NAMES = ["ann", "bob", "cyd"];
const RECORDS = "/var/lib/jailkit/jails/*/manifest.json";
const SHELL = "shell = /bin/bash";

let m: Machine;
const declare = (jail: string, access = SHELL, more = "") =>
  m.write(
    FILE,
    `[jail ${jail}]\nsections = uidbasics, basicshell${more}\n${NAMES.map((name) => `[user ${name}]\njail = ${jail}\n${access}\n`).join("")}`,
  );
const problems = (...options: string[]) =>
  linesOf(m, ...options).summary.problems.map(({ code, path, waitsFor }) => [path, code, waitsFor]);
const waiting = (jail: string, names = NAMES) => names.map((name) => [name, "waits-for-jail", jail]);

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  declare(J);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());

test.each([
  ["that was moved, and is declared at its old place", `mv ${J} ${NOW}`, J, "moved", 4, `mv ${NOW} ${J}`],
  ["that was moved, and is declared at its new one", `mv ${J} ${NOW}`, NOW, "moved", 4, `mv ${NOW} ${J}`],
  ["that is not safe", `chmod 777 ${J}`, J, "unsafe-jail", 4, `chmod 755 ${J}`],
  [
    "that lacks its account files",
    `mv ${J}/etc/passwd /root/p`,
    J,
    "bad-jail",
    3,
    `mv /root/p ${J}/etc/passwd`,
  ],
])("a jail %s", (_, damage, jail, code, failed, mend) => {
  m.must(damage.split(" "));
  declare(jail);
  const all = [[jail, code, null], ...waiting(jail)];
  expect([problems("--check"), problems()]).toEqual([all, all]);
  const { status, stdout, stderr } = m.run(["jailkit", "apply"]);
  const lines = stderr.trimEnd().split("\n");
  expect([status, stdout]).toEqual([
    1,
    expect.stringContaining(`0 changed, ${failed} failed, ${4 - failed} as declared\n`),
  ]);
  expect(lines.slice(0, 2)).toEqual([
    expect.stringContaining(`jailkit apply: jail ${jail}: `),
    `  declared in ${FILE}:1:7`,
  ]);
  expect(lines.slice(2)).toEqual(
    NAMES.map((name) => `jailkit apply: user ${name}: waits for the jail '${jail}'`),
  );
  m.must(mend.split(" "));
  declare(J);
  expect(problems()).toEqual([]);
});

describe.each([
  ["whose record is damaged", J, `sed -i 1s/^/x/ ${RECORDS}`, `sed -i 1s/^x// ${RECORDS}`],
  ["that was moved, and is declared at its new place", NOW, `mv ${J} ${NOW}`, `mv ${NOW} ${J}`],
  ["that everybody can write", J, `chmod 777 ${J}`, `chmod 755 ${J}`],
])("what is in a jail %s is not known", (_, jail, damage, mend) => {
  const RULES = "allow = sftp, scp upload\numask = 027";
  const file = `${jail}/etc/jailkit/jk_lsh.ini`;

  beforeEach(() => {
    declare(J, RULES, ", sftp, scp");
    m.must(["jailkit", "apply"]);
    m.must(["sh", "-c", damage]);
  });
  const mended = () => {
    m.run(["sh", "-c", mend]);
    declare(J, RULES, ", sftp, scp");
    return linesOf(m);
  };
  afterEach(() => {
    expect(mended().status).toBe(0);
  });

  test("and not absent: nobody loses a right, and nothing is planned", () => {
    declare(jail, RULES, ", sftp, scp");
    const before = m.read(file);
    for (const options of [["--check"], [], []]) {
      const { status, changes, summary } = linesOf(m, ...options);
      expect([status, changes]).toEqual([1, []]);
      expect(summary.problems.slice(1).map(({ path, code }) => [path, code])).toEqual(
        NAMES.map((name) => [name, "waits-for-jail"]),
      );
      expect(m.read(file)).toBe(before);
    }
    expect(mended()).toMatchObject({ status: 0, changes: [] });
  });

  test("but where only root can have written them, rules that allow less are written", () => {
    declare(jail, "allow = sftp\numask = 027", ", sftp, scp");
    const isSafe = !damage.startsWith("chmod");
    const done = (one: string) => (isSafe ? NAMES.map(() => `${one} policy`) : []);
    for (const [options, one] of [
      [["--check"], "planned"],
      [[], "done"],
    ] as const) {
      const { changes } = linesOf(m, ...options);
      expect(changes.map(({ status, what }) => `${status} ${what}`)).toEqual(done(one));
    }
    expect(m.read(file).split("[ann]\n")[1]).toStartWith(isSafe ? "allow = sftp\n" : RULES);
  });
});

test("a jail whose policies cannot be read", () => {
  declare(J, "allow = sftp", ", sftp");
  m.must(["jailkit", "apply"]);
  const file = `${J}/etc/jailkit/jk_lsh.ini`;
  const before = m.read(file);
  m.write(file, "[ann\n");
  expect(problems("--check")).toEqual([[J, "config-invalid", null], ...waiting(J)]);
  expect(problems()).toEqual([[J, "config-invalid", null], ...waiting(J)]);
  const whole = m.read(FILE);
  // Of two errors of the jail, its users wait for the one that is told.
  m.write(FILE, whole.replace("basicshell", "basicshell, nosuch"));
  for (const options of [["--check"], []])
    expect(problems(...options)).toEqual([[J, "no-such-section", null], ...waiting(J)]);
  m.write(FILE, whole);
  m.write(file, before);
  expect(problems()).toEqual([]);
});

test.each([
  ["a directory in the place of its rules", "rm jk_lsh.ini; mkdir jk_lsh.ini", "jk_lsh.ini"],
  ["a FIFO in the place of its rules", "rm jk_lsh.ini; mkfifo jk_lsh.ini", "jk_lsh.ini"],
  ["a loop of links in the place of its rules", "rm jk_lsh.ini; ln -s jk_lsh.ini jk_lsh.ini", "jk_lsh.ini"],
  ["a file in the place of its drop-ins", "touch jk_lsh.d", "jk_lsh.d"],
  ["a link to a file in the place of its drop-ins", "ln -s jk_lsh.ini jk_lsh.d", "jk_lsh.d"],
  ["a directory among its drop-ins", "mkdir -p jk_lsh.d/a.ini", "jk_lsh.d/a.ini"],
])("a jail with %s: the remedy puts it aside, and the rules are written again", (_, make, name) => {
  declare(J, "allow = sftp", ", sftp");
  m.must(["jailkit", "apply"]);
  const directory = `${J}/etc/jailkit`;
  m.must(["sh", "-ec", `cd ${directory}; ${make}`]);
  for (const options of [["--check"], []]) {
    const [problem, ...others] = linesOf(m, ...options).summary.problems;
    expect(problem).toMatchObject({
      ...{
        code: "config-unreadable",
        path: J,
        remedy: `mv -nT ${directory}/${name} ${directory}/${name}.aside`,
      },
      message: expect.stringContaining(`${directory}/${name}`),
    });
    expect(others.map(({ code }) => code)).toEqual(NAMES.map(() => "waits-for-jail"));
  }
  const { stderr } = m.run(["jailkit", "apply"]);
  const [, typed = "false"] = /^ {2}remedy: (.*)$/m.exec(stderr) ?? [];
  m.must(["sh", "-ec", typed]);
  expect(problems()).toEqual([]);
  expect(m.read(`${directory}/jk_lsh.ini`)).toContain("[ann]\nallow = sftp\n");
  m.must(["sh", "-c", `rm -rf ${directory}/*.aside ${directory}/jk_lsh.d`]);
});

test.each([
  ["as in a hosting panel", `${J}/../site`],
  ["with a slash at its end", "/srv/site/"],
])("a jail that is the home of its user, %s: the user waits, and no key is the error", (_, home) => {
  const site = "/srv/site";
  const file = "/etc/jailkit/jails.d/site.ini";
  m.must(["jk_init", "-j", site, "uidbasics", "basicshell"]);
  m.must(["useradd", "-M", "-u", "4300", "-U", "-d", home, "-s", "/bin/bash", "web"]);
  m.chown(site, 4300, 4300);
  m.write(
    file,
    `[jail ${site}]\nsections = uidbasics, basicshell\n[user web]\njail = ${site}\n${SHELL}\nauthorized_keys = ${KEYS[0]}\n`,
  );
  const all = [[site, "unsafe-jail", null], ...waiting(site, ["web"])];
  expect([problems("--check"), problems()]).toEqual([all, all]);
  m.chown(site, 0, 0);
  expect([problems(), m.read(`${site}/home/web/.ssh/authorized_keys`)]).toEqual([[], `${KEYS[0]}\n`]);
  // Of a home that was moved away nobody knows which keys are in it: the declared ones are not forgotten.
  m.must(["mv", `${site}/home/web`, `${site}/home/away`]);
  m.chmod(site, 0o777);
  m.write(file, m.read(file).replace(/^authorized_keys.*/m, ""));
  expect(problems("--prune")[0]).toEqual([site, "unsafe-jail", null]);
  m.chmod(site, 0o755);
  m.must(["mv", `${site}/home/away`, `${site}/home/web`]);
  expect([problems("--prune"), m.read(`${site}/home/web/.ssh/authorized_keys`)]).toEqual([[], ""]);
  m.remove(file);
  m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", site]);
  m.must(["userdel", "-rf", "web"]);
});

test("who is as declared does not wait, nor has an error who has another one", () => {
  m.must(["jailkit", "apply"]);
  const [ann = "", bob = "", cyd = ""] = NAMES;
  m.write(
    FILE,
    `[jail ${J}]\nsections = uidbasics, basicshell, nosuch\n[user ${ann}]\njail = ${J}\n${SHELL}\n[user ${bob}]\njail = ${J}\n${SHELL}\ngroups = team\n[user ${cyd}]\njail = ${J}\n${SHELL}\nuid = 7777\n`,
  );
  const all = [
    [J, "no-such-section", null],
    [bob, "waits-for-jail", J],
    [cyd, "uid-differs", null],
  ];
  expect([problems("--check"), problems()]).toEqual([all, all]);
  expect(linesOf(m).summary).toMatchObject({ changed: 0, failed: 3, unchanged: 1, exitStatus: 1 });
});

test("a jail that has no place for a user, when the run comes to it", () => {
  m.must(["userdel", "ann"]);
  m.must(["mv", `${J}/etc/passwd`, "/root/p"]);
  // The dry run of jk_cp finds nothing wrong with it.
  m.write(FILE, `${m.read(FILE).replace("basicshell", "basicshell\nfiles = /usr/bin/id")}`);
  expect(problems("--check")).toEqual([[J, "bad-jail", null], ...waiting(J)]);
  expect(problems()).toEqual([[J, "bad-jail", null], ...waiting(J)]);
  m.must(["mv", "/root/p", `${J}/etc/passwd`]);
  expect(problems()).toEqual([]);
});

test("users who are to leave a jail that was moved", () => {
  m.must(["mv", J, NOW]);
  m.write(FILE, "");
  const all = [[J, "moved", null], ...waiting(J)];
  expect([problems("--check", "--prune"), problems("--prune")]).toEqual([all, all]);
  m.must(["mv", NOW, J]);
});
