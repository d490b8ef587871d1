/**
 * While a login holds CAP_SYS_CHROOT, and until it executes the user's shell, no process of the same user can inspect
 * or change it: at any system call, in a program with its own capability and through the native entry.
 *
 * Through the entry, there is a time between the exec of the shared executable and its guard in which nothing has
 * closed the process to its user, because its file has no privilege. Two things protect it: the mode of that file,
 * which the user cannot read, and the rule of ptrace(2) that a tracer must have all capabilities of its tracee.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { openScene, type Scene } from "./chrootsh-scene.ts";

setDefaultTimeout(120_000);

const layouts = [
  { layout: "standalone", privilege: "capability", execs: 1 },
  { layout: "standalone", privilege: "setuid", execs: 1 },
  { layout: "package", privilege: "capability", execs: 2 },
  { layout: "package", privilege: "setuid", execs: 2 },
] as const;

const tries = [
  ..."mem environ maps auxv syscall cwd fd/0 exe fd fdinfo oom_score_adj clear_refs".split(" "),
  ..."process_vm_readv pidfd_getfd seize attach".split(" "),
];

describe.each(layouts)("$layout, $privilege", ({ layout, privilege, execs }) => {
  let scene: Scene;
  let results: string[][];

  beforeAll(async () => {
    scene = await openScene(privilege, layout);
    const { m, uid } = scene;
    m.write("/root/login-watch.c", await Bun.file(join(import.meta.dir, "login-watch.c")).bytes());
    m.must(["gcc", "-static", "-O1", "-o", "/root/login-watch", "/root/login-watch.c"]);
    const words = ["/root/login-watch", String(uid), String(execs), "40", "/usr/sbin/jk_chrootsh"];
    const { stdout } = m.must(words, { env: { USER: "u" } });
    results = stdout.split("\n").map((line) => line.split(" "));
  });
  afterAll(() => scene?.m.close());

  const of = (kind: string, what: string) =>
    results.filter((words) => words[0] === kind && words[1] === what).map(([, , result]) => result);
  const stops = (kind: string) => Number(results.find((words) => words[1] === kind)?.[2]);

  test("the login was watched from its first instruction to the shell", () => {
    expect(stops("privileged")).toBeGreaterThan(100);
    expect(stops("dropped")).toBeGreaterThan(20);
    expect(stops("own")).toBe(2);
  });

  for (const what of tries) {
    test(`${what}: refused at every stop, and possible once the shell runs`, () => {
      for (const kind of ["privileged", "dropped"]) {
        const found = of(kind, what);
        expect(found.length).toBeGreaterThan(0);
        for (const error of found) expect(["EPERM", "EACCES"]).toContain(error ?? "");
      }
      expect(of("own", what)).toEqual(["works"]);
    });
  }
});
