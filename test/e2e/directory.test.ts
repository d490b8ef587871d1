/**
 * Accounts of a directory (LDAP), by nslcd and by SSSD, which lists no accounts and adds a domain to their names: from
 * jk_jailuser, which says what to set in the directory, to logins over ssh, and out of the jail again.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { applySummarySchema } from "../../src/declaration/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { jailUserReportSchema } from "../../src/users/report-schema.ts";
import { type Machine, openMachine, type Sshd } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { dnOf, PASSWORD } from "./directory-accounts.ts";
import { type Directory, nameIn, openDirectory } from "./directory-scene.ts";

setDefaultTimeout(240_000);

const J = "/srv/j";
const KEY = "/run/machine-ssh/client.pub";

describe.each(["nslcd", "sssd"] as const)("%s", (kind) => {
  const anna = nameIn(kind, "anna");
  const home = "/home/anna";
  let m: Machine;
  let directory: Directory;
  let sshd: Sshd;
  beforeAll(async () => {
    m = await openMachine({ under: "ours" });
    directory = await openDirectory(m, kind);
    m.must(["jk_init", "-j", J, "basicshell", "sftp"]);
    const config = ["UsePAM yes", "AuthorizedKeysFile .ssh/authorized_keys", "DisableForwarding yes"];
    sshd = await m.startSshd({ config });
    m.write("/root/password", `#!/bin/sh\necho '${PASSWORD}'\n`, { mode: 0o700 });
  });
  afterAll(() => m?.close());

  const run = (...words: string[]) => m.run(words);
  const jailing = (...words: string[]) =>
    run("jk_jailuser", "-n", ...words, "-s", "/bin/bash", "--authorized-key", KEY, "-j", J, anna);
  const directoryOf = (stdout: string) => {
    const found = reportOf(jailUserReportSchema, stdout).users[0]?.directory;
    if (found === undefined || found === null) throw new Error(stdout);
    return found;
  };
  const users = () =>
    reportOf(listReportSchema, run("jailkit", "list", "--json", J).stdout).jails[0]?.users.map(
      (user) => user.name,
    );
  const login = (name = anna) => sshd.ssh(name, ["pwd; id -Gn"]);
  const verdict = (name = anna) => run("jailkit", "explain", "--from", "127.0.0.1", name);
  /** Sets home and shell in the directory, and waits until the name service knows. */
  const set = (ldif: readonly string[], name: string) => {
    const text = [`dn: ${dnOf(name)}`, ...ldif.slice(1)].join("\n");
    expect(directory.modify(`${text}\n`)).toMatchObject({ status: 0 });
    const homeOf = /^homeDirectory: (.*)$/m.exec(text)?.[1] ?? "";
    while (!m.run(["getent", "passwd", nameIn(kind, name)]).stdout.includes(`:${homeOf}:`));
  };

  /** Jails the account, if an earlier test has not. */
  const jail = () => {
    if (users()?.includes(anna)) return;
    const { before, ldif } = directoryOf(jailing("--json").stdout);
    m.must(["sh", "-c", before.map((line) => line.replace("FILE", KEY)).join("\n")]);
    set(ldif, "anna");
  };

  test("jk_jailuser changes nothing, and says what to set, the same in a dry run", () => {
    const before = m.snapshot(J);
    const dry = jailing("--dry-run");
    expect(jailing()).toEqual(dry);
    expect(jailing("-m")).toEqual(dry);
    expect(dry.status).toBe(1);
    expect(dry.stderr).toContain(
      `jk_jailuser: '${anna}' is not in /etc/passwd, but in a directory (passwd: files `,
    );
    expect(dry.stdout).toContain(
      `jk_jailuser --jail-side-only -s /bin/bash --authorized-key FILE -j ${J} ${anna}\n`,
    );
    const { ldif, homeDirectory, loginShell } = directoryOf(jailing("--json").stdout);
    expect([homeDirectory, loginShell]).toEqual([`${J}/./home/anna`, "/usr/sbin/jk_chrootsh"]);
    expect(dry.stdout).toContain(ldif.join("\n"));
    // Nobody applies it to the wrong account: it has no DN yet.
    expect(directory.modify(`${ldif.join("\n")}\n`).stderr).toContain("Invalid DN syntax (34)");
    expect(m.snapshot(J)).toEqual(before);
    expect(users()).toEqual([]);
  });

  test("--jail-side-only prepares the jail, and once the directory is changed the login works", () => {
    const { before, ldif } = directoryOf(jailing("--json").stdout);
    m.must(["sh", "-c", before.map((line) => line.replace("FILE", KEY)).join("\n")]);
    expect(m.stat(`${J}${home}`)).toMatchObject({ uid: 7001, gid: 7001, mode: 0o40700 });
    expect(m.read(`${J}/etc/passwd`)).toContain(`${anna}:x:7001:7001:anna:${home}:/bin/bash\n`);
    expect(m.read(`${J}/etc/group`)).toMatch(new RegExp(`^${nameIn(kind, "web")}:x:7100:${anna}$`, "m"));
    expect(login().stdout).not.toContain("web");
    set(ldif, "anna");
    expect(login()).toMatchObject({
      status: 0,
      stdout: `${home}\n${anna} ${nameIn(kind, "web")}\n`,
    });
    // Only the directory knows its own rules of PAM.
    const { stdout } = verdict();
    expect(stdout).toMatch(/unknown +account: the account rules of sshd: .*pam_(?:ldap|sss) is unknown/);
    expect(stdout).toEndWith("may fail: it depends on something unknown (pam account).\n");
    expect(jailing()).toMatchObject({ status: 0, stderr: "" });
    const again = run("jk_jailuser", "--json", "--jail-side-only", "-j", J, anna);
    expect(reportOf(jailUserReportSchema, again.stdout).users[0]).toMatchObject({ status: "unchanged" });
  });

  test("a password works by PAM", () => {
    const env = { SSH_ASKPASS: "/root/password", SSH_ASKPASS_REQUIRE: "force", PATH: "/usr/bin:/bin" };
    const options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"];
    const by = ["-o", "PreferredAuthentications=password", "-o", "LogLevel=ERROR", "-F", "none"];
    const { status, stdout } = m.run(["ssh", ...options, ...by, `${anna}@127.0.0.1`, "pwd"], { env });
    expect([status, stdout]).toEqual([0, `${home}\n`]);
  });

  test("list, jk_list, check, update and delete see the account", async () => {
    expect(users()).toEqual([anna]);
    if (kind === "sssd") expect(run("getent", "passwd").stdout).not.toContain("anna");
    expect(run("jk_check", J)).toMatchObject({ status: 0, stderr: "" });
    expect(run("jk_update", "--json", "-j", J).status).toBe(0);
    const session = m.start(["ssh", ...sshd.clientOptions, `${anna}@127.0.0.1`, "echo here; cat"]);
    await session.until(({ stdout }) => stdout.includes("here") || undefined);
    expect(run("jk_list", J).stdout).toContain(anna);
    session.end();
    await session.ended;
    const { status, stderr } = run("jailkit", "delete", "--yes", "--unjail", J);
    expect([status, stderr]).toEqual([1, expect.stringContaining(`not in /etc/passwd (${anna})`)]);
    expect(stderr).toContain(`jk_jailuser --unjail --dry-run ${anna} shows how`);
    expect(login().status).toBe(0);
  });

  test("-G of an account of a directory says what works", () => {
    m.must(["groupadd", "staff2"]);
    const report = directoryOf(run("jk_jailuser", "--json", "-n", "-G", "staff2", "-j", J, anna).stdout);
    expect(report.ldif).toEqual([]);
    for (const command of report.before) m.must(["sh", "-c", command]);
    expect(run("id", "-Gn", anna).stdout).toContain("staff2");
    expect(login()).toMatchObject({ status: 0, stdout: expect.stringContaining("staff2") });
  });

  test("a jail that moves there and back: what adopt --moved names shows what the directory should say", () => {
    jail();
    for (const [from, to] of [
      [J, "/srv/moved"],
      ["/srv/moved", J],
    ] as const) {
      m.must(["mv", from, to]);
      const { status, stderr } = run("jailkit", "adopt", "--moved", from, to);
      const show = `jk_jailuser --dry-run -j ${to} ${anna}`;
      expect([status, stderr]).toEqual([
        0,
        expect.stringContaining(`: its directory should say the home '${to}/./home/anna'\n`),
      ]);
      expect(stderr).toEndWith(`: ${show}\n`);
      expect(login().status).not.toBe(0);
      expect(run("jailkit", "list", from).stdout).toMatch(new RegExp(`^${from} +missing +${anna} `, "m"));
      const { stdout } = m.run(["sh", "-c", show]);
      set(
        ["", ...stdout.split("\n").filter((line) => /^(?:changetype|replace|home|login|-)/.test(line))],
        "anna",
      );
      expect(login().status).toBe(0);
      expect(run("jailkit", "status")).toMatchObject({ status: 0, stderr: "" });
      expect(run("jk_check", to)).toMatchObject({ status: 0, stdout: "", stderr: "" });
    }
  });

  test("while its daemon hangs, a line says which look-up waits, and the answer counts when it comes", async () => {
    jail();
    const hanging = kind === "nslcd" ? "nslcd" : "sssd_nss";
    m.write("/root/declared.ini", `[user ${anna}]\njail = ${J}\ndirectory = 1\n`);
    for (const words of [
      ["jailkit", "list", J],
      ["jk_check", J],
      ["jailkit", "apply", "/root/declared.ini"],
    ]) {
      m.must(["pkill", "-STOP", "-x", hanging]);
      const tool = m.start(words);
      const waits = `: still waiting for the name services (/etc/nsswitch.conf), now for the user '${anna}'\n`;
      await tool.until(({ stderr }) => stderr.includes(waits) || undefined);
      m.must(["pkill", "-CONT", "-x", hanging]);
      expect((await tool.ended).status).toBe(0);
    }
    expect(users()).toEqual([anna]);
  });

  test("a name that the name service does not take is an error by itself, until it is told to", async () => {
    jail();
    const odd = kind === "nslcd" ? "o'brien" : "@example.org";
    const file = "/root/declared.ini";
    m.write(file, [odd, anna].map((name) => `[user ${name}]\njail = ${J}\ndirectory = 1\n`).join(""));
    const codes = () => {
      const lines = run("jailkit", "apply", "--json", file).stdout.trimEnd().split("\n");
      const { problems } = reportOf(applySummarySchema, lines.at(-1) ?? "");
      return problems.map(({ code, path }) => [code, path]);
    };
    expect(codes()).toEqual([["name-refused", odd]]);
    if (kind === "sssd") return;
    // What the message says.
    await directory.stopDaemon();
    const settings = m.read("/etc/nslcd.conf");
    m.write("/etc/nslcd.conf", `${settings}validnames /^[a-z0-9'._-]+$/i\n`, { mode: 0o640 });
    await directory.startDaemon();
    while (run("getent", "passwd", anna).status !== 0);
    expect(codes()).toEqual([["no-such-user", odd]]);
  });

  test("while the directory is down, nobody logs in whom the name service does not know, and every tool says so", async () => {
    jail();
    await directory.stopServer();
    await directory.stopDaemon();
    const silent = "a name service does not answer (passwd: files";
    expect(login().status).toBe(255);
    expect([verdict().status, verdict().stdout]).toEqual([1, expect.stringContaining(silent)]);
    const list = run("jailkit", "list", J);
    expect([list.status, list.stderr]).toEqual([
      0,
      expect.stringContaining(`users may be missing: ${silent}`),
    ]);
    const check = run("jk_check", "--json", J);
    const checked = reportOf(checkReportSchema, check.stdout).jails[0];
    expect([check.status, checked?.problems.map(({ code }) => code)]).toEqual([2, ["name-service"]]);
    expect(checked?.findings).toEqual([]);
    expect(jailing().stderr).toContain(silent);
    const moved = () => run("jailkit", "adopt", "--dry-run", "--moved", "/srv/before", J);
    expect(moved()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining(`accounts of a directory may, which is not known: ${silent}`),
    });
    const named = "/etc/jailkit/jails.d/before.ini";
    m.write(named, "[jail /srv/before]\nsections = uidbasics\n");
    const found = moved();
    m.remove(named);
    expect(found).toMatchObject({
      status: 0,
      stderr: expect.stringContaining(`accounts of a directory may be left at the old path: ${silent}`),
    });
    m.write("/etc/jailkit/jk_chrootsh.d/anna.ini", `[${anna}]\nenv = LANG\n`);
    expect(run("jailkit", "config", "check")).toMatchObject({ status: 0, stdout: "" });
    const before = m.snapshot(J);
    expect(run("jailkit", "delete", "--yes", J).stderr).toContain(silent);
    expect(m.snapshot(J)).toEqual(before);
    // Local accounts are as they were.
    m.addUser("local", { uid: 4100, home: "/home/local", createHome: true });
    expect(run("jk_jailuser", "-m", "-s", "/bin/bash", "-j", J, "local").status).toBe(0);
    expect(run("jk_jailuser", "-m", "--unjail", "local").status).toBe(0);
    await directory.startDaemon();
    if (kind === "nslcd") {
      // The daemon answers that its server does not.
      expect(login().status).toBe(255);
      expect(verdict().stdout).toContain(silent);
      expect(run("jailkit", "list", J).stderr).toContain(silent);
    } else {
      // SSSD has kept what it knew.
      expect(login().status).toBe(0);
      expect(verdict().stdout).toEndWith("(pam account).\n");
    }
    await directory.startServer();
    while (run("getent", "passwd", nameIn(kind, "berta")).status !== 0);
  });

  test("an account that was removed from the directory cannot log in, and jk_check reports it", async () => {
    const berta = nameIn(kind, "berta");
    m.must(["jk_jailuser", "--jail-side-only", "-s", "/bin/bash", "-j", J, berta]);
    expect(directory.modify(`dn: ${dnOf("berta")}\nchangetype: delete\n`).status).toBe(0);
    while (run("getent", "passwd", berta).status === 0);
    expect(login(berta).status).toBe(255);
    expect(verdict(berta)).toMatchObject({ status: 1, stdout: expect.stringContaining("no such user") });
    const { stdout } = run("jk_check", J);
    const remedy = `jk_jailuser --unjail --jail-side-only -j ${J} ${berta}`;
    expect(stdout).toContain(`user ${berta} in jail ${J}/ does not exist on the real system`);
    expect(stdout).toContain(remedy);
    m.must(["sh", "-c", remedy]);
    m.must(["rm", "-r", `${J}/home/berta`]);
    expect(run("jk_check", J).stdout).not.toContain(berta);
  });

  test.if(kind === "sssd")("a name by which SSSD finds an account of another name is refused", () => {
    const other = "anna@EXAMPLE.ORG";
    expect(run("getent", "passwd", other).stdout).toStartWith(`${anna}:`);
    for (const words of [["-n", "-j", J], ["--jail-side-only", "-j", J], ["--unjail"]])
      expect(run("jk_jailuser", ...words, other)).toMatchObject({
        status: 1,
        stderr: `jk_jailuser: '${other}': the name of the account is '${anna}': use that\n`,
      });
    m.write("/root/declared.ini", `[user ${other}]\njail = ${J}\ndirectory = 1\n`);
    expect(run("jailkit", "apply", "/root/declared.ini").stderr).toContain(
      `user ${other}: the name of the account is '${anna}': write '[user ${anna}]' in place`,
    );
  });

  test.if(kind === "sssd")(
    "sss_override does the same for this machine alone, and sets what is asked of an account that leaves",
    async () => {
      const carla = nameIn(kind, "carla");
      const homeNow = () => run("getent", "passwd", carla).stdout.split(":")[5];
      const words = ["-s", "/bin/bash", "--authorized-key", KEY, "-j", J, carla];
      const jailed = directoryOf(run("jk_jailuser", "-n", "--json", ...words).stdout);
      m.must(["jk_jailuser", "--jail-side-only", ...words]);
      expect(m.must(["sh", "-c", jailed.override ?? ""]).stdout).toContain("SSSD needs to be restarted");
      await directory.stopDaemon();
      await directory.startDaemon();
      expect(homeNow()).toBe(`${J}/./home/carla`);
      expect(login(carla)).toMatchObject({ status: 0, stdout: expect.stringContaining("/home/carla") });
      expect(users()?.sort()).toEqual([anna, carla]);
      // The directory itself says a shell that would let the account in.
      const out = directoryOf(
        run("jk_jailuser", "--json", "--unjail", "-s", "/usr/sbin/nologin", carla).stdout,
      );
      m.must(["sh", "-c", out.override ?? ""]);
      await directory.stopDaemon();
      await directory.startDaemon();
      expect(run("getent", "passwd", carla).stdout).toMatch(/:\/home\/carla:\/(?:usr\/)?sbin\/nologin\n$/);
      for (const command of out.after) m.must(["sh", "-c", command]);
      expect(users()).toEqual([anna]);
      // What apply takes out of the jail: the warning names the commands, and their order.
      const shellNow = () => run("getent", "passwd", carla).stdout.trim().split(":")[6];
      const typed = async (command = "") => {
        m.must(["sh", "-c", command]);
        await directory.stopDaemon();
        await directory.startDaemon();
      };
      await typed(jailed.override ?? "");
      const file = "/etc/jailkit/jails.d/carla.ini";
      m.write(file, `[user ${carla}]\njail = ${J}\ndirectory = 1\n`);
      m.must(["jailkit", "apply"]);
      m.write(file, "");
      const planned = run("jailkit", "apply", "--check", "--prune").stderr;
      const { stderr } = m.must(["jailkit", "apply", "--prune"]);
      expect(planned).toBe(stderr);
      const [, show, keep, back] =
        /; if '(sss_override .*)' shows that home, type: (.*); and only when its directory has such a shell, too: (.*)$/m.exec(
          stderr,
        ) ?? [];
      expect(m.must(["sh", "-c", show ?? ""]).stdout).toContain(`${J}/./home/carla`);
      await typed(keep);
      expect([homeNow(), shellNow()]).toEqual(["/home/carla", expect.stringMatching(/sbin\/nologin$/)]);
      const closed = `dn: ${dnOf("carla")}\nchangetype: modify\nreplace: loginShell\nloginShell: `;
      expect(directory.modify(`${closed}/usr/sbin/nologin\n`).status).toBe(0);
      await typed(back);
      // SSSD keeps for a second what it knew.
      while (shellNow() === "/bin/sh");
      expect([homeNow(), shellNow()]).toEqual(["/home/carla", expect.stringMatching(/sbin\/nologin$/)]);
      expect(run("sss_override", "user-show", carla).stdout).toBe("");
      m.remove(file);
    },
  );

  test("--unjail says what to set back, and what to do then", () => {
    const out = run("jk_jailuser", "--unjail", anna);
    expect(run("jk_jailuser", "--unjail", "--dry-run", anna)).toEqual(out);
    expect(out.status).toBe(1);
    const report = directoryOf(run("jk_jailuser", "--unjail", "--json", anna).stdout);
    expect([report.homeDirectory, report.loginShell]).toEqual([home, "/bin/sh"]);
    set(report.ldif, "anna");
    for (const command of report.after) m.must(["sh", "-c", command]);
    expect(m.read(`${J}/etc/passwd`)).not.toContain("anna");
    expect(users()).toEqual([]);
    expect(run("jailkit", "delete", "--yes", "--user-files", J)).toMatchObject({ status: 0, stderr: "" });
  });
});
