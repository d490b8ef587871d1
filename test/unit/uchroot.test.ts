import { describe, expect, test } from "bun:test";
import { renderHelp } from "../../src/cli/help.ts";
import { readKeys } from "../../src/config/keys.ts";
import { confineKeys } from "../../src/config/schemas/confine.ts";
import { type CheckResult, runChecks } from "../../src/enter/checks.ts";
import {
  UCHROOT_CALLER_CHECKS,
  UCHROOT_HOST_CHECKS,
  UCHROOT_IN_JAIL_CHECKS,
} from "../../src/enter/uchroot/checks.ts";
import type { UchrootFacts, UchrootSettings } from "../../src/enter/uchroot/facts.ts";
import { readUchrootArguments, UCHROOT_HELP } from "../../src/enter/uchroot/options.ts";

describe("the options", () => {
  const run = (jail: string, program: string, ...programArguments: string[]) =>
    ({ kind: "run", jail, program, programArguments }) as const;
  test.each([
    ["-j J -x P", run("J", "P")],
    ["-jJ -xP", run("J", "P")],
    ["--jail J --executable P", run("J", "P")],
    ["--jail=J --exec=P", run("J", "P")],
    ["--ja=J --exe P", run("J", "P")],
    ["-vj J -x P", run("J", "P")],
    ["-j A -j J -x A -x P", run("J", "P")],
    ["-j J -x P a b", run("J", "P", "a", "b")],
    ["a -j J b -x P -- -c -j", run("J", "P", "a", "b", "-c", "-j")],
    ["-j J -x P -", run("J", "P", "-")],
    ["-j= -x P", run("=", "P")],
  ])("%s", (line, expected) => {
    expect(readUchrootArguments(line.split(" "))).toEqual(expected);
  });

  test("empty values are values", () => {
    expect(readUchrootArguments(["-j", "", "--exec="])).toEqual(run("", ""));
  });

  test.each([
    ["", "no jail"],
    ["-x P", "no jail"],
    ["-j J", "no program"],
    ["-j", "option '-j' needs an argument"],
    ["-V", "invalid option -- 'V'"],
    ["--nope", "unrecognized option '--nope'"],
    ["--v -j J", "ambiguous"],
    ["--help=x", "does not take an argument"],
  ])("%j is wrong: %s", (line, message) => {
    const result = readUchrootArguments(line.split(" ").filter((word) => word !== ""));
    expect(result.kind).toBe("usage");
    expect(result.kind === "usage" ? result.message : "").toContain(message);
  });

  test("help and version come before missing options", () => {
    for (const words of [["-h"], ["--help", "-j"].slice(0, 1), ["-v", "-h", "x"]]) {
      expect(readUchrootArguments(words)).toEqual({ kind: "help" });
    }
    expect(renderHelp(UCHROOT_HELP)).toStartWith("Usage: jk_uchroot -j JAIL -x PROGRAM");
    expect(readUchrootArguments(["--version"])).toEqual({ kind: "version" });
  });
});

const account = {
  name: "u",
  password: "x",
  uid: 1000,
  gid: 1000,
  gecos: "",
  home: "/home/u",
  shell: "/bin/sh",
};
const group = { name: "g", password: "x", gid: 1000, members: [] };
const values: UchrootSettings = {
  allowedJails: ["/srv/j"],
  skipInjailPasswdCheck: false,
  env: [],
  allowSetuid: false,
  ...readKeys(undefined, confineKeys),
  logFormat: undefined,
};

const settings = (change: Partial<UchrootSettings>): Partial<UchrootFacts> => ({
  settings: () => ({ kind: "found", values: { ...values, ...change }, section: "u", warnings: [] }),
});

/** The facts of a call that works, with some of them changed. */
function facts(...changes: Partial<UchrootFacts>[]): UchrootFacts {
  const good: UchrootFacts = {
    programName: "jk_uchroot",
    uid: 1000,
    gid: 1000,
    userVariable: "u",
    configFile: "/etc/jailkit/jk_uchroot.ini",
    configDirectory: "/etc/jailkit",
    askedJail: "/srv/j",
    askedProgram: "/bin/id",
    privilege: () => ({ held: true, reason: "held", advice: "" }),
    account: () => account,
    group: () => group,
    groups: () => [1000],
    configFindings: () => [],
    settings: () => ({ kind: "found", values, section: "u", warnings: [] }),
    allowedJail: () => ({ kind: "opened", listed: "/srv/j" }),
    jailPath: () => "/srv/j",
    jailFindings: () => [],
    program: () => ({ kind: "file", setuid: undefined, executable: true }),
    inJail: () => ({ named: account, numbered: account, group }),
    hostGroups: () => [{ gid: 1000, entry: group }],
    foreignGroups: () => [],
  };
  return Object.assign(good, ...changes);
}

const all = [...UCHROOT_CALLER_CHECKS, ...UCHROOT_HOST_CHECKS, ...UCHROOT_IN_JAIL_CHECKS];
const firstOf = (of: UchrootFacts): CheckResult | undefined =>
  [...runChecks(of, all)].find(({ outcome }) => outcome !== "passed" && outcome !== "warned");

test("a valid call passes every check", () => {
  expect([...runChecks(facts(), all)].filter(({ outcome }) => outcome !== "passed")).toEqual([]);
});

const unsafe = { path: "/p", message: "path /p is bad", advice: "chmod /p" } as const;
const other = { ...account, name: "v" };
const faults: [name: string, exitStatus: number, change: Partial<UchrootFacts>][] = [
  ["program-name", 1, { programName: "/bin/foo" }],
  ["privilege", 11, { privilege: () => ({ held: false, reason: "lost", advice: "setcap x" }) }],
  ["not-root", 12, { uid: 0 }],
  ["account", 13, { account: () => undefined }],
  ["group", 13, { group: () => undefined }],
  ["config-directory", 14, { configFindings: () => [{ ...unsafe, tolerated: false }] }],
  ["config-file", 1, { settings: () => ({ kind: "none", reason: "no section", section: undefined }) }],
  ["jail-allowed", 21, { allowedJail: () => ({ kind: "not-allowed" }) }],
  ["jail-reachable", 19, { allowedJail: () => ({ kind: "unreachable", reason: "gone" }) }],
  ["jail-path", 21, { allowedJail: () => ({ kind: "not-plain", reason: "a link" }) }],
  ["jail-safety", 53, { jailFindings: () => [unsafe] }],
  ["program", 1, { program: () => ({ kind: "missing", reason: "gone" }) }],
  ["jail-user", 35, { inJail: () => ({ named: undefined, numbered: undefined, group }) }],
  ["jail-group", 35, { inJail: () => ({ named: account, numbered: account, group: undefined }) }],
  [
    "jail-user-name",
    37,
    { userVariable: undefined, inJail: () => ({ named: undefined, numbered: other, group }) },
  ],
  [
    "jail-group-name",
    37,
    { inJail: () => ({ named: account, numbered: account, group: { ...group, name: "h" } }) },
  ],
];

describe("each check", () => {
  test.each(faults)("%s fails with %i, has a remedy, and shows no path", (name, exitStatus, change) => {
    const result = firstOf(facts(change));
    expect(result).toMatchObject({ name, exitStatus, outcome: "failed" });
    expect(result?.advice).not.toBe("");
    expect(result?.shown).not.toContain("/");
  });

  test("of several faults the first counts, and the permission comes before all checks of the jail", () => {
    const order = faults.map(([name]) => name);
    for (let i = 0; i < faults.length; i++) {
      // These are three answers to one question.
      const rest = faults.slice(i).filter(([name], at) => at === 0 || !name.startsWith("jail-"));
      const broken = facts(...rest.map(([, , change]) => change).reverse());
      expect(firstOf(broken)?.name).toBe(order[i] ?? "");
    }
    const looked: string[] = [];
    const refused = facts({
      allowedJail: () => ({ kind: "not-allowed" }),
      program: () => {
        looked.push("program");
        return { kind: "missing", reason: "" };
      },
      jailFindings: () => {
        looked.push("jail");
        return [];
      },
    });
    expect(firstOf(refused)?.name).toBe("jail-allowed");
    expect(looked).toEqual([]);
  });

  test("skip_injail_passwd_check does not check the accounts", () => {
    const strangers = { inJail: () => ({ named: undefined, numbered: undefined, group: undefined }) };
    expect(firstOf(facts(settings({ skipInjailPasswdCheck: true }), strangers))).toBeUndefined();
  });

  test("another home or shell in the jail does not matter", () => {
    const inside = { ...account, home: "/x", shell: "/y" };
    expect(firstOf(facts({ inJail: () => ({ named: inside, numbered: inside, group }) }))).toBeUndefined();
  });

  test("a setuid program is noted, unless it may take effect", () => {
    const setuid: Partial<UchrootFacts> = {
      program: () => ({ kind: "file", setuid: "/srv/jail/bin/su", executable: true }),
    };
    const notes = (of: UchrootFacts) => [...runChecks(of, all)].flatMap((result) => result.notes ?? []);
    expect(notes(facts(setuid))).toMatchObject([{ severity: "notice" }]);
    expect(notes(facts(setuid, settings({ allowSetuid: true })))).toEqual([]);
  });

  test("groups that the jail lacks are noted, with their names if there are any", () => {
    const foreign: Partial<UchrootFacts> = {
      foreignGroups: () => [
        { gid: 60, entry: { ...group, name: "games", gid: 60 } },
        { gid: 77, entry: undefined },
      ],
    };
    const [note] = [...runChecks(facts(foreign), all)].flatMap((result) => result.notes ?? []);
    expect(note?.severity).toBe("notice");
    expect(note?.message).toContain("60 (games), 77,");
    expect(firstOf(facts(foreign))).toBeUndefined();
  });
});
