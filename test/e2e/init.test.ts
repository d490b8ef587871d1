import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { populateReportSchema } from "../../src/populate/report-schema.ts";
import { sectionsReportSchema } from "../../src/profile/report-schema.ts";
import { type Machine, openMachine, type RunOptions } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { openManifestFile } from "./manifest-file.ts";
import { typeRemedy } from "./remedies-scene.ts";

let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: ["jk_init"] });
  m.addUser("u", { uid: 4001 });
});
afterAll(async () => m.close());

const reportSchema = populateReportSchema("jk_init");

const fresh = () => `/srv/jail${++jails}`;

/** Runs jk_init with a config file of these lines. */
function init(ini: string, args: readonly string[], options: RunOptions = {}) {
  m.write("/root/test.ini", ini);
  return m.run(["jk_init", "-c", "/root/test.ini", ...args], options);
}

describe("--dry-run and --json", () => {
  const ini = "[a]\npaths = /usr/bin/true, /usr/bin/passwd\nusers = u\ndevices = /dev/null\n";

  test("a dry run shows what would be done, and does nothing", () => {
    const jail = fresh();
    const dry = init(ini, ["-j", jail, "--dry-run", "a"]);
    expect(dry.status).toBe(0);
    expect(m.exists(jail)).toBe(false);
    const real = init(ini, ["-j", jail, "a"]);
    expect(dry.stdout).toBe(`${real.stdout}(dry run: nothing was changed)\n`);
    const again = init(ini, ["-j", jail, "--dry-run", "-f", "a"]);
    expect(again.stdout).toBe(dry.stdout);
  });

  test("JSON is the same before and after", () => {
    const jail = fresh();
    const dry = reportOf(reportSchema, init(ini, ["-j", jail, "--dry-run", "--json", "a"]).stdout);
    const real = reportOf(reportSchema, init(ini, ["-j", jail, "--json", "a"]).stdout);
    expect(real.actions).toEqual(dry.actions);
    expect(real).toMatchObject({
      version: 1,
      tool: "jk_init",
      jail,
      dryRun: false,
      asked: ["a"],
      exitStatus: 0,
      problems: [],
    });
    expect(real.actions).toContainEqual(
      expect.objectContaining({
        action: "create",
        type: "file",
        path: "/usr/bin/true",
        mode: "0755",
        uid: 0,
      }),
    );
    expect(real.users).toEqual(["u"]);
    const second = reportOf(reportSchema, init(ini, ["-j", jail, "--json", "a"]).stdout);
    expect(second.actions).toEqual([]);
    expect(second.kept).toBeGreaterThan(3);
  });

  test("JSON has the problems, and stdout has nothing else", () => {
    const jail = fresh();
    const { status, stdout } = init("[a]\ndevices = /dev/nosuch\n", ["-j", jail, "--json", "a"]);
    expect(status).toBe(1);
    expect(reportOf(reportSchema, stdout)).toMatchObject({
      exitStatus: 1,
      problems: [{ code: "no-such-device", path: "/dev/nosuch" }],
    });
  });

  test("the list", () => {
    const list = reportOf(sectionsReportSchema, init("[b]\n[a]\ncomment = A\n", ["-l", "--json"]).stdout);
    expect(list).toEqual({
      version: 1,
      tool: "jk_init",
      sections: [
        { name: "a", comment: "A" },
        { name: "b", comment: "" },
      ],
    });
  });
});

describe("--why", () => {
  test("shows section and chain, from the sections or from the record", () => {
    const jail = fresh();
    const ini = "[a]\nincludesections = b\n[b]\npaths = ls\n";
    const why = init(ini, ["-j", jail, "--why", "/usr/lib/x86_64-linux-gnu/libc.so.6", "a"]);
    expect(why.status).toBe(0);
    expect(why.stdout).toContain("section b\n");
    expect(why.stdout).toContain("asked for as ls\n");
    expect(m.exists(jail)).toBe(false);
    expect(init(ini, ["-j", jail, "--why", "/nosuch", "a"]).status).toBe(1);
    init(ini, ["-j", jail, "a"]);
    const recorded = m.run(["jk_init", "-j", jail, "--why", "/usr/bin/ls"]);
    expect(recorded.status).toBe(0);
    expect(recorded.stdout).toContain("b");
  });
});

describe("the record", () => {
  test("has what was requested, where each file is from, and what needs it", () => {
    const jail = fresh();
    init("[a]\npaths = ls\n[b]\npaths = /usr/bin/ls\n", ["-j", jail, "a"]);
    init("[a]\npaths = ls\n[b]\npaths = /usr/bin/ls\n", ["-j", jail, "b"]);
    const { requests, entries } = openManifestFile(m, jail);
    expect(requests.map((each) => each.sections)).toEqual([["a"], ["b"]]);
    const ls = entries.find(({ path }) => path === "/usr/bin/ls");
    expect(ls).toMatchObject({ type: "file", source: "/usr/bin/ls", sections: ["a", "b"], mode: 0o755 });
    const libc = entries.find(({ path }) => path.endsWith("/libc.so.6"));
    expect(libc).toMatchObject({ reason: "needed", sections: ["a", "b"] });
    expect(m.stat("/var/lib/jailkit/jails")).toMatchObject({ mode: 0o40700, uid: 0 });
  });

  test("a file that the administrator replaced is not in it", () => {
    const jail = fresh();
    m.mkdir(`${jail}/usr/bin`);
    m.symlink("dash", `${jail}/usr/bin/ls`);
    init("[a]\npaths = ls\n", ["-j", jail, "a"]);
    expect(openManifestFile(m, jail).entries.map(({ path }) => path)).not.toContain("/usr/bin/ls");
    expect(m.readlink(`${jail}/usr/bin/ls`)).toBe("dash");
  });
});

describe("other needs of a jail", () => {
  test("proc is mounted once, with one line in fstab", () => {
    const jail = fresh();
    m.write("/etc/fstab", "# mine");
    for (let i = 0; i < 2; i++)
      expect(init("[a]\nneed_proc = yes\n", ["-j", jail, "a"])).toMatchObject({ status: 0, stderr: "" });
    expect(m.read("/etc/fstab")).toBe(
      `# mine\nproc ${jail}/proc proc ro,nosuid,nodev,noexec,hidepid=2,nofail 0 0\n`,
    );
    expect(
      m
        .must(["cat", "/proc/mounts"])
        .stdout.split("\n")
        .filter((line) => line.includes(`${jail}/proc `)),
    ).toHaveLength(1);
    m.must(["umount", `${jail}/proc`]);
  });

  test("a log socket is registered once, whoever did it", () => {
    const jail = fresh();
    const ini = "[a]\nneed_logsocket = 1\n";
    for (let i = 0; i < 2; i++) expect(init(ini, ["-j", jail, "a"]).status).toBe(0);
    const own = m
      .list("/etc/jailkit/jk_socketd.d")
      .filter((name) => m.read(`/etc/jailkit/jk_socketd.d/${name}`).includes(`[${jail}/dev/log]`));
    expect(own).toHaveLength(1);
    const other = fresh();
    m.write("/etc/jailkit/jk_socketd.ini", `[${other}/dev/log]\nbase = 100\n`);
    init(ini, ["-j", other, "a"]);
    expect(m.list("/etc/jailkit/jk_socketd.d")).toEqual(own);
    expect(m.stat(`${other}/dev`)?.mode).toBe(0o40755);
  });

  test("drop-ins that others may write are refused, the rest is installed", () => {
    const jail = fresh();
    m.chmod("/etc/jailkit/jk_socketd.d", 0o777);
    const { status, stderr } = init("[a]\nneed_logsocket = 1\npaths = /usr/bin/true\n", ["-j", jail, "a"]);
    m.chmod("/etc/jailkit/jk_socketd.d", 0o755);
    expect(status).toBe(1);
    expect(stderr).toContain("jk_socketd.d");
    expect(m.exists(`${jail}/usr/bin/true`)).toBe(true);
  });

  test("a jail whose account files are behind a user's symbolic link is not safe", () => {
    const jail = fresh();
    m.mkdir(`${jail}/etc`);
    m.mkdir(`${jail}/home/u`);
    m.symlink("real", `${jail}/home/u/passwd`);
    m.chown(`${jail}/home/u`, 4001, 4001);
    m.symlink("../home/u/passwd", `${jail}/etc/passwd`);
    const { status, stderr } = init("[a]\nusers = u\npaths = /usr/bin/true\n", ["-j", jail, "a"]);
    expect([status, m.exists(`${jail}/usr/bin/true`)]).toEqual([3, false]);
    expect(stderr).toContain(
      `${jail}/etc/passwd leads to ${jail}/home/u/passwd, in a directory that users can write`,
    );
  });

  test("a file of accounts takes the place of a symbolic link that leads nowhere", () => {
    const jail = fresh();
    m.mkdir(`${jail}/etc`);
    m.symlink("nowhere", `${jail}/etc/passwd`);
    m.write(`${jail}/etc/group`, "");
    expect(init("[a]\npaths = /usr/bin/true\n", ["-j", jail, "a"]).status).toBe(0);
    expect(m.stat(`${jail}/etc/passwd`)).toMatchObject({ mode: 0o100644, uid: 0 });
  });

  test("users of another distribution cause no warning", () => {
    const { stderr } = init("[a]\nusers = u, nosuchuser\n", ["-j", fresh(), "a"]);
    expect(stderr).toBe("");
    const none = init("[a]\nusers = nosuchuser\n", ["-j", fresh(), "a"]);
    expect(none).toMatchObject({
      status: 0,
      stderr: "jk_init: warning: this machine has no user 'nosuchuser'\n",
    });
  });

  test("no hash of a password", () => {
    const jail = fresh();
    const passwd = m.read("/etc/passwd");
    m.write("/etc/passwd", `${passwd}old:$y$secret:4500:4001::/:/bin/sh\n`);
    init("[a]\nusers = old\n", ["-j", jail, "a"]);
    m.write("/etc/passwd", passwd);
    expect(m.read(`${jail}/etc/passwd`)).toBe("old:x:4500:4001::/:/bin/sh\n");
    expect(m.read(`${jail}/etc/group`)).toMatch(/^u:x:4001:/);
  });
});

describe("exit statuses", () => {
  test("an unknown section after the others", () => {
    const jail = fresh();
    const { status, stderr } = init("[a]\npaths = true\n", ["--strict", "-j", jail, "nosuch", "a"]);
    expect([status, m.exists(`${jail}/usr/bin/true`)]).toEqual([4, true]);
    expect(stderr).toStartWith("jk_init: section 'nosuch'");
    for (const words of [[jail], ["-j", jail], ["--dry-run", "-j", jail]]) {
      const warned = { status: 0, stderr: expect.stringMatching(/^jk_init: warning: section 'nosuch'/) };
      expect(init("[a]\npaths = true\n", [...words, "nosuch", "a"])).toMatchObject(warned);
    }
    const none = fresh();
    expect(init("[a]\n", ["-j", none, "nosuch"])).toMatchObject({ status: 1, stdout: "" });
    expect(init("[a]\n", ["--strict", "-j", none, "nosuch"])).toMatchObject({ status: 4, stdout: "" });
    const json = reportOf(reportSchema, init("[a]\n", ["-j", none, "--json", "nosuch"]).stdout);
    expect(json).toMatchObject({
      exitStatus: 4,
      actions: [],
      problems: [{ code: "no-such-section", path: "nosuch" }],
    });
    expect(m.exists(none)).toBe(false);
    const both = init("[a]\ndevices = /dev/nosuch\n", ["-j", none, "--json", "nosuch", "a"]);
    expect([both.status, reportOf(reportSchema, both.stdout).exitStatus]).toEqual([1, 1]);
  });

  test("a section of which nothing is on this machine", () => {
    const ini = "[a]\npaths = nosuch, /no/such/*\n[b]\nincludesections = a\npaths = true\n";
    expect(init(ini, ["-j", fresh(), "a"]).status).toBe(0);
    expect(init(ini, ["--strict", "-j", fresh(), "a"]).status).toBe(1);
    expect(init(ini, ["--strict", "-j", fresh(), "b"])).toMatchObject({ status: 0, stderr: "" });
  });

  test("devices and empty directories do not make a section available", () => {
    const ini =
      "[name]\npaths = nosuch\ndevices = /dev/null\n[path]\npaths = /no/such\nemptydirs = /tmp\ndevices = /dev/null\n" +
      "[devices]\ndevices = /dev/null\n[shell]\npaths = jk_lsh\ndevices = /dev/null\n";
    for (const section of ["name", "path"])
      expect(init(ini, ["--strict", "-j", fresh(), section])).toMatchObject({
        status: 1,
        stderr: `jk_init: no file of section '${section}' is on this machine: install the package that has them\n`,
      });
    for (const section of ["devices", "shell"])
      expect(init(ini, ["--strict", "-j", fresh(), section])).toMatchObject({ status: 0, stderr: "" });
  });

  test("a device that cannot be created, with the remedy, after the rest", () => {
    const jail = fresh();
    m.write("/root/test.ini", "[a]\ndevices = /dev/null\npaths = true\n");
    const command = ["setpriv", "--bounding-set=-mknod", "--inh-caps=-mknod", "jk_init"];
    const { status, stderr } = m.run([...command, "--strict", "-c", "/root/test.ini", "-j", jail, "a"]);
    expect(status).toBe(1);
    const [, remedy = "false"] = /, or run this outside it: (.*)\n/.exec(stderr) ?? [];
    expect(remedy).toBe(`mknod -m 0666 ${jail}/dev/null c 1 3`);
    expect(m.exists(`${jail}/usr/bin/true`)).toBe(true);
    typeRemedy(m, remedy);
    expect(m.stat(`${jail}/dev/null`)?.mode).toBe(m.stat("/dev/null")?.mode);
  });

  test("a configuration that makes no sense", () => {
    const { status, stderr } = init("[a]\n[a]\n", ["-j", fresh(), "a"]);
    expect(status).toBe(1);
    expect(stderr).toContain("/root/test.ini:2:");
  });

  test("an unsafe path leaves nothing behind", () => {
    m.mkdir("/srv/theirs", { owner: [4001, 4001] });
    expect(init("[a]\n", ["-j", "/srv/theirs/x/y", "a"]).status).toBe(3);
    expect(m.list("/srv/theirs")).toEqual([]);
  });
});

describe("the limited shell", () => {
  const ini = "[jk_lsh]\npaths = /usr/sbin/jk_lsh, /etc/jailkit/jk_lsh.ini\n";

  test("is neither copied nor linked without a request", () => {
    m.write("/usr/sbin/jk_lsh", m.readBytes("/usr/bin/true"), { mode: 0o755 });
    const jail = fresh();
    const { status, stdout } = init(ini, ["-v", "-j", jail, "jk_lsh"]);
    expect([status, m.exists(`${jail}/usr/sbin/jk_lsh`)]).toEqual([0, false]);
    expect(stdout).toContain("section jk_lsh: '/usr/sbin/jk_lsh' stays out: jk_chrootsh has it built in");
    expect(m.exists(`${jail}/etc/jailkit/jk_lsh.ini`)).toBe(true);
    expect(init(ini, ["-j", jail, "--copy-shell", "jk_lsh"]).status).toBe(0);
    expect(m.stat(`${jail}/usr/sbin/jk_lsh`)?.nlink).toBe(1);
    const linked = fresh();
    init(ini, ["-j", linked, "-k", "jk_lsh"]);
    expect(m.exists(`${linked}/usr/sbin/jk_lsh`)).toBe(false);
    init(ini, ["-j", linked, "-k", "--copy-shell", "jk_lsh"]);
    expect(m.stat(`${linked}/usr/sbin/jk_lsh`)?.ino).toBe(m.stat("/usr/sbin/jk_lsh")?.ino ?? 0n);
  });
});

test("a link that would make the jail unsafe: nothing is copied, and the printed command helps", () => {
  const jail = fresh();
  const ini = "[true]\npaths = /usr/bin/true\n";
  m.mkdir(jail);
  m.symlink("/tmp", `${jail}/usr`);
  const { status, stderr } = init(ini, ["-j", jail, "true"]);
  expect([status, m.list(jail)]).toEqual([1, ["usr"]]);
  const [, away = "no command"] = /; move the link away: (.*)$/m.exec(stderr) ?? [];
  expect(typeRemedy(m, away)).toMatchObject({ status: 0 });
  expect(init(ini, ["-j", jail, "true"])).toMatchObject({ status: 0, stderr: "" });
  expect(m.exists(`${jail}/usr/bin/true`)).toBe(true);
});

test("a file of the jail in place of a directory stays: a warning, and an error with --strict and --json", () => {
  m.write("/usr/share/some-directory/x", "x");
  const [ini, jail] = ["[a]\npaths = /usr/share/some-directory, /usr/bin/true\n", fresh()];
  const place = "/usr/share/some-directory";
  m.write(`${jail}${place}`, "own");
  const message = `${place}: is a directory on the host, and '${place}' a file in the jail, which stays`;
  for (const force of [[], ["-f"]]) {
    const { status, stderr } = init(ini, [...force, "-j", jail, "a"]);
    expect({ status, stderr }).toEqual({ status: 0, stderr: `jk_init: warning: ${message}\n` });
    expect(init(ini, [...force, "--strict", "-j", jail, "a"])).toMatchObject({
      status: 1,
      stderr: `jk_init: ${message}\n`,
    });
    const { stdout } = init(ini, [...force, "--json", "-j", jail, "a"]);
    expect(reportOf(reportSchema, stdout)).toMatchObject({
      exitStatus: 1,
      problems: [{ code: "file-in-the-way", message }],
    });
    expect(m.read(`${jail}${place}`)).toBe("own");
  }
});
