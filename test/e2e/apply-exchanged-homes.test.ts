/** `jailkit apply --prune` of users whose homes are other directories than before: who may write above a home exchanges it. */
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
import type { Machine } from "../machine/machine.ts";
import { runWithStops } from "../machine/stops.ts";
import { did, FINGERPRINTS, KEYS, linesIn, linesOf, openApplyMachine } from "./apply-scene.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const HOME = `${J}/web/ann`;
const FILE = "/etc/jailkit/jails.d/one.ini";
const MEMORY = "/var/lib/jailkit/declared.json";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const ANN = `[user ann]\njail = ${J}\nhome = /web/ann\nshell = /bin/bash\ngroups = team\nauthorized_keys = ${KEYS[0]}\n`;

let m: Machine;

const sh = (line: string, user?: string) => m.must(["sh", "-c", line], user === undefined ? {} : { user });
const has = (file = "/etc/passwd") => /^ann:/m.test(m.read(file));
const isInTeam = () => /^team:.*\bann\b/m.test(m.read("/etc/group"));
const keys = () => m.read(`${HOME}/.ssh/authorized_keys`);
const ann = () => JSON.parse(m.read(MEMORY)).users[0];
const uid = () => m.stat(HOME)?.uid;

/** As the user does it who owns the directory above. */
const exchange = () => sh(`cd ${J}/web && cp -r ann new && mv -T ann old && mv -T new ann`, "ann");
/** As a user has it in a /home that all can write. */
const exchangeInShared = () => {
  sh(`chown root ${J}/web && chmod 1777 ${J}/web`);
  exchange();
};
/** As root brings it back from a backup. */
const restore = () => sh(`cp -a ${HOME} /root/backup && rm -r ${HOME} && mv -T /root/backup ${HOME}`);
const EXCHANGES: [string, () => unknown][] = [
  ["the user exchanged below an own directory", exchange],
  ["the user exchanged in a directory that all can write", exchangeInShared],
  ["root restored from a backup", restore],
];
const otherDay = () => m.must(["chage", "-d", "2020-02-02", "ann"]);

beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.write(FILE, JAIL + ANN);
  m.must(["jailkit", "apply"]);
  m.must(["chown", "ann", `${J}/web`]);
});
afterEach(() => {
  m.run(["userdel", "ann"]);
  for (const path of [J, "/var/lib/jailkit", FILE]) m.remove(path);
});
afterAll(() => m?.close());

/** What says of an account whether it can log in, and where. */
const rights = () => [has(), has(`${J}/etc/passwd`), isInTeam(), keys() !== ""];
const NOTHING = [false, false, false];

describe("a home that", () => {
  test.each(EXCHANGES)("%s keeps no account", (_, act) => {
    act();
    m.write(FILE, JAIL);
    const text = `- user ann: account but not its home ${HOME}, which stays with the uid ${uid()} (no longer declared)`;
    expect(linesOf(m, "--prune", FILE)).toMatchObject({
      ...{ status: 0, changes: [{ text, status: "done" }], summary: { changed: 1, failed: 0 } },
    });
    expect(rights().slice(0, 3)).toEqual(NOTHING);
    expect(did(m, "--prune", FILE)).toEqual([]);
  });

  test.each(EXCHANGES)("%s is the known one after a run that finds it declared", (_, act) => {
    const { created, createdHome, homeId } = ann();
    act();
    m.must(["jailkit", "apply"]);
    expect(ann()).toMatchObject({ created, createdHome });
    expect(ann().homeId).not.toBe(homeId);
    sh(`rm -rf ${J}/web/old && chown root ${J}/web`);
    m.write(FILE, "");
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done - user ann: account and its home ${HOME} (no longer declared)`,
      `done - jail ${J} (no longer declared)`,
    ]);
  });

  test.each([
    ["put a link in its place", "ln -s /etc ann", "is not a directory, but a symbolic link"],
    ["put an own directory in its place", "mkdir ann", "belongs to uid UID, not to the user"],
    ["moved it away", "true", "is not there"],
  ])(
    "another user %s is said to be elsewhere, by the plan and the run, with what finds it",
    (_, line, why) => {
      m.run(["useradd", "-M", "mate"]);
      m.must(["chown", "mate", `${J}/web`]);
      sh(`cd ${J}/web && mv ann hidden && ${line}`, "mate");
      m.write(FILE, JAIL);
      const is = why.replace("UID", String(m.ids("mate").uid));
      const text = `- user ann: account but not its home ${HOME}, which ${is} (no longer declared)`;
      expect(linesOf(m, "--prune", "--delete-homes", "--check").changes).toMatchObject([{ text }]);
      const { status, changes } = linesOf(m, "--prune", "--delete-homes");
      const [, search = "false"] = /look for it with: (.*)$/.exec(changes[0]?.warnings[0] ?? "") ?? [];
      const warning = `'${HOME}' ${is}: the home that apply created there was not found, and is not deleted; look for it with: ${search}`;
      expect([status, changes]).toMatchObject([0, [{ text, status: "done", warnings: [warning] }]]);
      expect(sh(search).stdout).toBe(`${J}/web/hidden\n`);
      m.run(["userdel", "mate"]);
    },
  );

  test("is a link, or of somebody else, does not become the known one", () => {
    const { homeId } = ann();
    for (const act of ["mv ann old && ln -s old ann", "rm ann && mkdir ann", "rmdir ann && touch ann"]) {
      sh(`cd ${J}/web && ${act}`);
      m.run(["jailkit", "apply"]);
      expect(ann()).toMatchObject({ created: ann().created, homeId });
    }
    m.write(FILE, JAIL);
    m.run(["jailkit", "apply", "--prune"]);
    expect(has()).toBe(false);
  });

  test("apply made again because it was missing is its own", () => {
    sh(`rm -r ${HOME}`, "ann");
    m.must(["chown", "root", `${J}/web`]);
    expect(linesOf(m).changes.map(({ what }) => what)).toContain("home");
    m.write(FILE, JAIL);
    expect(did(m, "--prune", "--delete-homes")).toEqual([
      `done - user ann: account and its home ${HOME} (no longer declared)`,
    ]);
  });
});

test.each([
  ["chage -d", () => otherDay()],
  ["usermod -p", () => m.must(["usermod", "-p", "*", "ann"]) && otherDay()],
])("another day in shadow(5), by %s, keeps no account", (_, act) => {
  act();
  m.write(FILE, JAIL);
  expect(did(m, "--prune", "--delete-homes", FILE)).toEqual([
    `done - user ann: account and its home ${HOME} (no longer declared)`,
  ]);
});

describe("an account of another day, with another home,", () => {
  const DOUBT =
    "user ann: is not declared any more, and stays: it may be another account than was declared, by its home and its day in shadow(5): if it is another one, declare it; if it is the one that was declared: userdel ann";
  const problems = [{ code: "doubtful-account", message: DOUBT, remedy: null }];
  const ENTRY = `- user ann: entry in ${J} (no longer declared)`;

  beforeEach(() => {
    exchange();
    otherDay();
    m.write(FILE, JAIL);
  });

  test("stays, cannot log in, has no declared group and key, and is told by each run", () => {
    const plan = linesOf(m);
    expect([plan.status, plan.changes, plan.summary.warnings, plan.summary.noLongerDeclared]).toEqual([
      ...[0, [], [DOUBT], [`user ann: entry in ${J}`]],
    ]);
    expect(rights()).toEqual([true, true, true, true]);
    expect(linesOf(m, "--check", "--prune")).toMatchObject({ status: 10, summary: { failed: 1, problems } });
    expect(linesOf(m, "--prune", "--delete-homes")).toMatchObject({
      ...{ status: 1, changes: [{ text: ENTRY, status: "done" }] },
      summary: { changed: 0, failed: 1, problems },
    });
    expect([rights(), m.exists(`${HOME}/.ssh`)]).toEqual([[true, false, false, false], true]);
    for (const options of [["--prune"], ["--prune", "--delete-homes"]])
      expect(linesOf(m, ...options)).toMatchObject({ status: 1, changes: [], summary: { problems } });
    expect(linesOf(m)).toMatchObject({ status: 0, summary: { warnings: [DOUBT] } });
    expect(m.run(["jailkit", "status"]).stdout).toContain("jailkit apply --prune");
  });

  test("has no group and key that it got again", () => {
    expect(linesOf(m, "--prune").status).toBe(1);
    m.must(["gpasswd", "-a", "ann", "team"]);
    sh(`echo '${KEYS[0]}' > ${HOME}/.ssh/authorized_keys`, "ann");
    expect(did(m, "--prune")).toEqual([
      `done - user ann: groups team (no longer declared)`,
      `done - user ann: keys ${FINGERPRINTS[0]} (no longer declared)`,
    ]);
    expect(rights()).toEqual([true, false, false, false]);
  });

  test("is forgotten when it is removed by the command of the message", () => {
    const [problem] = linesOf(m, "--prune").summary.problems;
    typeRemedy(m, problem?.message.split(": ").at(-1) ?? "false");
    expect(linesOf(m, "--prune")).toMatchObject({ status: 0, changes: [], summary: { problems: [] } });
    expect(ann()).toBeUndefined();
  });

  test("is declared again, and then the known one", () => {
    expect(linesOf(m, "--prune").status).toBe(1);
    m.write(FILE, JAIL + ANN);
    m.must(["jailkit", "apply"]);
    expect(rights()).toEqual([true, true, true, true]);
    m.write(FILE, JAIL);
    expect(did(m, "--prune")).toEqual([expect.stringMatching(/^done - user ann: account but not its home/)]);
  });

  test("is the known one later, after a run took keys from another home: the hidden ones are told", () => {
    expect(linesOf(m, "--prune").status).toBe(1);
    sh(`cd ${J}/web && mv -T ann second && mkdir ann`, "ann");
    m.must(["chage", "-d", new Date().toISOString().slice(0, 10), "ann"]);
    expect(linesOf(m, "--prune").changes.map(({ warnings }) => warnings)).toEqual([
      [
        `the home '${HOME}' of uid ${uid()} stays, perhaps with keys that were declared: apply did not create it`,
      ],
    ]);
  });

  test("keeps the jail, which is told", () => {
    m.write(FILE, "");
    expect(linesOf(m, "--prune").summary.problems).toMatchObject([
      ...[{ code: "doubtful-account" }, { code: "has-users", path: J }],
    ]);
  });
});

test.each([
  ["a password of another day", "echo ann:secret | chpasswd"],
  ["a link in the place of the home", `cd ${J}/web && rm -r ann && ln -s old ann`],
  ["no home", `rm -r ${HOME}`],
])("an account with %s stays and cannot log in", (_, line) => {
  exchange();
  sh(line);
  otherDay();
  m.write(FILE, JAIL);
  const { status, summary } = linesOf(m, "--prune", "--delete-homes");
  expect([status, summary.problems]).toMatchObject([1, [{ code: "doubtful-account" }]]);
  expect([has(), has(`${J}/etc/passwd`), isInTeam()]).toEqual([true, false, false]);
});

describe("between the plan and the removal", () => {
  /** A run of --prune, before whose removals something is done once. */
  async function prunedAfter(act: () => unknown, ...options: readonly string[]) {
    let isDone = false;
    const hash = new Bun.CryptoHasher("sha256").update(J).digest("hex").slice(0, 32);
    const stops = { calls: ["flock"], paths: [`/var/lib/jailkit/locks/path-${hash}`] };
    const result = await runWithStops(m, ["jailkit", "apply", "--json", "--prune", ...options], stops, () => {
      if (!isDone) act();
      isDone = true;
    });
    expect(isDone).toBe(true);
    return linesIn(result);
  }

  test("a home that is exchanged keeps no account", async () => {
    m.write(FILE, JAIL);
    const { status, changes } = await prunedAfter(exchange);
    expect([status, changes[0]?.status, rights().slice(0, 3)]).toEqual([0, "done", NOTHING]);
  });

  test.each<[string, string, () => unknown]>([
    ["is another one", "exchanged", exchange],
    [
      "has another home in it",
      "holds-home",
      () => {
        m.must(["useradd", "-m", "-d", `${J}/web/other`, "other"]);
        sh(`mv ${J}/web/other ${HOME}/other`);
      },
    ],
  ])(
    "a home that was to go and %s keeps the account, without a login, for the next plan",
    async (_, code, act) => {
      m.write(FILE, JAIL);
      const { status, changes, summary } = await prunedAfter(act, "--delete-homes");
      expect([status, changes, summary]).toMatchObject([1, [{ status: "failed" }], { problems: [{ code }] }]);
      expect([rights().slice(0, 3), m.exists(HOME)]).toEqual([[true, false, false], true]);
      expect(did(m, "--prune", "--delete-homes")).toEqual([
        expect.stringMatching(/^done - user ann: account but not its home/),
      ]);
      m.run(["userdel", "other"]);
    },
  );

  test("a home that is exchanged between any two looks at it is not deleted", async () => {
    /** Exchanges it after so many looks since nobody can log in. Returns how many there were. */
    async function prunedWithLooks(at: number): Promise<number> {
      m.run(["userdel", "ann"]);
      for (const path of [J, "/var/lib/jailkit"]) m.remove(path);
      m.write(FILE, JAIL + ANN);
      m.must(["jailkit", "apply"]);
      m.must(["chown", "ann", `${J}/web`]);
      m.write(FILE, JAIL);
      let looks = 0;
      const argv = ["jailkit", "apply", "--prune", "--delete-homes"];
      await runWithStops(m, argv, { calls: ["statx"], paths: [`${J}/web`] }, (line) => {
        if (!line.includes(', "ann", ') || has(`${J}/etc/passwd`)) return;
        if (looks++ !== at) return;
        exchange();
        m.write(`${HOME}/other`, "");
      });
      return looks;
    }
    const all = await prunedWithLooks(-1);
    expect([all > 2, has(), m.exists(HOME)]).toEqual([true, false, false]);
    for (let at = 0; at < all; at++) {
      await prunedWithLooks(at);
      expect([at, m.exists(`${J}/web/old`), m.exists(`${HOME}/other`)]).toEqual([at, true, true]);
    }
  });

  test("an account that is doubtful since cannot log in, and its removal has failed", async () => {
    otherDay();
    m.write(FILE, JAIL);
    const { status, changes, summary } = await prunedAfter(exchange, "--delete-homes");
    expect([status, changes]).toMatchObject([1, [{ what: "account", status: "failed" }]]);
    expect(summary).toMatchObject({ changed: 0, failed: 1, problems: [{ code: "doubtful-account" }] });
    expect(rights()).toEqual([true, false, false, false]);
    expect(linesOf(m, "--prune")).toMatchObject({ status: 1, changes: [] });
  });

  test.each<[string, string, () => unknown]>([
    ["is another one", "doubtful-account", () => m.must(["usermod", "-u", "31000", "ann"])],
    ["has left the jail", "gone", () => m.must(["usermod", "-d", "/home/ann", "ann"])],
  ])("an account that %s is not removed, which is no success", async (_, code, act) => {
    m.write(FILE, JAIL);
    const { status, changes, summary } = await prunedAfter(act);
    expect([status, changes, summary]).toMatchObject([1, [{ status: "failed" }], { problems: [{ code }] }]);
    expect([has(), ann().name]).toEqual([true, "ann"]);
  });

  test("a jail that is another one is not removed, which is no success", async () => {
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    sh(`rm -rf ${J}/web`);
    m.write(FILE, "");
    const again = () => sh(`cp -a ${J} /srv/new && rm -r ${J} && mv -T /srv/new ${J}`);
    const { status, changes, summary } = await prunedAfter(again);
    expect([status, changes]).toMatchObject([1, [{ what: "jail", status: "failed" }]]);
    expect([summary.problems, m.exists(`${J}/bin/bash`)]).toMatchObject([[{ code: "another-jail" }], true]);
  });
});

describe("an account that was there before apply", () => {
  beforeEach(() => {
    m.must(["userdel", "ann"]);
    sh(`rm -r ${J} /var/lib/jailkit`);
    m.must(["useradd", "-m", "-d", "/home/ann", "-s", "/bin/sh", "ann"]);
    m.must(["jk_init", "-j", J, "uidbasics", "basicshell"]);
    m.must(["jk_jailuser", "-m", "-j", J, "-s", "/bin/bash", "ann"]);
    m.write(FILE, JAIL + ANN.replace("/web/ann", "/home/ann"));
    m.must(["jailkit", "apply"]);
    m.must(["chown", "ann", `${J}/home`]);
  });

  test("and whose home was exchanged cannot log in, and goes out by the command of the message", () => {
    sh(`cd ${J}/home && cp -r ann new && mv -T ann old && mv -T new ann`, "ann");
    m.write(FILE, JAIL);
    const { status, changes, summary } = linesOf(m, "--prune");
    expect([status, changes]).toMatchObject([1, [{ what: "entry", status: "done" }]]);
    expect([has(`${J}/etc/passwd`), isInTeam()]).toEqual([false, false]);
    m.must(["chown", "root", `${J}/home`]);
    const [{ message = "", remedy = "" } = {}] = summary.problems;
    const command = message.split(": ").at(-1) ?? "false";
    expect([remedy, command]).toEqual([null, "jk_jailuser --unjail -m ann"]);
    typeRemedy(m, command);
    expect(linesOf(m, "--prune")).toMatchObject({ status: 0, changes: [], summary: { warnings: [] } });
    m.remove("/home/ann");
  });
});
