/** What `jailkit apply` finds different, from what is declared and what is there. */
import { describe, expect, test } from "bun:test";
import { planLine } from "../../src/declaration/change.ts";
import { compareJail } from "../../src/declaration/compare/jail.ts";
import type { JailOnce, JailState } from "../../src/declaration/compare/jail-state.ts";
import { compareUser } from "../../src/declaration/compare/user.ts";
import type { UserState } from "../../src/declaration/compare/user-state.ts";
import type { DeclaredJail, DeclaredUser } from "../../src/declaration/model.ts";

const BASICS = new Set(["a", "b", "livebasics"]);
const place = { file: "/etc/jailkit/jails.d/a.ini", line: 1, column: 1 };
const JAIL: DeclaredJail = {
  ...{ path: "/srv/j", place, sections: ["a", "b"], files: ["id"], live: undefined },
  ...{ logSocket: undefined, proc: undefined },
};
const THERE: JailState = {
  ...{ exists: true, lost: false, emptied: false, fault: undefined, unfinished: new Set<string>() },
  ...{ sections: new Set(["a", "b"]), files: new Set(["/usr/bin/id"]), live: new Set<string>() },
  ...{
    lacking: new Map(),
    lacksProc: "not mounted",
    leftMounts: [],
    logSocket: false,
    proc: false,
    someProc: false,
    unrecorded: false,
    without: new Set<string>(),
    recordOf: () => undefined,
    ...{ others: [], keepsOwners: false },
  },
};
const lookUps = {
  pathOf: (name: string) => (name === "id" ? "/usr/bin/id" : undefined),
  liveOf: (live: readonly string[]) => live,
  needsOf: (sections: readonly string[]) => ({
    ...{ certain: !sections.includes("unknown"), proc: sections.includes("proc") },
    logSocket: sections.includes("log"),
  }),
};

const ONCE: JailOnce = {
  ...{ sections: ["a", "old"], files: ["/usr/bin/id", "/usr/bin/old"] },
  ...{ live: ["/usr", "/opt"], logSocket: true, proc: true },
};

function jailLines(
  declared: Partial<DeclaredJail>,
  state: Partial<JailState>,
  prune = false,
  once: JailOnce = { ...ONCE, live: [] },
) {
  const compared = compareJail({ ...JAIL, ...declared }, { ...THERE, ...state }, lookUps, { once, prune });
  return { ...compared, lines: compared.changes.map(planLine) };
}

describe("a jail", () => {
  test.each<[string, Partial<DeclaredJail>, Partial<JailState>, string[]]>([
    ["as declared", {}, {}, []],
    ["with a part", {}, { sections: new Set(["b"]) }, ["+ jail /srv/j: sections a (not in the jail)"]],
    ["unfinished", {}, { unfinished: new Set(["b"]) }, ["+ jail /srv/j: sections b (not all there)"]],
    [
      "emptied",
      { files: [] },
      { emptied: true },
      ["+ jail /srv/j: sections a, b (its contents were removed)"],
    ],
    [
      "missing",
      { proc: true, logSocket: false },
      { exists: false, sections: new Set(), files: new Set() },
      [
        "+ jail /srv/j: sections a, b (it does not exist)",
        "+ jail /srv/j: files id (it does not exist)",
        "+ jail /srv/j: proc (it does not exist)",
      ],
    ],
    ["not live", { live: ["/usr"] }, {}, ["+ jail /srv/j: live /usr (not mounted in the jail)"]],
    ["live", { live: ["/usr"] }, { live: new Set(["/usr", "/bin"]), sections: BASICS }, []],
    [
      "live after a run that was killed",
      { live: ["/usr"] },
      { live: new Set(["/usr", "/bin"]) },
      ["+ jail /srv/j: live /usr (livebasics is not all there)"],
    ],
    [
      "not mounted",
      { live: ["/usr"] },
      { live: new Set(["/usr"]), lacking: new Map([["/usr", "not mounted"]]), sections: BASICS },
      ["+ jail /srv/j: mounts /usr (not mounted)"],
    ],
    [
      "switched off",
      { proc: false, logSocket: false },
      { proc: true, logSocket: true },
      ["- jail /srv/j: log-socket (declared to be off)", "- jail /srv/j: proc (declared to be off)"],
    ],
  ])("%s", (_, declared, state, lines) => {
    expect(jailLines(declared, state).lines).toEqual(lines);
  });

  test("only what was declared once is pruned", () => {
    const state = {
      sections: new Set(["a", "b", "old", "hand"]),
      files: new Set(["/usr/bin/id", "/usr/bin/old", "/usr/bin/hand"]),
    };
    const kept = jailLines({}, state);
    expect([kept.lines, kept.undeclared]).toEqual([
      [],
      ["jail /srv/j: sections old, hand", "jail /srv/j: files /usr/bin/old, /usr/bin/hand"],
    ]);
    const pruned = jailLines({}, state, true);
    expect(pruned.lines).toEqual([
      "- jail /srv/j: files /usr/bin/old (no longer declared)",
      "- jail /srv/j: sections old (no longer declared)",
    ]);
    expect(pruned.undeclared).toEqual(["jail /srv/j: sections hand", "jail /srv/j: files /usr/bin/hand"]);
  });

  const SWITCHES = { proc: true, logSocket: true };

  test("the log socket and proc are pruned like sections, unless a section needs them", () => {
    const kept = jailLines({}, SWITCHES);
    expect([kept.lines, kept.undeclared]).toEqual([[], ["jail /srv/j: log-socket", "jail /srv/j: proc"]]);
    const removed = [
      "- jail /srv/j: log-socket (no longer declared)",
      "- jail /srv/j: proc (no longer declared)",
    ];
    expect(jailLines({}, SWITCHES, true).lines).toEqual(removed);
    for (const [name, lines] of [
      ["unknown", []],
      ["log", removed.slice(1)],
    ] as const) {
      const needed = jailLines(
        { sections: ["a", "b", name] },
        { ...SWITCHES, sections: new Set(["a", "b", name]) },
        true,
      );
      expect(needed.lines).toEqual([...lines]);
    }
    const byHand = { ...ONCE, live: [], proc: false, logSocket: false };
    expect(jailLines({}, SWITCHES, true, byHand)).toMatchObject({ lines: [], undeclared: kept.undeclared });
  });

  test("a section that is added does not bring what is declared to be off", () => {
    expect(jailLines({ sections: ["a", "log"], logSocket: false, proc: false }, {}).lines).toEqual([
      "+ jail /srv/j: sections log (not in the jail)",
      "- jail /srv/j: log-socket (declared to be off)",
    ]);
  });

  const off = { logSocket: false, proc: false };
  const needy = { sections: ["a", "log"] };
  const there = { sections: new Set(["a", "log"]) };
  const without = { ...there, without: new Set(["log-socket"]) };

  test("what sections need and is declared to be off is recorded, so that jk_update does not bring it", () => {
    const record = "declared to be off: jk_update would bring it, for its sections";
    const unknown = { sections: new Set([...there.sections, "unknown"]) };
    expect(jailLines({ ...needy, ...off }, there).lines).toEqual([`- jail /srv/j: log-socket (${record})`]);
    expect(jailLines({ ...needy, ...off }, without).lines).toEqual([]);
    expect(jailLines({ ...needy, ...off }, unknown).lines).toEqual([]);
    expect(jailLines({ ...needy, ...off }, { ...without, emptied: true }).lines.slice(2)).toEqual([
      "- jail /srv/j: log-socket (declared to be off)",
    ]);
  });

  test("proc that is only mounted, or only in fstab, is not off", () => {
    const some = { someProc: true };
    expect(jailLines(off, some).lines).toEqual(["- jail /srv/j: proc (declared to be off)"]);
    expect(jailLines({}, some)).toMatchObject({ lines: [], undeclared: ["jail /srv/j: proc"] });
    expect(jailLines({}, some, true).lines).toEqual(["- jail /srv/j: proc (no longer declared)"]);
  });

  test("without the key it comes back, if sections need it", () => {
    expect(jailLines(needy, without).lines).toEqual([
      "+ jail /srv/j: log-socket (no longer declared to be off, and its sections need it)",
    ]);
    expect(jailLines({}, { without: without.without }).lines).toEqual([]);
    expect(jailLines(needy, { ...without, logSocket: true }).lines).toEqual([]);
    // Somebody else took it away.
    expect(jailLines(needy, there).lines).toEqual([
      "+ jail /srv/j: log-socket (jk_socketd does not serve it, and its sections need it)",
    ]);
    expect(jailLines(needy, { sections: new Set([...there.sections, "unknown"]) }).lines).toEqual([]);
    // Its section brings it.
    expect(jailLines(needy, { without: without.without }).lines).toEqual([
      "+ jail /srv/j: sections log (not in the jail)",
    ]);
  });

  test("a jail that is live no longer gets copies, also after a run that was killed; others stay live", () => {
    const live = { live: new Set(["/usr", "/bin", "/opt", "/opt/x"]), sections: new Set(["a", "b", "hand"]) };
    const kept = jailLines({}, live, false, ONCE);
    expect([kept.lines, kept.undeclared]).toEqual([
      [],
      ["jail /srv/j: sections hand", "jail /srv/j: live /usr, /opt, /opt/x"],
    ]);
    const copiedWith = (sections: string) => [
      `+ jail /srv/j: sections ${sections} (copied, without the live directories)`,
      "+ jail /srv/j: files id (copied, without the live directories)",
    ];
    const copied = copiedWith("a, b, hand");
    const whole = { ...live, sections: new Set([...live.sections, "livebasics"]) };
    expect(jailLines({ live: ["/opt/x"] }, whole, true, ONCE).lines).toEqual([
      "- jail /srv/j: live /usr, /bin, /opt (no longer declared)",
      ...copiedWith("a, b, hand, livebasics"),
    ]);
    const killed = { ...live, live: new Set<string>() };
    expect(jailLines({}, killed, false, ONCE)).toMatchObject({ lines: copied, taken: ["/usr", "/opt"] });
    expect(jailLines({}, killed, false, { ...ONCE, live: [] }).lines).toEqual([]);
  });

  test("nothing is done in one with a fault, nor to one that nothing creates", () => {
    const fault = { code: "unsafe-jail", message: "is not safe" } as const;
    expect(jailLines({ proc: true }, { fault, sections: new Set() })).toMatchObject({
      ...{ lines: [], fault: { ...fault, name: "/srv/j" } },
    });
    expect(jailLines({ sections: [], files: [] }, { exists: false })).toMatchObject({
      ...{ lines: [], fault: { code: "empty-jail" } },
    });
  });
});

const USER: DeclaredUser = {
  ...{ name: "u", place, jail: "/srv/j", shell: "/bin/bash", home: "/home/u", uid: undefined },
  ...{ comment: undefined, groups: [], keys: undefined, directory: false, policy: undefined },
};
const ACCOUNT = {
  ...{ name: "u", password: "x", uid: 1000, gid: 100, gecos: "U" },
  ...{ home: "/srv/j/./home/u", shell: "/usr/sbin/jk_chrootsh" },
};
const AS_DECLARED: UserState = {
  ...{ account: ACCOUNT, local: true, fault: undefined, lacksGroups: [], hasGroup: true, home: "there" },
  ...{ lacksKeys: 0, otherOptions: 0, policy: undefined, wantedPolicy: undefined },
  inJail: { ...ACCOUNT, home: "/home/u", shell: "/bin/bash" },
  former: { groups: [], keys: [], policy: false },
};

function userLines(declared: Partial<DeclaredUser>, state: Partial<UserState>) {
  const compared = compareUser({ ...USER, ...declared }, { ...AS_DECLARED, ...state });
  return { ...compared, lines: compared.changes.map(planLine) };
}

describe("a user", () => {
  test.each<[string, Partial<DeclaredUser>, Partial<UserState>, string[]]>([
    ["as declared", { uid: 1000, comment: "U" }, {}, []],
    [
      "whose home is written in another way",
      { home: "/home//u/" },
      { account: { ...ACCOUNT, home: "/srv/j//./home/u/" } },
      [],
    ],
    [
      "whose home no login takes",
      {},
      { account: { ...ACCOUNT, home: "/srv//j/./home/u" } },
      [
        "~ user u: account /srv//j/./home/u -> /srv/j/./home/u (no login works with a home that is so written)",
      ],
    ],
    [
      "outside",
      {},
      { account: { ...ACCOUNT, home: "/home/u", shell: "/bin/sh" }, inJail: undefined },
      ["~ user u: account /home/u -> in /srv/j/./home/u, shell /bin/bash, with its home (it is in no jail)"],
    ],
    [
      "with another group in the jail",
      {},
      { inJail: { ...ACCOUNT, gid: 101, home: "/home/u", shell: "/bin/bash" } },
      ["~ user u: entry (the jail's etc/passwd contradicts the account)"],
    ],
    [
      "with another policy",
      {},
      { policy: new Map([["allow", "scp"]]), wantedPolicy: new Map([["allow", "sftp"]]) },
      ["~ user u: policy differs in allow"],
    ],
    [
      "of a directory",
      { directory: true },
      { account: { ...ACCOUNT, home: "/home/u", shell: "/bin/sh" }, local: false, inJail: undefined },
      ["+ user u: entry /bin/bash (it is not in the jail's etc/passwd)"],
    ],
    [
      "with what was declared once",
      {},
      { former: { groups: ["g"], keys: ["k"], policy: true } },
      [
        "- user u: groups g (no longer declared)",
        "- user u: policy (no longer declared)",
        "- user u: keys 1 that cannot be read (no longer declared)",
      ],
    ],
  ])("%s", (_, declared, state, lines) => {
    expect(userLines(declared, state)).toMatchObject({ lines, fault: undefined });
  });

  test("rights are limited before the account is in the jail", () => {
    const wantedPolicy = new Map([["confine", "1"]]);
    expect(userLines({}, { account: undefined, inJail: undefined, wantedPolicy }).lines).toEqual([
      "+ user u: policy confine (it has no section)",
      "+ user u: account in /srv/j, home /home/u, shell /bin/bash (it does not exist)",
    ]);
  });

  test.each<[string, Partial<DeclaredUser>, Partial<UserState>]>([
    ["root", {}, { account: { ...ACCOUNT, uid: 0 } }],
    ["uid-differs", { uid: 1001 }, {}],
    ["in-another-jail", {}, { account: { ...ACCOUNT, home: "/srv/other/./home/u" } }],
    ["home-differs", { home: "/home/other" }, {}],
    ["home-differs", {}, { account: { ...ACCOUNT, home: "/data/u" } }],
    ["not-local", {}, { local: false }],
    ["local", { directory: true }, { local: true }],
    ["no-such-user", { directory: true }, { account: undefined }],
  ])("%s is a fault, and nothing is changed", (code, declared, state) => {
    expect(userLines({ comment: "new", ...declared }, state)).toMatchObject({ lines: [], fault: { code } });
  });

  test.each<[string, Partial<DeclaredUser>, Partial<UserState>]>([
    ["uid = 1000", { uid: 1001 }, {}],
    ["home = /home/u", { home: "/home/other" }, {}],
    ["directory = yes", {}, { local: false }],
    ["directory = no", { directory: true }, { local: true }],
  ])("the remedy is the line '%s'", (line, declared, state) => {
    const remedy = `in section [user u] of /etc/jailkit/jails.d/a.ini write:\n${line}`;
    expect<unknown>(userLines(declared, state).fault?.remedy).toBe(remedy);
  });

  test("the directory is told what it should say until it does", () => {
    const directory = { directory: true };
    const state = { local: false, account: { ...ACCOUNT, shell: "/bin/sh" } };
    expect(userLines(directory, state).directory).toEqual({
      home: "/srv/j/./home/u",
      shell: "/usr/sbin/jk_chrootsh",
    });
    expect(userLines(directory, { local: false }).directory).toBeUndefined();
  });
});
