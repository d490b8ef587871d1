import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { accountFindings } from "../../src/check/accounts.ts";
import { shellWord } from "../../src/cli/shell-word.ts";
import { otherHomeAdvice } from "../../src/jail/accounts/home-place.ts";
import type { GroupEntry, PasswdEntry } from "../../src/system/accounts.ts";
import { livesIn } from "../../src/system/separator.ts";

const user = (name: string, uid: number, gid: number, home: string): PasswdEntry => ({
  ...{ name, uid, gid, home, password: "x", gecos: "", shell: "/usr/sbin/jk_chrootsh" },
});
const USERS = [
  user("root", 0, 0, "/root"),
  user("daemon", 1, 1, "/usr/sbin"),
  user("nobody", 65534, 65534, "/nonexistent"),
  user("slash", 1001, 1001, "/j//./home/slash/"),
  user("other", 1002, 1002, "/k/./home/other"),
  user("free", 1003, 1003, "/home/free"),
  user("gone", 1005, 1005, "/j/./home/gone"),
  user("lost", 1006, 1006, "/j/./home/lost"),
  user("mixed", 1007, 1007, "/j/./home/mixed"),
  user("eased", 1008, 1008, "/j/./home/eased"),
  user("lent", 1011, 1000, "/j/./home/lent"),
  user("lent2", 1012, 1012, "/j/./home/lent2"),
  { ...user("ftp", 1009, 1009, "/j/./home/ftp"), shell: "/usr/sbin/nologin" },
  user("odd", 1010, 1010, "/j/./etc"),
];
const GROUPS: GroupEntry[] = [
  { name: "root", password: "x", gid: 0, members: [] },
  { name: "u", password: "x", gid: 1000, members: [] },
];

// Others have the group of u.
const HOME_GROUPS: Readonly<Record<string, number>> = { "/home/slash": 1001, "/etc": 33 };
// Others are root's.
const OWNERS: Readonly<Record<string, number>> = {
  "/home/u": 1000,
  "/home/slash": 1001,
  "/home/u/deep": 1000,
  "/home/mixed": 1007,
  "/home/eased": 1008,
  "/home/ftp": 1009,
  "/etc": 1010,
  "/theirs": 1003,
  "/theirs/u": 1000,
  "/outside": 1004,
  "/outside/u": 1004,
  "/outside/mine": 1000,
  "/srv/lost": 1234,
};

const rules = (passwd: string, group = ""): string[] => findingsOf(passwd, group).map(({ rule }) => rule);

/** `home`: that of u on the host. */
function findingsOf(passwd: string, group = "", home = "/j/./home/u", numbered: readonly GroupEntry[] = []) {
  const told: string[] = [];
  return accountFindings({
    jail: "/j",
    passwd: passwd.split("\n"),
    group: group.split("\n"),
    edit: (file, script) => `sed -i ${shellWord(script)} ${shellWord(file)}`,
    hostUser: (name) => (name === "u" ? user("u", 1000, 1000, home) : USERS.find((one) => one.name === name)),
    hostUserNumbered: () => undefined,
    lackingUser: (uid) => (uid === 1777 ? "v" : undefined),
    hostGroup: (name) => GROUPS.find((one) => one.name === name),
    hostGroupNumbered: (gid) => numbered.find((one) => one.gid === gid),
    otherUid: () => undefined,
    renamed: () => undefined,
    strayHere: () => undefined,
    noGroup: () => undefined,
    inJail: (path) =>
      path === "/home/gone" || path.endsWith(".old")
        ? undefined
        : {
            ...{
              mode: 0o40755,
              uid: OWNERS[path] ?? 0,
            },
            gid: HOME_GROUPS[path] ?? (/^\/(?:home|srv)?$/.test(path) ? 0 : 1000),
            ...{ nlink: 1, size: 0, ino: 1n, devMajor: 0, devMinor: 0, rdevMajor: 0, rdevMinor: 0 },
            ...{ atime: 0n, mtime: 0n, ctime: 0n, mountId: 0n },
          },
    programOnHost: () => true,
    programInJail: (path) => path === "/bin/sh",
    onlyRootRuns: () => false,
    noexec: false,
    relaxed: ({ name }) => ({ relaxHomeGroup: name === "eased", relaxHomeOwner: name.startsWith("lent") }),
    isGuest: ({ name }) => name === "guest",
    mayBeHome: (path) => path === "/j/outside" || path === "/j/outside/u",
    movedHere: (_, jail) => (jail === "/was" ? `jailkit adopt --moved ${jail} /j` : undefined),
    declaredHere: ({ name }) => (name === "declared" ? "jailkit apply --prune" : undefined),
    homeMeant: ({ name, home }) =>
      home === "/home/meant" ? `usermod -d /j/./home/meant ${name}` : undefined,
    plainHome: () => undefined,
    otherHome: (user) => otherHomeAdvice("/j", user),
    homeMount: () => undefined,
    homeElsewhere: ({ name }) =>
      name === "aside" ? { message: "it is aside", remedy: "jk_jailuser -n -m -j /j aside" } : undefined,
    verbose: (line) => told.push(line),
  });
}

describe("accounts of a jail", () => {
  test.each([
    ["/was/./home/u", "jailkit adopt --moved /was /j"],
    ["/gone/./home/other", "jk_jailuser --unjail --jail-side-only -j /j u"],
    ["/another/./home/u", "jk_jailuser --unjail --jail-side-only -j /j u"],
  ])("with a home on the host that is %s", (home, remedy) => {
    const [finding] = findingsOf("u:x:1000:1000::/home/u:/bin/sh", "u:x:1000:", home);
    expect<unknown[]>([finding?.rule, finding?.remedy]).toEqual(["home-differs", remedy]);
    expect(finding?.otherwise).toBeUndefined();
  });

  test("with a home that is meant to be in the jail, or not: both ways are told", () => {
    const [finding] = findingsOf("u:x:1000:1000::/home/meant:/bin/sh", "u:x:1000:", "/gone/./home/u");
    expect(finding).toMatchObject({
      rule: "home-differs",
      remedy: "usermod -d /j/./home/meant u",
      otherwise: "take its line in the jail out: jk_jailuser --unjail --jail-side-only -j /j u",
    });
  });

  const OTHER_HOME =
    "usermod -d /j/./home/u u && jk_jailuser --jail-side-only -j /j u && install -d -o +1000 -g +1000 -m 0700 /j/home/u";
  const other = "usermod -d /j/./home/u u && jk_jailuser --jail-side-only -j /j u && install -d -o +1000";
  test.each([
    ["a home that root made", "u:x:1000:1000::/srv/u:/bin/sh", "chown -h +1000 /j/srv/u"],
    [
      "what a group may have moved there",
      "u:x:1000:1000::/srv/web/u:/bin/sh",
      "mv -nT /j/srv/web/u /j/srv/web/u.old && mkdir -m 0700 /j/srv/web/u && chown +1000:+1000 ",
    ],
    ["a directory of the jail's own", "u:x:1000:1000::/etc:/bin/sh", other],
    [
      "another account's",
      "slash:x:1001:1001::/home/slash:/bin/sh\nu:x:1000:1000::/home/slash:/bin/sh",
      other,
    ],
    ["of an account that is not in the jail", "u:x:1000:1000::/outside/u:/bin/sh", other],
  ])("a home that belongs to another user: %s", (_what, passwd, remedy) => {
    const home = passwd.split(":").at(-2);
    const [found] = findingsOf(passwd, "", `/j/.${home}`).filter(({ rule }) => rule === "home-owner");
    expect(found?.remedy).toStartWith(remedy);
  });

  test("no command sets aside a directory of a uid that nobody has: it may be that of the same user", () => {
    const all = findingsOf("u:x:1000:1000::/srv/lost:/bin/sh", "", "/j/./srv/lost");
    const found = all.find(({ rule }) => rule === "home-owner");
    expect(found?.remedy).toBeUndefined();
    expect(found?.message).toMatch(
      /; if the uid of the same user was changed: chown -hR --from=\+\d+ \+1000 \/j\/srv\/lost; if not, keep it under another name, and create a new one: mv -nT \/j\/srv\/lost \/j\/srv\/lost.old && /,
    );
  });

  test.each([
    ["mixed:x:1007:1007::/home/mixed:/bin/sh", "chgrp -h +1007 /j/home/mixed"],
    ["odd:x:1010:1010::/etc:/bin/sh", "usermod -d /j/./home/odd odd && "],
  ])("a home with another group: %s", (passwd, remedy) => {
    const [found] = findingsOf(passwd).filter(({ rule }) => rule === "home-group");
    expect(found?.remedy).toStartWith(remedy);
  });

  test.each([
    ["/home/u", "/home/free", undefined],
    ["/home/u/deep", "/home/free", undefined],
    ["/theirs/u", "/home/free", "chown -h root /j/theirs"],
    ["/theirs/u", "/theirs/free", "chown -h root /j/theirs"],
    ["/theirs/u", "/", "chown -h root /j/theirs"],
    // chown would take it from its user.
    ["/theirs/u", "/theirs/", OTHER_HOME],
    ["/home/u", "/home", undefined],
  ])("a home that another user can exchange: %s, in or beside %s", (home, theirs, remedy) => {
    const passwd = `u:x:1000:1000::${home}:/bin/sh\nfree:x:1003:1003::${theirs}:/bin/sh`;
    const found = findingsOf(passwd, "", `/j/.${home}`).filter(({ rule }) => rule === "home-exchangeable");
    expect(found.map((one) => [one.path, one.remedy])).toEqual(
      remedy === undefined ? [] : [["/j/theirs", remedy]],
    );
  });

  test("a home in the home of an account that is not in the jail", () => {
    const passwd = "u:x:1000:1000::/outside/mine:/bin/sh";
    const found = findingsOf(passwd, "", "/j/./outside/mine");
    expect(found.map((one) => [one.rule, one.path, one.remedy])).toEqual([
      ["home-exchangeable", "/j/outside", OTHER_HOME],
    ]);
  });

  const cases: readonly (readonly [what: string, passwd: string, rules: readonly string[]])[] = [
    ["as on the host", "root:x:0:0::/root:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n", []],
    ["a limited shell that is not in the jail", "u:x:1000:1000::/home/u:/usr/sbin/jk_lsh\n", []],
    ["another shell that is not", "u:x:1000:1000::/home/u:/bin/zsh\n", ["shell-missing"]],
    ["another uid", "u:x:1009:1000::/home/u:/bin/sh\n", ["user-changed"]],
    ["another gid", "u:x:1000:1009::/home/u:/bin/sh\n", ["user-changed"]],
    ["root with another uid", "root:x:5:0::/root:/bin/sh\n", ["user-changed"]],
    ["another home", "u:x:1000:1000::/home/v:/bin/sh\n", ["home-differs"]],
    ["homes that are written in another way", "slash:x:1001:1001::/home/slash:/bin/sh\n", []],
    ["another home that is not there", "u:x:1000:1000::/home/gone:/bin/sh\n", ["home-differs"]],
    ["a home that is gone", "gone:x:1005:1005::/home/gone:/bin/sh\n", ["home-missing"]],
    ["a home that is another's", "lost:x:1006:1006::/home/lost:/bin/sh\n", ["home-owner"]],
    ["a home with another group", "mixed:x:1007:1007::/home/mixed:/bin/sh\n", ["home-group"]],
    ["a home that may have another group", "eased:x:1008:1008::/home/eased:/bin/sh\n", []],
    ["a home that may be another's", "lent:x:1011:1000::/home/lent:/bin/sh\n", []],
    ["one with another group as well", "lent2:x:1012:1012::/home/lent2:/bin/sh\n", ["home-group"]],
    ["a home with another group, and no login", "ftp:x:1009:1009::/home/ftp:/bin/sh\n", []],
    ["of another jail", "other:x:1002:1002::/home/other:/bin/sh\n", ["home-differs"]],
    ["of no jail", "free:x:1003:1003::/home/free:/bin/sh\n", ["home-differs"]],
    ["of the system", "daemon:x:1:1::/usr/sbin:/bin/sh\nnobody:x:65534:65534::/nonexistent:/bin/sh\n", []],
    ["of the system, with another home", "daemon:x:1:1::/tmp:/bin/sh\n", ["home-differs"]],
    ["unknown", "ghost:x:1004:1004::/:/bin/sh\n", ["user-unknown"]],
    ["a second root", "toor:x:0:0::/root:/bin/sh\n", ["extra-root", "user-unknown"]],
    [
      "twice the same name",
      "u:x:1000:1000::/home/u:/bin/sh\nu:x:1000:1000::/home/u:/bin/sh\n",
      ["duplicate-user"],
    ],
    [
      "two names of one uid",
      "u:x:1000:1000::/home/u:/bin/sh\nv:x:1000:1000::/home/u:/bin/sh\n",
      ["duplicate-user", "user-unknown"],
    ],
    ["a hash", "root:$6$a$b:0:0::/root:/bin/sh\n", ["password-hash"]],
    ["an old hash", "root:abcdefghijklm:0:0::/root:/bin/sh\n", ["password-hash"]],
    ["a locked one", "root:!:0:0::/root:/bin/sh\n", []],
    ["no entry", "nonsense\n# comment\n\n", ["account-line"]],
    ["one with a field too many", "u:x:1000:1000::/home/u:/bin/sh:more\n", ["account-line"]],
  ];
  test.each(cases)("%s", (_, passwd, expected) => {
    expect(rules(passwd)).toEqual([...expected]);
  });

  test.each([
    ["root:x:0:\nu:x:1000:u\n", []],
    ["u:x:1001:\n", ["group-changed"]],
    ["phantoms:x:1:\n", ["group-unknown"]],
    ["root:$6$a$b:0:\n", ["password-hash"]],
    ["nonsense\n", ["account-line"]],
  ])("group %j", (group, expected) => {
    expect(rules("", group)).toEqual(expected);
  });
});

test("livesIn", () => {
  for (const home of ["/j/./home", "/j//./home", "/j/././home"]) expect(livesIn("/j", home)).toBe(true);
  for (const home of ["/jj/./home", "/j/home", "/j/k/./home", "/./j"])
    expect(livesIn("/j", home)).toBe(false);
});

test("the primary group of a jailed user is in the jail, with its name: a login needs both", () => {
  const of = (passwd: string, group: string) =>
    findingsOf(passwd, group, "/j/./home/u", GROUPS).map(({ rule, message }) => [rule, message]);
  const u = "u:x:1000:1000::/home/u:/bin/sh";
  expect(of(u, "u:x:1000:")).toEqual([]);
  const missing = ["group-not-in-jail", "group u (gid 1000) of user u is missing in jail /j/"];
  expect(of(u, "#u:x:1000:")).toEqual([missing]);
  // No finding whose remedy would take away the line that this one's writes.
  const renamed = ["group-not-in-jail", "group u (gid 1000) of user u has the name old in jail /j/"];
  expect(of(u, "old:x:1000:")).toEqual([renamed]);
  expect(of(`${u}\n${u}`, "").filter(([rule]) => rule === "group-not-in-jail")).toEqual([missing]);
  expect(of("u:x:1000:5::/home/u:/bin/sh", "").map(([rule]) => rule)).toEqual(["user-changed"]);
});

describe("a command that changes a line", () => {
  const PASSWD = "u:x:1000:1000::/home/u:/bin/sh";
  // What a pattern of sed, or a shell, could take for something else.
  const ODD = String.raw`a/b.*[c]^$&'\n{1};"é`;
  const GROUP = ["root::5:u", "nobody:hash.:7:", "nobody:x:7:", ODD].join("\n");
  const remedies = findingsOf(PASSWD, GROUP).flatMap(({ path, remedy }) =>
    path === "/j/etc/group" && remedy?.startsWith("sed ") ? [remedy] : [],
  );

  /** The lines after a command was typed. */
  function typed(remedy: string, lines: string): string[] {
    const file = join(mkdtempSync(join(tmpdir(), "accounts-")), "group");
    try {
      writeFileSync(file, `${lines}\n`, "latin1");
      const { exitCode } = Bun.spawnSync(["/bin/sh", "-c", remedy.replace("/j/etc/group", file)]);
      expect(exitCode).toBe(0);
      return readFileSync(file, "latin1").trimEnd().split("\n");
    } finally {
      rmSync(dirname(file), { recursive: true });
    }
  }

  test.each(["x", "\xe9y", "\t"])("a line of which little can be shown: %j", (odd) => {
    const group = ["gone", odd, "xavier:x:0:"];
    const found = findingsOf(PASSWD, group.join("\n")).flatMap(({ message, remedy }) =>
      message.includes(": line 2 is not a group") ? (remedy ?? []) : [],
    );
    const results = found.map((one) => [typed(one, group.join("\n")), typed(one, group.slice(1).join("\n"))]);
    expect(results).toEqual([[["gone", `#${odd}`, "xavier:x:0:"], group.slice(1)]]);
  });

  test.each([
    ["another gid", 0, "root::0:u"],
    ["a password", 1, "nobody:x:7:"],
    ["no such group", 2, "#nobody:x:7:"],
    ["no group at all", 3, `#${ODD}`],
  ])("%s", (_what, index, wanted) => {
    const before = GROUP.split("\n");
    const after = before.with(index, wanted);
    const fits = remedies.filter((one) => Bun.deepEquals(typed(one, GROUP), after));
    expect([remedies, fits.length]).toEqual([remedies, 1]);
    for (const one of fits) {
      expect(typed(one, after.join("\n"))).toEqual(after);
      // Another remedy has taken a line out above it.
      if (index !== 2) expect(typed(one, `\n${GROUP}`)).toEqual(["", ...before]);
      expect(typed(one, before.slice(1).join("\n"))).toEqual(before.slice(1));
    }
  });
});

test("a group of a directory that has the name of one of the machine, and another number, is as it should be", () => {
  const directory: GroupEntry = { name: "u", password: "x", gid: 7200, members: [] };
  const of = (numbered: readonly GroupEntry[]) =>
    findingsOf("", "u:x:7200:", undefined, numbered).map(({ rule }) => rule);
  expect(of([directory])).toEqual([]);
  expect(of([])).toEqual(["group-changed"]);
  expect(of([{ ...directory, name: "other" }])).toEqual(["group-changed"]);
});
