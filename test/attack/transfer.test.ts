/**
 * The file of jailkit import comes from a machine that an attacker owns. Whatever it says, nothing of this machine is
 * overwritten, no account gets more than it had, and the users of the new jail see nothing that others may not read.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

setDefaultTimeout(120_000);

const JAIL = "/srv/new";
const FILE = "/root/export.json";
const PLACES = ["/etc", "/home", "/srv", "/opt"];

type Fields = Record<string, unknown>;
let m: Machine;
let good: Fields;

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  // Empty, whatever the machine below has there.
  for (const path of ["/home", "/opt", "/srv"])
    m.must(["mount", "-t", "tmpfs", "-o", "mode=755", "none", path]);
  m.must(["groupadd", "-f", "-r", "jailed"]);
  m.addUser("admin", { uid: 1500, home: "/home/admin", createHome: true });
  m.write("/opt/private/key", "secret of the machine", { mode: 0o600 });
  m.write("/usr/local/bin/grant", "#!/bin/sh\n", { mode: 0o755 });
  m.must(["chmod", "4755", "/usr/local/bin/grant"]);
  m.must(["mknod", "-m", "0666", "/dev/raw-memory", "c", "1", "1"]);
  m.write("/etc/jailkit/jk_init.d/own.ini", "[grants]\npaths_w_setuid = /usr/local/bin/grant\n");
  m.write(
    "/etc/jailkit/jk_init.d/own2.ini",
    "[later]\npaths = true\npaths_w_setuid = /usr/local/bin/late*\n",
  );
  m.write("/srv/shared/board", "", { mode: 0o666 });
  m.must(["ln", "-s", "/etc", "/srv/shared/link"]);
  m.must(["groupadd", "-g", "1600", "bob"]);
  m.addUser("bob", { uid: 1600, gid: 1600, home: "/home/bob" });
  m.mkdir("/sites");
  m.write("/home/bob/site/config", "password of bob's database", { owner: [1600, 1600], mode: 0o644 });
  m.must(["jk_init", "-j", "/opt/other", "uidbasics"]);
  m.must(["jk_init", "-j", "/srv/seen", "uidbasics"]);
  m.mkdir("/opt/seen");
  m.must(["mount", "--bind", "/srv/seen/etc", "/opt/seen"]);
  m.write("/etc/jailkit/jk_lsh.ini", `# ${"x".repeat(1_000_000)}\n`);
  if (!m.exists("/dev/net/tun")) m.must(["sh", "-c", "mkdir -p /dev/net; mknod /dev/net/tun c 10 200"]);
  m.must(["jk_init", "-j", "/srv/old", "basicshell"]);
  m.must(["jk_addjailuser", "-j", "/srv/old", "-u", "5001", "-s", "/bin/bash", "anna"]);
  good = JSON.parse(m.must(["jailkit", "export", "/srv/old"]).stdout) as Fields;
  m.must(["jailkit", "delete", "--yes", "--unjail", "/srv/old"]);
  m.must(["userdel", "-r", "anna"]);
});
afterAll(() => m?.close());

const user = (more: Fields): Fields => ({ ...(good.users as Fields[])[0], ...more });
const request = (tool: string, names: string[], more: Fields = {}): Fields => ({
  ...{ tool, names, copyShell: false, hardlink: false, owner: false, setuid: false },
  ...more,
});
const copies = (names: string[], more: Fields = {}): Fields => ({
  requests: [...(good.requests as Fields[]), request("jk_cp", names, more)],
});
const asked = (name: string): Fields => ({ requests: [request("jk_init", [name])] });
const section = (name: string, keys: Fields): Fields => ({
  requests: [...(good.requests as Fields[]), request("jk_init", [name])],
  sections: [...(good.sections as Fields[]), { name, own: true, keys }],
});

/** Imports the good file with other fields. */
function imported(fields: Fields, options: readonly string[] = [], accounts = "--create-users") {
  m.write(FILE, JSON.stringify({ ...good, ...fields }), { mode: 0o600 });
  return m.run(["jailkit", "import", accounts, ...options, "-j", JAIL, FILE]);
}

const REFUSED: readonly (readonly [string, () => Fields, string])[] = [
  [
    "a section of this machine with setuid",
    () => asked("grants"),
    "/usr/local/bin/grant is copied with setuid",
  ],
  ["a section of this machine with a device", () => asked("openvpn"), "/dev/net/tun is a device"],
  [
    "a section of this machine with setuid, for files that come later",
    () => asked("later"),
    "/usr/local/bin/late* is copied with setuid",
  ],
  [
    "a file of a user",
    () => copies(["/home/bob/site"]),
    "/home/bob/site/config of this machine belongs to a user",
  ],
  [
    "files of a user, by a section",
    () => section("x", { paths: "/home/bob/site/config" }),
    "/home/bob/site/config of this machine belongs to a user",
  ],
  ["another jail", () => copies(["/opt/other/etc"]), "files of the jail /opt/other are copied"],
  ["another jail, by a mount", () => copies(["/opt/seen"]), "files of the jail /srv/seen are copied"],
  [
    "a place where others will have files",
    () => copies(["/media"]),
    "/media is copied, which is not below /usr, /etc or /opt",
  ],
  ["what has such a place", () => copies(["/var"]), "/var is copied, which is not below /usr, /etc or /opt"],
  [
    "a pattern that leaves the programs later",
    () => section("x", { paths: "true, /usr/*/../../s*/*" }),
    "/usr/*/../../s*/* is copied, which is not below /usr",
  ],
  ["a place that nobody knows", () => copies(["/sites"]), "/sites is copied, which is not below /usr"],
  ["programs of all kinds", () => copies(["/opt"]), "/opt is copied, which is not below /usr"],
  ["all files", () => copies(["/"]), "/ is copied, which is not below /usr, /etc or /opt"],
  [
    "a pattern for them",
    () => section("x", { paths: "true, /usr/../s*/*" }),
    "/usr/../s*/* is copied, which is not below /usr, /etc or /opt",
  ],
  ["all jails", () => copies(["/opt"]), "files of the jail /opt/other are copied"],
  [
    "hard links to files that everybody can write",
    () => copies(["/srv/shared/board"], { hardlink: true }),
    "/srv/shared/board is a hard link to a file that everybody can write",
  ],
  [
    "a home behind a symbolic link",
    () => ({ ...copies(["/srv/shared/link"]), users: [user({ home: "/srv/shared/link/anna" })] }),
    "/srv/shared/link of the jail is not a directory",
  ],
  [
    "a home that is a file",
    () => ({ ...copies(["/srv/shared/board"]), users: [user({ home: "/srv/shared/board" })] }),
    "/srv/shared/board of the jail is not a directory",
  ],
  [
    "a home that is live",
    () => ({ live: ["/usr", "/opt/private"], users: [user({ home: "/opt/private/anna" })] }),
    "/opt/private is live, and read-only",
  ],
  [
    "a policy that no file can hold",
    () => ({
      policies: [{ name: "anna", keys: { environment: "A=b,".repeat(14_000) } }],
      ...copies(["/etc/jailkit/jk_lsh.ini"]),
    }),
    "too long for one file",
  ],
  ["the group of another customer", () => ({ users: [user({ group: "bob", gid: 1600 })] }), "may be its own"],
  [
    "one home twice",
    () => ({ users: [user({}), user({ name: "carl", uid: 5002 })] }),
    "is the home of 'anna'",
  ],
  [
    "a comment that useradd refuses",
    () => ({ users: [user({ comment: "\udcff" })] }),
    "cannot be the comment",
  ],
  [
    "more messages in the log",
    () => ({ logSocket: { base: 1000, peak: 2048, interval: 10 } }),
    "relays more",
  ],
  ["more often", () => ({ logSocket: { base: 512, peak: 2048, interval: 1 } }), "relays more"],
  ["more at once", () => ({ logSocket: { base: 512, peak: 9000, interval: 10 } }), "relays more"],
  ["a file with its owner", () => copies(["/etc/shadow"], { owner: true }), "with its owner"],
  [
    "a setuid program",
    () => copies(["/usr/local/bin/grant"], { setuid: true }),
    "with setuid and setgid bits",
  ],
  ["a device", () => copies(["/dev/raw-memory"]), "/dev/raw-memory is a device"],
  [
    "a section with a device",
    () => section("x", { devices: "/dev/raw-memory" }),
    "/dev/raw-memory is a device",
  ],
  [
    "a section with setuid",
    () => section("x", { paths_w_setuid: "/usr/local/bin/grant" }),
    "setuid and setgid",
  ],
  [
    "setuid for what a section of this machine brings too",
    () => section("x", { paths_w_setuid: "/usr/bin/bash" }),
    "/usr/bin/bash is copied with setuid and setgid bits",
  ],
  [
    "a section with owners",
    () => section("x", { paths_w_owner: "/etc/shadow" }),
    "/etc/shadow is copied with its",
  ],
  ["the directories of /opt", () => ({ live: ["/opt/private"] }), "/opt/private of this machine is mounted"],
  [
    "a section of this machine with a socket",
    () => asked("mysqlsocket"),
    "/run/mysqld of this machine is mounted",
  ],
  [
    "a section with a socket",
    () => section("x", { sockets: "/run/dbus/system_bus_socket" }),
    "/run/dbus of this machine is mounted",
  ],
  ["any directory, live", () => ({ live: ["/root"] }), "--live: /root"],
  ["part of a live jail", () => ({ live: ["/lib"] }), "--live: /lib: name /usr"],
  ["another, live", () => ({ live: ["/usr", "/opt/../root"] }), "--live: /opt/../root"],
  ["a file above", () => copies(["/srv/../etc/shadow"]), "is not an absolute path"],
  ["a file that is no path", () => copies(["etc/shadow"]), "is not an absolute path"],
  ["a section for everybody", () => section("DEFAULT", { paths: "/bin/true" }), "cannot be used"],
  ["a section with another", () => section("a]\\n[b", { paths: "/bin/true" }), "cannot be used"],
  ["root", () => ({ users: [user({ name: "root", uid: 0 })] }), "a jail cannot hold root"],
  ["another root", () => ({ users: [user({ uid: 0 })] }), "a jail cannot hold root"],
  ["an administrator", () => ({ users: [user({ name: "admin", uid: 1500 })] }), "is on this machine already"],
  ["the uid of one", () => ({ users: [user({ uid: 1500 })] }), "belongs to 'admin'"],
  [
    "a group that reads passwords",
    () => ({ users: [user({ group: "shadow", gid: 42 })] }),
    "not in the range of users",
  ],
  ["a home outside", () => ({ users: [user({ home: "/../../root" })] }), "a directory of the jail's own"],
  ["a shell outside", () => ({ users: [user({ shell: "/../../bin/sh" })] }), "is no path"],
  ["a shell that is not there", () => ({ users: [user({ shell: "/bin/zsh" })] }), "is not in the new jail"],
  [
    "settings for everybody",
    () => ({ settings: [{ name: "DEFAULT", keys: { relax_home_owner: "1" } }] }),
    "is for none of the users",
  ],
  [
    "settings for a user",
    () => ({ settings: [{ name: "anna", keys: { skip_injail_passwd_check: "1" } }] }),
    "is added to jk_chrootsh.ini",
  ],
  [
    "what others may run",
    () => ({ policies: [{ name: "admin", keys: { executables: "/bin/sh" } }] }),
    "is for none of the users",
  ],
];

describe("refused before the first change:", () => {
  test.each(REFUSED)("%s", (_name, fields, message) => {
    const before = PLACES.map((path) => m.snapshot(path));
    const { status, stdout, stderr } = imported(fields());
    expect([status, stdout, stderr]).toEqual([1, "", expect.stringContaining(message)]);
    expect(stderr).toMatch(/^(?:jailkit import: [\x20-\x7e]+\n)+$/);
    expect(PLACES.map((path) => m.snapshot(path))).toEqual(before);
    expect(m.run(["jailkit", "list", JAIL]).status).toBe(1);
  });

  test("everything that is wrong, at once", () => {
    const fields = { ...copies(["/etc/shadow"], { owner: true }), users: [user({ uid: 0 })] };
    const report = reportOf(REPORT_SCHEMAS["jailkit import"], imported(fields, ["--json"]).stdout);
    expect(report.problems.map(({ code }) => code).sort()).toEqual(["bad-user", "needs-trust"]);
    expect(report.steps).toEqual([]);
  });
});

describe("the file itself:", () => {
  const run = (file: string, ...options: string[]) =>
    m.run(["jailkit", "import", ...options, "-j", JAIL, file]);

  test("a FIFO, a device or a directory is not read", () => {
    m.must(["mkfifo", "/tmp/fifo"]);
    for (const file of ["/tmp/fifo", "/dev/zero", "/tmp"])
      expect(run(file)).toMatchObject({ status: 1, stderr: expect.stringContaining("not a regular file") });
  });

  test("a huge one is not read to its end", () => {
    m.must(["truncate", "-s", "1T", "/tmp/huge"]);
    expect(run("/tmp/huge").status).toBe(1);
  });

  test("names do not reach the terminal", () => {
    const { stderr } = imported({ users: [user({ name: "a\u009b2Jb\u202ec", uid: 0 })] });
    expect(stderr).toMatch(/^[\x20-\x7e\n]*$/);
  });

  test("--trusted is for a file that only root can write", () => {
    m.write("/tmp/given.json", JSON.stringify(good), { owner: [1500, 1500] });
    expect(run("/tmp/given.json", "--trusted")).toMatchObject({
      status: 1,
      stderr: expect.stringContaining("users other than root can change it"),
    });
    m.write("/tmp/open.json", JSON.stringify(good), { mode: 0o666 });
    expect(run("/tmp/open.json", "--trusted").status).toBe(1);
    expect(m.exists(JAIL)).toBe(false);
  });

  test("-o of export follows no link that a user made", () => {
    m.mkdir("/tmp/public", { mode: 0o777 });
    m.must(["ln", "-s", "/etc/passwd", "/tmp/public/out"], { user: "admin" });
    const before = m.read("/etc/passwd");
    m.must(["jk_init", "-j", "/srv/some", "uidbasics"]);
    m.run(["jailkit", "export", "-o", "/tmp/public/out", "/srv/some"]);
    m.must(["jailkit", "delete", "--yes", "/srv/some"]);
    expect(m.read("/etc/passwd")).toBe(before);
  });
});

describe("what an import does", () => {
  beforeEach(() => {
    m.run(["jailkit", "delete", "--yes", "--unjail", "--user-files", JAIL]);
    m.run(["userdel", "anna"]);
    m.run(["rm", "-rf", JAIL, "/home/anna"]);
  });

  test("shows the users of the jail nothing that others may not read", () => {
    expect(imported(copies(["/etc/shadow", "/opt/private"])).status).toBe(0);
    for (const path of ["/etc/shadow", "/opt/private/key"]) {
      const stat = m.stat(JAIL + path);
      expect([path, stat?.uid, stat?.gid, (stat?.mode ?? 0) & 0o007]).toEqual([path, 0, 0, 0]);
      expect(m.run(["cat", JAIL + path], { user: "anna" }).status).toBe(1);
    }
  });

  test("adds no section that the jail does not need", () => {
    const others = {
      sections: [{ name: "php9", own: true, keys: { devices: "/dev/sda", paths: "/bin/true" } }],
    };
    const before = m.snapshot("/etc/jailkit");
    const { status, stderr } = imported(others);
    expect([status, stderr]).toEqual([
      0,
      expect.stringContaining("section 'php9' is not needed in the jail"),
    ]);
    expect(m.snapshot("/etc/jailkit")).toEqual(before);
  });

  test("takes the place from the administrator, not from the file", () => {
    for (const jail of ["/", "/etc", "/home/admin"]) {
      const before = ["/etc/jailkit", "/home"].map((path) => m.snapshot(path));
      expect(imported({ jail }, [], "--without-users").status).toBe(0);
      expect(["/etc/jailkit", "/home"].map((path) => m.snapshot(path))).toEqual(before);
      m.must(["jailkit", "delete", "--yes", JAIL]);
    }
  });

  test("is not done where something is already", () => {
    m.write(`${JAIL}/usr/bin/mine`, "of somebody", { mode: 0o755 });
    const before = m.snapshot("/srv");
    const { status, stderr } = imported({});
    expect([status, stderr]).toEqual([1, expect.stringContaining(`${JAIL} is not empty`)]);
    expect(m.snapshot("/srv")).toEqual(before);
  });

  test("leaves a jail of others alone, although the same was requested for it", () => {
    m.must(["jk_init", "-j", JAIL, "basicshell"]);
    m.must(["jk_addjailuser", "-j", JAIL, "-u", "5100", "dora"]);
    const before = ["/srv", "/etc"].map((path) => m.snapshot(path));
    const dora = user({ name: "dora", uid: 5100, home: "/home/dora" });
    const everybody = { policies: [{ name: "DEFAULT", keys: { executables: "/bin/bash" } }] };
    for (const fields of [{}, { users: [dora] }, everybody]) {
      const { status, stderr } = imported(fields);
      expect([status, stderr]).toEqual([1, expect.stringContaining("was not made from this file")]);
    }
    expect(["/srv", "/etc"].map((path) => m.snapshot(path))).toEqual(before);
    m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", JAIL]);
    m.must(["userdel", "dora"]);
  });

  test("goes on only with the file that it began with", () => {
    expect(imported({}).status).toBe(0);
    const before = ["/srv", "/etc"].map((path) => m.snapshot(path));
    expect(imported({ users: [user({ shell: "/usr/bin/env" })] }).status).toBe(1);
    expect(["/srv", "/etc"].map((path) => m.snapshot(path))).toEqual(before);
    expect(imported({}).status).toBe(0);
  });

  test("refuses directories of the host, and places that users own", () => {
    m.write(FILE, JSON.stringify(good), { mode: 0o600 });
    const etc = m.snapshot("/etc");
    for (const jail of ["/", "/etc", "/usr", "/home/admin/jail", "/tmp/public/jail"])
      expect([jail, m.run(["jailkit", "import", "-j", jail, FILE]).status]).toEqual([jail, 1]);
    expect(m.snapshot("/etc")).toEqual(etc);
  });

  test("gives no account a password, or a group of the system", () => {
    const groups = ["shadow", "disk", "sudo", "jailed", "bob"].map((name) => ({
      name,
      gid: Number(new RegExp(`^${name}:x:(\\d+)`, "m").exec(m.read("/etc/group"))?.[1]),
    }));
    expect(imported({ users: [user({ groups })] }).status).toBe(0);
    expect(m.must(["id", "-Gn", "anna"]).stdout).toBe("users jailed\n");
    expect(m.read("/etc/shadow")).toMatch(/^anna:\*:/m);
  });

  test("what a trusted file asks for is there", () => {
    const fields = { ...copies(["/usr/local/bin/grant"], { setuid: true }) };
    const settings = [{ name: "anna", keys: { env: "LANG" } }];
    expect(imported({ ...fields, settings }, ["--trusted"]).status).toBe(0);
    expect(m.stat(`${JAIL}/usr/local/bin/grant`)?.mode).toBe(0o104755);
    expect(m.read("/etc/jailkit/jk_chrootsh.d/anna.ini")).toContain("[anna]\nenv = LANG\n");
    m.remove("/etc/jailkit/jk_chrootsh.d/anna.ini");
  });

  test("one that is killed goes on when it is repeated", async () => {
    const marks = ["created the jail", "created 1", "created the account", "created the home"];
    for (const mark of marks) {
      m.write(FILE, JSON.stringify(good), { mode: 0o600 });
      const words = ["jailkit", "import", "--create-users", "-j", JAIL, FILE];
      const running = m.start(words);
      await running.until(({ stdout }) => stdout.includes(mark) || undefined);
      running.kill("SIGTERM");
      await running.ended;
      expect([mark, m.run(words)]).toMatchObject([mark, { status: 0 }]);
      expect(m.run(["jk_update", "--check", "-j", JAIL]).status).toBe(0);
      expect(m.read(`${JAIL}/etc/passwd`)).toMatch(/^anna:x:5001:100:.*:\/bin\/bash$/m);
      expect(m.stat(`${JAIL}/home/anna`)?.uid).toBe(5001);
      m.must(["jailkit", "delete", "--yes", "--unjail", "--user-files", JAIL]);
      m.run(["userdel", "anna"]);
      m.run(["rm", "-rf", "/home/anna"]);
    }
  });
});
