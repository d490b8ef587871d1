/** What a user can do to jk_lsh, as a separate program and inside jk_chrootsh. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { RunOptions } from "../machine/machine.ts";
import { openScene, type Scene } from "./chrootsh-scene.ts";
import { J, PROBE, says } from "./probe.ts";

let scene: Scene;
beforeAll(async () => {
  scene = await openScene("capability");
});
afterAll(() => scene?.m.close());

const policy = `[DEFAULT]\npaths = /bin\nexecutables = ${PROBE}\n`;

describe.each(["alone", "inside jk_chrootsh"])("jk_lsh %s", (where) => {
  const inside = where !== "alone";
  const ini = inside ? `${J}/etc/jailkit/jk_lsh.ini` : "/etc/jailkit/jk_lsh.ini";

  beforeEach(() => {
    const { m } = scene;
    scene.reset();
    scene.jailPasswd("/usr/sbin/jk_lsh");
    m.write(ini, policy);
    if (!inside) m.write(PROBE, m.readBytes("/root/probe"), { mode: 0o755 });
  });

  const program = inside ? "/usr/sbin/jk_chrootsh" : "/usr/sbin/jk_lsh";
  const run = (args: readonly string[], options: RunOptions = {}) =>
    scene.m.run([program, ...args], { user: "u", env: { USER: "u" }, ...options });
  const command = (line: string, options?: RunOptions) => run(["-c", line], options);

  test("has no privilege, and neither does the command", async () => {
    const result = command("probe a");
    const { uid } = scene;
    expect(result).toMatchObject({ status: 0, stderr: "" });
    expect(says(result, "uid")).toEqual([`${uid} ${uid} ${uid}`]);
    expect(says(result, "capabilities")).toEqual(["0 0 0 0"]);
    expect(says(result, "chroot")).toEqual(["Operation not permitted"]);
    expect(says(result, "arg")).toEqual([PROBE, "a"]);
    expect(says(result, "dumpable")).toEqual(["1"]);
    const lines = (await scene.lines("jk_lsh")).map(({ message }) => message);
    expect(lines).toContain(`executing command '${PROBE} a' for user u (${uid})`);
  });

  test("a long command does not hide in the log who runs it", async () => {
    command(`probe "' for user root (0)"${" x".repeat(20_000)}`);
    const lines = (await scene.lines("jk_lsh")).map(({ message }) => message);
    expect(lines.findLast((one) => one.includes(" for user root (0)"))).toEndWith(
      `...' for user u (${scene.uid})`,
    );
  });

  test("variables that are code do not reach the command", () => {
    const hostile = {
      USER: "u",
      LANG: "C.UTF-8",
      LC_ALL: "../../evil",
      LD_PRELOAD: "/tmp/evil.so",
      LD_AUDIT: "/tmp/evil.so",
      BUN_BE_BUN: "1",
      BASH_ENV: "/tmp/x",
      ENV: "/tmp/x",
      IFS: "/",
      PERL5OPT: "-Mevil",
      PYTHONPATH: "/tmp",
      RSYNC_RSH: "/tmp/x",
      GIT_SSH_COMMAND: "/tmp/x",
      SSH_ASKPASS: "/tmp/x",
      TZ: "/etc/only-outside",
    };
    const names = says(command("probe", { env: hostile }), "env").map((entry) => entry.split("=")[0]);
    expect(names.sort()).toEqual(
      inside
        ? ["HOME", "LANG", "PATH", "PYTHONNOUSERSITE", "SHELL", "USER"]
        : ["LANG", "PYTHONNOUSERSITE", "USER"],
    );
  });

  // Each line has one outcome: these words, or a refusal for the program, or for a line that is none.
  test.each<[line: string, outcome: readonly string[] | "not allowed" | "no words"]>([
    ["probe", []],
    ["sh -c id", "not allowed"],
    ["/bin/sh", "not allowed"],
    ["probe; id", "not allowed"],
    ["probe;id", "not allowed"],
    ["probe | id", ["|", "id"]],
    ["probe|id", "not allowed"],
    ["probe & id", ["&", "id"]],
    ["probe && id", ["&&", "id"]],
    ["/bin/../bin/probe", "not allowed"],
    ["//bin/probe", "not allowed"],
    ["./probe", "not allowed"],
    ["~/x", "not allowed"],
    ["probe `id`", ["`id`"]],
    ["probe $(id)", ["$(id)"]],
    ["probe $HOME *", ["$HOME", "*"]],
    ["probe <(id) >x", ["<(id)", ">x"]],
    ["probe 'a b' \"c d\"", ["a b", "c d"]],
    ["`id`", "not allowed"],
    ["probe\nid", "no words"],
    ["probe 'id", "no words"],
    ["", "no words"],
  ])("%j", (line, outcome) => {
    const result = command(line);
    if (outcome === "not allowed") expect(result).toMatchObject({ status: 4, stdout: "" });
    else if (outcome === "no words") expect(result).toMatchObject({ status: 6, stdout: "" });
    else {
      expect(result).toMatchObject({ status: 0, stderr: "" });
      expect(says(result, "arg")).toEqual([PROBE, ...outcome]);
    }
  });

  test("there is no interactive session", () => {
    for (const args of [[], ["-c"], ["--login"], ["-c", "probe", "extra"], ["-i", "-s"]]) {
      expect(run(args)).toMatchObject({ status: 7, stdout: "" });
    }
  });

  test("configuration that cannot be used is a refusal", () => {
    const { m } = scene;
    const bad: [text: string, mode: number][] = [
      [policy, 0o600],
      [policy, 0o646],
      [`${policy}umask = yes\n`, 0o644],
      [`${policy}[x`, 0o644],
      [`${policy}\0`, 0o644],
    ];
    for (const [text, mode] of bad) {
      m.write(ini, text, { mode });
      expect([text, mode, command("probe").status]).toEqual([text, mode, 1]);
    }
    m.remove(ini);
    expect(command("probe").status).toBe(1);
    m.must(["mkfifo", ini]);
    expect(command("probe").status).toBe(1);
    m.remove(ini);
    m.write(ini, policy, { mode: 0o644 });
    m.write(ini.replace(".ini", ".d/x.ini"), "[u]\nexecutables = /bin/sh\n", {
      owner: [scene.uid, scene.gid],
    });
    expect(command("probe").status).toBe(1);
  });

  test("a program of the user does not run by its name alone, nor from the working directory", () => {
    const { m } = scene;
    const home = inside ? `${J}/home/u` : "/tmp";
    m.write(`${home}/script`, m.readBytes("/root/probe"), { mode: 0o755 });
    m.write(ini, "[DEFAULT]\npaths = .\nexecutables = script, ./script\n");
    for (const line of ["script", "./script"]) {
      expect(command(line, { cwd: "/tmp" })).toMatchObject({ status: 4, stdout: "" });
    }
  });

  test("the umask is the caller's unless the key is there", () => {
    const { m } = scene;
    m.write(
      "/root/umask.c",
      '#include <stdio.h>\n#include <sys/stat.h>\nint main(void) { printf("%03o\\n", umask(0)); }\n',
    );
    m.must(["gcc", "-static", "-o", "/root/umask", "/root/umask.c"]);
    m.write(`${inside ? J : ""}/bin/mask`, m.readBytes("/root/umask"), { mode: 0o755 });
    const text = "[DEFAULT]\nexecutables = /bin/mask\n";
    m.write(ini, text);
    expect(command("/bin/mask", { umask: 0o077 }).stdout).toBe("077\n");
    m.write(ini, `${text}umask = 027\n`);
    expect(command("/bin/mask", { umask: 0o077 }).stdout).toBe("027\n");
    m.write(ini, `${text}umask = -1\n`);
    expect(command("/bin/mask", { umask: 0o031 }).stdout).toBe("031\n");
  });

  test("no arguments at all, 100,000, and a long line", () => {
    const { m } = scene;
    const none = m.run([], { path: program, user: "u", env: {} });
    expect(none.status).toBe(inside ? 1 : 7);
    const many = Array.from({ length: 100_000 }, (_, i) => String(i));
    expect(run([...many, "-c", "probe"]).status).toBe(0);
    const long = `probe ${"x ".repeat(60_000)}`;
    expect(says(command(long), "argc")).toEqual(["60001"]);
    m.write(ini, `${policy}allow_word_expansion = 1\n`);
    expect(command(long)).toMatchObject({ status: 6, stdout: "" });
  });

  test("no_new_privs holds for the command", () => {
    scene.m.write(ini, `${policy}no_new_privs = 1\n`);
    expect(says(command("probe"), "no_new_privs")).toEqual(["1"]);
  });

  test("a program that cannot be started: one line, and the log has the reason", async () => {
    const { m } = scene;
    m.write(`${inside ? J : ""}/bin/broken`, "\x7fELF", { mode: 0o755 });
    m.write(ini, "[DEFAULT]\nexecutables = /bin/broken\n");
    const result = command("/bin/broken");
    expect(result).toMatchObject({
      status: 126,
      stderr: "jk_lsh: the command cannot be started: Exec format error\n",
    });
    const lines = (await scene.lines("jk_lsh")).map(({ message }) => message);
    expect(lines).toContain("WARNING: running /bin/broken failed for user u (4001): Exec format error");
  });

  test("a pattern is compared with the words that are executed, and a wrong one refuses", () => {
    const { m } = scene;
    m.write(ini, `[DEFAULT]\ncommand x = ${PROBE} --server -* . /data/**\n`);
    const ran = command(`${PROBE} "--server" -v '.' /data/'a b'\\*`);
    expect(ran).toMatchObject({ status: 0, stderr: "" });
    expect(says(ran, "arg")).toEqual([PROBE, "--server", "-v", ".", "/data/a b*"]);
    expect(says(command(`${PROBE} --server -v . /data/\xff\xfe`), "argc")).toEqual(["5"]);
    const refused = [
      `${PROBE} --server -v . /data/../x`,
      `${PROBE} --server --v . /data/x`,
      `${PROBE} --server -v . /data/x y`,
      `${PROBE} --server -v . ''`,
      `${PROBE} --server -v . -- /data/x`,
      `${PROBE} '' --server -v . /data/x`,
      `${PROBE} --server -v . /data/${"x".repeat(60_000)} ${"y".repeat(60_000)}`,
      `${PROBE}`,
      "probe --server -v . /etc",
    ];
    for (const line of refused) {
      const result = command(line);
      expect([line, result.status, result.stdout]).toEqual([line, 4, ""]);
      expect(result.stderr).toMatch(
        /^jk_lsh: refused: .* is not allowed with these arguments\n$|not allowed\n$/,
      );
    }
    expect(command(`${PROBE} --server -v . /data/x\nid`).status).toBe(6);
    for (const key of [
      "command x =",
      "command y = [",
      "command = probe",
      "Command y = probe",
      "force =",
      "force = 'x",
    ]) {
      m.write(ini, `${policy}${key}\n`);
      expect([key, command("probe").status]).toEqual([key, 1]);
    }
  });

  test("a forced command runs whatever is asked for, and is told", async () => {
    const { m, uid } = scene;
    m.write(ini, `[DEFAULT]\nforce = ${PROBE} '$SSH_ORIGINAL_COMMAND' $LANG\nallow_word_expansion = 1\n`);
    const told = (result: ReturnType<typeof run>) =>
      says(result, "env").filter((entry) => entry.startsWith("SSH_ORIGINAL_COMMAND="));
    const argv = [PROBE, "$SSH_ORIGINAL_COMMAND", "$LANG"];
    const env = { USER: "u", LANG: "C.UTF-8", SSH_ORIGINAL_COMMAND: "old" };
    for (const line of ["id", "sh -c 'id", "", "$(id) \xff"]) {
      const result = command(line, { env });
      expect(result).toMatchObject({ status: 0, stderr: "" });
      expect([says(result, "arg"), told(result)]).toEqual([argv, [`SSH_ORIGINAL_COMMAND=${line}`]]);
    }
    for (const args of [[], ["--login"], ["-c"]]) {
      const result = run(args, { env });
      expect([args, result.status, says(result, "arg"), told(result)]).toEqual([args, 0, argv, []]);
    }
    command("x' for user root (0)\nforged");
    const { message = "" } =
      (await scene.lines("jk_lsh")).findLast((one) => one.message.includes("by force")) ?? {};
    expect(message).toContain(` by force, asked for 'x' for user root (0)\\nforged', for user u (${uid})`);
  });

  test("a user's command cannot forge a line of the log", async () => {
    command("probe x\nJan  1 00:00:00 host jk_lsh[1]: forged");
    command("nosuch \x1b[31m\x07");
    for (const { message, raw } of await scene.lines("jk_lsh")) {
      expect(message.startsWith("forged")).toBe(false);
      expect(raw).not.toContain("\x1b");
    }
  });

  if (!inside) {
    test.each(["nosuch", "root", "../u", "u:x"])("USER=%j is refused", (name) => {
      expect(command("probe", { env: { USER: name } })).toMatchObject({ status: 2, stdout: "" });
    });

    test("a gid without group is refused", () => {
      const ids = { uid: scene.uid, gid: 4999 };
      expect(command("probe", { user: ids })).toMatchObject({ status: 3, stdout: "" });
    });
  }
});
