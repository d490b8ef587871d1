/** Accounts of a directory in a declaration: what may be left out, and what counts then. */
import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { settled } from "../../src/declaration/compare/settle.ts";
import { compareUser } from "../../src/declaration/compare/user.ts";
import type { UserState } from "../../src/declaration/compare/user-state.ts";
import { declarationIn } from "../../src/declaration/read.ts";
import type { PasswdEntry } from "../../src/system/accounts.ts";

const read = (...lines: string[]) =>
  declarationIn(scanIni(toBytes(["[user luser]", "jail = /srv/j", ...lines, ""].join("\n")), "f", "plain"));
const problems = (...lines: string[]) => read(...lines).problems.map(({ code }) => code);
const declared = (...lines: string[]) => {
  const [user] = read(...lines).declaration.users;
  if (user === undefined) throw new Error("nothing is declared");
  return user;
};

const luser: PasswdEntry = {
  ...{ name: "luser", password: "x", uid: 7004, gid: 7004, gecos: "" },
  ...{ home: "/u/luser", shell: "/bin/sh" },
};
const inJail = (shell?: string) => ({
  root: undefined,
  accounts: {
    ...{ users: [], groups: [], userByUid: () => undefined, groupByName: () => undefined },
    groupByGid: () => undefined,
    userByName: () => (shell === undefined ? undefined : { ...luser, home: "/u/luser", shell }),
  },
});

describe("a user that is declared by name only", () => {
  test("needs neither shell nor rights in a directory, and no other does without", () => {
    expect(problems("directory = 1")).toEqual([]);
    expect(problems("directory = 0")).toEqual(["no-shell"]);
    expect(problems()).toEqual(["no-shell"]);
    // Limits of a limited shell that allows nothing.
    expect(problems("directory = 1", "confine = require")).toEqual(["no-shell"]);
  });

  test.each<[string, string[], string | undefined, string, string]>([
    ["the limited shell at first", [], undefined, "/usr/sbin/jk_lsh", "/u/luser"],
    ["the shell of its line in the jail", [], "/bin/bash", "/bin/bash", "/u/luser"],
    ["a declared shell", ["shell = /bin/sh"], "/bin/bash", "/bin/sh", "/u/luser"],
    ["the limited shell for a policy", ["allow = sftp"], "/bin/bash", "/usr/sbin/jk_lsh", "/u/luser"],
    ["a declared home", ["home = /home/l"], "/bin/bash", "/bin/bash", "/home/l"],
  ])("has %s", (_, lines, present, shell, home) => {
    const user = declared("directory = 1", ...lines);
    expect(settled(user, luser, inJail(present))).toMatchObject({ shell, home });
  });

  test("has a home that no other user's contradicts", () => {
    const other = ["[user other]", "jail = /srv/j", "shell = /bin/sh", "home = /home/luser"];
    expect(problems("directory = 1", ...other)).toEqual([]);
    expect(problems("directory = 1", "home = /home/luser", ...other)).toEqual(["taken"]);
  });

  test("has the home of the directory before and after that is changed", () => {
    const user = declared("directory = 1");
    for (const home of ["/u/luser", "/srv/j/./u/luser", "/srv/j/u/luser", "/srv/other/./u/luser"])
      expect(settled(user, { ...luser, home }, inJail()).home).toBe("/u/luser");
  });

  test("is as declared while no name service knows it, and outside of a directory", () => {
    const user = declared("directory = 1");
    expect(settled(user, undefined, inJail("/bin/bash"))).toBe(user);
    const local = declared("shell = /bin/sh");
    expect(settled(local, luser, inJail("/bin/bash"))).toBe(local);
  });
});

describe("the comparison", () => {
  const state = (account: PasswdEntry, shell?: string): UserState => ({
    ...{ account, local: false, fault: undefined, lacksGroups: [], hasGroup: true, home: "there" },
    ...{ inJail: inJail(shell).accounts.userByName(), lacksKeys: 0, otherOptions: 0, policy: undefined },
    ...{ wantedPolicy: undefined, former: { groups: [], keys: [], policy: false } },
  });
  const compared = (account: PasswdEntry, shell: string | undefined, ...lines: string[]) =>
    compareUser(settled(declared("directory = 1", ...lines), account, inJail(shell)), state(account, shell));

  test("says what the directory should have, until it does", () => {
    const wanted = { home: "/srv/j/./u/luser", shell: "/usr/sbin/jk_chrootsh" };
    expect(compared(luser, undefined)).toMatchObject({ changes: [{ what: "entry" }], directory: wanted });
    expect(compared(luser, "/bin/bash")).toEqual({ changes: [], fault: undefined, directory: wanted });
    const set = compared({ ...luser, ...wanted }, "/bin/bash");
    expect(set).toEqual({ changes: [], fault: undefined, directory: undefined });
  });

  test("refuses an account of /etc/passwd", () => {
    const user = settled(declared("directory = 1"), luser, inJail());
    expect(compareUser(user, { ...state(luser), local: true }).fault).toMatchObject({ code: "local" });
  });

  test("refuses a declared home that the directory contradicts, and says how it is set there", () => {
    const { changes, fault } = compared(luser, undefined, "home = /home/luser");
    expect(changes).toEqual([]);
    expect(fault).toMatchObject({ code: "home-differs" });
    expect(fault?.message).toContain("set homeDirectory to '/srv/j/./home/luser' in the directory first");
    const there = { ...luser, home: "/srv/j/./home/luser" };
    expect(compared(there, undefined, "home = /home/luser").fault).toBeUndefined();
  });
});
