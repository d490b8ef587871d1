import { expect, test } from "bun:test";
import { SystemError } from "../../ffi/error.ts";
import type { GroupEntry, PasswdEntry } from "../../src/system/accounts.ts";
import { AccountRun, makeChanges } from "../../src/users/account-run.ts";
import { type JailingFacts, planJailing } from "../../src/users/plan.ts";

const user: PasswdEntry = {
  name: "u",
  password: "x",
  uid: 1001,
  gid: 1001,
  gecos: "U",
  home: "/home/u",
  shell: "/bin/bash",
};
const group = (name: string, gid: number, members: string[] = []): GroupEntry => ({
  name,
  password: "x",
  gid,
  members,
});

function plan(
  changes: Partial<Omit<JailingFacts, "accounts">> & { passwd?: PasswdEntry[]; group?: GroupEntry[] } = {},
) {
  const { passwd = [], group: jailGroups = [], ...rest } = changes;
  return planJailing({
    user,
    groups: [group("u", 1001)],
    jail: "/srv/j",
    hostGroup: () => undefined,
    accounts: {
      users: passwd,
      userByName: (name) => passwd.find((entry) => entry.name === name),
      groupByName: (name) => jailGroups.find((entry) => entry.name === name),
      groupByGid: (gid) => jailGroups.find((entry) => entry.gid === gid),
    },
    shell: undefined,
    move: false,
    processes: [],
    ...rest,
  });
}

test.each([
  ["/home/u", "/srv/j/./home/u", "/home/u"],
  ["/home/u/", "/srv/j/./home/u", "/home/u"],
  ["/srv/j/./home/u", "/srv/j/./home/u", "/home/u"],
  ["/srv/j/home/u", "/srv/j/./home/u", "/home/u"],
  ["/srv/j//./home/u", "/srv/j/./home/u", "/home/u"],
  ["/srv/j/../j/home/x", "/srv/j/./home/x", "/home/x"],
  ["/srv/j2/home/u", "/srv/j/./srv/j2/home/u", "/srv/j2/home/u"],
])("home %s becomes %s", (home, expected, jailHome) => {
  const result = plan({ user: { ...user, home } });
  expect(result).toMatchObject({ home: expected, jailHome });
  expect(result.entry?.home).toBe(jailHome);
});

test("the jail gets no password hash and the limited shell", () => {
  const { entry, changeAccount, moveFrom } = plan({ user: { ...user, password: "$6$secret" } });
  expect(entry).toMatchObject({ password: "x", shell: "/usr/sbin/jk_lsh", uid: 1001 });
  expect(changeAccount).toBe(true);
  expect(moveFrom).toBeUndefined();
});

test("a second run does nothing", () => {
  const jailed = { ...user, home: "/srv/j/./home/u", shell: "/usr/sbin/jk_chrootsh" };
  const entry = { ...user, shell: "/bin/sh" };
  const result = plan({
    user: jailed,
    passwd: [entry],
    group: [group("u", 1001)],
    move: true,
    processes: [7],
  });
  expect(result).toMatchObject({ entry: undefined, groups: [], changeAccount: false, moveFrom: undefined });
  expect(result.notes).toHaveLength(3);
});

test("the jail as the home of an account that is already jailed stays", () => {
  const jailed = { ...user, home: "/srv/j/./", shell: "/usr/sbin/jk_chrootsh" };
  expect(plan({ user: jailed })).toMatchObject({ jailHome: "/", changeAccount: false });
});

test("a home is moved only from outside the jail", () => {
  expect(plan({ move: true }).moveFrom).toBe("/home/u");
  expect(plan({ move: true, user: { ...user, home: "/srv/j/home/u" } }).moveFrom).toBeUndefined();
});

test("groups are created, joined, or left alone", () => {
  const groups = [group("u", 1001), group("a", 5), group("b", 6), group("c", 7)];
  const present = [group("u", 1001), group("bee", 6, ["x"]), group("c", 7, ["u"])];
  expect(plan({ groups, group: present }).groups).toEqual([
    { name: "a", gid: 5, create: true, addMember: true },
    { name: "bee", gid: 6, create: false, addMember: true },
  ]);
});

test("the remedy for a group with another gid corrects it, also of one that the account is to join", () => {
  const present = [group("u", 1001), group("a", 6)];
  const side = "jk_jailuser --jail-side-only -j /srv/j u";
  expect(() => plan({ groups: [group("u", 1001), group("a", 5)], group: present })).toThrow(
    `and 5 on the host: fix it with: ${side}`,
  );
  expect(() => plan({ joins: [group("a", 5)], group: present })).toThrow(
    `and 5 on the host: fix it with: gpasswd -a u a && ${side}`,
  );
});

test("groups of the jail become those of the host", () => {
  const present = [group("u", 9), group("a", 6, ["u"])];
  const groups = [group("u", 1001), group("a", 5)];
  expect(plan({ corrects: true, groups, group: present }).groups).toEqual([
    { name: "u", gid: 1001, create: false, correct: true, addMember: false },
    { name: "a", gid: 5, create: false, correct: true, addMember: false },
  ]);
  // A login compares the name of the primary one.
  expect(plan({ group: [group("other", 1001)] }).groups).toEqual([
    { name: "u", gid: 1001, create: false, correct: true, addMember: false },
  ]);
});

test.each([
  ["root", { user: { ...user, uid: 0 } }, "uid 0"],
  ["running processes", { processes: [12, 34] }, "running processes (12 34)"],
  ["another jail", { user: { ...user, home: "/srv/other/./home/u" } }, "--unjail -s /usr/sbin/nologin u"],
  [
    "another jail, whose record knows its shell",
    {
      user: { ...user, home: "/srv/other/./home/u" },
      shellsIn: (jail: string) => () => (jail === "/srv/other" ? "/bin/sh" : undefined),
    },
    "--unjail u",
  ],
  ["another uid in the jail", { passwd: [{ ...user, uid: 2 }] }, "has uid 2"],
  ["another home in the jail", { passwd: [{ ...user, home: "/home/v" }] }, "'/home/v'"],
  ["another gid in the jail", { group: [group("u", 9)] }, "has gid 9"],
  ["a home of /", { user: { ...user, home: "/" } }, "home '/'"],
  ["a home that is the jail, as one in it", { user: { ...user, home: "/srv/j/./" } }, "home '/srv/j/./'"],
  [
    "a home that breaks the file",
    { user: { ...user, home: "/home/u\nroot::0:0::/:/bin/sh" } },
    "breaks passwd(5)",
  ],
])("refused: %s", (_what, changes, message) => {
  expect(() => plan(changes)).toThrow(message);
});

test.each(["/srv/j", "/srv/j/", "/srv//j"])(
  "the jail itself (%s) is no home in it: it gets the usual one",
  (home) => {
    const { jailHome, home: onHost, entry, moveFrom, notes } = plan({ user: { ...user, home }, move: true });
    expect([jailHome, onHost, entry?.home, moveFrom]).toEqual([
      "/home/u",
      "/srv/j/./home/u",
      "/home/u",
      undefined,
    ]);
    expect(notes).toContain("user 'u' gets the home /home/u: the jail itself can be no home in it");
  },
);

test("an error of a look at a changed login is a warning, and the next account is changed", () => {
  const changed: string[] = [];
  const changes = ["u", "v"].map((name) => ({
    run: new AccountRun(name),
    user: { ...user, name },
    apply: () => void changed.push(name),
  }));
  makeChanges(
    changes,
    () => "/srv/j",
    () => {
      throw new SystemError(11, "fork", undefined);
    },
  );
  expect(changed).toEqual(["u", "v"]);
  for (const { run } of changes)
    expect(run.warnings).toEqual([expect.stringContaining("the login could not be examined: ")]);
});
