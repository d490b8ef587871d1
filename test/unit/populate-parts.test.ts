import { describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, posix } from "node:path";
import fc from "fast-check";
import { absolutePath } from "../../ffi/guard.ts";
import { normalPath, plainPath } from "../../ffi/paths.ts";
import { dropInName } from "../../src/config/write.ts";
import { componentMatcher } from "../../src/libraries/pattern.ts";
import { wantedAccounts } from "../../src/populate/apply/accounts.ts";
import { registerLogSocket } from "../../src/populate/apply/log-socket.ts";
import { withProcLine } from "../../src/populate/apply/proc.ts";
import { createGlob } from "../../src/populate/plan/glob.ts";
import { fakeFileSystem } from "./populate-fake.ts";
import { savedLongAgo } from "./saved-long-ago.ts";

savedLongAgo();

describe("glob(7)", () => {
  test.each([
    ["*.so.2", "libnss_dns.so.2", true],
    ["*.so.2", "libnss_dns.so.20", false],
    ["*", ".hidden", false],
    [".*", ".hidden", true],
    ["[a-c]?", "b2", true],
    ["[!a-c]?", "b2", false],
    ["[^a-c]?", "d2", true],
    ["[]]x", "]x", true],
    ["[x", "[x", true],
    ["a**b*c", "aXbYbZc", true],
    ["?", "\xff", true],
  ])("%s and %s", (pattern, name, expected) => {
    expect(componentMatcher(pattern)(name)).toBe(expected);
  });

  test("in several components, in order", () => {
    const files = fakeFileSystem({
      "/lib/b/x.so": "",
      "/lib/a/x.so": "",
      "/lib/a/y": "",
      "/lib/f": "",
      "/link": "->lib",
    });
    const glob = createGlob(files);
    expect(glob("/lib/*/x.so")).toEqual(["/lib/a/x.so", "/lib/b/x.so"]);
    expect(glob("/l*/a/*")).toEqual(["/lib/a/x.so", "/lib/a/y", "/link/a/x.so", "/link/a/y"]);
    expect(glob("/lib/f/*")).toEqual([]);
    expect(glob("/nosuch/*")).toEqual([]);
  });

  test("many stars take no time", () => {
    expect(componentMatcher(`${"*a".repeat(100)}b`)("a".repeat(5000))).toBe(false);
  });
});

describe("paths", () => {
  test.each([
    ["/a//b/./c/", "/a/b/c"],
    ["/", "/"],
    ["/a/../b", "/a/../b"],
    ["/.", "/"],
    ["//", "/"],
    ["/a/.b", "/a/.b"],
  ])("plainPath %s", (path, expected) => {
    expect(plainPath(path)).toBe(expected);
  });

  test("normalPath agrees with node:path", () => {
    const name = fc.constantFrom("", ".", "..", "...", "a", ".b", "c.", "..d", "e\n");
    fc.assert(
      fc.property(fc.array(name), (names) => {
        const path = `/${names.join("/")}`;
        expect(normalPath(path)).toBe(posix.normalize(path).replace(/(.)\/$/s, "$1"));
      }),
    );
  });

  test("relative paths start at the working directory", () => {
    expect(absolutePath("x/../y")).toBe(join(process.cwd(), "y"));
    expect(absolutePath("/srv/../../j/")).toBe("/j");
  });
});

describe("fstab", () => {
  test("gets one line, with the escapes of fstab(5)", () => {
    const added = withProcLine("# none", "/srv/a b");
    expect(added).toBe("# none\nproc /srv/a\\040b/proc proc ro,nosuid,nodev,noexec,hidepid=2,nofail 0 0\n");
    expect(withProcLine(added ?? "", "/srv/a b")).toBeUndefined();
    expect(withProcLine("proc\t/srv/j/proc   proc defaults 0 0\n", "/srv/j")).toBeUndefined();
    expect(withProcLine("#proc /srv/j/proc proc defaults 0 0\n", "/srv/j")).toBeDefined();
    expect(withProcLine("proc /srv/jproc proc defaults 0 0\n", "/srv/j")).toBeDefined();
  });
});

describe("drop-ins for jk_socketd", () => {
  test.each([
    ["/home/sftproot", "home-sftproot.ini"],
    ["/home/sftp-root", "home-sftp%2droot.ini"],
    ["/.j", "%2ej.ini"],
    ["/a b\xff", "a%20b%ff.ini"],
  ])("%s", (jail, name) => {
    expect(dropInName(jail)).toBe(name);
  });

  test("each jail has its own", () => {
    const path = fc.array(fc.string({ minLength: 1, unit: fc.constantFrom("a", "-", ".", "%", "2", "d") }), {
      minLength: 1,
    });
    fc.assert(
      fc.property(path, path, (a, b) => {
        fc.pre(a.join("/") !== b.join("/"));
        return dropInName(`/${a.join("/")}`) !== dropInName(`/${b.join("/")}`);
      }),
    );
  });

  test.skipIf(process.getuid?.() !== 0)("contain the same as those of jailkit 2.23", () => {
    const directory = mkdtempSync(`${tmpdir()}/populate-parts-`);
    const text = readFileSync(registerLogSocket("/j", directory) ?? "", "utf8");
    rmSync(directory, { recursive: true });
    expect(text.split("\n").slice(1)).toEqual([
      "[/j/dev/log]",
      "base = 512",
      "peak = 2048",
      "interval = 10",
      "",
    ]);
  });
});

describe("accounts for a jail", () => {
  const users = [
    { name: "u", password: "$y$hash", uid: 1000, gid: 100, gecos: "U", home: "/home/u", shell: "/bin/sh" },
    { name: "7", password: "x", uid: 1001, gid: 7, gecos: "", home: "/", shell: "" },
  ];
  const groups = [
    { name: "users", password: "$y$hash", gid: 100, members: ["u", "v"] },
    { name: "lp", password: "x", gid: 7, members: [] },
  ];
  const host = {
    user: (key: string) => users.find((u) => u.name === key) ?? users.find((u) => String(u.uid) === key),
    group: (key: string) => groups.find((g) => g.name === key) ?? groups.find((g) => String(g.gid) === key),
  };

  test("come with their primary groups, and without any hash", () => {
    const wanted = wantedAccounts(["1000", "u"], ["7"], host);
    expect(wanted.users).toEqual([{ ...users[0], password: "x" }] as never);
    expect(wanted.groups.map(({ name, password }) => [name, password])).toEqual([
      ["users", "x"],
      ["lp", "x"],
    ]);
  });

  test("that the host lacks are reported", () => {
    expect(wantedAccounts(["nobody2"], ["none"], host).missing).toEqual(["user 'nobody2'", "group 'none'"]);
  });
});
