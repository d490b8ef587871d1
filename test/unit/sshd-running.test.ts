import { expect, test } from "bun:test";
import { groupsWithRules } from "../../src/system/sshd/limiting-groups.ts";
import { configPaths, serverLines, undecidedMatches } from "../../src/system/sshd/match.ts";
import { serverOf } from "../../src/system/sshd/running.ts";
import { namesInTitle } from "../../src/system/sshd/unauthenticated.ts";
import { temporaryRoot } from "./temporary-root.ts";

const title = (words: string) => `sshd: /usr/sbin/sshd ${words} [listener] 0 of 10-100 startups\0`;

test.each<[string, string, string[]]>([
  ["only what does not matter", title("-D -e -q -E /var/log/x"), []],
  ["letters in one word", title("-De4p 22"), ["-4", "-p", "22"]],
  ["values in the same word", title("-p2222 -oUsePAM=no"), ["-p", "2222", "-o", "UsePAM=no"]],
  ["a value with blanks", title("-o AllowUsers a  b -D"), ["-o", "AllowUsers a  b"]],
  ["words that are not a title", "/usr/sbin/sshd\0-D\0-o\0AllowUsers a -p\0", ["-o", "AllowUsers a -p"]],
  ["a title that is cut off later", "sshd: /usr/sbin/sshd -D -p 22 [listener] 0 of\0", ["-p", "22"]],
])("%s", (_what, command, options) => {
  expect(serverOf(7, command)).toEqual({ pid: 7, options, file: "/etc/ssh/sshd_config" });
});

test("the file of -f, the last of several", () => {
  expect(serverOf(7, title("-f /a -f /b"))?.file).toBe("/b");
  expect(serverOf(7, title("-f b"))?.unreadable).toContain("no absolute path");
});

test.each([
  ["a session", "sshd: anna [priv]\0"],
  ["one of a session that has a terminal", "sshd: anna@pts/0\0"],
  ["a connection that has not logged in", "sshd: [accepted]\0"],
  ["-T", "/usr/sbin/sshd\0-T\0"],
  ["a single connection of inetd", "/usr/sbin/sshd\0-i\0"],
])("%s is no server", (_what, command) => {
  expect(serverOf(7, command)).toBeUndefined();
});

test.each([
  ["a title that is cut off too early", "sshd: /usr/sbin/sshd -D -o AllowUsers=a\0"],
  ["an option that sshd does not have", title("-Z")],
  ["an operand", title("x")],
])("%s: its settings are unknown", (_what, command) => {
  expect(serverOf(7, command)?.unreadable).toMatch(/./);
});

test.each(["\n", "\r\n", " \t\r\n", "\f\n"])("a configuration file whose lines end in %j", (end) => {
  using root = temporaryRoot();
  const [file, more] = [`${root.path}/config`, `${root.path}/more`];
  root.put({ config: `Include ${more}${end}`, more: `Match User anna Address 10.0.0.0/8${end}` });
  expect(configPaths(file)).toEqual([file, more]);
  const found = undecidedMatches(new Map(), { name: "anna", groups: [] }, undefined, file);
  expect(found.map(({ line }) => line)).toEqual(["User anna Address 10.0.0.0/8"]);
});

test.each<[string, string[], string]>([
  ["a block Match", ["jailed"], "Match User x\nMatch Address 10.0.0.0/8 Group jailed,other\n"],
  ["a pattern in quotes", ["jailed"], 'match "group" "jai*"\n'],
  ["DenyGroups", ["team"], "Match User x\nDenyGroups other t??m\n"],
  ["only one of two in the same block", ["team"], "Match Group jailed,team\n"],
  ["no block that names the user by another group", [], "Match Group *\nMatch Group users,jailed\n"],
  ["none that names those outside of it", [], "Match Group *,!jailed\n"],
  ["AllowGroups", [], "AllowGroups jailed team\n"],
  ["quotes that not every sshd reads alike", ["jailed", "team"], "Match Group 'jailed'\n"],
  ["a criterion that nobody knows", ["jailed", "team"], "Match Nosuch x\n"],
])("a configuration has rules for groups by %s", (_what, found, text) => {
  using root = temporaryRoot();
  const file = `${root.path}/config`;
  root.put({ config: text });
  const all = ["users", "jailed", "team"];
  expect(groupsWithRules(serverLines({ file, options: [] }), all, ["jailed", "team"])).toEqual(found);
});

test("so has an option of a server", () => {
  using root = temporaryRoot();
  const server = { file: `${root.path}/none`, options: ["-p", "22", "-o", "DenyGroups=jailed"] };
  expect(groupsWithRules(serverLines(server), ["users", "jailed"], ["jailed"])).toEqual(["jailed"]);
});

test.each<[string, string[] | undefined]>([
  ["sshd-session: anna [priv]", ["anna"]],
  ["sshd: anna [priv]", ["anna"]],
  ["sshd-session: an\\344 [priv]", ["an\u00e4"]],
  ["sshd-session: dom\\\\anna [priv]", ["dom\\anna"]],
  ["sshd-session: dom\\\\344 [priv]", ["dom\\344"]],
  ["sshd-session: anna@site [priv]", ["anna@site"]],
  ["sshd-session: root@pts/0", ["root", "root@pts/0"]],
  ["sshd-session: root", ["root", "root"]],
  ["sshd-session: anna@example.or", ["anna", "anna@example.or"]],
  ["sshd-session: [accepted]", []],
  ["sshd-session: [net]", []],
  ["sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups", undefined],
  ["sshd: /usr/sbin/sshd -f /etc/ssh/ssh", undefined],
  ["/usr/lib/openssh/sshd-session -D -R", undefined],
  ["xsshd: anna [priv]", undefined],
])("%j is root's process for a connection of one of %j", (title, names) => {
  expect(namesInTitle(title)).toEqual(names as string[]);
});
