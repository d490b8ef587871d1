/**
 * docs/fleet.md is followed, from machines without jailkit to three with ten users each, by ssh and with Ansible itself;
 * then what happens to them: drift, mistakes, a plan, a removed user, a new version.
 */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine, RunResult } from "../machine/machine.ts";
import { openStage, type Stage } from "../words/scene.ts";
import { FLEET, FLEET_SCENE, MACHINES, recapOf, UNCHANGED, WITH_BASH } from "../words/scenes/fleet.ts";
import { stateOf } from "./packages-scene.ts";
import { follow } from "./recipes-scene.ts";

setDefaultTimeout(600_000);

const PAGE = "docs/fleet.md";
const JAIL = "/srv/customers";
const DECLARED = `${FLEET}/jails.d/customers.ini`;

let stage: Stage;
let control: Machine;
let machines: readonly Machine[];

const env = { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", HOME: "/root", LC_ALL: "C.UTF-8" };
/** Runs the playbook; the package and sshd were seen to. */
const playbook = (...options: string[]): RunResult =>
  control.run(["ansible-playbook", "-e", "jailkit_package= jailkit_sshd=false", ...options, "jails.yml"], {
    env,
    cwd: FLEET,
    timeout: 200_000,
  });
const client = (user: string) => ["-q", "-i", `${FLEET}/keys/${user}`, "-o", "BatchMode=yes"];
const login = (user: string, machine: string, command = "pwd", key = user) =>
  control.run(["ssh", ...client(key), `${user}@${machine}`, command], { env });
/** Brings a file. */
const bySftp = (user: string, machine: string) =>
  control.run(["sftp", ...client(user), "-b", "-", `${user}@${machine}`], {
    env,
    stdin: "put /etc/hostname up\n",
  });
/** Edits a file of the control machine. */
const edit = (file: string, change: (text: string) => string) => {
  const before = control.read(file);
  const after = change(before);
  expect(after).not.toBe(before);
  control.write(file, after);
};
/** All that a run could change. */
const stateOfAll = () =>
  machines.map((m) =>
    ["/etc", "/var/lib/jailkit", "/var/cache/jailkit", JAIL, "/run/sshd"].map((path) =>
      m.exists(path) ? m.snapshot(path) : undefined,
    ),
  );

beforeAll(async () => {
  stage = await openStage(FLEET_SCENE);
  control = stage.m;
  machines = stage.others.slice(0, MACHINES.length);
});
afterAll(() => control?.close());

test("the page is followed, and ten users can log in on three machines", async () => {
  await follow(stage, "What you need", undefined, PAGE);
  await follow(stage, "What the machines should have", undefined, PAGE);
  const { output } = await stage.shell.type("ansible-playbook jails.yml");
  const recap = recapOf(output);
  expect(Object.keys(recap).sort()).toEqual([...MACHINES]);
  for (const { changed, failed } of Object.values(recap)) expect([changed > 0, failed]).toEqual([true, 0]);
  for (const m of machines) m.write(`${JAIL}/home/mirror/file`, "a file\n");
  for (const machine of MACHINES) {
    for (const user of WITH_BASH)
      expect(login(user, machine)).toMatchObject({ status: 0, stdout: `/home/${user}\n` });
    expect(login("inbox", machine).status).not.toBe(0);
    expect(bySftp("inbox", machine)).toMatchObject({ status: 0 });
    const remote = ["ssh", ...client("mirror")].join(" ");
    const rsync = (...words: string[]) => control.run(["rsync", "-e", remote, ...words], { env }).status;
    expect(rsync(`mirror@${machine}:file`, "/root/")).toBe(0);
    expect(rsync("/root/file", `mirror@${machine}:other`)).not.toBe(0);
  }
});

test("the second run changes nothing", () => {
  const before = stateOfAll();
  const { status, stdout } = control.run(["ansible-playbook", "jails.yml"], {
    env,
    cwd: FLEET,
    timeout: 200_000,
  });
  expect([status, recapOf(stdout)]).toEqual([0, UNCHANGED]);
  expect(stateOfAll()).toEqual(before);
});

test("sshd forwards nothing for them", () => {
  for (const m of machines) {
    const { stdout } = m.must(["/usr/sbin/sshd", "-T", "-C", "user=anna,host=control,addr=10.0.0.1"]);
    expect(stdout).toContain("\nallowtcpforwarding no\n");
  }
  const forwarded = ["ssh", ...client("anna"), "-W", "127.0.0.1:22", "anna@web1"];
  const { stdout, stderr } = control.run(
    forwarded.filter((word) => word !== "-q"),
    { env },
  );
  expect([stdout, stderr]).toEqual(["", expect.stringContaining("administratively prohibited")]);
});

/** What may be changed on a machine, and whether it is as the page declares. */
const DRIFT: Readonly<Record<string, { scene: readonly string[]; isRight: (m: Machine) => boolean }>> = {
  "a user": { scene: ["userdel", "-r", "anna"], isRight: () => login("anna", "web2").status === 0 },
  "a shell": {
    scene: ["sed", "-i", "/^bert:/s,/bin/bash,/bin/false,", `${JAIL}/etc/passwd`],
    isRight: () => login("bert", "web2").status === 0,
  },
  "a group": {
    scene: ["gpasswd", "-d", "carla", "jailed"],
    isRight: (m) => m.must(["id", "-Gn", "carla"]).stdout === "users jailed\n",
  },
  "a key": {
    scene: ["rm", `${JAIL}/home/dirk/.ssh/authorized_keys`],
    isRight: () => login("dirk", "web2").status === 0,
  },
  "a section": {
    scene: ["jk_init", "-j", JAIL, "--remove", "scp"],
    isRight: () => login("emma", "web2", "test -x /usr/bin/scp").status === 0,
  },
  rights: {
    scene: ["sed", "-i", "s/^allow = sftp$/allow = scp/", `${JAIL}/etc/jailkit/jk_lsh.ini`],
    isRight: () => bySftp("inbox", "web2").status === 0,
  },
};

test("drift on one machine is mended there, and only there something is reported as changed", () => {
  const [, drifted] = machines;
  if (drifted === undefined) throw new Error("no second machine");
  const all = Object.keys(DRIFT);
  const wrong = () => all.filter((name) => !DRIFT[name]?.isRight(drifted));
  expect(wrong()).toEqual([]);
  for (const { scene } of Object.values(DRIFT)) drifted.must(scene);
  expect(wrong()).toEqual(all);
  const { status, stdout } = playbook();
  expect(status).toBe(0);
  expect(recapOf(stdout)).toEqual({ ...UNCHANGED, web2: { changed: 1, failed: 0 } });
  expect(wrong()).toEqual([]);
});

test("check mode shows the plan, and changes nothing", () => {
  const before = stateOfAll();
  edit(DECLARED, (text) => text.replace("[user bert]\n", "[user bert]\ncomment = Bert\n"));
  const { status, stdout } = playbook("--check", "--diff");
  expect(status).toBe(0);
  expect(stdout).toContain("+comment = Bert");
  expect(stdout).toContain("~ user bert: comment");
  for (const { changed, failed } of Object.values(recapOf(stdout))) expect([changed, failed]).toEqual([2, 0]);
  expect(stateOfAll()).toEqual(before);
  expect(recapOf(playbook().stdout)).toEqual(
    Object.fromEntries(MACHINES.map((name) => [name, { changed: 2, failed: 0 }])),
  );
  for (const m of machines) expect(m.must(["getent", "passwd", "bert"]).stdout).toContain(":Bert:");
});

test("a declaration with a mistake fails with file and line, and the machines stay as they are", () => {
  const good = control.read(DECLARED);
  const before = stateOfAll();
  edit(DECLARED, (text) => text.replace("sections = ", "sectoins = "));
  const { status, stdout, stderr } = playbook();
  expect(status).toBe(2);
  expect(stdout + stderr).toContain("customers.ini:2:1");
  for (const { changed, failed } of Object.values(recapOf(stdout))) expect([changed, failed]).toEqual([0, 1]);
  expect(stateOfAll()).toEqual(before);
  control.write(DECLARED, good);
});

test("where one user cannot be made, the others are, and the run fails there with the reason", () => {
  const section = (user: string) =>
    `\n[user ${user}]\njail = ${JAIL}\nshell = /bin/bash\ngroups = jailed\nauthorized_keys = ${control.read(`${FLEET}/keys/anna.pub`).trim()}\n`;
  // No declaration is to blame for it.
  machines[2]?.mkdir(`${JAIL}/home/ivan`);
  edit(DECLARED, (text) => `${text}${section("ivan")}${section("jane")}`);
  const { status, stdout, stderr } = playbook();
  expect(status).toBe(2);
  expect(stdout + stderr).toContain(`'${JAIL}/home/ivan'`);
  const recap = recapOf(stdout);
  expect([recap.web1?.failed, recap.web2?.failed, recap.web3?.failed]).toEqual([0, 0, 1]);
  const may = (user: string, machine: string) => login(user, machine, "pwd", "anna").status === 0;
  expect(MACHINES.map((name) => may("jane", name))).toEqual([true, true, true]);
  expect(MACHINES.map((name) => may("ivan", name))).toEqual([true, true, false]);
});

test("a user and a file that the role has no longer stay", () => {
  const [first, , third] = machines;
  third?.must(["rmdir", `${JAIL}/home/ivan`]);
  first?.write("/etc/jailkit/jails.d/own.ini", "[jail /srv/own]\nsections = uidbasics\n");
  edit(DECLARED, (text) => text.replace(/\n\[user jane\]\n(?:.+\n)+/, ""));
  const { status, stdout } = playbook();
  expect(status).toBe(0);
  // The file of the role, and what it and the other file declare.
  const [all, file] = [
    { changed: 2, failed: 0 },
    { changed: 1, failed: 0 },
  ];
  expect(recapOf(stdout)).toEqual({ web1: all, web2: file, web3: all });
  expect(login("ivan", "web3", "pwd", "anna")).toMatchObject({ status: 0 });
  expect(first?.exists("/srv/own/etc/passwd")).toBe(true);
  for (const m of machines) expect(m.run(["id", "jane"]).status).toBe(0);
});

test("a file that nothing reads because of its name stops a run that would remove something, before it does anything", () => {
  const [first] = machines;
  const file = "/etc/jailkit/jails.d/jane.INI";
  first?.write(file, "");
  const { status, stdout } = playbook(
    ...["--limit", "web1", "-e", "jailkit_prune=true jailkit_remove_others=true"],
  );
  expect([status, recapOf(stdout)]).toEqual([2, { web1: { changed: 0, failed: 1 } }]);
  expect(stdout.split(`'${file}' is not read`)).toHaveLength(2);
  expect(stdout).toContain(`, which '${file}' may declare: `);
  expect(first?.exists("/etc/jailkit/jails.d/own.ini")).toBe(true);
  first?.remove(file);
});

test("until the role is told to remove what was declared once", () => {
  const [first] = machines;
  const { status, stdout } = playbook("-e", "jailkit_prune=true jailkit_remove_others=true");
  expect(status).toBe(0);
  for (const name of MACHINES)
    expect(recapOf(stdout)[name]).toEqual({ changed: name === "web1" ? 2 : 1, failed: 0 });
  expect(first?.list("/etc/jailkit/jails.d")).toEqual(["customers.ini"]);
  expect(first?.exists("/srv/own")).toBe(false);
  for (const m of machines) {
    expect(m.run(["id", "jane"]).status).not.toBe(0);
    expect(m.exists(`${JAIL}/home/jane`)).toBe(true);
  }
});

test("a new version is brought to all machines, and no login fails meanwhile", async () => {
  const folder = "/root/newer";
  control.must(["dpkg-deb", "-R", `${FLEET}/jailkit.deb`, folder]);
  control.must(["sed", "-i", "s/^Version: .*/Version: 3.0.0-1+newer/", `${folder}/DEBIAN/control`]);
  control.must(["dpkg-deb", "-Zgzip", "-z1", "--build", folder, `${FLEET}/jailkit.deb`]);
  // Until a file appears, on one machine after the other; a line that is not of a login that worked is a failure.
  const loop =
    'while [ ! -e /root/enough ]; do for name; do ssh $OPTIONS "anna@$name" pwd || echo failed: $?; done; done; ' +
    'for name; do ssh $OPTIONS "anna@$name" "echo the last"; done';
  const logins = control.start(["sh", "-c", loop, "sh", ...MACHINES], {
    env: { ...env, OPTIONS: client("anna").join(" ") },
  });
  await logins.until(({ stdout }) => stdout.split("\n").length > MACHINES.length || undefined);
  const rollout = control.start(["ansible-playbook", "jails.yml"], { env, cwd: FLEET });
  const { status, stdout } = await rollout.ended;
  control.write("/root/enough", "");
  expect(status).toBe(0);
  for (const name of MACHINES) expect(recapOf(stdout)[name]).toEqual({ changed: 2, failed: 0 });
  const lines = (await logins.ended).stdout.trimEnd().split("\n");
  expect(lines.splice(-MACHINES.length)).toEqual(MACHINES.map(() => "the last"));
  expect(lines.filter((line) => line !== "/home/anna")).toEqual([]);
  expect(lines.length).toBeGreaterThan(5 * MACHINES.length);
  for (const m of machines) expect(stateOf(m, "jailkit")).toBe("ii  3.0.0-1+newer");
});
