/** A run that is killed before a file has its name leaves a temporary one: the next run that writes there removes it. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { KEYS, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/j";
const PLACES = ["/etc", "/var/lib/jailkit", "/srv", "/home"];

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", J, "basicshell", "jk_lsh"]);
  m.must(["useradd", "-m", "bob"]);
  m.must(["jk_jailuser", "-n", "-m", "-j", J, "-s", "/bin/bash", "bob"]);
});
afterAll(() => m?.close());

const left = () => m.must(["find", ...PLACES, "-name", ".jk-*"]).stdout;
const declare = (text: string) => m.write("/etc/jailkit/jails.d/one.ini", text);
const user = (rest: string) => `[jail ${J}]\n[user bob]\njail = ${J}\n${rest}`;

const RUNS = [
  {
    name: "the record of a jail",
    run: ["jk_cp", "-j", J, "/bin/true"],
    again: () => m.remove(`${J}/usr/bin/true`),
  },
  {
    name: "fstab(5)",
    run: ["jk_init", "-j", J, "sample"],
    again: () => m.run(["jk_init", "--remove", "-j", J, "sample"]),
  },
  {
    name: "keys, rules and what apply remembers",
    run: ["jailkit", "apply"],
    again: () => {
      declare(user("shell = /bin/bash\n"));
      m.must(["jailkit", "apply"]);
      declare(user(`shell = /usr/sbin/jk_lsh\nallow = rsync\nauthorized_keys = ${KEYS[0]}\n`));
    },
  },
  {
    name: "the accounts of a jail",
    run: ["jk_addjailuser", "-j", J, "-s", "/bin/bash", "carl"],
    again: () => {
      m.run(["userdel", "-r", "carl"]);
      m.run(["sed", "-i", "/^carl:/d", `${J}/etc/passwd`, `${J}/etc/group`]);
      m.remove(`${J}/home/carl`);
    },
  },
];

test.each(RUNS)("$name", ({ run, again }) => {
  m.write(
    "/etc/jailkit/jk_init.d/sample.ini",
    "[sample]\npaths = /bin/false\nneed_logsocket = 1\nneed_proc = 1\n",
  );
  let killed = 0;
  for (const call of ["renameat", "renameat2"])
    for (let nth = 1; ; nth++) {
      again();
      const inject = `inject=${call}:signal=KILL:when=${nth}`;
      const { signal } = m.run(["strace", "-qq", "-o", "/dev/null", "-e", inject, ...run]);
      if (signal !== "SIGKILL") break;
      if (left() !== "") killed++;
      again();
      m.run([...run]);
      expect([call, nth, left()]).toEqual([call, nth, ""]);
    }
  expect(killed).toBeGreaterThan(0);
});

const K = "/srv/k";
const FILE = "/etc/jailkit/jails.d/two.ini";
const PRUNE = ["jailkit", "apply", "--prune", "--delete-homes"];

const killing = (call: string, nth: number) => [
  ...["strace", "-qq", "-o", "/dev/null", "-e", `trace=${call}`],
  ...["-e", `inject=${call}:signal=KILL:when=${nth}`],
];

/** Runs that are killed where they give their user what they make: what is left belongs to the user already. */
function* killedGivers() {
  for (const call of ["renameat2", "fchmod"])
    for (let nth = 1; ; nth++) {
      m.write(FILE, `[jail ${K}]\nsections = uidbasics, basicshell\n`);
      m.run(["find", ...PLACES, "-name", ".jk-*", "-delete"]);
      m.must([...PRUNE, FILE]);
      m.write(
        FILE,
        `[jail ${K}]\nsections = uidbasics, basicshell\n[user dora]\njail = ${K}\nshell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`,
      );
      const { signal } = m.run([...killing(call, nth), "jailkit", "apply", FILE]);
      if (signal !== "SIGKILL") break;
      const uid = m.run(["id", "-u", "dora"]).stdout.trim();
      const given = uid === "" ? "" : m.must(["find", ...PLACES, "-name", ".jk-*", "-uid", uid]).stdout;
      if (given !== "") yield { given, at: `${call} ${nth}` };
    }
}

test("what belongs to its user already is removed by the next run, and by jk_check --fix", () => {
  let count = 0;
  for (const { given, at } of killedGivers()) {
    if (count++ % 2 === 0) m.must(["jailkit", "apply", FILE]);
    else {
      expect(m.run(["jk_check", K]).stdout).toContain(given.split("\n")[0] ?? "");
      expect(m.run(["jk_check", "--fix", K]).stdout).toContain("removed");
    }
    expect([at, left()]).toEqual([at, ""]);
  }
  expect(count).toBeGreaterThan(1);
});

test("it keeps no jail from being removed", () => {
  let count = 0;
  for (const { at } of killedGivers()) {
    count++;
    m.write(FILE, "");
    m.run([...PRUNE, FILE]);
    m.run([...PRUNE, FILE]);
    expect([at, m.exists(K), left()]).toEqual([at, false, ""]);
  }
  expect(count).toBeGreaterThan(1);
});

test("what has such a name and is a user's stays: in a directory of theirs, and what they have put into one that was left", () => {
  m.write(
    FILE,
    `[jail ${K}]\nsections = uidbasics, basicshell\n[user dora]\njail = ${K}\nshell = /bin/bash\n`,
  );
  m.must(["jailkit", "apply", FILE]);
  const [own, entered, held] = [
    "dora/.jk-put-own_56789012",
    ".jk-put-entered89012",
    ".jk-put-held-6789012",
  ].map((name) => `${K}/home/${name}`) as [string, string, string];
  m.write(own, "thesis");
  m.mkdir(entered);
  m.write(`${entered}/thesis`, "thesis");
  m.write(held, "");
  m.must(["chown", "-R", "dora", own, entered, held]);
  const holder = m.start(["flock", held, "sleep", "600"]);
  const rest = () => left().trimEnd().split("\n").sort();
  try {
    while (m.run(["flock", "-n", held, "true"]).status === 0);
    expect(m.run(["jk_check", "--fix", K]).stdout).toContain(`mv -nT ${entered} /root/`);
    m.write(FILE, `${m.read(FILE)}authorized_keys = ${KEYS[0]}\n`);
    m.must(["jailkit", "apply", FILE]);
    expect(rest()).toEqual([entered, held, own].sort());
  } finally {
    holder.kill();
  }
  m.remove(own);
  m.run(["userdel", "dora"]);
  m.must(["rm", "-rf", `${K}/home/dora`]);
  // The file that was left does not count, and goes with the jail; a directory with anything in it does.
  expect(m.run(["jailkit", "delete", "--yes", K]).stderr).toContain(`as ${entered}`);
  m.must(["rm", "-rf", entered]);
  m.must(["jailkit", "delete", "--yes", K]);
});
