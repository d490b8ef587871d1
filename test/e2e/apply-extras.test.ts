/** `jailkit apply --prune` takes back live directories, log sockets and proc that are left out now, and nothing by hand. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import type { Machine } from "../machine/machine.ts";
import { did, linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/customer";
const FILE = "/etc/jailkit/jails.d/one.ini";
const MEMORY = "/var/lib/jailkit/declared.json";
const SOCKET = "/etc/jailkit/jk_socketd.d/srv-customer.ini";
const jail = (more = "", sections = "uidbasics, basicshell") =>
  `[jail ${J}]\nsections = ${sections}\n${more}`;

let m: Machine;

function declare(text: string): void {
  m.write(FILE, text);
  m.must(["jailkit", "apply"]);
}

const undeclared = () => linesOf(m).summary.undeclared;
const fileSystem = (path: string) => m.must(["stat", "-fc", "%T", path]).stdout.trim();

beforeAll(async () => {
  m = await openApplyMachine();
});
afterAll(() => m?.close());

test("the log socket and proc that were declared once are shown, and go with --prune", () => {
  declare(jail("log_socket = yes\nproc = yes\n"));
  declare(jail());
  expect(undeclared()).toEqual([`jail ${J}: log-socket`, `jail ${J}: proc`]);
  expect(m.must(["jailkit", "apply", "-v"]).stdout).toContain(`not declared: jail ${J}: proc\n`);
  expect([fileSystem(`${J}/proc`), m.exists(SOCKET)]).toEqual(["proc", true]);
  expect(m.run(["jailkit", "apply", "--check", "--prune"]).status).toBe(10);
  expect(did(m, "--prune")).toEqual([
    `done - jail ${J}: log-socket (no longer declared)`,
    `done - jail ${J}: proc (no longer declared)`,
  ]);
  expect([fileSystem(`${J}/proc`) === "proc", m.exists(SOCKET)]).toEqual([false, false]);
  expect([did(m, "--prune"), undeclared()]).toEqual([[], []]);
});

test("those that were never declared stay, also where the file that remembers is an old one", () => {
  m.must(["jk_init", "-j", J, "sftp"]);
  m.write(
    "/etc/jailkit/jk_init.d/needy.ini",
    "[needy]\nneed_logsocket = 1\nneed_proc = 1\nemptydirs = /var/needy\n",
  );
  m.must(["jk_init", "-j", J, "needy"]);
  const { jails, users } = JSON.parse(m.read(MEMORY));
  const old = jails.map(({ path, file, sections, files }: Record<string, unknown>) => ({
    path,
    file,
    sections,
    files,
  }));
  m.write(MEMORY, JSON.stringify({ version: 1, jails: old, users }), { mode: 0o600 });
  expect([did(m, "--prune"), undeclared()]).toEqual([[], [`jail ${J}: sections sftp, needy`]]);
  expect(JSON.parse(m.read(MEMORY))).toMatchObject({
    version: 4,
    jails: [{ path: J, proc: false, live: [] }],
  });
  // A section needs what was declared besides it.
  declare(jail("log_socket = yes\nproc = yes\n", "uidbasics, basicshell, needy"));
  m.write(FILE, jail("", "uidbasics, basicshell, needy"));
  expect([did(m, "--prune"), fileSystem(`${J}/proc`)]).toEqual([[], "proc"]);
  m.write(FILE, jail());
  m.must(["jailkit", "apply", "--prune"]);
  expect([m.exists(SOCKET), did(m, "--prune")]).toEqual([false, []]);
  m.must(["jk_init", "-j", J, "--remove", "sftp"]);
});

test("a section that goes leaves the log socket and proc alone that are declared, as the administrator has set them up", async () => {
  const text = (sections: string) => jail("log_socket = yes\nproc = yes\n", sections);
  declare(text("uidbasics, basicshell, needy"));
  const limits = m
    .read(SOCKET)
    .replace(/^base.*/m, "base = 99999")
    .replace(/^peak.*/m, "peak = 100000");
  m.write(SOCKET, limits);
  m.write("/etc/fstab", m.read("/etc/fstab").replace("hidepid=2", "hidepid=1"));
  const { ino } = m.stat(SOCKET) ?? {};
  // What runs there would keep proc from being unmounted, and the section in the record.
  const busy = m.start(["sh", "-c", `cd ${J}/proc && echo in && exec sleep 600`]);
  await busy.until(({ stdout }) => stdout === "in\n" || undefined);
  m.write(FILE, text("uidbasics, basicshell"));
  expect(linesOf(m, "--prune")).toMatchObject({ status: 0, summary: { problems: [] } });
  busy.kill();
  await busy.ended;
  expect([m.read(SOCKET), m.stat(SOCKET)?.ino]).toEqual([limits, ino]);
  expect([m.read("/etc/fstab"), fileSystem(`${J}/proc`)]).toEqual([
    expect.stringContaining(`${J}/proc proc ro,nosuid,nodev,noexec,hidepid=1`),
    "proc",
  ]);
  expect([did(m, "--prune"), m.must(["jailkit", "apply", "--check", "--prune"]).status]).toEqual([[], 0]);
  declare(jail());
  m.must(["jailkit", "apply", "--prune"]);
  expect([fileSystem(`${J}/proc`) === "proc", m.exists(SOCKET)]).toEqual([false, false]);
});

test("live directories that a jail with copies was refused leave nothing to do when they are withdrawn", () => {
  m.write(FILE, jail("live = /usr\n"));
  expect(linesOf(m)).toMatchObject({
    ...{ status: 1, changes: [] },
    summary: { problems: [{ path: J, message: expect.stringContaining("has files of its own") }] },
  });
  m.write(FILE, jail());
  for (const options of [["--check"], ["--check", "--prune"], []])
    expect(linesOf(m, ...options)).toMatchObject({ status: 0, changes: [] });
});

const LIVE = "/srv/live";
const live = (more: string) =>
  `${jail()}[jail ${LIVE}]\nsections = uidbasics, basicshell\nfiles = id\n${more}[user liv]\njail = ${LIVE}\nshell = /bin/bash\n`;
const COPIED = [
  `+ jail ${LIVE}: sections uidbasics, basicshell (copied, without the live directories)`,
  `+ jail ${LIVE}: files id (copied, without the live directories)`,
];
const pwd = () => m.run(["su", "-", "liv", "-c", "id -un"]);

test("a live jail becomes one of copies with --prune, and its users go on", () => {
  declare(live("live = /usr\n"));
  expect(pwd()).toMatchObject({ status: 0, stdout: "liv\n" });
  declare(live(""));
  expect(undeclared()).toEqual([`jail ${LIVE}: sections livebasics`, `jail ${LIVE}: live /usr`]);
  const { status, changes, summary } = linesOf(m, "--prune");
  expect([status, summary.problems, changes.map(({ text }) => text)]).toEqual([
    ...[0, []],
    [
      `- jail ${LIVE}: live /usr (no longer declared)`,
      ...COPIED,
      `- jail ${LIVE}: sections livebasics (no longer declared)`,
    ],
  ]);
  expect(m.run(["mountpoint", "-q", `${LIVE}/usr`]).status).not.toBe(0);
  expect(m.read("/etc/fstab")).not.toContain(LIVE);
  expect([did(m, "--prune"), undeclared()]).toEqual([[], []]);
  expect(pwd()).toMatchObject({ status: 0, stdout: "liv\n" });
  expect(m.run(["jk_check", "-j", LIVE]).status).toBe(0);
});

test("that is interrupted goes on, with --prune or without", () => {
  for (const options of [["--prune"], []]) {
    m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", LIVE]);
    m.must(["userdel", "-r", "liv"]);
    declare(live("live = /usr\n"));
    m.write(FILE, live(""));
    const calls = "umount2";
    const inject = ["-e", `trace=${calls}`, "-e", `inject=${calls}:signal=KILL:when=1`];
    const run = ["strace", "-f", "-qq", "-o", "/dev/null", ...inject, "jailkit", "apply", "--prune"];
    expect(m.run(run).status).toBe(137);
    if (options.length === 0) {
      // As if it had been killed when the record was written.
      m.must(["jailkit", "apply", "--prune"]);
      const once = JSON.parse(m.read(MEMORY));
      const jails = once.jails.map((each: { path: string }) =>
        each.path === LIVE ? { ...each, live: ["/usr"] } : each,
      );
      m.write(MEMORY, JSON.stringify({ ...once, jails }), { mode: 0o600 });
      expect(did(m)).toEqual(COPIED.map((text) => `done ${text}`));
    } else expect(linesOf(m, ...options).status).toBe(0);
    expect([did(m, ...options), pwd().stdout]).toEqual([[], "liv\n"]);
  }
});

test("so it is with a user's files in a declared directory, and with one that an old record takes for a copy", () => {
  const share = `${J}/srv/share`;
  for (const name of ["tool", "conf", "deep/more"]) m.write(`/srv/share/${name}`, `${name} of the host\n`);
  declare(jail());
  m.mkdir(`${share}/deep`);
  for (const name of ["tool", "deep/more"]) m.write(`${share}/${name}`, "of a user", { owner: [4001, 4001] });
  declare(jail("files = /srv/share\n"));
  const warned = (...options: string[]) =>
    linesOf(m, ...options).summary.warnings.filter((line) => line.includes(share));
  const first = expect.stringMatching(
    new RegExp(`^jail ${J}: ${share}/(?:tool|deep/more) belongs to uid 4001, .*; so it is with 1 more$`),
  );
  for (const options of [["--check"], [], [], ["--check"]]) expect(warned(...options)).toEqual([first]);
  m.must(["jk_update", "-j", J]);
  expect(warned()).toEqual([first]);
  m.remove(`${share}/deep`);
  expect(warned("--check")).toEqual([
    expect.stringMatching(new RegExp(`${share}/tool belongs to uid 4001, .* jk_update -j ${J}$`)),
  ]);
  m.remove(`${share}/tool`);
  expect(warned("--check")).toEqual([]);
  m.must(["jk_update", "-j", J]);
  expect([m.read(`${share}/tool`), warned()]).toEqual(["tool of the host\n", []]);
  // As earlier versions recorded what a user had there.
  declare(jail("files = /srv/share, /srv/share/conf\n"));
  m.must(["jailkit", "apply"]);
  m.write(`${share}/conf`, "of a user", { owner: [4001, 4001] });
  const [record = ""] = m
    .must(["sh", "-c", `grep -l '"path":"${J}"' /var/lib/jailkit/jails/*/manifest.json`])
    .stdout.split("\n");
  m.write(
    record,
    m.read(record).replace(/^(\{"path":"\/srv\/share\/conf".*?)"uid":0,"gid":0/m, '$1"uid":4001,"gid":4001'),
    { mode: 0o600 },
  );
  const old = expect.stringContaining(`${share}/conf belongs to uid 4001, and is not the file of the host`);
  for (const options of [["--check"], [], ["--check"]]) expect(warned(...options)).toEqual([old]);
  m.remove(share);
});

test("a declared file in whose place a user has another one is warned of, in each run, and stays with --prune", () => {
  const share = `${J}/srv/share`;
  for (const name of ["tool", "conf"]) m.write(`/srv/share/${name}`, `${name} of the host\n`);
  declare(jail());
  m.mkdir(share);
  m.write(`${share}/tool`, "of a user", { owner: [4001, 4001] });
  const text = jail("files = /srv/share/tool, /srv/share/conf\n");
  m.write(FILE, text);
  const warning = `jail ${J}: ${share}/tool belongs to uid 4001, and is not the file of the host: it stays, also when that is taken back; to have that, move it away, and then type: jk_update -j ${J}`;
  for (const options of [["--check"], [], [], ["--check"]])
    expect(linesOf(m, ...options).summary.warnings).toContain(warning);
  m.must(["jk_cp", "--remove", "-j", J, "/srv/share/conf"]);
  const { stderr } = m.run(["jailkit", "apply"]);
  expect(stderr.split(`warning: ${warning}`)).toHaveLength(2);
  declare(jail());
  m.must(["jailkit", "apply", "--prune"]);
  expect([m.read(`${share}/tool`), m.exists(`${share}/conf`)]).toEqual(["of a user", false]);
  m.write(FILE, text);
  m.must(["jailkit", "apply"]);
  m.remove(`${share}/tool`);
  m.must(["jk_update", "-j", J]);
  expect(m.read(`${share}/tool`)).toBe("tool of the host\n");
  expect(linesOf(m).summary.warnings).not.toContainEqual(expect.stringContaining("share/tool"));
});

test("what came with live directories goes with the last of them, also if others were declared meanwhile and refused", () => {
  m.run(["jailkit", "delete", "--yes", "--unjail", "--user-files", LIVE]);
  m.run(["userdel", "-r", "liv"]);
  m.mkdir("/opt/app");
  declare(live("live = /opt/app\n"));
  // It has copies in /usr.
  m.write(FILE, live("live = /usr\n"));
  expect(linesOf(m, "--prune").status).toBe(1);
  m.write(FILE, live(""));
  m.must(["jailkit", "apply"]);
  expect(undeclared()).toEqual([`jail ${LIVE}: sections livebasics`]);
  expect(did(m, "--prune")).toEqual([`done - jail ${LIVE}: sections livebasics (no longer declared)`]);
  expect([did(m, "--prune"), undeclared()]).toEqual([[], []]);
  expect(pwd()).toMatchObject({ status: 0, stdout: "liv\n" });
});
