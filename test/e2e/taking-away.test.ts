import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { deleteReportSchema, diskReportSchema, listReportSchema } from "../../src/jails/report-schema.ts";
import { removeReportSchema } from "../../src/update/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { openManifestFile } from "./manifest-file.ts";

setDefaultTimeout(120_000);

const tools = ["jk_init", "jk_cp", "jk_update", "jk_jailuser", "jk_chrootsh", "jk_socketd", "jailkit"];
let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: tools });
  m.write(
    "/etc/jailkit/jk_init.d/test.ini",
    `[one]
paths = cat, /usr/share/one
includesections = uidbasics
[other]
paths = tail, /usr/share/other
includesections = uidbasics
need_logsocket = 1
[with-proc]
paths = /usr/share/one
need_proc = 1
`,
  );
  for (const name of ["one", "other"]) {
    m.write(`/usr/share/${name}/a`, name);
    m.write(`/usr/share/${name}/b/c`, name);
  }
});
afterAll(async () => m.close());

function fresh(...sections: string[]): string {
  const jail = `/srv/away${++jails}`;
  m.must(["jk_init", "-j", jail, ...sections]);
  return jail;
}

const runs = (jail: string, program: string) => m.run(["chroot", jail, program, "/etc/nsswitch.conf"]).status;
const requests = (jail: string) =>
  openManifestFile(m, jail).requests.map(({ sections, operands }) => [...sections, ...operands].join());

describe("jk_init --remove", () => {
  test("leaves what the other sections need, as in a jail that never had it", () => {
    const jail = fresh("one", "other");
    expect(m.run(["jk_init", "--dry-run", "--remove", "-j", jail, "one"]).stdout).toContain(
      `will remove deprecated file ${jail}/usr/bin/cat\n`,
    );
    expect(runs(jail, "/usr/bin/cat")).toBe(0);
    expect(m.run(["jk_init", "--remove", "-j", jail, "one"])).toMatchObject({ status: 0, stderr: "" });
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(false);
    expect(runs(jail, "/usr/bin/tail")).toBe(0);
    expect(m.snapshot(jail)).toEqual(m.snapshot(fresh("other")));
    expect(requests(jail)).toEqual(["other"]);
    expect(m.run(["jk_update", "--check", "-j", jail]).status).toBe(0);
  });

  test("the last section leaves alone what is not from the host", () => {
    const jail = fresh("one");
    m.write(`${jail}/usr/share/one/mine`, "mine");
    m.write(`${jail}/usr/share/one/a`, "changed in the jail");
    expect(m.run(["jk_init", "--remove", "-j", jail, "one"]).status).toBe(0);
    expect(m.list(`${jail}/usr/share/one`)).toEqual(["a", "mine"]);
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(false);
  });

  test("removes nothing of the host's, where a directory of the host's is mounted in the jail", () => {
    const jail = fresh("one");
    const before = m.snapshot("/usr/share/one");
    m.must(["mount", "--bind", "/usr/share/one", `${jail}/usr/share/one`]);
    try {
      const result = m.run(["jk_init", "--remove", "-j", jail, "one"]);
      expect(m.snapshot("/usr/share/one")).toEqual(before);
      expect(result.status).toBe(1);
      expect(result.stderr).toContain(
        `${jail}/usr/share/one is the host's own /usr/share/one: unmount it first`,
      );
    } finally {
      m.must(["umount", `${jail}/usr/share/one`]);
    }
    expect(m.run(["jk_init", "--remove", "-j", jail, "one"])).toMatchObject({ status: 0, stderr: "" });
    expect(m.exists(`${jail}/usr/share/one`)).toBe(false);
  });

  test("of a section that was not requested, or without a jail", () => {
    const jail = fresh("one");
    const before = m.snapshot(jail);
    expect(m.run(["jk_init", "--remove", "-j", jail, "one", "other"]).status).toBe(4);
    expect(m.run(["jk_init", "--remove", "-j", "/no/jail", "one"]).status).toBe(3);
    expect(m.snapshot(jail)).toEqual(before);
  });

  test("what two requests copied stays for the other", () => {
    const jail = fresh("one");
    m.must(["jk_cp", "-j", jail, "cat"]);
    expect(m.run(["jk_init", "--remove", "-j", jail, "one"]).status).toBe(0);
    expect(runs(jail, "/usr/bin/cat")).not.toBe(127);
    expect(m.run(["chroot", jail, "/usr/bin/cat"], { stdin: "meow" }).stdout).toBe("meow");
    expect(m.run(["jk_cp", "--remove", "-j", jail, "cat"]).status).toBe(0);
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(false);
    expect(requests(jail)).toEqual([]);
  });

  test("the log socket and proc", () => {
    const jail = fresh("other", "with-proc");
    const dropIn = () => m.list("/etc/jailkit/jk_socketd.d").some((name) => name.includes(`away${jails}.`));
    expect(dropIn()).toBe(true);
    expect(m.read("/etc/fstab")).toContain(`${jail}/proc`);
    m.must(["jk_init", "--remove", "-j", jail, "other"]);
    expect(dropIn()).toBe(false);
    expect(m.exists(`${jail}/proc/self`)).toBe(true);
    m.must(["jk_init", "--remove", "-j", jail, "with-proc"]);
    expect(m.exists(`${jail}/proc/self`)).toBe(false);
    expect(m.read("/etc/fstab")).not.toContain(`${jail}/proc`);
  });
});

describe("jk_cp --remove", () => {
  test("removes files, directories and their libraries", () => {
    const jail = fresh("one");
    const before = m.snapshot(jail);
    m.must(["jk_cp", "-j", jail, "strace", "/usr/share/other"]);
    const { status, stdout } = m.run([
      "jk_cp",
      "--json",
      "--remove",
      "-j",
      jail,
      "strace",
      "/usr/share/other",
    ]);
    expect(status).toBe(0);
    const report = reportOf(removeReportSchema("jk_cp"), stdout);
    expect(report.removed).toEqual(["/usr/bin/strace", "/usr/share/other"]);
    expect(report.actions.every(({ done }) => done)).toBe(true);
    expect(m.snapshot(jail)).toEqual(before);
  });

  test("of a file that a section copies is refused, and that is reported", () => {
    const jail = fresh("one");
    const { status, stderr } = m.run(["jk_cp", "--remove", "-j", jail, "cat"]);
    expect([status, stderr]).toEqual([4, expect.stringContaining("'one' brings it")]);
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(true);
  });

  test("of what the host no longer has", () => {
    m.write("/usr/local/bin/passing", "x", { mode: 0o755 });
    const jail = fresh("one");
    m.must(["jk_cp", "-j", jail, "passing"]);
    m.remove("/usr/local/bin/passing");
    expect(m.run(["jk_cp", "--remove", "-j", jail, "/usr/local/bin/passing"]).status).toBe(0);
    expect(m.exists(`${jail}/usr/local`)).toBe(false);
  });
});

describe("what a jail had before, without a record", () => {
  /** The place of a library of a program of the host. */
  const libraryOf = (program: string, name: string) =>
    m.must(["sh", "-c", `ldd ${program} | grep -o '/[^ ]*${name}[^ ]*' | xargs readlink -f`]).stdout.trim();
  const libc = () => libraryOf("/usr/bin/cat", "libc");
  const STAYS = "was in the jail before jailkit recorded it: it stays as it is";

  test("stays, whether jk_cp or jk_init needed it too, and is named", () => {
    const made = fresh("one");
    for (const [tool, name] of [
      ["jk_cp", "/usr/bin/tail"],
      ["jk_init", "other"],
    ] as const) {
      const jail = `/srv/away${++jails}`;
      m.must(["cp", "-a", made, jail]);
      const before = m.snapshot(jail);
      m.must([tool, "-j", jail, name]);
      // Also when it was asked for twice.
      m.must([tool, "-j", jail, name]);
      const remove = [tool, "--remove", "-j", jail, name];
      const { stdout } = m.must([...remove, "--dry-run"]);
      expect(stdout).toContain(`${libc()} ${STAYS}\n`);
      expect(m.run(remove)).toMatchObject({ status: 0, stderr: "" });
      expect([name, runs(jail, "/usr/bin/cat")]).toEqual([name, 0]);
      expect(m.exists(`${jail}/usr/bin/tail`)).toBe(false);
      expect([name, m.snapshot(jail)]).toEqual([name, before]);
      // Nothing asks for it, and nothing tells of it again.
      expect(m.must(["jk_update", "-v", "--check", "-j", jail]).stdout).not.toContain(STAYS);
    }
  });

  test("is not taken for ours when it was put back, replaced or brought up to date", () => {
    const jail = `/srv/away${++jails}`;
    m.must(["cp", "-a", fresh("one"), jail]);
    m.must(["jk_cp", "-j", jail, "tail"]);
    m.must(["jk_cp", "-f", "-j", jail, "tail"]);
    m.must(["touch", `${jail}${libc()}`]);
    m.must(["jk_update", "-j", jail]);
    m.must(["jk_cp", "--remove", "-j", jail, "tail"]);
    expect(runs(jail, "/usr/bin/cat")).toBe(0);
  });

  test("is ours as soon as jailkit had to put it there", () => {
    const jail = fresh("one");
    m.must(["cp", "-p", "/usr/bin/tail", `${jail}/usr/bin/tail`]);
    m.must(["jk_cp", "-j", jail, "tail"]);
    m.remove(`${jail}/usr/bin/tail`);
    m.must(["jk_cp", "-j", jail, "tail"]);
    m.must(["jk_cp", "--remove", "-j", jail, "tail"]);
    expect(m.exists(`${jail}/usr/bin/tail`)).toBe(false);
  });

  test("stays, too, where a newer version of a program needs it", () => {
    const tool = "/usr/local/bin/tool";
    m.must(["cp", "/usr/bin/true", tool]);
    const jail = fresh("one");
    m.must(["jk_cp", "-j", jail, tool]);
    const library = libraryOf("/usr/bin/ls", "libselinux");
    m.must(["cp", "-L", library, `${jail}${library}`]);
    m.must(["cp", "/usr/bin/ls", tool]);
    m.must(["jk_update", "-j", jail]);
    expect(openManifestFile(m, jail).entries.find(({ path }) => path === library)).toMatchObject({
      before: true,
    });
    m.must(["jk_cp", "--remove", "-j", jail, tool]);
    expect([m.exists(`${jail}${tool}`), m.exists(`${jail}${library}`)]).toEqual([false, true]);
  });
});

const jailkit = (...args: string[]) => m.run(["jailkit", ...args]);

describe("a log socket that a file of the administrator and the drop-in of jk_init name", () => {
  const file = "/etc/jailkit/jk_socketd.ini";
  const ways: readonly [name: string, prepare: string, words: (jail: string) => string[], after?: string][] =
    [
      ["jailkit delete", "", (jail) => ["jailkit", "delete", "--yes", jail]],
      ["jailkit forget", "", (jail) => ["jailkit", "forget", jail]],
      ["jk_init --remove", "", (jail) => ["jk_init", "--remove", "-j", jail, "other"]],
      ["jk_init --remove --json", "", (jail) => ["jk_init", "--remove", "--json", "-j", jail, "other"]],
      [
        "jailkit apply --prune",
        "[jail JAIL]\nsections = other\nlog_socket = yes\n",
        () => ["jailkit", "apply", "--prune"],
      ],
      [
        "jailkit apply --prune, of a section",
        "[jail JAIL]\nsections = one, other\n",
        () => ["jailkit", "apply", "--prune"],
        "[jail JAIL]\nsections = one\n",
      ],
    ];
  test.each(ways)("%s: the drop-in goes, and the other is named", (name, declared, words, after = "") => {
    const jail = declared === "" ? fresh("one", "other") : `/srv/away${++jails}`;
    const declaration = "/etc/jailkit/jails.d/one.ini";
    if (declared !== "") {
      m.write(declaration, declared.replace("JAIL", jail));
      m.must(["jailkit", "apply"]);
      m.write(declaration, after.replace("JAIL", jail));
    }
    const dropIn = `/etc/jailkit/jk_socketd.d/${jail.slice(1).replace("/", "-")}.ini`;
    expect(m.exists(dropIn)).toBe(true);
    m.write(file, `[${jail}/dev/log]\nbase = 600\n`);
    const { status, stdout, stderr } = m.run(words(jail));
    const remedy = `sed -i '1,2s/^/#/' ${file}`;
    expect([status, m.exists(dropIn), stdout + stderr]).toEqual([
      0,
      false,
      expect.stringContaining(`${file}:1 still names ${jail}/dev/log; take the section out with: ${remedy}`),
    ]);
    expect(stdout).not.toContain("closes the log socket");
    if (name.endsWith("--json")) expect(stdout).toContain(remedy);
    m.must(["sh", "-c", remedy]);
    expect(m.read(file)).toBe(`#[${jail}/dev/log]\n#base = 600\n`);
    m.write(file, "");
    m.remove("/etc/jailkit/jails.d");
  });
});

describe("jailkit delete", () => {
  test("removes all of a jail: mounts, log socket, record", () => {
    const jail = fresh("other", "with-proc");
    m.write(`${jail}/home/x/y`, "z", { owner: [4321, 4321] });
    m.mkdir("/srv/elsewhere");
    m.write("/srv/elsewhere/file", "not of the jail");
    m.mkdir(`${jail}/mnt`);
    m.must(["mount", "--bind", "/srv/elsewhere", `${jail}/mnt`]);
    const dropIns = m.list("/etc/jailkit/jk_socketd.d").length;
    const records = m.list("/var/lib/jailkit/jails").length;
    const { status, stdout, stderr } = jailkit("delete", "--yes", "--user-files", "--json", jail);
    expect([status, stderr]).toEqual([0, ""]);
    expect(reportOf(deleteReportSchema, stdout)).toMatchObject({
      exitStatus: 0,
      present: true,
      mounts: [{}, {}],
      problems: [],
    });
    expect(m.exists(jail)).toBe(false);
    expect(m.read("/srv/elsewhere/file")).toBe("not of the jail");
    expect(m.list("/etc/jailkit/jk_socketd.d").length).toBe(dropIns - 1);
    expect(m.list("/var/lib/jailkit/jails").length).toBe(records - 1);
    expect(m.read("/etc/fstab")).not.toContain(jail);
    expect(jailkit("delete", "--yes", jail).status).toBe(1);
  });

  test("unmounts the host's own directories and files, nested and on the same file system, and empties none", () => {
    const jail = fresh("one");
    for (const name of ["outer/f", "inner/f", "single"]) m.write(`/srv/hosts/${name}`, "the host's");
    m.mkdir("/srv/hosts/outer/deep");
    m.mkdir(`${jail}/home/u/d`);
    m.write(`${jail}/etc/single`, "");
    m.must(["mount", "--bind", "/srv/hosts/outer", `${jail}/home/u/d`]);
    m.must(["mount", "--bind", "/srv/hosts/inner", `${jail}/home/u/d/deep`]);
    m.must(["mount", "--bind", "/srv/hosts/single", `${jail}/etc/single`]);
    m.must(["mount", "--bind", "/srv/hosts/inner", `${jail}/usr`]);
    expect(m.stat(`${jail}/home/u/d`)?.devMinor).toBe(m.stat(jail)?.devMinor);
    const before = m.snapshot("/srv/hosts");
    expect(jailkit("delete", "--yes", jail)).toMatchObject({ status: 0, stderr: "" });
    expect([m.exists(jail), m.snapshot("/srv/hosts")]).toEqual([false, before]);
  });

  test("reports that the files of a jail stay in the file system that was mounted on it", () => {
    const jail = "/srv/own-disk";
    m.mkdir(jail);
    m.mkdir("/srv/same-disk");
    m.must(["mount", "-t", "tmpfs", "-o", "mode=0755", "none", jail]);
    m.must(["mount", "--bind", jail, "/srv/same-disk"]);
    m.must(["jk_init", "-j", jail, "one"]);
    const warning = `jailkit delete: warning: the files stay in the file system (tmpfs) that was mounted on ${jail}: a file system is unmounted, never emptied\n`;
    expect(jailkit("delete", "--dry-run", jail)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining(`tmpfs is unmounted from ${jail}, and keeps the files.\n`),
      stderr: warning,
    });
    expect(jailkit("delete", "--yes", jail)).toMatchObject({ status: 0, stderr: warning });
    expect([m.exists(jail), m.exists("/srv/same-disk/usr/bin/cat")]).toEqual([false, true]);
    m.must(["umount", "/srv/same-disk"]);
  });

  test.each(["delete", "forget"])("%s reports a line of fstab by the path of its mount point", (command) => {
    const jail = "/srv/a jail";
    m.must(["jk_init", "-j", jail, "one"]);
    const before = m.read("/etc/fstab");
    m.write("/etc/fstab", `${before}/srv/hosts /srv/a\\040jail/mnt none bind,noauto 0 0\n`);
    const line = m.read("/etc/fstab").split("\n").length - 1;
    const words = ["/srv/hosts", "/srv/a\\\\040jail/mnt", "none", "bind,noauto", "0", "0"].join("\\s\\+");
    const remedy = `sed -i 's@^\\s*${words}\\s*$@#&@' /etc/fstab`;
    const warning = `jailkit ${command}: warning: /etc/fstab still mounts something in the jail: ${jail}/mnt (line ${line}); if that is not wanted any more: ${remedy}\n`;
    const isDelete = command === "delete";
    if (isDelete) {
      const { status, stdout } = m.run(["jailkit", command, jail], { stdin: "n\n" });
      expect([status, stdout]).toEqual([2, expect.stringContaining(`This stays: ${warning.split(": ")[2]}`)]);
    }
    expect(m.run(["jailkit", command, "--dry-run", jail])).toMatchObject({ status: 0, stderr: warning });
    expect(m.run(["jailkit", command, ...(isDelete ? ["--yes"] : []), jail])).toMatchObject({
      status: 0,
      stderr: warning,
    });
    m.must(["sh", "-c", remedy]);
    expect(m.read("/etc/fstab")).toBe(`${before}#/srv/hosts /srv/a\\040jail/mnt none bind,noauto 0 0\n`);
    m.write("/etc/fstab", before);
    m.remove(jail);
  });

  test("asks, and Enter means no", () => {
    const jail = fresh("one");
    for (const stdin of ["\n", "n\n", ""]) {
      const { status, stdout } = m.run(["jailkit", "delete", jail], { stdin });
      expect([status, stdout]).toEqual([2, expect.stringContaining(`Delete ${jail}? [y/N]`)]);
    }
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(true);
    expect(m.run(["jailkit", "delete", jail], { stdin: "y\n" }).status).toBe(0);
    expect(m.exists(jail)).toBe(false);
  });

  test("refuses while users live in it, or moves them out with their homes", () => {
    const jail = fresh("one");
    m.addUser("jailed", { uid: 4100, home: "/home/jailed", createHome: true });
    m.write("/home/jailed/mine", "mine", { owner: [4100, 4100] });
    m.must(["jk_jailuser", "-m", "-j", jail, "jailed"]);
    expect(m.exists("/home/jailed")).toBe(false);
    const refused = jailkit("delete", "--yes", jail);
    expect([refused.status, refused.stderr]).toEqual([1, expect.stringContaining("jailed")]);
    expect(m.exists(`${jail}/home/jailed/mine`)).toBe(true);
    // A mere warning about an account does not keep the jail.
    m.must(["groupadd", "-f", "jailed"]);
    m.addUser("homeless", { uid: 4190, groups: ["jailed"], home: "/home/homeless" });
    m.must(["jk_jailuser", "-n", "-j", jail, "homeless"]);
    const told = jailkit("delete", "--yes", "--unjail", jail);
    expect([told.status, told.stderr.match(/^jailkit delete: warning: .*$/gm)]).toEqual([
      0,
      [
        expect.stringContaining("'homeless' stays in the group jailed"),
        expect.stringContaining("does not exist: no home is moved"),
      ],
    ]);
    expect(m.read("/home/jailed/mine")).toBe("mine");
    expect(m.read("/etc/passwd")).toContain(":/home/jailed:/bin/sh");
    expect(m.exists(jail)).toBe(false);
  });

  test("leaves no record of a jail that had none before its user was taken out", () => {
    const jail = fresh("one");
    m.addUser("unrecorded", { home: "/home/unrecorded", createHome: true });
    m.must(["jk_jailuser", "-m", "-j", jail, "unrecorded"]);
    m.remove("/var/lib/jailkit");
    expect(jailkit("delete", "--yes", "--unjail", jail)).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(
        /^jailkit delete: warning: 'unrecorded' has no recorded shell outside the jail.*\n$/,
      ),
    });
    expect([m.exists(jail), m.exists("/home/unrecorded")]).toEqual([false, true]);
    expect(jailkit("list")).toMatchObject({ status: 0, stdout: expect.not.stringContaining(jail) });
  });

  test("removes a jail whose log socket jk_socketd creates again meanwhile", async () => {
    await m.startSyslog();
    const served = Array.from({ length: 20 }, () => fresh("one"));
    for (const jail of served) m.mkdir(`${jail}/dev`);
    const file = "/etc/jailkit/jk_socketd.ini";
    m.write(file, served.map((jail) => `[${jail}/dev/log]\n`).join(""));
    m.must(["jk_socketd", "-p", "/run/jk_socketd.pid"]);
    try {
      for (const [at, jail] of served.entries()) {
        expect(m.exists(`${jail}/dev/log`)).toBe(true);
        const { status, stderr } = jailkit("delete", "--yes", jail);
        expect([status, stderr, m.exists(jail)]).toEqual([
          0,
          `jailkit delete: warning: ${file}:${at + 1} still names ${jail}/dev/log; take the section out with: sed -i '${at + 1}s/^/#/' ${file}\n`,
          false,
        ]);
      }
    } finally {
      m.must(["pkill", "-F", "/run/jk_socketd.pid"]);
      m.write("/etc/jailkit/jk_socketd.ini", "");
    }
  });

  test("the printed command moves the users out, with their homes", () => {
    const jail = fresh("one");
    m.addUser("out", { home: "/home/out", createHome: true });
    m.must(["jk_jailuser", "-m", "-j", jail, "out"]);
    const { stderr } = jailkit("delete", "--yes", jail);
    m.must(["sh", "-c", /take them out first: (.*)/.exec(stderr)?.[1] ?? "false"]);
    expect([m.exists("/home/out"), jailkit("delete", "--yes", jail).status]).toEqual([true, 0]);
  });

  test("refuses what is not a jail, the host's directories, and what contains another jail", () => {
    m.mkdir("/srv/no-jail");
    m.write("/etc/jailkit/jk_update.ini", "[/home]\n[/srv]\n");
    for (const path of ["/srv/no-jail", "/", "/home", "/usr", "/srv"]) {
      expect([path, jailkit("delete", "--yes", path).status]).toEqual([path, 1]);
    }
    m.write("/etc/jailkit/jk_update.ini", "");
    const jail = fresh("one");
    m.must(["jk_init", "-j", `${jail}/srv/inner`, "one"]);
    expect(jailkit("delete", "--yes", jail)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("inner"),
    });
    expect(m.exists(`${jail}/srv/inner/usr/bin/cat`)).toBe(true);
  });

  test("refuses while something runs in it", async () => {
    const jail = fresh("one");
    m.must(["jk_cp", "-j", jail, "sleep"]);
    const running = m.start(["chroot", jail, "/usr/bin/cat"]);
    running.write("ready\n");
    await running.until(({ stdout }) => (stdout === "ready\n" ? true : undefined));
    expect(jailkit("delete", "--yes", jail)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("run in it"),
    });
    running.end();
    await running.ended;
    expect(jailkit("delete", "--yes", jail).status).toBe(0);
  });

  test("forgets a jail that is already missing", () => {
    const jail = fresh("one");
    m.remove(jail);
    expect(reportOf(listReportSchema, jailkit("list", "--json", jail).stdout).jails[0]?.state).toBe(
      "missing",
    );
    expect(jailkit("delete", "--yes", jail)).toMatchObject({ status: 0 });
    expect(jailkit("list", "--json").stdout).not.toContain(`"${jail}"`);
  });
});

describe("jailkit list and disk", () => {
  test("list every jail", () => {
    const [ready, unsafe, empty] = [fresh("one"), fresh("other"), "/srv/by-hand"];
    m.must(["jk_cp", "-j", ready, "/usr/share/other"]);
    m.chmod(`${unsafe}/etc`, 0o777);
    m.mkdir(`${empty}/home/someone`);
    m.addUser("someone", { uid: 4101, home: `${empty}/./home/someone`, shell: "/usr/sbin/jk_chrootsh" });
    const { status, stdout } = jailkit("list", "--json");
    expect(status).toBe(1);
    const jailsByPath = Object.fromEntries(
      reportOf(listReportSchema, stdout).jails.map((jail) => [jail.path, jail]),
    );
    expect(jailsByPath[ready]).toMatchObject({
      state: "ready",
      sections: ["one"],
      files: ["/usr/share/other"],
    });
    expect(jailsByPath[unsafe]).toMatchObject({ state: "unsafe", reason: expect.stringContaining("/etc") });
    expect(jailsByPath[empty]).toMatchObject({ state: "unrecorded", users: [{ name: "someone" }] });
    expect(jailkit("list", ready).stdout).toBe(
      `JAIL${" ".repeat(ready.length - 4)}  STATE  USERS  SECTIONS AND FILES\n${ready}  ready  -      one,/usr/share/other\n`,
    );
  });

  test("count shared files once", () => {
    m.write("/usr/share/large", new Uint8Array(1 << 20).fill(1));
    const [linked, copied] = [fresh("one"), fresh("one")];
    m.must(["jk_cp", "-k", "-j", linked, "/usr/share/large"]);
    m.must(["jk_cp", "-j", copied, "/usr/share/large"]);
    m.write(`${copied}/home/u/data`, new Uint8Array(1 << 16).fill(2), { owner: [4321, 4321] });
    m.must(["ln", `${copied}/usr/share/large`, `${copied}/usr/share/again`]);
    const { status, stdout } = jailkit("disk", "--json", linked, copied);
    expect(status).toBe(0);
    const {
      jails: [first, second],
      total,
    } = reportOf(diskReportSchema, stdout);
    if (first === undefined || second === undefined) throw new Error("two jails were named");
    expect(first.linked).toBe(1 << 20);
    expect(second.linked).toBe(0);
    expect(second.allocated - first.allocated).toBeGreaterThanOrEqual(1 << 16);
    expect(second.allocated - first.allocated).toBeLessThan(1 << 18);
    expect(second.users).toBeGreaterThanOrEqual(1 << 16);
    expect(second.own).toBeGreaterThan(first.own + (1 << 19));
    expect(total.allocated).toBe(first.allocated + second.allocated);
    const twice = reportOf(diskReportSchema, jailkit("disk", "--json", linked, linked).stdout);
    expect(twice.total.allocated).toBe(first.allocated);
    expect(jailkit("disk", "/no/jail").status).toBe(1);
  });
});
