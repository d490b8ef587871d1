import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Machine, openMachine, type RunOptions, underTest } from "../machine/machine.ts";
import { type Expected, expectedOf } from "./cases.ts";

let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.addUser("u", { uid: 4001, home: "/home/u", groups: ["games"] });
});
afterAll(async () => m.close());

/** The path of a jail that is not there yet. */
const fresh = () => `/srv/jail${++jails}`;

/** Runs jk_init with this config file. */
function init(ini: string, args: readonly string[], options: RunOptions = {}) {
  m.write("/root/test.ini", ini);
  return m.run(["jk_init", "-c", "/root/test.ini", ...args], options);
}

const empty = "[a]\nemptydirs = /srv\n";

describe("options", () => {
  const cases: readonly (readonly [args: readonly string[], status: Expected<number>])[] = [
    [[], 2],
    [["-h"], 0],
    [["--help"], 0],
    [["--bogus"], 1],
    [["-l"], 0],
    [["--list"], 0],
    [["-c", "/nonexist", "-l"], 0],
    [["-j", "/srv/optional"], 2],
    [["-c", "/nonexist", "-j", "/srv/optional", "x"], 3],
    [["-c", "/etc", "-j", "/srv/optional", "x"], 3],
  ];
  test.each(cases)("jk_init %j", (args, status) => {
    expect(m.run(["jk_init", ...args]).status).toBe(expectedOf(status));
  });

  test("the list names the sections that come with jailkit", () => {
    const { stdout } = m.run(["jk_init", "-l"]);
    for (const name of ["basicshell", "jk_lsh", "limitedshell", "netutils", "scp", "sftp", "uidbasics"])
      expect(stdout).toMatch(new RegExp(`^${name}( - .+)?$`, "m"));
  });

  test("is for root", () => {
    expect(m.run(["jk_init", "-j", "/srv/optional", "sftp"], { user: "u" }).status).toBe(5);
    const help = m.run(["jk_init", "-h"], { user: "u" }).status;
    expect(help).toBe(expectedOf({ debian: 5, ours: 0, difference: "help-for-everyone" }));
  });

  test("a jail in first place, without -j", () => {
    const jail = fresh();
    expect(init(empty, [jail, "a"]).status).toBe(0);
    expect(m.exists(`${jail}/srv`)).toBe(true);
  });

  test("--jail=DIR", () => {
    const status = expectedOf({ debian: 1, ours: 0, difference: "jail-option" });
    expect(init(empty, [`--jail=${fresh()}`, "a"]).status).toBe(status);
  });

  test("an unknown section", () => {
    const jail = fresh();
    m.mkdir(jail);
    const { status, stdout, stderr } = init(empty, ["-j", jail, "nosuch"]);
    expect(status).toBe(0);
    const message = expectedOf({
      debian: /^WARNING: .*nosuch/m,
      ours: /^jk_init: warning: .*nosuch/,
      difference: "messages-named",
    });
    expect(expectedOf({ debian: stdout, ours: stderr, difference: "messages-named" })).toMatch(message);
  });
});

describe("the jail", () => {
  test.each(["/home", "/usr", "/root"])("%s, which belongs to the host", (jail) => {
    const before = m.list(jail);
    const { status } = init(empty, ["-j", jail, "a"]);
    expect(status).toBe(expectedOf({ debian: 0, ours: 3, difference: "host-directories" }));
    if (underTest === "ours") expect(m.list(jail)).toEqual(before);
  });

  test("has a file system of its own in fstab, which is not mounted", () => {
    const jail = fresh();
    const fstab = m.read("/etc/fstab");
    m.mkdir(jail);
    m.write("/etc/fstab", `${fstab}/dev/none ${jail} ext4 noauto 0 0\n`);
    const { status } = init(empty, ["-j", jail, "a"]);
    m.write("/etc/fstab", fstab);
    expect(status).toBe(expectedOf({ debian: 0, ours: 1, difference: "not-mounted" }));
    expect(m.exists(`${jail}/srv`)).toBe(underTest === "debian");
  });

  test("has a mount of a directory of the host's", () => {
    const jail = fresh();
    m.write("/opt/tools/program", "the host's", { mode: 0o755 });
    m.must(["mkdir", "-p", `${jail}/opt/tools`]);
    m.must(["mount", "--bind", "/opt/tools", `${jail}/opt/tools`]);
    m.must(["touch", "-d", "2001-01-01", "/opt/tools/program"]);
    const before = m.must(["stat", "-c", "%i", "/opt/tools/program"]).stdout;
    m.run(["jk_cp", "-f", "-j", jail, "/opt/tools/program"]);
    const after = m.run(["stat", "-c", "%i", "/opt/tools/program"]).stdout;
    const what = after === before ? "the same file" : "another file";
    expect(what).toBe(
      expectedOf({ debian: "another file", ours: "the same file", difference: "host-mounts" }),
    );
    m.must(["umount", `${jail}/opt/tools`]);
  });

  test("is created, root's and 0755, whatever the umask", () => {
    const jail = fresh();
    expect(init(empty, ["-j", jail, "a"], { umask: 0o77 }).status).toBe(0);
    expect(m.stat(jail)).toMatchObject({ mode: 0o40755, uid: 0, gid: 0 });
    const mode = expectedOf({ debian: 0o100600, ours: 0o100644, difference: "umask-of-caller" });
    expect(m.stat(`${jail}/etc/passwd`)).toMatchObject({ mode, uid: 0, gid: 0 });
    expect(m.stat(`${jail}/etc/ld.so.cache`)).toBeDefined();
  });

  test("a second time says nothing", () => {
    const jail = fresh();
    init(empty, ["-j", jail, "a"]);
    const before = m.snapshot(jail);
    expect(init(empty, ["-j", jail, "a"])).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(m.snapshot(jail)).toEqual(before);
  });

  test("below a directory that others may write is refused", () => {
    m.mkdir("/srv/open", { mode: 0o777 });
    expect(init(empty, ["-j", "/srv/open/jail", "a"]).status).toBe(3);
    expect(m.exists("/srv/open/jail")).toBe(false);
    m.mkdir("/srv/users", { owner: [4001, 4001] });
    expect(init(empty, ["-j", "/srv/users/jail", "a"]).status).toBe(3);
  });

  test("below a sticky directory", () => {
    const status = expectedOf({ debian: 3, ours: 0, difference: "jail-safety" });
    expect(init(empty, ["-j", "/tmp/jail", "a"]).status).toBe(status);
  });

  test("with a tmp that a client's group may write", () => {
    const jail = fresh();
    m.mkdir(jail);
    for (const name of ["tmp", "web", "home"]) m.mkdir(`${jail}/${name}`, { mode: 0o770, owner: [0, 4001] });
    expect(init(empty, ["-j", jail, "a"])).toMatchObject({ status: 0, stderr: "" });
    expect(m.stat(`${jail}/tmp`)).toMatchObject({ uid: 0, gid: 4001, mode: 0o040770 });
  });

  test("with directories that a client's group may write", () => {
    const status = (name: string) => {
      const jail = fresh();
      m.mkdir(jail);
      m.mkdir(`${jail}/${name}`, { mode: 0o770, owner: [0, 4001] });
      return init(empty, ["-j", jail, "a"]).status;
    };
    for (const name of ["usr", "etc", "dev", "sbin", "proc"]) expect([name, status(name)]).toEqual([name, 3]);
    // Programs are loaded from these too; 2.23 does not look.
    for (const name of ["lib", "opt", "run"])
      expect([name, status(name)]).toEqual([
        name,
        expectedOf({ debian: 0, ours: 3, difference: "jail-safety" }),
      ]);
  });

  test("that others may write, or that is not root's, is refused", () => {
    for (const attributes of [{ mode: 0o775 }, { mode: 0o757 }, { owner: [4001, 0] as const }]) {
      const jail = fresh();
      m.mkdir(jail, attributes);
      expect(init(empty, ["-j", jail, "a"]).status).toBe(3);
      expect(m.list(jail)).toEqual([]);
    }
  });
});

describe("sections", () => {
  test("emptydirs are created if the host has them", () => {
    const jail = fresh();
    expect(init("[a]\nemptydirs = /srv, /nosuchdir\n", ["-j", jail, "a"]).status).toBe(0);
    expect(m.list(jail)).toContain("srv");
    expect(m.list(`${jail}/srv`)).toEqual([]);
    expect(m.exists(`${jail}/nosuchdir`)).toBe(false);
  });

  test("includesections are copied, once each", () => {
    const jail = fresh();
    const ini =
      "[a]\nincludesections = b, c\nusers = u\n[b]\nincludesections = c\nusers = daemon\n[c]\nusers = bin\n";
    expect(init(ini, ["-j", jail, "a"]).status).toBe(0);
    const names = m.read(`${jail}/etc/passwd`).match(/^\w+/gm) ?? [];
    expect(names.sort()).toEqual(["bin", "daemon", "u"]);
  });

  test("that include each other are an error", () => {
    const ini = "[a]\nincludesections = b\nusers = u\n[b]\nincludesections = a\n";
    const { status, stderr } = init(ini, ["-j", fresh(), "a"]);
    expect(status).toBe(1);
    const told = expectedOf({
      debian: /RecursionError/,
      ours: /^jk_init: .*\n$/,
      difference: "one-line-errors",
    });
    expect(stderr).toMatch(told);
  });

  test("users and groups, by name and number, are the host's lines, once", () => {
    const jail = fresh();
    const ini = "[a]\nusers = u, 1\ngroups = 60\n";
    init(ini, ["-j", jail, "a"]);
    expect(init(ini, ["-j", jail, "a"]).status).toBe(0);
    const lines = (path: string) =>
      m
        .read(jail + path)
        .trimEnd()
        .split("\n")
        .sort();
    const host = (path: string, pattern: RegExp) => m.read(path).match(pattern)?.sort();
    expect(lines("/etc/passwd")).toEqual(host("/etc/passwd", /^(u|daemon):.*$/gm) ?? []);
    expect(lines("/etc/group")).toEqual(host("/etc/group", /^(u|daemon|games):.*$/gm) ?? []);
  });

  test("a password stays on the host", () => {
    const jail = fresh();
    m.write("/etc/passwd", m.read("/etc/passwd").replace(/^u:x:/m, "u:$6$salt$hash:"));
    expect(init("[a]\nusers = u\n", ["-j", jail, "a"]).status).toBe(0);
    m.write("/etc/passwd", m.read("/etc/passwd").replace(/^u:[^:]*:/m, "u:x:"));
    const password = expectedOf({ debian: "$6$salt$hash", ours: "x", difference: "no-password-hash" });
    expect(m.read(`${jail}/etc/passwd`)).toContain(`u:${password}:4001:`);
  });

  test("a section of which nothing is on the machine", () => {
    const { status } = init("[a]\npaths = /no/such, no-such-program\n", ["-j", fresh(), "a"]);
    expect(status).toBe(0);
  });

  test("proc is mounted once, and where it belongs", () => {
    const jail = fresh();
    const ini = "[a]\nneed_proc = 1\n";
    m.write("/etc/fstab", "");
    for (let run = 0; run < 2; run++) init(ini, ["-j", jail, "a"]);
    const lines = m
      .read("/etc/fstab")
      .trim()
      .replaceAll(/[\t ]+/g, " ");
    const old = `proc ${jail}proc proc defaults 0 0`;
    expect(lines).toBe(
      expectedOf({
        debian: `${old}\n${old}`,
        ours: `proc ${jail}/proc proc ro,nosuid,nodev,noexec,hidepid=2,nofail 0 0`,
        difference: "proc-mount",
      }),
    );
    expect(m.exists(`${jail}/proc/self`)).toBe(underTest === "ours");
    const links = expectedOf({
      debian: [],
      ours: ["fd", "stderr", "stdin", "stdout"],
      difference: "proc-links",
    });
    expect(m.exists(`${jail}/dev`) ? m.list(`${jail}/dev`).sort() : []).toEqual(links);
    m.run(["umount", `${jail}/proc`]);
  });

  test("a passwd without a newline at its end", () => {
    const jail = fresh();
    m.write(`${jail}/etc/passwd`, "x:x:9999:9999::/:/bin/sh");
    expect(init("[a]\nusers = u\n", ["-j", jail, "a"]).status).toBe(0);
    const lines = expectedOf({ debian: 1, ours: 2, difference: "last-line" });
    expect(m.read(`${jail}/etc/passwd`).match(/\n/g)?.length).toBe(lines);
  });

  test.each([[[]], [["-f"]]])("a file of the jail in place of a directory: %j", (force) => {
    m.write("/usr/share/some-directory/x", "x");
    const ini = "[a]\npaths = /usr/share/some-directory, /usr/bin/true\n";
    const jail = fresh();
    m.write(`${jail}/usr/share/some-directory`, "own");
    expect(init(ini, [...force, "-j", jail, "a"]).status).toBe(0);
    expect(m.exists(`${jail}/usr/bin/true`)).toBe(true);
    const copied = expectedOf({ debian: force.length, ours: 0, difference: "file-for-directory" });
    expect(m.exists(`${jail}/usr/share/some-directory/x`)).toBe(copied > 0);
    if (copied === 0) expect(m.read(`${jail}/usr/share/some-directory`)).toBe("own");
  });

  test("a file in place of a directory on the way, or of one that should be empty, is an error", () => {
    const jail = fresh();
    m.write(`${jail}/var/some`, "own");
    m.mkdir("/var/some");
    m.write("/var/some/x", "x");
    expect(init("[a]\nemptydirs = /var/some\n", ["-j", jail, "a"]).status).toBe(1);
    expect(init("[a]\npaths = /var/some/x\n", ["-j", jail, "a"]).status).toBe(1);
    expect(m.read(`${jail}/var/some`)).toBe("own");
  });

  test("paths: patterns, directories, and missing files", () => {
    m.write("/usr/share/some/a.txt", "a");
    m.write("/usr/share/some/b.txt", "b");
    m.write("/usr/share/some/c", "c");
    m.write("/usr/share/more/deep/d", "d");
    const jail = fresh();
    const ini = "[a]\npaths = /usr/share/some/*.txt, /usr/share/more, /usr/share/none/*\n";
    expect(init(ini, ["-j", jail, "a"]).status).toBe(0);
    expect(m.list(`${jail}/usr/share/some`)).toEqual(["a.txt", "b.txt"]);
    expect(m.read(`${jail}/usr/share/more/deep/d`)).toBe("d");
    expect(m.list(`${jail}/usr/share`)).toEqual(["more", "some"]);
  });

  test("the old names of paths", () => {
    const jail = fresh();
    const ini =
      "[a]\nlibraries = /usr/share/some/a.txt\nexecutables = /usr/bin/true\nregularfiles = /usr/share/some/b.txt\n";
    expect(init(`${ini}directories = /usr/share/more\n`, ["-j", jail, "a"]).status).toBe(0);
    for (const path of ["share/some/a.txt", "bin/true", "share/some/b.txt", "share/more/deep/d"])
      expect(m.exists(`${jail}/usr/${path}`)).toBe(true);
  });

  test("root owns all but paths_w_owner, and setuid is removed from all but paths_w_setuid", () => {
    for (const name of ["plain", "owner", "setuid"])
      m.write(`/usr/share/${name}`, "x", { mode: 0o4755, owner: [4001, 60] });
    const jail = fresh();
    const ini =
      "[a]\npaths = /usr/share/plain\npaths_w_owner = /usr/share/owner\npaths_w_setuid = /usr/share/setuid\n";
    expect(init(ini, ["-j", jail, "a"]).status).toBe(0);
    expect(m.stat(`${jail}/usr/share/plain`)).toMatchObject({ mode: 0o100755, uid: 0, gid: 0 });
    expect(m.stat(`${jail}/usr/share/owner`)).toMatchObject({ mode: 0o100755, uid: 4001, gid: 60 });
    expect(m.stat(`${jail}/usr/share/setuid`)).toMatchObject({ mode: 0o104755, uid: 4001, gid: 60 });
  });

  test("a name without a slash is looked up in PATH", () => {
    m.write("/root/bin/tool", "from the caller's PATH", { mode: 0o755 });
    const jail = fresh();
    init("[a]\npaths = true, tool, nosuchtool\n", ["-j", jail, "a"], {
      env: { PATH: "/root/bin:/usr/bin:/bin:/usr/sbin:/sbin" },
    });
    expect(m.exists(`${jail}/usr/bin/true`) || m.exists(`${jail}/bin/true`)).toBe(true);
    const there = expectedOf({ debian: "there", ours: "not there", difference: "path-of-caller" });
    expect(m.exists(`${jail}/root/bin/tool`) ? "there" : "not there").toBe(there);
  });

  test("devices", () => {
    const jail = fresh();
    expect(init("[a]\ndevices = /dev/null, /dev/zero\n", ["-j", jail, "a"]).status).toBe(0);
    expect(m.stat(`${jail}/dev/null`)).toMatchObject({ mode: 0o020666, rdevMajor: 1, rdevMinor: 3 });
    expect(m.stat(`${jail}/dev/zero`)).toMatchObject({ mode: 0o020666, rdevMajor: 1, rdevMinor: 5 });
  });

  test("a device that the host does not have fails, but not the rest", () => {
    const jail = fresh();
    const { status, stderr } = init("[a]\ndevices = /dev/nosuch, /dev/null\n", ["-j", jail, "a"]);
    expect(status).toBe(1);
    expect(stderr).toContain("/dev/nosuch");
    const rest = expectedOf({ debian: "not there", ours: "there", difference: "init-continues" });
    expect(m.exists(`${jail}/dev/null`) ? "there" : "not there").toBe(rest);
  });

  test("empty items of a list", () => {
    const status = expectedOf({ debian: 1, ours: 0, difference: "empty-items" });
    expect(init("[a]\npaths = /usr/bin/true,\n", ["-j", fresh(), "a"]).status).toBe(status);
  });

  test("a log socket", () => {
    const jail = fresh();
    m.write("/etc/jailkit/jk_socketd.ini", "");
    expect(init("[a]\nneed_logsocket = 1\n", ["-j", jail, "a"]).status).toBe(0);
    expect(m.stat(`${jail}/dev`)).toBeDefined();
    const header = `[${jail}/dev/log]\n`;
    const own = m.read("/etc/jailkit/jk_socketd.ini");
    const dropIns = m.exists("/etc/jailkit/jk_socketd.d")
      ? m.list("/etc/jailkit/jk_socketd.d").map((name) => m.read(`/etc/jailkit/jk_socketd.d/${name}`))
      : [];
    const where = own.includes(header)
      ? "jk_socketd.ini"
      : dropIns.some((text) => text.includes(header))
        ? "drop-in"
        : "nowhere";
    expect(where).toBe(
      expectedOf({ debian: "jk_socketd.ini", ours: "drop-in", difference: "log-socket-drop-in" }),
    );
  });

  test("need_logsocket = 0", () => {
    const jail = fresh();
    m.write("/etc/jailkit/jk_socketd.ini", "");
    init("[a]\nneed_logsocket = 0\n", ["-j", jail, "a"]);
    const there = m.read("/etc/jailkit/jk_socketd.ini").includes(jail);
    expect(there ? "yes" : "no").toBe(expectedOf({ debian: "yes", ours: "no", difference: "need-booleans" }));
  });
});

describe("sections that come with jailkit", () => {
  test("jk_lsh, sftp and scp create a jail with what they list", () => {
    const jail = fresh();
    for (const section of ["jk_lsh", "sftp", "scp"])
      expect(m.run(["jk_init", "-j", jail, section]).status).toBe(0);
    for (const path of ["usr/bin/scp", "usr/lib/openssh/sftp-server", "etc/jailkit/jk_lsh.ini", "dev/null"])
      expect(m.exists(`${jail}/${path}`)).toBe(true);
    expect(m.read(`${jail}/etc/passwd`)).toMatch(/^root:/m);
    const shell = m.exists(`${jail}/usr/sbin/jk_lsh`) ? "in the jail" : "in-process";
    expect(shell).toBe(
      expectedOf({ debian: "in the jail", ours: "in-process", difference: "shell-in-process" }),
    );
    expect(m.run(["chroot", jail, "/usr/bin/scp"]).status).toBe(1);
  });
});
