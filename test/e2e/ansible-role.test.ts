/** What the Ansible role tells: on one machine, which it reaches without ssh; fleet.test.ts has it at work on three. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { checkout } from "../machine/helper.ts";
import type { Machine } from "../machine/machine.ts";
import { keepZippedModules } from "../machine/python-cache.ts";
import { KEYS, openApplyMachine } from "./apply-scene.ts";
import { installNssSystemd } from "./archives.ts";

setDefaultTimeout(600_000);

const J = "/srv/customer";
const FLEET = "/root/fleet";
const DECLARED = "jails.d/customers.ini";
const THERE = "/etc/jailkit/jails.d/customers.ini";
const PROGRAM = "/usr/sbin/jailkit";
const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LC_ALL: "C.UTF-8", NO_COLOR: "1" };

const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;
const declared = (...users: string[]) => `[jail ${J}]\nsections = uidbasics, basicshell\n${users.join("")}`;
const anna = (key: string) => user("anna", `authorized_keys = ${key}\n`);

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  keepZippedModules(m);
  m.must(["ansible-galaxy", "collection", "install", join(checkout, "ansible")], { env });
  m.write(
    `${FLEET}/play.yml`,
    "- hosts: all\n  gather_facts: false\n  roles:\n    - role: jailkit.fleet.jailkit\n",
  );
});
afterAll(() => m?.close());

/** Runs the role here under each of these names, with the variables of the name: status, changed tasks, and what was shown. */
function play(names: Readonly<Record<string, object>>, ...options: string[]) {
  const vars = {
    ...{ ansible_connection: "local", ansible_python_interpreter: "/usr/bin/python3" },
    jailkit_declarations: [DECLARED],
  };
  m.write(`${FLEET}/hosts.yml`, JSON.stringify({ all: { vars, hosts: names } }));
  const words = ["ansible-playbook", "-i", "hosts.yml", ...options, "play.yml"];
  const { status, stdout, stderr } = m.run(words, { env, cwd: FLEET, timeout: 500_000 });
  // Without the escapes of JSON.
  const shown = (stdout + stderr).replaceAll("\\n", "\n").replaceAll('\\"', '"');
  return { status, changed: Number(/ changed=(\d+) /.exec(stdout)?.[1]), shown };
}

test("a key that still lets somebody in, warnings, and what a directory should say are shown, in check mode too", () => {
  installNssSystemd(m);
  const services = "$1: files extrausers systemd";
  m.write(
    "/etc/nsswitch.conf",
    m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, services),
  );
  m.write("/var/lib/extrausers/passwd", "carla:x:6001:6001::/home/carla:/bin/sh\n");
  m.write("/var/lib/extrausers/group", "carla:x:6001:\n");
  const carla = user("carla", "directory = yes\n");
  const more = [carla, user("kim", "comment = K\n")];
  m.write(THERE, declared(anna(KEYS[0]), user("bob"), ...more));
  m.must(["jailkit", "apply"]);
  m.write("/root/other.ini", declared(user("kim", "comment = Kim\n")));
  m.must(["jailkit", "apply", "/root/other.ini"]);
  m.write(`${FLEET}/${DECLARED}`, declared(anna(KEYS[1]), ...more));

  const keys = () => m.read(`${J}/home/anna/.ssh/authorized_keys`);
  for (const { options, changes } of [
    { options: ["--check"], changes: 2 },
    { options: [], changes: 2 },
  ]) {
    const { status, changed, shown } = play({ here: {} }, ...options);
    expect([status, changed]).toEqual([0, changes]);
    expect(shown).toMatch(/"user anna: keys/);
    expect(shown).toContain("jailkit_prune=true removes this");
    expect(shown).toContain("user kim: was declared last in '/root/other.ini'");
    expect(shown).toContain(`${J}/./home/carla`);
    expect(keys()).toContain(KEYS[0]);
  }

  const { status, changed, shown } = play({ here: { jailkit_prune: true } });
  expect([status, changed, keys()]).toEqual([0, 1, `${KEYS[1]}\n`]);
  expect(shown).toMatch(/"- user bob: .*: the home '\/srv\/customer\/home\/bob' of uid \d+ stays: /);
  expect(shown).not.toContain("jailkit_prune=true");
});

test("a mistake is reported with the line of the control machine, and the remedy", () => {
  const before = declared(user("anna"));
  m.write(THERE, before);
  m.write(`${FLEET}/${DECLARED}`, declared(user("anna", "grups = team\n")));
  const { status, shown } = play({ here: {} });
  expect([status, m.read(THERE)]).toEqual([2, before]);
  expect(shown).toContain(`"msg": "${DECLARED}:6:1: `);
  expect(shown).toContain(`\n  remedy: write in line 6 of ${DECLARED}:\n    groups = team`);
  expect(shown).not.toContain(`${THERE}:`);
  expect(shown).not.toMatch(/\/run\/jailkit-\w+\/jails/);
});

test("a mistake of several users is told once, with their names, places and remedies", () => {
  m.write(THERE, declared(user("anna")));
  const wrong = ["anna", "bob", "Bob"].map((name) => user(name, "groups = jaild\n"));
  m.write(
    `${FLEET}/${DECLARED}`,
    declared(...wrong, ...["carl", "dora"].map((name) => user(name).replace("bash", "odd"))),
  );
  const { status, shown } = play({ here: {} });
  expect([status, /"msg": "(.*?)"\}?$/ms.exec(shown)?.[1]?.split("\n")]).toEqual([
    2,
    [
      "users anna, bob, Bob: there is no group 'jaild'; did you mean 'jailed'? Otherwise create it with: groupadd jaild",
      `  declared in ${[6, 10, 14].map((line) => `${DECLARED}:${line}:10`).join(", ")}`,
      ...[6, 10, 14].flatMap((line) => [
        `  remedy: write in line ${line} of ${DECLARED}:`,
        "    groups = jailed",
      ]),
      `users carl, dora: '${J}/bin/odd' does not exist: bring it with the key 'files' of the jail, or declare another with the key 'shell' of the user`,
      `  declared in ${[17, 20].map((line) => `${DECLARED}:${line}:9`).join(", ")}`,
    ],
  ]);
});

test("a file that was renamed stops the play: nothing advises to make a comment of the new one", () => {
  const before = declared(user("anna"));
  m.write(THERE, before);
  for (const name of ["kunden", "aaa"]) {
    const renamed = `jails.d/${name}.ini`;
    m.write(`${FLEET}/${renamed}`, before);
    const { status, shown } = play({ here: { jailkit_declarations: [renamed] } });
    expect([status, m.list("/etc/jailkit/jails.d")]).toEqual([2, ["customers.ini"]]);
    const line = `section 'jail ${J}' is there already, in line 1 of`;
    expect(shown).toContain(
      name === "aaa" ? `${THERE}:1:1: error: ${line} ${renamed}` : `${renamed}:1:1: error: ${line} ${THERE}`,
    );
    expect(shown).toContain("delete it on the machine if it is an old one, or set jailkit_remove_others");
    expect(shown).not.toContain("sed -i");
  }
  const vars = { jailkit_declarations: ["jails.d/kunden.ini"], jailkit_remove_others: true };
  expect([play({ here: vars }).status, m.list("/etc/jailkit/jails.d")]).toEqual([0, ["kunden.ini"]]);
  m.remove("/etc/jailkit/jails.d/kunden.ini");
});

const ANNA = user("anna", "groups = jailed, team\n");

test("what is not there stops the play before a file is replaced, or anything removed", () => {
  const before = declared(ANNA, user("zed"));
  m.write(THERE, before);
  m.must(["jailkit", "apply", "--prune"]);
  const mistakes = {
    comma: declared(ANNA).replace("uidbasics, ", "uidbasics "),
    section: declared(ANNA).replace("basicshell", "basicshel"),
    file: declared(ANNA).replace("\n[user", "\nfiles = /usr/bin/nosuch\n[user"),
    group: declared(ANNA).replace("jailed", "jaield"),
    shell: declared(ANNA).replace("/bin/bash", "/bin/bahs"),
    other: declared(ANNA.replace("/bin/bash", "/usr/bin/perl")),
    jail: declared(ANNA.replace(J, "/srv/custome")),
    name: declared(ANNA, user("t a")),
    uid: declared(ANNA, user("tom", "uid = 33\n")),
    home: declared(ANNA.replace("groups", "home = /home/other\ngroups")),
    account: declared(ANNA, user("www-data")),
  };
  const names = Object.keys(mistakes);
  for (const [name, text] of Object.entries(mistakes)) m.write(`${FLEET}/${name}/customers.ini`, text);
  const hosts = names.map((name) => [
    name,
    { jailkit_prune: true, jailkit_declarations: [`${name}/customers.ini`] },
  ]);
  const passwd = m.read("/etc/passwd");
  const { status, shown } = play(Object.fromEntries(hosts));
  expect(status).toBe(2);
  for (const name of names) {
    expect(shown).toMatch(new RegExp(`^fatal: \\[${name}\\]: .*"msg": ".*${name}/customers\\.ini:\\d`, "ms"));
    expect(shown).toMatch(new RegExp(`^${name} .* changed=0 .* failed=1 `, "m"));
  }
  expect([m.read(THERE), m.read("/etc/passwd")]).toEqual([before, passwd]);
  expect(m.must(["id", "-Gn", "anna"]).stdout).toContain("jailed team");
});

test("where one user cannot be made, what was removed and made is reported as changed", () => {
  m.write(THERE, declared(ANNA, user("zed")));
  m.must(["jailkit", "apply", "--prune"]);
  m.mkdir(`${J}/home/zoe`);
  m.write(`${FLEET}/${DECLARED}`, declared(user("anna", "groups = jailed\n"), user("zoe")));
  const { status, changed, shown } = play({ here: { jailkit_prune: true } });
  // The file, and the groups of anna with the account of zed.
  expect([status, changed, shown]).toEqual([2, 2, expect.stringContaining(`'${J}/home/zoe'`)]);
  expect(m.must(["id", "-Gn", "anna"]).stdout).not.toContain("team");
  // A user who fails, and loses a group all the same.
  m.must([
    "su",
    "-s",
    "/bin/sh",
    "anna",
    "-c",
    `cd ${J}/home/anna; rm -rf .ssh; mkdir -p .ssh/authorized_keys`,
  ]);
  m.write(`${FLEET}/${DECLARED}`, declared(user("anna", `authorized_keys = ${KEYS[0]}\n`)));
  const part = play({ here: { jailkit_prune: true } });
  expect([part.status, part.changed]).toEqual([2, 2]);
  expect(m.must(["id", "-Gn", "anna"]).stdout).not.toContain("jailed");
  expect(play({ here: { jailkit_prune: true } })).toMatchObject({ status: 2, changed: 0 });
  m.must(["rm", "-r", `${J}/home/zoe`, `${J}/home/anna/.ssh`]);
});

test("a remedy that changes a line of the declaration is typed on the control machine, and heals", () => {
  const before = declared(user("anna"));
  m.write(THERE, before);
  m.write(`${FLEET}/${DECLARED}`, declared(user("anna", "comment = A\nbogus = 1\n")));
  const { status, shown } = play({ here: {} });
  expect([status, m.read(THERE)]).toEqual([2, before]);
  const [, remedy = ""] = /\n {2}remedy: (sed .*?)"?$/m.exec(shown) ?? [];
  expect(remedy).toBe(`sed -i '7s/^/#/' ${DECLARED}`);
  m.must(["sh", "-c", `cd ${FLEET} && ${remedy}`]);
  expect(play({ here: {} })).toMatchObject({ status: 0 });
  expect(m.read(THERE)).toBe(declared(user("anna", "comment = A\n#bogus = 1\n")));
});

test("variables that cannot be meant, and a machine without jailkit 3, are refused with the reason", () => {
  const aside = `${PROGRAM}.aside`;
  m.must(["mv", PROGRAM, aside]);
  const several = play({
    one: { jailkit_declarations: DECLARED },
    homes: { jailkit_delete_homes: true },
    missing: {},
  });
  expect(several.status).toBe(2);
  for (const [name, why] of Object.entries({
    one: "jailkit_declarations: must be a list of files; for one file: \\[jails\\.d/customers\\.ini\\]",
    homes: "jailkit_delete_homes: deletes nothing without jailkit_prune",
    missing: "jailkit 3 is not installed here: set jailkit_package",
  }))
    expect(several.shown).toMatch(new RegExp(`^fatal: \\[${name}\\]: .*"${why}`, "m"));
  m.write(PROGRAM, "#!/bin/sh\necho 'jailkit: there is no command apply' >&2\nexit 1\n", { mode: 0o755 });
  const old = play({ here: {} }, "--check");
  expect([old.status, old.shown]).toEqual([2, expect.stringContaining("is too old for declarations: set")]);
  m.must(["mv", aside, PROGRAM]);
});
