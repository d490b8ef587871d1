/** `jailkit apply FILE` beside the files of /etc/jailkit/jails.d: what they declare otherwise is told, and what they declare stays. */
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
import { did, FINGERPRINTS, KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/a";
const USUAL = "/etc/jailkit/jails.d/a.ini";
const FILE = "/root/f.ini";

const declared = (shell: string, more = "", ofJail = "") =>
  `[jail ${J}]\nsections = uidbasics, basicshell\n${ofJail}\n[user anna]\njail = ${J}\nshell = ${shell}\n${more}`;

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
});
beforeEach(() => {
  m.write(USUAL, declared("/bin/bash"));
  expect(linesOf(m).status).toBe(0);
});
afterAll(() => m?.close());

const warnings = (...options: string[]) => linesOf(m, ...options).summary.warnings;

test("a contradiction is a warning of each run, with both places, and the run of the usual files names the other one", () => {
  m.write(FILE, `\n${declared("/bin/sh")}`);
  const what = `declared in ${FILE}:5 with shell '/bin/sh', and in ${USUAL}:4 with shell '/bin/bash'`;
  const then = `'jailkit apply' without FILE changes that back, or refuses it; declare it in one of the two, or the same in both`;
  const message = `user anna: ${what}: ${then}`;
  expect(warnings("--check", FILE)).toEqual([message]);
  const { status, stderr } = m.run(["jailkit", "apply", FILE]);
  expect([status, stderr]).toEqual([0, `jailkit apply: warning: ${message}\n`]);
  // Also when nothing is left to do.
  expect([did(m, FILE), warnings(FILE)]).toEqual([[], [message]]);
  expect(warnings("--check")).toEqual([
    `user anna: was declared last in '${FILE}', which does not count here`,
  ]);
  expect(did(m)).toEqual(["done ~ user anna: shell /bin/sh -> /bin/bash"]);
  expect([warnings("--check"), warnings()]).toEqual([[], []]);
});

test("what is the same, said in one place alone, or in a file of jails.d, is no contradiction", () => {
  m.write(USUAL, declared("/bin/bash", "groups = team\ncomment = Anna\n", "proc = no\n"));
  expect(linesOf(m).status).toBe(0);
  m.write(FILE, declared("/bin/bash"));
  m.must(["ln", "-s", USUAL, "/root/link.ini"]);
  for (const file of [FILE, USUAL, "/root/link.ini"])
    for (const more of [[], ["--prune"]]) expect(warnings("--check", ...more, file)).toEqual([]);
  m.write(FILE, "[jail /srv/other]\nsections = uidbasics\n");
  expect(warnings("--check", FILE)).toEqual([]);
});

test("--prune with FILE leaves what the usual files declare, and goes on to know that", () => {
  m.write(
    USUAL,
    declared(
      "/bin/bash",
      `groups = team\nauthorized_keys = ${KEYS[0]}\nnetwork = none\n`,
      "files = id\nlog_socket = yes\n",
    ),
  );
  expect(linesOf(m).status).toBe(0);
  m.write(FILE, declared("/bin/bash", `authorized_keys = ${KEYS[1]}\n`, "files = who\n"));
  const more = `'jailkit apply --prune' without FILE removes that; declare it there too`;
  expect(warnings("--prune", FILE)).toEqual([
    `jail ${J}: ${FILE}:1 declares files /usr/bin/who, and ${USUAL}:1 does not: ${more}`,
    `user anna: ${FILE}:5 declares 1 of authorized_keys, and ${USUAL}:6 does not: ${more}`,
  ]);
  expect([did(m, "--prune", FILE), did(m)]).toEqual([[], []]);
  m.write(FILE, declared("/bin/bash"));
  expect(did(m, "--prune", FILE)).toEqual([
    `done - jail ${J}: files /usr/bin/who (no longer declared)`,
    `done - user anna: keys ${FINGERPRINTS[1]} (no longer declared)`,
  ]);
  m.write(USUAL, declared("/bin/bash"));
  expect(did(m, "--prune").map((line) => line.replace(/^done - | \(.*/g, ""))).toEqual([
    `jail ${J}: log-socket`,
    `jail ${J}: files /usr/bin/id`,
    "user anna: groups team",
    "user anna: policy",
    `user anna: keys ${FINGERPRINTS[0]}`,
  ]);
});

test("--prune with FILE tells which other FILE declared what it takes from a user or a jail that both declare", () => {
  m.must(["jailkit", "apply", "--prune"]);
  const [one, other] = ["/root/one.ini", "/root/other.ini"] as const;
  const bert = (user: string, jail: string) =>
    `[jail /srv/bert]\nsections = basicshell\n${jail}[user bert]\njail = /srv/bert\nshell = /bin/bash\n${user}`;
  m.write(one, bert(`groups = team\nauthorized_keys = ${KEYS[0]}\n`, "files = id\n"));
  expect([linesOf(m, one).status, warnings("--check", "--prune", one)]).toEqual([0, []]);
  m.write(other, bert(`authorized_keys = ${KEYS[1]}\n`, ""));
  const told = ["jail /srv/bert", "user bert"].map(
    (about) =>
      `${about}: was declared last in '${one}', which does not count here: --prune removes what that declares, and these files do not`,
  );
  for (const options of [["--check"], ["--check", "--prune"]])
    expect(warnings(...options, other)).toEqual(told);
  // Both count, and nothing that one of them declares goes.
  expect(linesOf(m, "--check", "--prune", one, other).summary.problems.map(({ code }) => code)).toContain(
    "config-invalid",
  );
  const { changes, summary } = linesOf(m, "--prune", other);
  expect(summary.warnings).toEqual(told);
  expect(changes.filter(({ action }) => action === "remove").map(({ text }) => text)).toEqual([
    "- jail /srv/bert: files /usr/bin/id (no longer declared)",
    "- user bert: groups team (no longer declared)",
    `- user bert: keys ${FINGERPRINTS[0]} (no longer declared)`,
  ]);
  // From now on they are those of this file.
  expect([did(m, "--prune", other), warnings("--prune", other)]).toEqual([[], []]);
  // Nothing goes that a file which is gone may declare.
  m.remove(other);
  expect(warnings("--check", "--prune", one)).toEqual([]);
  m.write(other, "");
  m.must(["jailkit", "apply", "--prune", "--delete-homes", other]);
});

test("nor does it take a key or a group that these declare in another jail, before the user is there", () => {
  const more = `groups = team\nauthorized_keys = ${KEYS[0]}\n`;
  const elsewhere = (text: string) => text.replaceAll(J, "/srv/b");
  m.write(USUAL, declared("/bin/bash", more));
  expect(linesOf(m).status).toBe(0);
  m.write(USUAL, elsewhere(declared("/bin/bash", more)));
  m.write(FILE, elsewhere(declared("/bin/bash")));
  const { changes, summary } = linesOf(m, "--check", "--prune", FILE);
  expect(changes.map(({ of }) => of)).not.toContain("user");
  expect(summary.problems.map(({ code }) => code)).toContain("in-another-jail");
});

test("usual files with errors do not prevent FILE, but are not compared, which is told; --prune needs them", () => {
  m.write(USUAL, "[jail /srv/x\n");
  m.write(FILE, declared("/bin/bash"));
  const { status, stderr } = m.run(["jailkit", "apply", FILE]);
  expect([status, stderr.replace(/(not compared with them: ).*/, "$1")]).toEqual([
    0,
    "jailkit apply: warning: the usual files have errors, so that these are not compared with them: \n",
  ]);
  expect(stderr).toContain(USUAL);
  expect(m.run(["jailkit", "apply", "--prune", FILE]).status).toBe(1);
});

describe("a file is the same by whatever way it is named:", () => {
  const own = "/etc/jailkit/jails.d/b.ini";
  const dora = `[jail /srv/b]\nsections = uidbasics, basicshell\n[user dora]\njail = /srv/b\nshell = /bin/bash\ngroups = team\nauthorized_keys = ${KEYS[0]}\n`;
  const memory = "/var/lib/jailkit/declared.json";
  const removed = expect.stringMatching(/^done - user dora: account /);

  const isIn = () => /^dora:/m.test(m.read("/etc/passwd"));

  beforeEach(() => {
    m.must(["jailkit", "apply", "--prune"]);
    m.mkdir("/root/links");
    m.must(["ln", "-sT", "/etc/jailkit/jails.d", "/root/links/decl"]);
    m.must(["ln", "-s", "decl/b.ini", "/root/links/f"]);
    m.write(own, dora);
  });
  afterEach(() => {
    m.remove("/root/links");
    m.write(own, "");
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    m.remove(own);
  });

  test.each([
    ["behind a link to its directory", "/root/links/decl/b.ini", []],
    ["by a link to it", "/root/links/f", []],
    ["by its own name", own, ["/root/links/decl/b.ini"]],
    ["by a link, twice", own, ["/root/links/f", own]],
  ])("%s", (_, first, then) => {
    expect(linesOf(m, first)).toMatchObject({ status: 0, summary: { problems: [], warnings: [] } });
    expect(m.read(memory)).not.toContain("/root/links");
    m.write(own, dora.replace(/\[user(.|\n)*/, ""));
    expect(linesOf(m, ...then).summary.noLongerDeclared).toEqual(["user dora"]);
    expect(did(m, "--prune", ...then)).toEqual([removed]);
    expect(isIn()).toBe(false);
  });

  test("also if it was remembered as it was named", () => {
    m.must(["jailkit", "apply", own]);
    m.write(memory, m.read(memory).replaceAll(own, "/root/links/decl/b.ini"));
    m.write(own, dora.replace(/\[user(.|\n)*/, ""));
    expect(did(m, "--prune", own)).toEqual([removed]);
  });

  test("and if it is gone, it may be named in each way to remove what it declared", () => {
    m.must(["jailkit", "apply", own]);
    m.remove(own);
    expect(m.run(["jailkit", "apply", "--prune", "/root/links/decl/b.ini"]).stderr).toContain(
      `${own}: no such file; to remove what it declared once, create an empty one: touch ${own}\n`,
    );
    m.must(["touch", own]);
    expect(did(m, "--prune", "/root/links/decl/b.ini")).toContainEqual(removed);
  });

  test("also if the directory of the configuration is a link", () => {
    m.must(["sh", "-c", "mv /etc/jailkit /srv/checkout && ln -s /srv/checkout /etc/jailkit"]);
    m.must(["jailkit", "apply", "/srv/checkout/jails.d/b.ini"]);
    m.write(own, dora.replace(/\[user(.|\n)*/, ""));
    const done = did(m, "--prune");
    m.must(["sh", "-c", "rm /etc/jailkit && mv /srv/checkout /etc/jailkit"]);
    expect(done).toEqual([removed]);
  });

  test("but a link that a user can change is refused", () => {
    m.addUser("linker", { createHome: true, home: "/home/linker" });
    m.must(["ln", "-s", own, "/home/linker/f.ini"]);
    const { status, summary } = linesOf(m, "--check", "/home/linker/f.ini");
    expect([status, summary.problems.map(({ code }) => code)]).toEqual([1, ["config-unsafe"]]);
  });
});

test.each([
  [
    "rights",
    "shell = /bin/bash\nnetwork = none\n",
    "shell = /bin/bash\nscope = 1\n",
    "network 'none', no scope",
    "no network, scope '1'",
  ],
  [
    "a comment",
    "shell = /bin/bash\ncomment = A\n",
    "shell = /bin/bash\ncomment = B\n",
    "comment 'A'",
    "comment 'B'",
  ],
  [
    "options of a key",
    `shell = /bin/bash\nauthorized_keys = no-pty ${KEYS[0]}\n`,
    `shell = /bin/bash\nauthorized_keys = ${KEYS[0]}\n`,
    "the options of a key 'no-pty'",
    "the options of a key ''",
  ],
])("a contradiction of %s", (_, here, there, mine, other) => {
  const user = (text: string) => `[user anna]\njail = ${J}\n${text}`;
  m.write(USUAL, `[jail ${J}]\nproc = no\n${user(there)}`);
  m.write(FILE, `[jail ${J}]\nproc = yes\n${user(here)}`);
  expect(warnings("--check", FILE).map((line) => line.replace(/: 'jailkit apply'.*/, ""))).toEqual([
    `jail ${J}: declared in ${FILE}:1 with proc yes, and in ${USUAL}:1 with proc no`,
    `user anna: declared in ${FILE}:3 with ${mine}, and in ${USUAL}:3 with ${other}`,
  ]);
});

describe("a file that is to be renamed into jails.d", () => {
  const [OTHER, NEW] = ["/etc/jailkit/jails.d/b.ini", "/etc/jailkit/jails.d/b.ini.tmp"];
  const one = (jail: string, name: string, more: string) =>
    `[jail ${jail}]\nsections = uidbasics, basicshell\n[user ${name}]\njail = ${jail}\nshell = /bin/bash\n${more}`;

  afterEach(() => {
    for (const file of [OTHER, NEW]) m.remove(file);
    m.write(USUAL, "");
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  });

  const problems = () => {
    const { status, summary } = linesOf(m, "--check", NEW);
    return [
      status,
      ...summary.problems.map(({ code, message }) => `${code} ${message.slice(NEW.length + 1)}`),
    ];
  };

  test.each([
    [
      "a uid",
      one("/srv/b", "bob", "uid = 6001\n"),
      `config-invalid 6:7: error: the uid 6001 is declared for 'anna' already, in line 4 of ${USUAL} [taken]`,
    ],
    [
      "a home",
      `[user bob]\njail = ${J}\nshell = /bin/bash\nhome = /home/anna\n`,
      `config-invalid 4:8: error: '/home/anna' is the home of 'anna' in this jail, in line 4 of ${USUAL}: name another one with the key 'home' [taken]`,
    ],
    [
      "a jail",
      `[jail ${J}]\nsections = uidbasics\n`,
      `config-invalid 1:1: error: section 'jail ${J}' is there already, in line 1 of ${USUAL} [duplicate-section]`,
    ],
    [
      "a user",
      `[user anna]\njail = ${J}\nshell = /bin/bash\n`,
      `config-invalid 1:1: error: section 'user anna' is there already, in line 4 of ${USUAL} [duplicate-section]`,
    ],
  ])("may not have %s of another file", (_, text, problem) => {
    m.write(USUAL, declared("/bin/bash", "uid = 6001\n"));
    m.write(NEW, text);
    expect(problems()).toEqual([1, problem]);
    m.must(["mv", NEW, OTHER]);
    // As the next run says.
    expect(linesOf(m, "--check").summary.problems.map(({ code }) => code)).toEqual(["config-invalid"]);
  });

  test("may have all that the file has which it replaces", () => {
    m.write(USUAL, "");
    m.write(OTHER, one("/srv/b", "bob", "uid = 6001\n"));
    m.write(NEW, one("/srv/b", "rob", "uid = 6001\n"));
    expect(problems()).toEqual([10]);
  });

  test("is not compared with the file that it replaces, until it is applied under its own name", () => {
    m.write(USUAL, "");
    m.write(OTHER, one("/srv/b", "bob", `authorized_keys = ${KEYS[0]}\n`));
    const text = one("/srv/b", "bob", `authorized_keys = ${KEYS[1]}\n`);
    m.write(NEW, text.replace("basicshell", "basicshell, extendedshell").replace("/bin/bash", "/bin/sh"));
    expect([problems(), warnings("--check", NEW), warnings("--check", "--prune", NEW)]).toEqual([
      [10],
      [],
      [],
    ]);
    const told = warnings(NEW);
    expect(told).toHaveLength(3);
    expect(told[0]).toContain(`${NEW}:1 declares sections extendedshell, and ${OTHER}:1 does not`);
  });

  test("is to be elsewhere: that is a warning, since it may replace any", () => {
    m.write(USUAL, declared("/bin/bash", "uid = 6001\n"));
    m.write(FILE, `[user bob]\njail = ${J}\nshell = /bin/bash\nuid = 6001\nhome = /home/anna\n`);
    const then = `with both, 'jailkit apply' without FILE does nothing; declare another one`;
    expect(warnings("--check", FILE)).toEqual(
      ["uid 6001", `home '${J}/./home/anna'`].map(
        (what) => `user bob: declared in ${FILE}:1 with ${what}, and so is 'anna' in ${USUAL}:4: ${then}`,
      ),
    );
  });
});

test("a jail that another file declares is not to be declared twice: that file is to be applied first", () => {
  const [jail, users] = ["/etc/jailkit/jails.d/jail.ini", "/etc/jailkit/jails.d/users.ini"];
  m.write(jail, "[jail /srv/two]\nsections = uidbasics, basicshell\n");
  m.write(users, "[user kim]\njail = /srv/two\nshell = /bin/bash\n");
  const { status, summary } = linesOf(m, users);
  const remedy = `jailkit apply ${jail}`;
  const message = `jail /srv/two: it does not exist, and users are declared in it (kim); ${jail}:1:7 declares it: apply that first: ${remedy}`;
  expect([status, summary.problems.map((one) => [one.code, one.message, one.remedy])]).toEqual([
    1,
    [
      ["no-such-jail", message, remedy],
      ["waits-for-jail", "user kim: waits for the jail '/srv/two'", null],
    ],
  ]);
  m.must(remedy.split(" "));
  expect(linesOf(m, users).status).toBe(0);
});
