import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { type Machine, openMachine, underTest } from "../machine/machine.ts";
import { type Expected, expectedOf } from "./cases.ts";

setDefaultTimeout(120_000);

let m: Machine;
let jails = 0;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
  m.addUser("u", { uid: 4001 });
});
afterAll(async () => m.close());

const update = (...args: string[]) => m.run(["jk_update", ...args]);

/** A jail with a few programs, and with /usr/bin/was, which the host does not have any more. */
function fresh(): string {
  const jail = `/srv/up${++jails}`;
  m.mkdir(jail);
  m.write("/usr/bin/was", "was\n", { mode: 0o755 });
  m.must(["jk_cp", "-j", jail, "/usr/bin/echo", "/usr/bin/true", "/usr/bin/was"]);
  return jail;
}

const sorted = (text: string) => text.split("\n").sort();

describe("options", () => {
  const cases: readonly (readonly [args: readonly string[], status: Expected<number>])[] = [
    [[], 1],
    [["--bogus"], 1],
    [["-h"], 0],
    [["-j", "/srv/x", "-c", "/srv/x"], 21],
    [["-c", "/no/such"], 1],
    [["-j", "/no/such"], 0],
    [["-j", "/", "/srv"], 1],
  ];
  test.each(cases)("jk_update %j", (args, status) => {
    expect(update(...args).status).toBe(expectedOf(status));
  });

  test("is for root, and for jails that are safe", () => {
    const jail = fresh();
    const status = { debian: 0, ours: 5, difference: "update-status" };
    expect(m.run(["jk_update", "-j", jail, "/usr/bin"], { user: "u" }).status).toBe(expectedOf(status));
    m.chmod(jail, 0o777);
    const unsafe = { debian: 0, ours: 1, difference: "update-checks-jail" };
    expect(update("-d", "-j", jail, "/usr/bin").status).toBe(expectedOf(unsafe));
  });
});

describe("a jail", () => {
  test("that is up to date", () => {
    const jail = fresh();
    expect(update("-d", "-j", jail, "/usr/bin")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(update("-j", jail, "/usr/bin")).toMatchObject({ status: 0, stdout: "", stderr: "" });
  });

  test("with a file that differs, and one that the host no longer has", () => {
    const jail = fresh();
    m.remove("/usr/bin/was");
    m.write(`${jail}/usr/bin/echo`, "not echo", { mode: 0o755 });
    const before = m.snapshot(jail);
    const dry = update("-d", "-j", jail, "/usr/bin");
    expect(dry.status).toBe(0);
    expect(sorted(dry.stdout)).toEqual([
      "",
      `will remove deprecated file ${jail}/usr/bin/was`,
      `will update outdated file ${jail}/usr/bin/echo`,
    ]);
    expect(m.snapshot(jail)).toEqual(before);
    const { status, stdout } = update("-j", jail, `${jail}/usr/bin`);
    expect(status).toBe(0);
    expect(sorted(stdout)).toEqual([
      "",
      `Copying /usr/bin/echo to ${jail}/usr/bin/echo`,
      `removing deprecated file ${jail}/usr/bin/was`,
      `removing outdated file ${jail}/usr/bin/echo`,
    ]);
    expect(m.readBytes(`${jail}/usr/bin/echo`)).toEqual(m.readBytes("/usr/bin/echo"));
    expect(m.exists(`${jail}/usr/bin/was`)).toBe(false);
    expect(update("-j", jail, "/usr/bin")).toMatchObject({ status: 0, stdout: "" });
  });

  test("whose copy is newer and differs", () => {
    const jail = fresh();
    m.write(`${jail}/usr/bin/true`, "newer", { mode: 0o755 });
    m.must(["touch", "-d", "2030-01-01", `${jail}/usr/bin/true`]);
    expect(update("-j", jail, "/usr/bin").status).toBe(0);
    expect(m.readBytes(`${jail}/usr/bin/true`)).toEqual(m.readBytes("/usr/bin/true"));
  });

  test("with a directory that the host no longer has", () => {
    m.write("/usr/share/was/a", "a");
    m.write("/usr/share/was/b/c", "c");
    const jail = fresh();
    m.must(["jk_cp", "-j", jail, "/usr/share/was"]);
    m.remove("/usr/share/was");
    m.must(["rm", "-f", "/usr/bin/was"]);
    expect(update("-j", jail, "/usr/share").status).toBe(0);
    expect(m.exists(`${jail}/usr/share/was`)).toBe(false);
  });

  test("with a file that was created in it", () => {
    const jail = fresh();
    m.write(`${jail}/usr/bin/extra`, "made here", { mode: 0o755 });
    m.write(`${jail}/opt/app/data`, "made here");
    expect(update("-j", jail, "/usr/bin", "/opt").status).toBe(0);
    const left = [`${jail}/usr/bin/extra`, `${jail}/opt/app/data`].filter((path) => m.exists(path)).length;
    expect(left).toBe(expectedOf({ debian: 0, ours: 2, difference: "update-keeps-local" }));
  });

  test("in which a symbolic link leads out", () => {
    const jail = fresh();
    m.write("/srv/victim/file", "the host's");
    m.mkdir(`${jail}/opt`);
    m.symlink("/srv/victim", `${jail}/opt/link`);
    expect(update("-j", jail, "/opt").status).toBe(0);
    const victims = m.list("/srv/victim").length;
    expect(victims).toBe(expectedOf({ debian: 0, ours: 1, difference: "links-in-jail" }));
  });

  test("with a setuid program that was requested as such", () => {
    m.write("/usr/bin/special", "#!/bin/sh\n", { mode: 0o755 });
    m.must(["chmod", "4755", "/usr/bin/special"]);
    const jail = fresh();
    m.must(["jk_cp", "-s", "-o", "-j", jail, "/usr/bin/special"]);
    m.write("/usr/bin/special", "#!/bin/sh\ntrue\n");
    m.must(["chmod", "4755", "/usr/bin/special"]);
    expect(update("-j", jail, "/usr/bin").status).toBe(0);
    expect(m.read(`${jail}/usr/bin/special`)).toContain("true");
    const mode = m.stat(`${jail}/usr/bin/special`)?.mode;
    expect(mode).toBe(expectedOf({ debian: 0o100755, ours: 0o104755, difference: "update-keeps-request" }));
  });

  test("with a copied directory that has something new on the host", () => {
    m.write("/usr/share/growing/a", "a");
    const jail = fresh();
    m.must(["jk_cp", "-j", jail, "/usr/share/growing"]);
    m.write("/usr/share/growing/b", "b");
    expect(update("-j", jail).status).toBe(0);
    const there = m.exists(`${jail}/usr/share/growing/b`) ? 1 : 0;
    expect(there).toBe(expectedOf({ debian: 0, ours: 1, difference: "update-recipe" }));
  });

  test("with old files in /sbin", () => {
    m.write("/usr/sbin/tool", "new");
    const jail = fresh();
    m.write(`${jail}/sbin/tool`, "old");
    m.must(["touch", "-d", "2001-01-01", `${jail}/sbin/tool`]);
    expect(update("-j", jail).status).toBe(0);
    const content = m.read(`${jail}/sbin/tool`);
    expect(content).toBe(expectedOf({ debian: "old", ours: "new", difference: "update-directories" }));
  });

  test("whose library has a new name behind its link", () => {
    const lib = "/usr/lib/x86_64-linux-gnu";
    m.write(`${lib}/libold.so.1.1`, "one", { mode: 0o755 });
    m.symlink("libold.so.1.1", `${lib}/libold.so.1`);
    const jail = fresh();
    m.must(["jk_cp", "-j", jail, `${lib}/libold.so.1`]);
    m.remove(`${lib}/libold.so.1.1`);
    m.remove(`${lib}/libold.so.1`);
    m.write(`${lib}/libold.so.1.2`, "two", { mode: 0o755 });
    m.symlink("libold.so.1.2", `${lib}/libold.so.1`);
    expect(update("-j", jail, "/usr/lib").status).toBe(0);
    expect(m.exists(`${jail}${lib}/libold.so.1.1`)).toBe(false);
    const there = m.exists(`${jail}${lib}/libold.so.1.2`) ? 1 : 0;
    expect(there).toBe(expectedOf({ debian: 0, ours: 1, difference: "update-links" }));
  });
});

describe("what is skipped", () => {
  test("stays, and is reported", () => {
    const jail = fresh();
    m.write(`${jail}/usr/old/file`, "x");
    const { status, stdout } = update("-s", `${jail}/usr/old/`, "-j", jail, "/usr");
    expect(status).toBe(0);
    expect(stdout).toContain(`skip ${jail}/usr/old\n`);
    expect(m.exists(`${jail}/usr/old/file`)).toBe(true);
  });

  test("stays under its other name too", () => {
    const jail = fresh();
    if (!m.exists(`${jail}/bin`)) m.symlink("usr/bin", `${jail}/bin`);
    m.write(`${jail}/usr/bin/echo`, "of the jail", { mode: 0o755 });
    expect(update("-s", "/usr/bin/echo", "-j", jail).status).toBe(0);
    const left = m.read(`${jail}/usr/bin/echo`) === "of the jail" ? 1 : 0;
    expect(left).toBe(expectedOf({ debian: 0, ours: 1, difference: "update-skips" }));
  });
});

describe("a limited shell of jailkit 2", () => {
  test("is updated, or removed", () => {
    const jail = fresh();
    const shell = `${jail}/usr/sbin/jk_lsh`;
    m.mkdir(`${jail}/usr/sbin`);
    // Debian's, as the host of the tests has it.
    m.write(shell, readFileSync("/usr/sbin/jk_lsh"), { mode: 0o755 });
    expect(update("-j", jail, "/usr/sbin").status).toBe(0);
    const there = m.exists(shell) ? 1 : 0;
    expect(there).toBe(expectedOf({ debian: 1, ours: 0, difference: "update-shell" }));
  });
});

describe("jk_update.ini", () => {
  const section = (jail: string, text: string) => m.write("/etc/jailkit/jk_update.ini", `[${jail}]\n${text}`);

  test("names directories and what is skipped", () => {
    const jail = fresh();
    section(jail, "directories = /usr/bin\nskips = /usr/bin/true\n");
    m.write(`${jail}/usr/bin/echo`, "x");
    m.write(`${jail}/usr/bin/true`, "x");
    const { status, stdout } = update("-c", jail);
    expect(status).toBe(0);
    expect(stdout).toContain(`skip ${jail}/usr/bin/true\n`);
    expect(m.read(`${jail}/usr/bin/true`)).toBe("x");
    expect(m.readBytes(`${jail}/usr/bin/echo`)).toEqual(m.readBytes("/usr/bin/echo"));
  });

  test("with an empty list", () => {
    const jail = fresh();
    section(jail, "skips = /nothing,\n");
    expect(update("-c", jail).status).toBe(expectedOf({ debian: 1, ours: 0, difference: "empty-items" }));
  });

  test.each(["hardlink", "hardlinks"])("%s = 1", (key) => {
    const jail = fresh();
    section(jail, `directories = /usr/bin\n${key} = 1\n`);
    m.write(`${jail}/usr/bin/echo`, "x");
    expect(update("-c", jail).status).toBe(0);
    const same = m.stat(`${jail}/usr/bin/echo`)?.ino === m.stat("/usr/bin/echo")?.ino ? 1 : 0;
    expect(same).toBe(expectedOf({ debian: 0, ours: 1, difference: "update-hardlinks" }));
  });

  test("-k links", () => {
    const jail = fresh();
    m.write(`${jail}/usr/bin/echo`, "x");
    expect(update("-k", "-j", jail, "/usr/bin").status).toBe(0);
    expect(m.stat(`${jail}/usr/bin/echo`)?.ino).toBe(m.stat("/usr/bin/echo")?.ino ?? 0n);
  });
});
