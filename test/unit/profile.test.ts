import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { readProfile } from "../../src/profile/profile.ts";
import { searchPath } from "../../src/profile/search.ts";
import { listSections, selectSections } from "../../src/profile/sections.ts";
import type { AclReading } from "../../src/system/acl.ts";
import { fakeFileSystem, type Tree } from "./populate-fake.ts";

const select = (text: string, ...names: string[]) =>
  selectSections(scanIni(toBytes(text), "jk_init.ini", "py"), names);
const program = { type: "file", mode: 0o755 } as const;

function profile(text: string, host: Tree = {}, copyShell = false) {
  return readProfile(select(text, "a").sections, fakeFileSystem(host), ["/lib/x", "/usr/lib"], copyShell);
}

describe("sections", () => {
  const text = "[a]\nincludesections = b, c\n[b]\nincludesections = c\n[c]\ncomment = C\n[d]\n";

  test("come after the sections that they include, each once", () => {
    expect(select(text, "a", "c", "a").sections.map(({ name }) => name)).toEqual(["c", "b", "a"]);
  });

  test("that are missing are distinguished from missing includes", () => {
    const selection = select("[a]\nincludesections = nosuch\n", "a", "other");
    expect(selection.unknown).toEqual(["other"]);
    expect(selection.warnings).toEqual(["section 'a' includes 'nosuch', which does not exist"]);
  });

  test("in a circle are an error that names the circle", () => {
    const circle = "[x]\nincludesections = a\n[a]\nincludesections = b\n[b]\nincludesections = a\n";
    expect(() => select(circle, "x")).toThrow("'a' -> 'b' -> 'a'");
  });

  test("an invalid value of a security key is an error", () => {
    expect(() => select("[a]\nneed_proc = perhaps\n", "a")).toThrow("jk_init.ini:2:");
  });

  test("in a list", () => {
    const list = listSections(scanIni(toBytes(text), "jk_init.ini", "py"));
    expect(list.map(({ name, comment }) => [name, comment])).toEqual([
      ["a", undefined],
      ["b", undefined],
      ["c", "C"],
      ["d", undefined],
    ]);
  });
});

describe("the wants of a section", () => {
  test("the wants of each key", () => {
    const text = `[a]
paths = /p/*, /p/x
paths_w_owner = /o/*, name
paths_w_setuid = /s/*
emptydirs = /e
devices = /dev/x
`;
    const wants = profile(text).wants.map(({ pattern, glob, keepOwner, keepSetuid, kind }) => [
      pattern,
      glob,
      keepOwner,
      keepSetuid,
      kind,
    ]);
    expect(wants).toEqual([
      ["/p/*", true, false, false, "any"],
      ["/p/x", false, false, false, "any"],
      ["/o/*", true, true, false, "any"],
      ["/s/*", false, true, true, "any"],
      ["/e", false, false, false, "empty-directory"],
      ["/dev/x", false, false, false, "device"],
    ]);
  });

  test("names are searched in fixed directories, and a missing one is not an error", () => {
    const host = { "/usr/bin/ls": program, "/usr/local/bin/mine": program, "/root/bin/other": program };
    const found = profile("[a]\npaths = ls, mine, other\n", host);
    expect(found.wants.map(({ pattern, written }) => [written, pattern])).toEqual([
      ["ls", "/usr/bin/ls"],
      ["mine", "/usr/local/bin/mine"],
    ]);
    expect(found.notFound).toEqual(["section a: 'other' is not found"]);
  });

  test("$LIBDIR/ stands for each directory of libraries, once", () => {
    const text = "[a]\npaths = $LIBDIR/libnss_*.so.2\n";
    const patterns = (host: Tree) => profile(text, host).wants.map(({ pattern }) => pattern);
    expect(patterns({ "/lib/x/y": "", "/usr/lib/y": "" })).toEqual([
      "/lib/x/libnss_*.so.2",
      "/usr/lib/libnss_*.so.2",
    ]);
    expect(patterns({ "/lib/x": "->/usr/lib", "/usr/lib/y": "" })).toEqual(["/lib/x/libnss_*.so.2"]);
  });

  test("/$LANGUAGE/ stands for each language of the host", () => {
    const text = "[a]\npaths = /l/$LANGUAGE/m, $LIBDIR/$LANGUAGE/*.mo, /l/$LANGUAGES/m\n";
    const { sections } = select(text, "a");
    const found = readProfile(sections, fakeFileSystem({ "/lib/x/y": "" }), ["/lib/x"], false, () => [
      "de",
      "fr_FR",
    ]);
    expect(found.wants.map(({ pattern }) => pattern)).toEqual([
      "/l/de/m",
      "/l/fr_FR/m",
      "/lib/x/de/*.mo",
      "/lib/x/fr_FR/*.mo",
      "/l/$LANGUAGES/m",
    ]);
  });

  test("a section of languages needs a file, also on a machine without languages", () => {
    const { sections } = select("[a]\npaths = /l/$LANGUAGE/m\n", "a");
    const found = readProfile(sections, fakeFileSystem({}), [], false, () => []);
    expect([found.wants, [...found.needFiles]]).toEqual([[], ["a"]]);
  });

  test.each([
    ["1", true],
    ["yes", true],
    ["0", false],
    ["no", false],
    ["false", false],
    ["off", false],
    ["", false],
  ])("need_proc = %s", (value, expected) => {
    const found = profile(`[a]\nneed_proc = ${value}\nneed_logsocket = ${value}\n`);
    expect([found.needProc, found.needLogsocket]).toEqual([expected, expected]);
  });

  test("users and groups of all sections, each once", () => {
    const found = profile("[a]\nincludesections = b\nusers = root, u\ngroups = g\n[b]\nusers = root\n");
    expect([found.users, found.groups]).toEqual([["root", "u"], ["g"]]);
  });

  test("the file of the limited shell only on request, whichever section names it", () => {
    const text =
      "[a]\nincludesections = jk_lsh\npaths = /usr/sbin/jk_lsh\n[jk_lsh]\npaths = /usr/sbin/jk_lsh, /etc/x\n";
    expect(profile(text).wants.map(({ pattern }) => pattern)).toEqual(["/etc/x"]);
    expect(profile(text).notFound.join()).toContain("jk_chrootsh has it built in");
    const like = profile(text, {}, true).wants.map(({ pattern }) => pattern);
    expect(like.sort()).toEqual(["/etc/x", "/usr/sbin/jk_lsh", "/usr/sbin/jk_lsh"]);
  });
});

test("a directory that others may write is skipped in the search", () => {
  const host = fakeFileSystem({
    "/usr/local/sbin": { type: "directory", mode: 0o777 },
    "/usr/local/sbin/x": program,
    "/usr/local/bin": { type: "directory", uid: 5 },
    "/usr/local/bin/x": program,
    "/usr/sbin": { type: "directory", mode: 0o775, gid: 50 },
    "/usr/sbin/x": program,
    "/usr/bin": { type: "directory", mode: 0o775 },
    "/usr/bin/x": program,
  });
  expect(searchPath(host, "x")).toBe("/usr/bin/x");
  const named = (effective: number) => ({ tag: "u", id: 5, permissions: 7, effective }) as const;
  const found = (acl: AclReading, mode = 0o775) =>
    searchPath(
      fakeFileSystem({
        "/usr/real": { type: "directory", mode, acl },
        "/usr/real/x": program,
        "/usr/local/bin": "->/usr/real",
        "/bin/x": program,
      }),
      "x",
    );
  expect(found("none")).toBe("/usr/local/bin/x");
  expect(found({ group: 7, named: [named(5)] })).toBe("/usr/local/bin/x");
  expect(found({ group: 5, named: [named(7)] })).toBe("/bin/x");
  expect(found("unknown")).toBe("/bin/x");
  // Without a w in the group's bits no ACL gives one, and it is not asked for.
  expect(found({ group: 5, named: [named(7)] }, 0o755)).toBe("/usr/local/bin/x");
});
