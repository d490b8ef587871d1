/** The Ansible collection by itself; fleet.test.ts has it at work. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { VERSION } from "../../src/cli/version.ts";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { smallRpm } from "./packages-scene.ts";

setDefaultTimeout(600_000);

const read = (path: string) => readFileSync(join(checkout, "ansible", path), "utf8");
const ROLE = "roles/jailkit";
const COPY = "/root/collection";
const env = { PATH: "/usr/bin:/bin", HOME: "/root", LC_ALL: "C.UTF-8", NO_COLOR: "1" };

let m: Machine;
beforeAll(async () => {
  m = await openMachine();
});
afterAll(() => m?.close());

const lint = () => {
  const words = ["ansible-lint", "--offline", "--strict", "--profile", "production"];
  return m.run(words, { env, cwd: COPY });
};
const tasks = (name: string) => `${COPY}/${ROLE}/tasks/${name}.yml`;

test("ansible-lint finds nothing in it", () => {
  m.must(["cp", "-a", join(checkout, "ansible"), COPY]);
  const { status, stdout, stderr } = lint();
  expect(stdout).toBe("");
  expect(stderr).toMatch(/Passed: 0 failure\(s\), 0 warning\(s\) on \d\d files\. Profile 'production'/);
  expect(status).toBe(0);
});

test("and would find a fault", () => {
  const before = m.read(tasks("apply"));
  m.write(tasks("apply"), before.replace('    mode: "0644"\n', ""));
  expect(lint()).toMatchObject({ status: 2, stdout: expect.stringContaining("risky-file-permissions") });
  m.write(tasks("apply"), before);
});

test("it has the version of the tools, and their license", () => {
  expect(read("galaxy.yml")).toContain(`\nversion: ${VERSION}\n`);
  expect(read("CHANGELOG.md")).toContain(`\n## ${VERSION}\n`);
  expect(read("LICENSE")).toBe(readFileSync(join(checkout, "LICENSE"), "utf8"));
});

test("its variables are described, with their defaults", () => {
  const described = [...read(`${ROLE}/README.md`).matchAll(/^\| `(\w+)` \| `(.*?)` \|/gm)];
  const defaults = [...read(`${ROLE}/defaults/main.yml`).matchAll(/^(\w+): (.*)$/gm)];
  const checked = [
    ...read(`${ROLE}/meta/argument_specs.yml`).matchAll(/^ {6}(\w+):\n(?: {8}.*\n)*? {8}default: (.*)$/gm),
  ];
  const pairs = (all: readonly RegExpMatchArray[]) => all.map(([, name, value]) => `${name}: ${value}`);
  expect(pairs(defaults).length).toBeGreaterThan(2);
  expect(pairs(described)).toEqual(pairs(defaults));
  expect(pairs(checked)).toEqual(pairs(defaults));
});

test("its code uses these variables, all of them, and what it sets itself", () => {
  const [defaults = "", ...code] = [
    "defaults/main.yml",
    "vars/main.yml",
    "handlers/main.yml",
    ...readdirSync(join(checkout, "ansible", ROLE, "tasks")).map((name) => `tasks/${name}`),
  ].map((name) => read(`${ROLE}/${name}`));
  const settings = [...defaults.matchAll(/^(jailkit_\w+):/gm)].map(([, name = ""]) => name);
  const own = [...code.join("\n").matchAll(/^ *(?:register: (jailkit_\w+)$|(jailkit_\w+):)/gm)].map(
    ([, registered, set]) => registered ?? set ?? "",
  );
  const used = code.join("\n").match(/\bjailkit_\w+/g) ?? [];
  expect([...new Set(used)].sort()).toEqual([...new Set([...settings, ...own])].sort());
});

test("a package of rpm is installed by dnf, once", () => {
  m.remove("/var/lib/rpm");
  // dnf is not what this machine would use.
  const play = `- hosts: localhost
  connection: local
  gather_facts: false
  vars:
    ansible_python_interpreter: /usr/bin/python3
  pre_tasks:
    - ansible.builtin.set_fact: {pkg_mgr: dnf4, cacheable: true}
  roles:
    - role: jailkit.fleet.jailkit
      vars:
        jailkit_package: ${smallRpm(m, "of-a-fleet", "/usr/bin/true", "/usr/bin/of-a-fleet")}
`;
  m.write("/root/play.yml", play);
  const root = { ...env, PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };
  m.must(["ansible-galaxy", "collection", "install", COPY], { env: root });
  const start = (...options: string[]) =>
    m.run(["ansible-playbook", ...options, "/root/play.yml"], { env: root, cwd: "/root" });
  const run = (...options: string[]) => /changed=(\d+) .*failed=0 /.exec(start(...options).stdout)?.[1];
  m.write("/root/x.ini", "");
  // As long as there is no jailkit, there is no plan.
  const more = { jailkit_sshd: true, jailkit_declarations: ["x.ini"], jailkit_prune: true };
  expect(run("--check", "-e", JSON.stringify(more))).toBe("2");
  expect([m.exists("/var/cache/jailkit"), m.list("/run").filter((name) => /^jailkit/.test(name))]).toEqual([
    false,
    [],
  ]);
  for (const names of [["x.conf"], [".x.ini"], ["x.ini", "a/x.ini"]]) {
    const { status, stdout } = start("-e", JSON.stringify({ jailkit_declarations: names }));
    expect([status, stdout]).toEqual([2, expect.stringContaining("names end with .ini")]);
  }
  expect(m.exists("/var/cache/jailkit")).toBe(false);
  expect(run()).toBe("3");
  expect(m.must(["rpm", "-q", "of-a-fleet"]).stdout).toBe("of-a-fleet-2-1.noarch\n");
  expect([run("--check"), run()]).toEqual(["0", "0"]);
});
