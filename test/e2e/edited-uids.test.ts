/**
 * Accounts whose uids somebody has edited in passwd(5), while their lines in the jail and their homes have the former ones: no
 * command makes the wrong one permanent, or sets the home aside.
 */
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
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { did, linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const HOME = `${J}/home/ann`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const NEW = 31000;
const declare = (more = "") =>
  m.write(
    FILE,
    `[jail ${J}]\nsections = uidbasics, basicshell\n[user ann]\njail = ${J}\nshell = /bin/bash\n${more}`,
  );

let m: Machine;
/** That of ann. */
let uid = 0;

const sh = (text: string) => m.must(["sh", "-ec", text]);
const edit = (to: number, name = "ann") => sh(`sed -i 's/^${name}:x:[0-9]*:/${name}:x:${to}:/' /etc/passwd`);
const write = () => sh(`echo of ann >${HOME}/letter; chown ann ${HOME}/letter`);
const logsIn = () => m.run(["su", "-", "ann", "-c", "cat letter"]).stdout === "of ann\n";
const inJail = () => uidIn(m, "ann") === uid && m.read(`${J}/etc/passwd`).includes(`\nann:x:${uid}:`);
/** What status and jk_check advise. */
const commands = () => [
  ...reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings.map(
    ({ command }) => command ?? "",
  ),
  ...check(m, "-j", J).found.map(({ remedy }) => remedy ?? ""),
];
/** That no command of those makes it so for good, and each page says the same after a run. */
function expectNoneMakesIt(): void {
  const explained = reportOf(explainReportSchema, m.run(["jailkit", "explain", "--json", "ann"]).stdout);
  const advised = explained.steps.map(({ remedy }) => remedy ?? "");
  for (const command of [...commands(), ...advised])
    expect(command).not.toMatch(/mv |chown|jk_jailuser|jailkit apply/);
  expect(m.read(`${J}/etc/passwd`)).toContain(`\nann:x:${uid}:`);
  expect(m.list(`${J}/home`)).toEqual(["ann"]);
}

beforeAll(async () => {
  m = await openApplyMachine();
  // Debian's, with which a user cannot enter a home that has another uid.
  sh("sed -Ei '/^HOME_MODE/d; $a HOME_MODE 0700' /etc/login.defs");
});
beforeEach(() => m.mkdir("/srv", { mode: 0o755 }));
afterEach(() => {
  for (const name of ["ann", "bob"]) if (uidIn(m, name) !== undefined) m.must(["userdel", name]);
  for (const path of ["/srv", FILE, "/var/lib/jailkit"]) m.remove(path);
});
afterAll(() => m?.close());

describe("a declared account", () => {
  const make = (more = "") => {
    declare(more);
    m.must(["jailkit", "apply"]);
    uid = uidIn(m, "ann") ?? 0;
    write();
    m.must(["usermod", "-p", "$6$salt$hash", "ann"]);
  };
  /** The problem of a run, which changes nothing; it is that of the plan. */
  const problem = () => {
    const [checked, ran] = [linesOf(m, "--check", "--prune"), linesOf(m, "--prune")];
    expect(ran.summary.problems).toEqual(checked.summary.problems);
    expect([checked.changes, ran.changes]).toEqual([[], []]);
    return ran.summary.problems.find(({ code }) => code === "uid-changed");
  };
  const way = (message: string, what: string) =>
    new RegExp(`${what}: (.*?)(?:;|$)`).exec(message)?.[1] ?? expect.unreachable();

  test.each([
    ["with a password", () => edit(NEW)],
    [
      "that shadow(5) lacks",
      () => {
        edit(NEW);
        sh("sed -i /^ann:/d /etc/shadow");
      },
    ],
    [
      "that got another one by usermod(8), and the former passwd(5) came back",
      () => {
        sh("cp -p /etc/passwd /etc/passwd.before");
        m.must(["usermod", "-u", "32000", "ann"]);
        m.must(["jailkit", "apply"]);
        uid = 32000;
        m.rename("/etc/passwd.before", "/etc/passwd");
      },
    ],
  ])("%s is told with both ways, and no command", (_, spoil) => {
    make();
    spoil();
    const now = uidIn(m, "ann") ?? 0;
    const { message = "", remedy } = problem() ?? {};
    const back = `usermod -u ${uid} ann`;
    const give = `chown -hR --from=+${uid} +${now} ${HOME}`;
    expect([message, remedy]).toEqual([
      `user ann: has the uid ${now}, and its home '${HOME}' belongs to the uid that it had, ${uid}: logins are refused; if it is the account that was declared, give it its own back, with: ${back}; if the new one is meant, give it the home: ${give}; if it is another account, keep that home under another name: mv -nT ${HOME} ${HOME}.old`,
      null,
    ]);
    expectNoneMakesIt();
    typeRemedy(m, back);
    for (const { remedy } of linesOf(m, "--prune").summary.problems) if (remedy) typeRemedy(m, remedy);
    expect([did(m, "--prune"), inJail(), logsIn()]).toEqual([[], true, true]);
  });

  test.each([
    ["give it the home", "of ann\n"],
    ["keep that home under another name", undefined],
  ])("heals by the other way, too: %s", (what, letter) => {
    make();
    edit(NEW);
    sh(way(problem()?.message ?? "", what));
    m.must(["jailkit", "apply", "--prune"]);
    expect(did(m, "--prune")).toEqual([]);
    const read = m.run(["su", "-", "ann", "-c", "id -u; cat letter"]);
    expect(read.stdout).toBe(`${NEW}\n${letter ?? ""}`);
  });

  test("which is declared with its uid gets that back", () => {
    make("uid = 1234\n");
    edit(NEW);
    expect(problem()?.remedy).toBe("usermod -u 1234 ann");
    expectNoneMakesIt();
    typeRemedy(m, "usermod -u 1234 ann");
    expect([did(m, "--prune"), inJail(), logsIn()]).toEqual([[], true, true]);
  });
});

describe("an account that was never declared", () => {
  beforeEach(() => {
    m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
    m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", J, "ann"]);
    uid = uidIn(m, "ann") ?? 0;
    write();
  });
  const back = () => `usermod -u ${uid} ann`;

  test("gets its own back", () => {
    edit(NEW);
    expect(commands()).toEqual([back(), back()]);
    expectNoneMakesIt();
    typeRemedy(m, back());
    expect([commands(), inJail(), logsIn()]).toEqual([[], true, true]);
  });

  test("whose line alone has another uid, or another group, gets that line made right", () => {
    const right = `jk_jailuser --jail-side-only -j ${J} ann`;
    m.must(["usermod", "-u", `${NEW}`, "ann"]);
    expect(commands()).toEqual([right, right]);
    typeRemedy(m, right);
    expect([commands(), logsIn()]).toEqual([[], true]);
    m.must(["groupadd", "-f", "crew"]);
    m.must(["usermod", "-g", "crew", "ann"]);
    expect(commands()).toContain(right);
    expect(commands().join()).not.toContain("usermod");
  });

  test("also if it has that of another one, which is named", () => {
    m.must(["jk_addjailuser", "-s", "/bin/bash", "-j", J, "bob"]);
    m.remove(`${J}/home/bob`);
    edit(uidIn(m, "bob") ?? 0);
    const { found } = check(m, "-j", J);
    expect(found.find(({ rule }) => rule === "user-changed")?.message).toContain("which belongs to 'bob'");
    expectNoneMakesIt();
    typeRemedy(m, back());
    expect([inJail(), logsIn()]).toEqual([true, true]);
  });

  test("has no command if another one has its own by now", () => {
    edit(NEW);
    m.must(["useradd", "-o", "-u", `${uid}`, "bob"]);
    const { found } = check(m, "-j", J);
    expect(found.map(({ remedy }) => remedy)).toEqual([undefined]);
    expect(found[0]?.message).toContain("which 'bob' has now");
    expectNoneMakesIt();
  });
});
