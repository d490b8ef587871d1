import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { toBytes } from "../../ffi/bytes.ts";
import type { Dialect } from "../../src/config/model.ts";
import { scanIni } from "../../src/config/scan.ts";
import { appendSections } from "../../src/config/write.ts";
import { filesOf, SERVICES, serviceNamed } from "../../src/known-programs/services.ts";
import { PROGRAMS } from "../../src/known-programs/table.ts";
import { moshServer } from "../../src/known-programs/versions.ts";
import { requireServices } from "../../src/users/policy.ts";
import { codeOf } from "./jail-helper.ts";

describe("services", () => {
  test("are the known servers except that of interactive sessions, which the limited shell refuses", () => {
    expect(new Set(SERVICES.map(({ program }) => program))).toEqual(
      new Set(PROGRAMS.filter((program) => program !== moshServer)),
    );
    for (const { program, needs, uses } of SERVICES)
      for (const name of [...needs, ...uses]) expect(program.names).toContain(name);
  });

  test("name sections of jk_init.ini that bring all their files, in the searched directories", () => {
    const file = join(import.meta.dir, "../../config/jk_init.ini");
    const ini = scanIni(readFileSync(file), "f", "py");
    for (const { section, needs, directories } of SERVICES) {
      if (section === undefined) continue;
      const found = ini.sections.find(({ name }) => name === section);
      const paths = (found?.entries.find(({ key }) => key === "paths")?.value ?? "").split(/[,\s]+/);
      for (const name of needs) {
        const places = paths.filter((path) => path.split("/").at(-1) === name);
        expect(places.length).toBeGreaterThan(0);
        // In git-core are those that git starts itself.
        for (const place of places.filter((path) => path.startsWith("/") && !path.includes("/git-core/")))
          expect(directories.map((directory) => `${directory}/${name}`)).toContain(place);
      }
    }
  });

  test("are known by their name and by that of their program", () => {
    expect(
      ["sftp", "sftp-server", "git-upload-pack", "svnserve", "hg"].map((name) => serviceNamed(name)?.name),
    ).toEqual(["sftp", "sftp", "git", "svn", "hg"]);
    expect(requireServices(" rsync,scp , rsync").map(({ name }) => name)).toEqual(["rsync", "scp"]);
    for (const list of ["", "rsync,", "mosh", "bash", "none"])
      expect(codeOf(() => requireServices(list))).toBe("no-such-service");
  });

  test("use the first existing place, preferred ones before others", () => {
    const sftp = requireServices("sftp")[0];
    if (sftp === undefined) throw new Error("no sftp");
    const there = ["/usr/lib/sftp-server", "/usr/libexec/openssh/sftp-server", "/opt/sftp-server"];
    const isThere = (path: string) => there.includes(path);
    expect(filesOf(sftp, isThere)).toEqual({ paths: ["/usr/lib/sftp-server"], missing: [] });
    expect(filesOf(sftp, isThere, ["/opt/sftp-server"]).paths).toEqual(["/opt/sftp-server"]);
    expect(filesOf(sftp, isThere, ["/opt/other", "/none/sftp-server"]).paths).toEqual([
      "/usr/lib/sftp-server",
    ]);
    expect(filesOf(sftp, () => false)).toEqual({ paths: [], missing: ["sftp-server"] });
    const [git] = requireServices("git");
    if (git === undefined) throw new Error("no git");
    expect(filesOf(git, (path) => path === "/bin/git-upload-pack")).toEqual({
      paths: ["/bin/git-upload-pack"],
      missing: ["git-receive-pack"],
    });
  });
});

describe("a section at the end of a file", () => {
  const section = { name: "ann", values: { paths: "/usr/bin", executables: "/usr/bin/scp, /usr/bin/rsync" } };
  const lines = "\n[ann]\npaths = /usr/bin\nexecutables = /usr/bin/scp, /usr/bin/rsync\n";

  test.each([
    ["", ""],
    ["# a comment\n", "# a comment\n"],
    ["# no end of line", "# no end of line\n"],
    ["[x]\r\nexecutables = /a\r\n", "[x]\r\nexecutables = /a\r\n"],
    ["stray\n  # [half a section\n", "stray\n  # [half a section\n"],
    ["[DEFAULT]\nexecutables = a \xff\xfe", "[DEFAULT]\nexecutables = a \xff\xfe\n"],
  ])("leaves %j unchanged", (text, start) => {
    expect(appendSections(text, [section], "c")).toBe(start + lines);
  });

  test.each([
    ["a name with a bracket", "", { ...section, name: "a]b" }, "c"],
    ["a name over two lines", "", { ...section, name: "a\nb" }, "c"],
    ["a value over two lines", "", { ...section, values: { paths: "/a\n[DEFAULT]" } }, "c"],
    ["a file that ends early", "[x]\n\0", section, "c"],
    ["a file without room", "#".repeat(1 << 20), section, "c"],
    ["a name that is there, where that is an error", "[ann]\n", section, "py"],
  ] as const)("is refused with %s", (_, text, added, dialect: Dialect) => {
    expect(codeOf(() => appendSections(text, [added], dialect))).toBe("config-write");
  });

  test("has values with any character that a reader takes as it is", () => {
    const values = { executables: "/a;b, /c#d", environment: "A=b, C='d'", paths: '[x], "y"' };
    for (const dialect of ["c", "py"] as const) {
      const text = appendSections("", [{ name: "ann", values }], dialect);
      expect(text).toBe("\n[ann]\nexecutables = /a;b, /c#d\nenvironment = A=b, C='d'\npaths = [x], \"y\"\n");
    }
  });

  test("may be one of several", () => {
    const all = Array.from({ length: 2000 }, (_, index) => ({ ...section, name: `user${index}` }));
    const text = appendSections("# x", all, "c");
    expect(scanIni(toBytes(text), "f", "c").sections.map(({ name }) => name)).toEqual(
      all.map(({ name }) => name),
    );
    const wrong = { ...section, name: "a]b" };
    expect(codeOf(() => appendSections("", [section, wrong, { ...section, name: "z" }], "c"))).toBe(
      "config-write",
    );
  });

  test("reads back", () => {
    const { sections, problems } = scanIni(toBytes(appendSections("# x", [section], "c")), "f", "c");
    expect(problems).toEqual([]);
    expect(
      sections.map(({ name, entries }) => [name, entries.map(({ key, value }) => `${key}: ${value}`)]),
    ).toEqual([["ann", ["paths: /usr/bin", "executables: /usr/bin/scp, /usr/bin/rsync"]]]);
  });
});
