/** What takes something away, and what two sets of rules allow both. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { chrootshKeys } from "../../src/config/schemas/chrootsh.ts";
import { lshKeys } from "../../src/config/schemas/lsh.ts";
import { commonRules, onlyTakesAway } from "../../src/declaration/compare/common-rules.ts";
import { withoutRemovals } from "../../src/declaration/compare/takes.ts";
import type { Places } from "../../src/known-programs/allow/places.ts";
import { ALLOW, type AllowName, judgeAllowed } from "../../src/known-programs/allow/table.ts";
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
    [
      "places of both",
      { read: "/srv/a, /srv/b" },
      { read: "/srv/b, /srv/c" },
      { read: "/srv/b", write: "none" },
    ],
    // For the kernel, a key that is missing is no limit.
    ["no place of both", { write: "/srv/a" }, { write: "/srv/b" }, { read: "none", write: "none" }],
    [
      "a place in the other one",
      { write: "/srv" },
      { write: "/srv/a, /b" },
      { read: "/srv/a", write: "/srv/a" },
    ],
    ["to read and to write", { write: "/srv/a" }, { read: "/srv/a" }, { read: "/srv/a", write: "none" }],
    ["a word that hides another", { allow: "sftp read-only, sftp" }, { allow: "sftp, git" }, {}],
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

// As confinementOf reads the two keys for the kernel: each by itself, and one that is missing is no limit.
test("what is written of places is never more than either section lets a session do", () => {
  const VALUES = [undefined, "none", "/a", "/b", "/a, /b", "/a/c", "all"];
  const TRIED = ["/a", "/a/c", "/b", "/x"];
  const listOf = (value: string | undefined): Places =>
    value === undefined || value === "all" ? "all" : value === "none" ? [] : value.split(", ");
  const isIn = (path: string, places: Places) =>
    places === "all" || places.some((one) => path === one || path.startsWith(`${one}/`));
  const doable = (rules: ReadonlyMap<string, string>) => {
    const [read, write] = [listOf(rules.get("read")), listOf(rules.get("write"))];
    return TRIED.flatMap((path) => [
      ...(isIn(path, write) ? [`write ${path}`] : []),
      ...(isIn(path, read) || (write !== "all" && isIn(path, write)) ? [`read ${path}`] : []),
    ]);
  };
  const sections = VALUES.flatMap((read) =>
    VALUES.map(
      (write) =>
        new Map(
          Object.entries({ read, write }).flatMap(([key, value]) => (value ? [[key, value] as const] : [])),
        ),
    ),
  );
  const wider: unknown[] = [];
  for (const now of sections)
    for (const wanted of sections) {
      const both = doable(now).filter((one) => doable(wanted).includes(one));
      const found = commonRules(now, wanted, chrootshKeys);
      if (doable(found).some((one) => !both.includes(one))) wider.push([now, wanted, found]);
      if (
        onlyTakesAway(now, wanted, chrootshKeys) &&
        doable(wanted).some((one) => !doable(now).includes(one))
      )
        wider.push([now, wanted]);
    }
  expect(wider).toEqual([]);
});

describe("rules that only take away", () => {
  test.each<[boolean, Keys, Keys]>([
    [true, { allow: "sftp" }, { allow: "sftp read-only" }],
    [false, { allow: "sftp read-only" }, { allow: "sftp" }],
    [true, { allow: "scp, git write" }, { allow: "scp upload, git read" }],
    [false, { allow: "rsync" }, { allow: "rsync download" }],
    [false, { allow: "sftp read-only, sftp" }, { allow: "sftp" }],
    [false, { executables: "/usr/bin/git" }, { allow: "git read" }],
    [true, { allow: "sftp", write: "~" }, { allow: "sftp", write: "~/up" }],
    [false, { allow: "sftp", write: "~/up" }, { allow: "sftp", write: "~" }],
    [false, { allow: "sftp", write: "/srv/a" }, { allow: "sftp", write: "/srv/ab" }],
    [true, { allow: "sftp" }, { allow: "sftp read-only", write: "/srv" }],
    [false, { allow: "sftp", write: "/srv" }, { allow: "sftp", write: "none" }],
    [true, { allow: "sftp, git", network: "local" }, { allow: "git", network: "none", confine: "1" }],
    [false, { allow: "sftp", confine: "1" }, { allow: "sftp read-only" }],
    [false, { allow: "sftp", "command a": "x", "command b": "y" }, { allow: "sftp", "command a": "x" }],
    [false, { allow: "sftp", force: "x" }, { allow: "sftp" }],
    [false, { allow: "sftp", umask: "077" }, { allow: "sftp", umask: "002" }],
    [true, { allow: "git", allow_spawn_options: "1" }, { allow: "git" }],
  ])("%p: %p -> %p", (expected, now, wanted) => {
    const of = (keys: Keys) => new Map(Object.entries(keys));
    expect(onlyTakesAway(of(now), of(wanted), lshKeys)).toBe(expected);
  });

  const PATHS = ["/", "/a", "/a/b", "/ab", "~", "~/x", "/home/u"];
  const COMMANDS = [
    ["sftp-server"],
    ...["-t", "-f"].flatMap((mode) =>
      ["/a", "/a/b/c", "/ab", "/home/u/x"].map((path) => ["scp", mode, path]),
    ),
    ...[[], ["--sender"]].flatMap((way) =>
      ["/a/b", "/ab"].flatMap((path) => [
        ["rsync", "--server", ...way, "-r", ".", path],
        ["rsync", "--server", ...way, "-rL", ".", path],
        ["rsync", "--server", ...way, "--compare-dest=/a/b", ".", path],
      ]),
    ),
    ...["git-upload-pack", "git-receive-pack"].flatMap((name) => [
      [name, "/a/b"],
      [name, "/ab"],
    ]),
    ...[
      ["borg", "serve"],
      ["svnserve", "-t"],
      ["unison", "-server"],
    ],
  ];
  const places = fc.option(
    fc.oneof(
      fc.constantFrom("all", "none"),
      fc
        .uniqueArray(fc.constantFrom(...PATHS), { minLength: 1, maxLength: 3 })
        .map((some) => some.join(", ")),
    ),
    { nil: undefined },
  );
  const words = fc.uniqueArray(fc.constantFrom(...(Object.keys(ALLOW) as AllowName[])), { maxLength: 4 });
  const section = fc
    .record({ allow: words, read: places, write: places })
    .map(
      ({ allow, read, write }) =>
        new Map(
          Object.entries({ allow: allow.join(", "), read, write }).flatMap(([key, value]) =>
            value ? [[key, value] as const] : [],
          ),
        ),
    );
  const judged = (rules: ReadonlyMap<string, string>, [typed = "", ...args]: readonly string[]) => {
    const listOf = (value: string | undefined): Places | undefined =>
      value === undefined || value === "all" ? value : value === "none" ? [] : value.split(", ");
    const allow = (rules.get("allow")?.split(", ") ?? []) as AllowName[];
    const [read, write] = [listOf(rules.get("read")), listOf(rules.get("write"))];
    return judgeAllowed(typed, args, { allow, paths: [], read, write, home: "/home/u" }, () => true);
  };
  const isIn = (some: Places, all: Places) =>
    all === "all" ||
    (some !== "all" &&
      some.every((path) => all.some((one) => one === "/" || path === one || path.startsWith(`${one}/`))));
  /** Each command that rules allow is allowed by all others, with the same places or more. */
  const isNoWider = (rules: ReadonlyMap<string, string>, ...than: readonly ReadonlyMap<string, string>[]) =>
    COMMANDS.every((command) => {
      const one = judged(rules, command);
      if (one === undefined || !("word" in one)) return true;
      return than.every((each) => {
        const other = judged(each, command);
        return (
          other !== undefined && "word" in other && isIn(one.read, other.read) && isIn(one.write, other.write)
        );
      });
    });

  test("no rules that are written are wider than those of before, or the declared ones", () => {
    fc.assert(
      fc.property(section, section, (now, wanted) => {
        const common = commonRules(now, wanted, lshKeys);
        expect(isNoWider(common, now, wanted)).toBe(true);
        if (onlyTakesAway(now, wanted, lshKeys)) expect(isNoWider(wanted, now)).toBe(true);
      }),
      { numRuns: 3000 },
    );
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
    // Nothing runs with an empty one.
    ["", 'command=""', false],
    ['command=""', "", true],
    ['from=""', "", true],
    ["", 'from=""', false],
    ['environment=""', "", false],
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

  test("one for each that goes", () => {
    const more = [key(""), { line: "x", options: "", key: "ssh-ed25519 AAAA" }];
    expect(replacing(`${A}\n${A} twice\n`, more, new Set([`${A}`]))).toEqual([key("")]);
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
