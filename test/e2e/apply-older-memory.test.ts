/** What is remembered comes back from a backup of before customers had other names: an account that it knows by another name is not taken. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { FILE, J, JAILS, K, RUNS, settle as settleOn, user } from "./two-jails-scene.ts";

setDefaultTimeout(120_000);

let m: Machine;
const sh = (text: string) => m.must(["sh", "-ec", text]).stdout;
const declare = (...texts: string[]) => m.write(FILE, JAILS + texts.join(""));
/** All that there is of accounts and jails. */
const state = () =>
  sh("cat /etc/passwd /etc/shadow /etc/group; find /srv /etc/jailkit -printf '%p %s %m %U %i\\n' | sort");
const settle = (...options: string[]) => settleOn(m, ...options);

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  m.run(["sh", "-c", "for u in ann bob gus zed; do userdel -f $u; groupdel $u; done"]);
  sh("rm -rf /srv/* /var/lib/jailkit /etc/jailkit/jails.d/*");
});

describe("two customers have exchanged their names, and what is remembered is of before", () => {
  const now = [user("bob", J, "home = /home/ann\n"), user("ann", K, "home = /home/bob\n")];
  const GUS = user("gus", K, "home = /home/n1\n");
  const letters = () => sh("cat /srv/*/home/*/letter");
  const problemsOf = (name: string, options: readonly string[]) => {
    const { changes, summary } = linesOf(m, ...options);
    expect([options, changes.filter((one) => one.status !== "not-done")]).toEqual([options, []]);
    return summary.problems.filter(({ path }) => path === name);
  };

  /** The second one was renamed again since, and its home moved; the declarations are from before that. */
  const scene = (move: string) => {
    declare(user("ann", J), user("bob", K));
    settle("--prune");
    for (const [name, jail] of [
      ["ann", J],
      ["bob", K],
    ])
      sh(`cd ${jail}/home/${name}; echo of ${name} >letter; chown --reference . letter`);
    sh("rm -rf /root/memory; cp -a /var/lib/jailkit /root/memory");
    sh("usermod -l x bob; usermod -l bob ann; usermod -l ann x");
    declare(...now);
    settle("--prune");
    sh(`usermod -l gus ann; ${move}`);
    declare(now[0] ?? "", GUS);
    settle("--prune");
    sh("rm -r /var/lib/jailkit; cp -a /root/memory /var/lib/jailkit");
    declare(...now);
  };
  const HOW = {
    "as it is": `usermod -d ${K}/./home/n1 -m gus`,
    "by a copy": `cp -a ${K}/home/bob ${K}/home/n1; rm -r ${K}/home/bob; usermod -d ${K}/./home/n1 gus`,
  };

  test.each(Object.entries(HOW))(
    "nothing is made or taken, also in further runs: its home moved %s",
    (_, move) => {
      scene(move);
      const before = state();
      const doubt = (by: string) =>
        `user ann: the account that was declared may be 'gus' now, by its ${by} of before: if '[user ann]' means that one, write '[user gus]' in place of '[user ann]'; if it means another one, declare another uid with the key 'uid'`;
      const runs = [...RUNS, ...RUNS, ["--prune", "--delete-homes"]];
      for (const [index, options] of runs.entries()) {
        // The first run that may write names it.
        const by = index < 3 ? "home" : "name";
        const ann = problemsOf("ann", options);
        expect(ann).toMatchObject([{ code: "doubtful-account", remedy: null, message: doubt(by) }]);
        const gus = options.includes("--prune") ? problemsOf("gus", options) : [];
        expect(gus.flatMap(({ remedy }) => remedy ?? [])).toEqual([]);
      }
      expect(state()).toBe(before);
      const pages = ["status", "config check"].map((page) => m.run(["sh", "-c", `jailkit ${page}`]).stdout);
      expect(pages.join("")).not.toMatch(/--prune|userdel|rm -/);
      expect(pages[1]).toContain(doubt("name").replace(/^user ann: /, ""));
      // The other one is clear.
      expect(problemsOf("bob", [])).toEqual([]);
      declare(now[0] ?? "", GUS);
      settle("--prune", "--delete-homes");
      expect(letters()).toBe("of ann\nof bob\n");
      expect(m.run(["su", "-", "gus", "-c", "cat letter"]).stdout).toBe("of bob\n");
    },
  );

  test("another one may have the name and the home, with another uid, and the one that was renamed stays", () => {
    scene(HOW["as it is"]);
    expect(linesOf(m, "--prune").status).toBe(1);
    const uid = (uidIn(m, "gus") ?? 0) + 100;
    declare(now[0] ?? "", `${now[1]}uid = ${uid}\n`, GUS);
    settle("--prune", "--delete-homes");
    expect([uidIn(m, "ann"), letters()]).toEqual([uid, "of ann\nof bob\n"]);
  });
});

test.each(["declared", "not declared any more"])(
  "a new customer has the home path of one who was renamed with the home, and is remembered so: %s",
  (isDeclared) => {
    declare(user("bob", K));
    settle();
    sh(`usermod -l gus -d ${K}/./home/gus -m bob`);
    declare(user("gus", K));
    settle();
    const [gus, zed] = [user("gus", K), user("zed", K, "home = /home/bob\n")];
    declare(...(isDeclared === "declared" ? [gus, zed] : [zed]));
    settle();
    expect([uidIn(m, "zed") === undefined, m.exists(`${K}/home/bob`)]).toEqual([false, true]);
    settle("--prune", "--delete-homes");
    expect([uidIn(m, "gus") === undefined, m.exists(`${K}/home/bob`)]).toEqual([
      isDeclared !== "declared",
      true,
    ]);
  },
);
