/**
 * What a user can do to jk_chrootsh, with a real user and the built program: there is one privilege, one way in, and no
 * way out.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as C from "../../ffi/constants.ts";
import { openScene, type Scene } from "./chrootsh-scene.ts";
import { expectConfined, groupsOf, J, PROBE, plantLibraries, says } from "./probe.ts";

describe.each(["capability", "setuid"] as const)("with the %s", (privilege) => {
  let scene: Scene;
  beforeAll(async () => {
    scene = await openScene(privilege, undefined, 4003);
  });
  afterAll(() => scene?.m.close());
  beforeEach(() => scene.reset());

  const clean = (result: ReturnType<Scene["login"]>) => {
    expect(result.stderr).toBe("");
    expectConfined(result, scene.uid, scene.gid);
  };

  test("the shell has the user's ids, no capability and no way out", () => {
    const result = scene.login(["-c", "x"]);
    clean(result);
    expect(groupsOf(result)).toEqual([...scene.m.ids("u").groups].sort());
    expect(says(result, "cwd")).toEqual(["/home/u"]);
    expect(says(result, "arg")).toEqual([PROBE, "-c", "x"]);
    expect(says(result, "dumpable")).toEqual(["1"]);
    expect(says(result, "no_new_privs")).toEqual(["0"]);
    expect(says(result, "ignored")).toEqual([]);
  });

  test("descriptors of the caller do not get in, not even above the limit of open files", () => {
    const open = [3, 7, 50, 200, 1000].map((fd) => ({ fd, path: "/", flags: C.O_RDONLY | C.O_DIRECTORY }));
    clean(scene.login([], { open, limits: { NOFILE: [100, 100] } }));
    clean(scene.login([], { open, limits: { NOFILE: [16, 4096] } }));
  });

  test("closed descriptors 0 to 2 do not become files of the program itself", () => {
    const result = scene.login([], { close: [0, 2] });
    expect(result.status).toBe(0);
    expect(says(result, "fd").filter((line) => line.endsWith("directory"))).toEqual([]);
    expect(
      says(result, "fd")
        .map((line) => Number(line.split(" ")[0]))
        .every((fd) => fd < 3),
    ).toBe(true);
  });

  test("variables: no code for ld.so or the runtime, none reaches the shell", () => {
    const hostile = {
      USER: "u",
      LD_PRELOAD: "/tmp/evil.so",
      LD_LIBRARY_PATH: "/tmp",
      BUN_BE_BUN: "1",
      BUN_OPTIONS: "--preload=/tmp/evil.js",
      BUN_JSC_useConcurrentGC: "1",
      NODE_OPTIONS: "--require=/tmp/evil.js",
      PATH: "/tmp",
      BASH_ENV: "/tmp/x",
      HOME: "/root",
      SHELL: "/bin/false",
      USERNAME: "root",
    };
    const result = scene.login([], { env: hostile });
    clean(result);
    expect(says(result, "env").sort()).toEqual([
      "HOME=/home/u",
      "PATH=/tmp",
      `SHELL=${PROBE}`,
      "USER=u",
      "USERNAME=u",
    ]);
  });

  test("an environment that is empty, odd, or large", () => {
    clean(scene.login([], { env: [] }));
    clean(scene.login([], { env: ["", "=", "USER", "x"] }));
    clean(scene.login([], { env: Array.from({ length: 20_000 }, (_, i) => `V${i}=${i}`) }));
  });

  test("no arguments at all, and 100,000", () => {
    const none = scene.m.run([], { path: "/usr/sbin/jk_chrootsh", user: "u", env: {} });
    expect(none.status).toBe(1);
    const many = scene.login(Array.from({ length: 100_000 }, (_, i) => String(i)));
    clean(many);
    expect(says(many, "argc")).toEqual(["100001"]);
  });

  test.each(["nosuch", "root", "other", "../../etc/passwd", "u:x", "u\n", "%s%n", "a".repeat(5000)])(
    "USER=%j is refused",
    (name) => {
      expect(scene.login([], { env: { USER: name } })).toMatchObject({ status: 13, stdout: "" });
    },
  );

  test("a shell that is setuid, setgid, writable or not root's is refused", async () => {
    const { m, login, uid, gid } = scene;
    const shell = `${J}${PROBE}`;
    for (const mode of [0o4755, 0o2755, 0o775, 0o757]) {
      m.chmod(shell, mode);
      expect([mode, login().status, login().stdout]).toEqual([mode, 111, ""]);
    }
    m.chmod(shell, 0o755);
    m.chown(shell, uid, gid);
    expect(login().status).toBe(111);
    m.chown(shell, 0, 0);
    expect(login().status).toBe(0);
  });

  test("a shell in a directory of the user is refused, whatever path names it", () => {
    const { m, login, jailPasswd } = scene;
    m.write(`${J}/home/u/sh`, m.readBytes(`${J}${PROBE}`), { mode: 0o755 });
    jailPasswd("/home/u/sh");
    expect(login().status).toBe(111);
    m.symlink("/home/u/sh", `${J}/bin/linked`);
    jailPasswd("/bin/linked");
    expect(login().status).toBe(111);
    m.symlink(PROBE, `${J}/home/u/back`);
    jailPasswd("/home/u/back");
    expect(login().status).toBe(111);
    m.symlink("probe", `${J}/bin/good`);
    jailPasswd("/bin/good");
    expect(login().status).toBe(0);
  });

  test.each(["", "sh", "./probe", "../bin/probe", "bin/probe", "/bin", "/bin/nosuch", "/dev/null/x"])(
    "the shell %j is refused",
    (shell) => {
      // What the name means at the jail's root is safe; in the home, where it would be started, it is not.
      for (const path of ["/sh", "/bin/probe", "/home/u/sh", "/home/u/bin/probe", "/home/u/probe"]) {
        if (path !== PROBE) scene.m.write(`${J}${path}`, scene.m.readBytes(`${J}${PROBE}`), { mode: 0o755 });
      }
      scene.jailPasswd(shell);
      expect(scene.login()).toMatchObject({ status: 111, stdout: "" });
    },
  );

  test("a link that leads out of the jail stays in it", () => {
    scene.m.symlink("/../../../root/probe", `${J}/bin/out`);
    scene.jailPasswd("/bin/out");
    expect(scene.login().status).toBe(111);
  });

  test("the home: a link, somebody else's, and one that leads elsewhere on the host", () => {
    const { m, login } = scene;
    const home = `${J}/home/u`;
    m.remove(home);
    m.symlink("/root", home);
    expect(login().status).toBe(53);
    m.remove(home);
    m.symlink("other", home);
    m.mkdir(`${J}/home/other`, { owner: [scene.uid, scene.gid] });
    expect(login().status).toBe(53);
    m.remove(home);
    m.mkdir(home, { owner: [4002, 4002] });
    expect(login().status).toBe(53);
  });

  test("config files: what cannot be read or understood is a refusal, never the defaults", async () => {
    const { m, login } = scene;
    const ini = "/etc/jailkit/jk_chrootsh.ini";
    const bad: [name: string, text: string, mode: number][] = [
      ["unreadable for the user", "[u]\n", 0o600],
      ["writable for everybody", "[u]\n", 0o646],
      ["a number that is none", "[u]\nrelax_home_group = yes please\n", 0o644],
      ["a header without end", "[u\n", 0o644],
      ["a NUL byte", "[u]\n\0", 0o644],
      ["two megabytes", "#".repeat(2 << 20), 0o644],
    ];
    for (const [name, text, mode] of bad) {
      m.write(ini, text, { mode });
      expect([name, login().status]).toEqual([name, 14]);
    }
    m.remove(ini);
    m.mkdir(ini);
    expect(login().status).toBe(14);
    m.remove(ini);
    m.must(["mkfifo", ini]);
    expect(login().status).toBe(14);
    m.remove(ini);
    m.write("/etc/jailkit/jk_chrootsh.d/x.ini", "[u]\n", { owner: [scene.uid, scene.gid] });
    expect(login().status).toBe(14);
    m.remove("/etc/jailkit/jk_chrootsh.d");
    expect(login().status).toBe(0);
  });

  test("hostile account files of the jail do no more than refuse", () => {
    const { m, login, uid, gid } = scene;
    const entry = `u:x:${uid}:${gid}::/home/u:${PROBE}\n`;
    const many = Array.from({ length: 20_000 }, (_, i) => `v${i}:x:${50_000 + i}:1::/:/bin/sh\n`).join("");
    for (const [text, status] of [
      ["", 35],
      ["\n:::::::\n", 35],
      [`u:x:${uid}:${gid}::/home/u\n`, 35],
      [`${"x".repeat(100_000)}\n${entry}`, 0],
      [`${many}${entry}`, 0],
      [`u:x:4294967295:${gid}::/home/u:${PROBE}\n`, 35],
      [`u:x:0:0::/home/u:${PROBE}\n`, 35],
    ] as const) {
      m.write(`${J}/etc/passwd`, text);
      expect([text.slice(0, 40), login().status]).toEqual([text.slice(0, 40), status]);
    }
    m.remove(`${J}/etc/passwd`);
    m.must(["mkfifo", `${J}/etc/passwd`]);
    expect(login().status).toBe(35);
    m.remove(`${J}/etc/passwd`);
    m.symlink("/etc/only-outside", `${J}/etc/passwd`);
    expect(login().status).toBe(35);
  });

  test("no library of the jail is loaded, whatever its nsswitch.conf says", async () => {
    const { m, login } = scene;
    plantLibraries(m);
    m.write(`${J}/etc/localtime`, "hostile");
    clean(login());
    // A user that only NSS of the jail could know is not known, and nothing is loaded to find out.
    m.write(`${J}/etc/passwd`, "");
    expect(login().status).toBe(35);
    scene.jailPasswd("/usr/sbin/jk_lsh");
    m.write(`${J}/etc/jailkit/jk_lsh.ini`, `[DEFAULT]\nexecutables = ${PROBE}\n`);
    clean(login(["-c", PROBE]));
  });

  test("while it has its privilege, the user can neither trace it nor read its memory", async () => {
    const { m } = scene;
    m.write("/root/watch.c", WATCH);
    m.must(["gcc", "-O1", "-o", "/usr/bin/watch-login", "/root/watch.c"]);
    const result = m.run(["/usr/bin/watch-login"], { user: "u", env: { USER: "u" } });
    expect(result.stderr).toBe("");
    expect(result.stdout).toBe(
      "attach Operation not permitted\nmem Permission denied\nenviron Permission denied\n",
    );
  });

  test("limits that stop it half-way do not leave it with a privilege", () => {
    for (const limits of [{ NOFILE: 16 }, { FSIZE: 0 }, { NPROC: 1 }, { CORE: 0 }] as const) {
      clean(scene.login([], { limits }));
    }
    const starved = scene.login([], { limits: { AS: [64 << 20, 64 << 20] } });
    expect(starved.status).not.toBe(0);
    expect(starved.stdout).toBe("");
  });

  test("no_new_privs of the caller costs the privilege, and the log says so", async () => {
    const result = scene.login([], { noNewPrivs: true });
    expect(result).toMatchObject({ status: 11, stdout: "" });
    const id = /JK-[A-Z2-7]{8}/.exec(result.stderr)?.[0] ?? "none";
    const line = (await scene.lines("jk_chrootsh")).find(({ message }) => message.includes(id));
    expect(line?.message).toContain("no_new_privs");
    expect(line?.message).toContain("setcap");
  });

  test("no message to the user names a path outside the jail", () => {
    const { m, login } = scene;
    const breaks: (() => void)[] = [
      () => m.chmod(J, 0o777),
      () => m.remove(`${J}/home/u`),
      () => m.remove(`${J}/etc/group`),
      () => m.remove(`${J}${PROBE}`),
      () => m.write("/etc/jailkit/jk_chrootsh.ini", "[u\n"),
      () => m.remove(J),
    ];
    for (const break_ of breaks) {
      scene.reset();
      break_();
      const { status, stderr, stdout } = login();
      expect(status).not.toBe(0);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^jk_chrootsh: refused: [^/]+ \(error id JK-[A-Z2-7]{8}\)\n$/);
    }
  });
});

/** Starts jk_chrootsh as the same user, stops it before its exec, and tries to get at it. */
const WATCH = `
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

/* Everybody may read this name; it is the shell's once that has been executed. */
static int is_jk_chrootsh(pid_t pid) {
  char path[64], name[64] = "";
  snprintf(path, sizeof path, "/proc/%d/comm", pid);
  int fd = open(path, O_RDONLY);
  if (fd < 0 || read(fd, name, sizeof name - 1) < 0) name[0] = 0;
  close(fd);
  return strcmp(name, "jk_chrootsh\\n") == 0;
}

static const char *attempt(pid_t pid, const char *file, int flags) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, file);
  return open(path, flags) >= 0 ? "works" : strerror(errno);
}

int main(void) {
  int status;
  /* On a busy machine a login may be over before it is stopped; then the next one is tried. */
  for (int i = 0; i < 200; i++) {
    pid_t child = fork();
    if (child == 0) {
      dup2(open("/dev/null", O_RDWR), 1);
      execl("/usr/sbin/jk_chrootsh", "jk_chrootsh", (char *)0);
      _exit(126);
    }
    while (!is_jk_chrootsh(child) && waitpid(child, &status, WNOHANG) == 0) ;
    kill(child, SIGSTOP);
    if (waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status)) {
      int caught = is_jk_chrootsh(child);
      if (caught) {
        printf("attach %s\\n", ptrace(PTRACE_ATTACH, child, 0, 0) == 0 ? "works" : strerror(errno));
        printf("mem %s\\n", attempt(child, "mem", O_RDWR));
        printf("environ %s\\n", attempt(child, "environ", O_RDONLY));
      }
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      if (caught) return 0;
    }
  }
  return 1;
}
`;
