/** The parts of the plan cache of jk_init: what it notes, compares, keeps and gives back. */
import { afterAll, afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { toBytes } from "../../ffi/bytes.ts";
import { STAT_WORDS, statAll } from "../../ffi/stat-all.ts";
import type { Dependency } from "../../src/libraries/dependency.ts";
import { RootView } from "../../src/libraries/root-view.ts";
import type { Entry } from "../../src/populate/entry.ts";
import { emptyFileSystem, type FileSystem, fileSystemAt } from "../../src/populate/file-system.ts";
import type { Companions } from "../../src/populate/plan/companion.ts";
import { type Draft, emptyDraft } from "../../src/populate/plan/draft.ts";
import { makePlan } from "../../src/populate/plan/plan.ts";
import { cacheFor, PlanCache } from "../../src/populate/plan-cache/plan-cache.ts";
import { restorePlan, storePlan } from "../../src/populate/plan-cache/stored-plan.ts";
import { hostStateOf, Trace, tracedHost, type Watched } from "../../src/populate/plan-cache/trace.ts";
import { fakeFileSystem, type Tree, want } from "./populate-fake.ts";
import { temporaryRoot } from "./temporary-root.ts";

const none: Companions = { ofProgram: () => undefined, ofInterpreter: () => undefined };
// What is in /tmp is not root's alone.
const isRoot = process.getuid?.() === 0;
const root = temporaryRoot({}, isRoot ? "/run" : undefined);
const at = (name: string) => `${root.path}/${name}`;

/** Puts another directory in its place, with the same attributes. */
function exchangeDirectory(): void {
  mkdirSync(at("new"), 0o755);
  renameSync(at("directory"), at("old"));
  renameSync(at("new"), at("directory"));
}
afterAll(() => root[Symbol.dispose]());
beforeEach(() => {
  for (const name of readdirSync(root.path)) rmSync(at(name), { recursive: true });
});

describe("storePlan and restorePlan", () => {
  const tree: Tree = {
    "/bin": "->usr/bin",
    "/usr/bin/program": { type: "file", mode: 0o4755, size: 7 },
    "/usr/bin/script": { type: "file", mode: 0o755 },
    "/usr/bin/bare": { type: "file", mode: 0o755 },
    "/usr/bin/python3": { type: "file", mode: 0o755 },
    "/usr/bin/perl": { type: "file", mode: 0o755 },
    "/usr/lib/libc.so.6": { type: "file", mode: 0o755 },
    "/usr/lib/ld.so": { type: "file", mode: 0o755 },
    "/usr/lib/libnss.so.2": "",
    "/srv/tree/a": { type: "file", uid: 5, gid: 6, mode: 0o640 },
    "/srv/tree/sub/b": "",
    "/srv/tree/link": "->a",
    "/srv/tree/empty": { type: "directory", mode: 0o750 },
    "/srv/glob.x": "",
    "/dev/null": { type: "char", major: 1, minor: 3, mode: 0o666 },
    "/dev/disk": { type: "block", major: 8, minor: 0, mode: 0o660 },
    "/tmp": { type: "directory", mode: 0o1777 },
    "/opt/link": "->/opt/target",
    "/opt/target": "",
    "/etc/ld.so.conf": "",
  };
  const need = (path: string, neededBy: string, kind: Dependency["kind"]): Dependency => ({
    ...{ path, neededBy, kind, name: `name of ${path}` },
  });
  const companion = { section: "python", paths: () => ["/usr/lib/python3"] };
  const companions: Companions = {
    ofProgram: () => undefined,
    ofInterpreter: (path) => (path === "/usr/bin/python3" ? companion : undefined),
  };
  const wants = [
    want("/bin/program", { keepSetuid: true, keepOwner: true }),
    want("/bin/script"),
    want("/bin/bare", { section: "t" }),
    want("/srv/tree", { keepOwner: true }),
    want("/srv/*.x", { glob: true }),
    want("/srv/tree/a", { section: "t" }),
    want("/dev/null", { kind: "device" }),
    want("/dev/disk", { kind: "device" }),
    want("/tmp", { kind: "empty-directory" }),
    want("/opt/link"),
    want("/missing"),
  ];
  const needs: Record<string, Dependency[]> = {
    "/bin/program": [
      need("/usr/lib/ld.so", "/bin/program", "interpreter"),
      need("/usr/lib/libc.so.6", "/bin/program", "needed"),
      need("/usr/lib/libnss.so.2", "/usr/lib/libc.so.6", "dlopen"),
    ],
    "/bin/script": [need("/usr/bin/perl", "/bin/script", "script")],
    "/bin/bare": [need("/usr/bin/python3", "/bin/bare", "script")],
  };
  const plan = makePlan({
    ...{
      host: fakeFileSystem(tree),
      jail: emptyFileSystem,
      jailPath: "/jail",
      force: false,
      wants,
      companions,
    },
    loader: { dependencies: (path) => needs[path] ?? [], configurationFiles: () => ["/etc/ld.so.conf"] },
  });
  plan.warnings.push("a warning \xe9");
  const restored = restorePlan(storePlan(plan), companions);

  /** An entry with its reasons as data. */
  const shown = (entry: Entry): object => {
    const { because, differs, untrusted: _, ...rest } = entry;
    return {
      ...rest,
      differs: differs ?? false,
      because: because.map(({ section, reason }) => {
        if (!("from" in reason))
          return { section, ...reason, matched: "matched" in reason && reason.matched };
        const { from, ...how } = reason;
        return { section, ...how, from: from.path };
      }),
    };
  };

  test("every entry comes back with its reasons", () => {
    expect(restored.entries.map(shown)).toEqual(plan.entries.map(shown));
    const kinds = new Set(plan.entries.flatMap(({ because }) => because.map(({ reason }) => reason.kind)));
    expect([...kinds].sort().join(" ")).toBe("asked dlopen interpreter link needed parent script tree");
    expect(new Set(plan.entries.map(({ type }) => type)).size).toBe(4);
  });

  test("reasons lead to the entries of the plan itself", () => {
    for (const { because } of restored.entries)
      for (const { reason } of because) if ("from" in reason) expect(restored.entries).toContain(reason.from);
  });

  test("messages, sections, directories and scripts without an interpreter come back", () => {
    const rest = ({ warnings, notes, satisfied, trees, problems }: Draft) => [
      ...[warnings, notes, satisfied, trees, problems],
    ];
    expect(rest(restored)).toEqual(rest(plan));
    expect([...restored.trees]).toEqual(["/srv/tree", "/srv/tree/empty", "/srv/tree/sub"]);
    expect(
      restored.bareScripts.map(({ script, interpreter, companion: { section, paths } }) => [
        ...[script.path, interpreter, section, paths()],
      ]),
    ).toEqual([["/usr/bin/bare", "/usr/bin/python3", "python", ["/usr/lib/python3"]]]);
    expect(restored.entries).toContain(restored.bareScripts[0]?.script as Entry);
  });

  test("a script is complete if something else brings its interpreter", () => {
    const more = makePlan({
      ...{ host: fakeFileSystem(tree), jail: emptyFileSystem, jailPath: "/jail", force: false, companions },
      wants: [want("/bin/bare"), want("/usr/bin/python3")],
      loader: { dependencies: (path) => needs[path] ?? [], configurationFiles: () => [] },
    });
    expect(more.bareScripts).toHaveLength(1);
    expect(restorePlan(storePlan(more), companions).bareScripts).toEqual([]);
  });
});

const paths = (...names: string[]) => toBytes(names.map((name) => `${name}\0`).join(""));
const watch = (place: 0 | 1 | 2 | 3, name: string): Watched =>
  [0, 1, 2, 3].map((index) => (index === place ? paths(at(name)) : new Uint8Array())) as unknown as Watched;

/** Repeats a change until the clock of the file system has moved on. */
function until(name: string, change: () => void): void {
  const before = lstatSync(at(name), { bigint: true, throwIfNoEntry: false })?.ctimeNs;
  do change();
  while (lstatSync(at(name), { bigint: true, throwIfNoEntry: false })?.ctimeNs === before);
}

describe("statAll and hostStateOf", () => {
  beforeEach(() => {
    root.put({ file: "1", "directory/file": "1", link: "-> file", loop: "-> loop" });
  });
  const differs = (place: 0 | 1 | 2 | 3, name: string, change: () => void): boolean => {
    const before = hostStateOf(watch(place, name)).digest;
    change();
    return hostStateOf(watch(place, name)).digest !== before;
  };

  test.each<[string, 0 | 1 | 2 | 3, string, () => void]>([
    [
      "content of the same size, with the old time",
      0,
      "file",
      () => {
        const { atime, mtime } = lstatSync(at("file"));
        until("file", () => writeFileSync(at("file"), "2"));
        utimesSync(at("file"), atime, mtime);
      },
    ],
    ["the mode of a file", 0, "file", () => chmodSync(at("file"), 0o600)],
    [
      "another file of the same content",
      0,
      "file",
      () => {
        writeFileSync(at("new"), "1");
        renameSync(at("new"), at("file"));
      },
    ],
    ["the target of a link", 1, "link", () => chmodSync(at("file"), 0o600)],
    [
      "the text of a link",
      0,
      "link",
      () => {
        rmSync(at("link"));
        symlinkSync("directory/file", at("link"));
      },
    ],
    ["a file that is removed", 0, "file", () => rmSync(at("file"))],
    ["a file that appears", 0, "new", () => root.put({ new: "" })],
    ["a loop instead of nothing", 1, "new", () => symlinkSync("new", at("new"))],
    ["the mode of a directory", 0, "directory", () => chmodSync(at("directory"), 0o700)],
    ["another directory", 1, "directory", exchangeDirectory],
    [
      "a directory instead of a file",
      0,
      "file",
      () => {
        rmSync(at("file"));
        mkdirSync(at("file"));
      },
    ],
    [
      "a name in a listed directory, with the old time",
      3,
      "directory",
      () => {
        const { atime, mtime } = lstatSync(at("directory"));
        until(
          "directory",
          () => writeFileSync(at("directory/new"), "", { flag: "w" }) ?? rmSync(at("directory/new")),
        );
        utimesSync(at("directory"), atime, mtime);
      },
    ],
  ])("shows: %s", (_, place, name, change) => {
    expect(differs(place, name, change)).toBe(true);
  });

  test.each<[string, 0 | 1 | 2 | 3, string, () => void]>([
    ["a name in a directory that is not listed", 1, "directory", () => root.put({ "directory/new": "" })],
    ["the target of a link that is not followed", 0, "link", () => chmodSync(at("file"), 0o600)],
    ["nothing at all", 2, "directory", () => undefined],
  ])("does not show: %s", (_, place, name, change) => {
    expect(differs(place, name, change)).toBe(false);
  });

  test("times of a device or FIFO show only if its ACL was read", () => {
    const change = () => until("fifo", () => chmodSync(at("fifo"), 0o600));
    Bun.spawnSync(["mkfifo", "-m", "0600", at("fifo")]);
    expect(differs(0, "fifo", change)).toBe(false);
    expect(differs(2, "fifo", change)).toBe(true);
  });

  test("the newest change is that of a file, link or listed directory", () => {
    const ctime = (name: string) => Math.floor(lstatSync(at(name)).ctimeMs / 1000);
    for (const [place, name] of [
      [0, "file"],
      [1, "file"],
      [0, "link"],
      [2, "directory"],
      [3, "directory"],
    ] as const)
      expect(hostStateOf(watch(place, name)).newest).toBe(ctime(name));
    for (const [place, name] of [
      [0, "directory"],
      [1, "directory"],
      [0, "missing"],
    ] as const)
      expect(hostStateOf(watch(place, name)).newest).toBe(0);
  });

  test("each path has its words, in its place", () => {
    const words = new Uint32Array(4 * STAT_WORDS);
    const look = { follow: false, listed: false };
    statAll(paths(at("file"), at("missing"), at("loop/x")), look, words, STAT_WORDS);
    const { mode, ino } = lstatSync(at("file"));
    expect(words[0]).toBe(0);
    expect(words[STAT_WORDS]).toBe(mode);
    expect(words[STAT_WORDS + 3]).toBe(ino & 0xffffffff);
    expect(words[2 * STAT_WORDS]).toBe(0);
    // ELOOP
    expect(words[3 * STAT_WORDS]).toBe(40 << 16);
    statAll(paths(at("file/x")), look, words, 0);
    expect(words[0]).toBe(0);
  });
});

const host = fileSystemAt();

describe("Trace", () => {
  beforeEach(() => root.put({ file: "1", "directory/file": "1" }));
  const isAsSeen = (trace: Trace) => {
    const seen = trace.watched();
    return seen && seen.state.digest === hostStateOf(seen.watched).digest;
  };

  test("each path is in the list of how it was looked at", () => {
    const trace = new Trace();
    trace.saw("/named", false, undefined);
    trace.saw("/followed", true, undefined);
    trace.saw("/both", false, undefined);
    trace.saw("/both", true, undefined, true);
    const text = trace.watched()?.watched.map((bytes) => Buffer.from(bytes).toString());
    expect(text).toEqual(["/named\0", "/followed\0", "/both\0", "/both\0"]);
  });

  test.each<[string, string, () => void]>([
    ["a file that is removed", "file", () => rmSync(at("file"))],
    ["a file that appears", "new", () => root.put({ new: "" })],
    ["the mode of a directory", "directory", () => chmodSync(at("directory"), 0o777)],
    ["another directory", "directory", exchangeDirectory],
    [
      "another file",
      "file",
      () => {
        writeFileSync(at("new"), "1", { mode: 0o755 });
        renameSync(at("new"), at("file"));
      },
    ],
  ])("a change after the first look: %s", (_, name, change) => {
    const [once, twice] = [new Trace(), new Trace()];
    for (const trace of [once, twice]) {
      trace.saw(at(name), false, host.lstat(at(name)));
      trace.saw(at(name), true, host.stat(at(name)));
      expect(isAsSeen(trace)).toBe(true);
    }
    change();
    // Without the file its file system cannot be asked any more.
    expect(isAsSeen(once) ?? false).toBe(false);
    // Another look does not hide it.
    twice.saw(at(name), false, host.lstat(at(name)));
    expect(isAsSeen(twice)).toBeUndefined();
  });

  const FIELDS = [
    ...(["mode", "uid", "gid", "inoLow", "inoHigh"] as const),
    ...(["devMajor", "devMinor", "rdevMajor", "rdevMinor"] as const),
  ];
  test.each(FIELDS)("another %s is another file", (field) => {
    const stat = host.lstat(at("file"));
    if (stat === undefined) throw new Error("missing");
    const other = { ...stat, [field]: stat[field] ^ 1 };
    const [late, twice] = [new Trace(), new Trace()];
    late.saw(at("file"), false, other);
    expect(isAsSeen(late)).toBe(false);
    for (const one of [stat, other]) twice.saw(at("file"), false, one);
    expect(isAsSeen(twice)).toBeUndefined();
  });

  test.skipIf(!isRoot)("owner and group are not taken for each other", () => {
    chownSync(at("file"), 5, 6);
    const trace = new Trace();
    trace.saw(at("file"), false, host.lstat(at("file")));
    expect(isAsSeen(trace)).toBe(true);
  });

  test("a look that tells nothing of the file agrees with all", () => {
    const trace = new Trace();
    trace.saw(at("file"), false, "some", true);
    trace.saw(at("missing"), false, "some", true);
    expect(isAsSeen(trace)).toBe(true);
    trace.saw(at("file"), false, host.lstat(at("file")));
    trace.saw(at("file"), false, "some");
    expect(isAsSeen(trace)).toBe(true);
  });

  test("what was seen has the words, and the newest change, of a new look", () => {
    root.put({ link: "-> file" });
    Bun.spawnSync(["mkfifo", "-m", "0600", at("fifo")]);
    utimesSync(at("file"), 5_000_000_000, 6_000_000_000);
    const large = 5 * 2 ** 30;
    truncateSync(at("file"), large);
    for (const name of ["file", "directory", "link", "missing", "fifo"])
      for (const follow of [false, true])
        for (const listed of [false, true]) {
          const trace = new Trace();
          trace.saw(at(name), follow, follow ? host.stat(at(name)) : host.lstat(at(name)), listed);
          const { watched, state } = trace.watched() ?? {};
          expect([name, state]).toEqual([name, watched && hostStateOf(watched)]);
        }
    expect(host.lstat(at("file"))?.size).toBe(large);
  });

  test.each(["relative", "", "/with\0NUL"])("the name %j ends the trace", (path) => {
    const trace = new Trace();
    trace.saw(path, false, undefined);
    expect(trace.watched()).toBeUndefined();
  });

  test("restrictions of a mount that change meanwhile end the trace", () => {
    const trace = new Trace();
    trace.sawMount("/a", { devices: false, setuid: false });
    trace.sawMount("/a", { devices: false, setuid: false });
    expect(trace.watched()).toBeDefined();
    for (const changed of [
      { devices: true, setuid: false },
      { devices: false, setuid: true },
    ]) {
      const other = new Trace();
      other.sawMount("/a", { devices: false, setuid: false });
      other.sawMount("/a", changed);
      expect(other.watched()).toBeUndefined();
    }
  });

  test("times of files in /proc are not relied on", () => {
    const trace = new Trace();
    trace.saw("/proc", true, host.stat("/proc"));
    expect(isAsSeen(trace)).toBe(true);
    trace.saw("/proc/self/status", true, "some");
    expect(isAsSeen(trace)).toBeUndefined();
  });
});

describe("what tells a trace", () => {
  /** The calls of `saw` as text. */
  class Listener extends Trace {
    readonly calls: string[] = [];
    override saw(...[path, follow, found, listed = false]: Parameters<Trace["saw"]>): void {
      const what = found === undefined ? "missing" : found === "some" ? "some" : "there";
      this.calls.push([path.replace(root.path, ""), follow ? "followed" : "named", what, listed].join(" "));
      super.saw(path, follow, found, listed);
    }
  }

  test("every question about the host", () => {
    const trace = new Listener();
    const view = tracedHost(fakeFileSystem({ "/d/f": "", "/d/l": "->f" }), trace);
    expect(view.lstat("/d/f")).toBeDefined();
    expect(view.stat("/none")).toBeUndefined();
    expect(view.acl("/d/f")).toBe("none");
    expect(view.acl("/d", true)).toBe("none");
    expect(view.readlink("/d/l")).toBe("f");
    expect(view.names("/d")).toEqual(["f", "l"]);
    expect(view.list("/d").map(({ path }) => path)).toEqual(["/d/f", "/d/l"]);
    expect(view.withheld("/d/f")).toEqual({ devices: false, setuid: false });
    expect(trace.calls).toEqual([
      "/d/f named there false",
      "/none followed missing false",
      "/d/f named some true",
      "/d followed some true",
      "/d/l named some false",
      "/d followed there true",
      "/d followed there true",
      "/d/f named there false",
      "/d/l named there false",
    ]);
    expect([...trace.withheld.keys()]).toEqual(["/d/f"]);
  });

  test("every question of the loader", () => {
    root.put({ "d/f": "1", "d/l": "-> f" });
    const trace = new Listener();
    using view = new RootView("/", (...looked) => trace.saw(...looked));
    view.withFile(at("d/l"), () => undefined);
    view.withFile(at("none"), () => undefined);
    view.list(at("d"));
    view.isDirectory(at("d"));
    view.isDirectory(at("d/f"));
    expect(trace.calls).toEqual([
      "/d/l followed there false",
      "/none followed missing false",
      "/d followed there true",
      "/d followed there false",
      "/d/f followed missing false",
    ]);
    trace.calls.length = 0;
    expect(view.realPath(at("d/l"))).toBe(at("d/f"));
    expect(trace.calls.slice(-3)).toEqual([
      "/d named there false",
      "/d/l named there false",
      "/d/f named there false",
    ]);
  });
});

describe.skipIf(!isRoot)("PlanCache", () => {
  const FUTURE = Date.now() / 1000 + 100_000;
  const wants = [want(at("tree"))];
  const loader = { dependencies: () => [], configurationFiles: () => [] };
  type Options = NonNullable<ConstructorParameters<typeof PlanCache>[2]>;
  // It takes a while to make hundreds of files: each test gets those of the one before, as they were.
  const aside = temporaryRoot({}, isRoot ? "/run" : undefined);
  afterAll(() => aside[Symbol.dispose]());
  const FILES = new Set(Array.from({ length: 600 }, (_, n) => `${n}`));
  beforeEach(() => {
    if (existsSync(`${aside.path}/tree`)) renameSync(`${aside.path}/tree`, at("tree"));
    mkdirSync(at("tree/empty"), { recursive: true });
    for (const name of readdirSync(at("tree")))
      if (name !== "empty" && !FILES.has(name)) rmSync(at(`tree/${name}`));
    for (const name of FILES) {
      const file = at(`tree/${name}`);
      if (lstatSync(file, { throwIfNoEntry: false })?.mode === 0o100644) continue;
      writeFileSync(file, "");
      chmodSync(file, 0o644);
    }
  });
  afterEach(() => renameSync(at("tree"), `${aside.path}/tree`));

  /** A cache as a new run of jk_init has it, and its plan. */
  function run(options: Options = {}, jail = at("jail"), view: FileSystem = host) {
    const trace = new Trace();
    const question = { jail, wants, companions: none, host: view };
    const cache = new PlanCache(trace, question, { directory: at("plans"), started: FUTURE, ...options });
    const traced = tracedHost(view, trace);
    const input = {
      host: traced,
      unwatched: view,
      jail: emptyFileSystem,
      jailPath: jail,
      force: false,
      loader,
    };
    const plan = () => makePlan({ ...input, wants });
    return { trace, cache, plan };
  }
  const kept = () => (existsSync(at("plans")) ? readdirSync(at("plans")) : []);
  function keep(options?: Options): Draft {
    const { cache, plan } = run(options);
    const made = plan();
    cache.save(made);
    return made;
  }
  const read = (jail?: string, view?: FileSystem) => run({}, jail, view).cache.read(() => undefined);

  test("a plan comes back in the next run", () => {
    const made = keep();
    expect(kept()).toHaveLength(1);
    expect(lstatSync(at("plans")).mode & 0o7777).toBe(0o700);
    expect(lstatSync(at(`plans/${kept()[0]}`)).mode & 0o7777).toBe(0o600);
    expect(read()?.entries.map(({ path }) => path)).toEqual(made.entries.map(({ path }) => path));
    expect(read(at("elsewhere"))).toBeDefined();
  });

  test("one that came back is not written again", () => {
    keep();
    const { cache } = run();
    let found = 0;
    const plan = cache.read(() => found++);
    expect(found).toBe(1);
    rmSync(at("plans"), { recursive: true });
    cache.save(plan ?? emptyDraft());
    expect(kept()).toEqual([]);
  });

  test("nothing is there: nothing is found", () => {
    let found = 0;
    expect(run().cache.read(() => found++)).toBeUndefined();
    expect(found).toBe(0);
  });

  test.each<[string, Options]>([
    ["files that changed a moment ago", { started: Date.now() / 1000 }],
    ["this process began before its files changed", { started: performance.timeOrigin / 1000 }],
    ["the clock was set back", { clock: () => Date.now() - 3_600_000 }],
    ["the clock was set forward", { clock: () => Date.now() + 3_600_000 }],
  ])("is not kept: %s", (_, options) => {
    keep(options);
    expect(kept()).toEqual([]);
  });

  test("the start of this process is the default", () => {
    const { cache, plan } = run({ started: undefined });
    cache.save(plan());
    expect(kept()).toEqual([]);
  });

  const problem = { code: "failed", path: "/p", message: "m" } as const;
  test.each<[string, (plan: Draft) => Partial<Draft>]>([
    ["a problem", () => ({ problems: [problem] })],
    ["not safe", () => ({ unsafe: problem })],
    [
      "something left out",
      () => ({ leftOut: new Map([["/p", { kind: "private", tree: "", section: "", path: "/p" }]]) }),
    ],
    ["depends on the place of the jail", () => ({ dependsOnJail: true })],
    [
      "a user's file",
      ({ entries }) => ({
        entries: entries.map((one, n) => (n === 9 ? { ...one, untrusted: host.stat("/") } : one)),
      }),
    ],
    ["short", ({ entries }) => ({ entries: entries.slice(0, 499) })],
  ])("is not kept: %s", (_, change) => {
    const { cache, plan } = run();
    const made = plan();
    cache.save({ ...made, ...change(made) });
    expect(kept()).toEqual([]);
    cache.save(made);
    expect(kept()).toHaveLength(1);
  });

  test("a device that everybody can write, as /dev/null, is no user's", () => {
    const { cache, plan } = run();
    const made = plan();
    const device = { ...made.entries[9], type: "device", untrusted: host.stat("/dev/null") } as Entry;
    cache.save({ ...made, entries: [...made.entries, device] });
    expect(kept()).toHaveLength(1);
  });

  test.each<[string, () => void]>([
    ["the mode of a directory above", () => chmodSync(root.path, 0o755)],
    ["a new file", () => root.put({ "tree/new": "" })],
    ["a file less", () => rmSync(at("tree/5"))],
    ["the mode of a file", () => chmodSync(at("tree/5"), 0o600)],
  ])("a change makes it void: %s", (_, change) => {
    try {
      keep();
      expect(read()).toBeDefined();
      change();
      expect(read()).toBeUndefined();
    } finally {
      chmodSync(root.path, 0o700);
    }
  });

  test("a change after the plan was made: it is not used", () => {
    const { cache, plan } = run();
    const made = plan();
    chmodSync(root.path, 0o755);
    cache.save(made);
    expect(read()).toBeUndefined();
    chmodSync(root.path, 0o700);
    expect(read()).toBeDefined();
  });

  test("other sections have another plan", () => {
    keep();
    const question = {
      jail: at("jail"),
      wants: [want(at("tree"), { section: "t" })],
      companions: none,
      host,
    };
    const other = new PlanCache(new Trace(), question, { directory: at("plans"), started: FUTURE });
    expect(other.read(() => undefined)).toBeUndefined();
  });

  test("a link that leads above the jail: another jail would have another plan", () => {
    symlinkSync("..", at("tree/up"));
    expect(keep().warnings).toEqual([expect.stringContaining("the jail is in it")]);
    expect(kept()).toEqual([]);
  });

  test("after a boot no plan is used: a crash can leave new content with an old ctime", () => {
    keep({ boot: "one" });
    expect(run({ boot: "two" }).cache.read(() => undefined)).toBeUndefined();
    expect(run({ boot: "one" }).cache.read(() => undefined)).toBeDefined();
  });

  test.each(["tree", "tree/empty", "tree/empty/below"])("not for the jail %s", (jail) => {
    keep();
    expect(read(at(jail))).toBeUndefined();
    expect(read(at("treeless"))).toBeDefined();
  });

  test("the restrictions of mounts are compared", () => {
    const { trace, cache, plan } = run();
    trace.sawMount(at("tree/1"), { devices: false, setuid: false });
    cache.save(plan());
    const restricted = (devices: boolean, setuid: boolean): FileSystem => ({
      ...host,
      withheld: () => ({ devices, setuid }),
    });
    expect(read(undefined, restricted(false, false))).toBeDefined();
    expect(read(undefined, restricted(true, false))).toBeUndefined();
    expect(read(undefined, restricted(false, true))).toBeUndefined();
  });

  test("without /proc nothing tells of a boot: it is not kept", () => {
    keep({ boot: "" });
    expect(kept()).toEqual([]);
  });

  test("the executable counts", () => {
    const { trace } = run();
    expect(Buffer.from(trace.watched()?.watched[1] ?? []).toString()).toContain("/proc/self/exe\0");
  });

  test("there is none for a jail that is not there, or is live", () => {
    const { cache } = run();
    expect(cacheFor(undefined, [], cache)).toBeUndefined();
  });
});
