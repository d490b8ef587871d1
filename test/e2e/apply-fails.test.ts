/**
 * `jailkit apply` where something fails: what takes something away is made all the same, what gives something waits for all
 * that it rests on, the report says which and why, and the next run does the rest.
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
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import type { Machine, MachineProcess } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const SECTIONS = "uidbasics, basicshell, sftp";
const jail = (...lines: string[]) => `[jail ${J}]\n${lines.join("\n")}\n`;
const user = (name: string, ...lines: string[]) => `[user ${name}]\njail = ${J}\n${lines.join("\n")}\n`;
const BASH = "shell = /bin/bash";
const SFTP = "allow = sftp";
const keys = (...lines: string[]) => `authorized_keys =\n${lines.map((line) => `  ${line}\n`).join("")}`;

/** Each kind of change of a user: declared before and after, and what is done of it after something has failed. */
const CASES: readonly { name: string; before: readonly string[]; after: readonly string[]; did: string }[] = [
  { name: "stricter", before: ["allow = sftp, scp upload"], after: [SFTP], did: "done ~policy" },
  { name: "wider", before: [SFTP], after: ["allow = sftp, scp upload"], did: "not-done ~policy" },
  {
    ...{ name: "other", did: "not-done ~policy" },
    ...{ before: ["allow = sftp, scp upload", "network = local"], after: ["allow = sftp, rsync download"] },
  },
  {
    name: "lower",
    before: ["allow = sftp", "write = ~"],
    after: ["allow = sftp read-only", "write = ~/up"],
    did: "done ~policy",
  },
  { name: "confined", before: [BASH], after: [BASH, "confine = 1"], did: "done +policy" },
  { name: "freed", before: [BASH, "confine = 1"], after: [BASH], did: "not-done -policy" },
  { name: "leaves", before: [SFTP, "groups = team"], after: [SFTP], did: "done -groups" },
  { name: "joins", before: [SFTP], after: [SFTP, "groups = team"], did: "not-done +groups" },
  { name: "loses", before: [SFTP, keys(...KEYS)], after: [SFTP, keys(KEYS[0])], did: "done -keys" },
  { name: "gains", before: [SFTP, keys(KEYS[0])], after: [SFTP, keys(...KEYS)], did: "not-done +keys" },
  {
    ...{ name: "restricted", did: "done ~keys" },
    ...{ before: [SFTP, keys(KEYS[0])], after: [SFTP, keys(`restrict,pty ${KEYS[0]}`)] },
  },
  {
    ...{ name: "permitted", did: "not-done ~keys" },
    ...{ before: [SFTP, keys(`no-pty ${KEYS[0]}`)], after: [SFTP, keys(KEYS[0])] },
  },
  {
    ...{ name: "elsewhere", did: "not-done ~keys" },
    ...{
      before: [SFTP, keys(`from="10.0.0.1" ${KEYS[0]}`)],
      after: [SFTP, keys(`from="10.0.0.2" ${KEYS[0]}`)],
    },
  },
  { name: "closes", before: [BASH], after: [SFTP], did: "done +policy, done ~shell" },
  { name: "opens", before: [SFTP], after: [BASH], did: "not-done ~shell, not-done -policy" },
  { name: "outer", before: [BASH], after: [BASH], did: "done ~account" },
  { name: "locked", before: [BASH], after: [BASH], did: "not-done ~account" },
  {
    name: "renamed",
    before: [SFTP, "comment = One"],
    after: [SFTP, "comment = Another"],
    did: "done ~comment",
  },
  {
    name: "limits",
    before: [BASH],
    after: [BASH, "groups = jailed, team, tunnel, sftponly, operators"],
    did: "done +groups, not-done +groups",
  },
  { name: "forwards", before: [BASH], after: [BASH, "groups = tunnel"], did: "not-done +groups" },
  {
    ...{ name: "replaces", did: "done +keys, done -keys" },
    ...{ before: [SFTP, keys(KEYS[0])], after: [SFTP, keys(KEYS[1])] },
  },
  {
    ...{ name: "relaxes", did: "done -keys, not-done +keys" },
    ...{ before: [SFTP, keys(`restrict ${KEYS[0]}`)], after: [SFTP, keys(KEYS[1])] },
  },
  { name: "comes", before: [], after: [SFTP], did: "not-done +policy, not-done +account" },
];

const all = (which: "before" | "after") =>
  CASES.map((one) => (one[which].length === 0 ? "" : user(one.name, ...one[which]))).join("");

let m: Machine;
let session: MachineProcess | undefined;

beforeAll(async () => {
  m = await openApplyMachine();
  m.mkdir("/etc/jailkit/jk_init.d", { mode: 0o755 });
  m.write("/etc/jailkit/jk_init.d/more.ini", "[more]\npaths = /usr/bin/tac\n");
  m.must(["sh", "-ec", "groupadd tunnel; groupadd sftponly; groupadd operators"]);
  m.write("/etc/sudoers.d/operators", "%operators ALL=(ALL) ALL\n", { mode: 0o440 });
  m.write(
    "/etc/ssh/sshd_config",
    [
      m.read("/etc/ssh/sshd_config"),
      "Match Group jailed,sftponly,operators\n  AllowTcpForwarding no",
      "Match Group tunnel\n  AllowTcpForwarding yes",
      "Match Group sftponly\n  ForceCommand internal-sftp\n",
    ].join("\n"),
  );
});
afterAll(() => m?.close());

/** As declared before, with login shells on the host that somebody has changed. */
function begin(...lines: string[]): void {
  m.write(FILE, jail(`sections = ${SECTIONS}`, ...lines) + all("before"));
  m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  m.must(["usermod", "-s", "/bin/sh", "outer"]);
  m.must(["usermod", "-s", "/usr/sbin/nologin", "locked"]);
}

afterEach(async () => {
  session?.end();
  await session?.ended;
  session = undefined;
});

type Run = ReturnType<typeof linesOf>;

const SIGNS = { create: "+", change: "~", remove: "-" };

/** What was done of each user, as in CASES. */
const ofUsers = ({ changes }: Pick<Run, "changes">) =>
  Object.fromEntries(
    CASES.map(({ name }) => [
      name,
      changes
        .filter((change) => change.of === "user" && change.name === name)
        .map(
          ({ status, action, what }) => `${status === "planned" ? "done" : status} ${SIGNS[action]}${what}`,
        )
        .join(", "),
    ]),
  );

/** The lines of a jail's changes. */
const ofJail = ({ changes }: Pick<Run, "changes">) =>
  changes.flatMap(({ of, status, action, what }) =>
    of === "jail" ? `${status} ${SIGNS[action]}${what}` : [],
  );

const EXPECTED = Object.fromEntries(CASES.map(({ name, did }) => [name, did]));

/** The state of the machine after a run that failed. */
function expectNoGifts(): void {
  const lsh = m.read(`${J}/etc/jailkit/jk_lsh.ini`);
  const rules = (name: string) => lsh.split(`[${name}]\n`)[1]?.split("\n[")[0]?.trim();
  expect({
    stricter: rules("stricter"),
    wider: rules("wider"),
    closes: rules("closes"),
    comes: rules("comes"),
  }).toEqual({
    ...{ stricter: SFTP, wider: SFTP, closes: SFTP, comes: undefined },
  });
  // What both allow.
  expect(rules("other")).toBe("allow = sftp\nnetwork = local");
  expect(m.exists("/etc/jailkit/jk_chrootsh.d")).toBe(true);
  const settings = m.must(["sh", "-c", "cat /etc/jailkit/jk_chrootsh.d/*"]).stdout;
  expect(settings).toContain("[confined]");
  expect(settings).toContain("[freed]");
  const groups = m.must(["getent", "group", "team", "tunnel", "sftponly", "operators"]).stdout;
  expect(groups).toContain("tunnel:");
  expect(groups).not.toContain("forwards");
  expect(groups).not.toContain("leaves");
  expect(groups).not.toContain("joins");
  expect(groups).not.toContain("limits");
  for (const root of ["", J]) expect(m.read(`${root}/etc/group`)).toMatch(/^jailed:.*limits/m);
  expect(m.read("/etc/passwd")).toMatch(/^renamed:[^:]*:[^:]*:[^:]*:Another:/m);
  expect(m.read(`${J}/etc/passwd`)).toMatch(/^renamed:[^:]*:[^:]*:[^:]*:Another:/m);
  const keysOf = (name: string) => m.read(`${J}/home/${name}/.ssh/authorized_keys`).trim();
  expect(keysOf("loses")).toBe(KEYS[0]);
  expect(keysOf("gains")).toBe(KEYS[0]);
  expect(keysOf("replaces")).toBe(KEYS[1]);
  expect(keysOf("relaxes")).toBe("");
  expect(keysOf("restricted")).toBe(`restrict,pty ${KEYS[0]}`);
  expect(keysOf("permitted")).toBe(`no-pty ${KEYS[0]}`);
  expect(keysOf("elsewhere")).toBe("");
  const inside = m.read(`${J}/etc/passwd`);
  expect(inside).toMatch(/^closes:.*\/jk_lsh$/m);
  expect(inside).toMatch(/^opens:.*\/jk_lsh$/m);
  const accounts = m.read("/etc/passwd");
  expect(accounts).toMatch(/^outer:.*\/jk_chrootsh$/m);
  expect(accounts).toMatch(/^locked:.*\/nologin$/m);
  expect(accounts).not.toContain("comes:");
}

/** The next run does the rest. */
function expectRest(): void {
  expect(linesOf(m, "--prune").summary.problems).toEqual([]);
  expect(linesOf(m, "--check", "--prune").status).toBe(0);
  expect(m.read("/etc/passwd")).toContain("comes:");
  expect(m.must(["sh", "-c", "cat /etc/jailkit/jk_chrootsh.d/*"]).stdout).not.toContain("[freed]");
}

/** What waits, and for what. */
const waitsOf = ({ changes }: Pick<Run, "changes">) =>
  new Set(changes.flatMap(({ status, waits }) => (status === "not-done" ? [waits] : [])));

describe("something of the jail fails", () => {
  beforeEach(() => {
    begin("proc = yes", "log_socket = yes");
  });

  test("that takes something away: a process is in its proc", async () => {
    session = m.start(["sh", "-c", `cd ${J}/proc && echo there && exec cat`], { user: "wider" });
    await session.until(({ stdout }) => (stdout.includes("there") ? true : undefined));
    m.write(FILE, jail(`sections = ${SECTIONS}, more`, "proc = no", "log_socket = no") + all("after"));
    const run = linesOf(m, "--prune");
    expect(run.status).toBe(1);
    expect(ofJail(run)).toEqual(["done +sections", "done -log-socket", "failed -proc"]);
    expect(ofUsers(run)).toEqual(EXPECTED);
    expect(waitsOf(run)).toEqual(new Set([`jail ${J}: proc`]));
    expectNoGifts();
    const { stderr } = m.run(["jailkit", "apply", "--prune"]);
    expect(stderr).toContain(`jailkit apply: user joins: not done: groups; it waits for jail ${J}: proc\n`);
    session.end();
    await session.ended;
    expectRest();
  });

  test("that gives something: a file of a section cannot be copied", () => {
    m.write(FILE, jail(`sections = ${SECTIONS}, more`, "proc = no", "log_socket = no") + all("after"));
    const inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=linkat"];
    const { stdout, status } = m.run([
      ...inject,
      ...["-e", "inject=linkat:error=EIO", "jailkit", "apply", "--json", "--prune"],
    ]);
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line) => reportOf(REPORT_SCHEMAS["jailkit apply"], line));
    const run = { changes: lines.flatMap((line) => ("change" in line ? [line.change] : [])) };
    expect(status).toBe(1);
    expect(ofJail(run)).toEqual(["failed +sections", "done -log-socket", "done -proc"]);
    expect(ofUsers(run)).toEqual(EXPECTED);
    expect(waitsOf(run)).toEqual(new Set([`jail ${J}: sections`]));
    expectNoGifts();
    expectRest();
  });

  test("that is foreseen: a section does not exist", () => {
    m.write(FILE, jail(`sections = ${SECTIONS}, nosuch`, "proc = no", "log_socket = no") + all("after"));
    const planned = linesOf(m, "--check", "--prune");
    expect(ofJail(planned)).toEqual(["planned -log-socket", "planned -proc"]);
    expect(ofUsers(planned)).toEqual(EXPECTED);
    const run = linesOf(m, "--prune");
    expect(run.status).toBe(1);
    expect(run.changes.map(({ text }) => text)).toEqual(planned.changes.map(({ text }) => text));
    expect(ofJail(run)).toEqual(["done -log-socket", "done -proc"]);
    expect(ofUsers(run)).toEqual(EXPECTED);
    expect(waitsOf(run)).toEqual(new Set([`jail ${J}`]));
    expectNoGifts();
    m.write(FILE, jail(`sections = ${SECTIONS}`, "proc = no", "log_socket = no") + all("after"));
    expectRest();
  });

  test("that is foreseen: what somebody has brought by hand does not become the declaration's own", () => {
    m.must(["jk_init", "-j", J, "more"]);
    m.write(
      FILE,
      jail(`sections = ${SECTIONS}, more, nosuch`, "proc = no", "log_socket = no") + all("before"),
    );
    const run = linesOf(m, "--prune");
    expect([run.status, ofJail(run)]).toEqual([1, ["done -log-socket", "done -proc"]]);
    m.write(FILE, jail(`sections = ${SECTIONS}`, "proc = no", "log_socket = no") + all("before"));
    expect(ofJail(linesOf(m, "--prune"))).toEqual([]);
  });
});

/** One user, who has groups, keys and rules that go, and others that come. */
const ONE = {
  before: user("one", "allow = sftp, scp upload", "groups = team", keys(...KEYS)),
  after: user("one", SFTP, "groups = other", keys(KEYS[0])),
};
const TAKEN = ["done ~policy", "done -groups", "done -keys"];

const ofOne = ({ changes }: Pick<Run, "changes">) =>
  changes.flatMap(({ name, status, action, what }) =>
    name === "one" ? [`${status} ${SIGNS[action]}${what}`] : [],
  );

const isTaken = () => {
  expect(m.must(["id", "-Gn", "one"]).stdout.trim().split(" ")).not.toContain("team");
  expect(m.read(`${J}/etc/group`)).not.toMatch(/^team:.*one/m);
  expect(m.read(`${J}/home/one/.ssh/authorized_keys`).trim()).toBe(KEYS[0]);
};

describe("the jail of a user cannot be opened", () => {
  beforeAll(() => {
    m.must(["groupadd", "-f", "other"]);
  });

  const has = (one: string) => m.write(FILE, jail(`sections = ${SECTIONS}`) + one);

  beforeEach(() => {
    has(ONE.before);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  });

  test("it lacks the shell: what is taken away is taken all the same, and the error is told once", () => {
    m.must(["mv", `${J}/bin/sh`, `${J}/bin/sh.off`]);
    has(ONE.after.replace(SFTP, "shell = /bin/sh").replace("groups", "confine = 1\ngroups"));
    const [planned, done] = [linesOf(m, "--check", "--prune"), linesOf(m, "--prune")];
    m.must(["mv", `${J}/bin/sh.off`, `${J}/bin/sh`]);
    expect(ofOne(planned)).toEqual(["planned -groups", "planned -keys"]);
    expect([done.status, ofOne(done)]).toEqual([1, ["done -groups", "done -keys"]]);
    expect(done.summary.problems.map(({ message }) => message)).toEqual([
      expect.stringContaining(
        `${J}/bin/sh' was removed from the jail: bring it back with: jk_update -j ${J}`,
      ),
    ]);
    isTaken();
    expect(ofOne(linesOf(m, "--prune"))).toEqual([
      ...["done +policy", "done ~shell", "done +groups", "done -policy"],
    ]);
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
  });

  test("it has no account files any more", () => {
    m.must(["mv", `${J}/etc/passwd`, `${J}/etc/passwd.off`]);
    has(ONE.after);
    const done = linesOf(m, "--prune");
    m.must(["mv", `${J}/etc/passwd.off`, `${J}/etc/passwd`]);
    expect([done.status, ofOne(done)]).toEqual([1, TAKEN]);
    isTaken();
    expect(ofOne(linesOf(m, "--prune"))).toEqual(["done +groups"]);
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
  });

  test("users could change it: what is on this machine goes, and the rest when it is safe", () => {
    m.must(["chmod", "o+w", `${J}/etc`]);
    has(ONE.after);
    const [planned, done] = [linesOf(m, "--check", "--prune"), linesOf(m, "--prune")];
    m.must(["chmod", "o-w", `${J}/etc`]);
    expect(done.status).toBe(1);
    expect(planned.summary.problems).toEqual(done.summary.problems);
    expect(ofOne(planned)).toEqual(ofOne(done).map((text) => text.replace(/^done/, "planned")));
    expect(ofOne(done).slice(0, 1)).toEqual(["done -keys"]);
    expect(ofOne(done)).toContain("not-done -groups");
    expect(m.must(["id", "-Gn", "one"]).stdout.trim().split(" ")).not.toContain("team");
    linesOf(m, "--prune");
    isTaken();
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
  });
});

describe("something of a user fails", () => {
  const has = (one: string) => m.write(FILE, jail(`sections = ${SECTIONS}`) + one);

  beforeEach(() => {
    has(ONE.before);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  });

  test("that is foreseen: it has another home", () => {
    has(ONE.after.replace("groups", "home = /home/another\ngroups"));
    const [planned, done] = [linesOf(m, "--check", "--prune"), linesOf(m, "--prune")];
    expect(ofOne(planned)).toEqual(TAKEN.map((text) => text.replace("done", "planned")));
    expect([done.status, ofOne(done)]).toEqual([1, TAKEN]);
    expect(planned.summary.problems).toEqual(done.summary.problems);
    isTaken();
    has(ONE.after);
    expect(ofOne(linesOf(m, "--prune"))).toEqual(["done +groups"]);
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
  });

  test("an account that may be another one loses nothing", () => {
    has(ONE.after.replace("groups", "uid = 4242\ngroups"));
    const { status, changes } = linesOf(m, "--prune");
    expect([status, changes]).toEqual([1, []]);
    expect(m.must(["id", "-Gn", "one"]).stdout.trim().split(" ")).toContain("team");
  });

  test("a group that cannot be left keeps it in no other one, and with no key", () => {
    has(ONE.before.replace("groups = team", "groups = team, other"));
    m.must(["jailkit", "apply"]);
    has(user("one", SFTP));
    // Of two calls the first fails.
    m.must(["sh", "-c", "cp /usr/bin/gpasswd /usr/bin/gpasswd.real"]);
    m.write("/usr/bin/gpasswd", '#!/bin/sh\n[ "$3" = team ] && exit 3\nexec /usr/bin/gpasswd.real "$@"\n', {
      mode: 0o755,
    });
    const done = linesOf(m, "--prune");
    m.must(["mv", "/usr/bin/gpasswd.real", "/usr/bin/gpasswd"]);
    expect([done.status, ofOne(done)]).toEqual([1, ["done ~policy", "failed -groups", "done -keys"]]);
    expect(m.must(["id", "-Gn", "one"]).stdout.trim().split(" ")).not.toContain("other");
    expect(ofOne(linesOf(m, "--prune"))).toEqual(["done -groups"]);
  });
});

/** Nothing is taken out of a list in which an item is misspelt; what other keys take away goes. */
describe("an item of a list does not exist", () => {
  const FILES = "files = /usr/bin/tac";
  const has = (user: string, ...lines: string[]) => m.write(FILE, jail(...lines) + user);

  beforeEach(() => {
    has(ONE.before, `sections = ${SECTIONS}`, FILES);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
  });

  /** The plan, the run and what is told, with and without --prune. */
  const told = () => {
    const [planned, run] = [linesOf(m, "--check", "--prune"), linesOf(m, "--prune")];
    expect(planned.summary.problems).toEqual(run.summary.problems);
    expect(planned.changes.map(({ text }) => text)).toEqual(run.changes.map(({ text }) => text));
    expect([planned.summary.noLongerDeclared, run.status]).toEqual([[], 1]);
    const [{ message, finding } = {}] = run.summary.problems;
    return { ...run, message, finding };
  };

  test.each(["taem", "other, 4294967"])("groups = %s", (groups) => {
    m.must(["groupadd", "-f", "other"]);
    has(ONE.after.replace("groups = other", `groups = ${groups}`), `sections = ${SECTIONS}`, FILES);
    const without = linesOf(m, "--check");
    expect(without.summary.noLongerDeclared.join()).not.toContain("groups");
    const run = told();
    expect([run.finding, ofOne(run)]).toEqual(["unknown-group", ["done ~policy", "done -keys"]]);
    expect(run.message).toMatch(
      /^user one: nothing is taken out of 'groups' until it is right: there is no group/,
    );
    expect(m.must(["id", "-Gn", "one"]).stdout.trim().split(" ")).toContain("team");
    has(ONE.after, `sections = ${SECTIONS}`, FILES);
    expect(ofOne(linesOf(m, "--prune"))).toEqual(["done +groups", "done -groups"]);
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
  });

  test.each([
    ["sections", `sections = ${SECTIONS.replace("sftp", "sfpt")}`, FILES, []],
    ["files", `sections = ${SECTIONS}`, "files = /usr/bin/tacc", []],
    ["files", `sections = ${SECTIONS.replace(", sftp", "")}`, "files = tacc", ["done -sections"]],
    ["sections", `sections = ${SECTIONS.replace("sftp", "sfpt")}`, "files = /usr/bin/rev", ["done -files"]],
  ])("%s: %s, %s", (list, sections, files, done) => {
    m.must(["cp", "/usr/bin/tac", "/usr/bin/rev"]);
    has(ONE.before, sections, files);
    const run = told();
    expect(ofJail(run).filter((one) => one.includes("-") && !one.startsWith("not-done"))).toEqual(done);
    expect(run.finding).toBe(list === "files" ? "no-such-path" : "unknown-section");
    expect(run.message).toStartWith(`jail ${J}: nothing is taken out of '${list}' until it is right: `);
    has(ONE.before, `sections = ${SECTIONS}`, FILES);
    expect(linesOf(m, "--prune").status).toBe(0);
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
  });

  test("a live directory", () => {
    m.mkdir("/opt/one");
    const live = (name: string) => m.write(FILE, `[jail /srv/live]\nlive = /usr, /opt/${name}\n`);
    live("one");
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    live("onne");
    expect(told().message).toBe(
      "jail /srv/live: nothing is taken out of 'live' until it is right: /opt/onne: is no directory of this machine; bring it back, as by a mount, or take it out of 'live': then --prune takes it out of the jail, too",
    );
    expect(m.must(["cat", "/proc/self/mounts"]).stdout).toContain(" /srv/live/opt/one ");
    live("one");
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
  });
});

describe("a user who is not declared any more cannot leave", () => {
  const has = (text: string) => m.write(FILE, jail(`sections = ${SECTIONS}`) + text);

  test.each([
    ["an account that apply created", user("gone", BASH, "groups = team", keys(...KEYS)), "account"],
    ["one of before", user("older", BASH, "groups = team", keys(...KEYS)), "entry"],
  ])("a session goes on: groups and keys go all the same: %s", async (_, declared, what) => {
    const [, name = ""] = /\[user (\w+)\]/.exec(declared) ?? [];
    // The home of the other one stays, and has the first uid.
    if (what === "entry") m.addUser(name, { uid: 4001, createHome: true, home: `/home/${name}` });
    has(declared);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    session = m.start(["sh", "-c", "echo there && exec cat"], { user: name });
    await session.until(({ stdout }) => (stdout.includes("there") ? true : undefined));
    has("");
    const { status, changes } = linesOf(m, "--prune");
    expect([status, changes.map((one) => `${one.status} ${one.what}`)]).toEqual([1, [`failed ${what}`]]);
    expect(m.must(["id", "-Gn", name]).stdout.trim().split(" ")).not.toContain("team");
    expect(m.read(`${J}/home/${name}/.ssh/authorized_keys`)).toBe("");
    session.end();
    await session.ended;
    expect(linesOf(m, "--prune").status).toBe(0);
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
  });

  test("another one has a home in its home: groups and keys go, and the account stays", () => {
    m.addUser("holder", { uid: 4002, createHome: true, home: "/home/holder" });
    has(user("holder", BASH, "groups = team", keys(...KEYS)));
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    m.must(["useradd", "-M", "-d", `${J}/./home/holder/inner`, "-s", "/usr/sbin/jk_chrootsh", "inner"]);
    m.must(["install", "-d", "-o", "inner", `${J}/home/holder/inner`]);
    has("");
    const planned = linesOf(m, "--check", "--prune");
    const run = linesOf(m, "--prune");
    m.must(["userdel", "inner"]);
    expect([run.status, run.changes.map((one) => `${one.status} ${one.what}`)]).toEqual([
      ...[1, ["done entry"]],
    ]);
    expect(planned.changes.map(({ text }) => text)).toEqual(run.changes.map(({ text }) => text));
    expect(run.summary.problems.map(({ message }) => message)).toEqual([
      expect.stringMatching(/^user holder: is not declared any more, and stays: /),
    ]);
    expect(m.must(["id", "-Gn", "holder"]).stdout.trim().split(" ")).not.toContain("team");
    expect(m.read(`${J}/home/holder/.ssh/authorized_keys`)).toBe("");
    expect(m.read("/etc/passwd")).toMatch(new RegExp(`^holder:.*:${J}/\\./home/holder:`, "m"));
    m.must(["rm", "-r", `${J}/home/holder/inner`]);
    expect(linesOf(m, "--prune").status).toBe(0);
    expect(linesOf(m, "--check", "--prune").status).toBe(0);
  });

  test("an account cannot be removed: a run does not tell again what the one before has done", () => {
    has(user("shelly", BASH, "confine = 1", "groups = team", keys(...KEYS)) + user("sftpy", SFTP));
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    m.must(["sh", "-ec", "mv /usr/sbin/userdel /root; ln -s /bin/false /usr/sbin/userdel"]);
    has("");
    const steps = () => linesOf(m, "--prune").changes.map((one) => [one.status, one.of, one.steps]);
    const [first, second] = [steps(), steps()];
    const { stdout } = m.run(["jailkit", "apply", "--prune"]);
    m.must(["mv", "/root/userdel", "/usr/sbin/userdel"]);
    expect(first).toMatchObject([
      [
        "failed",
        "user",
        expect.arrayContaining([
          "removed /etc/jailkit/jk_chrootsh.d/shelly.ini",
          "removed 2 keys from its authorized_keys",
        ]),
      ],
      ["failed", "user", expect.arrayContaining([`took the section [sftpy] out of the jk_lsh.ini of ${J}`])],
    ]);
    expect(second).toEqual(Array(2).fill(["failed", "user", []]));
    expect(stdout).not.toMatch(/^ {2}(?:removed|took) /m);
    expect(linesOf(m, "--prune").changes.map(({ status, steps: made }) => [status, made])).toEqual(
      ["shelly", "sftpy"].map((name) => ["done", [`removed the account '${name}'`]]),
    );
  });
});
