import { describe, expect, test } from "bun:test";
import { SystemError } from "../../ffi/error.ts";
import type { Stat } from "../../ffi/files.ts";
import { adviceText, inWords } from "../../src/cli/remedy.ts";
import { readKeys } from "../../src/config/keys.ts";
import { confineKeys } from "../../src/config/schemas/confine.ts";
import { type CheckResult, runChecks } from "../../src/enter/checks.ts";
import type { ChrootshSettings, LoginFacts } from "../../src/enter/facts.ts";
import { LOGIN_CHECKS, UCHROOT_CHECKS } from "../../src/explain/login-checks.ts";
import type { PasswdEntry } from "../../src/system/accounts.ts";

const uid = 1000;
const gid = 1000;
const account: PasswdEntry = {
  name: "u",
  password: "x",
  uid,
  gid,
  gecos: "",
  home: "/srv/j/./home/u",
  shell: "/usr/sbin/jk_chrootsh",
};
const inside = { ...account, home: "/home/u", shell: "/bin/sh" };
const group = { name: "g", password: "x", gid, members: [] };
const values: ChrootshSettings = {
  env: [],
  envOnly: false,
  relaxHomeOwner: false,
  relaxHomeGroup: false,
  relaxHomeGroupPermissions: false,
  relaxHomeOtherPermissions: false,
  injailShell: undefined,
  skipInjailPasswdCheck: false,
  injailLoginShell: false,
  ...readKeys(undefined, confineKeys),
  logFormat: undefined,
};
const directory: Stat = {
  mode: 0o040755,
  uid,
  gid,
  nlink: 2,
  size: 0,
  ino: 1n,
  devMajor: 0,
  devMinor: 1,
  rdevMajor: 0,
  rdevMinor: 0,
  atime: 0n,
  mtime: 0n,
  ctime: 0n,
  mountId: 1n,
};
const unsafe = { path: "/p", message: "path /p is bad", advice: "chmod /p" } as const;

const settings = (change: Partial<ChrootshSettings>): Partial<LoginFacts> => ({
  settings: () => ({ values: { ...values, ...change }, section: "u", warnings: [] }),
});
const home = (change: Partial<Stat> | undefined): Partial<LoginFacts> => ({
  home: () => (change === undefined ? undefined : { ...directory, ...change }),
});

const groupHome: Partial<LoginFacts> = {
  ...home({ mode: 0o040775 }),
  ...settings({ relaxHomeGroupPermissions: true }),
};
const acl = (entry: { tag: "u" | "g"; id: number; effective?: number }): Partial<LoginFacts> => ({
  homeAcl: () => ({ group: 7, named: [{ permissions: 7, effective: 7, ...entry }] }),
});

/** The facts of a login that works, with some of them changed. */
function facts(...changes: Partial<LoginFacts>[]): LoginFacts {
  const good: LoginFacts = {
    programName: "-jk_chrootsh",
    uid,
    gid,
    userVariable: "u",
    configFile: "/etc/jailkit/jk_chrootsh.ini",
    configDirectory: "/etc/jailkit",
    privilege: () => ({ held: true, reason: "held", advice: "" }),
    account: () => account,
    group: () => group,
    groups: () => [gid],
    configFindings: () => [],
    settings: () => ({ values, section: undefined, warnings: [] }),
    isLocal: () => true,
    split: () => ({ jail: "/srv/j", home: "/home/u" }),
    jail: () => ({ kind: "opened" }),
    jailFindings: () => [],
    home: () => directory,
    homeOwner: () => account,
    homeAcl: () => "none",
    onlyRootExchanges: () => true,
    homeMount: () => undefined,
    isRootsPlace: () => true,
    homeAside: () => "/srv/j/home/u.old",
    isHomeOutside: () => false,
    homeObstacle: () => undefined,
    inJail: () => ({ named: inside, numbered: inside, group }),
    shell: () => ({ kind: "file", path: "/bin/sh", canonicalPath: "/bin/sh", unsafe: [] }),
  };
  return Object.assign(good, ...changes);
}

const failures = (...changes: Partial<LoginFacts>[]): CheckResult[] =>
  [...runChecks(facts(...changes), LOGIN_CHECKS)].filter((result) => result.outcome === "failed");

/** What jk_chrootsh would end with: the first failure counts. */
const exitStatus = (...changes: Partial<LoginFacts>[]): number => failures(...changes)[0]?.exitStatus ?? 0;

describe("the order of checks", () => {
  test("is the order of jailkit 2.23", () => {
    expect(LOGIN_CHECKS.map(({ exitStatus: status }) => status)).toEqual([
      1, 11, 12, 13, 13, 13, 14, 14, 15, 16, 17, 19, 21, 53, 53, 53, 53, 53, 53, 35, 35, 37, 37, 39, 41, 111,
    ]);
    expect(new Set(LOGIN_CHECKS.map(({ name }) => name)).size).toBe(LOGIN_CHECKS.length);
  });

  test.each([
    ["login", LOGIN_CHECKS],
    ["jk_uchroot", UCHROOT_CHECKS],
  ] as const)("%s: a check needs only earlier checks", (_, checks) => {
    const names = checks.map(({ name }) => name);
    for (const [index, { name, needs }] of checks.entries())
      expect([name, needs.filter((need) => !names.slice(0, index).includes(need))]).toEqual([name, []]);
  });

  test("a login without a fault passes every check", () => {
    const results = [...runChecks(facts(), LOGIN_CHECKS)];
    expect(results.map(({ outcome }) => outcome)).toEqual(LOGIN_CHECKS.map(() => "passed"));
    expect(results.map(({ name }) => name)).toEqual(LOGIN_CHECKS.map(({ name }) => name));
  });

  test("checks that depend on a failed one are skipped, others are still made", () => {
    const results = [...runChecks(facts({ split: () => undefined, userVariable: "other" }), LOGIN_CHECKS)];
    const outcomes = new Map(results.map(({ name, outcome }) => [name, outcome]));
    expect(outcomes.get("account")).toBe("failed");
    expect(outcomes.get("primary-group")).toBe("skipped");
    expect(outcomes.get("shell")).toBe("skipped");
    expect(outcomes.get("groups")).toBe("passed");
  });

  test("a fact that cannot be gathered fails the check that needs it", () => {
    const broken = () => {
      throw new Error("getgroups: broken");
    };
    expect(failures({ groups: broken })).toMatchObject([
      { name: "groups", exitStatus: 13, message: "abort, getgroups: broken" },
    ]);
  });

  test("no text for the user names the jail or another path outside it", () => {
    for (const { shown } of LOGIN_CHECKS) expect(shown).not.toContain("/");
  });
});

describe("each check", () => {
  const none = undefined;
  const cases: [what: string, status: number, change: Partial<LoginFacts>][] = [
    ["another program name", 1, { programName: "/usr/sbin/foo" }],
    ["no program name at all", 1, { programName: "" }],
    ["su", 0, { programName: "su" }],
    ["-su", 0, { programName: "-su" }],
    ["a path to it", 0, { programName: "/usr/sbin/jk_chrootsh" }],
    ["a name that only ends so", 1, { programName: "xjk_chrootsh" }],
    ["no privilege", 11, { privilege: () => ({ held: false, reason: "lost", advice: "" }) }],
    ["root", 12, { uid: 0 }],
    ["USER unknown", 13, { account: () => none }],
    ["USER of another uid", 13, { account: () => ({ ...account, uid: 5 }) }],
    ["another account than USER says", 13, { account: () => ({ ...account, name: "v" }) }],
    ["a uid without account", 13, { userVariable: "", account: () => none }],
    ["an account without name", 13, { userVariable: none, account: () => ({ ...account, name: "" }) }],
    ["no USER", 0, { userVariable: none }],
    ["a gid without group", 13, { group: () => none }],
    ["an unsafe config directory", 14, { configFindings: () => [{ ...unsafe, tolerated: false }] }],
    ["a config directory of a group", 0, { configFindings: () => [{ ...unsafe, tolerated: true }] }],
    [
      "a config file that cannot be used",
      14,
      {
        settings: () => {
          throw new Error("bad");
        },
      },
    ],
    ["another group than the account's", 15, { account: () => ({ ...account, gid: 7 }) }],
    ["no home", 16, { account: () => ({ ...account, home: "" }) }],
    ["no separator", 17, { split: () => none }],
    ["an unreachable jail", 19, { jail: () => ({ kind: "unreachable", reason: "gone" }) }],
    ["a jail whose path is not plain", 21, { jail: () => ({ kind: "not-plain", reason: "link" }) }],
    ["an unsafe jail", 53, { jailFindings: () => [unsafe] }],
    ["no home in the jail", 53, home(none)],
    ["a link as home", 53, home({ mode: 0o120777 })],
    ["a FIFO as home", 53, home({ mode: 0o010755 })],
    [
      "a file as home",
      41,
      { ...home({ mode: 0o100644 }), homeObstacle: () => ({ reason: "Not a directory" }) },
    ],
    ["a setgid home", 0, home({ mode: 0o042755 })],
    ["somebody else's home", 53, home({ uid: 5 })],
    ["a home of a higher uid", 53, home({ uid: uid + 1 })],
    ["somebody else's home, relaxed", 0, { ...home({ uid: 5 }), ...settings({ relaxHomeOwner: true }) }],
    ["a home of another group", 53, home({ gid: 5 })],
    ["a home of another group, relaxed", 0, { ...home({ gid: 5 }), ...settings({ relaxHomeGroup: true }) }],
    ["a group-writable home", 53, home({ mode: 0o040775 })],
    // In jailkit 2.23 relax_home_group switched this check off as well.
    [
      "a group-writable home, group relaxed",
      53,
      { ...home({ mode: 0o040775 }), ...settings({ relaxHomeGroup: true }) },
    ],
    [
      "the same, relaxed",
      0,
      { ...home({ mode: 0o040775 }), ...settings({ relaxHomeGroupPermissions: true }) },
    ],
    ["the same, relaxed, and an ACL", 53, { ...groupHome, ...acl({ tag: "u", id: 5 }) }],
    ["the same, relaxed, and an ACL for a group", 53, { ...groupHome, ...acl({ tag: "g", id: 5 }) }],
    ["the same, relaxed, and an ACL to read", 0, { ...groupHome, ...acl({ tag: "u", id: 5, effective: 5 }) }],
    ["the same, relaxed, and an ACL for the user", 0, { ...groupHome, ...acl({ tag: "u", id: uid }) }],
    ["the same, relaxed, and an ACL for the group", 0, { ...groupHome, ...acl({ tag: "g", id: gid }) }],
    ["the same, relaxed, and what cannot be told", 53, { ...groupHome, homeAcl: () => "unknown" }],
    [
      "the same, relaxed for others too, and an ACL",
      0,
      {
        ...groupHome,
        ...acl({ tag: "u", id: 5 }),
        ...settings({ relaxHomeGroupPermissions: true, relaxHomeOtherPermissions: true }),
      },
    ],
    [
      "a home with an ACL behind its mask",
      0,
      { ...acl({ tag: "u", id: 5 }), ...settings({ relaxHomeGroupPermissions: true }) },
    ],
    ["an other-writable home", 53, home({ mode: 0o040757 })],
    [
      "the same, relaxed",
      0,
      { ...home({ mode: 0o040757 }), ...settings({ relaxHomeOtherPermissions: true }) },
    ],
    ["no user in the jail", 35, { inJail: () => ({ named: none, numbered: none, group }) }],
    [
      "another uid in the jail",
      35,
      { inJail: () => ({ named: { ...inside, uid: 5 }, numbered: none, group }) },
    ],
    [
      "a higher uid in the jail",
      35,
      { inJail: () => ({ named: { ...inside, uid: uid + 1 }, numbered: none, group }) },
    ],
    ["no group in the jail", 35, { inJail: () => ({ named: inside, numbered: inside, group: none }) }],
    [
      "another user name in the jail",
      37,
      { userVariable: "", inJail: () => ({ named: none, numbered: { ...inside, name: "v" }, group }) },
    ],
    [
      "another group name in the jail",
      37,
      { inJail: () => ({ named: inside, numbered: inside, group: { ...group, name: "h" } }) },
    ],
    [
      "another home in the jail",
      39,
      { inJail: () => ({ named: { ...inside, home: "/x" }, numbered: { ...inside, home: "/x" }, group }) },
    ],
    [
      "a home in the jail whose name begins with the other",
      39,
      {
        inJail: () => ({ named: { ...inside, home: "/" }, numbered: { ...inside, home: "/home/u2" }, group }),
      },
    ],
    [
      "a slash more at the end of the home",
      0,
      { inJail: () => ({ named: inside, numbered: { ...inside, home: "/home/u/" }, group }) },
    ],
    [
      "an empty jail and skip_injail_passwd_check",
      0,
      {
        ...settings({ skipInjailPasswdCheck: true }),
        inJail: () => ({ named: none, numbered: none, group: none }),
      },
    ],
    ["a home that cannot be entered", 41, { homeObstacle: () => ({ reason: "Permission denied" }) }],
    ["no shell", 111, { shell: () => ({ kind: "missing", path: "/bin/sh", reason: "gone" }) }],
    [
      "a jk_lsh that is not there",
      0,
      { shell: () => ({ kind: "internal", path: "/usr/sbin/jk_lsh", shown: false }) },
    ],
    [
      "a jk_lsh that is the host's",
      0,
      { shell: () => ({ kind: "internal", path: "/usr/sbin/jk_lsh", shown: true }) },
    ],
    [
      "an unsafe shell",
      111,
      { shell: () => ({ kind: "file", path: "/bin/sh", canonicalPath: "/bin/sh", unsafe: [unsafe] }) },
    ],
  ];

  test.each(cases)("%s: %p", (_, status, change) => {
    expect(exitStatus(change)).toBe(status);
  });

  test("has a case in which it fails", () => {
    const failed = new Set(cases.flatMap(([, , change]) => failures(change).map(({ name }) => name)));
    // It fails only with getgroups(2), as above.
    failed.add("groups");
    expect(LOGIN_CHECKS.flatMap(({ name }) => (failed.has(name) ? [] : [name]))).toEqual([]);
  });

  test("of several faults the first counts", () => {
    const all = cases.map(([, , change]) => change);
    expect(exitStatus(...all, { programName: "foo" })).toBe(1);
    expect(
      exitStatus(home({ uid: 5 }), { jailFindings: () => [unsafe], jail: () => ({ kind: "opened" }) }),
    ).toBe(53);
    expect(failures(home({ uid: 5, gid: 5 }))[0]?.name).toBe("home-owner");
  });

  test("a failure has a remedy", () => {
    for (const [what, status, change] of cases) {
      if (status === 0 || what.includes("cannot be used") || what === "no privilege") continue;
      expect([what, failures(change)[0]?.advice === ""]).toEqual([what, false]);
    }
  });

  test("a home is not taken from its owner, also if a name service does not answer whose it is", () => {
    const text = "/srv/j/./web/x";
    const remedy = (
      owner: ReturnType<LoginFacts["homeOwner"]>,
      onlyRootExchanges: LoginFacts["onlyRootExchanges"] = () => true,
    ) =>
      failures(home({ uid: 5 }), {
        onlyRootExchanges,
        account: () => ({ ...account, home: text }),
        split: () => ({ jail: "/srv/j", home: "/web/x" }),
        homeOwner: () => owner,
      }).find(({ name }) => name === "home-owner")?.advice;
    const owner = { ...account, name: "v", uid: 5 };
    const make = `mkdir -m 0700 /srv/j/web/x && chown +${uid}:+${uid} /srv/j/web/x`;
    const anew = `mv -nT /srv/j/web/x /srv/j/home/u.old && ${make}`;
    // It may be the home of that one, which somebody has exchanged.
    const unless = `if that is the home of 'v', to whom it belongs, move it to its place; if not, keep it under another name, and create a new one: ${anew}`;
    const again = `if the uid of the same user was changed: chown -hR --from=+5 +${uid} /srv/j/web/x; if not, keep it under another name, and create a new one: ${anew}`;
    expect([undefined, owner].map((one) => remedy(one))).toEqual([inWords(again), inWords(unless)]);
    for (const whose of ["unknown", { ...owner, home: text }] as const) {
      expect(remedy(whose)).toStartWith("usermod -d /srv/j/./home/u u && ");
      expect(remedy(whose, () => false)).toEqual(
        inWords("first let root alone write the directories above /srv/j/home/u"),
      );
      // It is the place of the other home that counts.
      expect(remedy(whose, (home) => home === "/home/u")).toStartWith("usermod ");
    }
  });

  test("what may have been moved to its place is not given to a user", () => {
    const remedies = (uid: number, mode: number, isRoots: boolean) =>
      failures(home({ uid, gid: 5, mode }), {
        isRootsPlace: () => isRoots,
        homeObstacle: () => ({ reason: "Permission denied", closed: "/srv/j/home/u" }),
      }).map(({ name, advice = "" }) => [name, adviceText(advice).split(" ")[0]]);
    const all = (word: string) => ["home-owner", "home-group"].map((name) => [name, word]);
    expect(remedies(0, 0o40700, false)).toEqual([...all("mv"), ["home-entry", "mv"]]);
    expect(remedies(5, 0o40700, true)).toEqual([...all("if"), ["home-entry", "if"]]);
    const given = [
      ["home-owner", "chown"],
      ["home-group", "chgrp"],
      ["home-entry", "chmod"],
    ];
    expect(remedies(0, 0o40700, true)).toEqual(given);
  });

  test("a directory above a home that may have been moved there is not opened by a command", () => {
    const advice = (isRoots: boolean) =>
      failures({
        isRootsPlace: () => isRoots,
        home: () => {
          throw new SystemError(13, "open", "/srv/j/home/u");
        },
      }).find(({ name }) => name === "home-present")?.advice;
    expect(advice(true)).toBe("chmod a+x /srv/j/home");
    expect(advice(false)).toEqual(
      inWords("let the user pass /srv/j/home, if that is the directory that should be there"),
    );
  });

  test.each<[what: string, check: string, change: Partial<LoginFacts>, words: string]>([
    [
      "a home without a jail",
      "separator",
      { split: () => undefined },
      "'jk_jailuser --dry-run -j JAIL u' shows",
    ],
    [
      "no home",
      "home-set",
      { account: () => ({ ...account, home: "" }) },
      "'jk_jailuser --dry-run -j JAIL u' shows",
    ],
    [
      "a link to the jail",
      "jail-path",
      { jail: () => ({ kind: "not-plain", reason: "", real: "/r r" }) },
      "give the account the home '/r r/./home/u' in its directory",
    ],
    [
      "a home of the jail's own",
      "home-owner",
      { ...home({ uid: 5 }), split: () => ({ jail: "/srv/j", home: "/etc" }) },
      "give the account another home in its directory, such as /srv/j/./home/u",
    ],
  ])("an account that usermod cannot change gets no such command: %s", (_, check, change, words) => {
    const advice = (isLocal: boolean) =>
      failures(change, { isLocal: () => isLocal }).find(({ name }) => name === check)?.advice;
    expect(advice(true)).toMatch(/^(?:usermod|jk_jailuser) -/);
    expect(advice(false)).toEqual({ words: expect.stringMatching(new RegExp(`${words}$`)) });
    expect(advice(false)).toEqual({ words: expect.not.stringMatching(/usermod|-m /) });
  });

  test("tolerated faults are noted", () => {
    const results = [
      ...runChecks(facts({ configFindings: () => [{ ...unsafe, tolerated: true }] }), LOGIN_CHECKS),
    ];
    expect(results.find(({ name }) => name === "config-directory")).toMatchObject({
      outcome: "warned",
      notes: [{ severity: "warning", message: unsafe.message }],
    });
  });
});
