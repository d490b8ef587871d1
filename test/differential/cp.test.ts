// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the shell's
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Machine, openMachine, underTest } from "../machine/machine.ts";
import { type Expected, expectedOf } from "./cases.ts";

let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.addUser("u", { uid: 4001 });
  m.mkdir("/srv/j");
  m.mkdir("/srv/open", { mode: 0o775 });
  m.symlink("/nowhere", "/srv/dangling");
  m.write("/usr/share/data", "data\n");
});
afterAll(async () => m.close());

/** A new, empty jail. */
function fresh(): string {
  const jail = `/srv/cp${++jails}`;
  m.mkdir(jail);
  return jail;
}

const cp = (...args: string[]) => m.run(["jk_cp", ...args]);

test("out of a file system that is mounted nosuid and nodev", () => {
  const jail = fresh();
  m.mkdir("/opt/disk");
  m.must(["mount", "-t", "tmpfs", "-o", "mode=755,nodev,nosuid", "tmpfs", "/opt/disk"]);
  m.must(["sh", "-ec", "cd /opt/disk; echo x > tool; chmod 4755 tool; mknod -m 666 mem c 1 1"]);
  cp("-s", "-j", jail, "/opt/disk/tool");
  cp("-j", jail, "/opt/disk/mem");
  const got = [m.stat(`${jail}/opt/disk/tool`)?.mode, m.exists(`${jail}/opt/disk/mem`)];
  expect(got).toEqual(
    expectedOf({ debian: [0o104755, true], ours: [0o100755, false], difference: "withheld-rights" }),
  );
  m.must(["umount", "/opt/disk"]);
});

describe("options", () => {
  const cases: readonly (readonly [args: readonly string[], status: Expected<number>])[] = [
    [[], 2],
    [["-h"], 0],
    [["--help"], 0],
    [["--bogus"], 1],
    [["/srv/j"], 2],
    [["-j", "/nojail", "/bin/true"], 3],
    [["-j", "/usr/share/data", "/bin/true"], 3],
    [["-j", "/srv/j", "/no/file"], 4],
    [["-j", "/srv/j", "/srv/dangling"], 4],
    [["-j", "/srv/j", "nosuchcmd"], 2],
    [["-j", "/srv/j", "nosuchcmd", "true"], 0],
    [["-j", "/srv/open", "/bin/true"], 6],
    [["--jail=/srv/j", "/usr/share/data"], { debian: 1, ours: 0, difference: "jail-option" }],
    [["/srv/j", "/usr/share/data"], 0],
    [["-vfkos", "-j", "/srv/j", "/usr/share/data"], 0],
    [["--force", "--hardlink", "--owner", "--setuid", "--verbose", "-j", "/srv/j", "/usr/share/data"], 0],
  ];
  test.each(cases)("jk_cp %j", (args, status) => {
    expect(cp(...args).status).toBe(expectedOf(status));
  });

  test("is for root", () => {
    expect(m.run(["jk_cp", "-j", "/srv/j", "/bin/true"], { user: "u" }).status).toBe(5);
  });

  test("nothing is copied if one of the files is missing", () => {
    const jail = fresh();
    expect(cp("-j", jail, "/usr/share/data", "/no/file").status).toBe(4);
    expect(m.list(jail)).toEqual([]);
  });
});

describe("what is copied", () => {
  test("a name with a slash starts at the working directory", () => {
    const jail = fresh();
    const { status } = m.run(["jk_cp", "-j", jail, "./data"], { cwd: "/usr/share" });
    expect(status).toBe(expectedOf({ debian: 2, ours: 0, difference: "relative-operands" }));
    expect(m.exists(`${jail}/usr/share/data`)).toBe(underTest === "ours");
  });

  test("directories that would expose the whole machine", () => {
    const jail = fresh();
    m.write("/media/file", "x");
    const { status } = cp("-j", jail, "/media");
    expect(status).toBe(expectedOf({ debian: 0, ours: 1, difference: "dangerous-sources" }));
    expect(m.exists(`${jail}/media/file`)).toBe(underTest === "debian");
  });

  test("a directory of a user, with a symbolic link out of it", () => {
    const jail = fresh();
    m.mkdir("/usr/share/hers", { owner: [4001, 4001] });
    m.symlink("/usr/share/data", "/usr/share/hers/link");
    expect(cp("-j", jail, "/usr/share/hers").status).toBe(0);
    expect(m.readlink(`${jail}/usr/share/hers/link`)).toBe("/usr/share/data");
    const names = m.list(`${jail}/usr/share`).join(" ");
    expect(names).toBe(expectedOf({ debian: "data hers", ours: "hers", difference: "untrusted-sources" }));
  });

  test("setuid with -s, of a program that is not root's", () => {
    const jail = fresh();
    m.write("/usr/share/games-program", "x", { mode: 0o4755, owner: [4001, 0] });
    expect(cp("-s", "-j", jail, "/usr/share/games-program").status).toBe(0);
    const mode = expectedOf({ debian: 0o104755, ours: 0o100755, difference: "setuid-with-owner" });
    expect(m.stat(`${jail}/usr/share/games-program`)).toMatchObject({ mode, uid: 0 });
  });
});

describe("a program", () => {
  test("comes with its libraries, and runs", () => {
    const jail = fresh();
    expect(cp("-j", jail, "/bin/cat").status).toBe(0);
    expect(m.readlink(`${jail}/bin`)).toBe("usr/bin");
    expect(m.exists(`${jail}/etc/ld.so.cache`)).toBe(true);
    expect(m.run(["chroot", jail, "/bin/cat"], { stdin: "meow" })).toMatchObject({
      status: 0,
      stdout: "meow",
    });
    const before = m.stat(`${jail}/usr/bin/cat`);
    expect(cp("-j", jail, "/bin/cat")).toMatchObject({ status: 0, stderr: "" });
    expect(m.stat(`${jail}/usr/bin/cat`)?.mtime).toBe(before?.mtime ?? 0n);
    expect(m.stat(`${jail}/usr/bin/cat`)?.ino).toBe(before?.ino ?? 0n);
  });

  test("is found in PATH", () => {
    const jail = fresh();
    expect(cp("-j", jail, "cat").status).toBe(0);
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(true);
  });

  test("whose name is shell code", () => {
    const jail = fresh();
    const name = "/usr/share/lib;touch ${HOME}PWNED;x";
    m.write(name, "x", { mode: 0o755 });
    cp("-j", jail, name);
    const ran = m.run(["find", "/", "-xdev", "-maxdepth", "1", "-name", "PWNED"]).stdout;
    expect(ran).toBe(expectedOf({ debian: "/PWNED\n", ours: "", difference: "no-shell" }));
    expect(m.read(jail + name)).toBe("x");
  });

  test("whose name has a blank", () => {
    const jail = fresh();
    m.write("/usr/share/a cat", m.readBytes("/usr/bin/cat"), { mode: 0o755 });
    expect(cp("-j", jail, "/usr/share/a cat").status).toBe(0);
    const status = m.run(["chroot", jail, "/usr/share/a cat"]).status;
    expect(status).toBe(expectedOf({ debian: 127, ours: 0, difference: "no-shell" }));
  });
});

describe("owner, mode and times", () => {
  test("setuid and setgid are removed, unless -s is given", () => {
    const jail = fresh();
    cp("-j", jail, "/usr/bin/passwd");
    expect(m.stat(`${jail}/usr/bin/passwd`)?.mode).toBe(0o100755);
    cp("-s", "-f", "-j", jail, "/usr/bin/passwd");
    expect(m.stat(`${jail}/usr/bin/passwd`)?.mode).toBe(0o104755);
  });

  test("of a directory and what is in it", () => {
    const jail = fresh();
    m.write("/usr/share/dir/sub/file", "x", { mode: 0o640, owner: [4001, 60] });
    m.mkdir("/usr/share/dir/sub", { mode: 0o2770, owner: [4001, 60] });
    m.must(["touch", "-d", "2001-02-03 04:05:06", "/usr/share/dir/sub/file"]);
    expect(cp("-j", jail, "/usr/share/dir").status).toBe(0);
    expect(m.stat(`${jail}/usr/share/dir/sub`)).toMatchObject({ mode: 0o40770, uid: 0, gid: 0 });
    const source = m.stat("/usr/share/dir/sub/file");
    const copied = { mode: 0o100640, uid: 0, gid: 0, mtime: source?.mtime };
    expect(m.stat(`${jail}/usr/share/dir/sub/file`)).toMatchObject(copied);
    expect(cp("-o", "-f", "-j", jail, "/usr/share/dir").status).toBe(0);
    expect(m.stat(`${jail}/usr/share/dir/sub/file`)).toMatchObject({ uid: 4001, gid: 60 });
  });

  test("symbolic links stay symbolic links, and their targets are copied as well", () => {
    const jail = fresh();
    m.symlink("data", "/usr/share/relative");
    m.symlink("/usr/share/relative", "/usr/share/absolute");
    expect(cp("-j", jail, "/usr/share/absolute").status).toBe(0);
    expect(m.readlink(`${jail}/usr/share/absolute`)).toBe("/usr/share/relative");
    expect(m.readlink(`${jail}/usr/share/relative`)).toBe("data");
    expect(m.read(`${jail}/usr/share/data`)).toBe("data\n");
  });

  test("a file that is there stays, unless -f", () => {
    const jail = fresh();
    m.write(`${jail}/usr/share/data`, "old");
    expect(cp("-j", jail, "/usr/share/data").status).toBe(0);
    expect(m.read(`${jail}/usr/share/data`)).toBe("old");
    expect(cp("-f", "-j", jail, "/usr/share/data").status).toBe(0);
    expect(m.read(`${jail}/usr/share/data`)).toBe("data\n");
  });
});

describe("hard links", () => {
  test("-k links", () => {
    const jail = fresh();
    expect(cp("-k", "-f", "-j", jail, "/usr/bin/echo").status).toBe(0);
    expect(m.stat(`${jail}/usr/bin/echo`)?.ino).toBe(m.stat("/usr/bin/echo")?.ino ?? 0n);
  });

  test("-k and a setuid program", () => {
    const jail = fresh();
    expect(cp("-k", "-j", jail, "/usr/bin/passwd").status).toBe(0);
    const mode = expectedOf({ debian: 0o104755, ours: 0o100755, difference: "hard-link-setuid" });
    expect(m.stat(`${jail}/usr/bin/passwd`)?.mode).toBe(mode);
    expect(m.stat("/usr/bin/passwd")?.mode).toBe(0o104755);
  });

  test("-k and a program with file capabilities", () => {
    const jail = fresh();
    m.write("/usr/share/capable", m.readBytes("/usr/bin/true"), { mode: 0o755 });
    m.must(["setcap", "cap_setuid+ep", "/usr/share/capable"]);
    expect(cp("-k", "-j", jail, "/usr/share/capable").status).toBe(0);
    const linked = expectedOf({ debian: 1, ours: 0, difference: "hard-link-grants" });
    expect(Number(m.stat(`${jail}/usr/share/capable`)?.ino === m.stat("/usr/share/capable")?.ino)).toBe(
      linked,
    );
  });
});

describe("ACLs", () => {
  test("a copy does not have the mask as its group bits", () => {
    const jail = fresh();
    m.write("/usr/share/team", "x", { mode: 0o640, owner: [0, 60] });
    m.must(["setfacl", "-m", "u:4001:rw", "/usr/share/team"]);
    cp("-o", "-j", jail, "/usr/share/team");
    const mode = expectedOf({ debian: 0o100660, ours: 0o100640, difference: "copy-mode" });
    expect(m.stat(`${jail}/usr/share/team`)).toMatchObject({ mode, uid: 0, gid: 60 });
  });

  test("a default ACL", () => {
    const jail = fresh();
    m.must(["setfacl", "-m", "d:u:4001:rwx", jail]);
    cp("-j", jail, "/usr/share/data");
    const text = m.must(["getfacl", "-pcnE", `${jail}/usr/share/data`]).stdout;
    const named = expectedOf({ debian: 1, ours: 0, difference: "default-acl" });
    expect(text.match(/^user:4001:/gm)?.length ?? 0).toBe(named);
  });
});

describe("devices", () => {
  test("keep numbers and mode", () => {
    const jail = fresh();
    expect(cp("-j", jail, "/dev/null").status).toBe(0);
    // 2.23 keeps whole seconds
    const mtime = (stat = m.stat("/dev/null")) => (stat?.mtime ?? 0n) / 1_000_000_000n;
    expect(mtime(m.stat(`${jail}/dev/null`))).toBe(mtime());
    const device = { mode: 0o020666, rdevMajor: 1, rdevMinor: 3 };
    expect(m.stat(`${jail}/dev/null`)).toMatchObject(device);
  });

  test("with a minor number above 255", () => {
    const jail = fresh();
    m.must(["mknod", "-m", "600", "/dev/large", "c", "10", "300"]);
    cp("-j", jail, "/dev/large");
    const made = m.stat(`${jail}/dev/large`);
    const is = expectedOf({ debian: "none", ours: "10:300", difference: "device-numbers" });
    expect(made === undefined ? "none" : `${made.rdevMajor}:${made.rdevMinor}`).toBe(is);
  });
});

describe("links in the jail", () => {
  test.each(["/etc", "../../etc"])("a system directory that is a link to %s", (target) => {
    const jail = fresh();
    m.symlink(target, `${jail}/sbin`);
    const { status } = cp("-j", jail, "/usr/sbin/useradd", "/usr/share/data");
    // for those inside, /etc is the jail's
    expect(status).toBe(expectedOf({ debian: 6, ours: 0, difference: "links-in-jail" }));
    expect(m.exists("/etc/useradd")).toBe(false);
    expect(m.exists(`${jail}/usr/share/data`)).toBe(status === 0);
  });

  test("a system directory that is a link to a directory of the user", () => {
    const jail = fresh();
    m.mkdir(`${jail}/home/u`, { owner: [4001, 4001] });
    m.symlink("../home/u", `${jail}/usr`);
    m.symlink("home/u", `${jail}/sbin`);
    expect(cp("-j", jail, "/usr/share/data").status).toBe(6);
    expect(m.list(`${jail}/home/u`)).toEqual([]);
  });

  test("a file that is a link is not written through", () => {
    const jail = fresh();
    m.write("/root/victim", "untouched");
    m.mkdir(`${jail}/usr/share`);
    m.symlink("/root/victim", `${jail}/usr/share/data`);
    expect(cp("-f", "-j", jail, "/usr/share/data").status).toBe(0);
    const content = expectedOf({ debian: "data\n", ours: "untouched", difference: "links-in-jail" });
    expect(m.read("/root/victim")).toBe(content);
  });
});
