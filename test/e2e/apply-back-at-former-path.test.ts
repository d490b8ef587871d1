/** A jail was moved, all has followed it, and then its directory comes back to where it was, as from a backup: nobody makes it anew. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [OLD, NOW, OTHER] = ["/srv/one", "/srv/now", "/srv/two"] as const;
const FILE = "/etc/jailkit/jails.d/one.ini";
const jail = (path: string, ...users: string[]) =>
  [
    `[jail ${path}]\nsections = uidbasics, basicshell\n`,
    ...users.map((name) => `[user ${name}]\njail = ${path}\nshell = /bin/bash\n`),
  ].join("");
const ADOPT = `jailkit adopt --moved ${NOW} ${OLD}`;
const BACK = `mv -nT ${OLD} ${NOW}`;
const RUNS = [
  ["--check", "--prune", "--delete-homes"],
  ["--check"],
  [],
  ["--prune"],
  ["--prune", "--delete-homes"],
];

let m: Machine;
const sh = (text: string) => m.must(["sh", "-ec", text]).stdout;
const settle = () => {
  for (let run = 0; run < 2; run++)
    expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { problems: [] } });
};
const letter = (path: string, name: string) =>
  sh(`echo ${name} >${path}/home/${name}/letter; chown ${name} ${path}/home/${name}/letter`);
const letterOf = (name: string) => m.run(["su", "-", name, "-c", "cat letter"]).stdout;
const move = (from: string, to: string) => {
  sh(`mv ${from} ${to}; sed -i 's#${from}#${to}#' ${FILE}`);
  m.must(["jailkit", "adopt", "--moved", from, to]);
};
/** What is there now, as a backup. */
const keep = () => sh("rm -rf /root/srv; cp -a /srv /root/srv");
const restore = () => sh("rm -rf /srv/*; cp -a /root/srv/. /srv");
const state = () => sh("cat /etc/passwd; find /srv -printf '%p %s %m %U %i\\n' | sort");
const text = (command: string) => {
  const { stdout, stderr } = m.run(command.split(" "));
  return stdout + stderr;
};
const findings = () =>
  reportOf(REPORT_SCHEMAS["jailkit status"], m.run(["jailkit", "status", "--json"]).stdout).findings;

/** Nothing is made, and the problem of each jail. */
function told(...jails: readonly string[]) {
  const before = state();
  const all = RUNS.map((options) => {
    const { status, changes, summary } = linesOf(m, ...options);
    expect([options, status, changes.filter((one) => one.status !== "not-done")]).toEqual([options, 1, []]);
    return jails.map((path) => summary.problems.find((one) => one.path === path && one.code === "moved"));
  });
  expect(state()).toBe(before);
  const [first = []] = all;
  for (const one of all) expect(one).toEqual(first);
  const said = ["jailkit config check", "jk_check", `jailkit list ${jails.join(" ")}`].map(text);
  for (const problem of first) {
    const message = problem?.message.replace(/^jail \S+: /, "") ?? "no problem";
    for (const one of said) expect(one).toContain(message);
  }
  return first;
}

beforeAll(async () => {
  m = await openApplyMachine();
  m.write("/etc/jailkit/jk_check.ini", "");
});
afterAll(() => m?.close());
beforeEach(() => {
  m.run(["sh", "-c", "for u in ann bob carl dora; do userdel -f $u; groupdel $u; done"]);
  sh("rm -rf /srv/* /var/lib/jailkit; rm -f /etc/jailkit/jails.d/*");
});

describe("no other jail is declared there", () => {
  beforeEach(() => {
    m.write(FILE, jail(OLD, "ann", "bob") + jail(OTHER, "carl"));
    settle();
    for (const name of ["ann", "bob"]) letter(OLD, name);
    keep();
    move(OLD, NOW);
    settle();
  });

  test.each([
    ["all follows it", ADOPT, OLD],
    ["it is moved to the declared path", BACK, NOW],
  ])("both ways are told, and heal: %s", (_, command, path) => {
    restore();
    const [problem] = told(NOW);
    expect(problem).toMatchObject({ code: "moved", remedy: ADOPT });
    expect(problem?.message).toContain(`are at '${OLD}', where it was before, so it is not made anew`);
    expect(problem?.message).toContain(`with: ${ADOPT}; or move that here, with: ${BACK}`);
    expect(findings()).toContainEqual(
      expect.objectContaining({ kind: "missing", subject: NOW, command: ADOPT }),
    );
    expect(text("jailkit explain ann")).toContain(ADOPT);
    sh(command);
    settle();
    expect(["ann", "bob"].map(letterOf)).toEqual(["ann\n", "bob\n"]);
    expect(m.read("/etc/passwd")).toContain(`:${path}/./home/ann:`);
    expect(findings()).toEqual([]);
  });

  test.each([
    [
      "a user has come since",
      () => m.write(FILE, `${m.read(FILE)}${jail(NOW, "dora").replace(/.*\n.*\n/, "")}`),
    ],
    [
      "a user was renamed since",
      () => {
        m.must(["usermod", "-l", "dora", "ann"]);
        sh(`sed -i 's#user ann.#&\\nhome = /home/ann#; s#user ann#user dora#' ${FILE}`);
      },
    ],
  ])("no program is told to let all follow it where that is not sure: %s", (_, change) => {
    change();
    expect(linesOf(m).status).toBe(0);
    restore();
    expect(told(NOW)).toMatchObject([{ code: "moved", remedy: null }]);
    sh(BACK);
    expect(linesOf(m)).toMatchObject({ status: 0, summary: { problems: [] } });
    expect(m.read(`${NOW}/home/ann/letter`)).toBe("ann\n");
  });

  test("so it is where only a home has come back, or its path was twice another one", () => {
    sh(`rm -rf ${NOW}; mkdir -p ${OLD}/home; cp -a /root/srv/one/home/bob ${OLD}/home`);
    expect(told(NOW)).toMatchObject([{ code: "moved", remedy: null }]);
    restore();
    sh(BACK);
    settle();
    move(NOW, "/srv/third");
    settle();
    restore();
    expect(told("/srv/third")[0]?.remedy).toBe(`jailkit adopt --moved /srv/third ${OLD}`);
  });

  test.each([
    ["a directory of other homes", `cp -a /root/srv/two ${OLD}`],
    ["a copy without homes", `cp -a /root/srv/one ${OLD}; rm -r ${OLD}/home/*`],
    ["a link", `cp -a /root/srv/one /srv/elsewhere; ln -s /srv/elsewhere ${OLD}`],
  ])("it is made anew, with a warning, where something else is: %s", (_, make) => {
    sh(`rm -rf ${NOW}; ${make}`);
    const { status, summary } = linesOf(m);
    expect([status, summary.problems]).toEqual([0, []]);
    expect(summary.warnings.join()).toContain("it was here, and is missing: it is made anew");
    expect(findings()).toEqual([]);
  });

  test("a jail that was made anew before that: status tells the command that heals, while nobody has used it", () => {
    sh(`rm -rf ${NOW}`);
    m.must(["jailkit", "apply"]);
    sh(`cp -a /root/srv/one ${OLD}`);
    const [found] = findings();
    expect(found).toMatchObject({ kind: "former-homes", subject: NOW });
    expect(found?.message).toContain(
      `'${OLD}', where it was before, has homes of its users, too, such as that of 'ann'`,
    );
    expect(found?.command).toContain(`${NOW}.anew && ${ADOPT}`);
    letter(NOW, "bob");
    expect(findings()).toMatchObject([{ kind: "former-homes", command: `ls -l ${OLD}/home` }]);
    sh(`rm ${NOW}/home/bob/letter; ${found?.command}`);
    settle();
    expect(letterOf("ann")).toBe("ann\n");
    // That of the directory before the first one.
    m.must(["jailkit", "forget", NOW]);
    expect(findings()).toEqual([]);
  });
});

describe("another jail is declared there", () => {
  test("the old one has come back in its place: nothing is done in the two", () => {
    m.write(FILE, jail(OLD, "ann"));
    settle();
    letter(OLD, "ann");
    keep();
    move(OLD, NOW);
    const before = m.read(FILE);
    m.write(FILE, before + jail(OLD, "carl"));
    // It is not applied yet.
    sh("cp -a /srv /root/srv.now");
    restore();
    const early = linesOf(m, "--prune").summary.problems.filter(({ code }) => code === "moved");
    expect(early.map(({ path, remedy }) => [path, remedy])).toEqual([
      [NOW, null],
      [OLD, null],
    ]);
    expect(findings().filter(({ command }) => command.includes("adopt"))).toEqual([]);
    sh("rm -rf /srv/*; cp -a /root/srv.now/. /srv");
    settle();
    letter(OLD, "carl");
    sh("rm -rf /root/srv.now; cp -a /srv /root/srv.now");
    restore();
    const [moved, there] = told(NOW, OLD);
    expect([moved?.remedy, there?.remedy]).toEqual([null, null]);
    expect(there?.message).toContain(`its lines and homes are those of the users of '${NOW}', such as 'ann'`);
    expect(moved?.message).toContain(BACK);
    sh(`${BACK}; cp -a /root/srv.now/one /srv`);
    settle();
    expect(["ann", "carl"].map(letterOf)).toEqual(["ann\n", "carl\n"]);
    // With its own homes it is the one that is declared.
    sh(`rm -rf ${NOW}`);
    expect(linesOf(m, "--check")).toMatchObject({ status: 10, summary: { problems: [] } });
  });

  test("two have exchanged their paths: one is back, or both", () => {
    m.write(FILE, jail(OLD, "ann") + jail(OTHER, "carl"));
    settle();
    letter(OLD, "ann");
    letter(OTHER, "carl");
    keep();
    move(OLD, "/srv/x");
    move(OTHER, OLD);
    move("/srv/x", OTHER);
    settle();
    restore();
    sh(`mv ${OTHER} /root/two`);
    expect(told(OTHER, OLD).map((one) => one?.remedy)).toEqual([null, null]);
    sh(`mv /root/two ${OTHER}`);
    const [first, second] = told(OTHER, OLD);
    expect(first?.remedy ?? second?.remedy).toContain("mv -nT");
    sh(first?.remedy ?? second?.remedy ?? "false");
    settle();
    expect(["ann", "carl"].map(letterOf)).toEqual(["ann\n", "carl\n"]);
  });
});
