/**
 * Uploaded files are not executed, whichever allowed program is made to start them: the key `execute` of jk_lsh.ini,
 * enforced by the kernel. With OpenSSH, rsync and git, in a jail; and what must still work.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { callNumber } from "../../build/filters/libseccomp.ts";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine, type RunResult, type Sshd, type Syslog } from "../machine/machine.ts";
import { HERE } from "../unit/filter-words.ts";

setDefaultTimeout(120_000);

const jail = "/srv/jail";
const home = `${jail}/home/test`;
const ini = `${jail}/etc/jailkit/jk_lsh.ini`;
const work = "/root/client";
const denied = "Permission denied";
const programs =
  "/usr/bin/env, /usr/bin/tool, /srv/tool/run, /usr/bin/scp, /usr/bin/rsync, /usr/bin/git-upload-pack, ";
const policy = (more = "") =>
  `[DEFAULT]\npaths = /usr/bin\nexecutables = ${programs}/usr/bin/git-receive-pack, /usr/lib/openssh/sftp-server\n${more}`;

let m: Machine;
let log: Syslog;
let sshd: Sshd;
const here = { cwd: work };

beforeAll(async () => {
  m = await openMachine({
    under: "ours",
    only: ["jk_addjailuser", "jk_chrootsh", "jk_cp", "jk_init", "jk_lsh"],
  });
  log = await m.startSyslog();
  sshd = await m.startSshd();
  m.mkdir(jail);
  for (const section of ["jk_lsh", "sftp", "scp", "rsync", "git"]) m.must(["jk_init", "-j", jail, section]);
  m.must(["jk_cp", "-j", jail, "/usr/bin/env", "/usr/bin/sh", "/usr/bin/touch", "/usr/bin/true"]);
  m.must(["jk_addjailuser", "-j", jail, "test"]);
  m.must(["usermod", "-p", "*", "test"]);
  m.write(ini, policy());
  m.mkdir(work);
  m.mkdir(`${jail}/tmp`, { mode: 0o1777 });
  m.write(`${work}/static.c`, 'int puts(const char *);\nint main(void) { return puts("ESCAPED") < 0; }\n');
  m.must(["gcc", "-static", "-o", `${work}/static`, `${work}/static.c`]);
  m.must(["gcc", "-o", `${work}/dynamic`, `${work}/static.c`]);
  m.write(`${work}/script`, "#!/bin/sh\necho ESCAPED\n", { mode: 0o755 });
  m.write(`${work}/large`, "x".repeat(300_000));
  for (const name of ["static", "dynamic", "script"])
    expect(m.run(["scp", "-p", ...sshd.clientOptions, name, "test@127.0.0.1:"], here).status).toBe(0);
  // Programs of the administrator's, outside of the system's directories: a link in /usr/bin leads to one.
  m.write(`${jail}/srv/tool/run`, '#!/bin/sh\necho tool "$@"\n', { mode: 0o755 });
  m.write(`${jail}/srv/tool/linked`, '#!/bin/sh\necho linked "$@"\n', { mode: 0o755 });
  m.symlink("/srv/tool/linked", `${jail}/usr/bin/tool`);
  m.write(`${jail}/srv/tools/helper`, "#!/bin/sh\necho helper\n", { mode: 0o755 });
  m.write(
    "/usr/bin/refuse-call",
    await Bun.file(compiledC(join(import.meta.dir, "refuse-call.c"), ["-static"])).bytes(),
    {
      mode: 0o755,
    },
  );
});
afterAll(() => m?.close());

beforeEach(() => m.write(ini, policy()));

const ssh = (...words: string[]) => sshd.ssh("test", words);
const sftp = (commands: string): RunResult =>
  m.run(["sftp", ...sshd.clientOptions, "-b", "-", "test@127.0.0.1"], { ...here, stdin: commands });
const success = { status: 0 };
const notes = async (text: string) =>
  (await log.waitForLog(({ ident, message }) => ident === "jk_lsh" && message.includes(text))).message;

const uploads: [what: string, command: string][] = [
  ["a static program", "env ./static"],
  ["a dynamic one", "env ./dynamic"],
  ["a script", "env ./script"],
  ["by its whole path", "env /home/test/static"],
  ["through the parent", "env /usr/bin/../../home/test/static"],
  ["found in PATH", "env PATH=/home/test static"],
  ["by a shell", "env sh -c ./static"],
  ["below /tmp", "env sh -c 'while read -r l; do :; done < static; exec /tmp/static'"],
  ["through a link", "env ./link"],
  ["through a hard link", "env ./hard"],
];

describe("what was uploaded", () => {
  beforeAll(() => {
    const { uid, gid } = m.ids("test");
    m.must(["cp", "-p", `${home}/static`, `${jail}/tmp/static`]);
    m.symlink("static", `${home}/link`);
    m.must(["ln", `${home}/static`, `${home}/hard`]);
    m.must(["chown", "-h", `${uid}:${gid}`, `${home}/link`]);
  });

  test.each(uploads)("%s is not executed", (_what, command) => {
    const result = ssh(command);
    expect(result.stdout).toBe("");
    expect(result.stderr).toContain(denied);
    expect(result.status).toBe(126);
  });

  test.each(uploads)("%s is, with execute = any, as 2.23 does", (_what, command) => {
    m.write(ini, policy("execute = any\n"));
    expect(ssh(command)).toMatchObject({ status: 0, stdout: "ESCAPED\n" });
  });

  test("a hook of git is not executed, and the push works", () => {
    const bare = `${home}/r.git`;
    const git = (...words: string[]) =>
      m.run(["git", "-c", "user.name=T", "-c", "user.email=t@example.org", ...words], {
        ...here,
        env: { PATH: "/usr/bin:/bin", HOME: "/root", GIT_SSH_COMMAND: sshd.command },
      });
    m.must(["git", "init", "-q", "--bare", "-b", "main", bare]);
    m.write(`${bare}/hooks/post-receive`, "#!/bin/sh\n/usr/bin/touch /home/test/pwned\n", { mode: 0o755 });
    m.must(["chown", "-R", "test:", bare]);
    const push = () => {
      expect(git("-C", "clone", "commit", "--allow-empty", "-qm", "one")).toMatchObject(success);
      // By way of env, so that nothing but the kernel keeps the hook from running.
      const words = ["push", "-q", "--receive-pack=env git-receive-pack", "origin", "HEAD:main"];
      expect(git("-C", "clone", ...words)).toMatchObject(success);
    };
    expect(git("clone", "-q", "ssh://test@127.0.0.1/home/test/r.git", "clone")).toMatchObject(success);
    push();
    expect(git("-C", "clone", "fetch", "-q", "origin", "main")).toMatchObject(success);
    expect(m.exists(`${home}/pwned`)).toBe(false);
    m.write(ini, policy("execute = any\n"));
    push();
    expect(m.exists(`${home}/pwned`)).toBe(true);
  });

  test("ld.so still maps it, which a file system mounted noexec keeps it from", () => {
    const line = "env /lib64/ld-linux-x86-64.so.2 ./dynamic";
    if (process.arch !== "x64") return;
    expect(ssh(line)).toMatchObject({ status: 0, stdout: "ESCAPED\n" });
    m.must(["mount", "--bind", home, home]);
    m.must(["mount", "-o", "remount,bind,noexec", home]);
    const result = ssh(line);
    m.must(["umount", home]);
    expect(result.status).not.toBe(0);
    expect(result.stdout).toBe("");
  });
});

describe("what still works", () => {
  test("programs of the system, with what they start", () => {
    expect(ssh("env sh -c 'env true && echo fine'")).toMatchObject({ status: 0, stdout: "fine\n" });
  });

  test("listed programs elsewhere, including targets of symbolic links", () => {
    expect(ssh("/srv/tool/run a")).toMatchObject({ status: 0, stdout: "tool a\n" });
    expect(ssh("tool b")).toMatchObject({ status: 0, stdout: "linked b\n" });
    expect(ssh("env /srv/tool/run c")).toMatchObject({ status: 0, stdout: "tool c\n" });
  });

  test("a target of a symbolic link of root's in a directory of the system, also where little may be read", () => {
    m.write(ini, policy("read = none\n"));
    for (const words of ["tool 1", "env tool 1"])
      expect(ssh(words)).toMatchObject({ status: 0, stdout: "linked 1\n" });
  });

  test("sftp renames and links between directories", () => {
    const commands =
      "mkdir a\nmkdir b\nput large a/one\nrename a/one b/two\nln b/two a/three\nrename a b/a\nls b/a\n";
    expect(sftp(commands)).toMatchObject(success);
    expect(m.stat(`${home}/b/a/three`)?.size).toBe(300_000);
    m.remove(`${home}/b`);
  });

  test("rsync, with a directory for unfinished files; scp", () => {
    m.mkdir(`${home}/unfinished`, { owner: [m.ids("test").uid, m.ids("test").gid] });
    const rsync = ["rsync", "-e", sshd.command, "-a", "--temp-dir=/home/test/unfinished", "--delay-updates"];
    expect(m.run([...rsync, "large", "test@127.0.0.1:d/"], here)).toMatchObject(success);
    expect(m.stat(`${home}/d/large`)?.size).toBe(300_000);
    for (const protocol of ["-s", "-O"]) {
      const scp = ["scp", protocol, ...sshd.clientOptions, "large", "test@127.0.0.1:d/again"];
      expect(m.run(scp, here)).toMatchObject(success);
    }
  });
});

describe("directories of the administrator", () => {
  const helper = () => ssh("env /srv/tools/helper");
  const named = policy("execute = system, /srv/tools\n");

  test("count if they are named", () => {
    expect(helper()).toMatchObject({ status: 126, stdout: "" });
    m.write(ini, named);
    expect(helper()).toMatchObject({ status: 0, stdout: "helper\n" });
  });

  const tools = `${jail}/srv/tools`;
  const unsafe: [what: string, note: string, spoil: () => void, mend: () => void][] = [
    ["a group may write", "chmod go-w", () => m.chmod(tools, 0o775), () => m.chmod(tools, 0o755)],
    [
      "an ACL lets somebody write",
      "chmod go-w",
      () => m.must(["setfacl", "-m", "u:test:rwx", tools]),
      () => m.must(["setfacl", "-b", tools]),
    ],
    ["somebody owns", "not to root", () => m.chown(tools, 1, 0), () => m.chown(tools, 0, 0)],
    [
      "somebody can exchange",
      "chmod go-w",
      () => m.chmod(`${jail}/srv`, 0o1777),
      () => m.chmod(`${jail}/srv`, 0o755),
    ],
    [
      "links lead to",
      "link",
      () => {
        m.rename(tools, `${jail}/srv/real`);
        m.symlink("real", tools);
      },
      () => {
        m.remove(tools);
        m.rename(`${jail}/srv/real`, tools);
      },
    ],
  ];
  test.each(unsafe)("are left out, and logged, if %s", async (_what, note, spoil, mend) => {
    m.write(ini, named);
    await log.clear();
    spoil();
    const result = helper();
    mend();
    expect(result).toMatchObject({ status: 126, stdout: "" });
    expect(await notes("nothing in /srv/tools (")).toContain(note);
    expect(helper()).toMatchObject({ status: 0, stdout: "helper\n" });
  });

  test("are left out if the home is in them", async () => {
    m.write(ini, policy("execute = system, /home\n"));
    await log.clear();
    expect(ssh("env ./static")).toMatchObject({ status: 126, stdout: "" });
    expect(await notes("/home (the home /home/test is in it)")).toContain("may execute nothing in");
  });

  test("of the system, too: an account that lives in /opt executes nothing there", () => {
    const { uid, gid } = m.addUser("app", { home: "/opt/app", shell: "/usr/sbin/jk_lsh" });
    m.mkdir("/opt/app", { owner: [uid, gid ?? 0] });
    m.write("/opt/app/static", m.readBytes(`${work}/static`), { mode: 0o755 });
    m.write("/etc/jailkit/jk_lsh.ini", "[DEFAULT]\nexecutables = /usr/bin/env\n");
    expect(sshd.ssh("app", ["/usr/bin/env ./static"])).toMatchObject({ status: 126, stdout: "" });
    m.chown("/opt/app", 0, 0);
    expect(sshd.ssh("app", ["/usr/bin/env ./static"])).toMatchObject({ status: 0, stdout: "ESCAPED\n" });
  });

  describe("also if the home is not where it was: an account that owns the directory above it", () => {
    const run = (line: string) =>
      m.run(["/usr/sbin/jk_lsh", "-c", line], { user: "dept", env: { USER: "dept" }, cwd: "/" });

    beforeAll(() => {
      const { uid, gid } = m.addUser("dept", { home: "/opt/dept/app", shell: "/usr/sbin/jk_lsh" });
      for (const path of ["/opt/dept", "/opt/dept/app"]) m.mkdir(path, { owner: [uid, gid ?? 0] });
      m.write("/opt/dept/static", m.readBytes(`${work}/static`), { mode: 0o755 });
      m.write("/etc/jailkit/jk_lsh.ini", "[DEFAULT]\nexecutables = /usr/bin/env\n");
      m.mkdir("/srv/elsewhere");
    });
    afterAll(() => m.remove("/opt/dept"));

    test("locks it", () => {
      m.chmod("/opt/dept", 0);
      const result = run("/usr/bin/env sh -c 'chmod 755 /opt/dept; exec /opt/dept/static'");
      m.chmod("/opt/dept", 0o755);
      expect(result).toMatchObject({ status: 126, stdout: "" });
      expect(result.stderr).toContain(denied);
    });

    test.each(["/opt/dept/in", "../opt/dept/in", "other/../../opt/dept/in", "more"])(
      "locks it, where a link of root's leads through it (%s)",
      (target) => {
        m.mkdir("/opt/dept/in/app", { owner: [m.ids("dept").uid, m.ids("dept").gid] });
        m.mkdir("/srv/other");
        m.symlink("/opt/dept/in", "/srv/more");
        m.symlink(target, "/srv/way");
        m.must(["usermod", "-d", "/srv/way/app", "dept"]);
        const words = "/usr/bin/env sh -c 'chmod 755 /opt/dept; exec /opt/dept/static'";
        m.chmod("/opt/dept", 0);
        const result = run(words);
        m.chmod("/opt/dept", 0o755);
        for (const path of ["/srv/way", "/srv/more", "/srv/other", "/opt/dept/in"]) m.remove(path);
        m.must(["usermod", "-d", "/opt/dept/app", "dept"]);
        expect(result).toMatchObject({ status: 126, stdout: "" });
        expect(result.stderr).toContain(denied);
      },
    );

    test.each([
      ["removes the home", () => undefined],
      ["puts a link in its place", () => m.symlink("/srv/elsewhere", "/opt/dept/app")],
    ])("%s", (_what, instead) => {
      m.remove("/opt/dept/app");
      instead();
      const result = run("/usr/bin/env /opt/dept/static");
      expect(result).toMatchObject({ status: 126, stdout: "" });
      expect(result.stderr).toContain(denied);
    });

    test("puts a directory of root's in its place", () => {
      m.remove("/opt/dept/app");
      m.mkdir("/opt/dept/app");
      const result = run("/usr/bin/env /opt/dept/static");
      expect(result).toMatchObject({ status: 126, stdout: "" });
      expect(result.stderr).toContain(denied);
    });
  });

  // Outside a jail: a login is refused before that in one whose /opt is not root's.
  describe("of the system", () => {
    const places = ["/opt/helper", "/usr/local/bin/helper"];
    const runs = () => places.map((path) => sshd.ssh("out", [`/usr/bin/env ${path}`]).status);
    beforeAll(() => {
      const { uid, gid } = m.addUser("out", { home: "/home/out", shell: "/usr/sbin/jk_lsh" });
      m.mkdir("/home/out", { owner: [uid, gid ?? 0] });
      m.write("/etc/jailkit/jk_lsh.ini", "[DEFAULT]\nexecutables = /usr/bin/env\n");
      for (const path of places) m.write(path, m.readBytes(`${tools}/helper`), { mode: 0o755 });
    });

    const spoiled: [what: string, path: string, spoil: () => void, mend: () => void][] = [
      ["a group may write", "/opt", () => m.chmod("/opt", 0o775), () => m.chmod("/opt", 0o755)],
      ["somebody owns", "/opt", () => m.chown("/opt", 1, 0), () => m.chown("/opt", 0, 0)],
      [
        "others may exchange",
        "/usr/local/bin",
        () => m.chmod("/usr/local", 0o757),
        () => m.chmod("/usr/local", 0o755),
      ],
    ];
    test.each(spoiled)("that %s are left out, and logged", async (_what, path, spoil, mend) => {
      expect(runs()).toEqual([0, 0]);
      await log.clear();
      spoil();
      const found = runs();
      mend();
      expect(found).toEqual(path === "/opt" ? [126, 0] : [0, 126]);
      expect(await notes(`${path} (`)).toContain("this session may execute nothing in");
      expect(runs()).toEqual([0, 0]);
    });

    test.each(["/opt", "/usr/local", "/usr/local/bin"])("that are links are left out: %s", (path) => {
      m.rename(path, "/srv/moved");
      m.symlink("/srv/moved", path);
      const found = runs();
      m.remove(path);
      m.rename("/srv/moved", path);
      expect(found).toEqual(path === "/opt" ? [126, 0] : [0, 126]);
      expect(runs()).toEqual([0, 0]);
    });
  });

  test.each(["sytem", "/srv/tools", "any, /srv/tools", "system, tools"])(
    "execute = %s is refused",
    (value) => {
      m.write(ini, policy(`execute = ${value}\n`));
      expect(ssh("env true")).toMatchObject({ status: 1, stdout: "" });
    },
  );
});

/** Replaces a server that its user made start something: it prints what happened. */
const SERVER = `#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
int main(void) {
  char *words[] = {"/usr/bin/true", NULL};
  execv(words[0], words);
  return printf("%s\\n", strerror(errno)) < 0;
}
`;

describe("a known server executes nothing, not even what is listed", () => {
  const line = "/srv/server/sftp-server";
  const listed = (more = "") =>
    `[DEFAULT]\nexecutables = /usr/bin/true, /srv/server/git-upload-pack, ${line}\n${more}`;
  const jailed = (command = line) => ssh(command);
  const outside = (command = line) =>
    m.run(["/usr/sbin/jk_lsh", "-c", command], { user: "test", env: { USER: "test" } });
  const places = [
    ["in a jail", ini, jailed],
    ["outside", "/etc/jailkit/jk_lsh.ini", outside],
  ] as const;

  beforeAll(() => {
    m.write(`${work}/server.c`, SERVER);
    m.must(["gcc", "-static", "-o", `${work}/server`, `${work}/server.c`]);
    for (const root of ["", jail])
      for (const name of ["sftp-server", "git-upload-pack"])
        m.write(`${root}/srv/server/${name}`, m.readBytes(`${work}/server`), { mode: 0o755 });
  });

  test.each(places)("%s", (_where, file, run) => {
    m.write(file, listed());
    expect(run()).toMatchObject({ stdout: `${denied}\n`, status: 0 });
  });

  test.each(places)(
    "%s: not even with a directory in the key execute that does not count",
    (_where, file, run) => {
      const root = file === ini ? jail : "";
      m.mkdir(`${root}/srv/hooks`);
      m.write(file, listed("execute = system, /srv/missing, /srv/hooks\n"));
      expect(run()).toMatchObject({ stdout: "", status: 0 });
      m.chmod(`${root}/srv/hooks`, 0o775);
      expect(run()).toMatchObject({ stdout: `${denied}\n`, status: 0 });
      const git = run("/srv/server/git-upload-pack /home/test/r");
      expect(git).toMatchObject({ stdout: `${denied}\n`, status: 0 });
      m.remove(`${root}/srv/hooks`);
      expect(run()).toMatchObject({ stdout: `${denied}\n`, status: 0 });
      m.symlink("/usr/bin", `${root}/srv/hooks`);
      expect(run()).toMatchObject({ stdout: `${denied}\n`, status: 0 });
      m.remove(`${root}/srv/hooks`);
    },
  );

  test("outside: on a kernel without filters it does, which is logged, or refused if confine = require", async () => {
    const file = "/etc/jailkit/jk_lsh.ini";
    const calls = [`${callNumber("prctl", HERE)}:22`, `${callNumber("seccomp", HERE)}`];
    const words = ["/usr/bin/refuse-call", "22", ...calls, "--", "/usr/sbin/jk_lsh", "-c", line];
    const run = () => m.run(words, { user: "test", env: { USER: "test" } });
    await log.clear();
    m.write(file, listed());
    expect(run()).toMatchObject({ stdout: "", status: 0 });
    expect(await notes("can execute other programs")).toContain(
      `${line} can execute other programs: the kernel`,
    );
    m.write(file, listed("confine = require\n"));
    expect(run()).toMatchObject({ stdout: "", status: 126 });
    expect(await notes("confine = require asks for")).toContain("execute (programs in memory) needs filters");
  });

  test.each(places)("%s: what it leaves to others, and an administrator to all", (_where, file, run) => {
    m.write(file, listed("execute = any\n"));
    expect(run()).toMatchObject({ stdout: "", status: 0 });
    m.write(file, listed("allow_spawn_options = 1\n"));
    expect(run()).toMatchObject({ stdout: "", status: 0 });
    // git starts programs of its own, for which there is no such filter; true is none of them.
    m.write(file, listed());
    expect(run("/srv/server/git-upload-pack /home/test/r")).toMatchObject({
      stdout: `${denied}\n`,
      status: 0,
    });
  });
});

describe("outside a jail", () => {
  const run = (line: string, wrapper: string[] = []) =>
    m.run([...wrapper, "/usr/sbin/jk_lsh", "-c", line], { user: "test", env: { USER: "test" }, cwd: home });
  const refusing = (errno: number, ...calls: number[]) =>
    ["/usr/bin/refuse-call", `${errno}`, ...calls.map(String), "--"] as string[];
  const [EPERM, ENOSYS, EOPNOTSUPP] = [1, 38, 95];
  const [create, restrict] = [444, 446];

  beforeAll(() => m.write("/etc/jailkit/jk_lsh.ini", "[DEFAULT]\nexecutables = /usr/bin/env\n"));

  test.each(["", "read = /data\n", "execute = system, /srv\n"])(
    "a program of the list that cannot be opened is as one that is missing: %j",
    (more) => {
      m.write("/srv/closed/tool", "", { mode: 0o755 });
      m.chmod("/srv/closed", 0o700);
      m.symlink("loop", "/srv/loop");
      const listed = ["/srv/missing", "/srv/closed/tool", "/srv/loop", `/srv/${"x".repeat(300)}`];
      const write = (programs: readonly string[]) =>
        m.write("/etc/jailkit/jk_lsh.ini", `[DEFAULT]\nexecutables = ${programs.join(", ")}\n${more}`);
      const found = [...listed.map((path) => [path]), listed].map((one) => {
        write(["/usr/bin/env", ...one]);
        return run("/usr/bin/env true").status;
      });
      m.remove("/srv/closed");
      m.remove("/srv/loop");
      write(["/usr/bin/env"]);
      expect(found).toEqual([0, 0, 0, 0, 0]);
    },
  );

  test("commands are limited as well", () => {
    expect(run("/usr/bin/env true")).toMatchObject({ status: 0, stderr: "" });
    const result = run("/usr/bin/env ./static");
    expect(result).toMatchObject({ status: 126, stdout: "" });
    expect(result.stderr).toContain(denied);
  });

  test.each([
    ["without Landlock", ENOSYS],
    ["booted without", EOPNOTSUPP],
  ])("a kernel %s: the command runs, and the log says so", async (_what, errno) => {
    await log.clear();
    expect(run("/usr/bin/env ./static", refusing(errno, create))).toMatchObject({
      status: 0,
      stdout: "ESCAPED\n",
    });
    expect(await notes("does not confine")).toContain("execute needs Landlock of Linux 5.19");
  });

  test.each([
    ["a kernel that refuses to say", EPERM, create, "execute, scope"],
    ["a kernel that refuses to limit it", EPERM, restrict, "execute, scope"],
    ["what says that it did, and did not", 0, restrict, "execute, scope"],
  ])("%s: nothing runs, and the log names the keys", async (_what, errno, call, keys) => {
    await log.clear();
    const result = run("/usr/bin/env true", refusing(errno, call));
    expect(result).toMatchObject({ status: 126, stdout: "" });
    const told = /^jk_lsh: refused: the session cannot be confined \(error id (JK-[A-Z2-7]{8})\)\n$/;
    const [, id = "none"] = told.exec(result.stderr) ?? [];
    const line = await notes("cannot be confined");
    expect(line).toStartWith(`${id}: `);
    expect(line).toContain(
      `; change ${keys} in section [DEFAULT] of /etc/jailkit/jk_lsh.ini (check confinement`,
    );
  });

  test("a file that cannot be used: the log has the id that the user sees, and the remedy", async () => {
    m.write("/etc/jailkit/jk_lsh.ini", "[DEFAULT]\nexecutables = /usr/bin/env\numask = yes\n");
    await log.clear();
    const result = run("/usr/bin/env true");
    expect(result).toMatchObject({ status: 1, stdout: "" });
    const told = /^jk_lsh: refused: the configuration cannot be used \(error id (JK-[A-Z2-7]{8})\)\n$/;
    const [, id = "none"] = told.exec(result.stderr) ?? [];
    const line = await notes("umask");
    expect(line).toStartWith(`${id}: abort, `);
    expect(line).toEndWith("; remedy: sed -i '3s/^/#/' /etc/jailkit/jk_lsh.ini");
  });
});
