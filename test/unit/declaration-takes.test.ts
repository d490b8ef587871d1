/** What takes something away, and what two sets of rules allow both. */
import { describe, expect, test } from "bun:test";
import { chrootshKeys } from "../../src/config/schemas/chrootsh.ts";
import { lshKeys } from "../../src/config/schemas/lsh.ts";
import { commonRules } from "../../src/declaration/compare/common-rules.ts";
import { withoutRemovals } from "../../src/declaration/compare/takes.ts";
import { allowsNoMore } from "../../src/users/key-options.ts";
import { replacing } from "../../src/users/key-strictness.ts";

type Keys = Readonly<Record<string, string>>;

describe("what two sections allow both", () => {
  test.each<[string, Keys, Keys, Keys]>([
    ["words of both", { allow: "sftp, git" }, { allow: "rsync download, sftp" }, { allow: "sftp" }],
    ["no word of both", { allow: "sftp" }, { allow: "git" }, {}],
    ["nothing before", {}, { allow: "git" }, {}],
    ["programs that become words", { executables: "/bin/ls" }, { allow: "sftp" }, {}],
    [
      "another command is no part of one",
      { executables: "/bin/ls", "command a": "ls" },
      { executables: "/bin/ls", "command a": "ls -l" },
      {},
    ],
    ["a command that is forced", { allow: "sftp" }, { allow: "sftp", force: "internal-sftp" }, {}],
    ["a freedom that comes", { allow: "git" }, { allow: "git", allow_spawn_options: "1" }, { allow: "git" }],
    ["a limit that comes", { allow: "git" }, { allow: "git", confine: "1" }, { allow: "git", confine: "1" }],
    [
      "a limit that goes",
      { allow: "git", network: "none" },
      { allow: "git" },
      { allow: "git", network: "none" },
    ],
    ["two limits", { network: "local" }, { network: "none" }, { network: "none" }],
    ["the word for no limit", { confine: "1" }, { confine: "0" }, { confine: "1" }],
    ["places of both", { read: "/srv/a, /srv/b" }, { read: "/srv/b, /srv/c" }, { read: "/srv/b" }],
    ["no place of both", { write: "/srv/a" }, { write: "/srv/b" }, { write: "none" }],
    [
      "the lower numbers",
      { limits: "nofile 256, fsize 1G" },
      { limits: "fsize 2M, cpu 5" },
      { limits: "nofile 256, fsize 2097152, cpu 5" },
    ],
    [
      "what is no right stays",
      { allow: "git", umask: "022" },
      { allow: "git", umask: "002" },
      { allow: "git", umask: "022" },
    ],
    ["a key that nobody knows", { allow: "git", nosuch: "" }, { allow: "git" }, {}],
  ])("%s", (_, now, wanted, common) => {
    const found = commonRules(new Map(Object.entries(now)), new Map(Object.entries(wanted)), lshKeys);
    expect(Object.fromEntries(found)).toEqual(common);
  });

  test("of jk_chrootsh.ini", () => {
    const now = new Map([["relax_home_group", "1"]]);
    expect([...commonRules(now, new Map([["env_only", "1"]]), chrootshKeys)]).toEqual([["env_only", "1"]]);
  });
});

describe("options of a key", () => {
  test.each([
    ["", "", true],
    ["no-pty", "", true],
    ["", "no-pty", false],
    ["restrict", "", true],
    ["restrict,pty", "", true],
    ["restrict,pty", "restrict", false],
    ["pty,restrict", "restrict", true],
    ["restrict", "no-pty", true],
    ['from="10.0.0.1"', "", true],
    ['from="10.0.0.1"', 'from="10.0.0.2"', false],
    ["", 'command="ls"', false],
    ['command="ls",no-pty', 'command="ls"', true],
    ['environment="A=b"', "", false],
    ['tunnel="1"', 'tunnel="1"', true],
    ["no-touch-required", "", false],
    ["", "no-touch-required", true],
    ["verify-required", "", true],
    ["", "verify-required", false],
    ["cert-authority", "", false],
    ["", "cert-authority", false],
  ])("%p allows no more than %p: %p", (options, than, expected) => {
    expect(allowsNoMore(options, than)).toBe(expected);
  });
});

describe("a key that takes the place of another one", () => {
  const [A, B] = [
    "AAAAC3NzaC1lZDI1NTE5AAAAIEGGvDPaGZLNF4BLMyIR0NNBVcL9zNTjTe1dUcTcfFPO",
    "AAAAC3NzaC1lZDI1NTE5AAAAIA9qZBzgqsp6yFdaZZuxVPZ8nQnbIDL9cQ1PpDIYhzmB",
  ].map((one) => `ssh-ed25519 ${one}`);
  const key = (options: string) => ({ line: `${options} ${B}`, options, key: `${B}` });

  test.each([
    ["", "", true],
    ["restrict ", "restrict", true],
    ["restrict ", "", false],
    ["", "restrict", true],
    ['from="10.0.0.1" ', "", false],
  ])("instead of %p one with %p: %p", (before, after, expected) => {
    const found = replacing(`${before}${A} one\n`, [key(after)], new Set([`${A}`]));
    expect(found.length).toBe(expected ? 1 : 0);
  });

  test("not if none goes, or it is there", () => {
    expect(replacing(`${A}\n`, [key("")], new Set())).toEqual([]);
    expect(replacing(`${A}\n${B}\n`, [key("")], new Set([`${A}`]))).toEqual([]);
  });

  test("without --prune none goes, and it waits", () => {
    const about = {
      of: "user",
      name: "ann",
      jail: "/srv/j",
      what: "keys",
      why: "",
      items: [],
      takes: "all",
    } as const;
    const create = { ...about, action: "create" } as const;
    expect(withoutRemovals([create, { ...about, action: "remove" }])).toEqual([
      { ...create, takes: undefined },
    ]);
  });
});
