/**
 * The remedies of jk_check, typed as printed at a login shell: the finding is gone, there is no new one, logins work,
 * and nothing of the jail's system part is missing. For each rule, the faults of check-faults.ts.
 */
import { afterAll, beforeAll, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { RULES, type Rule } from "../../src/check/rules.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { FAULTS, JAIL, makeJail, SINGLE_FAULTS } from "./check-faults.ts";
import { check } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(600_000);

const OF_A_RULE = 1;
let m: Machine;
let ran = 0;
let baseline: string[] = [];

const INSTEAD = new Set<Rule>([
  "missing-library",
  "missing-interpreter",
  "home-missing",
  "registry-unsafe",
  "own-shell",
  "user-not-in-jail",
  "bad-separator",
  "writable-for-group",
]);

/** Rules whose findings no command fixes, and why. */
const NO_COMMAND: Readonly<Partial<Record<Rule, string>>> = {
  "dangerous-program": "the program was asked for: whether it is to go is the administrator's to say",
  "inner-jail": "where one of the two is to be is the administrator's to say",
  "too-many": "it stands for more findings of another rule",
  "user-mount": "a user's program has to serve it: test/attack/user-mounts.test.ts types the command",
};
/** What a remedy has to change, though none else may. */
const SHELL_IS_THE_FAULT = new Set<Rule>(["wrong-shell", "shell-missing"]);
/** What a finding hides until it is fixed, by rule. */
const UNCOVERS: Readonly<Partial<Record<string, Rule>>> = {
  // It does no harm any more, and is not checked.
  "live-mount": "host-mount",
};
/** What the host lost goes from the jail too. */
const GOES = new Set<Rule>(["source-gone", "own-shell"]);
/** Findings that are reported in more than one way. */
const KEPT = ["/etc", "/srv", "/opt/data", "/var/lib/jailkit", "/home"];

const chosen = [
  ...Object.keys(RULES).flatMap((rule) =>
    FAULTS.filter((one) => one.rule === rule && !INSTEAD.has(one.rule)).slice(0, OF_A_RULE),
  ),
  ...SINGLE_FAULTS,
].filter(({ rule }) => NO_COMMAND[rule] === undefined);

test("the remedy works: smoke-test", () => {
  onTestFinished(() => restore(false));
  const failed = () => {
    const report = reportOf(checkReportSchema, m.run(["jk_check", "--run", "--json", JAIL]).stdout);
    return report.jails.flatMap(({ findings }) => findings).filter(({ rule }) => rule === "smoke-test");
  };
  expect(failed()).toEqual([]);
  m.must(["truncate", "-s", "5000", `${JAIL}/usr/bin/rsync`]);
  const [first] = failed();
  typeRemedy(m, first?.remedy ?? "false");
  ran++;
  expect({ remedy: first?.remedy, left: failed() }).toEqual({ remedy: first?.remedy, left: [] });
  expect(keys(told())).toEqual(baseline);
});

describe("the remedy works: not-confined", () => {
  const CHROOTSH = "/etc/jailkit/jk_chrootsh.ini";
  const UCHROOT = "/etc/jailkit/jk_uchroot.ini";
  const LSH = `${JAIL}/etc/jailkit/jk_lsh.ini`;
  const unconfined = () => {
    const { found, jails } = check(m, "--confinement", JAIL);
    expect(jails.flatMap(({ problems }) => problems)).toEqual([]);
    return found.filter(({ rule }) => rule === "not-confined");
  };
  const heals = (path: string, ...mentioned: string[]) => {
    const before = unconfined().filter((one) => one.path === path);
    expect(before[0]).toMatchObject({ level: "warning", subject: "accounts" });
    for (const text of mentioned) expect(before[0]?.message).toContain(text);
    // One line for each account, and what to write for all of them once.
    expect(before.flatMap(({ remedy }) => remedy ?? [])).toHaveLength(1);
    typeRemedy(m, before[0]?.remedy ?? "false");
    ran++;
    const left = unconfined().filter((one) => one.path === path);
    expect({ remedy: before[0]?.remedy, left }).toEqual({ remedy: before[0]?.remedy, left: [] });
    expect(login().status).toBe(0);
  };

  test.each([
    [
      "",
      ["the logins of u by execute = system, syscalls = login, scope = 1 and no_new_privs = 1", "no section"],
    ],
    ["[DEFAULT]\nconfine = 0\n", [":2:", "in section [DEFAULT] confine is '0'"]],
    ["[DEFAULT]\nno_new_privs = 1\n", [":1:", "confine is missing"]],
    ["[DEFAULT]\nconfine = 0\nno_new_privs = 0\nsyscalls = any\nexecute = any\n", ["syscalls is 'any'"]],
    ["[u]\nconfine = 0\n[DEFAULT]\nconfine = 1\n", ["the logins of u by execute", "in section [u]"]],
    [
      "[u]\nconfine = 1\nscope = 0\n[DEFAULT]\nconfine = 1\n",
      ["u by scope = 1, and does not: in section [u]"],
    ],
    ["[DEFAULT]\nread = ~\n", ["u by execute = system, syscalls = login and scope = 1, and does not"]],
  ])("of jk_chrootsh.ini: %j", (text, mentioned) => {
    onTestFinished(() => restore(false));
    m.write(CHROOTSH, text);
    heals(CHROOTSH, ...mentioned);
  });

  test.each([
    ["confine = 0", "confine is '0'"],
    ["syscalls = any", "syscalls is 'any'"],
    ["execute = any", "execute is 'any'"],
    ["confine = 0\nno_new_privs = 0\nexecute = any", "confine is '0' and execute is 'any'"],
  ])("of jk_lsh.ini: %j", (lines, mentioned) => {
    onTestFinished(() => restore(false));
    m.write(LSH, `[x]\nexecutables = /usr/bin/id\n[u]\nexecutables = /usr/bin/id\n${lines}\n`);
    heals(LSH, ":5:", "in section [u]", mentioned);
  });

  test.each([
    ["confine = 0", "by execute = system, syscalls = login and scope = 1, and does not: in section [g]"],
    ["allow_setuid = 1", "allow_setuid is '1'"],
    ["scope = 0", "by scope = 1, and does not"],
  ])("of jk_uchroot.ini: %j", (lines, mentioned) => {
    onTestFinished(() => restore(false));
    m.write(UCHROOT, `[g]\nallowed_jails = ${JAIL}\n${lines}\n[v]\nallowed_jails = ${JAIL}\n`);
    heals(UCHROOT, ":3:", mentioned);
    m.write(UCHROOT, `[g]\nallowed_jails = /srv/another\n${lines}\n`);
    expect(unconfined().filter(({ path }) => path === UCHROOT)).toEqual([]);
  });

  test("there is one line for each account, and each names what is missing", () => {
    onTestFinished(() => restore(false));
    m.write(CHROOTSH, "[u]\nconfine = 1\n[DEFAULT]\nconfine = 1\nscope = 0\n");
    const told = unconfined().filter(({ path }) => path === CHROOTSH);
    expect(told.map(({ message }) => message.replace(/^.*the logins of/, ""))).toEqual(
      ["v", "w", "x"].map((name) => ` ${name} by scope = 1, and does not: in section [DEFAULT] scope is '0'`),
    );
    expect(told.map(({ remedy }) => remedy !== undefined)).toEqual([true, false, false]);
  });

  test("what confines is not reported, nor users of the limited shell, nor anything without the option", () => {
    onTestFinished(() => restore(false));
    m.write(
      LSH,
      "[u]\nexecutables = /usr/bin/id\nconfine = 0\nexecute = system\nsyscalls = login\nscope = 1\n",
    );
    m.write(CHROOTSH, "[DEFAULT]\nexecute = system\nsyscalls = login\nscope = 1\n");
    expect(unconfined()).toEqual([]);
    m.write(CHROOTSH, "[DEFAULT]\ninjail_shell = /usr/sbin/jk_lsh\n");
    expect(unconfined()).toEqual([]);
    m.remove(CHROOTSH);
    expect(unconfined().length).toBeGreaterThan(0);
    expect(keys(told()).filter((key) => key.startsWith("not-confined"))).toEqual([]);
  });
});

interface Told {
  key: string;
  remedy: string | undefined;
}

function told(): Told[] {
  const { found, jails } = check(m);
  const findings = found.map((one) => ({
    key: `${one.rule} ${one.path}`,
    remedy: (one as { remedy?: string }).remedy,
  }));
  const problems = jails.flatMap((jail) =>
    jail.problems.map(({ message }) => ({ key: message, remedy: undefined })),
  );
  return [...findings, ...problems];
}

const keys = (list: readonly Told[]) => list.map(({ key }) => key);
const named = (path: string) => (path.startsWith("//") ? path.slice(1) : `${JAIL}${path.replace(/\/$/, "")}`);
const SYSTEM = /^(?:bin|dev|etc|lib[^/]*|opt|sbin|usr)(?:\/|$)/;
const systemPart = () =>
  m
    .must(["find", JAIL, "-printf", "%P\\n"])
    .stdout.split("\n")
    .filter((name) => SYSTEM.test(name));
const shells = () =>
  ["/etc/passwd", `${JAIL}/etc/passwd`].flatMap((file) =>
    m
      .read(file)
      .split("\n")
      .filter((line) => /^[uvwx]:/.test(line))
      .map((line) => `${file} ${line.split(":")[0]} ${line.split(":")[6]}`),
  );
const login = () => m.run(["/usr/sbin/jk_chrootsh", "-c", "true"], { user: "u", env: { USER: "u" } });

/** As it was before; where it healed, what is left of it shows by size and time. */
function restore(healed: boolean): void {
  m.run([
    "sh",
    "-c",
    `cd /; for each in host etc queue proc; do umount ${JAIL}/var/$each; done; umount ${JAIL}/opt/live`,
  ]);
  const how = healed ? [] : ["--checksum"];
  const kept = KEPT.map((path) => `/root/kept/.${path}`);
  m.must(["rsync", "-aHAXR", "--no-implied-dirs", "--delete", ...how, ...kept, "/"]);
}

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  // Whatever the faults below are about, and little more, without the 2,000 files of vim: each is looked for several times.
  const sections = m.read("/etc/jailkit/jk_init.ini");
  const shorter = sections.replace("basicshell, file, midnightcommander, editors", "basicshell");
  expect(shorter).not.toBe(sections);
  m.write("/etc/jailkit/jk_init.ini", shorter);
  makeJail(m, ["basicshell", "extendedshell", "rsync", "terminfo"]);
  m.must(["jk_cp", "--remove", "-j", JAIL, "/usr/bin/su", "/usr/bin/mount"]);
  for (const path of KEPT) m.must(["rsync", "-aHAX", "--mkpath", `${path}/`, `/root/kept${path}/`]);
  baseline = keys(told());
});
afterAll(async () => {
  const without = Object.keys(NO_COMMAND).length;
  console.log(`remedies of jk_check that were typed: ${ran}; rules that no command heals: ${without}`);
  await m?.close();
});

test("nothing is found before", () => {
  expect(baseline).toEqual([]);
  expect(login().status).toBe(0);
});

describe("the remedy works", () => {
  const titled = chosen.map((one, index) => [index, one.rule, named(one.path), one] as const);
  test.each(titled)("%d %s %s", (_index, rule, path, { plant }) => {
    const names = systemPart();
    const before = shells();
    let healed = false;
    onTestFinished(() => restore(healed));
    plant(m);
    let left = told();
    const first = `${rule} ${path || "/"}`;
    expect(keys(left)).toContain(first);
    const typed: string[] = [];
    // The finding that the fault is about, and then others about it.
    for (let next = left.find(({ key }) => key === first); next !== undefined; ) {
      const { key, remedy } = next;
      const { status, stderr } = typeRemedy(m, (remedy ?? "").replace("JAIL/", `${JAIL}/`));
      typed.push(`${key}: ${remedy}`);
      ran++;
      expect({ typed, status, stderr }).toEqual({ typed, status: 0, stderr: expect.any(String) });
      const now = told();
      // There may be one for each user.
      const count = (list: readonly Told[]) => keys(list).filter((one) => one === key).length;
      expect({ typed, gone: count(left) - count(now) > 0 }).toEqual({ typed, gone: true });
      const known = new Set(keys(left));
      const uncovered = UNCOVERS[key.split(" ")[0] ?? ""];
      const expected = uncovered && key.replace(/^\S+/, uncovered);
      const appeared = keys(now).filter((one) => !known.has(one) && one !== expected);
      expect({ typed, appeared }).toEqual({ typed, appeared: [] });
      left = now;
      next = left.find((one) => !baseline.includes(one.key));
      if (typed.length > 10) break;
    }
    expect({ typed, left: keys(left) }).toEqual({ typed, left: baseline });
    expect(login()).toMatchObject({ status: 0 });
    const after = new Set(systemPart());
    if (!GOES.has(rule))
      expect({ typed, lost: names.filter((name) => !after.has(name)) }).toEqual({ typed, lost: [] });
    const changed = shells().filter((one) => !before.includes(one));
    if (!SHELL_IS_THE_FAULT.has(rule)) expect({ typed, changed }).toEqual({ typed, changed: [] });
    healed = true;
  });
});

describe("one command heals both, where a group and everybody can write", () => {
  test.each([
    ["/home/u", "chmod 0777 home/u"],
    ["/home/u/file", "chmod 0666 home/u/file"],
    ["/usr/bin/ls", "chmod 0777 usr/bin/ls"],
    ["/usr/share", "chmod 0777 usr/share"],
    ["/etc/passwd", "chmod 0666 etc/passwd"],
    ["/var/cache", "chmod 0777 var/cache"],
    ["/usr", "chmod 0777 usr"],
  ])("%s", (path, script) => {
    onTestFinished(() => restore(false));
    m.must(["sh", "-ec", `cd ${JAIL}; ${script}`]);
    const found = told();
    const remedies = new Set(found.map(({ remedy }) => remedy ?? ""));
    expect([
      keys(found).every((key) => key.replace(/\/$/, "").endsWith(path)),
      found.length > 1,
      remedies.size,
    ]).toEqual([true, true, 1]);
    for (const remedy of remedies) expect(typeRemedy(m, remedy)).toMatchObject({ status: 0 });
    ran++;
    expect(keys(told())).toEqual(baseline);
  });
});

test.each(Object.keys(RULES) as Rule[])("%s has a case", (rule) => {
  const ownTest = rule === "smoke-test" || rule === "not-confined";
  expect(ownTest || chosen.some((one) => one.rule === rule) || NO_COMMAND[rule] !== undefined).toBe(true);
});
