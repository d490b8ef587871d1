/** Sections [member GROUP] of the three files about users, in real sessions, and what others say about them. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { type Machine, openMachine, type RunResult, type Sshd, type Syslog } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const J = "/srv/jail";
const chrootsh = "/etc/jailkit/jk_chrootsh.ini";
const uchroot = "/etc/jailkit/jk_uchroot.ini";
const lsh = `${J}/etc/jailkit/jk_lsh.ini`;
const nsswitch = "/etc/nsswitch.conf";
// One that the dynamic linker always searches.
const DIRECTORY_OF_LIBRARIES = "/usr/lib";
const USERS = ["both", "one", "none", "primary"];

let m: Machine;
let sshd: Sshd;
let syslog: Syslog;
let services: string;
let jailGroups: string;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  syslog = await m.startSyslog();
  sshd = await m.startSshd();
  m.must(["groupadd", "-g", "4900", "first"]);
  m.must(["groupadd", "-g", "4901", "second"]);
  m.must(["jk_init", "-j", J, "basicshell", "uidbasics", "jk_lsh"]);
  m.must(["jk_cp", "-j", J, "/usr/bin/env"]);
  m.addUser("both", { uid: 4101, groups: ["first", "second"], home: "/home/both", createHome: true });
  m.addUser("one", { uid: 4102, groups: ["second"], home: "/home/one", createHome: true });
  m.addUser("none", { uid: 4103, home: "/home/none", createHome: true });
  m.addUser("primary", { uid: 4104, gid: 4901, home: "/home/primary", createHome: true });
  for (const name of USERS) m.must(["jk_jailuser", "-m", "-s", "/usr/sbin/jk_lsh", "-j", J, name]);
  services = m.read(nsswitch);
  jailGroups = m.read(`${J}/etc/group`);
}, 120_000);
afterAll(() => m?.close());

beforeEach(() => {
  m.write(nsswitch, services);
  m.write(`${J}/etc/group`, jailGroups);
  for (const file of [chrootsh, uchroot]) m.remove(file);
  m.write(lsh, "[DEFAULT]\n");
});

/** Sections that let a variable with a name of its own through; one that the session gets is the one that applies. */
const sections = (keys: string, names: readonly string[]) =>
  names.map((name, at) => `[${name}]\n${keys}\nenv = SECTION_${at}\n`).join("");
const env = (USER: string) => ({
  USER,
  ...Object.fromEntries([0, 1, 2].map((at) => [`SECTION_${at}`, "x"])),
});
const applied = (names: readonly string[], { status, stdout }: RunResult) =>
  status === 0 ? names[Number(/^SECTION_(\d)=/m.exec(stdout)?.[1])] : status;

type Case = readonly [names: string[], expected: Record<string, string>];
const cases: readonly Case[] = [
  // Of several the first in the file.
  [
    ["DEFAULT", "member first", "member second"],
    { both: "member first", one: "member second", none: "DEFAULT", primary: "member second" },
  ],
  [
    ["member second", "member first", "DEFAULT"],
    { both: "member second", one: "member second", none: "DEFAULT", primary: "member second" },
  ],
  [["member second", "group second", "one"], { both: "member second", one: "one", primary: "group second" }],
  [["member none", "group first", "DEFAULT"], { both: "DEFAULT", none: "member none" }],
];

describe.each(cases)("%j", (names, expected) => {
  test.each(Object.entries(expected))("%s: %s", (user, section) => {
    const options = { user, env: env(user) };
    m.write(lsh, sections("executables = /usr/bin/env", names));
    m.write(chrootsh, `[DEFAULT]\nenv = SECTION_0, SECTION_1, SECTION_2\n`);
    expect(applied(names, m.run(["jk_chrootsh", "-c", "/usr/bin/env"], options))).toBe(section);

    m.write(chrootsh, sections("injail_shell = /bin/bash", names));
    expect(applied(names, m.run(["jk_chrootsh", "-c", "/usr/bin/env"], options))).toBe(section);
    const { stdout } = m.run(["jailkit", "explain", "--json", "--su", user]);
    expect(reportOf(explainReportSchema, stdout).chrootshSection).toBe(section);

    m.write(uchroot, sections(`allowed_jails = ${J}`, names));
    expect(applied(names, m.run(["jk_uchroot", "-j", J, "-x", "/usr/bin/env"], options))).toBe(section);
  });
});

describe("a section for members", () => {
  const names = ["member second", "DEFAULT"];
  const login = (user: string) => {
    m.write(chrootsh, "[DEFAULT]\nenv = SECTION_0, SECTION_1\n");
    return applied(names, m.run(["jk_chrootsh", "-c", "/usr/bin/env"], { user, env: env(user) }));
  };
  const allow = "executables = /usr/bin/env";

  test("applies to a login by ssh", () => {
    m.write(lsh, "[member second]\nexecutables = /usr/bin/env\nenvironment = IS = member\n");
    expect(sshd.ssh("one", ["/usr/bin/env"]).stdout).toContain("IS=member\n");
    expect(sshd.ssh("none", ["/usr/bin/env"])).toMatchObject({ status: 3, stdout: "" });
  });

  test("in a jail goes by the names of the jail, and by the groups of the session", () => {
    m.write(lsh, sections(allow, names));
    expect([login("one"), login("none")]).toEqual(names);
    // Only the jail's files say so.
    m.write(`${J}/etc/group`, jailGroups.replace(/^(second:.*)$/m, "$1,none"));
    expect(login("none")).toBe("DEFAULT");
    m.write(`${J}/etc/group`, jailGroups.replace(/^second:/m, "third:").replace(/^first:/m, "second:"));
    expect([login("both"), login("one")]).toEqual(names);
    m.write(`${J}/etc/group`, jailGroups.replace(/^(?:first|second):.*\n/gm, ""));
    expect(login("one")).toBe("DEFAULT");
  });

  test("may have any bytes in its name", () => {
    const name = "\xff\xe2\x82[x' \"";
    m.write(
      `${J}/etc/group`,
      jailGroups.replace(/^second:/m, () => `${name}:`),
    );
    m.write(lsh, sections(allow, [`member ${name}`, "DEFAULT"]));
    expect([login("one"), login("none")]).toEqual(names);
  });

  test("is not chosen by what a user says", () => {
    m.write(lsh, sections(allow, names));
    m.write(chrootsh, "[DEFAULT]\nenv = SECTION_0, SECTION_1, GROUPS, LOGNAME\n");
    const run = (more: Record<string, string>) =>
      m.run(["jk_chrootsh", "-c", "/usr/bin/env"], { user: "none", env: { ...env("none"), ...more } });
    expect(applied(names, run({ GROUPS: "4901", LOGNAME: "one" }))).toBe("DEFAULT");
    expect(applied(names, run({ USER: "one" }))).toBeNumber();
    expect(applied(names, run({ USER: "member second" }))).toBeNumber();
  });

  test("refuses a session if a name service does not answer whether it is in the group", () => {
    const source = `int _nss_down_getgrnam_r(const char *n, void *g, char *b, unsigned long s, int *e) {
      (void)n, (void)g, (void)b, (void)s;
      *e = 111;
      return -1;
    }\n`;
    m.write("/root/down.c", source);
    m.must(["gcc", "-shared", "-fPIC", "-o", `${DIRECTORY_OF_LIBRARIES}/libnss_down.so.2`, "/root/down.c"]);
    m.write(nsswitch, services.replace(/^group:.*$/m, "group: files down"));
    const options = { user: "one", env: env("one") };
    const results = (...names: string[]) => {
      m.write(chrootsh, sections("injail_shell = /bin/bash", names));
      m.write(uchroot, sections(`allowed_jails = ${J}`, names));
      const login = m.run(["jk_chrootsh", "-c", "/usr/bin/env"], options);
      const call = m.run(["jk_uchroot", "-j", J, "-x", "/usr/bin/env"], options);
      return [applied(names, login), applied(names, call)];
    };
    expect(results("member unknown", "DEFAULT")).toEqual([14, 1]);
    // What the files know is known.
    expect(results("member second", "member unknown")).toEqual(["member second", "member second"]);
    expect(results("one", "member unknown")).toEqual(["one", "one"]);
  });

  test("satisfies jk_jailuser, and goes with an export", () => {
    m.write(lsh, "[member second]\nexecutables = /usr/bin/env\n[member first]\n[member other]\n");
    m.addUser("later", { uid: 4105, groups: ["second"] });
    m.addUser("last", { uid: 4106 });
    const warning = (...words: string[]) => m.run(["jk_jailuser", "--dry-run", "-j", J, ...words]).stderr;
    expect(warning("later")).not.toContain("can run nothing");
    expect(warning("-G", "second", "last")).not.toContain("can run nothing");
    expect(warning("last")).toContain("'last' can run nothing: no section of");
    const names = () => {
      const { policies } = JSON.parse(m.must(["jailkit", "export", J]).stdout);
      return policies.map(({ name }: { name: string }) => name);
    };
    expect(names()).toEqual(["member second", "member first"]);
    m.must(["gpasswd", "-d", "both", "first"]);
    expect(names()).toEqual(["member second"]);
    m.must(["gpasswd", "-a", "both", "first"]);
  });

  test("of a group that the jail lacks is named by the log, explain and config check, until the remedy", async () => {
    m.write(lsh, sections(allow, names));
    m.write(`${J}/etc/group`, jailGroups.replace(/^second:.*\n/m, ""));
    const told = "section [member second] is passed over: the group second is not known";
    await syslog.clear();
    expect(login("one")).toBe("DEFAULT");
    const logged = async () => (await syslog.lines()).map(({ ident, message }) => `${ident}: ${message}`);
    expect((await logged()).filter((line) => line === `jk_lsh: ${told}`)).toHaveLength(1);
    const warned = (user: string) => {
      const { stdout } = m.run(["jailkit", "explain", "--json", "--su", user, "--", "/usr/bin/env"]);
      const { steps, verdict } = reportOf(explainReportSchema, stdout);
      return [verdict, ...steps.flatMap((one) => (one.message.includes(told) ? [one.remedy] : []))];
    };
    const bring = `jk_jailuser --jail-side-only -j ${J} one`;
    expect(warned("none")).toEqual(["works", `jailkit config check ${lsh}`]);
    expect(warned("one")).toEqual(["works", bring]);
    const check = () => m.run(["jailkit", "config", "check", lsh]).stdout;
    expect(check()).toContain("the group 'second' is not in this jail, so that the section is for nobody");
    m.write(lsh, sections(allow, ["member second"]));
    expect(login("one")).toBe(3);
    expect((await logged()).at(-1)).toContain(
      `did neither find a section 'one', nor 'group one', nor 'member GROUP' for a group of the user, nor 'DEFAULT' in configfile /etc/jailkit/jk_lsh.ini; ${told}`,
    );
    // With a section of the user's own, what this one says would not count.
    const refusal = m.run(["jailkit", "explain", "--json", "--su", "one", "--", "/usr/bin/env"]).stdout;
    const failed = reportOf(explainReportSchema, refusal).steps.find(({ outcome }) => outcome === "failed");
    expect(failed?.remedy).toBe(bring);
    m.must(["sh", "-c", bring]);
    expect(login("one")).toBe("member second");
    m.write(lsh, sections(allow, names));
    expect([warned("one"), login("one")]).toEqual([["works"], "member second"]);
    expect(check()).not.toContain("unknown-group");
  });

  test("of a group that the host lacks is named by jk_chrootsh and jk_uchroot", async () => {
    const told = "section [member secnod] is passed over: the group secnod is not known";
    const options = { user: "one", env: env("one") };
    m.write(lsh, sections(allow, ["DEFAULT"]));
    m.write(chrootsh, sections("", ["member secnod", "DEFAULT"]));
    m.write(uchroot, "[member secnod]\n");
    await syslog.clear();
    m.must(["jk_chrootsh", "-c", "/usr/bin/env"], options);
    expect(m.run(["jk_uchroot", "-j", J, "-x", "/usr/bin/env"], options).status).toBe(1);
    const lines = (await syslog.lines()).map(({ ident, message }) => `${ident}: ${message}`);
    expect(lines.filter((line) => line === `jk_chrootsh: ${told}`)).toHaveLength(1);
    expect(lines.join("\n")).toContain(`nor 'DEFAULT' in configfile ${uchroot}; ${told}`);
  });

  test("of a group that does not exist is reported", () => {
    m.write(lsh, "[member secnod]\nexecutables = /usr/bin/env\n");
    const { stdout, status } = m.run(["jailkit", "config", "check", lsh]);
    expect(status).toBe(1);
    expect(stdout).toContain("there is no group 'secnod'; did you mean 'second'? [unknown-group]");
  });
});
