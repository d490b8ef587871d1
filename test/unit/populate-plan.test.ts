import { describe, expect, test } from "bun:test";
import { JailkitError } from "../../src/cli/error.ts";
import type { Dependency } from "../../src/libraries/dependency.ts";
import { KEEP_OWNER, KEEP_SETUID } from "../../src/populate/entry.ts";
import { countedProblems } from "../../src/populate/passed-over.ts";
import { givenToFile } from "../../src/populate/plan/modes.ts";
import { explain, explanationLines } from "../../src/populate/plan/why.ts";
import { fakeFileSystem, lines, planOf, want } from "./populate-fake.ts";

const program = { type: "file", mode: 0o755 } as const;
const needed = (path: string, neededBy: string, kind: Dependency["kind"] = "needed"): Dependency => ({
  path,
  neededBy,
  kind,
  name: path.slice(path.lastIndexOf("/") + 1),
});

describe("the places of entries", () => {
  test("a merged /usr is copied as it is", () => {
    const plan = planOf({ host: { "/usr/bin/cat": program, "/bin": "->usr/bin" }, wants: ["/bin/cat"] });
    expect(lines(plan)).toEqual([
      "create symlink /bin -> usr/bin",
      "create directory /usr 0755",
      "create directory /usr/bin 0755",
      "create file /usr/bin/cat 0755",
    ]);
    expect(plan.entries.at(-1)?.source).toBe("/bin/cat");
  });

  test("a real directory in the jail stays one", () => {
    const plan = planOf({
      host: { "/usr/bin/cat": program, "/bin": "->usr/bin" },
      jail: { "/bin": { type: "directory" } },
      wants: ["/bin/cat"],
    });
    expect(lines(plan)).toEqual(["create file /bin/cat 0755"]);
  });

  test("the same file by two paths is planned once", () => {
    const host = { "/usr/bin/cat": program, "/bin": "->usr/bin" };
    const plan = planOf({ host, wants: ["/bin/cat", "/usr/bin/cat"] });
    expect(plan.entries.filter(({ type }) => type === "file")).toHaveLength(1);
  });

  test("a symbolic link, its target, and the target of that", () => {
    const host = {
      "/usr/bin/vi": "->/etc/alternatives/vi",
      "/etc/alternatives/vi": "->/usr/bin/vim",
      "/usr/bin/vim": program,
    };
    expect(
      lines(planOf({ host, wants: ["/usr/bin/vi"] })).filter((line) => !line.includes("directory")),
    ).toEqual([
      "create symlink /usr/bin/vi -> /etc/alternatives/vi",
      "create symlink /etc/alternatives/vi -> /usr/bin/vim",
      "create file /usr/bin/vim 0755",
    ]);
  });

  test("a symbolic link to the directory above it adds no entry", () => {
    const plan = planOf({ host: { "/opt/a/b/up": "->..", "/opt/a/f": "" }, wants: ["/opt/a/b"] });
    expect(lines(plan).filter((line) => line.includes(".."))).toEqual(["create symlink /opt/a/b/up -> .."]);
    expect(plan.entries.map(({ path }) => path)).toContain("/opt/a/f");
  });

  test("`..` in a symbolic link is resolved from the real place of the link", () => {
    const host = {
      "/usr/lib64/ld.so": "->../lib/x/ld.so",
      "/usr/lib/x/ld.so": program,
      "/lib64": "->usr/lib64",
    };
    const plan = planOf({ host, wants: ["/lib64/ld.so"] });
    expect(lines(plan)).toContain("create file /usr/lib/x/ld.so 0755");
    expect(plan.entries.at(-1)?.source).toBe("/usr/lib/x/ld.so");
  });

  test("loops of symbolic links end, whatever is kept", () => {
    const host = { "/d/a": "->b", "/d/b": "->../d/a", "/d/self": "->.", "/d/up": "->../d" };
    for (const keepOwner of [false, true]) {
      const plan = planOf({ host, wants: [want("/d", { keepOwner }), want("/d/a", { keepSetuid: true })] });
      expect(lines(plan).filter((line) => line.includes("symlink"))).toHaveLength(4);
      expect(plan.problems).toEqual([]);
    }
  });

  test("a dangling link is copied", () => {
    const plan = planOf({ host: { "/d/l": "->nowhere" }, wants: ["/d/l"] });
    expect(lines(plan)).toContain("create symlink /d/l -> nowhere");
    expect(plan.problems).toEqual([]);
  });

  test("a symbolic link of the jail is followed as the jail sees it", () => {
    const jail = { "/opt": "->../../store", "/store": { type: "directory" } } as const;
    const plan = planOf({ host: { "/opt/x/f": "" }, jail, wants: ["/opt/x/f"] });
    expect(lines(plan)).toEqual(["create directory /store/x 0755", "create file /store/x/f 0644"]);
  });

  test("a symbolic link that a jailed user may have created is not", () => {
    const jail = { "/home/u": { type: "directory", uid: 1000 }, "/home/u/bin": "->/usr/bin" } as const;
    const plan = planOf({ host: { "/home/u/bin/f": "" }, jail, wants: ["/home/u/bin/f"] });
    expect(plan.entries).toEqual([]);
    expect(plan.problems).toMatchObject([{ code: "cannot-place", path: "/home/u/bin/f" }]);
    expect(plan.problems[0]?.message).toContain(
      "symbolic link in a directory that users other than root can write",
    );
  });

  test("a file of the jail in the place of a directory is an error", () => {
    const plan = planOf({ host: { "/d/f": "" }, jail: { "/d": "" }, wants: ["/d/f"] });
    expect(plan.problems).toMatchObject([{ path: "/d/f" }]);
  });

  test("a directory of the jail in the place of a file is an error", () => {
    const plan = planOf({ host: { "/d/f": "" }, jail: { "/d/f/x": "" }, wants: ["/d/f"], force: true });
    expect(plan.problems).toMatchObject([{ code: "directory-in-the-way", path: "/d/f" }]);
    expect(plan.entries).toEqual([]);
  });
});

describe("files that are already in the jail", () => {
  const host = {
    "/bin/x": program,
    "/bin/y": "->x",
    "/dev/null": { type: "char", major: 1, minor: 3 },
  } as const;
  const jail = {
    "/bin/x": { ...program, uid: 7 },
    "/bin/y": "->other",
    "/dev/null": { type: "char", major: 1, minor: 3 },
  } as const;
  const wants = ["/bin/x", "/bin/y", "/dev/null"];

  test("stay, with their attributes", () => {
    const plan = planOf({ host, jail, wants });
    expect(plan.entries.map(({ action }) => action)).toEqual(["keep", "keep", "keep"]);
    expect(plan.entries[0]).toMatchObject({ uid: 7 });
    expect(plan.entries[1]?.differs).toBe(true);
  });

  test("are replaced with force, except a device that is right", () => {
    const plan = planOf({ host, jail, wants, force: true });
    expect(plan.entries.map(({ action }) => action)).toEqual(["replace", "replace", "keep"]);
    const other = { ...jail, "/dev/null": { type: "char", major: 1, minor: 5 } } as const;
    expect(planOf({ host, jail: other, wants, force: true }).entries[2]?.action).toBe("replace");
  });

  test("get their missing libraries", () => {
    const needs = { "/bin/x": [needed("/lib/libx.so", "/bin/x")] };
    const plan = planOf({ host: { ...host, "/lib/libx.so": "" }, jail, wants: ["/bin/x"], needs });
    expect(lines(plan)).toContain("create file /lib/libx.so 0644");
  });
});

describe("attributes", () => {
  const stat = (mode: number, uid = 0, gid = 0) => {
    const found = fakeFileSystem({ "/f": { type: "file", mode, uid, gid } }).lstat("/f");
    if (!found) throw new Error("no file");
    return found;
  };

  test.each([
    [0o4755, 0, 0, 0, { mode: 0o755, uid: 0, gid: 0, stripped: true }],
    [0o6755, 0, 0, KEEP_SETUID, { mode: 0o6755, uid: 0, gid: 0, stripped: false }],
    [0o4755, 1000, 0, KEEP_SETUID, { mode: 0o755, uid: 0, gid: 0, stripped: true }],
    [0o2755, 0, 42, KEEP_SETUID, { mode: 0o755, uid: 0, gid: 0, stripped: true }],
    [0o6755, 1000, 42, KEEP_OWNER | KEEP_SETUID, { mode: 0o6755, uid: 1000, gid: 42, stripped: false }],
    [0o1644, 1000, 42, KEEP_OWNER, { mode: 0o1644, uid: 1000, gid: 42, stripped: false }],
  ] as const)("mode %o of %d:%d, keeping %d", (mode, uid, gid, keeps, given) => {
    expect(givenToFile(stat(mode, uid, gid), keeps as 0 | 1 | 2 | 3)).toEqual(given);
  });

  test("with an ACL: the group's own permissions, never the mask", () => {
    const acl = { group: 4, named: [] } as const;
    const at = (mode: number, gid = 42) => ({ type: "file", mode, gid, acl }) as const;
    const host = {
      "/d": { type: "directory", mode: 0o2770, gid: 42, acl },
      "/d/more": at(0o660),
      "/d/less": { ...at(0o644), acl: { group: 0, named: [] } },
      "/d/none": { type: "file", mode: 0o660, gid: 42 },
      "/d/unknown": { ...at(0o660), acl: "unknown" },
      "/e/f": at(0o660),
    } as const;
    const modes = (wants: ReturnType<typeof want>[]) =>
      Object.fromEntries(planOf({ host, wants }).entries.map(({ path, mode }) => [path, mode.toString(8)]));
    const kept = { "/d": "740", "/d/more": "640", "/d/none": "660", "/d/unknown": "600" };
    expect(modes([want("/d", { keepOwner: true })])).toEqual({ ...kept, "/d/less": "604" });
    // Where the group is root's, what the group may do less than others is nothing to anybody.
    expect(modes([want("/d")])).toEqual({ ...kept, "/d/less": "644" });
    // What only leads there.
    expect(modes([want("/d/more", { keepOwner: true })])).toEqual({ "/d": "740", "/d/more": "640" });
    // Asked for twice, the second time with the owner.
    expect(modes([want("/e/f"), want("/e/f", { keepOwner: true })])).toMatchObject({ "/e/f": "640" });
    expect(modes([want("/d"), want("/d", { keepOwner: true })])).toEqual({ ...kept, "/d/less": "604" });
  });

  test("of parents and of requested directories", () => {
    const host = {
      "/srv": { type: "directory", mode: 0o2777 },
      "/srv/share": { type: "directory", mode: 0o2770, gid: 42 },
      "/srv/share/f": "",
      "/tmp": { type: "directory", mode: 0o1777 },
      "/tmp/f": "",
      "/opt": { type: "directory", mode: 0o1777, uid: 5 },
      "/opt/f": "",
    } as const;
    expect(
      lines(planOf({ host, wants: ["/srv/share/f", "/tmp/f", want("/opt/f", { keepOwner: true })] })),
    ).toEqual([
      "create directory /srv 0755",
      "create directory /srv/share 0750",
      "create file /srv/share/f 0644",
      "create directory /tmp 1777",
      "create file /tmp/f 0644",
      "create directory /opt 0755",
      "create file /opt/f 0644",
    ]);
    const tree = planOf({ host, wants: ["/srv/share"] }).entries.find(({ path }) => path === "/srv/share");
    expect(tree).toMatchObject({ mode: 0o770, gid: 0, stripped: true });
  });

  test("a second want adds the attributes that it keeps, also to a directory on the path of an entry", () => {
    const host = {
      "/d/x": { type: "file", mode: 0o4755, uid: 0 },
      "/d": { type: "directory", mode: 0o770 },
    } as const;
    const plan = planOf({ host, wants: ["/d/x", want("/d", { keepSetuid: true })] });
    expect(lines(plan)).toEqual(["create directory /d 0750", "create file /d/x 4755"]);
  });

  test("a directory on the path of an entry is filled and gets its own mode if it is requested", () => {
    const host = {
      "/d": { type: "directory", mode: 0o775 },
      "/d/e/x": "",
      "/d/e/y": "",
      "/d/z": "",
    } as const;
    expect(lines(planOf({ host, wants: ["/d/e/x", "/d/e"] }))).toEqual([
      "create directory /d 0755",
      "create directory /d/e 0755",
      "create file /d/e/x 0644",
      "create file /d/e/y 0644",
    ]);
  });

  test("the time is that of the host, to the nanosecond", () => {
    const file = planOf({ host: { "/f": "" }, wants: ["/f"] }).entries[0];
    expect(file).toMatchObject({ mtime: 3_000_000_004n });
  });
});

describe("files that are not copied", () => {
  test.each(["/", "/etc", "/./etc", "/proc", "/jail", "/home", "/dev"])("all of %s", (path) => {
    const host = { "/etc/x": "", "/proc/x": "", "/jail/x": "", "/home/u": "", "/dev/null": "" } as const;
    const plan = planOf({ host: { ...host }, wants: [path] });
    // In this file system /proc is no file system of its own, as where it is not mounted.
    if (path === "/proc") expect(plan.problems).toEqual([]);
    else expect(plan.problems).toMatchObject([{ code: "refused-source" }]);
    if (path !== "/proc") expect(plan.entries).toEqual([]);
  });

  test("single files of these are copied", () => {
    expect(planOf({ host: { "/etc/hosts": "" }, wants: ["/etc/hosts"] }).problems).toEqual([]);
  });

  test("the directory above the jail, and the jail in a tree", () => {
    const host = { "/srv/a/jail/x": "", "/srv/a/f": "" };
    expect(planOf({ host: { "/jail/x": "" }, wants: ["/jail/../jail"] }).problems).toHaveLength(1);
    const plan = planOf({ host: { ...host, "/jail": "->srv/a/jail" }, wants: ["/srv/a"] });
    expect(plan.problems).toMatchObject([{ code: "refused-source", path: "/srv/a/jail" }]);
    expect(lines(plan)).toContain("create file /srv/a/f 0644");
  });

  test("the target of a symbolic link is left out with a warning", () => {
    const plan = planOf({ host: { "/d/l": "->/etc", "/etc/shadow": "" }, wants: ["/d"] });
    expect(plan.warnings).toHaveLength(1);
    expect(plan.problems).toEqual([]);
    expect(lines(plan).join()).not.toContain("shadow");
  });

  test("FIFOs are an error, and so are missing devices", () => {
    const plan = planOf({
      host: { "/d/p": { type: "fifo" }, "/d/f": "" },
      wants: ["/d", want("/dev/nosuch", { kind: "device" }), want("/d/f", { kind: "device" })],
    });
    expect(plan.problems.map(({ code }) => code)).toEqual([
      "not-copyable",
      "no-such-device",
      "no-such-device",
    ]);
    expect(lines(plan)).toContain("create file /d/f 0644");
  });

  test("a path that is not absolute is an error, also with doubled slashes", () => {
    const plan = planOf({ host: { "/d/f": "" }, wants: ["d/f", "d//f", "./d/f/"] });
    expect(plan.problems.map(({ code }) => code)).toEqual(Array(3).fill("relative-path"));
    expect(plan.entries).toEqual([]);
  });

  test("a device keeps its numbers, however large", () => {
    const host = { "/dev/x": { type: "block", major: 4000, minor: 1_000_000, mode: 0o660 } } as const;
    const plan = planOf({ host, wants: [want("/dev/x", { kind: "device" })] });
    expect(plan.entries.at(-1)?.device).toEqual({ type: "block", major: 4000, minor: 1_000_000 });
  });
});

describe("reasons", () => {
  const host = {
    "/bin/a": program,
    "/bin/b": program,
    "/lib/libc.so": "->libc-2.so",
    "/lib/libc-2.so": "",
    "/lib/libz.so": "",
    "/opt/own/lib.so": "",
    "/etc/ld.so.conf": "",
  };
  const needs = {
    "/bin/a": [needed("/lib/libz.so", "/bin/a"), needed("/lib/libc.so", "/lib/libz.so")],
    "/bin/b": [needed("/lib/libc.so", "/bin/b")],
  };

  test("each section is reported once, with its own chain", () => {
    const plan = planOf({ host, wants: [want("/bin/a"), want("/bin/b", { section: "t" })], needs });
    const libc = plan.entries.find(({ path }) => path === "/lib/libc-2.so");
    expect(libc?.because.map(({ section, reason }) => [section, reason.kind])).toEqual([
      ["s", "link"],
      ["t", "link"],
    ]);
  });

  test("ld.so.conf comes with a library that is found only through it", () => {
    const own = { "/bin/a": [needed("/opt/own/lib.so", "/bin/a")] };
    expect(lines(planOf({ host, wants: ["/bin/a"], needs: own }))).toContain(
      "create file /etc/ld.so.conf 0644",
    );
    expect(lines(planOf({ host, wants: ["/bin/a"], needs })).join()).not.toContain("ld.so.conf");
  });

  test("an invalid program is copied, and is an error", () => {
    const plan = planOf({
      host,
      wants: ["/bin/a"],
      needs: { "/bin/a": new Error("/bin/a: not an ELF file") },
    });
    expect(lines(plan)).toContain("create file /bin/a 0755");
    expect(plan.problems).toMatchObject([{ code: "bad-program", message: "/bin/a: not an ELF file" }]);
  });

  test("a program of which something cannot be read is not passed over as an invalid one", () => {
    const error = new JailkitError("unreadable", 1, "/bin/a: cannot be examined: /lib: open: I/O error");
    const { problems } = planOf({ host, wants: ["/bin/a"], needs: { "/bin/a": error } });
    expect(problems).toMatchObject([{ code: "unreadable", message: error.message }]);
    expect(countedProblems(problems, false)).toEqual([...problems]);
  });

  test("the chain from a library to the request", () => {
    const plan = planOf({ host, wants: [want("/bin", { written: "bin" })], needs });
    expect(explanationLines("/lib/libc-2.so", explain(plan, "/lib/libc-2.so") ?? [])).toEqual([
      "/lib/libc-2.so: section s",
      "  /lib/libc-2.so: target of the symbolic link /lib/libc.so",
      "  /lib/libc.so: library libc.so of /lib/libz.so",
      "  /lib/libz.so: library libz.so of /bin/a",
      "  /bin/a: in the directory /bin",
      "  /bin: asked for as bin",
    ]);
    expect(explain(plan, "/nosuch")).toBeUndefined();
    expect(explain(plan, "/lib")?.[0]?.steps[0]?.why).toBe("on the way to /lib/libz.so");
  });
});
