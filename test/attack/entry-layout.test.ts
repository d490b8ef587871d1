/**
 * The files as packages install them: one executable under many names, and native entries for what any user may start.
 * Anybody can choose the names, and put the entry anywhere.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine, type RunOptions, type Syslog } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const PRIVILEGED = ["jk_chrootsh", "jk_procmailwrapper", "jk_uchroot"];
const SHARED = "/usr/sbin/jailkit";

describe.each(["capability", "setuid"] as const)("entries with the %s", (privilege) => {
  let m: Machine;
  let log: Syslog;

  beforeAll(async () => {
    m = await openMachine({ under: "ours", layout: "package", privilege });
    log = await m.startSyslog();
    m.addUser("u", { uid: 4001 });
    m.mkdir("/srv/names");
  });
  afterAll(() => m?.close());

  const asUser = (argv: string[], options: RunOptions = {}) =>
    m.run(argv, { user: "u", env: { USER: "u" }, ...options });
  /** The refusal of a privileged program for an account that is in no jail: it has started with its privilege. */
  const started = { status: 17, stdout: "" };
  const sbin = (name: string) => `/usr/${name === "jk_uchroot" ? "bin" : "sbin"}/${name}`;

  test("every tool starts under its name, and they are one file", () => {
    const files = readdirSync(join(checkout, "src/tools")).filter((file) => /^jk_\w+\.ts$/.test(file));
    const names = files.map((file) => file.slice(0, -3)).filter((name) => !PRIVILEGED.includes(name));
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) {
      expect(m.stat(`/usr/sbin/${name}`)?.ino).toBe(m.stat(SHARED)?.ino);
      expect(m.must([`/usr/sbin/${name}`, "--version"]).stdout.split(" ")[0]).toBe(name);
    }
    for (const name of PRIVILEGED) expect(m.stat(sbin(name))?.size).toBeLessThan(10_240);
  });

  test("each entry starts its own program, whatever it is called", () => {
    expect(asUser([sbin("jk_chrootsh")])).toMatchObject(started);
    expect(asUser([sbin("jk_uchroot")]).stderr).toStartWith("jk_uchroot: no jail: give it with -j; see ");
    // The programs themselves want to be called by their names.
    const unknown = "refused: the program was started under a name that it does not know";
    for (const name of ["jk_chrootsh", "jk_uchroot"])
      for (const argv0 of ["jk_procmailwrapper", "-jk_cp", "jailkit", ""]) {
        const result = asUser([sbin(name)], { argv0 });
        expect(result).toMatchObject({ status: 1, stdout: "" });
        expect(result.stderr).toStartWith(`${name}: ${unknown}`);
      }
    m.symlink(sbin("jk_chrootsh"), "/srv/names/jk_uchroot");
    m.must(["ln", sbin("jk_chrootsh"), "/usr/sbin/jk_init-too"]);
    for (const path of ["/srv/names/jk_uchroot", "/usr/sbin/jk_init-too"])
      expect(asUser([path], { argv0: "jk_chrootsh" })).toMatchObject(started);
    m.remove("/usr/sbin/jk_init-too");
    m.remove("/srv/names/jk_uchroot");
  });

  test("a user can link to it if the kernel allows that, and nothing more", () => {
    m.mkdir("/usr/sbin/open", { mode: 0o1777 });
    // Refused for files with a privilege where protected_hardlinks is on (proc_sys_fs(5)).
    asUser(["ln", sbin("jk_chrootsh"), "/usr/sbin/open/mine"]);
    if (m.exists("/usr/sbin/open/mine"))
      expect(asUser(["/usr/sbin/open/mine"], { argv0: "jk_chrootsh" })).toMatchObject(started);
    m.must(["cp", sbin("jk_chrootsh"), "/usr/sbin/open/copy"]);
    expect(asUser(["/usr/sbin/open/copy"], { argv0: "jk_chrootsh" })).toMatchObject({ status: 11 });
    m.remove("/usr/sbin/open");
  });

  test("the shared executable under a privileged name: refused, for users and for root", () => {
    const refused = (name: string) => ({
      status: 11,
      stdout: "",
      stderr: `jailkit: ${name} is not started under this name: install it as an executable of its own\n`,
    });
    for (const name of PRIVILEGED) {
      m.must(["ln", SHARED, `/usr/sbin/open-${name}`]);
      m.must(["ln", SHARED, `/srv/names/${name}`]);
      for (const user of ["u", "root"]) {
        expect(asUser([SHARED, name, "-c", "id"], { user })).toMatchObject(refused(name));
        for (const argv0 of [name, `-${name}`, `/usr/sbin/${name}`])
          expect(asUser([SHARED], { user, argv0 })).toMatchObject(refused(name));
        expect(asUser([`/srv/names/${name}`], { user, argv0: "jailkit" })).toMatchObject(refused(name));
      }
    }
  });

  test("it does not start what is missing, or what users other than root can write", async () => {
    m.must(["mv", SHARED, "/usr/sbin/jailkit.away"]);
    const missing = asUser([sbin("jk_chrootsh")]);
    expect(missing).toMatchObject({ status: 127, stdout: "" });
    const why = `${SHARED} cannot be opened: install jailkit again`;
    const told = new RegExp(`^jk_chrootsh: ${why} \\(error id (JK-[A-Z2-7]{8})\\)\n$`).exec(missing.stderr);
    const line = await log.waitForLog(({ message }) => message.startsWith(told?.[1] ?? "none"));
    expect(line).toMatchObject({ ident: "jk_chrootsh", facility: 4, severity: 3 });
    expect(line.message).toEndWith(`: uid 4001: ${why}`);
    m.must(["mv", "/usr/sbin/jailkit.away", SHARED]);
    m.chmod(SHARED, 0o775);
    const open = asUser([sbin("jk_chrootsh")]);
    expect(open).toMatchObject({ status: 127, stdout: "" });
    expect(open.stderr).toContain(
      `${SHARED} is not a regular file that only root can write: install jailkit`,
    );
    m.chmod(SHARED, 0o755);
    expect(asUser([sbin("jk_chrootsh")])).toMatchObject(started);
  });

  test("mounted nosuid it has no privilege, and the log says what to do", async () => {
    await log.clear();
    m.mkdir("/srv/nosuid");
    m.must(["mount", "-t", "tmpfs", "-o", "nosuid", "tmpfs", "/srv/nosuid"]);
    m.must(["cp", "-a", sbin("jk_chrootsh"), "/srv/nosuid/jk_chrootsh"]);
    m.must(["setcap", "cap_sys_chroot+ep", "/srv/nosuid/jk_chrootsh"]);
    const result = asUser(["/srv/nosuid/jk_chrootsh"], { argv0: "jk_chrootsh" });
    expect(result).toMatchObject({ status: 11, stdout: "" });
    const id = /\bJK-[A-Z2-7]{8}\b/.exec(result.stderr)?.[0] ?? "none";
    const line = await log.waitForLog(({ message }) => message.includes(id));
    expect(line.ident).toBe("jk_chrootsh");
    expect(line.message).toContain("nosuid");
    m.must(["umount", "/srv/nosuid"]);
  });

  test("root is told that it cannot be jailed", () => {
    const result = m.run([sbin("jk_chrootsh")], { env: { USER: "root" } });
    expect(result).toMatchObject({ status: 12, stdout: "" });
    expect(result.stderr).toStartWith("jk_chrootsh: refused: root cannot be jailed (error id JK-");
  });

  test("in the user's own user namespace it gives no privilege", () => {
    const inside = (words: string[]) => asUser(["unshare", "--user", ...words, sbin("jk_chrootsh")]);
    // As nobody, as root and as themselves: the privilege of the file counts in none of them, and no file is root's.
    expect(inside([])).toMatchObject({ status: 127, stdout: "" });
    expect(inside(["--map-root-user"])).toMatchObject({ status: 12, stdout: "" });
    expect(inside(["--map-current-user"])).toMatchObject({ status: 127, stdout: "" });
  });
});
