/** Only the declarations come back from a backup of before a jail was moved and its customer renamed: nothing is taken or made. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const [J, NEW, K] = ["/srv/one", "/srv/moved", "/srv/two"] as const;
const D = "/etc/jailkit/jails.d";
const ONE = `${D}/one.ini`;
const MEMORY = "/var/lib/jailkit/declared.json";
const SECTIONS = "sections = uidbasics, basicshell\n";
const jail = (path: string) => `[jail ${path}]\n${SECTIONS}`;
const user = (name: string, path: string, more = "") =>
  `[user ${name}]\njail = ${path}\nshell = /bin/bash\n${more}`;
const HOME = "home = /home/ann\n";

let m: Machine;
const sh = (text: string) => m.must(["sh", "-ec", text]).stdout;
const declare = (...texts: string[]) => m.write(ONE, texts.join(""));
const settle = () => {
  for (let run = 0; run < 2; run++)
    expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { problems: [] } });
};
const letter = (home: string) => {
  m.write(`${home}/letter`, "of the customer\n");
  m.must(["chown", "--reference", home, `${home}/letter`]);
};
const move = () => {
  sh(`mv ${J} ${NEW}; sed -i 's#${J}#${NEW}#' ${ONE}`);
  m.must(["jailkit", "adopt", "--moved", J, NEW]);
  settle();
};
const FILES = "/etc/passwd /etc/shadow /etc/group /etc/gshadow";
/** All that there is of accounts and jails. */
const state = () => sh(`cat ${FILES}; find /srv /etc/jailkit -printf '%p %s %m %U %i\\n' | sort`);
const RUNS = [
  ["--check", "--prune", "--delete-homes"],
  ["--check"],
  [],
  ["--prune"],
  ["--prune", "--delete-homes"],
];

/** A run, with what it would do or did. */
const made = (...options: string[]) => {
  const { changes, ...rest } = linesOf(m, ...options);
  return { ...rest, changes: changes.filter(({ status }) => status !== "not-done") };
};
/** Nothing is made or taken, and all who tell of it say what. */
function expectKept(code: string, said: string): void {
  const before = state();
  for (const options of RUNS) {
    const { status, changes, summary } = made(...options);
    const problem = summary.problems.find(({ path }) => path === J);
    expect([options, status, changes, problem]).toMatchObject([options, 1, [], { code, remedy: null }]);
    expect(problem?.message).toContain(said);
    const stays = options.includes("--prune") ? summary.problems : summary.warnings;
    expect(JSON.stringify(stays)).toContain(`is not declared any more, and stays: '[jail ${J}]'`);
    const users = summary.problems.filter(({ path }) => path === "dora");
    expect(users.map(({ code }) => code)).toEqual(options.includes("--prune") ? ["doubtful-account"] : []);
    expect(summary.problems.flatMap(({ remedy }) => remedy ?? [])).toEqual([]);
  }
  expect(state()).toBe(before);
  expect(m.run(["jailkit", "config", "check"]).stdout).toContain(said);
  expect(m.run(["jailkit", "status"]).stdout).toContain(NEW);
  const told = ["status", "config check"].map((words) => m.run(["jailkit", ...words.split(" ")]).stdout);
  expect([...told, m.run(["jk_check"]).stdout].filter((text) => /--prune|userdel|rm -/.test(text))).toEqual(
    [],
  );
}
function expectWell(name: string): void {
  settle();
  expect(linesOf(m, "--prune", "--delete-homes")).toMatchObject({ status: 0, changes: [] });
  expect(m.run(["su", "-", name, "-c", "cat letter"]).stdout).toBe("of the customer\n");
  expect(m.exists(J)).toBe(false);
  expect(m.run(["jailkit", "config", "check"]).status).toBe(0);
}

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  m.run(["sh", "-c", "for u in ann bob carl dora eve; do userdel -f $u; groupdel $u; done"]);
  sh(`rm -rf /srv/* /var/lib/jailkit; rm -f ${D}/*`);
});

describe("a jail was moved", () => {
  beforeEach(() => {
    declare(jail(J), user("ann", J), jail(K), user("carl", K));
    settle();
    letter(`${J}/home/ann`);
  });
  const old = () => declare(jail(J), user("ann", J), jail(K), user("carl", K));

  test("and its user renamed: the account, its home and the jail stay, and nothing is made", () => {
    move();
    m.must(["usermod", "-l", "dora", "ann"]);
    declare(jail(NEW), user("dora", NEW, HOME), jail(K), user("carl", K));
    const now = m.read(ONE);
    settle();
    old();
    expectKept("moved", `may be '${NEW}', which is not declared any more`);
    declare(now);
    expectWell("dora");
  });

  test("so it is if what is remembered does not say that it was moved", () => {
    move();
    m.must(["usermod", "-l", "dora", "ann"]);
    declare(jail(NEW), user("dora", NEW, HOME), jail(K), user("carl", K));
    const now = m.read(ONE);
    settle();
    m.write(MEMORY, m.read(MEMORY).replace(/"formerly":\[[^\]]*\],?/g, ""));
    old();
    expectKept("moved", "'dora' in it has the home '/home/ann', as '[user ann]' says");
    declare(now);
    expectWell("dora");
  });

  test("and its user has left, and another one has come, who keeps all", () => {
    move();
    declare(jail(NEW), user("dora", NEW), jail(K), user("carl", K));
    const now = m.read(ONE);
    expect(linesOf(m, "--prune", "--delete-homes")).toMatchObject({ status: 0 });
    letter(`${NEW}/home/dora`);
    old();
    expectKept("moved", "it was at this path before it was moved");
    declare(now);
    expectWell("dora");
  });

  test("twice: the first path of all is one of before, too", () => {
    move();
    sh(`mv ${NEW} /srv/third; sed -i 's#${NEW}#/srv/third#' ${ONE}`);
    m.must(["jailkit", "adopt", "--moved", NEW, "/srv/third"]);
    settle();
    m.must(["usermod", "-l", "dora", "ann"]);
    declare(jail("/srv/third"), user("dora", "/srv/third", HOME), jail(K), user("carl", K));
    settle();
    old();
    const before = state();
    for (const options of RUNS) expect(made(...options)).toMatchObject({ status: 1, changes: [] });
    expect(state()).toBe(before);
  });

  test("one of two users was renamed", () => {
    declare(jail(J), user("ann", J), user("bob", J), jail(K), user("carl", K));
    settle();
    const before = m.read(ONE);
    move();
    m.must(["usermod", "-l", "dora", "ann"]);
    declare(jail(NEW), user("dora", NEW, HOME), user("bob", NEW), jail(K), user("carl", K));
    settle();
    m.write(ONE, before);
    const kept = state();
    for (const options of RUNS) expect(made(...options)).toMatchObject({ status: 1, changes: [] });
    expect(state()).toBe(kept);
  });

  test("a new jail is made at its former path while it is declared, and when that is said, it goes", () => {
    move();
    declare(jail(J), user("eve", J), jail(K), user("carl", K));
    expect(made("--prune")).toMatchObject({ status: 1, changes: [] });
    declare(jail(J), user("eve", J), jail(NEW), user("ann", NEW), jail(K), user("carl", K));
    settle();
    declare(jail(J), user("eve", J), jail(K), user("carl", K));
    expect(linesOf(m, "--prune", "--delete-homes")).toMatchObject({ status: 0, summary: { problems: [] } });
    expect([m.exists(NEW), uidIn(m, "ann"), m.exists(`${J}/home/eve`)]).toEqual([false, undefined, true]);
  });
});

test.each([
  ["of other names", "", ""],
  ["with the same home, as in each jail of a panel", "home = /home/web\n", "home = /home/web\n"],
])("a new jail with new users is made, while another one leaves in the same run: %s", (_, home, newHome) => {
  declare(jail(J), user("ann", J, home), jail(K), user("carl", K));
  settle();
  declare(jail("/srv/new"), user("eve", "/srv/new", newHome), jail(K), user("carl", K));
  expect(linesOf(m, "--prune", "--delete-homes")).toMatchObject({ status: 0, summary: { problems: [] } });
  expect([m.exists(J), uidIn(m, "ann"), uidIn(m, "eve")]).toEqual([false, undefined, expect.any(Number)]);
  settle();
});
