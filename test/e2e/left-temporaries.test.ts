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
  m.must(["jk_jailuser", "-n", "-j", J, "-s", "/bin/bash", "bob"]);
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
