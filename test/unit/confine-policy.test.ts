import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import * as L from "../../ffi/landlock.ts";
import { readKeys } from "../../src/config/keys.ts";
import type { IniSection } from "../../src/config/model.ts";
import { scanIni } from "../../src/config/scan.ts";
import { confineKeys, confineProblem } from "../../src/config/schemas/confine.ts";
import { filtersOf } from "../../src/confine/confine.ts";
import { describeConfinement } from "../../src/confine/describe.ts";
import { featuresOf, missingOf, showMissing } from "../../src/confine/features.ts";
import { type Confinement, confinementOf, executeOf } from "../../src/confine/policy.ts";
import { handledBy } from "../../src/confine/ruleset.ts";
import { bothLimits } from "../../src/enter/confine-session.ts";
import { readDocument } from "../words/blocks.ts";
import { filtersIn } from "./filter-words.ts";

function section(text: string): IniSection {
  const [found] = scanIni(Buffer.from(`[u]\n${text}`), "test.ini", "c").sections;
  if (found === undefined) throw new Error("no section");
  return found;
}
const valuesOf = (text: string) => readKeys(section(text), confineKeys);
const confined = (text: string, byDefault: boolean, home = "/home/u") => {
  const values = valuesOf(text);
  expect(values.problems).toEqual([]);
  return confinementOf(values, byDefault, executeOf(values, byDefault, ["/bin/sh"], home), home);
};

const NOTHING: Confinement = {
  require: false,
  noNewPrivs: false,
  execute: "any",
  read: "all",
  write: "all",
  network: "all",
  tcpConnect: "all",
  tcpBind: "all",
  syscalls: "any",
  scope: false,
  limits: [],
};
const ON = {
  ...NOTHING,
  noNewPrivs: true,
  execute: { named: [], executables: ["/bin/sh"], home: "/home/u" },
  syscalls: "login",
  scope: true,
};

describe("what a section asks for", () => {
  test("without a word: nothing, or what confine stands for", () => {
    expect(confined("", false)).toEqual(NOTHING);
    expect(confined("", true)).toEqual(ON as Confinement);
  });

  test("confine decides, whatever the default", () => {
    for (const byDefault of [true, false]) {
      expect(confined("confine = 0", byDefault)).toEqual(NOTHING);
      expect(confined("confine = 1", byDefault)).toEqual(ON as Confinement);
      expect(confined("confine = require", byDefault)).toEqual({ ...ON, require: true } as Confinement);
    }
  });

  test("each key takes precedence", () => {
    expect(confined("syscalls = any", true).syscalls).toBe("any");
    expect(confined("scope = 0", true).scope).toBe(false);
    expect(confined("execute = any", true).execute).toBe("any");
    expect(confined("execute = system, /srv", false).execute).toMatchObject({ named: ["/srv"] });
  });

  test("no_new_privs = 0 turns off nothing that is on by default", () => {
    expect(confined("no_new_privs = 0", true)).toEqual(ON as Confinement);
    expect(confined("no_new_privs = 0", false)).toEqual(NOTHING);
    expect(confined("no_new_privs = 1", false)).toEqual({ ...NOTHING, noNewPrivs: true });
  });

  test.each([
    "read = /data",
    "read = none",
    "write = none",
    "network = local",
    "network = none",
    "tcp_connect = 1",
    "tcp_bind = none",
    "syscalls = login",
    "scope = 1",
    "execute = system",
  ])("%s sets no_new_privs", (text) => {
    expect(confined(text, false).noNewPrivs).toBe(true);
    expect(confineProblem(section(text), valuesOf(text))).toBeUndefined();
    const both = `no_new_privs = 0\n${text}`;
    expect(confineProblem(section(both), valuesOf(both))).toMatchObject({
      severity: "error",
      code: "contradiction",
      line: 2,
    });
  });

  test("what turns off nothing that was on contradicts nothing", () => {
    for (const other of [
      "confine = 0",
      "execute = any",
      "read = all",
      "network = all",
      "scope = 0",
      "limits = core 0",
    ]) {
      const both = `no_new_privs = 0\n${other}`;
      expect(confineProblem(section(both), valuesOf(both))).toBeUndefined();
    }
  });

  test("paths of the home", () => {
    expect(confined("read = ~, ~/a, /b/", false).read).toEqual(["/home/u", "/home/u/a", "/b"]);
    expect(confined("write = ~, ~/a", false, "/").write).toEqual(["/", "/a"]);
    expect(confined("write = none", false).write).toEqual([]);
  });

  test("without a home, a path of it is none: not the root directory", () => {
    for (const home of ["", "home"])
      expect(confined("read = ~, ~/a", false, home).read).toEqual(["~", "~/a"]);
  });
});

describe("values", () => {
  test.each([
    ["read", "data", "~root", "~/../x", "/a/./b", "/a//b", "/a, all", "none, /a", ",", "*"],
    ["tcp_connect", "0", "65536", "-1", "1.5", "http", "22 443", "all, 1", "0x10", ","],
    ["network", "any", "LOCAL"],
    ["syscalls", "none"],
    ["confine", "2", "yes", "on"],
  ])("%s refuses others", (key, ...texts) => {
    for (const text of [...texts, ""])
      expect([text, valuesOf(`${key} = ${text}`).problems]).toMatchObject([
        text,
        [{ severity: "error", code: "bad-value" }],
      ]);
  });

  test("a slash at the end of a path means nothing", () => {
    expect(valuesOf("read = ~/, ~, ~/a/, /b/, /").read).toEqual(["~", "~", "~/a", "/b", "/"]);
    for (const text of ["~//", "//", "~a/", "~/./", "~/../"])
      expect(valuesOf(`read = ${text}`).problems, text).toHaveLength(1);
  });

  test("a path is plain, or refused", () => {
    const path = fc.string({ unit: fc.constantFrom("/", ".", "~", "a", "b"), minLength: 1, maxLength: 9 });
    fc.assert(
      fc.property(path, (text) => {
        const { read, problems } = valuesOf(`read = ${text}`);
        if (problems.length > 0) return;
        for (const one of read ?? []) {
          expect(one).toMatch(/^(?:~|\/|~?(?:\/[^/]+)+)$/);
          expect(one.split("/").slice(1)).not.toContain("..");
        }
      }),
    );
  });
});

describe("what the kernel is asked", () => {
  const everything = confined(
    "confine = 1\nread = ~\nwrite = ~\ntcp_connect = 1\ntcp_bind = 1\nnetwork = local",
    false,
  );

  test("by its version of Landlock", () => {
    const handled = (version: number) => {
      const { files, ports, scopes } = handledBy(everything, version);
      return [files, ports, scopes];
    };
    const files = 0x3fff;
    expect(handled(0)).toEqual([0, 0, 0]);
    expect(handled(1)).toEqual([0, 0, 0]);
    expect(handled(2)).toEqual([files, 0, 0]);
    expect(handled(3)).toEqual([files | L.TRUNCATE, 0, 0]);
    expect(handled(4)).toEqual([files | L.TRUNCATE, 3, 0]);
    expect(handled(5)).toEqual([files | L.TRUNCATE | L.IOCTL_DEV, 3, 0]);
    for (const version of [6, 7, 100]) expect(handled(version)).toEqual([0xffff, 3, 3]);
  });

  test("no rules for what is not asked, and nothing is handled but what proves the rules", () => {
    expect(handledBy(confined("network = none", false), 7)).toEqual({ files: 0, ports: 0, scopes: 0 });
    const proof = L.REFER | L.MAKE_BLOCK | L.MAKE_CHAR;
    expect(handledBy(confined("scope = 1", false), 7)).toEqual({ files: proof, ports: 0, scopes: 3 });
    expect(handledBy(confined("tcp_bind = none", false), 7)).toEqual({ files: proof, ports: 1, scopes: 0 });
  });

  test("and what it lacks", () => {
    const missing = (landlock: number, filters: boolean) =>
      missingOf(featuresOf(everything), landlock, filters).map(({ name }) => name);
    expect(missing(7, true)).toEqual([]);
    expect(missing(5, true)).toEqual(["scope"]);
    expect(missing(4, true)).toEqual(["write (ioctl of devices)", "scope"]);
    expect(missing(7, false)).toEqual([
      "execute (programs in memory)",
      "tcp_connect (other protocols)",
      "tcp_bind (other protocols)",
      "network",
      "syscalls",
      "no_new_privs (input of terminals)",
    ]);
    expect(missing(0, false)).toHaveLength(featuresOf(everything).length);
    // Whatever the rules of a version lack is told.
    expect(missing(1, true)).toEqual(
      expect.arrayContaining(["execute", "read", "write", "tcp_bind", "tcp_connect"]),
    );
  });

  test("and security.md and jk_chrootsh.ini(5) name the Linux of each part", () => {
    const [, table = ""] = readDocument("docs/security.md").split("| key | stops | by | since Linux |\n");
    const rows = (table.split("\n\n")[0] ?? "")
      .split("\n")
      .map((row) => row.split("|").map((cell) => cell.trim()));
    let keys: string[] = [];
    const told = rows.slice(1).flatMap(([, key = "", what = "", by = "", since = ""]) => {
      if (key !== "") keys = [...key.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
      const part = key === "" ? ` (${/truncate|ioctl/.exec(what)?.[0]})` : "";
      return by.includes("Landlock") ? keys.map((name) => `${name}${part} ${since}`) : [];
    });
    const asked = featuresOf(everything).flatMap((one) => {
      const since = /^.* Landlock of Linux (.*)$/.exec(showMissing(one))?.[1];
      return since === undefined ? [] : [`${one.name.replace(" of devices", "")} ${since}`];
    });
    expect(told.sort()).toEqual(asked.sort());
    const manual = readDocument("docs/man/jk_chrootsh.ini.5.in");
    const versions = new Set(asked.map((line) => line.split(" ").at(-1) ?? ""));
    expect([...versions].filter((version) => !manual.includes(version))).toEqual([]);
    expect(versions.size).toBe(5);
  });

  test("a part that a filter does is asked of the kernel", () => {
    for (const text of ["execute = system", "tcp_connect = 1", "tcp_bind = none", "syscalls = login"]) {
      const asked = confined(text, false);
      const [key = ""] = text.split(" ");
      const names = featuresOf(asked).flatMap((one) => (one.landlock === undefined ? [one.name] : []));
      expect(filtersOf(asked)).toBeGreaterThan(0);
      expect([text, names.some((name) => name.startsWith(key))]).toEqual([text, true]);
    }
  });

  test("the filters", () => {
    expect(filtersIn(filtersOf(everything))).toEqual(["login", "network-local", "tcp", "execute"]);
    expect(filtersIn(filtersOf(NOTHING))).toEqual([]);
    const none = confined("network = none\ntcp_bind = none", false);
    expect(filtersIn(filtersOf(none))).toEqual(["network-none", "tcp", "tcp-listen"]);
    expect(filtersIn(filtersOf(confined("tcp_bind = 443", false)))).toEqual(["tcp"]);
  });
});

describe("in a line", () => {
  const shown = (text: string, landlock = 7) => describeConfinement(confined(text, false), landlock, true);

  test.each([
    ["", "not confined"],
    ["limits = core 0, fsize 1K", "limits core 0, fsize 1024"],
    [
      "read = /data\nwrite = none\nnetwork = none",
      "read /data; write nothing; network none; no new privileges; 6 of 6 kernel features",
    ],
    [
      "tcp_connect = 443, 22\ntcp_bind = none\nread = none",
      "read nothing but the system; connect to TCP ports 443, 22; bind TCP ports none; no new privileges; 6 of 6 kernel features",
    ],
    [
      "confine = 1",
      "execute system; system calls login; signals and abstract sockets within the session; no new privileges; 5 of 5 kernel features",
    ],
  ])("%j", (text, expected) => {
    expect(shown(text)).toBe(expected);
  });

  test("with what the kernel lacks", () => {
    expect(shown("confine = 1", 5)).toEndWith("4 of 5 kernel features");
    expect(shown("confine = 1", 0)).toEndWith("3 of 5 kernel features");
  });
});

test("of two sections the lower limits hold", () => {
  const limits = (text: string) => valuesOf(`limits = ${text}`).limits ?? [];
  const shown = (one: string, other: string) =>
    bothLimits(limits(one), limits(other)).map(({ name, value }) => `${name} ${value}`);
  expect(shown("nofile 10, core 0", "core 5, nofile 3, cpu 9")).toEqual(["nofile 3", "core 0", "cpu 9"]);
  expect(bothLimits([], limits("core 1"))).toEqual(limits("core 1"));
  expect(bothLimits(limits("core 1"), [])).toEqual(limits("core 1"));
});
