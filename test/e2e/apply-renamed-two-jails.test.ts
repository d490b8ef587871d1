/**
 * Customers of two jails who have other names by now, declared before, in the same run or not at all, and who leave in one run
 * of `jailkit apply --prune`: nothing of them stays.
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
import type { Machine } from "../machine/machine.ts";
import { did, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const JAILS = ["/srv/one", "/srv/two"] as const;
const [ONE, TWO] = JAILS;
const FILES = ["/etc/jailkit/jails.d/one.ini", "/etc/jailkit/jails.d/two.ini"] as const;
const MEMORY = "/var/lib/jailkit/declared.json";
const NAMES = ["ada", "ben", "amy", "bob", "cleo", "stay"];
const RIGHTS = `groups = team\nallow = sftp\nauthorized_keys = ${KEYS[0]}\n`;

let m: Machine;
const run = (...options: string[]) => linesOf(m, ...options);
const user = (name: string, jail: string, home = name, more = RIGHTS) =>
  `[user ${name}]\njail = ${jail}\nhome = /home/${home}\n${more}`;
/** Declares the users of each jail. */
const declare = (one: string, two: string) =>
  [one, two].forEach((text, index) => {
    m.write(`${FILES[index]}`, `[jail ${JAILS[index]}]\nsections = uidbasics, sftp\n${text}`);
  });
const rename = (from: string, to: string) => m.must(["usermod", "-l", to, from]);
const must = (...options: string[]) => {
  const { status, summary } = run(...options);
  expect([status, summary.problems, summary.failed]).toEqual([0, [], 0]);
};
/** All files of the machine and of the jails that name accounts, where names of users are. */
function named(): string[] {
  const files = [
    ...["passwd", "shadow", "group", "gshadow", "subuid", "subgid"].map((name) => `/etc/${name}`),
    ...JAILS.flatMap((jail) =>
      ["passwd", "group", "jailkit/jk_lsh.ini"].map((name) => `${jail}/etc/${name}`),
    ),
  ];
  const records = m.run(["sh", "-c", "cat /var/lib/jailkit/jails/*/manifest.json"]).stdout;
  const texts = [
    ...files.map((file) => [file, m.exists(file) ? m.read(file) : ""]),
    [
      "record",
      records
        .split("\n")
        .filter((line) => line.includes("jk_jailuser"))
        .join("\n"),
    ],
    ["users", JSON.stringify(JSON.parse(m.read(MEMORY)).users)],
  ] as const;
  return texts.flatMap(([file, text]) =>
    NAMES.filter((name) => name !== "stay" && new RegExp(`\\b${name}\\b`).test(`${text}`)).map(
      (name) => `${file}: ${name}`,
    ),
  );
}

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());
beforeEach(() => {
  for (const name of NAMES) m.run(["userdel", "-f", name]);
  for (const path of [...JAILS, ...NAMES.map((name) => `/home/${name}`), "/var/lib/jailkit"]) m.remove(path);
  m.must(["sed", "-i", "s/^\\(team:.*:\\).*/\\1/", "/etc/group"]);
});

const EXCHANGE = [
  ["ada", "cleo"],
  ["ben", "ada"],
  ["cleo", "ben"],
] as const;
const KINDS: readonly (readonly [string, (name: string) => void])[] = [
  ["that apply created", () => undefined],
  ["that were there before", (name) => m.must(["useradd", "-m", "-g", "users", "-s", "/bin/dash", name])],
];
const SCENES: readonly (readonly [string, () => void])[] = [
  [
    "declared by their new names in an earlier run",
    () => {
      rename("ada", "amy");
      rename("ben", "bob");
      declare(user("amy", ONE, "ada"), user("bob", TWO, "ben"));
      must();
      must("--prune");
    },
  ],
  [
    "never declared by them",
    () => {
      rename("ada", "amy");
      rename("ben", "bob");
    },
  ],
  [
    "one of them declared by its new name, and one not",
    () => {
      rename("ada", "amy");
      declare(user("amy", ONE, "ada"), user("ben", TWO));
      must();
      rename("ben", "bob");
    },
  ],
  [
    "who have exchanged their names",
    () => {
      for (const [from, to] of EXCHANGE) rename(from, to);
    },
  ],
  [
    "who have exchanged their names, and are declared so",
    () => {
      for (const [from, to] of EXCHANGE) rename(from, to);
      declare(user("ben", ONE, "ada"), user("ada", TWO, "ben"));
      must();
    },
  ],
  [
    "of whom one has the former name of the other",
    () => {
      rename("ada", "amy");
      declare(user("amy", ONE, "ada"), user("ben", TWO));
      must();
      rename("ben", "ada");
      declare(user("amy", ONE, "ada"), user("ada", TWO, "ben"));
      must();
    },
  ],
];

describe.each(KINDS)("of accounts %s", (kind, make) => {
  const isCreated = kind === "that apply created";
  test.each(SCENES)("%s", (_, change) => {
    for (const name of ["ada", "ben"]) make(name);
    declare(user("ada", ONE), user("ben", TWO));
    must();
    const [ada, ben] = [m.ids("ada").uid, m.ids("ben").uid];
    change();
    declare(user("stay", ONE, "stay", "shell = /usr/lib/openssh/sftp-server\n"), "");
    const planned = run("--check", "--prune", "--delete-homes").changes.map(({ text }) => `done ${text}`);
    const done = did(m, "--prune", "--delete-homes");
    expect(done).toEqual(planned);
    const second = run("--prune", "--delete-homes");
    expect([second.status, second.changes, second.summary.problems, second.summary.warnings]).toEqual([
      0,
      [],
      [],
      [],
    ]);
    expect(m.must(["jailkit", "apply", "--prune"]).stderr).toBe("");
    const accounts = [ada, ben].map((uid) =>
      m
        .run(["getent", "passwd", `${uid}`])
        .stdout.split(":")
        .slice(5)
        .join(":")
        .trim(),
    );
    if (isCreated) expect([accounts, named()]).toEqual([["", ""], []]);
    else {
      expect(accounts).toEqual(["/home/ada:/bin/dash", "/home/ben:/bin/dash"]);
      expect(named().filter((one) => !/^\/etc\/(passwd|shadow|sub[ug]id): /.test(one))).toEqual([]);
      for (const home of ["ada", "ben"]) {
        const file = `/home/${home}/.ssh/authorized_keys`;
        expect(m.exists(file) ? m.read(file) : "").toBe("");
      }
    }
    expect(JAILS.flatMap((jail) => m.run(["ls", `${jail}/home`]).stdout.trim())).toEqual(["stay", ""]);
    expect(m.run(["sh", "-c", `find ${ONE} ${TWO} -uid ${ada} -o -uid ${ben}`]).stdout).toBe("");
    expect(JSON.parse(m.read(MEMORY)).users.map(({ name }: { name: string }) => name)).toEqual(["stay"]);
  });
});

describe.each(KINDS)(
  "new users get their names in that run, each in the other jail: of accounts %s",
  (kind, make) => {
    test.each([["--prune --delete-homes"], ["--prune"]])("%s", (words) => {
      const options = words.split(" ");
      for (const name of ["ada", "ben"]) make(name);
      declare(user("ada", ONE), user("ben", TWO));
      must();
      const [ada, ben] = [m.ids("ada").uid, m.ids("ben").uid];
      rename("ada", "amy");
      rename("ben", "bob");
      declare(
        user("ben", ONE, "new", `${RIGHTS}uid = 4001\n`),
        user("ada", TWO, "new", `${RIGHTS}uid = 4002\n`),
      );
      const planned = run("--check", ...options).changes.map(({ text }) => `done ${text}`);
      expect(did(m, ...options)).toEqual(planned);
      expect(run(...options)).toMatchObject({
        status: 0,
        changes: [],
        summary: { problems: [], warnings: [] },
      });
      expect(JAILS.map((jail) => m.read(`${jail}/etc/passwd`).match(/^(?!root).*:x:\d+/gm))).toEqual([
        ["ben:x:4001"],
        ["ada:x:4002"],
      ]);
      const left = [ada, ben].map((uid) => m.run(["getent", "passwd", `${uid}`]).stdout.split(":")[5]);
      const isCreated = kind === "that apply created";
      expect(left).toEqual(isCreated ? [undefined, undefined] : ["/home/ada", "/home/ben"]);
      expect(/^team:.*:(.*)$/m.exec(m.read("/etc/group"))?.[1]).toBe("ben,ada");
      // A home that stays was created by apply, which removes none without the option.
      const stays = isCreated && options.length === 1;
      expect(
        m
          .run(["sh", "-c", `ls -d ${ONE}/home/* ${TWO}/home/*`])
          .stdout.split("\n")
          .filter(Boolean),
      ).toEqual([
        ...(stays ? [`${ONE}/home/ada`] : []),
        `${ONE}/home/new`,
        ...(stays ? [`${TWO}/home/ben`] : []),
        `${TWO}/home/new`,
      ]);
    });
  },
);

test("and the jails go with them", () => {
  for (const name of ["ada", "ben"]) m.must(["useradd", "-m", "-g", "users", "-s", "/bin/dash", name]);
  declare(user("ada", ONE), user("ben", TWO));
  must();
  const [ada, ben] = [m.ids("ada").uid, m.ids("ben").uid];
  for (const [from, to] of EXCHANGE) rename(from, to);
  m.write(FILES[0], "# none\n");
  m.write(FILES[1], "# none\n");
  must("--prune", "--delete-homes");
  expect(JAILS.map((jail) => m.exists(jail))).toEqual([false, false]);
  const entryOf = (uid: number) =>
    m
      .must(["getent", "passwd", `${uid}`])
      .stdout.trim()
      .split(":")
      .slice(5);
  expect([ada, ben].map(entryOf)).toEqual([
    ["/home/ada", "/bin/dash"],
    ["/home/ben", "/bin/dash"],
  ]);
  expect(run("--prune")).toMatchObject({ status: 0, changes: [], summary: { problems: [], warnings: [] } });
});

test("and so does one whose former name has somebody who stays in the other jail", () => {
  declare(user("ada", ONE), user("ben", TWO));
  must();
  const { uid } = m.ids("ben");
  for (const [from, to] of EXCHANGE) rename(from, to);
  declare("", user("ada", TWO, "ben", `${RIGHTS}uid = ${uid}\n`));
  must("--prune", "--delete-homes");
  expect(JAILS.map((jail) => m.read(`${jail}/etc/passwd`).match(/^(?!root).*:x:\d+/gm))).toEqual([
    null,
    [`ada:x:${uid}`],
  ]);
  expect(run("--prune")).toMatchObject({ status: 0, changes: [], summary: { problems: [], warnings: [] } });
});

describe("who have exchanged their names, and of whom one moves on to a third jail", () => {
  const THREE = "/srv/three";
  const THIRD = "/etc/jailkit/jails.d/three.ini";
  const linesIn = (jail: string) => m.read(`${jail}/etc/passwd`).match(/^(?!root).*:x:\d+/gm);
  const remediesOf = () =>
    check(m, "-j", ONE).found.flatMap(({ remedy }) => (remedy?.startsWith("jk_jailuser") ? remedy : []));
  let ada = 0;
  let ben = 0;
  beforeEach(() => {
    declare(user("ada", ONE), user("ben", TWO));
    m.write(THIRD, `[jail ${THREE}]\nsections = uidbasics, sftp\n`);
    must();
    [ada, ben] = [m.ids("ada").uid, m.ids("ben").uid];
    for (const [from, to] of EXCHANGE) rename(from, to);
    declare("", user("ada", TWO, "ben"));
    m.write(THIRD, `${m.read(THIRD)}${user("ben", THREE, "ada")}`);
  });
  afterEach(() => {
    m.remove(THIRD);
    m.remove(THREE);
  });

  /** What is so when both are where they are declared. */
  function allIsRight(): void {
    expect([ONE, TWO, THREE].map(linesIn)).toEqual([null, [`ada:x:${ben}`], [`ben:x:${ada}`]]);
    expect(m.exists(`${ONE}/etc/jailkit/jk_lsh.ini`) && m.read(`${ONE}/etc/jailkit/jk_lsh.ini`)).toBeFalsy();
    expect(run("--prune")).toMatchObject({ status: 0, changes: [], summary: { problems: [], warnings: [] } });
    expect(check(m, "-j", ONE).found).toEqual([]);
  }

  test("the remedy takes the line with the former name out, too", () => {
    const { problems } = run("--prune").summary;
    expect(problems.map(({ remedy }) => remedy)).toEqual([
      "jk_jailuser --unjail -m -s /usr/sbin/nologin ben",
    ]);
    typeRemedy(m, `${problems[0]?.remedy}`);
    expect(linesIn(ONE)).toEqual(null);
    must("--prune");
    allIsRight();
  });

  test("the run does, if somebody has changed the account by hand", () => {
    run("--prune");
    m.must(["usermod", "-d", "/home/ada", "-m", "-s", "/bin/dash", "ben"]);
    expect(linesIn(ONE)).toEqual([`ada:x:${ada}`]);
    const planned = run("--check", "--prune").changes.map(({ text }) => `done ${text}`);
    expect(planned).toContain(`done - user ben: entry in ${ONE} (it has another jail now)`);
    expect(did(m, "--prune")).toEqual(planned);
    allIsRight();
  });

  test("jk_check gives the line its name while its account is there, and takes it out then, but puts nobody else in", () => {
    run("--prune");
    expect(remediesOf()).toEqual([`jk_jailuser --jail-side-only -j ${ONE} ben`]);
    typeRemedy(m, `${remediesOf()[0]}`);
    expect(linesIn(ONE)).toEqual([`ben:x:${ada}`]);
    m.must(["sed", "-i", `s/^ben:x:${ada}/ada:x:${ada}/`, `${ONE}/etc/passwd`]);
    m.must(["usermod", "-d", "/home/ada", "-m", "-s", "/bin/dash", "ben"]);
    expect(new Set(remediesOf())).toEqual(new Set([`jk_jailuser --unjail --jail-side-only -j ${ONE} ada`]));
    for (const remedy of remediesOf()) typeRemedy(m, `${remedy}`);
    expect(linesIn(ONE)).toEqual(null);
    must("--prune");
    allIsRight();
  });
});

test("the line of one who has another name, and whom somebody has put into another jail, is taken once", () => {
  declare(user("ada", ONE), user("ben", TWO));
  must();
  rename("ada", "amy");
  m.must(["usermod", "-d", "/home/ada", "-m", "-s", "/bin/dash", "amy"]);
  declare("", user("amy", TWO, "ada") + user("ben", TWO));
  const planned = run("--check", "--prune").changes.map(({ text }) => text);
  expect(planned.filter((text) => text.includes("entry in"))).toHaveLength(1);
  must("--prune");
  expect(m.read(`${ONE}/etc/passwd`)).not.toContain("ada");
});
