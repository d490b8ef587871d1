/**
 * An ACL that lets somebody change a jail, its configuration or a home is detected, and the printed command fixes it.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { checkout } from "../machine/helper.ts";
import { ensureBuilt, type Machine } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { openScene, type Scene } from "./chrootsh-scene.ts";
import { J } from "./probe.ts";

setDefaultTimeout(120_000);

const MALLORY = 4003;
const TOOLS = ["jk_cp", "jk_init", "jk_check", "jk_jailuser", "jk_update", "jailkit"];
let scene: Scene;
let m: Machine;
let sections: Uint8Array;
beforeAll(async () => {
  scene = await openScene("capability");
  m = scene.m;
  const bin = ensureBuilt(TOOLS);
  for (const tool of TOOLS)
    m.write(`/usr/sbin/${tool}`, await Bun.file(join(bin, tool)).bytes(), { mode: 0o755 });
  sections = await Bun.file(join(checkout, "config/jk_init.ini")).bytes();
});
afterAll(() => m?.close());
beforeEach(() => {
  m.must(["setfacl", "-b", "/srv"]);
  scene.reset();
  m.write("/etc/passwd", `${m.read("/etc/passwd")}mallory:x:${MALLORY}:60::/home/mallory:/bin/sh\n`);
  m.write("/etc/jailkit/jk_init.ini", sections);
});

const acl = (entries: string, ...paths: string[]) => m.must(["setfacl", "-m", entries, ...paths]);
const acls = (...paths: string[]) => m.must(["getfacl", "-pcnE", ...paths]).stdout;
/** No entry that names somebody, no mask and no default ACL. */
const isPlain = (path: string) => !/^(?:default:|mask:|(?:user|group):\d)/m.test(acls(path));
/** The remedies that jk_check has for findings of a rule. */
function remedies(rule: string): string[] {
  const { jails } = reportOf(checkReportSchema, m.run(["jk_check", "--json", "-j", J]).stdout);
  const findings = jails.flatMap((each) => each.findings).filter((finding) => finding.rule === rule);
  return findings.map(({ remedy = "" }) => remedy);
}
/** Runs the command in a message, after "fix it with: " or "remedy: "; of a copy, with the answer of who has read it. */
function mend(text: string): void {
  const [, copied] = /remedy: (install [^\n]+ && mv -iT [^\n]+)/.exec(text) ?? [];
  const [, command] =
    /(?:fix it with: |mend it with: |remedy: |: )(setfacl [^\n;(]+?)(?: \(and| \[exit|;|\n|$)/.exec(text) ??
    [];
  const typed = copied ?? command;
  if (typed === undefined) throw new Error(`no command in: ${text}`);
  m.must(["sh", "-c", typed], { stdin: "y\n" });
}

describe("a directory above the jail", () => {
  beforeEach(() => {
    expect(scene.login().status).toBe(0);
    acl(`u:${MALLORY}:rwx`, "/srv");
    // What the rules went by, and what mallory can do.
    expect(m.stat("/srv")).toMatchObject({ uid: 0, gid: 0, mode: 0o040775 });
    m.must(["mv", J, `${J}.aside`], { user: "mallory" });
    m.must(["mv", `${J}.aside`, J], { user: "mallory" });
  });

  test("keeps users out, and the remedy in the log lets them in again", async () => {
    const { status, stderr } = scene.login();
    expect([status, stderr.includes("mallory")]).toEqual([53, false]);
    const line = (await scene.lines()).findLast(({ message }) => message.includes("ACL"))?.message ?? "";
    expect(line).toContain(`/srv is writable by users other than root through its ACL (u:${MALLORY}:rwx)`);
    mend(m.run(["jailkit", "explain", "u"]).stdout);
    expect(scene.login().status).toBe(0);
  });
  test.each([
    ["jk_cp", ["-j", J, "/usr/bin/true"]],
    ["jk_init", ["-j", J, "uidbasics"]],
    ["jk_jailuser", ["-j", J, "mallory"]],
    ["jk_update", ["-j", J]],
  ])("is refused by %s, with a remedy", (tool, words) => {
    const before = m.snapshot(J);
    const { status, stderr } = m.run([tool, ...words]);
    expect(status).not.toBe(0);
    expect(stderr).toContain(`/srv is writable by users other than root through its ACL (u:${MALLORY}:rwx)`);
    expect(m.snapshot(J)).toEqual(before);
    mend(stderr);
    expect(m.run([tool, ...words]).stderr).not.toContain("ACL");
  });
  test("is found by jk_check", () => {
    const { stdout } = m.run(["jk_check", "-j", J]);
    expect(stdout).toContain(`/srv is writable by users other than root through its ACL (u:${MALLORY}:rwx)`);
    const [command = ""] = remedies("above-jail");
    m.must(["sh", "-c", command]);
    expect(m.run(["jk_check", "-j", J]).stdout).not.toContain("ACL");
  });
  test("may have an ACL that lets others read, or root write", () => {
    m.must(["setfacl", "-b", "/srv"]);
    acl(`u:${MALLORY}:r-x,g:0:rwx`, "/srv");
    expect(scene.login().status).toBe(0);
  });
});

describe("the configuration", () => {
  test("in a directory that an ACL opens keeps users out", async () => {
    acl(`u:${MALLORY}:rwx`, "/etc/jailkit");
    m.write("/root/own.ini", "[u]\nskip_injail_passwd_check = 1\n");
    m.must(["sh", "-c", "echo > /etc/jailkit/jk_chrootsh.ini"], { user: "mallory" });
    m.remove("/etc/jailkit/jk_chrootsh.ini");
    expect(scene.login().status).not.toBe(0);
    const { stdout } = m.run(["jk_check", "-j", J]);
    expect(stdout).toContain(`/etc/jailkit is writable by users other than root through its ACL`);
    mend(m.run(["jailkit", "explain", "u"]).stdout);
    expect(scene.login().status).toBe(0);
  });
  test("with gid 0 alone is tolerated, as before", () => {
    m.chmod("/etc/jailkit", 0o775);
    expect(scene.login().status).toBe(0);
  });
  test("in a file that an ACL opens is not used", async () => {
    m.write("/etc/jailkit/jk_chrootsh.ini", "[u]\nno_new_privs = 1\n");
    expect(scene.login().status).toBe(0);
    acl(`g:${MALLORY}:rw`, "/etc/jailkit/jk_chrootsh.ini");
    expect(scene.login().status).toBe(14);
    mend(m.run(["jailkit", "explain", "u"]).stdout);
    expect(scene.login().status).toBe(0);
    acl(`u:${MALLORY}:r`, "/etc/jailkit/jk_chrootsh.ini");
    expect(scene.login().status).toBe(0);
  });
  test("in a drop-in that an ACL opens is not used", () => {
    m.write("/etc/jailkit/jk_chrootsh.d/a.ini", "[u]\nno_new_privs = 1\n");
    expect(scene.login().status).toBe(0);
    acl(`u:${MALLORY}:rw`, "/etc/jailkit/jk_chrootsh.d/a.ini");
    expect(scene.login().status).toBe(14);
    m.must(["setfacl", "-b", "/etc/jailkit/jk_chrootsh.d/a.ini"]);
    acl(`u:${MALLORY}:rwx`, "/etc/jailkit/jk_chrootsh.d");
    expect(scene.login().status).toBe(14);
  });
});

describe("a home that its group may write", () => {
  const HOME = `${J}/home/u`;
  const relax = (...names: string[]) =>
    m.write(
      "/etc/jailkit/jk_chrootsh.ini",
      `[u]\n${names.map((name) => `relax_home_${name}_permissions = 1\n`).join("")}`,
    );
  test("does not become one that others may write", () => {
    m.chmod(HOME, 0o775);
    expect(scene.login().status).toBe(53);
    relax("group");
    expect(scene.login().status).toBe(0);
    // The user's own, and the group's own, are what was relaxed.
    acl(`u:${scene.uid}:rwx,g:${scene.gid}:rwx,u:${MALLORY}:r-x`, HOME);
    expect(scene.login().status).toBe(0);
    acl(`u:${MALLORY}:rwx`, HOME);
    expect(scene.login().status).toBe(53);
    const { stdout } = m.run(["jailkit", "explain", "u"]);
    expect(stdout).toContain(`is writable through its ACL (u:${MALLORY}:rwx)`);
    relax("group", "other");
    expect(scene.login().status).toBe(0);
    relax("group");
    mend(stdout);
    expect(scene.login().status).toBe(0);
  });
});

test("no program is looked up where an ACL lets others create one", () => {
  m.write("/usr/local/bin/true", "of a user", { mode: 0o755 });
  m.must(["chown", "0:0", "/usr/local/bin"]);
  m.chmod("/usr/local/bin", 0o775);
  m.must(["jk_cp", "-j", J, "true"]);
  expect(m.exists(`${J}/usr/local/bin/true`)).toBe(true);
  m.remove(`${J}/usr/local`);
  acl(`u:${MALLORY}:rwx`, "/usr/local/bin");
  m.must(["jk_cp", "-j", J, "true"]);
  expect([m.exists(`${J}/usr/local/bin/true`), m.exists(`${J}/usr/bin/true`)]).toEqual([false, true]);
  m.must(["setfacl", "-b", "/usr/local/bin"]);
  m.remove("/usr/local/bin/true");
});

describe("a default ACL", () => {
  const everywhere = `d:u:${MALLORY}:rwx,d:g:${MALLORY}:rwx`;
  test("of the jail is not inherited by what is put there", () => {
    m.must(["setfacl", "-R", "-m", everywhere, J]);
    m.must(["jk_init", "-j", J, "uidbasics", "netbasics"]);
    m.must(["jk_cp", "-j", J, "/usr/bin/true", "/dev/null", "/usr/share/keyrings"]);
    m.must(["jk_jailuser", "-n", "-j", J, "mallory"]);
    const made = m
      .must(["find", J, "-newer", `${J}/home`, "!", "-type", "l", "!", "-path", `${J}/home*`])
      .stdout.trim()
      .split("\n");
    const before = ["", "/dev", "/etc", "/etc/jailkit", "/lib", "/usr", "/bin", "/sbin"].map(
      (path) => J + path,
    );
    const open = made.filter((path) => !before.includes(path) && !isPlain(path));
    expect(open).toEqual([]);
    expect(made.length).toBeGreaterThan(15);
    expect(m.stat(`${J}/dev/null`)?.mode).toBe(0o020666);
    // Whoever created the jail's directories may want it, so it is reported.
    const { stdout } = m.run(["jk_check", "-j", J]);
    expect(stdout).toContain(`${J}/etc has a default ACL that names others`);
    expect(stdout).not.toContain(`${J}/usr/bin/true`);
  });
  test("of the configuration, the record and /etc is not inherited by what is written there", () => {
    m.remove("/var/lib/jailkit");
    m.mkdir("/var/lib/jailkit");
    m.write("/etc/fstab", "# nothing\n", { mode: 0o644 });
    acl(everywhere, "/etc/jailkit", "/var/lib/jailkit", "/var/lib", "/etc");
    m.write(
      "/etc/jailkit/jk_init.d/x.ini",
      "[x]\npaths = /usr/bin/true\nneed_logsocket = 1\nneed_proc = 1\n",
    );
    m.must(["setfacl", "-b", "/etc/jailkit/jk_init.d", "/etc/jailkit/jk_init.d/x.ini"]);
    m.must(["jk_init", "-j", J, "x"]);
    const paths = m
      .must(["find", "/etc/jailkit", "/var/lib/jailkit", "/etc/fstab", "-mindepth", "0"])
      .stdout.trim()
      .split("\n")
      .filter((path) => !["/etc/jailkit", "/var/lib/jailkit"].includes(path));
    expect(paths.length).toBeGreaterThan(5);
    expect(paths).toContain("/etc/jailkit/jk_socketd.d");
    expect(paths.filter((path) => !isPlain(path))).toEqual([]);
    expect(m.read("/etc/fstab")).toContain(`${J}/proc`);
    m.run(["umount", `${J}/proc`]);
    m.must(["setfacl", "-b", "/etc", "/var/lib"]);
  });
});

describe("jk_check", () => {
  const told = () => m.run(["jk_check", "-j", J]).stdout;
  test("reports ACLs that name others; its remedy, and --fix, remove them", () => {
    m.must(["jk_cp", "-j", J, "/usr/bin/true", "/usr/bin/false"]);
    acl(`u:${MALLORY}:r-x`, `${J}/usr/bin/true`, `${J}/usr/bin`);
    acl(`u:${MALLORY}:rwx`, `${J}/usr/bin/false`);
    const found = told();
    for (const path of ["/usr/bin/true", "/usr/bin/false", "/usr/bin"])
      expect(found).toContain(`${J}${path} has an ACL that names others (u:${MALLORY}:`);
    m.run(["jk_check", "--fix", "-j", J]);
    expect([isPlain(`${J}/usr/bin/true`), isPlain(`${J}/usr/bin/false`)]).toEqual([true, true]);
    expect([m.stat(`${J}/usr/bin/true`)?.mode, m.stat(`${J}/usr/bin/false`)?.mode]).toEqual([
      0o100755, 0o100755,
    ]);
    const left = told();
    expect(left).toContain(`${J}/usr/bin has an ACL that names others`);
    expect(left).not.toContain(`${J}/usr/bin/true`);
    for (const command of remedies("acl-entry")) m.must(["sh", "-c", command]);
    expect(told()).not.toContain("ACL");
  });
  test("lets users decide who may read their files, and reports who else may write them", () => {
    m.write(`${J}/home/u/f`, "x", { owner: [scene.uid, scene.gid] });
    m.write(`${J}/home/u/g`, "x", { owner: [scene.uid, scene.gid] });
    acl(`u:${MALLORY}:r`, `${J}/home/u/f`);
    acl(`u:${MALLORY}:rw`, `${J}/home/u/g`);
    const found = told();
    expect(found).not.toContain(`${J}/home/u/f`);
    expect(found).toContain(`${J}/home/u/g has an ACL that names others (u:${MALLORY}:rw-)`);
  });
});

test("a home moves with its ACLs, which name the same people, and without capabilities", () => {
  const { uid, gid } = m.addUser("mover", { home: "/home/mover", createHome: true });
  m.write("/home/mover/f", "x", { mode: 0o640, owner: [uid, gid] });
  m.write("/home/mover/p", m.readBytes("/usr/bin/true"), { mode: 0o755, owner: [uid, gid] });
  m.mkdir("/home/mover/d", { owner: [uid, gid] });
  acl(`u:${MALLORY}:rw`, "/home/mover/f");
  acl(`u:${MALLORY}:r-x,d:u:${MALLORY}:r-x`, "/home/mover/d");
  m.must(["setcap", "cap_setuid+ep", "/home/mover/p"]);
  const before = acls("/home/mover/f", "/home/mover/d");
  m.must(["jk_jailuser", "-m", "-j", J, "mover"]);
  expect(acls(`${J}/home/mover/f`, `${J}/home/mover/d`)).toBe(before);
  expect(m.must(["getcap", `${J}/home/mover/p`]).stdout).toBe("");
});
