/** Privileges of a file do not get into a jail with it, and an ACL hides nobody who can change a jail. */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openManifestFile } from "../e2e/manifest-file.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const MALLORY = 4001;
const TEAM = 4100;
let m: Machine;
let jails = 0;
let jail: string;
beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_init", "jk_cp", "jk_update", "jk_check", "jk_jailuser", "jk_chrootsh", "jailkit"],
  });
  m.addUser("mallory", { uid: MALLORY });
  m.must(["groupadd", "-g", String(TEAM), "team"]);
  // Says who it is when it has tried to become root.
  m.write(
    "/root/x.c",
    '#include <unistd.h>\n#include <stdio.h>\nint main(void) { setuid(0); return !printf("%d\\n", (int)geteuid()); }\n',
  );
  m.must(["gcc", "-static", "-o", "/root/x", "/root/x.c"]);
});
beforeEach(() => {
  jail = `/srv/j${++jails}`;
  m.mkdir(jail);
  m.remove("/usr/bin/x");
  m.remove("/opt/app");
  m.write("/usr/bin/x", m.readBytes("/root/x"), { mode: 0o755 });
});
afterAll(async () => m.close());

const acl = (entries: string, ...paths: string[]) => m.must(["setfacl", "-m", entries, ...paths]);
/** The entries that name somebody, the mask, and all of a default ACL. */
const extended = (path: string) =>
  m
    .must(["getfacl", "-pcnE", path])
    .stdout.split("\n")
    .filter((line) => /^(?:default:|mask:|(?:user|group):\d)/.test(line));
const inode = (path: string) => m.stat(path)?.ino;
const capabilities = (path: string) => m.must(["getcap", path]).stdout;
/** Who mallory is after starting a program in the jail that tries to become root. */
const whoIn = (path: string) =>
  m.run(["chroot", `--userspec=${MALLORY}:${MALLORY}`, jail, path]).stdout.trim();

describe("what a host's file grants", () => {
  const grant: Readonly<Record<string, () => void>> = {
    "file capabilities": () => m.must(["setcap", "cap_setuid+ep", "/usr/bin/x"]),
    "an ACL": () => acl(`u:${MALLORY}:rwx`, "/usr/bin/x"),
    "an ACL for a group": () => acl(`g:${MALLORY}:rw`, "/usr/bin/x"),
    "the setuid bit": () => m.chmod("/usr/bin/x", 0o4755),
  };

  /** The jail has a file of its own, as anybody's, and the host's is as it was. */
  function expectOwnFile(path = "/usr/bin/x", source = path): void {
    expect(inode(jail + path)).not.toBe(inode(source) ?? 0n);
    expect(capabilities(jail + path)).toBe("");
    expect(extended(jail + path)).toEqual([]);
    expect((m.stat(jail + path)?.mode ?? 0) & 0o7777).toBe(0o755);
    expect(whoIn(path)).toBe(String(MALLORY));
  }

  test.each(Object.keys(grant))("stays behind: %s", (what) => {
    grant[what]?.();
    m.must(["jk_cp", "-j", jail, "/usr/bin/x"]);
    expectOwnFile();
  });
  test.each(Object.keys(grant))("is not shared by a hard link: %s", (what) => {
    grant[what]?.();
    const before = m.must(["getfacl", "-pn", "/usr/bin/x"]).stdout + capabilities("/usr/bin/x");
    const { stdout } = m.must(["jk_cp", "-v", "-k", "-j", jail, "/usr/bin/x"]);
    expectOwnFile();
    expect(stdout).toContain("/usr/bin/x is copied, not linked");
    expect(m.must(["getfacl", "-pn", "/usr/bin/x"]).stdout + capabilities("/usr/bin/x")).toBe(before);
  });
  test.each(Object.keys(grant))("is not shared below a directory: %s", (what) => {
    grant[what]?.();
    m.mkdir("/opt/app/bin");
    m.must(["cp", "-a", "/usr/bin/x", "/opt/app/bin/y"]);
    m.write("/opt/app/bin/plain", m.readBytes("/root/x"), { mode: 0o755 });
    m.must(["jk_cp", "-k", "-j", jail, "/opt/app"]);
    expectOwnFile("/opt/app/bin/y");
    // What grants nothing is linked, as was asked for.
    expect(inode(`${jail}/opt/app/bin/plain`)).toBe(inode("/opt/app/bin/plain"));
  });
  test.each(Object.keys(grant))("is not shared by jk_init: %s", (what) => {
    grant[what]?.();
    m.write("/etc/jailkit/jk_init.d/x.ini", "[x]\npaths = /usr/bin/x\n");
    m.must(["jk_init", "-k", "-j", jail, "x"]);
    expectOwnFile();
  });
  test.each(Object.keys(grant))("is not shared any more after an update: %s", (what) => {
    m.must(["jk_cp", "-k", "-j", jail, "/usr/bin/x"]);
    expect(inode(`${jail}/usr/bin/x`)).toBe(inode("/usr/bin/x"));
    // A hard link: the jail's gets it too.
    grant[what]?.();
    m.must(["jk_update", "-j", jail]);
    expectOwnFile();
    expect(m.must(["jk_update", "-j", jail]).stdout).not.toContain("/usr/bin/x");
  });
  test.each(Object.keys(grant))("is not copied by an update: %s", (what) => {
    m.must(["jk_cp", "-k", "-j", jail, "/usr/bin/x"]);
    m.remove("/usr/bin/x");
    m.write("/usr/bin/x", m.readBytes("/root/x"), { mode: 0o755 });
    grant[what]?.();
    m.must(["jk_update", "-k", "-j", jail]);
    expectOwnFile();
  });
  test("with -s: setuid is linked if requested, and capabilities never", () => {
    m.chmod("/usr/bin/x", 0o4755);
    m.must(["jk_cp", "-k", "-s", "-j", jail, "/usr/bin/x"]);
    expect(inode(`${jail}/usr/bin/x`)).toBe(inode("/usr/bin/x"));
    m.must(["setcap", "cap_setuid+ep", "/usr/bin/x"]);
    acl(`u:${MALLORY}:r`, "/usr/bin/x");
    m.must(["jk_cp", "-f", "-k", "-s", "-j", jail, "/usr/bin/x"]);
    expect(inode(`${jail}/usr/bin/x`)).not.toBe(inode("/usr/bin/x") ?? 0n);
    expect([capabilities(`${jail}/usr/bin/x`), extended(`${jail}/usr/bin/x`)]).toEqual(["", []]);
    expect((m.stat(`${jail}/usr/bin/x`)?.mode ?? 0) & 0o7777).toBe(0o4755);
  });
});

describe("the mode of a copy is no mask", () => {
  const modeOf = (path: string) => {
    const { mode = 0, gid = -1 } = m.stat(path) ?? {};
    return [(mode & 0o7777).toString(8), gid];
  };
  beforeEach(() => {
    m.mkdir("/opt/app/d", { mode: 0o750, owner: [0, TEAM] });
    m.write("/opt/app/secret", "x", { mode: 0o640, owner: [0, TEAM] });
    // The group less than others, and less than the mask lets through.
    m.write("/opt/app/denied", "x", { mode: 0o604, owner: [0, TEAM] });
    m.write("/opt/app/masked", "x", { mode: 0o660, owner: [0, TEAM] });
    acl(`u:${MALLORY}:rwx`, "/opt/app/d", "/opt/app/secret");
    acl(`u:${MALLORY}:r`, "/opt/app/denied");
    acl(`u:${MALLORY}:rw,m::r`, "/opt/app/masked");
    expect(["d", "secret", "denied", "masked"].map((name) => modeOf(`/opt/app/${name}`)[0])).toEqual([
      "770",
      "670",
      "644",
      "640",
    ]);
  });
  const expected = [
    ["750", TEAM],
    ["640", TEAM],
    ["604", TEAM],
    ["640", TEAM],
  ];
  const inJail = () => ["d", "secret", "denied", "masked"].map((name) => modeOf(`${jail}/opt/app/${name}`));

  test("in jk_cp, in the record, and for jk_check and jk_update after it", () => {
    m.must(["jk_cp", "-o", "-j", jail, "/opt/app"]);
    expect(inJail()).toEqual(expected);
    expect(m.run(["jk_check", "-j", jail]).stdout).not.toContain("/opt/app");
    expect(m.must(["jk_update", "-j", jail]).stdout).not.toContain("/opt/app");
    for (const name of ["secret", "denied", "masked"]) {
      m.must(["sh", "-c", `printf changed > /opt/app/${name}`]);
    }
    m.must(["jk_update", "-j", jail]);
    expect(m.read(`${jail}/opt/app/secret`)).toBe("changed");
    expect(inJail()).toEqual(expected);
  });
  test("and where the ACL cannot be read, the group gets no more than others, until it can", () => {
    const calls = process.arch === "arm64" ? ["464", "8", "9"] : ["464", "191", "192"];
    const without = compiledC(join(import.meta.dir, "refuse-call.c"), ["-static"]);
    m.write("/root/refuse-call", readFileSync(without), { mode: 0o755 });
    // EIO: what is not there, or not supported, is another answer.
    m.must(["/root/refuse-call", "5", ...calls, "--", "/usr/sbin/jk_cp", "-o", "-j", jail, "/opt/app"]);
    expect(inJail()).toEqual([
      ["700", TEAM],
      ["600", TEAM],
      ["644", TEAM],
      ["600", TEAM],
    ]);
    m.must(["jk_update", "-j", jail]);
    expect(inJail()).toEqual(expected);
  });
  test("in a jail that was made with the mask: jk_update fixes it", () => {
    m.must(["setfacl", "-b", "-R", "/opt/app"]);
    for (const name of ["d", "secret"]) m.chmod(`/opt/app/${name}`, 0o770);
    m.must(["jk_cp", "-o", "-j", jail, "/opt/app"]);
    for (const [name, mode] of [
      ["d", 0o750],
      ["secret", 0o640],
    ] as const) {
      m.chmod(`/opt/app/${name}`, mode);
      acl(`u:${MALLORY}:rwx`, `/opt/app/${name}`);
    }
    m.must(["jk_update", "-j", jail]);
    expect(inJail().slice(0, 2)).toEqual(expected.slice(0, 2));
  });
  test("in the record of what was there before it was requested", () => {
    m.must(["jk_cp", "-j", jail, "/opt/app"]);
    for (const path of ["/opt/app/new", `${jail}/opt/app/new`]) m.write(path, "x", { mode: 0o640 });
    acl(`u:${MALLORY}:rw`, `${jail}/opt/app/new`);
    m.must(["jk_update", "-j", jail]);
    const { entries } = openManifestFile(m, jail);
    expect(entries.find(({ path }) => path === "/opt/app/new")?.mode).toBe(0o640);
  });
  test("of what replaces a jail's own account file", () => {
    m.must(["jk_init", "-j", jail, "uidbasics"]);
    m.mkdir(`${jail}/home`);
    m.write(`${jail}/etc/group`, m.read(`${jail}/etc/group`), { mode: 0o600, owner: [0, TEAM] });
    // One that lets somebody write makes the jail unsafe.
    acl(`u:${MALLORY}:r`, `${jail}/etc/group`);
    m.must(["jk_jailuser", "-n", "-j", jail, "mallory"]);
    expect(m.read(`${jail}/etc/group`)).toContain("mallory");
    expect(modeOf(`${jail}/etc/group`)).toEqual(["600", TEAM]);
    expect(extended(`${jail}/etc/group`)).toEqual([]);
  });
});

describe("what a mount withholds of its files", () => {
  const plant = `mkdir /opt/disk/app; cp /root/x /opt/disk/app/x; chmod 4755 /opt/disk/app/x
    echo plain > /opt/disk/app/plain; mknod -m 666 /opt/disk/app/mem c 1 1; mknod -m 666 /opt/disk/app/disk b 8 0`;
  beforeEach(() => {
    m.run(["umount", "/opt/disk"]);
    m.mkdir("/opt/disk");
  });
  const withOptions = (options: string) =>
    m.must(["sh", "-ec", `mount -t tmpfs -o mode=755,${options} tmpfs /opt/disk\n${plant}`]);

  test("is not given to a jail: no device of one that is nodev, no setuid bit of one that is nosuid", () => {
    withOptions("nodev,nosuid");
    // A warning, as for all that is passed over, and an error with --strict.
    for (const [options, expected] of [
      [[], 0],
      [["--strict"], 1],
    ] as const) {
      const { status, stderr } = m.run(["jk_cp", "-s", ...options, "-j", jail, "/opt/disk/app"]);
      expect(m.list(`${jail}/opt/disk/app`)).toEqual(["plain", "x"]);
      expect([status, stderr]).toEqual([
        expected,
        expect.stringContaining("/opt/disk/app/mem is a device on a file system mounted nodev"),
      ]);
      expect(stderr).toContain("/opt/disk/app/disk is a device on a file system mounted nodev");
    }
    expect(m.stat(`${jail}/opt/disk/app/x`)?.mode).toBe(0o100755);
    const named = ["-f", "-j", jail, "/opt/disk/app/mem"];
    expect(m.run(["jk_cp", ...named])).toMatchObject({
      status: 0,
      stderr: expect.stringContaining("warning: /opt/disk/app/mem is a device"),
    });
    expect(m.run(["jk_cp", "--strict", ...named]).status).toBe(1);
    m.run(["jk_cp", "-f", "-s", "-j", jail, "/opt/disk/app/x"]);
    m.run(["jk_update", "-j", jail]);
    expect(m.list(`${jail}/opt/disk/app`)).toEqual(["plain", "x"]);
    expect([whoIn("/opt/disk/app/x"), m.stat(`${jail}/opt/disk/app/x`)?.mode]).toEqual([
      String(MALLORY),
      0o100755,
    ]);
  });

  test("is not proposed either if the disk is a user's", () => {
    withOptions("nodev,nosuid");
    m.chown("/opt/disk/app", MALLORY, MALLORY);
    const { stderr } = m.run(["jk_cp", "-j", jail, "/opt/disk/app"]);
    expect(stderr).toContain("/opt/disk/app/disk is a device on a file system mounted nodev");
    expect(stderr).not.toContain("mknod");
  });

  test("is copied if it is mounted without these options", () => {
    withOptions("dev,suid");
    m.must(["jk_cp", "-s", "-j", jail, "/opt/disk/app"]);
    expect(m.list(`${jail}/opt/disk/app`)).toEqual(["disk", "mem", "plain", "x"]);
    expect(m.stat(`${jail}/opt/disk/app/x`)?.mode).toBe(0o104755);
  });
});
