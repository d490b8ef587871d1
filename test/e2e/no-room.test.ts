/** A jail on a file system that is full, or that cannot be written: one line tells, and the same command goes on. */
import { afterAll, beforeAll, describe, expect, onTestFinished, setDefaultTimeout, test } from "bun:test";
import { updateReportSchema } from "../../src/update/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { check, summary } from "./check-helper.ts";
import { typeRemedy } from "./remedies-scene.ts";

setDefaultTimeout(300_000);

let m: Machine;
beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: [
      "jk_init",
      "jk_cp",
      "jk_update",
      "jk_check",
      "jk_jailuser",
      "jk_addjailuser",
      "jk_chrootsh",
      "jailkit",
    ],
  });
  m.remove("/var/lib/jailkit");
});
afterAll(() => m?.close());

const lines = (text: string) => text.split("\n").filter((line) => line !== "");

test("a full file system: what is missing and how much; with room, the command continues", () => {
  m.mkdir("/srv/small");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=3m", "tmpfs", "/srv/small"]);
  const first = m.run(["jk_init", "-j", "/srv/small", "basicshell", "uidbasics"]);
  expect(first.status).toBe(1);
  expect(lines(first.stderr)).toEqual([
    expect.stringMatching(
      /^jk_init: \/srv\/small: its file system is full: \d+ MiB more are needed, \d+ MiB are free \(\d+ of \d+ objects are in place\); make room, and run this again$/,
    ),
  ]);
  const leftovers = m.must(["find", "/srv/small", "-name", ".jk-*"]).stdout;
  expect(leftovers).toBe("");
  m.must(["mount", "-o", "remount,size=200m", "/srv/small"]);
  expect(m.run(["jk_init", "-j", "/srv/small", "basicshell", "uidbasics"])).toMatchObject({
    status: 0,
    stderr: "",
  });
  expect(summary(check(m, "/srv/small").found)).toEqual([]);
});

test("a jail that is not filled to the end is no whole one, until jk_init or jk_update completes it", () => {
  const jail = "/srv/cut";
  const state = () => m.run(["jailkit", "list", jail]).stdout.split("\n")[1]?.split(/ +/)[1];
  const found = () => summary(check(m, jail).found);
  const fill = ["jk_init", "-j", jail, "basicshell", "uidbasics"];
  for (const complete of [fill, ["jk_update", "-j", jail], ["jk_update", "--all"]]) {
    m.mkdir(jail);
    m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=3m", "tmpfs", jail]);
    expect(m.run(fill).status).toBe(1);
    expect([state(), found()]).toEqual(["incomplete", [`incomplete ${jail}`]]);
    expect(m.run(["jailkit", "list", jail])).toMatchObject({
      status: 1,
      stderr: `jailkit list: ${jail}: basicshell, uidbasics is not all there, because the run was stopped: run jk_update -j ${jail}\n`,
    });
    // What others request later is complete.
    m.must(["jk_cp", "-j", jail, "/usr/share/common-licenses/BSD"]);
    expect(state()).toBe("incomplete");
    expect(m.run(["jk_update", "--check", "-j", jail]).status).toBe(10);
    m.must(["mount", "-o", "remount,size=200m", jail]);
    m.must(complete);
    expect([state(), found()]).toEqual(["ready", []]);
    expect(m.run(["jk_update", "--check", "-j", jail]).status).toBe(0);
    m.must(["jailkit", "delete", "--yes", jail]);
  }
});

test("a read-only one: the printed command makes it writable", () => {
  m.mkdir("/srv/fixed");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/srv/fixed"]);
  m.must(["mount", "-o", "remount,ro", "/srv/fixed"]);
  const first = m.run(["jk_cp", "-j", "/srv/fixed", "/bin/true"]);
  expect(first.status).toBe(1);
  const [line = "", ...more] = lines(first.stderr);
  expect(more).toEqual([]);
  const command = /read-only \(.*?\): (.*), and run this again$/.exec(line)?.[1] ?? "";
  expect(typeRemedy(m, command)).toMatchObject({ status: 0 });
  expect(m.run(["jk_cp", "-j", "/srv/fixed", "/bin/true"])).toMatchObject({ status: 0, stderr: "" });
});

const FULL =
  /^jk_update: (\S+): its file system is full: (\d+) MiB more are needed, (\d+) MiB are free \((\d+) of (\d+) changes are made\); make room, and run this again$/;
const MIB = 1 << 20;

/** Changes what the jails below a directory hold: three small files, new directories, and files of some megabytes. */
function upgrade(version: string, megabytes: Readonly<Record<string, number>>): void {
  for (const name of ["a", "b", `${version}/c`]) m.write(`/opt/small/${name}`, version);
  for (const [name, size] of Object.entries(megabytes))
    m.write(`/opt/${name}/data`, version.repeat((size * MIB) / version.length));
}

/** A file system of its own with jails on it, each with /opt/small and one more; then the upgrade, and little room. */
function jailsOn(base: string, jails: Readonly<Record<string, string>>, room: number): void {
  m.remove("/var/lib/jailkit");
  m.mkdir(base);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=200m", "tmpfs", base]);
  upgrade("1", { large: 1, little: 1 });
  for (const name of Object.keys(jails)) m.mkdir(`${base}/${name}`);
  for (const [name, directory] of Object.entries(jails))
    m.must(["jk_cp", "-j", `${base}/${name}`, "/opt/small", directory]);
  upgrade("2", { large: 40, little: 2 });
  const used = Number(m.must(["df", "--output=used", "-B1", base]).stdout.split("\n")[1]);
  m.must(["mount", "-o", `remount,size=${used + room * MIB}`, base]);
}

const namesBelow = (base: string) => m.must(["find", base]).stdout;
const updated = (jail: string) => m.run(["jk_update", "--check", "-j", jail]).status;

test("jk_update on a full file system: nothing is changed, and the numbers are true", () => {
  jailsOn("/srv/full", { one: "/opt/large" }, 9);
  const names = namesBelow("/srv/full");
  const before = m.snapshot("/srv/full");
  const { status, stdout, stderr } = m.run(["jk_update", "-j", "/srv/full/one"]);
  expect([status, stdout, lines(stderr)]).toEqual([1, "", [expect.stringMatching(FULL)]]);
  expect(m.snapshot("/srv/full")).toEqual(before);
  expect(namesBelow("/srv/full")).toBe(names);
  const [, jail, needed, free, done] = FULL.exec(lines(stderr)[0] ?? "") ?? [];
  expect([jail, done]).toEqual(["/srv/full/one", "0"]);
  expect(Number(needed)).toBeGreaterThan(39);
  expect(Number(free)).toBeLessThanOrEqual(9);
  const used = Number(m.must(["df", "--output=used", "-B1", "/srv/full"]).stdout.split("\n")[1]);
  // What is freed is what the message says, and no more.
  m.must(["mount", "-o", `remount,size=${used + Number(needed) * MIB}`, "/srv/full"]);
  expect(m.run(["jk_update", "-j", "/srv/full/one"])).toMatchObject({ status: 0, stderr: "" });
  expect(updated("/srv/full/one")).toBe(0);
  expect(summary(check(m, "/srv/full/one").found)).toEqual([]);
});

test("--all: on a full file system, jails for which there is room are updated", () => {
  const jails = { a: "/opt/large", b: "/opt/little", c: "/opt/large", d: "/usr/share/other" };
  m.write("/usr/share/other/file", "the same");
  jailsOn("/srv/shared", jails, 9);
  m.must(["jk_update", "-j", "/srv/shared/d"]);
  m.write("/opt/elsewhere", "1");
  m.mkdir("/srv/elsewhere");
  m.must(["jk_cp", "-j", "/srv/elsewhere", "/opt/elsewhere"]);
  m.write("/opt/elsewhere", "2, and longer");
  const { status, stderr } = m.run(["strace", "-o", "/root/trace", "jk_update", "--all"]);
  expect([status, lines(stderr)]).toEqual([1, [expect.stringMatching(FULL), expect.stringMatching(FULL)]]);
  expect(lines(stderr).map((line) => FULL.exec(line)?.[1])).toEqual(["/srv/shared/a", "/srv/shared/c"]);
  // It ran into the end of the file system once.
  expect(m.read("/root/trace").match(/^write\(.*= -1 ENOSPC/gm)).toHaveLength(1);
  for (const jail of ["/srv/shared/b", "/srv/shared/d", "/srv/elsewhere"]) expect(updated(jail)).toBe(0);
  const json = reportOf(updateReportSchema, m.run(["jk_update", "--all", "--json"]).stdout);
  const failed = json.jails.filter(({ state }) => state === "failed");
  expect(failed.map(({ problems }) => problems.map(({ code }) => code))).toEqual([["no-room"], ["no-room"]]);
  expect(namesBelow("/srv/shared")).not.toContain(".jk-");
  m.must(["mount", "-o", "remount,size=300m", "/srv/shared"]);
  expect(m.run(["jk_update", "--all"])).toMatchObject({ status: 0, stderr: "" });
  for (const name of Object.keys(jails)) expect(updated(`/srv/shared/${name}`)).toBe(0);
});

test("jk_update on a read-only one: the printed command makes it writable", () => {
  jailsOn("/srv/ro", { one: "/opt/little", two: "/opt/little" }, 50);
  m.must(["mount", "-o", "remount,ro", "/srv/ro"]);
  const { status, stdout, stderr } = m.run(["jk_update", "--all"]);
  expect([status, stdout, lines(stderr).length]).toEqual([1, "", 2]);
  const command = /^jk_update: \/srv\/ro\/one: .* read-only \(.*?\): (.*), and run this again$/m.exec(
    stderr,
  )?.[1];
  expect(typeRemedy(m, command ?? "")).toMatchObject({ status: 0 });
  expect(m.run(["jk_update", "--all"])).toMatchObject({ status: 0, stderr: "" });
  for (const name of ["one", "two"]) expect(updated(`/srv/ro/${name}`)).toBe(0);
});

test("jk_update where the quota is used up", () => {
  jailsOn("/srv/quota", { one: "/opt/large" }, 100);
  const names = namesBelow("/srv/quota");
  const fault = "inject=linkat:error=EDQUOT:when=3+";
  const { status, stderr } = m.run([
    "strace",
    "-o",
    "/root/trace",
    "-e",
    fault,
    "jk_update",
    "/srv/quota/one",
  ]);
  expect([status, lines(stderr)]).toEqual([
    1,
    [
      expect.stringMatching(
        /^jk_update: \/srv\/quota\/one: the quota is used up: \d+ MiB more are needed \(0 of \d+ changes are made\); make room, and run this again$/,
      ),
    ],
  ]);
  expect(namesBelow("/srv/quota")).toBe(names);
  expect(m.run(["jk_update", "/srv/quota/one"])).toMatchObject({ status: 0, stderr: "" });
});

test.each(["full", "read-only", "bound"])("the records of jails are on a file system that is %s", (how) => {
  m.mkdir("/srv/records");
  jailsOn(`/srv/records/${how}`, { one: "/opt/little" }, 100);
  m.must(["cp", "-a", "/var/lib/jailkit", "/root/records"]);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=20m", "tmpfs", "/var/lib/jailkit"]);
  m.must(["cp", "-aT", "/root/records", "/var/lib/jailkit"]);
  if (how === "full") m.run(["dd", "if=/dev/zero", "of=/var/lib/jailkit/fill"]);
  else m.must(["mount", "-o", `remount${how === "bound" ? ",bind" : ""},ro`, "/var/lib/jailkit"]);
  const jail = `/srv/records/${how}/one`;
  const before = m.snapshot(jail);
  const { status, stdout, stderr } = m.run(["jk_update", "-j", jail]);
  expect([status, stdout, lines(stderr)]).toEqual([
    1,
    "",
    [
      expect.stringMatching(
        how === "full"
          ? /^jk_update: \/var\/lib\/jailkit\/jails\/\w+: its file system is full: 0 MiB are free \(0 of \d+ changes are made in \/srv\/records\/full\/one\); make room, and run this again$/
          : new RegExp(
              `^jk_update: /var/lib/jailkit/jails/\\w+: its file system is read-only \\(nothing was changed in /srv/records/${how}/one\\): mount -o ${how === "bound" ? '"remount,bind,\\$\\(findmnt -no VFS-OPTIONS -T /var/lib/jailkit/jails/\\w+\\),rw"' : "remount,rw"} "\\$\\(findmnt -no TARGET -T /var/lib/jailkit/jails/\\w+\\)", and run this again$`,
            ),
      ),
    ],
  ]);
  expect(m.snapshot(jail)).toEqual(before);
  if (how === "full") m.remove("/var/lib/jailkit/fill");
  else expect(typeRemedy(m, /\): (mount .*), and/.exec(stderr)?.[1] ?? "")).toMatchObject({ status: 0 });
  expect(m.run(["jk_update", "-j", jail])).toMatchObject({ status: 0, stderr: "" });
  expect(updated(jail)).toBe(0);
  m.must(["umount", "/var/lib/jailkit"]);
  m.remove("/var/lib/jailkit");
  m.must(["cp", "-aT", "/root/records", "/var/lib/jailkit"]);
  m.remove("/root/records");
  m.must(["jk_update", "-j", jail]);
});

/** What ldconfig(8) says of the jail's cache, as the tools tell it. */
const cacheSaid = (tool: string, jail: string, progress: string, full = true) =>
  full
    ? `${tool}: ${jail}: its file system is full: 0 MiB are free (${progress}); make room, and run this again`
    : `${tool}: ${jail}: its file system is read-only (${progress}): mount -o remount,rw "$(findmnt -no TARGET -T ${jail})", and run this again`;

/** The file system of a jail becomes full, or read-only, when all is copied and ldconfig(8) is started. */
function hinder(jail: string, how: string): void {
  m.rename("/usr/sbin/ldconfig", "/root/ldconfig");
  const steps = how === "full" ? `head -c 99m /dev/zero > ${jail}/fill` : `mount -o remount,ro ${jail}`;
  m.write("/usr/sbin/ldconfig", `#!/bin/sh\n${steps} 2> /dev/null\nexec /root/ldconfig "$@"\n`, {
    mode: 0o755,
  });
}

function unhinder(jail: string): void {
  m.remove("/usr/sbin/ldconfig");
  m.rename("/root/ldconfig", "/usr/sbin/ldconfig");
  m.must(["mount", "-o", "remount,rw", jail]);
  m.remove(`${jail}/fill`);
}

/** The libraries of the jail that its cache knows. */
const cached = (jail: string) => m.must(["/usr/sbin/ldconfig", "-p", "-C", `${jail}/etc/ld.so.cache`]).stdout;

describe.each(["full", "read-only"])("ldconfig finds the file system %s", (how) => {
  const base = `/srv/cache-${how}`;
  const SMALL = "libz.so.1";
  const library = () => m.must(["sh", "-c", `ls -d /usr/lib/*-linux-*/${SMALL}`]).stdout.trim();
  const full = how === "full";
  // How far it came, what is done to the jail before, and the library that its cache knows in the end.
  const cases: readonly (readonly [command: string, said: string, first: string, again: string])[] = [
    ["jk_cp -j JAIL LIBRARY", "what was copied is in place", "true", SMALL],
    ["jk_init -c /root/library.ini -j JAIL library", "what was copied is in place", "true", SMALL],
    ["jk_cp --remove -j JAIL LIBRARY", "OBJECTS objects are removed", "jk_cp -j JAIL LIBRARY", ""],
    [
      "jk_update -j JAIL",
      "CHANGES changes are made",
      "jk_cp -j JAIL LIBRARY; rm JAIL/LIBRARY; ldconfig -X -r JAIL",
      SMALL,
    ],
    [
      "jk_check --fix JAIL",
      "the cache of libraries was not renewed",
      "jk_cp -j JAIL LIBRARY; rm JAIL/LIBRARY; ldconfig -X -r JAIL",
      SMALL,
    ],
  ];
  test.each(cases)("%s", (command, said, first, again) => {
    m.mkdir(base);
    m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=30m", "tmpfs", base]);
    onTestFinished(() => {
      m.must(["umount", base]);
      m.remove("/var/lib/jailkit");
    });
    m.write("/root/library.ini", `[library]\npaths = ${library()}\n`);
    const words = (text: string) => text.replaceAll("JAIL", base).replaceAll("LIBRARY", library());
    m.must(["jk_cp", "-j", base, "/usr/bin/true"]);
    m.must(["sh", "-ec", words(first)]);
    const before = cached(base).includes(SMALL);
    hinder(base, how);
    const { status, stdout, stderr } = m.run(words(command).split(" "));
    expect(m.list(`${base}/etc`)).not.toContain("ld.so.cache~");
    unhinder(base);
    expect(cached(base).includes(SMALL)).toBe(before);
    const [tool = ""] = command.split(" ");
    const fix = command.includes("--fix");
    const line = cacheSaid(fix ? "Not fixed" : tool, base, said, full);
    const told = lines(fix ? stdout : stderr).filter((one) => one.includes("run this again"));
    const counted = told.map((one) =>
      one.replace(/\d+ of \d+ (?=objects|changes)/, (_) => `${said.split(" ")[0]} `),
    );
    expect([status, counted]).toEqual([1, [line]]);
    if (!fix) expect(lines(stderr)).toEqual(told);
    expect(m.run(words(command).split(" "))).toMatchObject({ status: 0, stderr: "" });
    expect(cached(base).includes(SMALL)).toBe(again !== "");
    expect(check(m, base).found).toEqual([]);
  });
});

test.each([
  ["jk_init -v -j JAIL uidbasics", "jk_init: "],
  ["jk_update -j JAIL", "jk_update: JAIL: "],
  ["jk_check JAIL", "jk_check: "],
  ["jailkit list", "jailkit list: "],
])("standard output is on one, of %s: that is reported, and the work is done", (command, label) => {
  m.mkdir("/opt/told");
  m.mkdir("/srv/told");
  m.write("/opt/told/file", "1");
  m.must(["jk_cp", "-f", "-j", "/srv/told", "/opt/told"]);
  m.write("/opt/told/file", "2, and longer");
  const words = (text: string) => text.replace("JAIL", "/srv/told");
  const { status, stderr } = m.run(["sh", "-c", `${words(command)} > /dev/full`]);
  const message = `${words(label)}standard output: write: No space left on device`;
  expect([status, lines(stderr)]).toEqual([1, [message]]);
  if (command.startsWith("jk_update")) expect(m.read("/srv/told/opt/told/file")).toBe("2, and longer");
});

/** A jail on a file system of its own, of which `options` are the limits, and what it uses. */
function accountsOn(base: string): {
  jail: string;
  used(what: string): number;
  limit(options: string): void;
} {
  m.mkdir(base);
  m.must(["mount", "-t", "tmpfs", "-o", "mode=0755,size=200m", "tmpfs", base]);
  const jail = `${base}/jail`;
  m.must(["jk_init", "-j", jail, "uidbasics", "basicshell"]);
  return {
    jail,
    used: (what) => Number(m.must(["df", `--output=${what}`, "-B1", base]).stdout.split("\n")[1]),
    limit: (options) => void m.must(["mount", "-o", `remount,${options}`, base]),
  };
}

test.each([true, false])(
  "jk_check --fix cannot restore files (full: %s): one line, and the same command continues",
  (full) => {
    const { jail } = accountsOn("/srv/fixed");
    onTestFinished(() => void m.must(["umount", "/srv/fixed"]));
    m.must(["rm", `${jail}/usr/bin/cat`, `${jail}/usr/bin/ls`]);
    if (full) m.run(["sh", "-c", "head -c 300m /dev/zero > /srv/fixed/fill"]);
    else m.must(["mount", "-o", "remount,ro", "/srv/fixed"]);
    const { status, stdout } = m.run(["jk_check", "--fix", jail]);
    const said = lines(stdout).filter((one) => /read-only|full|cannot|No space/.test(one));
    const place = full ? jail : "/srv/fixed/jail";
    expect([status, said]).toEqual([1, [cacheSaid("Not fixed", place, "the rest was not repaired", full)]]);
    if (full) m.remove("/srv/fixed/fill");
    else m.must(["mount", "-o", "remount,rw", "/srv/fixed"]);
    expect(m.run(["jk_check", "--fix", jail]).status).toBe(0);
    expect(m.run(["jk_check", jail]).stdout).toBe("");
  },
);

test("no more files can be created: so many are missing, and no bytes", () => {
  const { jail, used, limit } = accountsOn("/srv/inodes");
  for (let each = 0; each < 30; each++) m.write(`/opt/many/${each}`, "");
  limit(`nr_inodes=${used("iused") + 10}`);
  const first = m.run(["jk_cp", "-j", jail, "/opt/many"]);
  expect([first.status, lines(first.stderr)]).toEqual([
    1,
    [
      expect.stringMatching(
        /^jk_cp: \/srv\/inodes\/jail: no more files can be created on its file system \(see df -i\): 2\d more are needed, 0 can be created \(\d+ of 32 objects are in place\); make room, and run this again$/,
      ),
    ],
  ]);
  limit("nr_inodes=10000");
  expect(m.run(["jk_cp", "-j", jail, "/opt/many"])).toMatchObject({ status: 0, stderr: "" });
});

test.each(["bytes", "files"])(
  "no room for a home, in %s: one line, nothing is left, and it moves later",
  (what) => {
    const { jail, used, limit } = accountsOn(`/srv/homes-${what}`);
    const name = `mover${what}`;
    const { uid, gid } = m.addUser(name, { createHome: true, home: `/home/${name}` });
    for (let each = 0; each < 20; each++)
      m.write(`/home/${name}/${each}`, "x".repeat(MIB / 2), { owner: [uid, gid] });
    limit(what === "bytes" ? `size=${used("used") + 2 * MIB}` : `nr_inodes=${used("iused") + 10}`);
    const before = [m.read("/etc/passwd"), namesBelow(jail)];
    const words = ["jk_jailuser", "-n", "-m", "-j", jail, "-s", "/bin/bash", name];
    const { status, stderr } = m.run(words);
    const [line = "", ...more] = lines(stderr);
    expect([status, more]).toEqual([1, []]);
    expect(line).toMatch(
      what === "bytes"
        ? /^jk_jailuser: \S+: its file system is full: 1\d MiB more are needed, [12] MiB are free \(nothing was moved\); make room, and run this again$/
        : /^jk_jailuser: \S+: no more files can be created on its file system \(see df -i\): 2\d more are needed, \d can be created \(nothing was moved\); make room, and run this again$/,
    );
    expect([m.read("/etc/passwd"), namesBelow(jail).replace(`${jail}/home\n`, "")]).toEqual(before);
    limit("size=200m,nr_inodes=10000");
    expect(m.run(words).status).toBe(0);
    expect(m.list(`${jail}/home/${name}`)).toHaveLength(20 + m.list("/etc/skel").length);
  },
);

test.each(["files", "bytes", "read-only"])(
  "no room for a new account, %s: none is made, and it is later",
  (what) => {
    const { jail, used, limit } = accountsOn(`/srv/accounts-${what}`);
    const name = `new${what}`;
    m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "-p", "*", `first${what}`]);
    if (what === "read-only") limit("ro");
    else limit(what === "bytes" ? `size=${used("used")}` : `nr_inodes=${used("iused")}`);
    const before = [m.read("/etc/passwd"), namesBelow(jail)];
    const words = ["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "-p", "*", name];
    const { status, stderr } = m.run(words);
    const [line = "", ...more] = lines(stderr);
    expect([status !== 0, more]).toEqual([true, []]);
    expect(line).toContain(
      {
        files:
          "no more files can be created on its file system (see df -i): 0 can be created (no account was created); make room,",
        bytes: "its file system is full: 0 MiB are free (no account was created); make room,",
        "read-only": "its file system is read-only (no account was created): mount -o remount,rw ",
      }[what] ?? "",
    );
    expect([m.read("/etc/passwd"), namesBelow(jail)]).toEqual(before);
    if (what === "read-only") typeRemedy(m, /\): (mount .*), and/.exec(line)?.[1] ?? "");
    else limit("size=200m,nr_inodes=10000");
    expect(m.run(words).status).toBe(0);
    expect(summary(check(m, jail).found)).toEqual([]);
  },
);

test.each(["jk_jailuser -n -m --unjail -s /bin/sh leaver", "jailkit delete --yes --unjail JAIL"])(
  "out of a jail that cannot be written, by %s: the account stays in it, and the command that is told helps",
  (command) => {
    const tool = command.startsWith("jailkit") ? "jailkit delete" : "jk_jailuser";
    const { jail, limit } = accountsOn(`/srv/out-${tool.replace(" ", "-")}`);
    m.run(["userdel", "leaver"]);
    m.remove("/home/leaver");
    m.must(["jk_addjailuser", "-j", jail, "-s", "/bin/bash", "-p", "*", "leaver"]);
    limit("ro");
    const before = m.read("/etc/passwd");
    const words = command.replace("JAIL", jail).split(" ");
    const { status, stderr } = m.run(words);
    expect([status, m.read("/etc/passwd"), m.exists("/home/leaver")]).toEqual([1, before, false]);
    expect(lines(stderr)).toEqual([
      expect.stringMatching(
        new RegExp(
          `^${tool}: ${jail}: its file system is read-only \\(not (?:all is|everything was) .*\\): mount `,
        ),
      ),
    ]);
    typeRemedy(m, /\): (mount .*), and/.exec(stderr)?.[1] ?? "");
    expect(m.run(words).status).toBe(0);
    expect([m.exists("/home/leaver"), m.exists(`${jail}/home/leaver`)]).toEqual([true, false]);
  },
);

test("what shows a directory of the host is not to be made writable", () => {
  m.mkdir("/srv/live/usr");
  m.must(["mount", "--bind", "/usr", "/srv/live/usr"]);
  m.must(["mount", "-o", "remount,bind,ro", "/srv/live/usr"]);
  const { status, stderr } = m.run(["jk_init", "-j", "/srv/live/usr/inner", "uidbasics"]);
  m.must(["umount", "/srv/live/usr"]);
  expect(status).toBe(1);
  expect(stderr).toBe(
    "jk_init: /srv/live/usr: its file system is read-only (nothing was changed in /srv/live/usr/inner): it shows the host's /usr, and stays so; choose another directory\n",
  );
});
