import { describe, expect, test } from "bun:test";
import * as fs from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDirectoryPath, withFd } from "../../ffi/files.ts";
import { confinementFromStatus, seccompText } from "../../src/processes/confinement.ts";
import { isKernelThread, type JailedProcess, parentFromStat } from "../../src/processes/process.ts";
import { classifyRoot, nameOfMount, type RootFacts, withoutDeleted } from "../../src/processes/roots.ts";
import { commandOf, type Row, rowsOf, tableLines, treeOrder } from "../../src/processes/text.ts";
import { parseMounts } from "../../src/system/mountinfo.ts";

describe("classifyRoot", () => {
  const facts = (some: Partial<RootFacts>): RootFacts => ({
    text: "/srv/j",
    removed: false,
    isHostRoot: false,
    mountNamespace: undefined,
    otherPidNamespace: false,
    textIsHere: () => false,
    nameByMount: () => undefined,
    ...some,
  });
  const apart = (some: Partial<RootFacts>) => classifyRoot(facts({ mountNamespace: "mnt:[7]", ...some }));

  test("in the same mount namespace the link text is the jail", () => {
    expect(classifyRoot(facts({}))).toEqual({ kind: "jail", name: "/srv/j" });
    expect(classifyRoot(facts({ text: "/srv/j (deleted)", removed: true }))).toEqual({
      kind: "jail",
      name: "/srv/j",
    });
    expect(classifyRoot(facts({ text: "/srv/j (deleted)" })).name).toBe("/srv/j (deleted)");
    // The root once more, bound to another place: its submounts are missing there.
    expect(classifyRoot(facts({ text: "/mnt", isHostRoot: true })).kind).toBe("jail");
  });

  test("a directory hidden by the mount at / is not a jail", () => {
    expect(classifyRoot(facts({ text: "/" })).kind).toBe("host");
  });

  test("in another mount namespace", () => {
    expect(apart({ text: "/", isHostRoot: true }).kind).toBe("host");
    expect(apart({ textIsHere: () => true })).toEqual({ kind: "jail", name: "/srv/j" });
    expect(apart({ textIsHere: () => true, otherPidNamespace: true }).kind).toBe("jail");
    expect(apart({ text: "/", nameByMount: () => "/srv/k" })).toEqual({ kind: "jail", name: "/srv/k" });
    expect(apart({ text: "/" })).toEqual({ kind: "container", name: "mnt:[7]/" });
    expect(apart({ text: "/", nameByMount: () => "/srv/k", otherPidNamespace: true }).kind).toBe("container");
    expect(apart({})).toEqual({ kind: "container", name: "mnt:[7]/srv/j" });
    // "/" leads everywhere, so that it leads somewhere here says nothing.
    expect(apart({ text: "/", textIsHere: () => true }).kind).toBe("container");
  });
});

test("withoutDeleted removes the kernel's suffix once", () => {
  expect(withoutDeleted("/a (deleted)")).toBe("/a");
  expect(withoutDeleted("/a (deleted) (deleted)")).toBe("/a (deleted)");
  expect(withoutDeleted("/a(deleted)")).toBe("/a(deleted)");
});

describe("mountinfo", () => {
  const text = [
    "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
    "30 22 8:2 /data /srv rw - ext4 /dev/sdb1 rw",
    "31 22 8:1 /var/lib /mnt/with\\040blank\\134 rw - ext4 /dev/sda1 rw",
    "",
    "nonsense",
  ].join("\n");
  const SHARED = { options: ["rw", "relatime"], propagation: ["shared:1"] };
  const mounts = parseMounts(text);
  const mount = (device: string, root: string) => ({ device, root });

  test("is read line by line, without escapes", () => {
    const ext4 = { options: ["rw"], propagation: [], type: "ext4" };
    expect(mounts).toEqual([
      { ...ext4, id: 22n, device: "8:1", root: "/", mountPoint: "/", ...SHARED },
      { ...ext4, id: 30n, device: "8:2", root: "/data", mountPoint: "/srv" },
      { ...ext4, id: 31n, device: "8:1", root: "/var/lib", mountPoint: "/mnt/with blank\\" },
    ]);
  });

  test("a directory is named by every mount of its file system that shows it, the shortest first", () => {
    expect(nameOfMount(mount("8:1", "/var/lib/j"), mounts)).toEqual(["/var/lib/j", "/mnt/with blank\\/j"]);
    expect(nameOfMount(mount("8:1", "/var/library"), mounts)).toEqual(["/var/library"]);
    expect(nameOfMount(mount("8:2", "/data"), mounts)).toEqual(["/srv"]);
    expect(nameOfMount(mount("8:2", "/data/j"), mounts)).toEqual(["/srv/j"]);
    expect(nameOfMount(mount("8:2", "/"), mounts)).toEqual([]);
    expect(nameOfMount(mount("8:2", "/database"), mounts)).toEqual([]);
    expect(nameOfMount(mount("8:1", "/"), mounts)).toEqual(["/"]);
    expect(nameOfMount(mount("9:9", "/"), mounts)).toEqual([]);
  });
});

test("the parent in proc_pid_stat(5), whatever the program is called", () => {
  expect(parentFromStat("12 (sh) S 7 12 12 0 -1")).toBe(7);
  expect(parentFromStat("12 (a) S 1 (b)) R 42 12 12 0 -1")).toBe(42);
  expect(parentFromStat("12 (\n) S 3 ) S 9 12")).toBe(9);
  expect(parentFromStat("")).toBe(0);
});

test("a kernel thread is told by its flags, whatever a process is called", () => {
  const proc = fs.mkdtempSync(join(tmpdir(), "list-"));
  fs.mkdirSync(join(proc, "7"));
  const isOne = (text: string) => {
    fs.writeFileSync(join(proc, "7/stat"), text);
    return withFd(openDirectoryPath(proc), (fd) => isKernelThread(fd, "7"));
  };
  expect(isOne("7 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0")).toBe(true);
  expect(isOne("7 (kdevtmpfs) S 2 0 0 0 -1 2097216 0 0 0 0")).toBe(true);
  expect(isOne("7 (sh) S 1 7 7 34816 7 4194304 0 0 0 0")).toBe(false);
  expect(isOne("7 (sh) S 2 0 0 0 -1 2129984 (x) S 1 7 7 0 -1 4194304 0 0 0 0")).toBe(false);
  expect(isOne("")).toBe(false);
  fs.rmSync(proc, { recursive: true });
  expect(withFd(openDirectoryPath("/proc"), (fd) => isKernelThread(fd, "self"))).toBe(false);
});

describe("confinementFromStatus", () => {
  const status = (...lines: string[]) => ["Name:\tsh", "Pid:\t7", ...lines, "Threads:\t1", ""].join("\n");
  const all = (mode: number) =>
    confinementFromStatus(status("NoNewPrivs:\t1", `Seccomp:\t${mode}`, "Seccomp_filters:\t3"));

  test("the modes, with the number of filters", () => {
    expect(all(0)).toEqual({ seccomp: "none", filters: undefined, noNewPrivs: true });
    expect(all(1)).toEqual({ seccomp: "strict", filters: undefined, noNewPrivs: true });
    expect(all(2)).toEqual({ seccomp: "filter", filters: 3, noNewPrivs: true });
    expect([all(1), all(2)].map(seccompText)).toEqual(["strict", "filter 3"]);
  });

  test("an older kernel tells less", () => {
    expect(confinementFromStatus(status("NoNewPrivs:\t0", "Seccomp:\t2"))).toEqual({
      seccomp: "filter",
      filters: undefined,
      noNewPrivs: false,
    });
    expect(seccompText(confinementFromStatus(status("Seccomp:\t2")))).toBe("filter");
  });

  test.each([
    ["nothing", ""],
    ["no such fields", status()],
    ["another mode", status("NoNewPrivs:\t2", "Seccomp:\t3")],
    ["no numbers", status("NoNewPrivs:\tyes", "Seccomp:\t-1")],
    ["empty fields", status("NoNewPrivs:\t", "Seccomp:")],
    ["something behind a number", status("NoNewPrivs:\t1 0", "Seccomp:\t2x")],
    ["fields that occur twice", status("NoNewPrivs:\t1", "NoNewPrivs:\t1", "Seccomp:\t2", "Seccomp:\t0")],
    ["a field cut off", "Name:\tsh\nNoNewPrivs"],
    ["fields within a line", status("x NoNewPrivs:\t1", "Name:\tSeccomp:\t2")],
  ])("malformed is unknown: %s", (_what, text) => {
    expect(confinementFromStatus(text)).toEqual({
      seccomp: "unknown",
      filters: undefined,
      noNewPrivs: undefined,
    });
  });
});

function process(pid: number, parent: number, name = "/j", some: Partial<JailedProcess> = {}): JailedProcess {
  return {
    pid,
    parent,
    uid: 0,
    root: {
      kind: "jail",
      name,
      text: name,
      removed: false,
      mountNamespace: undefined,
      identity: undefined,
    },
    exe: `${name}/bin/x`,
    exeRemoved: false,
    arguments: ["x"],
    argumentsCut: false,
    ...some,
  };
}

describe("commandOf", () => {
  const command = (words: string[], some: Partial<JailedProcess> = {}) =>
    commandOf(process(1, 0, "/j", { arguments: words, ...some }));

  test("is the program and its arguments, with the blank of 2.23 at the end", () => {
    expect(command(["x"])).toBe("/j/bin/x ");
    expect(command(["x", "a", "", "b"])).toBe("/j/bin/x a  b ");
    expect(command([])).toBe("/j/bin/x ");
    expect(command(["x", "a", "b"], { argumentsCut: true })).toBe("/j/bin/x a b");
  });

  test("falls back to argv[0], and is printable", () => {
    expect(command(["-sh", "a"], { exe: undefined })).toBe("-sh a ");
    expect(command(["x", "\x1b[2J\n"])).toBe("/j/bin/x \\x1b[2J\\n ");
  });
});

describe("tableLines", () => {
  const row = (some: Partial<Row> = {}): Row => ({ pid: "7", user: "u", jail: "/j", command: "c", ...some });

  test("columns are as wide as their contents", () => {
    expect(tableLines([row(), row({ pid: "1234567", user: "longer" })], false)).toEqual([
      "Pid    User   Jail Command",
      "7      u      /j   c      ",
      "1234567 longer /j   c      ",
    ]);
  });

  test("columns for the confinement, if the rows have it", () => {
    const confinement = { seccomp: "filter", filters: 3, noNewPrivs: true } as const;
    const confined = rowsOf([process(7, 0, "/j", { confinement })], () => "u");
    expect(tableLines(confined, false)).toEqual([
      "Pid    User Jail Seccomp  NoNewPrivs Command  ",
      "7      u    /j   filter 3 yes        /j/bin/x ",
    ]);
    const cut = tableLines([row({ seccomp: "none", noNewPrivs: "no", command: "c".repeat(100) })], false);
    expect(cut.map(({ length }) => length)).toEqual([80, 80]);
  });

  test("80 columns, unless wide", () => {
    const long = row({ command: "c".repeat(100) });
    expect(tableLines([long], false)[1]).toBe(`7      u    /j   ${"c".repeat(63)}`);
    expect(tableLines([long], true)).toEqual([
      `Pid    User Jail ${"Command".padEnd(63)}`,
      `7      u    /j   ${"c".repeat(100)}`,
    ]);
  });

  test("characters count, not bytes, and none is split", () => {
    const [, line] = tableLines([row({ user: "\xc3\xa9", command: "\xe2\x82\xac".repeat(70) })], false);
    expect(line).toBe(`7      \xc3\xa9    /j   ${"\xe2\x82\xac".repeat(63)}`);
  });

  test("the command keeps the width of its title beside long names", () => {
    expect(tableLines([row({ jail: `/${"j".repeat(90)}`, command: "command line" })], false)[1]).toEndWith(
      "j command",
    );
  });

  test("names of users are printable", () => {
    expect(rowsOf([process(1, 0)], () => "\x1b]")[0]?.user).toBe("\\x1b]");
  });
});

describe("treeOrder", () => {
  const order = (...processes: JailedProcess[]) =>
    treeOrder(processes).map(({ process: { pid }, branch }) => `${branch}${pid}`);

  test("children follow their parent, by number, each generation further right", () => {
    expect(
      order(process(1, 0), process(2, 1), process(3, 1), process(4, 2), process(5, 4), process(6, 0)),
    ).toEqual(["1", "\\_ 2", "  \\_ 4", "    \\_ 5", "\\_ 3", "6"]);
  });

  test("a parent in another jail does not count, and numbers may be reused", () => {
    expect(order(process(1, 9), process(2, 1, "/k"))).toEqual(["1", "2"]);
    expect(order(process(1, 1), process(2, 3))).toEqual(["1", "2"]);
    expect(order(process(5, 9), process(9, 3))).toEqual(["9", "\\_ 5"]);
  });

  test("no process is lost in a circle of parents", () => {
    expect(order(process(1, 2), process(2, 1), process(3, 1)).length).toBe(3);
  });
});
