/** What jk_chrootsh does for an account, and what `jailkit explain` reports about it beforehand. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type ExplainReport, explainReportSchema } from "../../src/explain/report-schema.ts";
import { openScene, type Scene } from "../attack/chrootsh-scene.ts";
import { J, PROBE, says } from "../attack/probe.ts";
import { ensureBuilt, type RunOptions } from "../machine/machine.ts";
import { reportOf } from "../report.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await openScene("capability");
  const program = await Bun.file(join(ensureBuilt(["jailkit"]), "jailkit")).bytes();
  scene.m.write("/usr/sbin/jailkit", program, { mode: 0o755 });
});
afterAll(() => scene?.m.close());
beforeEach(() => scene.reset());

const configure = (text: string) => scene.m.write("/etc/jailkit/jk_chrootsh.ini", text);

describe("the settings", () => {
  test("env keeps what it names; the user's section precedes the group's and DEFAULT", () => {
    configure("[DEFAULT]\nenv = A\n[group u]\nenv = B\n[u]\nenv = C, D\n");
    const env = { USER: "u", A: "1", B: "2", C: "3", HOME: "/" };
    const kept = () => says(scene.login([], { env }), "env").filter((entry) => /^[A-D]=/.test(entry));
    expect(kept()).toEqual(["C=3"]);
    configure("[DEFAULT]\nenv = A\n[group u]\nenv = B\n");
    expect(kept()).toEqual(["B=2"]);
    configure("[DEFAULT]\nenv = A\n");
    expect(kept()).toEqual(["A=1"]);
  });

  test("injail_shell replaces the shell of the jail, without blanks around it", () => {
    scene.jailPasswd("/bin/nosuch");
    configure(`[u]\ninjail_shell =   ${PROBE}  \n`);
    expect(says(scene.login(), "env")).toContain(`SHELL=${PROBE}`);
  });

  test("skip_injail_passwd_check needs no account in the jail, and counts by itself", () => {
    const { m, login } = scene;
    scene.jailPasswd(PROBE, "/elsewhere");
    expect(login().status).toBe(39);
    configure("[u]\nskip_injail_passwd_check = 1\n");
    expect(login().status).toBe(0);
    m.remove(`${J}/etc/passwd`);
    m.remove(`${J}/etc/group`);
    expect(login().status).toBe(111);
    configure(`[u]\nskip_injail_passwd_check = 1\ninjail_shell = ${PROBE}\n`);
    expect(login().status).toBe(0);
  });

  test("injail_login_shell gives the shell --login and nothing else", () => {
    configure("[u]\ninjail_login_shell = 1\n");
    expect(says(scene.login(["-c", "x"]), "arg")).toEqual([PROBE, "--login"]);
  });

  test("no_new_privs", () => {
    configure("[u]\nno_new_privs = 1\n");
    expect(says(scene.login(), "no_new_privs")).toEqual(["1"]);
  });

  test("injail_shell may be the limited shell that is not in the jail", () => {
    configure("[u]\ninjail_shell = /usr/sbin/jk_lsh\n");
    scene.m.write(`${J}/etc/jailkit/jk_lsh.ini`, `[u]\nexecutables = ${PROBE}\n`);
    expect(says(scene.login(["-c", `${PROBE} 'a b'`]), "arg")).toEqual([PROBE, "a b"]);
    expect(scene.login(["-c", "id"])).toMatchObject({
      status: 4,
      stderr: "jk_lsh: refused: command 'id' is not allowed\n",
    });
  });
});

describe("the log", () => {
  test("records a login", async () => {
    const { uid } = scene;
    scene.login(["-c", "one\ntwo"]);
    const line = (await scene.lines("jk_chrootsh")).at(-1);
    const message = `now entering jail ${J} for user u (${uid}) with arguments -c one\\ntwo`;
    expect(line).toMatchObject({ facility: 4, severity: 6, message });
  });

  test("has the full reason of a refusal under the id that the user saw", async () => {
    scene.m.chmod(`${J}/etc`, 0o777);
    const { status, stderr } = scene.login();
    expect(status).toBe(53);
    const id = /JK-[A-Z2-7]{8}/.exec(stderr)?.[0] ?? "none";
    const line = (await scene.lines("jk_chrootsh")).find(({ message }) => message.includes(id));
    expect(line).toMatchObject({ facility: 4, severity: 3 });
    expect(line?.message).toContain(`abort, ${J} is not a safe jail`);
    expect(line?.message).toContain(`chmod go-w ${J}/etc`);
  });
});

describe("jailkit explain", () => {
  const run = (args: string[], options: RunOptions = {}) =>
    scene.m.run(["/usr/sbin/jailkit", "explain", ...args], options);
  // By su(1): sshd has a test of its own.
  const bySu = ["--json", "--su"];
  function explain(args: string[], options: RunOptions = {}, how = bySu): ExplainReport & { status: number } {
    const result = run([...how, ...args], options);
    expect(result.stderr).toBe("");
    return { ...reportOf(explainReportSchema, result.stdout), status: result.status };
  }

  test("a login that works: what is executed, with which arguments and environment", () => {
    configure("[u]\nenv = TERM\n");
    expect(explain(["u", "--", "ls", "-l"])).toMatchObject({
      status: 0,
      verdict: "works",
      jail: J,
      chrootshSection: "u",
      shell: PROBE,
      internalShell: false,
      command: {
        path: PROBE,
        argv: [PROBE, "-c", "ls -l"],
        environment: [
          "PATH=/usr/local/bin:/usr/bin:/bin",
          "HOME=/home/u",
          "USER=u",
          "USERNAME=u",
          `SHELL=${PROBE}`,
        ],
      },
    });
  });

  test("agrees with the login itself, whatever is broken", () => {
    const { m } = scene;
    const passwd = (from: string, to: string) =>
      m.write("/etc/passwd", m.read("/etc/passwd").replace(from, to));
    const faults: [name: string, check: string, make: () => void][] = [
      ["nothing", "", () => {}],
      ["the capability", "privilege", () => m.must(["setcap", "-r", "/usr/sbin/jk_chrootsh"])],
      ["the configuration directory", "config-directory", () => m.chmod("/etc/jailkit", 0o757)],
      ["the configuration file", "config-file", () => configure("[u\n")],
      ["the separator", "separator", () => passwd("/./", "/")],
      ["the jail", "jail-reachable", () => m.rename(J, "/srv/k")],
      ["a directory above the jail", "jail-reachable", () => m.chmod("/srv", 0o700)],
      ["the jail's path", "jail-path", () => passwd(`:${J}/./`, ":/srv/../srv/j/./")],
      ["the jail's mode", "jail-safety", () => m.chmod(J, 0o775)],
      ["the home's owner", "home-owner", () => m.chown(`${J}/home/u`, 0, 4001)],
      ["the home's mode", "home-other-write", () => m.chmod(`${J}/home/u`, 0o757)],
      ["the user in the jail", "jail-user", () => m.write(`${J}/etc/passwd`, "")],
      ["the group in the jail", "jail-group", () => m.write(`${J}/etc/group`, "")],
      ["the home in the jail", "jail-home", () => scene.jailPasswd(PROBE, "/x")],
      ["the way to the home", "home-present", () => m.chmod(`${J}/home`, 0o700)],
      ["the shell", "shell", () => m.remove(`${J}${PROBE}`)],
      ["the shell's mode", "shell", () => m.chmod(`${J}${PROBE}`, 0o700)],
      ["the shell's bits", "shell", () => m.chmod(`${J}${PROBE}`, 0o4755)],
    ];
    for (const [name, check, make] of faults) {
      scene.reset();
      make();
      const login = scene.login();
      const asRoot = explain(["u"]);
      const failed = asRoot.steps.find((step) => step.outcome === "failed");
      expect([name, failed?.name ?? ""]).toEqual([name, check]);
      expect([name, asRoot.exitStatus ?? 0]).toEqual([name, login.status]);
      expect([name, asRoot.status]).toEqual([name, login.status === 0 ? 0 : 1]);
      if (failed !== undefined && name !== "the configuration file")
        expect([name, failed.remedy]).not.toEqual([name, null]);
      m.chmod("/srv", 0o755);
      m.remove("/srv/k");
      if (check === "privilege") m.must(["setcap", "cap_sys_chroot+ep", "/usr/sbin/jk_chrootsh"]);
    }
  });

  test("a program whose libraries are not in the jail", () => {
    const { m, login, jailPasswd } = scene;
    m.write(`${J}/bin/dynamic`, m.readBytes("/usr/bin/true"), { mode: 0o755 });
    jailPasswd("/bin/dynamic");
    expect(login().status).toBe(111);
    const found = explain(["u"]);
    expect(found).toMatchObject({ status: 1, verdict: "refused" });
    const steps = found.steps.filter(({ name, outcome }) => name === "libraries" && outcome === "failed");
    expect(steps.some(({ message }) => message.includes("libc.so.6"))).toBe(true);
    for (const path of m.must(["ldd", "/usr/bin/true"]).stdout.match(/\/\S+/g) ?? []) {
      m.write(`${J}${path}`, m.readBytes(path), { mode: 0o755 });
    }
    expect(login().status).toBe(0);
    expect(explain(["u"])).toMatchObject({ status: 0, verdict: "works" });
  });

  test("the limited shell: allowed, not allowed, and no command", () => {
    scene.jailPasswd("/usr/sbin/jk_lsh");
    scene.m.write(
      `${J}/etc/jailkit/jk_lsh.ini`,
      `[u]\npaths = /bin\nexecutables = ${PROBE}\numask = 027\nenvironment = A=b\n`,
    );
    const allowed = explain(["u", "--", "probe", "'a b'"]);
    expect(allowed).toMatchObject({
      status: 0,
      internalShell: true,
      shell: "/usr/sbin/jk_lsh",
      lshSection: "u",
    });
    expect(allowed.command).toMatchObject({ path: PROBE, argv: [PROBE, "a b"], umask: "027" });
    expect(allowed.command?.environment).toContain("A=b");
    const login = scene.login(["-c", "probe 'a b'"]);
    expect(says(login, "arg")).toEqual(allowed.command?.argv ?? []);
    expect(says(login, "env").sort()).toEqual(allowed.command?.environment.sort() ?? []);

    expect(explain(["u", "--", "id"])).toMatchObject({ status: 1, exitStatus: 4, command: null });
    expect(explain(["u"])).toMatchObject({ status: 0, verdict: "works" });
    scene.m.remove(`${J}/etc/jailkit/jk_lsh.ini`);
    expect(explain(["u"])).toMatchObject({ status: 1, exitStatus: 1 });
  });

  test("users may ask about themselves with their own rights, and about nobody else", () => {
    // Only root may ask about PAM.
    const own = explain(["u"], { user: "u" });
    expect(own).toMatchObject({ status: 2, verdict: "unknown" });
    expect(own.steps.filter(({ outcome }) => outcome === "failed")).toEqual([]);
    scene.m.chmod(`${J}/etc`, 0o700);
    expect(explain(["u"], { user: "u" }).status).toBe(1);
    for (const other of ["other", "root", "nosuch"]) {
      expect(run([other], { user: "u" })).toMatchObject({ status: 2, stdout: "" });
    }
  });

  test.each([
    ["as", 1_000_000, { AS: 1_000_000 * 1024 }, 2400 * 1024],
    ["data", 1_000_000, { DATA: 1_000_000 * 1024 }, 2400 * 1024],
    ["stack", 128, { STACK: 128 * 1024 }, 256],
    ["nofile", 15, { NOFILE: 15 }, 16],
  ] as const)(
    "a hard limit '%s' of limits.conf that is too low, and one that will do",
    (item, low, limits, enough) => {
      const { m } = scene;
      const file = "/etc/security/limits.d/jail.conf";
      m.write(file, `@u hard ${item} ${low}\n`);
      const found = explain(["u"]);
      expect([found.status, found.steps.find((step) => step.stage === "limits")]).toMatchObject([
        1,
        { name: item, outcome: "failed", message: expect.stringContaining(`${file}:1`) },
      ]);
      expect(scene.login([], { limits }).status).toBe(127);
      m.write(file, `@u hard ${item} ${enough}\n`);
      expect(explain(["u"]).status).toBe(0);
      const [[name, value] = ["NOFILE", 16]] = Object.entries(limits);
      const most = { [name]: (value / low) * enough };
      expect(scene.login([], { limits: most }).status).toBe(0);
      m.remove(file);
    },
  );

  test("sshd's settings are reported to root", () => {
    const { m } = scene;
    m.write(
      "/etc/ssh/sshd_config",
      "Subsystem sftp internal-sftp\nAllowTcpForwarding no\nAuthorizedKeysFile /etc/ssh/keys/%u\n" +
        "Match User u\n  ForceCommand probe forced\n",
    );
    m.must(["ssh-keygen", "-A"]);
    m.mkdir("/run/sshd");
    m.mkdir("/etc/ssh/keys");
    m.must(["cp", "/etc/ssh/ssh_host_ed25519_key.pub", "/etc/ssh/keys/u"]);
    const { steps, command, status } = explain(["u"], {}, ["--json"]);
    expect(steps.find(({ name }) => name === "internal-sftp")).toMatchObject({
      stage: "sshd",
      outcome: "warned",
    });
    expect(steps.find(({ name }) => name === "tcp-forwarding")).toBeUndefined();
    expect(command?.argv).toEqual([PROBE, "-c", "probe forced"]);
    expect(status).toBe(0);
  });

  test("accounts that are not jailed, or do not exist", () => {
    scene.m.must(["usermod", "-s", "/bin/sh", "other"]);
    expect(explain(["other"])).toMatchObject({ status: 2, verdict: "unknown" });
    expect(explain(["nosuch"])).toMatchObject({ status: 1, verdict: "refused" });
    expect(run([]).status).toBe(2);
  });

  test("for people: each check on a line, the remedy below it, the verdict at the end", () => {
    scene.m.chmod(J, 0o775);
    const { status, stdout } = run(["--su", "u"]);
    expect(status).toBe(1);
    expect(stdout).toContain(`\n  FAILED   jail-safety: `);
    expect(stdout).toContain(`remedy: chmod g-w ${J}\n`);
    expect(stdout.trimEnd().split("\n").at(-1)).toBe("A login of u would be refused with exit status 53.");
  });
});
