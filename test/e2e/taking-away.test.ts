import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Machine, openMachine } from "../machine/machine.ts";
import { openManifestFile } from "./manifest-file.ts";

setDefaultTimeout(120_000);

const tools = ["jk_init", "jk_cp", "jk_update", "jk_jailuser", "jk_chrootsh", "jailkit"];
let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: tools });
  m.write(
    "/etc/jailkit/jk_init.d/test.ini",
    `[one]
paths = cat, /usr/share/one
includesections = uidbasics
[other]
paths = tail, /usr/share/other
includesections = uidbasics
need_logsocket = 1
[with-proc]
paths = /usr/share/one
need_proc = 1
`,
  );
  for (const name of ["one", "other"]) {
    m.write(`/usr/share/${name}/a`, name);
    m.write(`/usr/share/${name}/b/c`, name);
  }
});
afterAll(async () => m.close());

function fresh(...sections: string[]): string {
  const jail = `/srv/away${++jails}`;
  m.must(["jk_init", "-j", jail, ...sections]);
  return jail;
}

const runs = (jail: string, program: string) => m.run(["chroot", jail, program, "/etc/nsswitch.conf"]).status;
const requests = (jail: string) =>
  openManifestFile(m, jail).requests.map(({ sections, operands }) => [...sections, ...operands].join());

describe("jk_init --remove", () => {
  test("leaves what the other sections need, as in a jail that never had it", () => {
    const jail = fresh("one", "other");
    expect(m.run(["jk_init", "--dry-run", "--remove", "-j", jail, "one"]).stdout).toContain(
      `will remove deprecated file ${jail}/usr/bin/cat\n`,
    );
    expect(runs(jail, "/usr/bin/cat")).toBe(0);
    expect(m.run(["jk_init", "--remove", "-j", jail, "one"])).toMatchObject({ status: 0, stderr: "" });
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(false);
    expect(runs(jail, "/usr/bin/tail")).toBe(0);
    expect(m.snapshot(jail)).toEqual(m.snapshot(fresh("other")));
    expect(requests(jail)).toEqual(["other"]);
    expect(m.run(["jk_update", "--check", "-j", jail]).status).toBe(0);
  });

  test("the last section leaves what is not of the host alone", () => {
    const jail = fresh("one");
    m.write(`${jail}/usr/share/one/mine`, "mine");
    m.write(`${jail}/usr/share/one/a`, "changed in the jail");
    expect(m.run(["jk_init", "--remove", "-j", jail, "one"]).status).toBe(0);
    expect(m.list(`${jail}/usr/share/one`)).toEqual(["a", "mine"]);
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(false);
  });

  test("of a section that was not asked for, or no jail", () => {
    const jail = fresh("one");
    const before = m.snapshot(jail);
    expect(m.run(["jk_init", "--remove", "-j", jail, "one", "other"]).status).toBe(4);
    expect(m.run(["jk_init", "--remove", "-j", "/no/jail", "one"]).status).toBe(3);
    expect(m.snapshot(jail)).toEqual(before);
  });

  test("what two requests brought stays with the other", () => {
    const jail = fresh("one");
    m.must(["jk_cp", "-j", jail, "cat"]);
    expect(m.run(["jk_init", "--remove", "-j", jail, "one"]).status).toBe(0);
    expect(runs(jail, "/usr/bin/cat")).not.toBe(127);
    expect(m.run(["chroot", jail, "/usr/bin/cat"], { stdin: "meow" }).stdout).toBe("meow");
    expect(m.run(["jk_cp", "--remove", "-j", jail, "cat"]).status).toBe(0);
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(false);
    expect(requests(jail)).toEqual([]);
  });

  test("the log socket and proc", () => {
    const jail = fresh("other", "with-proc");
    const dropIn = () => m.list("/etc/jailkit/jk_socketd.d").some((name) => name.includes(`away${jails}.`));
    expect(dropIn()).toBe(true);
    expect(m.read("/etc/fstab")).toContain(`${jail}/proc`);
    m.must(["jk_init", "--remove", "-j", jail, "other"]);
    expect(dropIn()).toBe(false);
    expect(m.exists(`${jail}/proc/self`)).toBe(true);
    m.must(["jk_init", "--remove", "-j", jail, "with-proc"]);
    expect(m.exists(`${jail}/proc/self`)).toBe(false);
    expect(m.read("/etc/fstab")).not.toContain(`${jail}/proc`);
  });
});

describe("jk_cp --remove", () => {
  test("takes files, directories and their libraries away", () => {
    const jail = fresh("one");
    const before = m.snapshot(jail);
    m.must(["jk_cp", "-j", jail, "strace", "/usr/share/other"]);
    const { status, stdout } = m.run([
      "jk_cp",
      "--json",
      "--remove",
      "-j",
      jail,
      "strace",
      "/usr/share/other",
    ]);
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report.removed).toEqual(["/usr/bin/strace", "/usr/share/other"]);
    expect(report.actions.every(({ done }: { done: boolean }) => done)).toBe(true);
    expect(m.snapshot(jail)).toEqual(before);
  });

  test("of a file that a section brings is refused, and that is told", () => {
    const jail = fresh("one");
    const { status, stderr } = m.run(["jk_cp", "--remove", "-j", jail, "cat"]);
    expect([status, stderr]).toEqual([4, expect.stringContaining("'one' brings it")]);
    expect(m.exists(`${jail}/usr/bin/cat`)).toBe(true);
  });

  test("of what is gone from the host meanwhile", () => {
    m.write("/usr/local/bin/passing", "x", { mode: 0o755 });
    const jail = fresh("one");
    m.must(["jk_cp", "-j", jail, "passing"]);
    m.remove("/usr/local/bin/passing");
    expect(m.run(["jk_cp", "--remove", "-j", jail, "/usr/local/bin/passing"]).status).toBe(0);
    expect(m.exists(`${jail}/usr/local`)).toBe(false);
  });
});
