import { expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { pathsDownTo } from "../../ffi/paths.ts";
import { JailkitError } from "../../src/cli/error.ts";
import { adviceText } from "../../src/cli/remedy.ts";
import { fixText, itemChanges } from "../../src/config/fixes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { inOrder } from "../../src/config/section-problems.ts";
import { machineProblems } from "../../src/declaration/machine.ts";
import type { DeclarationFacts } from "../../src/declaration/machine-facts.ts";
import { lintGiven } from "../../src/lint/given.ts";
import type { PasswdEntry } from "../../src/system/accounts.ts";

const account = (name: string, uid: number, home: string): PasswdEntry => ({
  ...{ name, password: "x", uid, gid: 100, gecos: "", home, shell: "/bin/sh" },
});
const ACCOUNTS = [
  account("root", 0, "/root"),
  account("toor", 0, "/root"),
  account("bert", 2002, "/srv/a/./home/bert"),
  account("luser", 9001, "/home/luser"),
  account("odd name", 2003, "/home/odd name"),
];
const LOCAL = ["root", "toor", "bert", "odd name"];
const GROUPS = ["users", "sudo", "jailed"];

const facts: DeclarationFacts = {
  mayBeMoved: () => [],
  userByName: (name) => ACCOUNTS.find((one) => one.name === name),
  userByUid: (uid) => ACCOUNTS.find((one) => one.uid === uid),
  groupByName: (name) =>
    ["ldap", ...GROUPS].includes(name)
      ? { name, password: "x", gid: 99 + ["ldap", ...GROUPS].indexOf(name), members: [] }
      : undefined,
  groupByGid: (gid) => (gid === 100 ? { name: "users", gid } : undefined),
  userNames: () => LOCAL,
  groupNames: () => GROUPS,
  jailedUsers: () => [{ name: "bert", home: "/srv/a/./home/bert/", shell: "/bin/sh", jail: "/srv/a" }],
  jails: () => ["/srv/a"],
  declaredOnce: () => undefined,
  userOnce: () => undefined,
  exchanged: () => undefined,
  jailAccounts: () => ({ userByName: () => undefined, groupByGid: () => undefined }),
  profiles: () => ["basicshell", "sftp"],
  lostSections: () => undefined,
  hostDirectory: (path) => (path === "/link" ? "/etc" : undefined),
  systemFault: () => undefined,
  keptHome: () => undefined,
  uidOwners: {
    of: () => undefined,
    had: () => undefined,
    lost: () => undefined,
    nameSince: () => undefined,
    isAtHome: () => false,
  },
  newJailFault: () => undefined,
  exists: (path) => ["/usr/bin/tool", "/usr/bin/a b", "/link", "/srv/a", "/srv/\xc3\xa4"].includes(path),
  isDirectory: (path) => path === "/usr",
  isBare: (path) => path === "/opt/disk",
  isProgram: (name) => name === "less",
  groupsOf: ({ name }) => (name === "luser" ? [101] : []),
  jailAround: (path, isJail) =>
    pathsDownTo(path)
      .slice(0, -1)
      .find((above) => isJail?.(above)),
  linkIn: () => undefined,
  nameTarget: () => "",
  ownTarget: (path) => path,
  placeOf: (path) => path,
  movedFault: () => undefined,
  absentFault: (jail) => {
    if (jail === "/mnt/gone") return { code: "not-mounted", message: "is lost", remedy: "mount /mnt" };
    return jail === "/srv/was" ? { code: "moved", message: "was moved", remedy: "jailkit adopt" } : undefined;
  },
  strayFaultOf: () => undefined,
  hostHomeFault: ({ name }) =>
    name === "odd name" ? { code: "not-their-home", message: "has no home of its own" } : undefined,
  missingHome: () => undefined,
};

/** Problems as "error 2:1 code", with the remedy of each. */
function look(text: string, given: Partial<DeclarationFacts> = {}, others: readonly string[] = []) {
  const ini = scanIni(toBytes(text), "f", "plain");
  const asked = { ...facts, ...given };
  const beside = others.map((name) => ({ kind: "jail", name, file: "other.ini", line: 1 }) as const);
  const problems = machineProblems(ini, asked, beside);
  for (const section of ini.sections)
    lintGiven(
      section,
      ({ file, line, column }, severity, code, message, fix) =>
        problems.push({ file, line, column, severity, code, message, ...(fix && { fix }) }),
      asked,
    );
  return inOrder(problems, ini).map((one) => [
    `${one.severity} ${one.line}:${one.column} ${one.code}`,
    adviceText(fixText(one, ini) ?? "") || undefined,
  ]);
}
const codes = (text: string, given: Partial<DeclarationFacts> = {}, others: readonly string[] = []) =>
  look(text, given, others).map(([code]) => code);
const user = (name: string, lines = "") => `[user ${name}]\njail = /srv/a\nshell = /bin/sh\n${lines}\n`;

test("a jail or a user of a header with a mistake is not missing", () => {
  for (const header of [
    "[jail /srv/new] # x",
    "[jail /srv/new",
    "[jail /srv/new # x]",
    '[jail "/srv/new"]',
    "[jail:/srv/new]",
  ]) {
    const text = `${header}\nsections = sftp\n[user anna]\njail = /srv/new\nshell = /bin/sh\n`;
    expect(codes(text, { exists: () => true })).toEqual([]);
  }
  expect(codes(`[user bert] # x\n${user("anna", "home = /home/bert")}`)).toEqual([]);
});

test("what only follows from a second declaration is not told", () => {
  // The machine has bert in /srv/a.
  const other = "[user bert]\njail = /srv/b\nshell = /bin/sh\nuid = 7\n";
  expect(codes(other, {}, ["/srv/b"])).toEqual(["error 2:8 in-another-jail", "error 4:7 taken"]);
  expect(codes(`${user("bert")}${other}`, {}, ["/srv/b"])).toEqual([]);
  const ini = scanIni(toBytes(other), "f", "plain");
  const beside = [
    { kind: "jail", name: "/srv/b", file: "b.ini", line: 1 },
    { kind: "user", name: "bert", file: "a.ini", line: 7 },
  ] as const;
  expect(
    machineProblems(ini, facts, beside).map((one) => [one.code, one.message, fixText(one, ini)]),
  ).toEqual([["duplicate-section", "section 'user bert' is there already, in line 7 of a.ini", undefined]]);
});

test("remedies of one line keep what the others change", () => {
  const ini = scanIni(toBytes("[jail /srv/new]\nsections = one, sftpp, sftp, two\n"), "f", "plain");
  const found = machineProblems(ini, facts);
  const items = itemChanges(found);
  expect(found.map((one) => fixText(one, { ...ini, items }))).toEqual([
    ...Array(3).fill("write in line 2 of f:\nsections = sftp, sftp"),
  ]);
});

test("what fits is not reported", () => {
  const jail =
    "[jail /srv/new]\nsections = basicshell,\n sftp\nfiles = /usr/bin/tool, less, /usr/bin/a b\nlive = /usr\n";
  const users = `${user("bert", "uid = 2002\ngroups = users, jailed")}${user("new", "uid = 3000")}${user("luser", "directory = 1")}`;
  expect(look(`${jail}${users}[user other]\njail = /srv/new\nallow = sftp\n`)).toEqual([]);
});

test("a section of jk_init.ini that is missing, and one of nearly its name", () => {
  expect(look("[jail /srv/n]\nsections = basicshel, sftp,\n  nosuchthing, basicshell sftp\n")).toEqual([
    ["error 2:12 unknown-section", "write in line 2 of f:\nsections = basicshell, sftp,"],
    ["error 3:3 unknown-section", "write in line 3 of f:\n  basicshell sftp"],
    ["error 3:16 not-a-list", "write in line 3 of f:\n  nosuchthing, basicshell, sftp"],
  ]);
});

test("a directory of the host's own as a jail", () => {
  expect(codes("[jail /link]\n")).toEqual(["error 1:7 bad-path"]);
});

test("files, programs and directories that are missing", () => {
  expect(codes("[jail /srv/n]\nfiles = /usr/bin/nosuch, nosuch, less\nlive = /opt/x\n")).toEqual([
    "error 2:9 no-such-path",
    "error 2:26 no-such-path",
    "error 3:8 not-a-directory",
  ]);
});

test("a library that is missing, whose name changes with its version", () => {
  const old = "/usr/lib/libtirpc.so.3.0.0";
  expect(look(`[jail /srv/n]\nfiles = less, /usr/bin/nosuch,\n  ${old}\n`)).toEqual([
    ["error 2:15 no-such-path", "write in line 2 of f:\nfiles = less,"],
    ["warning 3:3 no-such-path", `take '${old}' out of 'files' in line 3 of f`],
  ]);
});

test.each([
  [
    "all of a list",
    "files = /usr/bin/nosuch,\n  nosuch, /usr/lib/libtirpc.so.3.0.0",
    [undefined, undefined, undefined],
  ],
  ["one that is alone", "files = /usr/bin/nosuch", [undefined]],
  [
    "all of a directory",
    "files = less, /opt/disk/tool, nosuch",
    [undefined, "write in line 2 of f:\nfiles = less, /opt/disk/tool"],
  ],
  ["a live directory", "live = /usr, /opt/x", [undefined]],
])("what may be lost for a while is taken out of no declaration: %s", (_, lines, remedies) => {
  const isBare = (directory: string) => directory === "/opt/disk";
  expect(look(`[jail /srv/n]\n${lines}\n`, { isBare }).map(([, remedy]) => remedy)).toEqual(remedies);
});

test("a jail that is neither declared nor known", () => {
  const text = "[jail /srv/new]\nproc = 1\nlive = /usr\n[user n]\njail = /srv/nwe\nshell = /bin/sh\n";
  expect(look(text)).toEqual([["error 5:8 unknown-jail", "write in line 5 of f:\njail = /srv/new"]]);
  expect(codes(text, {}, ["/srv/nwe"])).toEqual([]);
  expect(codes("[user n]\njail = /elsewhere\nshell = /bin/sh\n")).toEqual(["error 2:8 unknown-jail"]);
});

test("groups that are missing, of another name service, or of administrators", () => {
  expect(look(user("n", "groups = user, ldap, sudo, entirely"))).toEqual([
    ["error 4:10 unknown-group", "write in line 4 of f:\ngroups = users, ldap, sudo, entirely"],
    ["error 4:16 unknown-group", "write in line 4 of f:\ngroups = user, sudo, entirely"],
    ["warning 4:22 doubtful-value", "write in line 4 of f:\ngroups = user, ldap, entirely"],
    ["error 4:28 unknown-group", "groupadd entirely"],
  ]);
  const without = { groupNames: () => ["users"], groupByName: () => undefined };
  expect(look(user("n", "groups = jailed"), without)).toEqual([
    ["error 4:10 unknown-group", "groupadd --system jailed"],
  ]);
});

test("groups that no group has are not taken out of a list that has no other one", () => {
  const remedies = (groups: string) =>
    look(user("n", `groups = ${groups}`)).map(([code, remedy]) => [code?.split(" ").at(-1), remedy]);
  expect(remedies("7001, 7002")).toEqual(Array(2).fill(["unknown-group", undefined]));
  expect(remedies("7001, users")).toEqual([["unknown-group", "write in line 4 of f:\ngroups = users"]]);
  expect(remedies("ldap")).toEqual([["unknown-group", "sed -i '4s/^/#/' f"]]);
});

test("accounts of root, and names that useradd refuses", () => {
  expect(codes(user("toor"))).toEqual(["error 1:7 bad-account"]);
  expect(codes(user("an odd name"))).toEqual(["error 1:7 bad-account"]);
  expect(codes(user("123"))).toEqual(["error 1:7 bad-account"]);
  // It is there already.
  expect(codes(user("odd name"), { hostHomeFault: () => undefined })).toEqual([]);
});

test("a uid that another account has, or that the account does not have", () => {
  expect(codes(user("n", "uid = 2002"))).toEqual(["error 4:7 taken"]);
  expect(look(user("bert", "uid = 3000"))).toEqual([
    ["error 4:7 taken", "write in line 4 of f:\nuid = 2002"],
  ]);
  // The section may be one of luser.
  expect(look(user("bert", "uid = 9001\nhome = /home/luser"))).toEqual([["error 4:7 taken", undefined]]);
  const both = `${user("bert", "uid = 3000")}${user("n", "uid = 2002")}`;
  expect(look(both)).toEqual([
    ["error 4:7 taken", undefined],
    ["error 8:7 taken", undefined],
  ]);
});

test("the home of an account that is not declared", () => {
  expect(codes(user("n", "home = /home/bert"))).toEqual(["error 4:8 taken"]);
  // With the home that it has, both would declare that.
  expect(look(`${user("n", "home = /home/bert")}${user("bert", "home = /home/b")}`)).toEqual([
    ["error 8:8 home-differs", undefined],
  ]);
});

test("an account is in a directory, or it is not", () => {
  expect(codes(user("nosuch", "directory = yes"))).toEqual(["warning 1:7 not-in-directory"]);
  expect(look(user("luser"))).toEqual([
    ["error 1:7 contradiction", "in section [user luser] of f write:\ndirectory = yes"],
  ]);
  expect(look(user("bert", "directory = yes"))).toEqual([
    ["error 4:13 contradiction", "write in line 4 of f:\ndirectory = no"],
  ]);
});

test("a jail that nothing is declared to create, or that a record has and no directory", () => {
  expect(
    look("[jail /srv/n]\nproc = 1\n[jail /srv/a]\n[jail /mnt/gone]\nsections = sftp\n[jail /srv/was]\n"),
  ).toEqual([
    ["error 1:7 empty-jail", undefined],
    ["error 4:7 not-mounted", "mount /mnt"],
    ["error 6:7 moved", "jailkit adopt"],
  ]);
  for (const line of ["sections = sftp", "files = less", "live = /usr"])
    expect(codes(`[jail /srv/n]\n${line}\n`)).toEqual([]);
});

test("an account that is in another jail, or has another home, or one that does not move", () => {
  expect(
    look("[user bert]\njail = /srv/b\nshell = /bin/sh\n", { jails: () => ["/srv/b"], exists: () => true }),
  ).toEqual([["error 2:8 in-another-jail", "jk_jailuser --unjail -m -s /usr/sbin/nologin bert"]]);
  expect(look(user("bert", "home = /home/b"))).toEqual([
    ["error 4:8 home-differs", "write in line 4 of f:\nhome = /home/bert"],
  ]);
  const elsewhere = { userByName: () => account("bert", 2002, "/srv/a/data/bert") };
  expect(look(user("bert"), elsewhere)).toEqual([
    ["error 1:1 home-differs", "in section [user bert] of f write:\nhome = /data/bert"],
  ]);
  expect(codes(user("odd name"))).toEqual(["error 1:1 not-their-home"]);
});

test("an account of a directory has its home there, and joins groups by hand", () => {
  expect(look(user("luser", "directory = 1\ngroups = users, jailed\nhome = /data/luser"))).toEqual([
    ["error 5:17 not-a-member", "gpasswd -a luser jailed"],
    ["error 6:8 home-differs", "write in line 6 of f:\nhome = /home/luser"],
  ]);
  expect(codes(user("luser", "directory = 1\nhome = /home/luser"))).toEqual([]);
});

test("an account of a directory has a uid of its own", () => {
  const shared = [...ACCOUNTS, account("other", 2002, "/home/other"), account("third", 0, "/home/third")];
  const given = {
    userByName: (name: string) => shared.find((one) => one.name === name),
    uidOwners: {
      of: (uid: number) => (uid === 2002 ? { name: "bert", isDeclared: false } : undefined),
      had: () => undefined,
      lost: () => undefined,
      nameSince: () => undefined,
      isAtHome: () => false,
    },
  };
  expect(codes(user("other", "directory = 1"), given)).toEqual(["error 1:1 taken"]);
  // That of root is said once.
  expect(codes(user("third", "directory = 1"), given)).toEqual(["error 1:7 bad-account"]);
});

test("a home that a directory server refuses is warned of, until the directory has it", () => {
  const at = (jail: string, home = "") =>
    codes(`[user luser]\njail = ${jail}\nshell = /bin/sh\ndirectory = 1\n${home}`, {
      jails: () => [jail],
    });
  expect(at("/srv/\xc3\xa4")).toEqual(["warning 2:8 not-ascii"]);
  expect(at("/srv/a", "home = /data/\xc3\xa4\n")).toEqual([
    "error 5:8 home-differs",
    "warning 5:8 not-ascii",
  ]);
  expect(at("/srv/a")).toEqual([]);
  const there = (shell: string) =>
    codes("[user luser]\njail = /srv/\xc3\xa4\ndirectory = 1\n", {
      userByName: () => ({ ...account("luser", 9001, "/srv/\xc3\xa4/./home/luser"), shell }),
      jails: () => ["/srv/\xc3\xa4"],
    });
  expect(there("/usr/sbin/jk_chrootsh")).toEqual([]);
  expect(there("/bin/sh")).toEqual(["warning 1:1 directory-differs"]);
  // That of /etc/passwd may be anything.
  expect(
    codes("[user n]\njail = /srv/\xc3\xa4\nshell = /bin/sh\n", { jails: () => ["/srv/\xc3\xa4"] }),
  ).toEqual([]);
});

test("what cannot be known is not reported", () => {
  const silent = () => {
    throw new JailkitError("name-service", 1, "does not answer");
  };
  const text = `[jail /srv/n]\nsections = x\nfiles = /x, x\nlive = /opt/x\n${user("n", "groups = x\nuid = 2002")}[user m]\njail = /x\nshell = /bin/sh\n`;
  const asked = Object.fromEntries(Object.keys(facts).map((name) => [name, silent]));
  expect(codes(text, asked)).toEqual([]);
});

test("a mistake in the header of a jail is no other mistake of its users", () => {
  for (const header of ["[jail /srv/new ]", "[jail /srv/new/]", "[jail\t/srv/new]", "[jails /srv/new]"])
    expect(codes(`${header}\nsections = sftp\n${user("anna").replace("/srv/a", "/srv/new")}`)).toEqual([]);
});

test("a jail in a declared or known one, and groups by their gids", () => {
  expect(
    look(
      "[jail /srv/a/b/c]\nsections = sftp\n[jail /srv/x]\nsections = sftp\n[jail /srv/xy]\nsections = sftp\n",
    ),
  ).toEqual([["warning 1:7 inside-jail", undefined]]);
  expect(codes("[jail /srv/x/y]\nsections = sftp\n[jail /srv/x]\nsections = sftp\n")).toEqual([
    "warning 1:7 inside-jail",
  ]);
  expect(look(user("n", "groups = 100, 4711, 99999999999"))).toEqual([
    ["error 4:15 unknown-group", "write in line 4 of f:\ngroups = 100, 99999999999"],
    ["error 4:21 unknown-group", "write in line 4 of f:\ngroups = 100, 4711"],
  ]);
});

test("an account whose home would not move is not told to declare another home", () => {
  const account = { ...ACCOUNTS[4], home: "/var/www" } as PasswdEntry;
  const given = { userByName: () => account, hostHomeFault: facts.hostHomeFault };
  expect(look(user("odd name"), given)).toEqual([["error 1:1 not-their-home", undefined]]);
});

test("a log socket may have a path with more bytes than an address of unix(7)", () => {
  const long = `[jail /srv/${"l".repeat(120)}]\nsections = sftp\n`;
  expect(codes(`${long}log_socket = yes\n`)).toEqual([]);
});
