import { describe, expect, test } from "bun:test";
import type { Stat } from "../../ffi/files.ts";
import type { Counterpart } from "../../src/check/files/counterpart.ts";
import { driftOf, isGenerated, missingFindings } from "../../src/check/files/drift.ts";
import { HardLinks } from "../../src/check/files/hard-links.ts";
import type { Item } from "../../src/check/files/item.ts";
import { permissionFindings } from "../../src/check/files/permissions.ts";
import { programFindings } from "../../src/check/files/programs.ts";
import { createSpaces, type Space } from "../../src/check/files/spaces.ts";
import { climbsOut } from "../../src/check/files/symlinks.ts";
import { FindingList } from "../../src/check/finding-list.ts";
import { jailSettings, pathTest } from "../../src/check/settings.ts";
import type { ManifestEntry } from "../../src/jail/record/manifest.ts";
import type { AclReading, NamedEntry } from "../../src/system/acl.ts";

const FILE = 0o100000;
const DIRECTORY = 0o040000;
const LINK = 0o120000;

function stat(mode: number, changes: Partial<Stat> = {}): Stat {
  return {
    ...{ mode, uid: 0, gid: 0, nlink: 1, size: 10, ino: 1n, devMajor: 8, devMinor: 1 },
    ...{ rdevMajor: 0, rdevMinor: 0, atime: 0n, mtime: 5n, ctime: 0n, mountId: 1n },
    ...changes,
  };
}

interface Thing {
  path?: string;
  space?: Space;
  target?: string;
  capability?: boolean;
  acl?: AclReading;
  inherited?: readonly NamedEntry[];
  entry?: ManifestEntry;
  settings?: readonly string[];
}

function item(of: Stat, thing: Thing = {}): Item {
  const { path = "/usr/bin/x", space = "system", target, capability = false, entry, settings = [] } = thing;
  const { acl = "none", inherited = [] } = thing;
  const entries = settings.map((key) => ({
    key,
    value: `/j${path}`,
    file: "",
    line: 1,
    column: 1,
    valueColumn: 1,
    pieces: undefined,
    inherited: false,
  }));
  return {
    seen: {
      ...{ path, stat: of, parent: stat(DIRECTORY | 0o755), space, target, inherited },
      grants: { special: of.mode & 0o6000, capability, acl },
    },
    path: `/j${path}`,
    entry,
    settings: jailSettings({ name: "/j", file: "", line: 1, column: 1, entries }).settings,
    primaryGroup: (uid) => (uid === 1000 ? 1000 : undefined),
    knownUid: (uid) => uid === 0 || uid === 1000,
  };
}

const named = (tag: "u" | "g", id: number, effective = 7) =>
  ({ tag, id, permissions: 7, effective }) as const;
/** An ACL that names user 5. */
const acl = (effective: number, group = 5): AclReading => ({ group, named: [named("u", 5, effective)] });
const [OTHERS, GROUP] = [["ignorewritableforothers"], ["ignorewritableforgroup"]];
const G_AND_ACL = ["file-writable-for-group", "acl-entry"];

const entry = (changes: Partial<ManifestEntry> = {}): ManifestEntry => ({
  ...{ path: "/usr/bin/x", type: "file", source: "/usr/bin/x", sections: ["a"] },
  ...{ mode: 0o755, uid: 0, gid: 0, size: 10, mtime: 5n },
  ...changes,
});

describe("permissionFindings", () => {
  const cases: readonly (readonly [what: string, of: Stat, thing: Thing, rules: readonly string[]])[] = [
    ["a program", stat(FILE | 0o755), {}, []],
    [
      "a file that all may write",
      stat(FILE | 0o666),
      {},
      ["file-writable-for-others", "file-writable-for-group"],
    ],
    [
      "a directory that all may write",
      stat(DIRECTORY | 0o777),
      {},
      ["writable-for-others", "writable-for-group"],
    ],
    ["/tmp", stat(DIRECTORY | 0o1777), { path: "/tmp", space: "user" }, []],
    [
      "a sticky directory of the system",
      stat(DIRECTORY | 0o1777),
      { path: "/usr" },
      ["writable-for-others", "writable-for-group"],
    ],
    [
      "a sticky directory of a user",
      stat(DIRECTORY | 0o1777, { uid: 1000, gid: 1000 }),
      { space: "user" },
      ["writable-for-others", "writable-for-group"],
    ],
    ["the host's mode, for root's group", stat(FILE | 0o664), { entry: entry({ mode: 0o664 }) }, []],
    [
      "the host's mode, for another group",
      stat(FILE | 0o664, { gid: 60 }),
      { entry: entry({ mode: 0o664 }) },
      ["file-writable-for-group"],
    ],
    [
      "a user's file for the user's group",
      stat(FILE | 0o664, { uid: 1000, gid: 1000 }),
      { space: "user" },
      [],
    ],
    [
      "a user's file for another group",
      stat(FILE | 0o664, { uid: 1000, gid: 60 }),
      { space: "user" },
      ["file-writable-for-group"],
    ],
    ["setuid root for the group", stat(FILE | 0o4710), {}, ["setuid-for-group", "setuid-for-user"]],
    ["setuid that nobody may execute", stat(FILE | 0o4644), {}, ["setuid-dormant"]],
    ["setgid of a directory", stat(DIRECTORY | 0o2755), {}, []],
    ["setuid as recorded", stat(FILE | 0o4755), { entry: entry({ mode: 0o4755 }) }, []],
    [
      "setgid beside a recorded setuid",
      stat(FILE | 0o6755),
      { entry: entry({ mode: 0o4755 }) },
      ["setuid-for-others", "setuid-for-group", "setuid-for-user"],
    ],
    [
      "setuid as recorded of another owner",
      stat(FILE | 0o4755, { uid: 1000 }),
      { entry: entry({ mode: 0o4755 }) },
      ["setuid-for-others", "setuid-for-group", "setuid-for-user", "foreign-owner"],
    ],
    ["capabilities", stat(FILE | 0o755), { capability: true }, ["file-capability"]],
    ["an ACL that lets a user read", stat(FILE | 0o755), { acl: acl(5) }, ["acl-entry"]],
    ["an ACL that lets a user write", stat(FILE | 0o775), { acl: acl(7) }, ["acl-entry"]],
    ["an ACL behind its mask", stat(FILE | 0o705), { acl: acl(0) }, []],
    ["an ACL that cannot be told", stat(FILE | 0o755), { acl: "unknown" }, []],
    ["an ACL, and a group that may write", stat(FILE | 0o775), { acl: acl(7, 7) }, G_AND_ACL],
    ["an ACL where others may write", stat(FILE | 0o755), { acl: acl(7), settings: OTHERS }, []],
    ["an ACL where the group may write", stat(FILE | 0o755), { acl: acl(7), settings: GROUP }, ["acl-entry"]],
    ["an ACL as recorded", stat(FILE | 0o775), { acl: acl(7), entry: entry({ mode: 0o775 }) }, ["acl-entry"]],
    ["an ACL at home, to read", stat(FILE | 0o644, { uid: 1000 }), { acl: acl(5), space: "user" }, []],
    ["an ACL at home", stat(FILE | 0o664, { uid: 1000 }), { acl: acl(7), space: "user" }, ["acl-entry"]],
    [
      "an ACL at home for the user and the group",
      stat(FILE | 0o664, { uid: 1000, gid: 1000 }),
      { acl: { group: 7, named: [named("u", 1000), named("g", 1000)] }, space: "user" },
      [],
    ],
    ["a default ACL", stat(DIRECTORY | 0o755), { inherited: [named("u", 5)] }, ["acl-inherited"]],
    ["a default ACL at home", stat(DIRECTORY | 0o755), { inherited: [named("u", 5)], space: "user" }, []],
    ["a user's file in a system directory", stat(FILE | 0o644, { uid: 1000 }), {}, ["foreign-owner"]],
    ["recorded as the user's", stat(FILE | 0o644, { uid: 1000 }), { entry: entry({ uid: 1000 }) }, []],
    ["a user's file at home", stat(FILE | 0o644, { uid: 1000 }), { space: "user" }, []],
    ["nobody's file at home", stat(FILE | 0o644, { uid: 77777 }), { space: "user" }, ["unknown-owner"]],
    ["a link, whose mode means nothing", stat(LINK | 0o777), { target: "y" }, []],
    [
      "a user's link in a system directory",
      stat(LINK | 0o777, { uid: 1000 }),
      { target: "y" },
      ["foreign-owner"],
    ],
    [
      "a directory that is left out",
      stat(DIRECTORY | 0o777),
      { settings: ["ignorewritableforothers"] },
      ["writable-for-group"],
    ],
    [
      "a setuid file that is left out",
      stat(FILE | 0o4711),
      { settings: ["ignoresetuidexecuteforothers", "ignoresetuidexecuteforuser"] },
      ["setuid-for-group"],
    ],
  ];
  test.each(cases)("%s", (_, of, thing, rules) => {
    const told: string[] = permissionFindings(item(of, thing)).map(({ rule }) => rule);
    expect(told).toEqual([...rules]);
  });

  test("repairs of system files only remove bits, repairs of homes none", () => {
    const [writable] = permissionFindings(item(stat(FILE | 0o757)));
    // Others may have it open.
    expect(writable?.repair).toEqual({ kind: "own-copy", clear: 0o002 });
    const [shared] = permissionFindings(item(stat(FILE | 0o757), { space: "other" }));
    expect(shared?.repair).toEqual({ kind: "attributes", clear: 0o002 });
    // One command is for both.
    for (const only of [
      [0o777, "chmod go-w"],
      [0o757, "chmod o-w"],
      [0o775, "chmod g-w"],
    ] as const)
      for (const { closing } of permissionFindings(
        item(stat(FILE | only[0], { uid: 1000 }), { space: "user" }),
      ))
        expect(closing).toBe(only[1]);
    const [own] = permissionFindings(item(stat(FILE | 0o757, { uid: 1000 }), { space: "user" }));
    expect(own?.repair).toBeUndefined();
  });
});

describe("driftOf", () => {
  const there = (of: Stat | undefined, target?: string): Counterpart => ({
    path: "/usr/bin/x",
    stat: of,
    target,
  });
  const other = { ino: 2n };
  const same = there(stat(FILE | 0o755, other));
  const cases: readonly (readonly [
    what: string,
    is: Item,
    host: Counterpart,
    rules: readonly string[],
    compare?: string,
  ])[] = [
    ["as recorded", item(stat(FILE | 0o755), { entry: entry() }), same, [], "different-content"],
    ["one inode", item(stat(FILE | 0o755), { entry: entry() }), there(stat(FILE | 0o755)), []],
    [
      "empty files",
      item(stat(FILE | 0o755, { size: 0 }), { entry: entry({ size: 0 }) }),
      there(stat(FILE | 0o755, { ...other, size: 0 })),
      [],
    ],
    ["longer", item(stat(FILE | 0o755, { size: 11 }), { entry: entry() }), same, ["different-size"]],
    [
      "the host's is longer",
      item(stat(FILE | 0o755), { entry: entry() }),
      there(stat(FILE | 0o755, { ...other, size: 11 })),
      ["outdated"],
    ],
    [
      "the host's is newer",
      item(stat(FILE | 0o755), { entry: entry() }),
      there(stat(FILE | 0o755, { ...other, mtime: 6n })),
      [],
      "outdated",
    ],
    [
      "both are newer",
      item(stat(FILE | 0o755, { mtime: 6n }), { entry: entry() }),
      there(stat(FILE | 0o755, { ...other, mtime: 6n })),
      [],
      "different-content",
    ],
    [
      "an ACL's mask",
      item(stat(FILE | 0o775), { entry: entry({ mode: 0o745 }), acl: acl(7, 4) }),
      same,
      [],
      "different-content",
    ],
    ["mode", item(stat(FILE | 0o700), { entry: entry() }), same, ["changed-mode"], "different-content"],
    [
      "more mode",
      item(stat(FILE | 0o744), { entry: entry({ mode: 0o644 }) }),
      same,
      ["changed-mode"],
      "different-content",
    ],
    [
      "only bits that are told elsewhere",
      item(stat(FILE | 0o4777), { entry: entry() }),
      same,
      [],
      "different-content",
    ],
    [
      "group",
      item(stat(FILE | 0o755, { gid: 60 }), { entry: entry() }),
      same,
      ["changed-owner"],
      "different-content",
    ],
    [
      "given to a user, taken away",
      item(stat(FILE | 0o755), { entry: entry({ uid: 1000 }) }),
      same,
      ["changed-owner"],
      "different-content",
    ],
    ["a link instead", item(stat(LINK | 0o777), { entry: entry(), target: "y" }), same, ["different-type"]],
    [
      "another link",
      item(stat(LINK | 0o777), { entry: entry({ type: "link", target: "z" }), target: "y" }),
      there(stat(LINK), "z"),
      ["different-link"],
    ],
    [
      "the host's link is another",
      item(stat(LINK | 0o777), { entry: entry({ type: "link", target: "y" }), target: "y" }),
      there(stat(LINK), "z"),
      ["outdated"],
    ],
    [
      "the host's link is gone",
      item(stat(LINK | 0o777), { entry: entry({ type: "link", target: "y" }), target: "y" }),
      there(undefined),
      ["source-gone"],
    ],
    [
      "left out",
      item(stat(FILE | 0o700, { size: 11 }), { entry: entry(), settings: ["ignorepathoncompare"] }),
      same,
      [],
    ],
    ["not recorded, as the host's", item(stat(FILE | 0o755)), same, [], "different-content"],
    ["not recorded, not on the host", item(stat(FILE | 0o755)), there(undefined), ["unrecorded"]],
    ["not recorded, at home", item(stat(FILE | 0o755), { space: "user" }), there(undefined), []],
    ["not recorded, in /var", item(stat(FILE | 0o755), { space: "other" }), there(undefined), []],
    ["made for the jail", item(stat(FILE | 0o644, { size: 11 }), { path: "/etc/passwd" }), same, []],
    [
      "the jail's own configuration, changed in mode",
      item(stat(FILE | 0o600), { path: "/etc/jailkit/jk_lsh.ini", entry: entry({ mode: 0o644 }) }),
      there(stat(FILE | 0o644, { size: 99 })),
      ["changed-mode"],
    ],
  ];
  const rows = cases.map(([what, is, host, rules, compare]) => ({ what, is, host, rules, compare }));
  test.each(rows)("$what", ({ is, host, rules, compare }) => {
    const drift = driftOf(is, host, true);
    const told: string[] = drift.findings.map(({ rule }) => rule);
    expect(told).toEqual([...rules]);
    expect(String(drift.compare?.rule)).toBe(String(compare));
  });

  test("a file without its source: size and time decide if nothing else does", () => {
    const gone = (of: Stat) =>
      driftOf(item(of, { entry: entry() }), there(undefined), true).gone?.otherwise.rule;
    expect(gone(stat(FILE | 0o755))).toBe("source-gone");
    expect(gone(stat(FILE | 0o755, { size: 11 }))).toBe("changed-file");
    expect(gone(stat(FILE | 0o755, { mtime: 6n }))).toBe("changed-file");
  });

  test("without a record, files that the host lacks are reported as in jailkit 2", () => {
    const { findings } = driftOf(item(stat(FILE | 0o755)), there(undefined), false);
    expect(findings.map(({ rule, message }) => [rule, message])).toEqual([
      ["no-counterpart", "cannot read /j/usr/bin/x or /usr/bin/x !"],
    ]);
  });

  test("content of system files is restored, but not of /etc, where it may be edited", () => {
    const repair = (path: string) =>
      driftOf(item(stat(FILE | 0o755, { size: 11 }), { path, entry: entry({ path }) }), same, true)
        .findings[0]?.repair;
    expect(repair("/usr/bin/x")).toEqual({ kind: "restore" });
    expect(repair("/etc/x")).toBeUndefined();
  });
});

test("of a missing tree only the top is reported", () => {
  const gone = ["/usr/a", "/usr/a/b", "/usr/a/b/c", "/usr/ab", "/opt/x/y"].map((path) => entry({ path }));
  const told = missingFindings(
    gone,
    ["/opt/x"],
    (path) => path === "/usr/ab",
    (path) => `/j${path}`,
  );
  expect(told.map(({ path }) => path)).toEqual(["/j/usr/a"]);
});

test("isGenerated", () => {
  const own = ["/etc/passwd", "/etc/group-", "/etc/ld.so.cache", "/etc/jailkit/jk_lsh.ini", "/etc/jailkit"];
  for (const path of own) expect(isGenerated(path)).toBe(true);
  for (const path of ["/etc/passwd.bak", "/etc/jailkit2/x", "/usr/etc/passwd", "/etc"])
    expect(isGenerated(path)).toBe(false);
});

describe("climbsOut", () => {
  test.each([
    ["/a", "..", true],
    ["/a", "../..", true],
    ["/a", "b", false],
    ["/a/b", "..", false],
    ["/a/b", "../..", true],
    ["/a/b", "../../x", true],
    ["/a/b", "c/../../x", false],
    ["/a/b/c", "../../x/../..", true],
    ["/a/b", "././/../x", false],
    ["/a", "/../../x", false],
  ])("%s -> %s", (path, target, climbs) => {
    expect(climbsOut(path, target)).toBe(climbs);
  });
});

test("files with names that were not all seen count as hard links", () => {
  const links = new HardLinks();
  links.add("/a", stat(FILE, { ino: 1n, nlink: 2 }));
  links.add("/b", stat(FILE, { ino: 1n, nlink: 2 }));
  links.add("/c", stat(FILE, { ino: 2n, nlink: 3 }));
  links.add("/d", stat(FILE, { ino: 2n, nlink: 3 }));
  links.add("/e", stat(FILE, { ino: 2n, nlink: 3, devMinor: 2 }));
  links.add("/f", stat(FILE, { ino: 3n, nlink: 1 }));
  expect([...links.outside()].map(({ paths }) => paths)).toEqual([["/c", "/d"], ["/e"]]);
  // Of a file that is seen twice, all names were.
  links.add("/again/a", stat(FILE, { ino: 1n, nlink: 2 }));
  for (let i = 0; i < 60_000; i++) links.add(`/n${i}`, stat(FILE, { ino: 4n, nlink: 65_000 }));
  expect([...links.outside()].map(({ paths, count }) => [paths.length, count])).toEqual([
    [2, 2],
    [1, 1],
    [1001, 60_000],
  ]);
});

test("paths of jk_check.ini are compared by component", () => {
  const within = pathTest(["/j/home/", "//j//etc/./x"]);
  for (const path of ["/j/home", "/j/home/u", "/j/etc/x"]) expect(within(path)).toBe(true);
  for (const path of ["/j/homework", "/j", "/j/etc", "/j/etc/xy"]) expect(within(path)).toBe(false);
  expect(pathTest([])("/j")).toBe(false);
  expect(pathTest(["/"])("/j")).toBe(true);
});

describe("createSpaces", () => {
  const homes = [
    { path: "/home/u", confirmed: false },
    { path: "/usr/evil", confirmed: false },
    { path: "/opt/app/home", confirmed: true },
    { path: "/opt", confirmed: true },
    { path: "/", confirmed: true },
  ];
  const spaces = createSpaces(homes);
  const roots = stat(DIRECTORY | 0o755);
  test.each([
    ["other", "/usr", roots, "system"],
    ["other", "/libx32", roots, "system"],
    ["system", "/usr/evil", roots, "system"],
    ["system", "/usr/share", stat(DIRECTORY | 0o777), "system"],
    ["other", "/opt", roots, "system"],
    ["system", "/opt/app/home", roots, "user"],
    ["other", "/home", roots, "other"],
    ["other", "/home/u", roots, "user"],
    ["user", "/home/u/usr", roots, "user"],
    ["other", "/var", roots, "other"],
    ["other", "/var/usr", roots, "other"],
    ["other", "/srv", stat(DIRECTORY | 0o755, { uid: 1000 }), "user"],
    ["other", "/tmp", stat(DIRECTORY | 0o1777), "user"],
    ["system", "/dev/shm", stat(DIRECTORY | 0o1777), "user"],
    ["system", "/dev/shm", roots, "other"],
    ["system", "/dev/shm2", stat(DIRECTORY | 0o1777), "system"],
    ["system", "/usr/dev/shm", stat(DIRECTORY | 0o1777), "system"],
  ] as const)("in %s: %s", (above, path, of, space) => {
    expect(spaces.inside(above, path, of)).toBe(space);
  });
});

test("programs are recognised by their names in directories of programs", () => {
  for (const path of ["/usr/bin/su", "/bin/mount", "/usr/local/sbin/nsenter", "/sbin/insmod"])
    expect(programFindings(path, `/j${path}`)).toHaveLength(1);
  for (const path of ["/home/u/su", "/usr/bin/bash", "/usr/share/su/su", "/usr/bin/sudoku"])
    expect(programFindings(path, `/j${path}`)).toEqual([]);
});

test("of too many findings of a kind, some are kept and the rest are counted", () => {
  const list = new FindingList();
  for (let i = 0; i < 2500; i++)
    list.add({ rule: "fifo", path: `/j/${String(i).padStart(4, "0")}`, message: "x" });
  list.add({ rule: "above-jail", path: "/zzz", message: "y" });
  const all = list.inOrder("/j");
  expect(all).toHaveLength(1002);
  expect(all[0]).toMatchObject({ rule: "above-jail" });
  expect(all.at(-1)).toMatchObject({
    rule: "too-many",
    path: "/j",
    message: "1500 more findings of the rule fifo are not shown",
  });
});

test("too many findings of one user hide none of other users", () => {
  const list = new FindingList();
  const about = (path: string) => [{ rule: "setuid-for-others", path, message: "x" } as const];
  for (let i = 0; i < 2000; i++) list.addOf(1000, about(`/j/home/u/${String(i).padStart(4, "0")}`));
  list.addOf(1001, about("/j/tmp/theirs"));
  list.add(...about("/j/usr/bin/su"));
  const all = list.inOrder("/j");
  expect(all).toHaveLength(1003);
  expect(all.slice(1000).map(({ path }) => path)).toEqual(["/j/tmp/theirs", "/j/usr/bin/su", "/j"]);
  expect(all[1002]?.message).toBe(
    "1000 more findings of the rule setuid-for-others, about files of uid 1000, are not shown",
  );
});

test("findings about files of uids without an account are counted together", () => {
  const list = new FindingList();
  const about = (path: string) => [{ rule: "unknown-owner", path, message: "x" } as const];
  for (let i = 0; i < 3000; i++) list.addOf("unknown", about(`/j/home/u/${i}`));
  const all = list.inOrder("/j");
  expect([all.length, all[1000]?.message]).toEqual([
    1001,
    "2000 more findings of the rule unknown-owner, about files of uids without an account, are not shown",
  ]);
});
