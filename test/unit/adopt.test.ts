import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { scanIni } from "../../src/config/scan.ts";
import type { Loader } from "../../src/libraries/closure.ts";
import { guessSections } from "../../src/profile/guess.ts";
import { fakeFileSystem, type Tree } from "./populate-fake.ts";

const loader: Loader = {
  dependencies: () => [],
  problems: () => [],
  configuredDirectories: () => [],
  libraryDirectories: () => ["/usr/lib"],
  configurationFiles: () => [],
};

const programs = ["a", "b", "c", "d", "e", "f", "g", "h"];
const host: Tree = {
  ...Object.fromEntries([...programs, "x", "y"].map((name) => [`/usr/bin/${name}`, ""])),
  ...Object.fromEntries(["one", "two", "three", "four"].map((name) => [`/etc/${name}`, ""])),
  "/usr/share/data/f": "",
};

const INI = `[base]
paths = /etc/one, /etc/two, /etc/three, /etc/four
[shell]
paths = ${programs.join(", ")}
includesections = base
[small]
paths = a
includesections = base
[tool]
paths = x, /usr/share/data
[both]
includesections = shell, tool
[nothing]
paths = not-on-this-machine
includesections = shell
[devices]
devices = /dev/null
`;

function guess(inJail: readonly string[]) {
  const there = new Set(inJail.map((name) => (name.startsWith("/") ? name : `/usr/bin/${name}`)));
  const ini = scanIni(toBytes(INI), "/etc/jk_init.ini", "py");
  return guessSections(ini, fakeFileSystem(host), loader, (path) => there.has(path));
}
const names = (inJail: readonly string[]) => guess(inJail).map(({ name }) => name);
const data = ["/usr/share/data", "/usr/share/data/f"];
const etc = ["/etc/one", "/etc/two", "/etc/three", "/etc/four"];

describe("sections that explain a jail", () => {
  test("are those whose programs are all in the jail", () => {
    expect(names([...programs, ...etc])).toEqual(["shell"]);
    expect(names([...programs, ...etc, "x", ...data])).toEqual(["both"]);
    expect(names(["x", ...data])).toEqual(["tool"]);
    expect(names(["a", ...etc])).toEqual(["small"]);
    expect(names([])).toEqual([]);
  });

  test("of two with the same files, the one that lacks none; a directory counts if half of what is in it is there", () => {
    const ini = scanIni(
      toBytes("[zones]\npaths = /usr/share/zones, /etc/one, /etc/two\n[log]\npaths = /etc/one, /etc/two\n"),
      "/etc/jk_init.ini",
      "py",
    );
    const tree = { ...host, "/usr/share/zones/a": "", "/usr/share/zones/b": "", "/usr/share/zones/c": "" };
    const guessOf = (...inJail: string[]) => {
      const there = new Set(["/etc/one", "/etc/two", "/usr/share/zones", ...inJail]);
      return guessSections(ini, fakeFileSystem(tree), loader, (path) => there.has(path));
    };
    expect(guessOf("/usr/share/zones/a")).toEqual([{ name: "log", lacking: [] }]);
    expect(guessOf("/usr/share/zones/a", "/usr/share/zones/b")).toEqual([{ name: "zones", lacking: [] }]);
  });

  test("or most of them, if there are many; the missing ones are reported", () => {
    const [found] = guess([...programs.slice(1), ...etc]);
    expect(found).toEqual({ name: "shell", lacking: ["/usr/bin/a"] });
    expect(names([...programs.slice(3), ...etc])).toEqual(["base"]);
  });

  test("half of the other files are enough", () => {
    expect(guess([...programs, "/etc/one", "/etc/two"])).toEqual([
      { name: "shell", lacking: ["/etc/three", "/etc/four"] },
    ]);
    expect(names([...programs, "/etc/one"])).toEqual([]);
  });

  test("an included section of data may be missing as a whole: it may be new", () => {
    expect(guess([...programs])).toEqual([{ name: "shell", lacking: etc }]);
  });

  test("other names of one program are not missed", () => {
    const editors = {
      "/usr/bin/vim": "->vim.basic",
      "/usr/bin/view": "->vim.basic",
      "/usr/bin/vim.basic": "",
      "/usr/bin/busybox": "",
      "/usr/bin/vi": "->busybox",
      "/usr/bin/ed": "->busybox",
    };
    const guessOf = (list: string, ...inJail: string[]) => {
      const ini = scanIni(toBytes(`[editors]\npaths = ${list}\n`), "/etc/jk_init.ini", "py");
      return guessSections(ini, fakeFileSystem(editors), loader, (path) => inJail.includes(path));
    };
    expect(guessOf("vim, view", "/usr/bin/vim")).toEqual([{ name: "editors", lacking: ["/usr/bin/view"] }]);
    expect(guessOf("vi, ed", "/usr/bin/vi")).toEqual([]);
  });

  test("a program below /usr/bin is one, such as that of the section xauth of jailkit 2", () => {
    const tree = { "/usr/bin/X11/xauth": "", "/etc/ld.so.conf": "" };
    const ini = scanIni(
      toBytes(`[xauth]\npaths = ${Object.keys(tree).join(", ")}\n`),
      "/etc/jk_init.ini",
      "py",
    );
    const guessOf = (...inJail: string[]) =>
      guessSections(ini, fakeFileSystem(tree), loader, (path) => inJail.includes(path));
    expect(guessOf("/etc/ld.so.conf")).toEqual([]);
    expect(guessOf(...Object.keys(tree))).toEqual([{ name: "xauth", lacking: [] }]);
  });

  test("data alone is explained by a section of data", () => {
    expect(names(etc)).toEqual(["base"]);
  });
});
