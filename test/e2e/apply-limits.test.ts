/**
 * `jailkit apply --prune`: an account that stays, for whatever reason, keeps what limits it, since sshd still accepts its keys,
 * and no session of it begins, whatever jk_chrootsh.ini says.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { Machine } from "../machine/machine.ts";
import { sleeperOf } from "../machine/sleeper.ts";
import type { Sshd } from "../machine/sshd.ts";
import { KEYS, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const SETTINGS = "/etc/jailkit/jk_chrootsh.ini";
const JAIL = `[jail ${J}]\nsections = uidbasics, basicshell\n`;
const user = (name: string, more = "") => `[user ${name}]\njail = ${J}\nshell = /bin/bash\n${more}`;
const GROUPS = "groups = jailed, team\n";
const EXAMPLE = readFileSync("config/sshd-jailkit.conf.example", "latin1")
  .split("\n")
  .filter((line) => line !== "" && !line.startsWith("#"));

let m: Machine;
let sshd: Sshd;
let settings: string;

beforeAll(async () => {
  m = await openApplyMachine();
  m.must(["groupadd", "shut"]);
  m.write(FILE, JAIL);
  m.must(["jailkit", "apply"]);
  settings = m.read(SETTINGS);
  sshd = await m.startSshd({ config: ["DenyGroups shut", ...EXAMPLE] });
});
afterEach(() => m.write(SETTINGS, settings, { mode: 0o644 }));
afterAll(() => m?.close());

function declare(text: string): void {
  m.write(FILE, JAIL + text);
  m.must(["jailkit", "apply"]);
}

/** An account that jk_addjailuser has made, and that is declared then. */
function made(name: string, more: string): void {
  m.must(["jk_addjailuser", "-j", J, "-p", "*", "-s", "/bin/bash", name]);
  declare(user(name, more));
}

function prune(...options: string[]) {
  m.write(FILE, JAIL);
  const { changes, summary, status } = linesOf(m, "--prune", ...options);
  const warnings = changes.flatMap((one) => one.warnings);
  return { status, warnings, codes: summary.problems.map(({ code }) => code) };
}

/** An account that apply has created, with a process that keeps it from being removed. */
async function busy(name: string, more: string) {
  declare(user(name, more));
  m.must(["usermod", "-p", "*", name]);
  const session = await sleeperOf(m, name);
  return async () => {
    m.must(["pkill", "-KILL", "-u", name]);
    await session.ended;
  };
}

/** Removes an account; what sshd has started for it may be there still. */
function remove(name: string): void {
  m.run(["pkill", "-KILL", "-u", name]);
  m.must(["userdel", "-rf", name]);
}

const groupsOf = (name: string) => m.must(["id", "-Gn", name]).stdout.trim().split(" ").slice(1);
const forwards = (name: string) =>
  m.run(["ssh", ...sshd.clientOptions, "-W", "127.0.0.1:22", `${name}@127.0.0.1`]).stdout.startsWith("SSH-");
const session = (name: string) => sshd.ssh(name, ["echo in"]).stdout === "in\n";
const stays = (name: string, group: string) =>
  expect.stringContaining(`'${name}' stays in the group '${group}', by which sshd may limit it`);

describe("a group for which sshd has a block Match", () => {
  test("stays with an account that apply did not create; without it, sshd would forward for it", () => {
    made("hans", `${GROUPS}authorized_keys = ${KEYS[0]}\n`);
    expect([session("hans"), forwards("hans")]).toEqual([true, false]);
    const { status, warnings } = prune();
    expect([status, groupsOf("hans"), session("hans"), forwards("hans")]).toEqual([
      0,
      ["jailed"],
      false,
      false,
    ]);
    expect(warnings).toEqual(
      expect.arrayContaining([
        stays("hans", "jailed"),
        expect.stringContaining("no session of it begins in the jail, but sshd still does for it"),
      ]),
    );
    // What it prevents, and what the warning says.
    const remedy = warnings.map((one) => /; when it may do more: (.*)$/.exec(one)?.[1]).find(Boolean);
    m.must(["sh", "-c", remedy ?? "false"]);
    expect(forwards("hans")).toBe(true);
    remove("hans");
  });

  test("stays while processes keep an account from being removed, and goes with it", async () => {
    const end = await busy("otto", GROUPS);
    for (let run = 0; run < 2; run++) {
      const { codes, warnings } = prune("--delete-homes");
      expect([codes, groupsOf("otto"), forwards("otto")]).toEqual([["has-processes"], ["jailed"], false]);
      expect(warnings).toContainEqual(stays("otto", "jailed"));
    }
    await end();
    const { status, warnings } = prune("--delete-homes");
    expect([status, warnings, m.run(["id", "otto"]).status]).toEqual([0, [], 1]);
    expect(m.read("/etc/group")).not.toContain("otto");
  });

  test("stays while one that was there before cannot go out, and is left then", async () => {
    m.addUser("dora", { home: "/home/dora", createHome: true, shell: "/bin/bash" });
    const end = await busy("dora", GROUPS);
    expect([prune().codes, groupsOf("dora"), forwards("dora")]).toEqual([
      ["has-processes"],
      ["jailed"],
      false,
    ]);
    await end();
    const { status, warnings } = prune();
    expect([status, warnings, groupsOf("dora"), session("dora")]).toEqual([0, [], [], true]);
    remove("dora");
  });

  test("stays with one that has been taken out of its jail without a shell of the machine", () => {
    made("carl", GROUPS);
    m.must(["jk_jailuser", "--unjail", "-m", "-s", "/usr/sbin/nologin", "carl"]);
    expect(prune().status).toBe(0);
    expect([groupsOf("carl"), forwards("carl")]).toEqual([["jailed"], false]);
    remove("carl");
  });
});

test("a group of DenyGroups stays, too", () => {
  made("anna", "groups = shut, team\n");
  expect([session("anna"), prune().status, groupsOf("anna"), forwards("anna")]).toEqual([
    ...[false, 0, ["shut"], false],
  ]);
  remove("anna");
});

test("each group stays while a configuration of sshd cannot be read", () => {
  made("berta", GROUPS);
  const file = "/etc/ssh/sshd_config";
  const before = m.read(file);
  m.write(file, "Include /etc\n");
  const { status, warnings } = prune();
  m.write(file, before);
  expect([status, groupsOf("berta")]).toEqual([0, ["jailed", "team"]]);
  for (const name of ["jailed", "team"]) expect(warnings).toContainEqual(stays("berta", name));
  remove("berta");
});

describe("where jk_chrootsh.ini asks for no line in the jail", () => {
  const OPEN = "[DEFAULT]\nskip_injail_passwd_check = 1\ninjail_shell = /bin/bash\n";
  const LIMITS = "confine = 1\nnetwork = none\n";
  const dropIns = () => m.run(["ls", "/etc/jailkit/jk_chrootsh.d"]).stdout;

  test("the login shell ends the logins of an account that stays, before its rules go", async () => {
    const end = await busy("lisa", LIMITS);
    m.write(SETTINGS, OPEN, { mode: 0o644 });
    expect(prune().codes).toEqual(["has-processes"]);
    expect([session("lisa"), dropIns()]).toEqual([false, ""]);
    // Declared again, it has its shell again.
    await end();
    declare(user("lisa", LIMITS));
    expect(session("lisa")).toBe(true);
    m.write(FILE, JAIL);
    m.must(["jailkit", "apply", "--prune", "--delete-homes"]);
    expect(m.run(["id", "lisa"]).status).toBe(1);
  });

  test("so it does of one that apply did not create, and of one that goes out, which gets its own shell", async () => {
    made("ines", LIMITS);
    m.write(SETTINGS, OPEN, { mode: 0o644 });
    expect([session("ines"), prune().status, session("ines")]).toEqual([true, 0, false]);
    remove("ines");
    m.addUser("fred", { home: "/home/fred", createHome: true, shell: "/bin/bash" });
    const end = await busy("fred", "");
    expect([prune().codes, session("fred")]).toEqual([["has-processes"], false]);
    await end();
    expect([prune().status, session("fred")]).toEqual([0, true]);
    expect(m.read("/etc/passwd")).toMatch(/^fred:.*:\/home\/fred:\/bin\/bash$/m);
    remove("fred");
  });

  test("so it does while the file cannot be read, but not for a section of another user", () => {
    made("paul", "");
    m.write(SETTINGS, "[paul\n", { mode: 0o644 });
    const { status } = prune();
    m.write(SETTINGS, OPEN, { mode: 0o644 });
    expect([status, session("paul")]).toEqual([0, false]);
    m.write(SETTINGS, OPEN.replace("DEFAULT", "someone"), { mode: 0o644 });
    made("rita", "");
    expect([prune().status, session("rita")]).toEqual([0, false]);
    expect(m.read("/etc/passwd")).toMatch(/^rita:.*\/jk_chrootsh$/m);
    for (const name of ["paul", "rita"]) remove(name);
  });
});
