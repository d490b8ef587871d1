import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Machine, openMachine, underTest } from "../machine/machine.ts";
import { expectedOf } from "./cases.ts";

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: underTest });
});
afterAll(async () => m.close());

describe("a jail on a machine with merged /usr", () => {
  const jail = "/srv/merged";
  beforeAll(() => {
    m.mkdir(jail);
    m.must(["jk_cp", "-j", jail, "/bin/cat"]);
  });

  test("has the symbolic links, and the files in their real places", () => {
    for (const name of ["bin", "lib", "lib64"])
      if (m.exists(`${jail}/${name}`)) expect(m.readlink(`${jail}/${name}`)).toBe(`usr/${name}`);
    const libraries = m.run(["ldd", "/bin/cat"]).stdout.match(/\/\S+/g) ?? [];
    expect(libraries.length).toBeGreaterThan(1);
    for (const path of libraries) {
      expect(m.stat(`${jail}${path}`, true)?.size).toBe(m.stat(path, true)?.size ?? -1);
      const real = m.run(["realpath", path]).stdout.trim();
      expect(m.stat(`${jail}${real}`)?.mode).toBe(m.stat(real)?.mode ?? -1);
    }
  });

  test("keeps a real directory in place of a symbolic link", () => {
    const other = "/srv/unmerged";
    m.mkdir(`${other}/bin`);
    m.must(["jk_cp", "-j", other, "/bin/true"]);
    expect(m.stat(`${other}/bin`)?.mode).toBe(0o40755);
    expect(m.exists(`${other}/bin/true`)).toBe(true);
  });
});

describe("a link in the jail", () => {
  test("inside is followed", () => {
    const jail = "/srv/inside";
    m.write("/opt/data/file", "x");
    m.mkdir(`${jail}/store`);
    m.symlink("/store", `${jail}/opt`);
    const { status } = m.run(["jk_cp", "-j", jail, "/opt/data/file"]);
    expect(status).toBe(expectedOf({ debian: 1, ours: 0, difference: "links-in-jail" }));
    if (status === 0) expect(m.read(`${jail}/store/data/file`)).toBe("x");
  });

  test("that leads out with ..", () => {
    const jail = "/srv/outside";
    m.write("/opt/data/file", "x");
    m.mkdir(jail);
    m.symlink("../../..", `${jail}/opt`);
    const before = m.snapshot("/opt");
    expect(m.run(["jk_cp", "-j", jail, "/opt/data/file"]).status).toBe(
      expectedOf({ debian: 1, ours: 0, difference: "links-in-jail" }),
    );
    expect(m.exists("/data")).toBe(false);
    expect(m.snapshot("/opt")).toEqual(before);
  });
});

test("modes of new directories are the host's", () => {
  const jail = "/srv/modes";
  m.mkdir(jail);
  m.write("/opt/private/file", "x");
  m.chmod("/opt/private", 0o711);
  m.must(["jk_cp", "-j", jail, "/opt/private/file"]);
  expect(m.stat(`${jail}/opt/private`)).toMatchObject({ mode: 0o40711, uid: 0, gid: 0 });
});

test("relative names of jails", () => {
  m.mkdir("/srv/relative");
  m.write("/root/relative.ini", "[a]\nemptydirs = /srv\n");
  const options = { cwd: "/srv" };
  expect(m.run(["jk_init", "-c", "/root/relative.ini", "-j", "relative", "a"], options).status).toBe(0);
  expect(m.exists("/srv/relative/srv")).toBe(true);
});
