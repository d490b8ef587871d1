/** Groups that the rules of sudo(8) and doas(1) name: as a part of a word, a group counts only where it is the word. */
import { expect, test } from "bun:test";
import { nameGroup, rootRules } from "../../src/system/root-groups.ts";
import { temporaryRoot } from "./temporary-root.ts";

const GROUPS = [
  { name: "ops", gid: 1500 },
  { name: "domain users", gid: 1501 },
  { name: "EXAMPLE\\ops", gid: 1502 },
];
const USUAL = {
  "etc/sudoers": "root ALL=(ALL:ALL) ALL\n%sudo\tALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n",
  "etc/sudo.conf": "Path askpass /usr/bin/x\nPlugin sudoers_policy sudoers.so\n",
  "etc/nsswitch.conf": "passwd: files sss\nsudoers: files\n",
};

/** The groups that are named, or may be. */
function named(files: Record<string, string>): string[] {
  using root = temporaryRoot({ ...USUAL, ...files });
  const rules = rootRules(root.path);
  return GROUPS.filter((one) => nameGroup(rules, one)).map(({ name }) => name);
}

const ALL = GROUPS.map(({ name }) => name);

const sudoers = (line: string) => ({ "etc/sudoers.d/more": `${line}\n` });
const doas = (line: string) => ({ "etc/doas.conf": `permit nopass keepenv ${line}\n` });

test.each<[what: string, files: Record<string, string>, expected: string[]]>([
  ["nothing more", {}, []],
  ["a line of its own", sudoers("%ops ALL=(ALL) ALL"), ["ops"]],
  ["the last word", sudoers("User_Alias PEOPLE = anna,%ops"), ["ops"]],
  ["with quotes", sudoers('"%ops" ALL=(ALL) ALL'), ["ops"]],
  ["with other letters", sudoers("%Ops ALL=(ALL) ALL"), ["ops"]],
  ["with an escape", sudoers("%\\x6fps ALL=(ALL) ALL"), ["ops"]],
  ["of a plugin", sudoers("%:ops ALL=(ALL) ALL"), ["ops"]],
  ["before a line that goes on", sudoers("%ops\\\nALL=(ALL) ALL"), ["ops"]],
  ["a gid", sudoers("%#01500 ALL=(ALL) ALL"), ["ops"]],
  ["a name with a blank", sudoers("%domain\\ users ALL=(ALL) ALL"), ["domain users"]],
  ["the same in quotes", sudoers('"%domain users" ALL=(ALL) ALL'), ["domain users"]],
  ["a name with a backslash", sudoers("%EXAMPLE\\\\ops ALL=(ALL) ALL"), ["EXAMPLE\\ops"]],
  ["longer names and gids", sudoers("%opsmen, %devops, %ops-2, %#15001 ALL=(ALL) ALL"), []],
  ["a user of this name", sudoers("ops ALL=(ALL) ALL"), []],
  [
    "a file that is included",
    { ...sudoers("@include /etc/one"), "etc/one": "#include /etc/two\n", "etc/two": "%ops" },
    ["ops"],
  ],
  ["a directory", { ...sudoers("#includedir /etc/other"), "etc/other/x": "%ops ALL=ALL" }, ["ops"]],
  [
    "files that include each other",
    { ...sudoers("@include /etc/one"), "etc/one": "@include /etc/sudoers.d/more" },
    [],
  ],
  ["a path that is no plain one", sudoers('@include "/etc/one"'), ALL],
  ["a path in the same directory", sudoers("@include one"), ALL],
  ["a path with the name of the host", sudoers("@include /etc/one.%h"), ALL],
  ["sudoers in a directory", { "etc/nsswitch.conf": "sudoers: files sss\n" }, ALL],
  [
    "other rules of sudo.conf",
    { "etc/sudo.conf": "Plugin sudoers_policy sudoers.so sudoers_file=/etc/x\n" },
    ALL,
  ],
  ["another plugin", { "etc/sudo.conf": "Plugin other_policy other.so\n" }, ALL],
  ["doas", doas(":ops"), ["ops"]],
  ["doas, quoted", doas('":o"p\\\ns as root'), ["ops"]],
  ["doas, by a gid", doas(":1500 as root cmd ls"), ["ops"]],
  ["doas, a user", doas("ops"), []],
])("%s", (_what, files, expected) => expect(named(files)).toEqual(expected));

test("a file that cannot be read is an error", () => {
  expect(() => named({ "etc/sudoers.d/below/file": "" })).toThrow();
});
