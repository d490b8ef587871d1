/** Only the declarations come back from a backup of before customers were renamed: nothing is taken or made by those names. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { FILE, J, JAILS, K, RUNS, settle as settleOn, user } from "./two-jails-scene.ts";

setDefaultTimeout(120_000);

const D = "/etc/jailkit/jails.d";

let m: Machine;
const sh = (text: string) => m.must(["sh", "-ec", text]).stdout;
const declare = (...texts: string[]) => m.write(FILE, JAILS + texts.join(""));
const FILES = "/etc/passwd /etc/shadow /etc/group /etc/gshadow";
/** All that there is of accounts and jails. */
const state = () => sh(`cat ${FILES}; find /srv /etc/jailkit -printf '%p %s %m %U %i\\n' | sort`);
const settle = (...options: string[]) => settleOn(m, ...options);

/** How a customer became another one, after which the file says so. Each keeps its uid and its letter. */
const RENAMED: Record<string, () => string[]> = {
  "in its jail": () => {
    sh("usermod -l dora ann");
    return [user("dora", J, "home = /home/ann\n")];
  },
  "in its jail, with its home": () => {
    sh(`mv ${J}/home/ann ${J}/home/dora; usermod -l dora -d ${J}/./home/dora ann`);
    return [user("dora", J)];
  },
  "after it was moved to another jail": () => {
    sh(`mkdir -p ${K}/home; mv ${J}/home/ann ${K}/home/ann; usermod -d ${K}/./home/ann ann`);
    declare(user("ann", K));
    settle("--prune");
    sh("usermod -l dora ann");
    return [user("dora", K, "home = /home/ann\n")];
  },
  "after it was moved to another jail, with its home": () => {
    sh(`mkdir -p ${K}/home; mv ${J}/home/ann ${K}/home/ann; usermod -d ${K}/./home/ann ann`);
    declare(user("ann", K));
    settle("--prune");
    sh(`mv ${K}/home/ann ${K}/home/dora; usermod -l dora -d ${K}/./home/dora ann`);
    return [user("dora", K)];
  },
};
const MADE = ["by apply", "before apply"];
// What is left of the former name is known still after runs without --prune.
const CASES = Object.keys(RENAMED).flatMap((how, index) =>
  MADE.map((made, other) => [how, made, (index + other) % 2 === 0 ? ["--prune"] : []] as const),
);

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  m.run(["sh", "-c", "for u in ann dora; do userdel -f $u; groupdel $u; done"]);
  sh(`rm -rf /srv/* /var/lib/jailkit; rm -f ${D}/*`);
});

describe.each(CASES)("a customer was renamed %s, made %s, with %j", (how, made, options) => {
  let own: string[];
  let uid: number;
  beforeEach(() => {
    if (made === "before apply") {
      m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
      m.must(["jk_addjailuser", "-j", J, "-s", "/bin/bash", "ann"]);
    }
    declare(user("ann", J));
    settle(...options);
    m.write(`${J}/home/ann/letter`, "of the customer\n");
    m.must(["chown", "--reference", `${J}/home/ann`, `${J}/home/ann/letter`]);
    uid = uidIn(m, "ann") ?? 0;
    own = RENAMED[how]?.() ?? [];
    declare(...own);
    settle(...options);
    declare(user("ann", J));
  });

  /** What a run does, and what is wrong for the two. */
  const ran = (...options: string[]) => {
    const { status, changes, summary } = linesOf(m, ...options);
    return { status, changes: changes.filter((one) => one.status !== "not-done"), ...summary };
  };

  test("nothing is taken or made, and all who tell of it say both ways", () => {
    const before = state();
    const moved = `${how.includes("another jail") ? ` and 'jail = ${K}'` : ""}`;
    const header = `'[user dora]'${how.endsWith("its home") ? "" : " and 'home = /home/ann'"}${moved}`;
    const both = `the account that was declared may be 'dora' now, by its name of before: if '[user ann]' means that one, write ${header} in place of '[user ann]'; if it means another one, declare another uid with the key 'uid'`;
    const stays = `user dora: is not declared any more, and stays: '[user ann]' of '${FILE}', line 5, may mean this account, by its name of before`;
    for (const options of RUNS) {
      const { status, changes, problems, warnings } = ran(...options);
      const isPrune = options.includes("--prune");
      expect([options, status, changes]).toEqual([options, 1, []]);
      expect(problems.map(({ message }) => message)).toEqual([
        ...(isPrune ? [stays] : []),
        `user ann: ${both}`,
      ]);
      expect(problems.flatMap(({ remedy }) => remedy ?? [])).toEqual([]);
      expect(warnings).toEqual(isPrune ? [] : [stays]);
    }
    expect(state()).toBe(before);
    expect(m.run(["jailkit", "config", "check"]).stdout).toContain(both);
    const status = m.run(["jailkit", "status"]).stdout;
    expect(status).toContain("jailkit config check");
    expect([status, m.run(["jk_check"]).stdout].join("")).not.toMatch(/--prune|userdel|rm -/);
  });

  test("by the name of now all is as it was", () => {
    expect(linesOf(m, "--prune").status).toBe(1);
    declare(...own);
    settle("--prune", "--delete-homes");
    expect(m.run(["su", "-", "dora", "-c", "cat letter"]).stdout).toBe("of the customer\n");
    expect([uidIn(m, "dora"), uidIn(m, "ann")]).toEqual([uid, undefined]);
  });

  test("another one, who has the name from now on, is made beside it, or after it has gone", () => {
    const home = "home = /home/other\n";
    declare(user("ann", J, `${home}uid = ${uid + 100}\n`), ...own);
    settle("--prune", "--delete-homes");
    expect(uidIn(m, "ann")).toBe(uid + 100);
    expect(m.run(["su", "-", "dora", "-c", "cat letter"]).stdout).toBe("of the customer\n");
    // One that was there before stays outside, and is told.
    if (made !== "by apply") return;
    m.must(["userdel", "ann"]);
    declare(user("ann", J, `${home}uid = ${uid + 100}\n`));
    settle("--prune", "--delete-homes");
    expect([uidIn(m, "dora"), uidIn(m, "ann")]).toEqual([undefined, uid + 100]);
    declare(user("ann", J, home));
    settle("--prune", "--delete-homes");
  });

  test("both may be declared, and the one that was renamed may go then", () => {
    declare(user("ann", J, "home = /home/other\n"), ...own);
    settle("--prune", "--delete-homes");
    expect(m.run(["su", "-", "dora", "-c", "cat letter"]).stdout).toBe("of the customer\n");
    const other = uidIn(m, "ann");
    expect([uidIn(m, "dora"), other === undefined]).toEqual([uid, false]);
    if (made !== "by apply") return;
    declare(user("ann", J, "home = /home/other\n"));
    settle("--prune", "--delete-homes");
    expect([uidIn(m, "dora"), uidIn(m, "ann")]).toEqual([undefined, other]);
  });
});

describe("a new customer has the former name of another one", () => {
  const [ONE, TWO] = [user("ann", J), user("ann", J, "home = /home/two\n")];
  const letterOf = (name: string) => m.run(["su", "-", name, "-c", "cat letter"]).stdout;
  let uids: (number | undefined)[];
  beforeEach(() => {
    declare(ONE);
    settle("--prune");
    m.write(`${J}/home/ann/letter`, "of the customer\n");
    m.must(["chown", "--reference", `${J}/home/ann`, `${J}/home/ann/letter`]);
    sh("usermod -l dora ann");
    declare(user("dora", J, "home = /home/ann\n"));
    settle("--prune");
    declare(TWO, user("dora", J, "home = /home/ann\n"));
    settle("--prune");
    uids = [uidIn(m, "dora"), uidIn(m, "ann")];
  });

  test.each([
    ["only the declarations come back", "true", "doubtful-account"],
    ["and nothing is remembered", "rm -r /var/lib/jailkit/declared.json", "home-differs"],
  ])("no remedy lets the first one go: %s", (_, lose, code) => {
    sh(lose);
    declare(ONE);
    const before = state();
    const anna = "write '[user dora]' and 'home = /home/ann' in place of '[user ann]'";
    const doubt = `the account that was declared may be 'dora' now, by its name of before, and another one has this name: if '[user ann]' means that one, ${anna}; if it means another one, declare 'uid = ${uids[1]}'`;
    const differs = `has the home '/home/two' in the jail, and '/home/ann' is its home without the key 'home', and that of 'dora', which nobody declares: if '[user ann]' means that account, ${anna}; if it means this one, declare 'home = /home/two'`;
    const isDoubt = code === "doubtful-account";
    for (const options of RUNS) {
      const { status, changes, summary } = linesOf(m, ...options);
      expect([status, changes.filter((one) => one.status !== "not-done")]).toEqual([1, []]);
      const own = summary.problems.filter(({ path }) => path === "ann");
      const message = `user ann: ${isDoubt ? doubt : differs}`;
      expect(own).toMatchObject([{ code, remedy: null, message }]);
    }
    expect(state()).toBe(before);
    const config = JSON.parse(m.run(["jailkit", "config", "check", "--json"]).stdout);
    const found = config.findings.map((one: { message: string; remedy: unknown }) => [
      one.message,
      one.remedy,
    ]);
    expect(found).toContainEqual([isDoubt ? `'ann': ${doubt}` : `the account 'ann' ${differs}`, null]);
    declare(user("dora", J, "home = /home/ann\n"));
    settle("--prune", "--delete-homes");
    // Of whom nothing is remembered, nothing goes.
    const other = isDoubt ? undefined : uids[1];
    expect([letterOf("dora"), uidIn(m, "ann")]).toEqual(["of the customer\n", other]);
  });

  test("both exchange their names: each section means who has its name and its home", () => {
    sh("usermod -l other ann; usermod -l ann dora; usermod -l dora other");
    declare(ONE, user("dora", J, "home = /home/two\n"));
    settle("--prune", "--delete-homes");
    expect([uidIn(m, "ann"), uidIn(m, "dora"), letterOf("ann")]).toEqual([...uids, "of the customer\n"]);
    declare(user("dora", J, "home = /home/two\n"));
    settle("--prune", "--delete-homes");
    expect([uidIn(m, "ann"), uidIn(m, "dora")]).toEqual([undefined, uids[1]]);
  });

  test("both exchange their names and homes: no remedy declares one of them twice", () => {
    sh("usermod -l other ann; usermod -l ann dora; usermod -l dora other");
    sh(`mv ${J}/home/ann ${J}/home/x; mv ${J}/home/two ${J}/home/dora; mv ${J}/home/x ${J}/home/two`);
    sh(`usermod -d ${J}/./home/two ann; usermod -d ${J}/./home/dora dora`);
    // This one says which it is.
    declare(TWO, `${user("dora", J)}uid = ${uids[1]}\n`);
    const { changes, summary } = linesOf(m, "--check", "--prune", "--delete-homes");
    expect(changes.filter((one) => one.name === "ann" && one.status === "planned")).toEqual([]);
    expect(summary.problems.find(({ path }) => path === "ann")).toMatchObject({
      ...{ code: "doubtful-account", remedy: null },
      message: `user ann: is the account that was declared as 'dora', by its uid ${uids[0]}, and the one of before is 'dora' now, which is declared, too: if '[user ann]' means that one still, give each section the name that its account has now; if '[user ann]' means this one, declare 'uid = ${uids[0]}'`,
    });
    declare(`${TWO}uid = ${uids[0]}\n`, `${user("dora", J)}uid = ${uids[1]}\n`);
    settle("--prune", "--delete-homes");
    expect([uidIn(m, "ann"), uidIn(m, "dora"), letterOf("ann")]).toEqual([...uids, "of the customer\n"]);
  });
});
