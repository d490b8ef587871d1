/** No account gets the uid of one that apply did not create, and that is gone, or that no name service knows for a while. */
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
import { linesOf, openApplyMachine, uidIn } from "./apply-scene.ts";
import { installNssSystemd } from "./archives.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(120_000);

const [J, OTHER] = ["/srv/j", "/srv/other"] as const;
const HOME = `${J}/home/gus`;
const ACCOUNTS = "/var/lib/extrausers/passwd";
const FILE = "/etc/jailkit/jails.d/one.ini";
const MEMORY = "/var/lib/jailkit/declared.json";
const section = (jail: string) => `[jail ${jail}]\nsections = uidbasics, basicshell\n`;
const BOTH = section(J) + section(OTHER);
const user = (name: string, more = "", jail: string = J) =>
  `[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;
const ofDirectory = (name: string, more = "") => user(name, `directory = 1\n${more}`);

let m: Machine;
/** The next one that useradd(8) gives, which gus has in the directory. */
let uid = 0;

const uidOf = (name: string) => uidIn(m, name);
function declare(text: string, ...options: string[]): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply", ...options]);
}
const entry = (name: string, home = `${J}/./home/${name}`) =>
  `${name}:x:${uid}:100::${home}:/usr/sbin/jk_chrootsh\n`;
/** What the directory knows from now on. */
const directory = (...entries: string[]) =>
  m.write(ACCOUNTS, `other:x:6002:100::/:/bin/sh\n${entries.join("")}`);
const problemsOf = (...options: string[]) =>
  linesOf(m, ...options).summary.problems.map(({ code, path }) => [code, path]);
const byHand = (name: string, ...options: string[]) => {
  const run = m.must(["jk_addjailuser", "-s", "/bin/bash", ...options, J, name]);
  return { ...run, uid: uidOf(name) };
};
const removeLine = (name: string) => m.must(["sed", "-i", `/^${name}:/d`, `${J}/etc/passwd`]);

beforeAll(async () => {
  m = await openApplyMachine();
  installNssSystemd(m);
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group|shadow):.*$/gm, "$1: files extrausers");
  m.write("/etc/nsswitch.conf", nss);
  directory();
  m.must(["useradd", "-M", "next"]);
  uid = uidOf("next") ?? 0;
  m.must(["userdel", "next"]);
});
beforeEach(() => {
  for (const name of ["newb", "newc", "hand", "hans", "zoe", "gus"])
    if (uidOf(name) !== undefined) m.must(["userdel", name]);
  for (const path of ["/srv", "/var/lib/jailkit", "/home/hans"]) m.remove(path);
  m.mkdir("/srv", { mode: 0o755 });
  directory(entry("gus"));
  declare(BOTH + ofDirectory("gus"));
  expect(m.stat(HOME)?.uid).toBe(uid);
});
afterAll(() => m?.close());

describe("nobody gets by chance, whatever apply remembers,", () => {
  beforeEach(() => {
    directory();
    m.remove(MEMORY);
  });

  test.each([
    ["the uid of a line in the jail, and of its home", () => undefined],
    ["that of the line alone", () => m.remove(HOME)],
    ["that of the home alone", () => removeLine("gus")],
  ])("%s", (_, change) => {
    change();
    m.write(FILE, BOTH + ofDirectory("gus") + user("newb") + user("newc", "", OTHER));
    expect(problemsOf("--check")).toEqual([["no-such-user", "gus"]]);
    expect(problemsOf()).toEqual([["no-such-user", "gus"]]);
    expect([uidOf("newb"), uidOf("newc"), byHand("hand").uid]).toEqual([uid + 1, uid + 2, uid + 3]);
  });

  test("by jk_addjailuser alone", () => {
    expect(byHand("hand").uid).toBe(uid + 1);
  });

  test("but by jk_addjailuser that of the home which the new account has then", () => {
    removeLine("gus");
    m.rename(HOME, `${J}/home/hand`);
    expect(byHand("hand").uid).toBe(uid);
  });

  test("the uid of what is beside the declared home, wherever that is", () => {
    removeLine("gus");
    m.mkdir(`${J}/customers`);
    m.rename(HOME, `${J}/customers/gus`);
    declare(BOTH + user("newb", "home = /customers/newb\n"));
    expect(uidOf("newb")).toBe(uid + 1);
    expect(byHand("hand", "-d", "/customers/hand").uid).toBe(uid + 2);
  });

  test("and if no other one is left, the error says what has it, with what heals that", () => {
    const defs = m.read("/etc/login.defs");
    m.write(
      "/etc/login.defs",
      defs.replace(/^UID_(MIN|MAX).*$/gm, (_, which) => `UID_${which} ${uid}`),
    );
    try {
      m.write(FILE, BOTH + user("newb"));
      const found: unknown[] = [];
      for (let count = 0; count < 3; count++) {
        const { status, summary } = linesOf(m);
        if (status === 0) break;
        const [problem] = summary.problems;
        found.push([problem?.code, problem?.message.includes("gus")]);
        expect(typeRemedy(m, problem?.remedy ?? "false").status).toBe(0);
      }
      expect(found).toEqual([
        ["no-id", true],
        ["no-id", true],
      ]);
      expect(uidOf("newb")).toBe(uid);
    } finally {
      m.write("/etc/login.defs", defs);
    }
  });
});

describe("nobody gets by chance the uid of one who was in another jail, and that somebody has removed,", () => {
  const K = "/srv/known";
  const RECORDS = "/var/lib/jailkit/jails";
  let removed = 0;
  beforeEach(() => {
    directory();
    m.write(FILE, section(J));
    m.must(["jailkit", "apply", "--prune"]);
    m.must(["jk_init", "-j", K, "basicshell", "uidbasics"]);
    m.must(["jk_addjailuser", K, "stays"]);
    m.must(["jk_addjailuser", K, "zoe"]);
    removed = uidOf("zoe") ?? 0;
    m.must(["userdel", "zoe"]);
    m.remove(MEMORY);
  });
  afterEach(() => {
    m.run(["userdel", "stays"]);
    m.remove("/etc/jailkit/jk_check.ini");
  });

  test.each([
    ["whose line and home are there", () => undefined],
    ["whose line is there", () => m.remove(`${K}/home/zoe`)],
    ["whose home is there", () => m.must(["sed", "-i", "/^zoe:/d", `${K}/etc/passwd`])],
    ["if an account names that jail", () => m.remove(RECORDS)],
    [
      "if a configuration names it",
      () => {
        m.remove(RECORDS);
        m.must(["userdel", "stays"]);
        m.write("/etc/jailkit/jk_check.ini", `[${K}]\n`);
      },
    ],
  ])("%s", (_, change) => {
    change();
    m.write(FILE, section(J) + user("newb"));
    expect(problemsOf()).toEqual([]);
    expect([uidOf("newb"), byHand("hand").uid]).toEqual([removed + 1, removed + 2]);
  });

  test("and gets it when nothing there has it any more", () => {
    m.remove(`${K}/home/zoe`);
    m.must(["jk_jailuser", "--unjail", "--jail-side-only", "-j", K, "zoe"]);
    expect(byHand("hand").uid).toBe(removed);
  });
});

describe("who declares it, whatever apply remembers,", () => {
  beforeEach(() => {
    directory();
    m.remove(MEMORY);
    m.write(FILE, BOTH + user("newb", `uid = ${uid}\n`));
  });

  test("learns whose it is, and what heals that", () => {
    const found: unknown[] = [];
    for (let count = 0; count < 3; count++) {
      const planned = linesOf(m, "--check").summary.problems;
      const { status, summary } = linesOf(m);
      expect(summary.problems).toEqual(planned);
      if (status === 0) break;
      const [problem] = planned;
      found.push([problem?.code, problem?.path, problem?.message]);
      expect(problem?.message).toEndWith(`: ${problem?.remedy}`);
      expect(typeRemedy(m, problem?.remedy ?? "false").status).toBe(0);
    }
    expect(found).toEqual([
      [
        "kept-home",
        "newb",
        `user newb: the uid ${uid} is that of '${HOME}', the home of 'gus' by the jail's etc/passwd, whose files the new account would own: declare another uid with the key 'uid', or give them to root, with: chown -hR --from=+${uid} root ${HOME}`,
      ],
      [
        "uid-taken",
        "newb",
        `user newb: the uid ${uid} belongs to 'gus' in '${J}/etc/passwd': declare another uid with the key 'uid'; or, if that account is gone for good, take its line out with: jk_jailuser --unjail --jail-side-only -j ${J} gus`,
      ],
    ]);
    expect(uidOf("newb")).toBe(uid);
  });

  test("also that of what has no line", () => {
    removeLine("gus");
    expect(problemsOf("--check")).toEqual([["kept-home", "newb"]]);
    expect(problemsOf()).toEqual([["kept-home", "newb"]]);
    expect(uidOf("newb")).toBeUndefined();
  });

  test("is given no command that takes out the line of an account that is there, with another uid", () => {
    m.remove(HOME);
    directory(entry("gus").replace(`:${uid}:`, ":6100:"));
    const [problem] = linesOf(m, "--check").summary.problems;
    expect([problem?.code, problem?.remedy]).toEqual(["uid-taken", null]);
    expect(problem?.message).toEndWith(": declare another uid with the key 'uid'");
  });

  test("gets it with the home that has it", () => {
    m.must(["cp", "-a", HOME, `${HOME}.copy`]);
    declare(BOTH + user("newb", `uid = ${uid}\nhome = /home/gus\n`));
    expect(uidOf("newb")).toBe(uid);
  });

  test("gets it with the line that has it", () => {
    m.rename(HOME, `${HOME}.old`);
    declare(BOTH + user("gus", `uid = ${uid}\n`));
    expect(uidOf("gus")).toBe(uid);
  });

  test("on the command line of jk_addjailuser is warned", () => {
    m.write(FILE, BOTH);
    const { stderr, uid: given } = byHand("hand", "-u", `${uid}`);
    expect(stderr).toContain(`warning: the uid ${uid} is that of '${HOME}', the home of 'gus'`);
    expect(given).toBe(uid);
  });
});

const kept = () => JSON.parse(m.read(MEMORY)).kept;
/** The uid of who is created in the other jail, where nothing but what apply remembers tells anything. */
function givenElsewhere(): (number | undefined)[] {
  m.must(["jk_addjailuser", "-s", "/bin/bash", OTHER, "hand"]);
  m.write(FILE, m.read(FILE) + user("newc", "", OTHER));
  linesOf(m);
  return ["hand", "newc"].map(uidOf);
}

describe("nobody gets in another jail", () => {
  test("the uid of an account that the directory has no more, though it is declared", () => {
    directory();
    expect(givenElsewhere()).toEqual([uid + 1, uid + 2]);
  });

  test("or that is declared no more, without and with --prune, and the plan shows the home with the uid", () => {
    directory();
    declare(BOTH);
    m.write(FILE, BOTH);
    expect(linesOf(m, "--check", "--prune").changes.map(({ text }) => text)).toEqual([
      `- user gus: entry in ${J} -> out of it, but not its home ${HOME}, which stays with the uid ${uid} (no longer declared)`,
    ]);
    declare(BOTH, "--prune");
    expect(kept()).toMatchObject([
      { name: "gus", uid, home: `${J}/./home/gus` },
      { name: "gus", uid, home: `${J}/./` },
    ]);
    declare(BOTH, "--prune");
    expect(givenElsewhere()).toEqual([uid + 1, uid + 2]);
  });

  test("or that somebody has removed, with its line and its home", () => {
    directory();
    declare(BOTH, "--prune");
    for (const path of [MEMORY, HOME]) m.remove(path);
    declare(BOTH + user("zoe"));
    const own = uidOf("zoe") ?? 0;
    m.must(["userdel", "zoe"]);
    removeLine("zoe");
    m.must(["sh", "-ec", `mkdir -p ${J}/tmp; mv ${J}/home/zoe/.bashrc ${J}/tmp; rm -r ${J}/home/zoe`]);
    m.write(FILE, BOTH);
    expect(givenElsewhere()).toEqual([own + 1, own + 2]);
  });

  test("that of one who leaves the directory after --prune", () => {
    declare(BOTH, "--prune");
    directory();
    expect(givenElsewhere()).toEqual([uid + 1, uid + 2]);
  });

  test("that of a local account that was there before apply, in the run that forgets it, and later", () => {
    directory();
    declare(BOTH, "--prune");
    for (const path of [MEMORY, HOME]) m.remove(path);
    m.must(["useradd", "-m", "-u", `${uid}`, "hans"]);
    declare(BOTH + user("hans"));
    expect(m.stat(`${J}/home/hans`)?.uid).toBe(uid);
    m.must(["userdel", "hans"]);
    // Who runs it is whoever has the uid.
    m.must([
      "sh",
      "-ec",
      `mkdir -p ${J}/tmp; mv ${J}/home/hans/.bashrc ${J}/tmp; chmod 4755 ${J}/tmp/.bashrc`,
    ]);
    m.remove(`${J}/home/hans`);
    declare(BOTH + user("zoe", "", OTHER), "--prune");
    expect(uidOf("zoe")).toBe(uid + 1);
    for (const _ of [1, 2]) declare(BOTH + user("zoe", "", OTHER), "--prune");
    expect(JSON.parse(m.read(MEMORY)).users.map(({ name }: { name: string }) => name)).toEqual(["zoe"]);
    expect(givenElsewhere()).toEqual([uid + 2, uid + 3]);
  });
});

test("who declares the uid of a home that stays learns that, in any jail, until the home is given away", () => {
  directory();
  declare(BOTH, "--prune");
  m.write(FILE, BOTH + user("newc", `uid = ${uid}\n`, OTHER));
  const [problem] = linesOf(m, "--check").summary.problems;
  expect(problem).toMatchObject({
    code: "kept-home",
    message: expect.stringContaining(`the uid ${uid} is that of '${HOME}', the home that 'gus' had`),
  });
  expect(typeRemedy(m, problem?.remedy ?? "false").status).toBe(0);
  declare(m.read(FILE));
  expect(uidOf("newc")).toBe(uid);
});

describe("another account of the directory with the uid", () => {
  const hank = (more = "") => BOTH + ofDirectory("hank", more);
  const told = (text: string, ...options: string[]) => {
    m.write(FILE, text);
    const planned = linesOf(m, "--check", ...options).summary.problems;
    expect(linesOf(m, ...options).summary.problems).toEqual(planned);
    return planned;
  };

  test.each([
    ["in the run that takes out the one of before", ["--prune"], () => {}],
    ["while that has its line", [], () => {}],
    ["while that has its line, and nothing is remembered", [], () => m.remove(MEMORY)],
    ["after that has gone", [], () => declare(BOTH, "--prune")],
    [
      "after somebody has taken out its line, and moved its home",
      [],
      () => {
        removeLine("gus");
        declare(BOTH, "--prune");
        m.rename(HOME, `${HOME}.old`);
      },
    ],
  ] as const)("is told of the home, %s", (title, options, change) => {
    directory();
    change();
    directory(entry("hank"));
    const place = title.includes("moved") ? `${HOME}.old` : HOME;
    const [problem, ...more] = told(hank(), ...options);
    expect(more).toEqual([]);
    expect(problem).toMatchObject({
      code: "kept-home",
      path: "hank",
      remedy: `chown -hR --from=+${uid} root ${place}`,
    });
    expect(problem?.message).toContain(`the uid ${uid} is that of '${place}'`);
    expect(problem?.message).toContain(
      ": give the account another uid in its directory, or, if it is the same user, that home",
    );
    expect([m.exists(`${J}/home/hank`), m.read(`${J}/etc/passwd`).includes("hank")]).toEqual([false, false]);
    expect(typeRemedy(m, problem?.remedy ?? "false").status).toBe(0);
    declare(hank(), ...options);
    expect(m.read(`${J}/etc/passwd`)).toContain(`hank:x:${uid}:`);
    // Nothing is told of who is in the jail.
    expect(told(hank())).toEqual([]);
  });

  test("is told of it in another jail, too", () => {
    declare(BOTH, "--prune");
    directory(entry("hank", `${OTHER}/./home/hank`));
    const declared = BOTH + user("hank", "directory = 1\n", OTHER);
    const [problem] = told(declared);
    expect(problem).toMatchObject({ code: "kept-home", path: "hank" });
    expect(problem?.message).toContain(`the uid ${uid} is that of '${HOME}', the home that 'gus' had`);
    expect(typeRemedy(m, problem?.remedy ?? "false").status).toBe(0);
    expect(told(declared)).toEqual([]);
  });

  test("is not, if it has that home", () => {
    for (const prune of [false, true]) {
      directory();
      if (prune) declare(BOTH, "--prune");
      directory(entry("hank", `${J}/./home/gus`));
      expect(told(hank())).toEqual([]);
      expect(m.read(`${J}/etc/passwd`)).toContain(`hank:x:${uid}:`);
      directory(entry("gus"));
      removeLine("hank");
      declare(BOTH + ofDirectory("gus"));
    }
  });

  test.each([false, true])(
    "nor, if somebody has moved that home to its place, after --prune: %s",
    (prune) => {
      if (prune) declare(BOTH, "--prune");
      directory(entry("hank"));
      m.rename(HOME, `${J}/home/hank`);
      expect(told(hank())).toEqual([]);
    },
  );

  test("nor is the same one, that comes back", () => {
    directory();
    declare(BOTH, "--prune");
    directory(entry("gus"));
    expect(told(BOTH + ofDirectory("gus"))).toEqual([]);
  });
});

test("an account that apply created, and that another name service hides, is told until it is removed", () => {
  const nss = m.read("/etc/nsswitch.conf");
  declare(BOTH, "--prune");
  m.remove(HOME);
  declare(BOTH + user("newb"));
  const own = uidOf("newb");
  try {
    m.write("/etc/nsswitch.conf", nss.replace(/^passwd:.*$/m, "passwd: extrausers files"));
    directory("newb:x:7701:100::/home/newb:/bin/sh\n");
    m.write(FILE, BOTH);
    const message = `user newb: is not declared any more, and stays: a name service gives another account of that name, with the uid 7701, before that of /etc/passwd, with the uid ${own}, which apply created; to remove that one: userdel newb`;
    expect(m.must(["jailkit", "apply"]).stderr).toContain(`warning: ${message}\n`);
    for (const options of [["--check", "--prune"], ["--prune"], ["--prune", "--delete-homes"]])
      expect(linesOf(m, ...options).summary.problems).toEqual([
        expect.objectContaining({ code: "doubtful-account", path: "newb", message, remedy: "userdel newb" }),
      ]);
    expect(uidOf("newb")).toBe(own);
    expect(typeRemedy(m, "userdel newb").status).toBe(0);
    expect(uidOf("newb")).toBeUndefined();
    for (const _ of [1, 2]) declare(BOTH, "--prune");
    expect(m.read(`${J}/etc/passwd`)).not.toContain("newb");
    expect(kept()).toEqual(
      expect.arrayContaining([expect.objectContaining({ uid: own, home: `${J}/./home/newb` })]),
    );
    expect(linesOf(m).changes).toEqual([]);
  } finally {
    m.write("/etc/nsswitch.conf", nss);
  }
});
