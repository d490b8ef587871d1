/** Files of the host that users other than root can change, and what they do not bring into a jail. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import type { BasicStat } from "../../ffi/basic-stat.ts";
import { addWatch, openInotify, readFileEvents } from "../../ffi/events.ts";
import { close } from "../../ffi/files.ts";
import type { ManifestEntry } from "../../src/jail/record/manifest.ts";
import type { Dependency } from "../../src/libraries/dependency.ts";
import { RootView } from "../../src/libraries/root-view.ts";
import { stillGrants, whyNotLinked } from "../../src/populate/apply/link.ts";
import { KEEP_OWNER, type Plan } from "../../src/populate/entry.ts";
import { emptyFileSystem, fileSystemAt, sameFile } from "../../src/populate/file-system.ts";
import { emptyDraft } from "../../src/populate/plan/draft.ts";
import { makePlan } from "../../src/populate/plan/plan.ts";
import { HostTrust } from "../../src/populate/plan/trust.ts";
import { leftThere, sortNeeds } from "../../src/populate/plan/untrusted.ts";
import { cameAlong, cameAlongWarnings } from "../../src/update/plan/came-along.ts";
import { codeOf } from "./jail-helper.ts";
import {
  fakeFileSystem,
  lines,
  type PlanCase,
  planOf,
  type Thing,
  type Tree,
  want,
} from "./populate-fake.ts";

// inotify(7)
const IN_OPEN = 0x020;
const HER = 4001;
const hers: Thing = { type: "directory", uid: HER, gid: HER };
const dir = (changes: Partial<Extract<Thing, { type: "directory" | "file" | "fifo" }>>): Thing => ({
  type: "directory",
  ...changes,
});
const file = (mode: number, uid = 0, gid = 0): Thing => ({ type: "file", mode, uid, gid });
const program = file(0o755);
const herProgram = file(0o755, HER, HER);
const acl = (effective: number) =>
  ({ group: 7, named: [{ tag: "u", id: HER, permissions: effective, effective }] }) as const;

describe("users who can change a directory", () => {
  const judge = (tree: Tree, path: string) => {
    const { others, link } = new HostTrust(fakeFileSystem({ ...tree, "/x/y": "" })).of(path);
    return `${others ? "others" : "root"}${link ? " by a link" : ""}`;
  };
  test.each<[string, Tree, string, string]>([
    ["the root", {}, "", "root"],
    ["root's", { "/a": dir({}) }, "/a", "root"],
    ["hers", { "/a": hers }, "/a", "others"],
    ["all may write", { "/a": dir({ mode: 0o757 }) }, "/a", "others"],
    ["another group may write", { "/a": dir({ mode: 0o775, gid: 5 }) }, "/a", "others"],
    ["another group may read", { "/a": dir({ mode: 0o750, gid: 5 }) }, "/a", "root"],
    ["root's group may write", { "/a": dir({ mode: 0o775 }) }, "/a", "root"],
    ["and she by its ACL", { "/a": dir({ mode: 0o775, acl: acl(2) }) }, "/a", "others"],
    ["and she reads by its ACL", { "/a": dir({ mode: 0o775, acl: acl(5) }) }, "/a", "root"],
    ["and nobody can read its ACL", { "/a": dir({ mode: 0o775, acl: "unknown" }) }, "/a", "others"],
    ["root's below hers", { "/a": hers, "/a/b/c": dir({}) }, "/a/b/c", "others"],
    ["hers below root's", { "/a/b": hers }, "/a/b", "others"],
    ["beside hers", { "/a/b": hers, "/a/c": dir({}) }, "/a/c", "root"],
    ["sticky", { "/t": dir({ mode: 0o1777 }) }, "/t", "others"],
    ["root's in a sticky one", { "/t": dir({ mode: 0o1777 }), "/t/a/b": dir({}) }, "/t/a/b", "root"],
    ["hers in a sticky one", { "/t": dir({ mode: 0o1777 }), "/t/a": hers }, "/t/a", "others"],
    [
      "root's in hers that is sticky",
      { "/t": dir({ mode: 0o1755, uid: HER }), "/t/a": dir({}) },
      "/t/a",
      "others",
    ],
    [
      "sticky below hers",
      { "/a": hers, "/a/t": dir({ mode: 0o1777 }), "/a/t/b": dir({}) },
      "/a/t/b",
      "others",
    ],
    ["a link of root's to root's", { "/l": "->x" }, "/l", "root"],
    ["a link of root's to hers", { "/l": "->a/b", "/a": hers, "/a/b": dir({}) }, "/l", "others"],
    ["a link in hers", { "/a": hers, "/a/l": "->/x" }, "/a/l", "others by a link"],
    ["below a link in hers", { "/a": hers, "/a/l": "->/x" }, "/a/l/y/z", "others by a link"],
    ["a link in a sticky one", { "/t": dir({ mode: 0o1777 }), "/t/l": "->/x" }, "/t/l", "others by a link"],
    ["up from hers", { "/a": hers, "/x": dir({}) }, "/a/../x", "others"],
    ["up into hers", { "/a": hers, "/a/b": dir({}), "/l": "->a/b" }, "/l/..", "others"],
    ["up into a sticky one", { "/t": dir({ mode: 0o1777 }), "/t/b": dir({}) }, "/t/b/..", "others"],
    ["nothing there", { "/a": hers }, "/none/at/all", "root"],
    ["nothing in hers", { "/a": hers }, "/a/none", "others"],
  ])("%s", (_, tree, path, expected) => {
    expect(judge(tree, path)).toBe(expected);
  });

  test("symbolic links in a circle", () => {
    expect(codeOf(() => judge({ "/l": "->/l/x" }, "/l"))).toBe("link-loop");
  });

  test("a file, and a symbolic link", () => {
    const host = fakeFileSystem({
      "/r/f": program,
      "/r/g": herProgram,
      "/r/l": { type: "link", target: "f", uid: HER },
    });
    const can = (path: string) => {
      const stat = host.lstat(path);
      return stat && new HostTrust(host).othersCanChange(path, stat);
    };
    expect([can("/r/f"), can("/r/g"), can("/r/l")]).toEqual([false, true, false]);
  });
});

test.each<[string, Thing, Thing, boolean, "device" | "private" | undefined]>([
  ["all may read it", hers, file(0o604), false, undefined],
  ["it is the directory's owner's", hers, file(0o600, HER), false, undefined],
  ["it is another's", hers, file(0o660, HER + 1, HER), false, "private"],
  ["it is root's", hers, file(0o640), false, "private"],
  ["it is root's, and named", hers, file(0o640), true, undefined],
  ["it is root's in a directory of root's", dir({ mode: 0o777 }), file(0o600), false, "private"],
  ["the group that writes may read it", dir({ mode: 0o775, gid: 7 }), file(0o640, 3, 7), false, undefined],
  [
    "the group that writes may not read it",
    dir({ mode: 0o775, gid: 7 }),
    file(0o600, 3, 7),
    false,
    "private",
  ],
  ["another group may read it", dir({ mode: 0o775, gid: 7 }), file(0o640, 3, 8), false, "private"],
  [
    "the group that may read it does not write",
    dir({ uid: HER, gid: 7 }),
    file(0o640, 3, 7),
    false,
    "private",
  ],
  ["root's group may read it", dir({ mode: 0o777 }), file(0o640), false, "private"],
  ["a device", hers, { type: "char", major: 1, minor: 3, mode: 0o666 }, false, "device"],
  ["a device that is named", hers, { type: "block", major: 1, minor: 3 }, true, "device"],
  ["a directory", hers, dir({ mode: 0o700 }), false, undefined],
  ["a link", hers, { type: "link", target: "x" }, false, undefined],
])("left in a directory of others: %s", (_, directory, thing, named, expected) => {
  const host = fakeFileSystem({ "/d": directory, "/d/f": thing });
  const stat = host.lstat("/d/f");
  expect(stat && leftThere(host.lstat("/d"), stat, named)).toBe(expected);
  if (stat && expected === undefined && (stat.mode & 0o170004) === 0o100000 && !named)
    expect(leftThere(undefined, stat, named)).toBe("private");
});

const need = (path: string, neededBy: string, kind: Dependency["kind"] = "needed"): Dependency => ({
  ...{ path, neededBy, kind },
  name: path.slice(path.lastIndexOf("/") + 1),
});
const LIBC = "/usr/lib/x86_64-linux-gnu/libc.so.6";
const PERL = "/usr/bin/perl";

describe("files that a program names", () => {
  const HOST: Tree = {
    ...{ [PERL]: program, [LIBC]: program, "/lib": "->usr/lib", "/usr/lib/libroot.so": file(0o700) },
    ...{ "/usr/lib/libdir.so": dir({}), "/usr/lib/libhers.so": file(0o644, HER), "/usr/lib/tool": program },
    ...{ "/usr/local/lib/libx.so": program, "/opt/r/p": program, "/opt/a": hers, "/opt/a/p": herProgram },
    ...{ "/opt/a/libh.so": herProgram, "/opt/r/own": herProgram, "/opt/r/l": "->../a/p" },
    ...{ "/tmp": dir({ mode: 0o1777 }), "/tmp/p": program },
  };
  const sorted = (needs: Dependency[]) => {
    const host = fakeFileSystem(HOST);
    const { allowed, refused } = sortNeeds({ host, trust: new HostTrust(host) }, needs);
    return [allowed, refused].map((list) => list.map(({ path }) => path));
  };
  test("a program of root: all", () => {
    const paths = [LIBC, "/usr/local/lib/libx.so", "/usr/lib/tool", PERL];
    const needs = paths.map((path) => need(path, "/opt/r/p", path === PERL ? "script" : "needed"));
    expect(sorted(needs)).toEqual([paths, []]);
  });
  test.each(["/opt/a/p", "/opt/r/own", "/opt/r/l", "/tmp/p"])(
    "%s: libraries of the system that everybody may read",
    (source) => {
      const good = [LIBC, "/lib/x86_64-linux-gnu/libc.so.6"];
      const bad = [
        ...["/usr/local/lib/libx.so", "/usr/lib/tool", "/usr/lib/libroot.so", "/usr/lib/libdir.so", PERL],
        ...["/usr/lib/libhers.so", "/usr/lib/libnone.so", "/opt/a/libh.so"],
      ];
      const needs = [...good, ...bad].map((path) => need(path, source, "interpreter"));
      expect(sorted(needs)).toEqual([good, bad]);
    },
  );
  test("a script: no files that its interpreter needs either", () => {
    const needs = [
      need(PERL, "/opt/a/p", "script"),
      need(LIBC, PERL),
      need("/lib/x86_64-linux-gnu/libc.so.6", LIBC),
    ];
    expect(sorted(needs)).toEqual([[], needs.map(({ path }) => path)]);
  });
  test("dependencies of a system library are copied; those of a user's library are checked", () => {
    const needs = [
      ...[need(LIBC, "/opt/a/p"), need("/usr/local/lib/libx.so", LIBC), need(PERL, "/usr/gone")],
      ...[need("/opt/a/libh.so", "/opt/r/p"), need("/usr/lib/tool", "/opt/a/libh.so")],
    ];
    expect(sorted(needs)).toEqual([
      [LIBC, "/usr/local/lib/libx.so", "/opt/a/libh.so"],
      [PERL, "/usr/lib/tool"],
    ]);
  });
});

describe("plans", () => {
  const HOST: Tree = { "/srv/w": hers, [PERL]: program, [LIBC]: program };
  const plan = (host: Tree, wants: PlanCase["wants"], more: Partial<PlanCase> = {}) =>
    planOf({ host: { ...HOST, ...host }, wants, ...more });
  const paths = ({ entries }: Plan) =>
    entries.map(({ path }) => path).filter((path) => path.split("/").length > 2);
  const codes = ({ problems }: Plan) => problems.map(({ code }) => code);

  test("a symbolic link of a user is copied and not followed, and reported if it is dangling", () => {
    const left = plan({ "/srv/w/l": `->${PERL}` }, ["/srv/w"]);
    expect(paths(left)).toEqual(["/srv/w", "/srv/w/l"]);
    expect(left.warnings).toEqual([
      "users other than root can change files in '/srv/w', so what they named or put there is left out: '/usr/bin/perl'; to add it, run: jk_cp -j /jail /usr/bin/perl",
    ]);
    expect(plan({ "/srv/w/l": `->${PERL}` }, [PERL, "/srv/w"]).warnings).toEqual([]);
    expect(plan({ "/srv/w/l": `->${PERL}` }, ["/srv/w", PERL]).warnings).toEqual([]);
    const there = plan({ "/srv/w/l": `->${PERL}` }, ["/srv/w"], { jail: { [PERL]: program } });
    expect(there.warnings).toEqual([]);
  });

  test("a file that not everybody may read is reported, without a command", () => {
    const host = { "/root/f": file(0o640), "/srv/w/a": "->/root/f", "/srv/w/b": "->/etc", "/etc/x": "" };
    expect(plan(host, ["/srv/w"]).warnings).toEqual([
      expect.stringMatching(/is left out: '\/root\/f'; to add it, name it to jk_cp/),
    ]);
    const both = plan({ ...host, "/srv/w/c": `->${PERL}` }, ["/srv/w"]);
    expect(both.warnings[0]).toEndWith(
      "to add what everybody may read of it, run: jk_cp -j /jail /usr/bin/perl",
    );
  });

  test("not twice for a repeated request", () => {
    const wants = ["/srv/w", want("/srv/w", { section: "t", keepOwner: true })];
    const twice = plan({ "/srv/w/l": `->${PERL}`, "/srv/w/p": herProgram }, wants, {
      needs: { "/srv/w/p": [need(LIBC, "/srv/w/p")] },
    });
    expect(paths(twice)).toEqual(["/srv/w", "/srv/w/l", "/srv/w/p"]);
    expect(twice.entries.at(-1)?.keeps).toBe(KEEP_OWNER);
  });

  test("a symbolic link of root into a user's directory is followed, and no further", () => {
    const left = plan({ "/srv/r/l": "->../w/p", "/srv/w/p": "->q", "/srv/w/q": herProgram }, ["/srv/r"]);
    expect(paths(left)).toEqual(["/srv/r", "/srv/r/l", "/srv/w", "/srv/w/p"]);
    expect(left.warnings.length).toBe(1);
  });

  test("a program that is named brings its libraries, in any order", () => {
    const needs = { "/srv/w/p": [need(LIBC, "/srv/w/p"), need(PERL, "/srv/w/p", "interpreter")] };
    const made = (...wants: string[]) => plan({ "/srv/w/p": herProgram }, wants, { needs });
    expect(paths(made("/srv/w"))).toEqual(["/srv/w", "/srv/w/p"]);
    expect(made("/srv/w").warnings[0]).toEndWith("run: jk_cp -j /jail /srv/w/p /usr/bin/perl");
    for (const both of [made("/srv/w/p"), made("/srv/w", "/srv/w/p"), made("/srv/w/p", "/srv/w")]) {
      expect(paths(both)).toContain(LIBC);
      expect(paths(both)).not.toContain(PERL);
      expect(both.warnings.map((line) => line.replace(/.* run: /, ""))).toEqual([
        "jk_cp -j /jail /usr/bin/perl",
      ]);
    }
  });

  test("a match of a pattern in a user's directory does not count as named", () => {
    const needs = { "/srv/w/p": [need(LIBC, "/srv/w/p")] };
    const host = { "/srv/w/p": herProgram, "/srv/w/private": file(0o600) };
    const found = plan(host, [want("/srv/w/p*", { glob: true })], { needs });
    expect(paths(found)).toEqual(["/srv/w", "/srv/w/p"]);
    const both = plan(host, [want("/srv/w/p*", { glob: true }), "/srv/w/p", "/srv/w/private"], { needs });
    expect(paths(both)).toContain(LIBC);
    expect(paths(both)).toContain("/srv/w/private");
  });

  test("an invalid program is an error if it is named, but not in a tree", () => {
    const needs = { "/srv/w/p": new Error("bad") };
    expect(codes(plan({ "/srv/w/p": herProgram }, ["/srv/w"], { needs }))).toEqual([]);
    expect(codes(plan({ "/srv/w/p": herProgram }, ["/srv/w/p"], { needs }))).toEqual(["bad-program"]);
  });

  test("a path through a symbolic link of a user is refused", () => {
    const left = plan({ "/srv/w/l": "->/usr/bin" }, ["/srv/w/l/perl"]);
    expect([codes(left), left.entries]).toEqual([["untrusted-source"], []]);
  });

  test("a symbolic link in the jail, in place of a user's directory, is not followed", () => {
    const jail: Tree = { "/etc": dir({}), "/srv/w/d": "->/etc", "/data": dir({}) };
    const host = { "/srv/w/d": hers, "/srv/w/d/passwd": herProgram };
    for (const name of ["/srv/w", "/srv/w/d", "/srv/w/d/passwd"]) {
      const left = plan(host, [name], { jail, force: true });
      expect([name, codes(left), lines(left).filter((line) => line.includes("passwd"))]).toEqual([
        name,
        ["untrusted-source"],
        [],
      ]);
    }
    // A link of the administrator's on the way there is; not one that came from her, by whatever way.
    const moved = { "/etc": dir({}), "/srv": "->/data", "/data/w": dir({}) };
    expect(paths(plan(host, ["/srv/w/d/passwd"], { jail: moved }))).toContain("/data/w/d/passwd");
    const both = plan(host, ["/srv/w/d/passwd"], { jail: { ...moved, "/data/w/d": "->/etc" } });
    expect([codes(both), paths(both)]).toEqual([["untrusted-source"], []]);
    const around = plan({ ...host, "/opt/l": "->/srv/w" }, ["/opt/l/d/passwd"], { jail });
    expect(codes(around)).toEqual(["untrusted-source"]);
    const into = { ...jail, "/x": "->/srv/w" };
    expect(codes(plan({ "/x/d/f": program }, ["/x/d/f"], { jail: into }))).toEqual(["untrusted-source"]);
  });

  test("files in a user's directory are opened only if they are those that were seen", () => {
    const real = fakeFileSystem({ ...HOST, "/srv/w/l": "->x", "/srv/w/d/f": "", "/srv/r/l": "->x" });
    const asked: string[] = [];
    const ask = (path: string, expected: BasicStat | undefined) => {
      asked.push(
        `${path}${expected !== undefined && sameFile(real.lstat(path), expected) ? " as seen" : ""}`,
      );
    };
    makePlan({
      host: {
        ...real,
        list(path, expected) {
          ask(path, expected);
          return real.list(path);
        },
        readlink(path, expected) {
          ask(path, expected);
          return real.readlink(path);
        },
      },
      ...{ jail: emptyFileSystem, jailPath: "/jail", force: false, wants: [want("/srv/w"), want("/srv/r")] },
      loader: { dependencies: () => [], configurationFiles: () => [] },
    });
    expect(asked.filter((one) => one.includes("/w/"))).toEqual(["/srv/w/d as seen", "/srv/w/l as seen"]);
  });

  test("each entry that others can change has its earlier state", () => {
    const made = plan({ "/srv/w/f": herProgram, "/srv/w/d/f": program, "/opt/f": program }, [
      "/srv/w",
      "/opt/f",
    ]);
    const untrusted = made.entries.filter((entry) => entry.untrusted).map(({ path }) => path);
    expect(untrusted).toEqual(["/srv/w/d", "/srv/w/d/f", "/srv/w/f"]);
  });
});

describe("a checked file", () => {
  let at: string;
  beforeEach(() => {
    at = mkdtempSync("/dev/shm/jailkit-untrusted-");
    for (const name of ["a", "b"]) {
      mkdirSync(`${at}/${name}`);
      writeFileSync(`${at}/${name}/f`, "x", { mode: 0o644 });
    }
  });
  afterEach(() => rmSync(at, { recursive: true }));

  test("is listed only if it is the same directory", () => {
    const host = fileSystemAt();
    const stat = host.lstat(`${at}/a`);
    expect(host.list(`${at}/a`, stat).map(({ path }) => path)).toEqual([`${at}/a/f`]);
    expect(codeOf(() => host.list(`${at}/b`, stat))).toBe("changed");
    expect(host.list(`${at}/b`).length).toBe(1);
  });

  test("is read, as a symbolic link, only if it is the same", () => {
    const host = fileSystemAt();
    symlinkSync("one", `${at}/a/l`);
    symlinkSync("two", `${at}/b/l`);
    const stat = host.lstat(`${at}/a/l`);
    expect(host.readlink(`${at}/a/l`, stat)).toBe("one");
    expect(codeOf(() => host.readlink(`${at}/b/l`, stat))).toBe("changed");
  });

  test("is opened only if it is regular: opening a device may have an effect", () => {
    expect(Bun.spawnSync(["mkfifo", `${at}/fifo`]).success).toBe(true);
    const inotify = openInotify();
    addWatch(inotify, `${at}/fifo`, IN_OPEN);
    addWatch(inotify, `${at}/a/f`, IN_OPEN);
    const view = new RootView();
    expect(view.withFile(`${at}/fifo`, () => true)).toBeUndefined();
    expect(readFileEvents(inotify)).toEqual([]);
    expect(view.withFile(`${at}/a/f`, () => readFileEvents(inotify).length)).toBe(1);
    close(inotify);
  });

  test("is linked only if it is the same file", async () => {
    const host = fileSystemAt();
    const untrusted = host.lstat(`${at}/a/f`);
    const entry = planOf({ host: { "/f": file(0o644) }, wants: ["/f"] }).entries[0];
    if (entry === undefined) throw new Error("no entry");
    linkSync(`${at}/a/f`, `${at}/g`);
    const why = async (path: string) => {
      const { openSource } = await import("../../src/jail/fs/source.ts");
      return whyNotLinked(openSource(path), { ...entry, untrusted });
    };
    const still = (path: string) => {
      const stat = host.lstat(path);
      return stat && stillGrants({ ...entry, untrusted }, stat);
    };
    expect([still(`${at}/g`), still(`${at}/b/f`)]).toEqual([true, false]);
    expect(await why(`${at}/g`)).toBeUndefined();
    expect(await why(`${at}/b/f`)).toBe("it was replaced meanwhile");
  });
});

test("files that came along with a tree before, and others", () => {
  const plan = emptyDraft();
  const record = (path: string, changes: Partial<ManifestEntry> = {}): ManifestEntry => ({
    ...{ path, type: "file", source: path, sections: ["s"], mode: 0o755, uid: 0, gid: 0, ...changes },
  });
  const all = [
    record("/srv/w/gone", { sections: ["/srv/w"] }),
    record("/usr/bin/a", { sections: ["/srv/w"] }),
    record("/usr/bin", { type: "directory", sections: ["/srv/w"] }),
    record("/usr/bin/b", { neededBy: "/srv/w/script", reason: "script" }),
    record("/usr/lib/c", { neededBy: "/bin/b", reason: "needed", source: "/lib/c" }),
    record("/usr/lib/d", { neededBy: "/lib/c", reason: "needed" }),
    record("/usr/bin/e"),
    record("/usr/lib/f", { neededBy: "/usr/bin/e" }),
    record("/usr/lib/loop", { neededBy: "/usr/lib/loop" }),
  ];
  const records = new Map(
    all.map((each) => [each.path, { ...each, source: each.path === "/usr/bin/b" ? "/bin/b" : each.source }]),
  );
  const candidates = [...records.values()].map(({ path }) => ({ path, record: records.get(path) }));
  expect(cameAlong(plan, records, candidates).size).toBe(0);
  plan.leftOut.set("/srv/w/l", { kind: "private", tree: "/srv/w", section: "s", path: "/srv/w/l" });
  const came = cameAlong(plan, records, [...candidates, { path: "/x", record: undefined }]);
  expect([...came.keys()].map(({ path }) => path)).toEqual([
    "/usr/bin/a",
    "/usr/bin/b",
    "/usr/lib/c",
    "/usr/lib/d",
  ]);
  expect(cameAlongWarnings(came.values())).toEqual([expect.stringContaining("4 entries of the jail")]);
});
