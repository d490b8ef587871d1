/**
 * What a caller puts on standard input is not executed in a session with `execute = system`, by a program of the jail that
 * would: a file in memory, or one of a mount that only the caller sees, both of which Landlock allows.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { compiledC } from "../machine/helper.ts";
import { type Machine, openMachine, type RunResult, type Syslog } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const J = "/srv/j";
const PROGRAM = "/usr/bin/executed";
/** A directory of the jail from which everybody may execute; the caller mounts a file system on it. */
const DIRECTORY = `${J}/usr/share/empty`;

const MEMORY = "standard input is a file in memory, which it could execute";
const MOUNT = "standard input is a file of a mount that is not visible here, which it could execute";

/** By the words of executed-descriptors.c. */
const REFUSED: [what: string, why: string][] = [
  ["memfd", MEMORY],
  ["memfd-exec", MEMORY],
  ["memfd-mode", MEMORY],
  [DIRECTORY, MOUNT],
];
const HARMLESS = ["memfd-noexec", "file", "shm"];
/** Of root's file, which nobody else can change, the session could not change the mode. */
const mode = (user: string) => (user === "root" ? ["memfd-mode"] : []);

type Way = [name: string, user: string, words: string[], status: number];
const WAYS: Way[] = [
  ["jk_chrootsh", "u", ["/usr/sbin/jk_chrootsh", "run"], 106],
  ["jk_procmailwrapper", "u", ["/usr/sbin/jk_procmailwrapper", "run"], 75],
  ["jk_lsh", "l", ["/usr/sbin/jk_chrootsh", "-c", `${PROGRAM} run`], 126],
  ["jk_lsh outside of a jail", "o", ["/usr/sbin/jk_lsh", "-c", `${PROGRAM} run`], 126],
  ["jk_uchroot", "v", ["/usr/bin/jk_uchroot", "-j", J, "-x", PROGRAM, "--", "run"], 106],
  [
    "jk_chrootlaunch",
    "root",
    ["/usr/sbin/jk_chrootlaunch", "-j", J, "-u", "v", "--execute=system", "-x", PROGRAM, "--", "run"],
    106,
  ],
];

describe.each(["package", "standalone"] as const)("%s", (layout) => {
  let m: Machine;
  let log: Syslog;

  const setting = (execute: string) => {
    m.write("/etc/jailkit/jk_chrootsh.ini", `[u]\nexecute = ${execute}\n`);
    m.write("/etc/jailkit/jk_uchroot.ini", `[v]\nallowed_jails = ${J}\nexecute = ${execute}\n`);
    const limited = ["l", "o"].map(
      (name) => `[${name}]\npaths = /usr/bin\nexecutables = ${PROGRAM}\nexecute = ${execute}\n`,
    );
    for (const directory of ["", J]) m.write(`${directory}/etc/jailkit/jk_lsh.ini`, limited.join(""));
  };

  beforeAll(async () => {
    m = await openMachine({ under: "ours", layout });
    log = await m.startSyslog();
    const source = join(import.meta.dir, "executed-descriptors.c");
    const program = await Bun.file(compiledC(source, ["-static"])).bytes();
    for (const path of [PROGRAM, `${J}${PROGRAM}`, `${J}/usr/bin/procmail`])
      m.write(path, program, { mode: 0o755 });
    m.addUser("u", { uid: 4811, home: `${J}/./home/u`, shell: "/usr/sbin/jk_chrootsh" });
    m.addUser("l", { uid: 4812, home: `${J}/./home/l`, shell: "/usr/sbin/jk_chrootsh" });
    m.addUser("v", { uid: 4813 });
    m.addUser("o", { uid: 4814, shell: "/usr/sbin/jk_lsh" });
    for (const path of [`${J}/home`, `${J}/proc`, DIRECTORY, "/etc/jailkit"]) m.mkdir(path);
    m.must(["mount", "-t", "proc", "-o", "ro", "proc", `${J}/proc`]);
    const users = ["u", "l", "v"].map((name) => ({ name, ...m.ids(name) }));
    const shellOf = (name: string) => (name === "l" ? "/usr/sbin/jk_lsh" : PROGRAM);
    const passwd = users.map(
      ({ name, uid, gid }) => `${name}:x:${uid}:${gid}::/home/${name}:${shellOf(name)}\n`,
    );
    m.write(`${J}/etc/passwd`, passwd.join(""));
    m.write(`${J}/etc/group`, users.map(({ name, gid }) => `${name}:x:${gid}:\n`).join(""));
    for (const { name, uid, gid } of users) m.mkdir(`${J}/home/${name}`, { owner: [uid, gid] });
    setting("system");
  });
  afterAll(() => m?.close());

  const put = (what: string, user: string, words: readonly string[]): RunResult =>
    m.run([PROGRAM, "put", what, ...words], { user, env: { USER: user } });
  // Not every kernel or machine lets a user have one.
  const isMissing = ({ stdout }: RunResult) => stdout.startsWith("none");

  test.each([...REFUSED.map(([what]) => what), "file"])("%s is executed without a session", (what) => {
    const result = put(what, "v", [PROGRAM, "run"]);
    if (!isMissing(result)) expect(result).toMatchObject({ status: 0, stdout: "ran\n" });
  });

  describe.each(WAYS)("%s", (name, user, words, refused) => {
    const harmless = [...HARMLESS, ...mode(user)];
    const loose = REFUSED.filter(([what]) => !harmless.includes(what));

    test.each(loose)("%s: the session is refused", async (what, why) => {
      const result = put(what, user, words);
      if (isMissing(result)) return;
      expect({ status: result.status, stdout: result.stdout }).toEqual({ status: refused, stdout: "" });
      if (name !== "jk_chrootlaunch") await log.waitForLog(({ message }) => message.includes(why));
      else expect(result.stderr).toContain(why);
    });

    test.each(harmless)("%s: the session begins, and does not execute it", (what) => {
      const result = put(what, user, words);
      if (!isMissing(result)) expect(result).toMatchObject({ status: 0, stdout: "EACCES EACCES EBADF\n" });
    });

    test.each([
      ["standard output", 1],
      ["standard error", 2],
    ])("%s counts, too", async (descriptor, fd) => {
      const result = m.run(
        [PROGRAM, "put", "memfd", "/bin/sh", "-c", `exec "$@" ${fd}<&0 < /dev/null`, "sh", ...words],
        {
          user,
          env: { USER: user },
        },
      );
      expect(result.status).toBe(refused);
      await log.waitForLog(({ message }) => message.includes(`${descriptor} is a file in memory`));
    });

    test("a file that only root can execute one day is accepted", () => {
      m.write("/root-only", "text\n", { mode: 0o644 });
      const result = m.run(["/bin/sh", "-c", `exec "$@" < /root-only`, "sh", ...words], {
        user,
        env: { USER: user },
      });
      expect(result).toMatchObject({ status: 0, stdout: "EACCES EACCES EBADF\n" });
    });
  });

  test("a descriptor that was closed is filled with what cannot be executed, also without /dev/null", () => {
    const [, user = "", words = []] = WAYS.find(([name]) => name === "jk_lsh outside of a jail") ?? [];
    const command =
      'mv /dev/null /dev/no; setpriv --reuid=4814 --clear-groups "$@" <&-; status=$?; mv /dev/no /dev/null; exit $status';
    const result = m.run(["/bin/sh", "-c", command, "sh", ...words], { env: { USER: user } });
    expect(result).toMatchObject({ status: 0, stdout: "EACCES EACCES EBADF\n" });
  });

  test("with execute = any they are executed, and the kernel is not asked", () => {
    setting("any");
    for (const [name, user, words] of WAYS) {
      if (name === "jk_chrootlaunch") continue;
      const result = put("memfd", user, words);
      expect([name, result.status, result.stdout]).toEqual([name, 0, "ran\n"]);
    }
    setting("system");
  });
});
