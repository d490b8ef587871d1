import { describe, expect, test } from "bun:test";
import type { GroupEntry, PasswdEntry } from "../../src/system/accounts.ts";
import { type AccountFacts, chooseAccounts } from "../../src/transfer/accounts.ts";
import type { TransferUser } from "../../src/transfer/document.ts";

const user = (name: string, uid: number, home: string): PasswdEntry => ({
  ...{ name, uid, gid: 100, home, password: "x", gecos: "", shell: "/bin/sh" },
});
const group = (name: string, gid: number): GroupEntry => ({ name, gid, password: "x", members: [] });

const USERS = [
  user("root", 0, "/root"),
  user("daemon", 1, "/"),
  user("admin", 1000, "/home/admin"),
  user("dora", 1001, "/home/carl"),
];
const GROUPS = [
  ...[group("root", 0), group("users", 100), group("shadow", 42), group("sudo", 27), group("jailed", 998)],
  ...[group("clients", 5000), group("docker", 5001), group("www-data", 33)],
  group("dora", 1001),
];

function facts(users = USERS): AccountFacts {
  return {
    userByName: (name) => users.find((each) => each.name === name),
    userByUid: (uid) => users.find((each) => each.uid === uid),
    groupByName: (name) => GROUPS.find((each) => each.name === name),
    groupByGid: (gid) => GROUPS.find((each) => each.gid === gid),
    shellsIn: () => () => undefined,
    keptUid: () => undefined,
    ...{ uids: { least: 1000, most: 60_000 }, gids: { least: 1000, most: 60_000 } },
  };
}

const ANNA: TransferUser = {
  ...{ name: "anna", uid: 5001, gid: 100, group: "users", groups: [], comment: "" },
  ...{ home: "/home/anna", shell: "/bin/bash", local: true },
};
const OPTIONS = { jail: "/srv/j", createUsers: true, trusted: false };

const choose = (users: readonly Partial<TransferUser>[], options = {}, known = USERS) =>
  chooseAccounts(
    users.map((each) => ({ ...ANNA, ...each })),
    facts(known),
    { ...OPTIONS, ...options },
  );

test("an account is created with the uid and groups that it had", () => {
  const { choices, problems, warnings } = choose([
    { groups: [group("clients", 5000), group("jailed", 777)] },
    { name: "bob", uid: 5002, gid: 6000, group: "bob", home: "/home/bob" },
    { name: "carl", uid: 5003, gid: 6000, group: "bob", home: "/home/carl" },
  ]);
  expect({ problems, warnings }).toEqual({ problems: [], warnings: [] });
  expect(choices).toMatchObject([
    { state: "create", createGroup: false, joins: [{ name: "clients" }, { name: "jailed", gid: 998 }] },
    { state: "create", createGroup: true },
    { state: "create", createGroup: false },
  ]);
});

test("without --create-users, and for a name service, it is absent, with a line", () => {
  expect(choose([{}], { createUsers: false })).toMatchObject({
    choices: [{ state: "absent" }],
    warnings: ["this machine has no account 'anna': --create-users creates it"],
  });
  const { choices, problems, warnings } = choose([{ name: "anna@example.org", local: false }]);
  expect([choices[0]?.state, problems]).toEqual(["absent", []]);
  expect(warnings[0]).toContain("name service (LDAP)");
});

test("an account that lives in the new jail is entered there", () => {
  const known = [...USERS, user("anna", 5001, "/srv/j/./home/anna")];
  expect(choose([{}], {}, known)).toMatchObject({ choices: [{ state: "here", joins: [] }], problems: [] });
});

const REFUSED: readonly (readonly [string, Partial<TransferUser>, string])[] = [
  ["root", { name: "root", uid: 0 }, "a jail cannot hold root"],
  ["root by another name", { uid: 0 }, "a jail cannot hold root"],
  ["an account that lives elsewhere", { name: "admin", uid: 1000 }, "the account is on this machine already"],
  ["the same name with another uid", { name: "admin", uid: 5001 }, "it has the uid 1000 on this machine"],
  ["the uid of another", { uid: 1000 }, "the uid 1000 belongs to 'admin'"],
  ["nobody", { uid: 65534 }, "means nobody"],
  ["nobody of 16 bits", { uid: 65535 }, "means nobody"],
  ["a uid of the system", { uid: 900 }, "the uid 900 is not in the range of users"],
  ["a uid of another user's containers", { uid: 100_005 }, "the uid 100005 is not in the range of users"],
  [
    "a group of the system",
    { gid: 42, group: "shadow" },
    "the gid 42 of the group 'shadow' is not in the range",
  ],
  [
    "a group of containers",
    { gid: 100_005, group: "x" },
    "the gid 100005 of the group 'x' is not in the range",
  ],
  ["a group of administrators", { gid: 5001, group: "docker" }, "can become root"],
  ["the group of another customer", { gid: 1001, group: "dora" }, "has the name of another account"],
  ["a new group named as an account", { gid: 5005, group: "daemon" }, "has the name of another account"],
  ["a name that groupadd does not take", { gid: 5005, group: "g".repeat(33) }, "groupadd(8) accepts no name"],
  ["a comment that is not UTF-8", { comment: "a\xff" }, "cannot be the comment"],
  ["a home that is not UTF-8", { home: "/home/a\xff" }, "cannot be the home"],
  ["a home with a long name", { home: `/home/${"a".repeat(256)}` }, "has a name of more than 255 bytes"],
  ["a group with another gid", { gid: 5005, group: "clients" }, "the group 'clients' has the gid 5000"],
  ["a gid with another name", { gid: 42, group: "mine" }, "which belongs to 'shadow'"],
  ["a name that is an option", { name: "-o" }, "cannot be used"],
  ["a name with a colon", { name: "a:0" }, "cannot be used"],
  ["a path", { name: "../x" }, "cannot be used"],
  ["DEFAULT", { name: "DEFAULT" }, "that is no name of a user"],
  ["a section for a group", { name: "group users" }, "cannot be used"],
  ["a group that is a path", { group: "a/b" }, "cannot be used"],
  ["a name that useradd does not take", { name: "anna@example.org" }, "useradd(8) accepts"],
  ["a field too many", { comment: "x:0" }, "breaks passwd(5)"],
  ["a home with a field", { home: "/home/a:b" }, "breaks passwd(5)"],
  ["a home above", { home: "/home/../../etc" }, "is a directory of the jail's own"],
  ["the jail as home", { home: "/" }, "is a directory of the jail's own"],
  ["a home in etc", { home: "/etc/cron.d" }, "is a directory of the jail's own"],
  ["a home that is no path", { home: "home/anna" }, "is a directory of the jail's own"],
  ["a shell above", { shell: "/../bin/sh" }, "is no path"],
];

describe("refused, before anything is done:", () => {
  test.each(REFUSED)("%s", (_name, more, message) => {
    const { problems } = choose([more]);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain(message);
    expect(problems[0]?.message).toMatch(/^[\x20-\x7e]*$/);
  });

  test("a name or uid twice", () => {
    for (const other of [{ uid: 5002 }, { name: "bob", home: "/home/bob" }]) {
      const messages = choose([{}, other]).problems.map(({ message }) => message);
      expect(messages).toEqual([expect.stringContaining("another user with this name or uid")]);
    }
  });

  test("the home of another user in the file", () => {
    const carla = { name: "carla", uid: 5002 };
    expect(choose([{}, carla]).problems[0]?.message).toContain("'/home/anna' is the home of 'anna'");
    const known = [...USERS, user("anna", 5001, "/srv/j/./home/anna")];
    expect(choose([{}, carla], {}, known).problems).toHaveLength(1);
    expect(choose([{}, carla], { createUsers: false }).problems).toEqual([]);
  });

  test("a new group with two gids, and a new gid with two names", () => {
    const first = { gid: 6000, group: "new" };
    expect(choose([first, { name: "b", uid: 5002, gid: 6001, group: "new" }]).problems).toHaveLength(1);
    expect(choose([first, { name: "b", uid: 5002, gid: 6000, group: "other" }]).problems).toHaveLength(1);
  });
});

describe("groups that the file cannot give an account:", () => {
  const cases = [
    ["of the system", group("www-data", 33)],
    ["of administrators", group("docker", 5001)],
    ["of another customer", group("dora", 1001)],
    ["of administrators of the system", group("sudo", 27)],
    ["with another gid here", group("clients", 7000)],
    ["that are missing", group("nobodys", 5009)],
  ] as const;
  test.each(cases)("%s", (_name, one) => {
    const { choices, warnings } = choose([{ groups: [one] }]);
    expect(choices[0]?.joins).toEqual([]);
    expect(warnings[0]).toContain(`user 'anna' does not join the group '${one.name}'`);
    const trusted = choose([{ groups: [one] }], { trusted: true }).choices[0]?.joins.map(({ name }) => name);
    expect(trusted).toEqual(one.name === "nobodys" ? [] : [one.name]);
  });
});

test("a trusted file may have ids and groups of the system, but never root", () => {
  const trusted = { trusted: true };
  expect(choose([{ uid: 900, gid: 33, group: "www-data" }], trusted)).toMatchObject({ problems: [] });
  expect(choose([{ uid: 0 }], trusted).problems).toHaveLength(1);
});
