/** jk_list on real processes: in jails, in mount namespaces of their own, in containers, ending while it looks. */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ProcessesReport, processesReportSchema } from "../../src/processes/report-schema.ts";
import { type Machine, type MachineProcess, openMachine, type RunOptions } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { makeShellJail, pivotTo, stop, waitApart, waitIn } from "./list-scene.ts";

setDefaultTimeout(120_000);

const A = "/srv/a";
const B = "/srv/b";
const dash = "/usr/bin/dash";

let m: Machine;
let running: MachineProcess[] = [];
beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  makeShellJail(m, A);
  makeShellJail(m, B);
  m.addUser("u", { uid: 4001 });
  m.addUser("other", { uid: 4002 });
});
afterEach(async () => {
  await stop(...running);
  running = [];
});
afterAll(async () => m.close());

async function run(...starting: Promise<MachineProcess>[]): Promise<void> {
  for (const one of starting) running.push(await one);
}
const json = (words: readonly string[] = [], options: RunOptions = {}): ProcessesReport =>
  reportOf(processesReportSchema, m.must(["jk_list", "--json", ...words], options).stdout);
const jails = (answer: ProcessesReport) => answer.processes.map(({ jail }) => jail);
const table = (words: readonly string[] = [], options: RunOptions = {}) =>
  m.must(["jk_list", ...words], options);

describe("what is listed", () => {
  test("processes of all jails, whoever runs them", async () => {
    await run(waitIn(m, B, ["zero", "one two"], "4001:4001"), waitIn(m, A), waitIn(m, B));
    const answer = json();
    expect(answer).toMatchObject({ containers: 0, unreadable: 0 });
    expect(answer.processes).toMatchObject([
      { uid: 0, user: "root", kind: "jail", jail: A, exe: `${A}${dash}`, mountNamespace: null },
      {
        uid: 4001,
        user: "u",
        jail: B,
        jailRemoved: false,
        exe: `${B}${dash}`,
        exeRemoved: false,
        arguments: [dash, "-c", "echo up; read x", "zero", "one two"],
        argumentsCut: false,
      },
      { uid: 0, jail: B },
    ]);
    const { stdout, stderr } = table(["--wide"]);
    expect(stderr).toBe("");
    const lines = stdout.split("\n");
    expect(lines[0]).toStartWith("Pid    User Jail   Command");
    expect(lines[2]?.replace(/^\d+ +/, "")).toBe(`u    ${B} ${B}${dash} -c echo up; read x zero one two `);
  });

  test("nothing if nothing is jailed, except the list itself", () => {
    expect(json()).toEqual({
      version: 1,
      tool: "jk_list",
      processes: [],
      containers: 0,
      ended: 0,
      unreadable: 0,
    });
    expect(table()).toMatchObject({ stdout: "No jailed processes found\n", stderr: "" });
  });

  test("a uid without an account is a number", async () => {
    await run(waitIn(m, A, [], "7777:7777"));
    expect(table().stdout).toMatch(/^\d+ +7777 \/srv\/a /m);
    expect(json().processes).toMatchObject([{ uid: 7777, user: null }]);
  });

  test("ordinary users see their own, and how many others there are", async () => {
    await run(waitIn(m, A, ["mine"], "4001:4001"), waitIn(m, A, ["hidden"], "4002:4002"), waitIn(m, B));
    const { stdout, stderr, status } = table([], { user: "u" });
    expect(status).toBe(0);
    expect(stdout.trimEnd().split("\n")).toHaveLength(2);
    expect(stdout).toContain("mine");
    const { unreadable, processes } = json([], { user: "u" });
    expect(processes).toHaveLength(1);
    expect(unreadable).toBeGreaterThanOrEqual(3);
    expect(stderr).toBe(`jk_list: ${unreadable} processes could not be examined; root sees all\n`);
  });

  test("the user of a program that may not be traced is the one that it runs as", async () => {
    // What may be executed but not read may not be traced either; the files of its /proc directory are root's.
    m.chmod(`${A}${dash}`, 0o711);
    await run(waitIn(m, A, [], "4001:4001"));
    m.chmod(`${A}${dash}`, 0o755);
    const { processes } = json();
    expect(m.must(["stat", "-c", "%u", `/proc/${processes[0]?.pid}/status`]).stdout).toBe("0\n");
    expect(processes).toMatchObject([{ uid: 4001, user: "u" }]);
    expect(json([], { user: "u" })).toMatchObject({ processes: [] });
  });

  test("processes that start and end meanwhile are skipped", async () => {
    await run(waitIn(m, A, ["stays"]));
    const churn = [1, 2, 3].map(() =>
      m.start(["chroot", B, dash, "-c", "echo up; while :; do (:) & (:) & wait; done"]),
    );
    for (const one of churn) await one.until(({ stdout }) => stdout.includes("up\n") || undefined);
    let scans = 0;
    let ended = 0;
    // How often a process ends at just the right moment is not to be foreseen.
    for (; scans < 40 || (ended === 0 && scans < 1000); scans++) {
      const answer = json(["--confinement"]);
      const staying = answer.processes.filter(({ arguments: words }) => words.includes("stays"));
      expect(staying).toMatchObject([{ jail: A }]);
      ended += answer.ended;
    }
    for (const one of churn) one.kill();
    await Promise.all(churn.map((one) => one.ended));
    expect(ended).toBeGreaterThan(0);
  });
});

describe("-j", () => {
  test("lists one jail, several, or none", async () => {
    await run(waitIn(m, A), waitIn(m, B));
    m.symlink("a", "/srv/link");
    expect(jails(json(["-j", A]))).toEqual([A]);
    expect(jails(json([`--jail=${B}/`]))).toEqual([B]);
    expect(jails(json(["-j/srv/./b//"]))).toEqual([B]);
    expect(jails(json(["-j", "/srv/link"]))).toEqual([A]);
    expect(jails(json(["-j", "a"], { cwd: "/srv" }))).toEqual([A]);
    expect(jails(json(["-j", A, "-j", B]))).toEqual([A, B]);
    expect(table(["-j", "/srv/nothing"]).stdout).toBe("No jailed processes found\n");
    // Not what merely begins alike.
    expect(table(["-j", "/srv"]).stdout).toBe("No jailed processes found\n");
  });
});

describe("a name that is not a jail", () => {
  test("is reported, and the status is that of 2.23", () => {
    m.write("/srv/plain", "");
    expect(table(["/nosuch", "/srv/plain"])).toMatchObject({
      status: 0,
      stdout: "No jailed processes found\n",
      stderr:
        "jk_list: no such jail, /nosuch: No such file or directory\njk_list: no such jail, /srv/plain: Not a directory\n",
    });
    expect(m.run(["jailkit", "list", "/nosuch"])).toMatchObject({
      status: 1,
      stderr: "jailkit list: /nosuch does not exist, and is not a known jail\n",
    });
  });
});

describe("a jail that was removed", () => {
  test("keeps its name, and is reported", async () => {
    makeShellJail(m, "/srv/gone");
    await run(waitIn(m, "/srv/gone"));
    m.remove("/srv/gone");
    expect(json().processes).toMatchObject([
      { jail: "/srv/gone", jailRemoved: true, exe: `/srv/gone${dash}`, exeRemoved: true },
    ]);
    const { stdout, stderr } = table();
    expect(stdout).not.toContain("(deleted)");
    expect(stderr).toBe("jk_list: /srv/gone: this directory was removed\n");
    expect(jails(json(["-j", "/srv/gone"]))).toEqual(["/srv/gone"]);
    // Another one under its name is another jail.
    makeShellJail(m, "/srv/gone");
    expect(jails(json(["-j", "/srv/gone"]))).toEqual([]);
    m.remove("/srv/gone");
  });

  test("a jail that really has this name", async () => {
    makeShellJail(m, "/srv/x (deleted)");
    await run(waitIn(m, "/srv/x (deleted)"));
    expect(json().processes).toMatchObject([
      { jail: "/srv/x (deleted)", jailRemoved: false, exeRemoved: false },
    ]);
  });
});

describe("mount namespaces", () => {
  test("a jailed process in one of its own is in the jail of that name", async () => {
    await run(waitApart(m, ["--mount"], `mount -t tmpfs tmpfs /tmp; exec chroot ${A} $WAIT`));
    const { processes } = json();
    expect(processes).toMatchObject([{ kind: "jail", jail: A, root: A, exe: `${A}${dash}` }]);
    expect(processes[0]?.mountNamespace).toMatch(/^mnt:\[\d+\]$/);
    expect(table(["-j", A]).stdout).toContain(`${A}${dash}`);
  });

  test("a service with private mounts alone is in none", async () => {
    await run(waitApart(m, ["--mount"], "mount -t tmpfs tmpfs /tmp; exec $WAIT"));
    expect(json()).toMatchObject({ processes: [], containers: 0 });
  });

  test("a jail that became the root of its namespace is found by device and inode", async () => {
    await run(waitApart(m, ["--mount"], `mount --bind ${B} ${B}; ${pivotTo(B)}`));
    expect(json().processes).toMatchObject([{ kind: "jail", jail: B, root: "/", exe: `${B}${dash}` }]);
    expect(json(["-j", B]).processes).toHaveLength(1);
    expect(json(["-j", A]).processes).toHaveLength(0);
  });

  test("the list is the same inside another mount namespace", async () => {
    await run(waitIn(m, A), waitApart(m, ["--mount"], `mount --bind ${B} ${B}; ${pivotTo(B)}`));
    const script = "mount -t tmpfs tmpfs /tmp; exec jk_list --json";
    const { stdout } = m.must(["unshare", "--mount", "/bin/sh", "-c", script]);
    const answer = reportOf(processesReportSchema, stdout);
    expect(jails(answer)).toEqual([A, B]);
    expect(answer).toMatchObject({ containers: 0, unreadable: 0 });
  });

  const container = `mount -t tmpfs tmpfs /mnt; cp -a ${A}/. /mnt/`;

  test("a container is recognized: shown only if requested", async () => {
    await run(waitApart(m, ["--mount", "--pid", "--fork"], `${container}; ${pivotTo("/mnt")}`), waitIn(m, B));
    const answer = json();
    expect(jails(answer)).toEqual([B]);
    // unshare(1) itself stays outside the PID namespace, and has the container's root as well.
    expect(answer.containers).toBe(2);
    const all = json(["--all"]);
    expect(all.containers).toBe(0);
    const listed = all.processes.find(({ kind, exe }) => kind === "container" && exe === dash);
    expect(listed).toMatchObject({ jail: null, root: "/", exe: dash });
    expect(table(["-a"]).stdout).toContain(`${listed?.mountNamespace}/ `);
  });

  test("a container whose root is a directory here is listed where that is named", async () => {
    // First the PID namespace, so that nothing outside it shares the root.
    const apart = ["--pid", "--fork", "unshare", "--mount"];
    await run(waitApart(m, apart, `mount --bind ${B} ${B}; ${pivotTo(B)}`));
    expect(json()).toMatchObject({ processes: [], containers: 1 });
    expect(json(["-j", B]).processes).toMatchObject([{ kind: "container", jail: null, root: "/" }]);
    expect(json(["-j", A])).toMatchObject({ processes: [], containers: 1 });
  });

  test("a chroot inside a container is not the jail of that name on the host", async () => {
    const script = `${container}; mkdir -p /mnt${A}; cp -a ${A}/. /mnt${A}/; cd /mnt; /usr/sbin/pivot_root . .`;
    m.must(["cp", "/usr/sbin/chroot", `${A}/usr/bin/`]);
    await run(waitApart(m, ["--mount", "--pid", "--fork"], `${script}; exec /usr/bin/chroot ${A} $WAIT`));
    m.remove(`${A}/usr/bin/chroot`);
    expect(json()).toMatchObject({ processes: [], containers: 2 });
    const inside = json(["-a"]).processes.filter(({ root }) => root === A);
    expect(inside).toMatchObject([{ kind: "container", jail: null, exe: `${A}${dash}` }]);
    expect(json(["-j", A]).processes).toEqual([]);
  });
});

describe("what comes from users", () => {
  test("control bytes reach no terminal", async () => {
    await run(waitIn(m, A, ["\x1b]0;title\x07", "new\nline", "back\\slash", "\xff", "caf\xc3\xa9"]));
    const { stdout } = table(["-w"]);
    expect(stdout.trimEnd().split("\n")).toHaveLength(2);
    expect(stdout).toContain("\\x1b]0;title\\x07 new\\nline back\\\\slash \\xff caf\xc3\xa9");
    const [listed] = json().processes;
    expect(listed?.arguments.slice(3)).toEqual([
      "\x1b]0;title\x07",
      "new\nline",
      "back\\slash",
      "\udcff",
      "café",
    ]);
  });

  test("a jail whose name holds a newline takes one line", async () => {
    makeShellJail(m, "/srv/new\nline");
    await run(waitIn(m, "/srv/new\nline"));
    expect(table().stdout).toContain("/srv/new\\nline ");
    expect(jails(json(["-j", "/srv/new\nline"]))).toEqual(["/srv/new\nline"]);
  });

  test("arguments are read up to 4096 bytes", async () => {
    await run(waitIn(m, A, ["x".repeat(10_000), "end"]));
    const [listed] = json().processes;
    expect(listed?.argumentsCut).toBe(true);
    expect(listed?.arguments.join("\0")).toHaveLength(4096);
    const lines = table(["-w"]).stdout.split("\n");
    expect(lines[1]).toEndWith("xxx");
  });

  test("no arguments at all", async () => {
    const script = "$0 = ''; $| = 1; print qq(up\\n); <STDIN>";
    m.must(["jk_cp", "-j", A, "/usr/bin/perl"]);
    const perl = m.start(["chroot", A, "/usr/bin/perl", "-e", script]);
    await perl.until(({ stdout }) => stdout.includes("up\n") || undefined);
    running.push(perl);
    expect(json().processes).toMatchObject([{ exe: `${A}/usr/bin/perl` }]);
    expect(table().stdout).toContain(`${A}/usr/bin/perl `);
  });
});

describe("forms", () => {
  test("--tree", async () => {
    const script = "exec 3<&0; (echo up; read x <&3; :) & echo up; read y; :";
    const parent = m.start(["chroot", A, dash, "-c", script, "top"]);
    await parent.until(({ stdout }) => stdout === "up\nup\n" || undefined);
    running.push(parent, await waitIn(m, A, ["alone"]));
    const commands = table(["--tree", "-w"]).stdout.split("\n").slice(1, -1);
    expect(commands.map((line) => line.replace(/^\d+ +root \/srv\/a /, ""))).toEqual([
      `${A}${dash} -c ${script} top `,
      `\\_ ${A}${dash} -c ${script} top `,
      `${A}${dash} -c echo up; read x alone `,
    ]);
    const { processes } = json();
    expect(processes[1]?.parent).toBe(processes[0]?.pid ?? 0);
  });

  test("--confinement", async () => {
    const setpriv = m.start([
      "setpriv",
      "--no-new-privs",
      "chroot",
      A,
      dash,
      "-c",
      "echo up; read x",
      "held",
    ]);
    await setpriv.until(({ stdout }) => stdout.includes("up\n") || undefined);
    running.push(setpriv, await waitIn(m, B));
    const { processes } = json(["--confinement"]);
    const shown = processes.map(({ pid, jail, confinement }) => {
      const field = (name: string) =>
        new RegExp(`^${name}:\\t(\\d+)$`, "m").exec(m.read(`/proc/${pid}/status`))?.[1];
      const { seccomp, seccompFilters, noNewPrivs } = confinement ?? {};
      // The machine itself may have filters.
      expect([seccomp, seccompFilters ?? 0]).toEqual([
        field("Seccomp") === "2" ? "filter" : "none",
        Number(field("Seccomp_filters") ?? 0),
      ]);
      expect(noNewPrivs).toBe(field("NoNewPrivs") === "1");
      return [jail, noNewPrivs];
    });
    expect(shown).toEqual([
      [A, true],
      [B, false],
    ]);
    const [head, first, second] = table(["--confinement", "-w"]).stdout.split("\n");
    expect(head).toMatch(/^Pid +User Jail +Seccomp +NoNewPrivs Command/);
    expect(first).toMatch(/^\d+ +root \/srv\/a (?:none|filter(?: \d+)?) +yes +\/srv\/a/);
    expect(second).toMatch(/^\d+ +root \/srv\/b (?:none|filter(?: \d+)?) +no +\/srv\/b/);
    expect(json().processes[0]).not.toHaveProperty("confinement");
    expect(table().stdout).not.toContain("Seccomp");
  });

  test("80 columns, but for a wide list", async () => {
    await run(waitIn(m, A, ["\xc3\xa9".repeat(90)]));
    const [head, row] = table()
      .stdout.split("\n")
      .map((line) => Buffer.from(line, "latin1").toString("utf8"));
    expect(head).toHaveLength(80);
    expect(row).toHaveLength(80);
    expect(row).toEndWith("é");
    expect(table(["-w"]).stdout.split("\n")[1]?.length).toBeGreaterThan(80);
  });

  test("--help, --version and a wrong option", () => {
    expect(m.run(["jk_list", "--help"]).stdout).toStartWith("Usage: jk_list ");
    expect(m.run(["jk_list", "--version"])).toMatchObject({ status: 0, stdout: "jk_list (jailkit) 3.0.0\n" });
    expect(m.run(["jk_list", "-x"])).toMatchObject({ status: 1, stdout: "" });
  });

  test.each([
    ["jk_list", "processes"],
    ["jailkit explain nobody", "processes"],
    ["jk_init --live -j /srv/no-proc uidbasics", "mounts"],
  ])("a missing /proc is reported: %s", (command, what) => {
    const result = m.run(["unshare", "--mount", "/bin/sh", "-c", `umount -l /proc; exec ${command}`]);
    const name = command.replace(/ (?!explain).*/, "");
    expect({ ...result, name }).toMatchObject({
      status: 1,
      stdout: "",
      stderr: `${name}: /proc is not mounted, so ${what} cannot be seen: mount -t proc proc /proc\n`,
    });
  });
});
