/** `jailkit apply --prune`: a jail in which root has put something stays, but not with what jails usually have. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;

let m: Machine;

/** The codes and messages of a run, after the same of --check. */
function prune(...options: readonly string[]) {
  const problems = (...more: readonly string[]) =>
    linesOf(m, "--prune", ...options, ...more).summary.problems.map(({ code, message }) => [code, message]);
  const check = problems("--check");
  const done = problems();
  expect(check).toEqual(done);
  return done;
}

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

test("a jail goes with what jails have: all sections, logins, histories, logs, links, empty directories and homes", () => {
  const { stdout } = m.must(["jk_init", "--list", "--json"]);
  const names = (JSON.parse(stdout) as { sections: { name: string }[] }).sections.map(({ name }) => name);
  expect(names.length).toBeGreaterThan(20);
  // Devices that this machine lacks do not count here.
  m.run(["jk_init", "-j", J, ...names.filter((name) => name !== "livebasics")]);
  m.write(FILE, `${JAIL}[user bob]\njail = ${J}\nshell = /bin/bash\n`);
  m.must(["jailkit", "apply"]);
  expect(m.run(["su", "-", "bob", "-c", "echo a >.profile; mkdir -p .cache; echo b >.cache/c"]).status).toBe(
    0,
  );
  m.must(["sh", "-c", `echo root >${J}/home/bob/of-root`]);
  m.must(["jk_update", "-j", J]);
  const more = [
    "var/log/wtmp",
    "var/tmp/x",
    "tmp/y",
    "run/z",
    "root/.bash_history",
    ".sh_history",
    "etc/ld.so.cache",
  ];
  for (const path of more) m.must(["install", "-D", "/etc/hostname", `${J}/${path}`]);
  m.must(["sh", "-c", `mkdir -p ${J}/srv/git/empty ${J}/mnt && ln -s ../git ${J}/srv/git/link`]);
  // As a jail of 2.23, whose files are of an earlier version of the system.
  m.must(["sh", "-c", `echo old >${J}/usr/lib/libold.so.1; echo own >${J}/etc/hosts`]);
  m.write(FILE, "");
  expect([prune("--delete-homes"), m.exists(J)]).toEqual([[], false]);
});
