/** A run that is killed while it moves a home on one file system has put it aside: everything tells it, and brings it to its place. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/jail";
const SINCE = "since a run of jailkit was killed while it moved it";
let m: Machine;

const sh = (line: string) => m.must(["sh", "-ec", line]).stdout;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
});
afterAll(() => m?.close());

type When = "before" | "after";
let next = 0;

/** A user whose run was killed before the account was changed, or after; `place`: where the home belongs. */
function killed(when: When, jail = J) {
  const name = `eve${next++}`;
  const home = `/home/${name}`;
  m.addUser(name, { home, createHome: true, shell: "/bin/bash" });
  sh(`cd ${home}; echo thesis >file; chown ${name} file; chmod 2755 .`);
  const moves = ["jk_jailuser", "-n", "-m", "-s", "/bin/bash", "-j", jail, name];
  const real = "/usr/sbin/usermod";
  sh(`mv ${real} ${real}.real`);
  const change = when === "after" ? `${real}.real "$@"` : "true";
  m.write(real, `#!/bin/sh\n${change}\nkill -KILL $PPID\n`, { mode: 0o755 });
  expect(m.run(moves).signal).toBe("SIGKILL");
  sh(`mv ${real}.real ${real}`);
  const box = `/home/.jk-move-${name}`;
  const place = when === "before" ? home : `${jail}${home}`;
  expect([m.exists(`${box}/home/file`), m.exists(home), m.exists(`${jail}${home}/file`)]).toEqual([
    true,
    false,
    false,
  ]);
  const message =
    when === "before"
      ? `${home} is in ${box}, ${SINCE}`
      : `${place}, the home of ${name}, is in ${box} still, ${SINCE}`;
  return { name, home, box, place, message, moves };
}

const findings = () =>
  // Connections that the run was to end have a test of their own.
  reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout).findings.filter(
    ({ kind }) => kind !== "connections",
  );
const warnings = ({ summary }: ReturnType<typeof linesOf>) =>
  summary.warnings.filter((line) => !line.includes("sshd(8)"));
const isWhole = (home: string) => sh(`cat ${home}/file; stat -c %a ${home}`) === "thesis\n2755\n";
const notes = () => sh("ls /var/lib/jailkit/moves").trim();

for (const when of ["before", "after"] as const)
  describe(`killed ${when} the change of the account`, () => {
    test("status and jk_check tell it, and what they say heals it", () => {
      const { name, box, place, message } = killed(when);
      const told = { subject: box, message };
      expect(findings().filter(({ subject }) => [name, box].includes(subject))).toMatchObject([told]);
      const command = findings().find(({ subject }) => subject === box)?.command ?? "false";
      expect(m.run(["jk_check", J]).stdout).not.toContain("install -d");
      expect(m.run(["sh", "-c", command]).stdout).toContain("1 finding is fixed, 0 are left\n");
      expect([isWhole(place), m.exists(box), notes()]).toEqual([true, false, ""]);
      expect(findings().filter(({ kind }) => kind === "interrupted-move")).toEqual([]);
    });

    test("apply says it before and does it, whoever is declared", () => {
      const { place, box, message, home } = killed(when);
      const step =
        when === "before"
          ? `put '${home}' back, which an interrupted run had put aside`
          : `moved '${home}' to '${place}', as an interrupted run had begun`;
      expect(warnings(linesOf(m, "--check"))).toEqual([`${message}; a run mends that`]);
      const run = linesOf(m);
      expect([run.status, warnings(run)]).toEqual([0, [`${message}; ${step}`]]);
      expect([isWhole(place), m.exists(box), notes()]).toEqual([true, false, ""]);
    });

    test("the account may have another name and uid since", () => {
      const { name, place, box } = killed(when);
      sh(`usermod -l ${name}x -u 4242 ${name}`);
      m.run(["jk_check", "--fix", J]);
      expect([isWhole(place), m.exists(box), notes()]).toEqual([true, false, ""]);
      sh(`userdel ${name}x`);
    });

    test("the same command again completes it", () => {
      const { home, moves, box } = killed(when);
      m.must(moves);
      expect([isWhole(`${J}${home}`), m.exists(box), notes()]).toEqual([true, false, ""]);
    });

    test("another home in its place stays, and both are told", () => {
      const { name, home, place, box, message } = killed(when);
      sh(`mkdir -p ${place}; echo other >${place}/file`);
      const told = () => findings().filter(({ subject }) => subject === box);
      const [first] = told();
      const only = `/home/.jk-move-${name} was left by a run of jailkit that was killed while it moved ${home}, and may hold the only copy of a home`;
      expect(first?.message).toBe(when === "after" ? message : only);
      expect(m.run(["jk_check", "--fix", J]).stdout).toContain("Not fixed");
      expect([told().length, sh(`cat ${place}/file ${box}/home/file`)]).toEqual([1, "other\nthesis\n"]);
      sh(`rm -r ${place}`);
      m.run(["jk_check", "--fix", J]);
      expect([isWhole(place), notes()]).toEqual([true, ""]);
    });
  });

test("a home that waits for its place in a jail leaves it with its user; a dry run says what is first", () => {
  const jail = `${J}2`;
  m.must(["jk_init", "-j", jail, "uidbasics", "basicshell"]);
  const { name, home } = killed("after", jail);
  expect(m.run(["jk_jailuser", "--unjail", "-n", "-m", "--dry-run", name])).toMatchObject({
    status: 1,
    stderr: expect.stringContaining(
      `in '/home/.jk-move-${name}'; what moves it to its place: jk_check --fix\n`,
    ),
  });
  m.must(["jailkit", "delete", "--unjail", "--yes", jail]);
  expect([isWhole(home), m.exists(`${jail}/etc`), notes()]).toEqual([true, false, ""]);
});
