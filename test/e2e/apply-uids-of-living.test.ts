/** No command gives away files of a uid that is that of an account which is there, or of a declared user: one of the two needs another uid. */
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
import { configReportSchema } from "../../src/lint/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { installNssSystemd } from "./archives.ts";
import { check } from "./check-helper.ts";
import { dnOf } from "./directory-accounts.ts";
import { nameIn, openDirectory } from "./directory-scene.ts";

setDefaultTimeout(120_000);

const [J, OTHER] = ["/srv/j", "/srv/other"] as const;
const ACCOUNTS = "/var/lib/extrausers/passwd";
const FILE = "/etc/jailkit/jails.d/one.ini";
const section = (jail: string) => `[jail ${jail}]\nsections = uidbasics, basicshell\n`;
const BOTH = section(J) + section(OTHER);
const user = (name: string, more = "", jail: string = J) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;
const ofDirectory = (name: string, more = "", jail: string = J) => user(name, `directory = 1\n${more}`, jail);
const GIVES = /\bchown\b|--unjail/;
const IN_DIRECTORY = "give the account another uid in its directory";

let m: Machine;
const uidOf = (name: string) => uidIn(m, name) ?? 0;
function declare(text: string, ...options: string[]): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply", ...options]);
}
/** What the directory knows from now on, in the order in which it is asked for a uid. */
const directory = (...entries: readonly (readonly [name: string, uid: number, jail?: string])[]) =>
  m.write(
    ACCOUNTS,
    [
      "other:x:6002:100::/:/bin/sh\n",
      ...entries.map(
        ([name, uid, jail = J]) => `${name}:x:${uid}:100::${jail}/./home/${name}:/usr/sbin/jk_chrootsh\n`,
      ),
    ].join(""),
  );
const config = () =>
  reportOf(configReportSchema, m.run(["jailkit", "config", "check", "--json"]).stdout).findings.map(
    ({ code, line, message, remedy }) => ({ code, line, message, remedy }),
  );
const commands = () =>
  reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout).findings.map(
    ({ command }) => command ?? "",
  );
/** The problems of a plan, which are those of each run, with no command that gives something away, nor one of another tool. */
function problems(...options: string[]) {
  const planned = linesOf(m, "--check", ...options).summary.problems;
  for (const _ of [1, 2]) expect(linesOf(m, ...options).summary.problems).toEqual(planned);
  for (const { message, remedy } of planned) expect(`${message} ${remedy}`).not.toMatch(GIVES);
  for (const { message, remedy } of config()) expect(`${message} ${remedy}`).not.toMatch(GIVES);
  for (const command of commands()) expect(command).not.toMatch(GIVES);
  return planned.map(({ path, code, message, remedy }) => [path, code, message, remedy]);
}
/** How a declared user is called whose account is not there. */
const gone = (name: string) => `'${name}', who is declared`;
/** That of one account. */
const belongs = (name: string, uid: number, other: string, advice = IN_DIRECTORY) => [
  ...[
    name,
    "uid-taken",
    `user ${name}: the uid ${uid} belongs to ${other.includes("'") ? other : `'${other}'`}: ${advice}`,
  ],
  null,
];
/** The errors of config check, which are of one kind. */
const taken = () =>
  config()
    .filter(({ code }) => code !== "not-in-directory")
    .map(({ code, message, remedy }) => (code === "taken" && remedy === null ? message : { code, message }));
const ownerOf = (home: string) => m.stat(home)?.uid;

beforeAll(async () => {
  m = await openApplyMachine();
  installNssSystemd(m);
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  m.write("/var/lib/extrausers/group", "other:x:6002:\n");
});
beforeEach(() => {
  directory();
  for (const name of ["loc", "bob", "carl", "twin", "hand"])
    if (uidOf(name) > 0) m.must(["userdel", "-f", name]);
  for (const path of ["/srv", "/var/lib/jailkit", "/home/twin"]) m.remove(path);
  m.mkdir("/srv", { mode: 0o755 });
  m.write(FILE, BOTH);
});
afterAll(() => m?.close());

describe.each([J, OTHER])("an account of a directory in %s gets by mistake the uid", (jail) => {
  const anna = ofDirectory("anna", "", jail);

  test("of a local one: one error, also of config check", () => {
    directory(["anna", 7001, jail]);
    declare(BOTH + user("loc") + anna);
    const uid = uidOf("loc");
    directory(["anna", uid, jail]);
    expect(problems()).toEqual([belongs("anna", uid, "loc")]);
    expect(taken()).toEqual([`'anna': the uid ${uid} belongs to 'loc': ${IN_DIRECTORY}`]);
    const { found } = check(m, jail);
    expect(found.map(({ message, remedy }) => [message, remedy])).toEqual([
      [`user anna is changed in jail ${jail}/: the uid ${uid} belongs to 'loc': ${IN_DIRECTORY}`, undefined],
    ]);
    expect([ownerOf(`${J}/home/loc`), ownerOf(`${jail}/home/anna`)]).toEqual([uid, 7001]);
    directory(["anna", 7001, jail]);
    expect([problems(), taken()]).toEqual([[], []]);
  });

  test("of one of the directory, which knows this one first", () => {
    directory(["anna", 7001, jail], ["berta", 7002]);
    declare(BOTH + anna + ofDirectory("berta"));
    directory(["anna", 7002, jail], ["berta", 7002]);
    const both = [belongs("anna", 7002, "berta"), belongs("berta", 7002, "anna")];
    // Those of the first jail come first.
    expect(problems()).toEqual(jail === J ? both : both.reverse());
    expect(taken()).toEqual([
      `'anna': the uid 7002 belongs to 'berta': ${IN_DIRECTORY}`,
      `'berta': the uid 7002 belongs to 'anna': ${IN_DIRECTORY}`,
    ]);
    expect(ownerOf(`${J}/home/berta`)).toBe(7002);
    expect(m.read(`${jail}/etc/passwd`)).toContain("anna:x:7001:");
  });

  test("of a declared one, which the directory does not know for a while", () => {
    directory(["anna", 7001, jail], ["berta", 7002]);
    declare(BOTH + anna + ofDirectory("berta"));
    directory(["anna", 7002, jail]);
    expect(problems().filter(([name]) => name === "anna")).toEqual([belongs("anna", 7002, gone("berta"))]);
    expect(taken()).toEqual([`'anna': the uid 7002 belongs to ${gone("berta")}: ${IN_DIRECTORY}`]);
    // Nobody is declared with it any more.
    m.write(FILE, BOTH + anna);
    expect(linesOf(m, "--check").summary.problems.map(({ code }) => code)).toEqual([
      jail === J ? "kept-home" : "foreign-home",
    ]);
  });

  test("of one that another name service knows only by its name", () => {
    const nss = m.read("/etc/nsswitch.conf");
    directory(["anna", 7001, jail]);
    declare(BOTH + user("loc") + anna);
    m.must(["useradd", "-M", "hand"]);
    m.write("/etc/nsswitch.conf", nss.replace(/^passwd:.*$/m, "passwd: extrausers files"));
    try {
      for (const other of ["loc", "hand"]) {
        const uid = uidOf(other);
        directory(["anna", uid, jail]);
        expect(problems().filter(([name]) => name === "anna")).toEqual([belongs("anna", uid, other)]);
      }
    } finally {
      m.write("/etc/nsswitch.conf", nss);
    }
  });
});

/** What jk_check has of users, which has no command that makes anything for who has the uid. */
const changed = () =>
  check(m).found.map(({ rule, message, remedy }) => [rule, message.replace(/^.*?: /, ""), remedy]);

test("an account of the directory gets by mistake the uid of one that is declared no more, and that the directory knows", () => {
  directory(["anna", 7001], ["berta", 7002]);
  declare(BOTH + ofDirectory("anna") + ofDirectory("berta"));
  m.write(FILE, BOTH + ofDirectory("anna"));
  directory(["anna", 7002], ["berta", 7002]);
  expect(problems()).toEqual([belongs("anna", 7002, "berta")]);
  const message = `the uid 7002 belongs to 'berta': ${IN_DIRECTORY}`;
  expect(changed()).toEqual([["user-changed", message, undefined]]);
  expect(taken()).toEqual([`'anna': ${message}`]);
  expect(commands()).toEqual(["jailkit config check"]);
});

test("an account with a line in a jail has the uid of root: nobody calls that the uid of the home of root there", () => {
  declare(BOTH + user("loc"));
  m.mkdir(`${J}/root`, { mode: 0o700 });
  m.must(["sed", "-i", "s|^loc:x:[0-9]*:\\(.*\\):/srv.*|loc:x:0:\\1:/home/loc:/bin/sh|", "/etc/passwd"]);
  try {
    expect(changed()).toEqual([["extra-root", "give the account another uid", undefined]]);
    for (const said of [linesOf(m, "--check").summary.problems, config()])
      expect(JSON.stringify(said)).not.toContain(`${J}/root`);
  } finally {
    m.must(["sed", "-i", "/^loc:/d", "/etc/passwd", "/etc/shadow"]);
  }
});

test("two accounts of the directory exchange their uids by mistake: no page has a command, and the directory heals all", () => {
  directory(["anna", 7001], ["berta", 7002]);
  declare(BOTH + ofDirectory("anna") + ofDirectory("berta"));
  directory(["anna", 7002], ["berta", 7001]);
  const said = (uid: number, other: string) =>
    `the uid ${uid} is that of '${J}/home/${other}', the home of '${other}' by the jail's etc/passwd, whose files the new account would own: ${IN_DIRECTORY}, or, if it is the same user, that home`;
  const both = [said(7002, "berta"), said(7001, "anna")];
  expect(problems().map(([, , message, remedy]) => [message, remedy])).toEqual([
    [`user anna: ${both[0]}`, null],
    [`user berta: ${both[1]}`, null],
  ]);
  expect(changed()).toEqual(both.map((message) => ["user-changed", message, undefined]));
  expect(config().map(({ message, remedy }) => [message, remedy])).toEqual(
    both.map((message) => [message, null]),
  );
  expect(commands()).toEqual(["jailkit config check", "jailkit config check"]);
  directory(["anna", 7001], ["berta", 7002]);
  expect([problems(), changed(), config(), commands()]).toEqual([[], [], [], []]);
});

test("no command gives away the home of an account that has another uid by now", () => {
  directory(["anna", 7001], ["berta", 7002]);
  declare(BOTH + ofDirectory("anna") + ofDirectory("berta"));
  directory(["anna", 7002], ["berta", 7005]);
  const [problem] = linesOf(m, "--check").summary.problems.filter(({ path }) => path === "anna");
  expect(problem).toMatchObject({
    code: "kept-home",
    message: `user anna: the uid 7002 is that of '${J}/home/berta', the home of 'berta' by the jail's etc/passwd, whose files the new account would own: ${IN_DIRECTORY}, or, if it is the same user, that home`,
    remedy: null,
  });
});

describe("an account that is to be created with the uid", () => {
  const DECLARE = "declare another uid with the key 'uid'";

  test("of a declared one, which the directory does not know for a while", () => {
    directory(["berta", 7002]);
    declare(BOTH + ofDirectory("berta"));
    directory();
    for (const change of [
      () => {},
      () => m.remove(`${J}/home/berta`),
      () => m.must(["sed", "-i", "/^berta:/d", `${J}/etc/passwd`]),
    ]) {
      change();
      m.write(FILE, BOTH + user("carl", "uid = 7002\n") + ofDirectory("berta"));
      expect(problems().filter(([name]) => name === "carl")).toEqual([
        belongs("carl", 7002, gone("berta"), DECLARE),
      ]);
      expect(taken()).toEqual([`'carl': the uid 7002 belongs to ${gone("berta")}: ${DECLARE}`]);
    }
  });

  test("of a declared one, which somebody has removed, and which comes back", () => {
    declare(BOTH + user("bob"));
    const uid = uidOf("bob");
    m.must(["userdel", "bob"]);
    m.write(FILE, BOTH + user("carl", `uid = ${uid}\n`) + user("bob"));
    const { problems: planned } = linesOf(m, "--check").summary;
    expect(planned.map(({ path, code, message, remedy }) => [path, code, message, remedy])).toEqual([
      belongs("carl", uid, gone("bob"), DECLARE),
    ]);
    expect(taken()).toEqual([`'carl': the uid ${uid} belongs to ${gone("bob")}: ${DECLARE}`]);
    expect(linesOf(m).summary.problems).toEqual(planned);
    expect([uidOf("bob"), ownerOf(`${J}/home/bob`), uidOf("carl")]).toEqual([uid, uid, 0]);
  });

  test("of one that is to go: its home is given away when it is gone", () => {
    declare(BOTH + user("bob"));
    const uid = uidOf("bob");
    m.write(FILE, BOTH + user("carl", `uid = ${uid}\n`));
    for (const options of [["--check", "--prune"], ["--prune"]]) {
      const [problem, ...more] = linesOf(m, ...options).summary.problems;
      expect([problem, more]).toMatchObject([{ path: "carl", code: "kept-home", remedy: null }, []]);
      expect(problem?.message).not.toMatch(GIVES);
    }
    expect(linesOf(m, "--check", "--prune").summary.problems).toMatchObject([
      { path: "carl", code: "kept-home", remedy: `chown -hR --from=+${uid} root ${J}/home/bob` },
    ]);
  });
});

test("who has the uid keeps it, whoever is declared with it later", () => {
  directory(["berta", 7002]);
  declare(BOTH + ofDirectory("berta"));
  m.write(FILE, BOTH + ofDirectory("berta") + user("carl", "uid = 7002\n"));
  expect(problems()).toEqual([belongs("carl", 7002, "berta", "declare another uid with the key 'uid'")]);
});

test.each([J, OTHER])(
  "an account that gets the uid of one in %s, by a mistake of somebody, gets its own back",
  (jail) => {
    declare(BOTH + user("loc") + user("bob", "", jail));
    const [own, uid] = [uidOf("loc"), uidOf("bob")];
    const command = `usermod -u ${own} loc`;
    m.must(["usermod", "-o", "-u", `${uid}`, "loc"]);
    const [back, other] = [
      `give the account its own back, with: ${command}`,
      "give one of the two another uid",
    ];
    expect(problems()).toEqual([[...belongs("loc", uid, "bob", back).slice(0, 3), command]]);
    expect(config()).toMatchObject([{ code: "taken", remedy: command }]);
    // Its own is somebody's by now.
    m.must(["useradd", "-M", "-u", `${own}`, "hand"]);
    expect(problems()).toEqual([belongs("loc", uid, "bob", other)]);
    m.must(["userdel", "hand"]);
    m.must(command.split(" "));
    expect(problems()).toEqual([]);
    expect([uidOf("loc"), ownerOf(`${J}/home/loc`)]).toEqual([own, own]);
  },
);

test("a local account comes into the jail with the uid of one that is there", () => {
  declare(BOTH + user("loc"));
  const uid = uidOf("loc");
  m.must(["useradd", "-o", "-u", `${uid}`, "-m", "twin"]);
  m.write(FILE, BOTH + user("loc") + user("twin"));
  const advice = "give the account another uid with usermod -u, or, if it is the same user, that home";
  expect(problems()).toEqual([belongs("twin", uid, "loc", advice)]);
  expect(taken()).toEqual([`'twin': the uid ${uid} belongs to 'loc': ${advice}`]);
  const run = m.run(["jk_jailuser", "-m", "-s", "/bin/bash", "-j", J, "twin"]);
  expect(run.stderr).toContain(`the uid ${uid} belongs to 'loc'`);
  expect(run.stderr).not.toMatch(GIVES);
});

test("an account that somebody took out of its jail, and gave the uid of another one: one error, with its own uid", () => {
  declare(BOTH + user("loc") + user("bob"));
  const [own, uid] = [uidOf("loc"), uidOf("bob")];
  m.must(["usermod", "-o", "-u", `${uid}`, "-d", "/home/loc", "-m", "loc"]);
  const command = `usermod -u ${own} loc`;
  const back = `give the account its own back, with: ${command}`;
  expect(problems()).toEqual([[...belongs("loc", uid, "bob", back).slice(0, 3), command]]);
  expect(config()).toMatchObject([
    { code: "taken", message: `'loc': the uid ${uid} belongs to 'bob': ${back}`, remedy: command },
  ]);
});

describe("while the directory does not know a declared account,", () => {
  beforeEach(() => {
    directory(["berta", 7002]);
    declare(BOTH + ofDirectory("berta"));
    directory();
  });

  test("jk_addjailuser that is given its uid says whose that is", () => {
    const { status, stderr } = m.run(["jk_addjailuser", "-s", "/bin/bash", "-u", "7002", J, "hand"]);
    expect([status, uidIn(m, "hand")]).toEqual([1, undefined]);
    expect(stderr).toContain("the uid 7002 belongs to 'berta', who is declared: choose another with -u");
    expect(stderr).not.toMatch(GIVES);
  });

  test("jk_check gives its files to nobody, until it is declared no more", () => {
    const told = () =>
      check(m, "--fix", J).found.flatMap(({ rule, message, remedy }) =>
        rule === "unknown-owner" ? [[message, remedy]] : [],
      );
    m.must(["sed", "-i", "/^berta:/d", `${J}/etc/passwd`]);
    m.must(["sh", "-ec", `mkdir -p ${J}/data; touch ${J}/data/x; chown 7002 ${J}/data/x`]);
    const about = (path: string) => `${path} belongs to uid 7002, which no account has`;
    const whose = ": it is the uid of 'berta', who is declared";
    const paths = [`${J}/data/x`, `${J}/home/berta`];
    expect(told()).toEqual(paths.map((path) => [about(path) + whose, undefined]));
    m.write(FILE, BOTH);
    expect(told()).toEqual(paths.map((path) => [about(path), `chown -hR --from=+7002 root ${path}`]));
  });

  test("and no other uid is left, no command gives its files away", () => {
    const defs = m.read("/etc/login.defs");
    m.write(
      "/etc/login.defs",
      defs.replace(/^UID_(MIN|MAX).*$/gm, (_, which) => `UID_${which} 7002`),
    );
    try {
      const { status, stderr } = m.run(["jk_addjailuser", "-s", "/bin/bash", J, "hand"]);
      expect([status, stderr]).toEqual([1, expect.stringContaining("all uids of the range")]);
      expect(stderr).not.toMatch(GIVES);
    } finally {
      m.write("/etc/login.defs", defs);
    }
  });
});

describe("an account of /etc/passwd with the name of a declared one of the directory", () => {
  const OUT = "if the one of a directory is meant, take its line out of /etc/passwd with vipw(8)";
  const line = (uid: number) => `berta:x:${uid}:100::/home/berta:/bin/bash\n`;
  const told = () => {
    const [problem] = linesOf(m, "--check").summary.problems;
    expect(linesOf(m).summary.problems).toEqual(problem === undefined ? [] : [problem]);
    return { problem, found: config().filter(({ code }) => code === "contradiction") };
  };
  let passwd = "";
  beforeEach(() => {
    passwd = m.read("/etc/passwd");
    directory(["berta", 7002]);
  });
  afterEach(() => m.write("/etc/passwd", passwd));

  test.each([true, false])(
    "hides it, which is told, with no command that takes the other one, remembered: %s",
    (known) => {
      declare(BOTH + ofDirectory("berta"));
      if (!known) m.remove("/var/lib/jailkit/declared.json");
      m.write("/etc/passwd", passwd + line(1500));
      const what = `is in /etc/passwd, with the uid 1500, and in a directory, with the uid 7002; that of /etc/passwd counts: ${OUT}; if that of /etc/passwd is,`;
      const { problem, found } = told();
      expect(problem).toMatchObject({
        code: "local",
        finding: "contradiction",
        message: `user berta: ${what} declare it without 'directory'`,
        remedy: null,
      });
      expect(found).toMatchObject([
        { line: 8, message: `the account 'berta' ${what} 'directory = no'`, remedy: null },
      ]);
      m.write("/etc/passwd", passwd);
      expect(told()).toEqual({ problem: undefined, found: [] });
    },
  );

  test("and which the directory has no more", () => {
    declare(BOTH + ofDirectory("berta"));
    directory();
    m.write("/etc/passwd", passwd + line(1500));
    expect(told().problem).toMatchObject({
      message: expect.stringContaining("with the uid 1500, and was in a directory, with the uid 7002; that"),
      remedy: null,
    });
  });

  test("of which nothing was known before, or with its uid", () => {
    for (const uid of [1500, 7002]) {
      if (uid === 7002) declare(BOTH + ofDirectory("berta"));
      m.write(FILE, BOTH + ofDirectory("berta"));
      m.write("/etc/passwd", passwd + line(uid));
      const remedy = `write in line 8 of ${FILE}:\ndirectory = no`;
      const { problem, found } = told();
      expect(problem).toMatchObject({
        message: `user berta: is in /etc/passwd, which counts before a directory: declare it without 'directory'; or, ${OUT}`,
        remedy,
      });
      expect(found).toMatchObject([{ line: 8, remedy }]);
      m.write("/etc/passwd", passwd);
    }
  });
});

describe.each(["nslcd", "sssd"] as const)("with slapd, and %s,", (kind) => {
  test("a uid that is changed by mistake to that of another account is told, and changing it back heals all", async () => {
    const machine = await openApplyMachine();
    try {
      const served = await openDirectory(machine, kind);
      const [anna, berta] = ["anna", "berta"].map((name) => nameIn(kind, name));
      const change = (uid: number) =>
        served.modify(`dn: ${dnOf("anna")}\nchangetype: modify\nreplace: uidNumber\nuidNumber: ${uid}\n`);
      const uidIs = async (uid: number) => {
        expect(change(uid).status).toBe(0);
        await served.stopDaemon();
        if (kind === "sssd") machine.must(["sh", "-c", "rm -f /var/lib/sss/db/* /var/lib/sss/mc/*"]);
        await served.startDaemon();
        expect(machine.must(["id", "-u", anna ?? ""]).stdout).toBe(`${uid}\n`);
      };
      machine.write(
        FILE,
        section(J) + user("loc") + [anna, berta].map((name) => ofDirectory(name ?? "")).join(""),
      );
      machine.must(["jailkit", "apply"]);
      const homes = () => machine.must(["sh", "-c", `cd ${J}/home && stat -c '%n %u' *`]).stdout;
      const before = homes();
      const loc = uidIn(machine, "loc") ?? 0;
      for (const [uid, other] of [
        [loc, "loc"],
        [7002, berta],
      ] as const) {
        await uidIs(uid);
        for (const options of [["--check"], []]) {
          const told = linesOf(machine, ...options).summary.problems;
          expect(told[0]).toMatchObject({
            message: `user ${anna}: the uid ${uid} belongs to '${other}': ${IN_DIRECTORY}`,
            finding: "taken",
          });
          for (const { path, code, remedy } of told) {
            expect([path, code, remedy]).toEqual([path, "uid-taken", null]);
            expect([anna, other]).toContain(path);
          }
        }
        for (const words of [["config", "check"], ["status"]])
          expect(machine.run(["jailkit", ...words]).stdout).not.toMatch(GIVES);
        expect(homes()).toBe(before);
      }
      await uidIs(7001);
      machine.must(["jailkit", "apply"]);
      expect([linesOf(machine).changes, homes()]).toEqual([[], before]);
    } finally {
      await machine.close();
    }
  });
});
