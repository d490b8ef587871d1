import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { fixText } from "../../src/config/fixes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { kindOf } from "../../src/config/schemas/catalogue.ts";
import type { Confinement } from "../../src/confine/policy.ts";
import type { LintWorld } from "../../src/lint/context.ts";
import { lint } from "../../src/lint/lint.ts";

const directories = ["/srv/a", "/srv/b", "/usr/bin", "/data", "/srv/a/data", "/srv/a/only-a", "/srv/b/data"];
const world: LintWorld = {
  userExists: () => true,
  groupExists: () => true,
  isOutside: () => false,
  copyCommand: () => undefined,
  executableCommand: () => "",
  jails: () => ["/srv/a", "/srv/b"],
  userNames: () => ["u"],
  groupNames: () => [],
  lookUp: (path) => {
    if (path === "/usr/bin/ls") return { type: "file", executable: true };
    return directories.includes(path) ? { type: "directory", executable: true } : undefined;
  },
  exists: (path, jail = "") => directories.includes(jail + path),
  lacking: () => [],
  files: { readLink: () => undefined, identity: () => undefined, look: () => undefined },
  readsPopt: () => false,
  ownStart: () => undefined,
  copyOfKnown: () => undefined,
  hookedRepositories: () => [],
  execution: () => ({ limitsServers: true, leftOut: [], blocked: () => undefined }),
  grantedBy: () => undefined,
};

/** A section with these lines, which begin in line 3; the findings, with what to type for each. */
function found(name: "jk_lsh" | "jk_chrootsh" | "jk_uchroot", lines: string, other: Partial<LintWorld> = {}) {
  const kind = kindOf(`${name}.ini`);
  if (kind === undefined) throw new Error("no kind");
  const first = {
    jk_lsh: "executables = /usr/bin/ls",
    jk_chrootsh: "env = A",
    jk_uchroot: "allowed_jails = /srv/b",
  }[name];
  const ini = scanIni(toBytes(`[u]\n${first}\n${lines}\n`), `/x/${name}.ini`, kind.dialect);
  return lint(ini, kind, { ...world, ...other }).map((one) => {
    const { line, column, severity, code, message } = one;
    return { at: `${line}:${column} ${severity} ${code}`, message, remedy: fixText(one, ini) };
  });
}

const disabled = (file: string, line: number) => `sed -i '${line}s/^/#/' /x/${file}.ini`;

describe("keys that contradict each other", () => {
  const rows: ["jk_lsh" | "jk_chrootsh" | "jk_uchroot", string, string, number][] = [
    ["jk_chrootsh", "no_new_privs = 0\nread = /data", "3:16 error contradiction", 3],
    ["jk_chrootsh", "confine = 1\nno_new_privs = 0", "4:16 error contradiction", 4],
    ["jk_lsh", "network = none\nno_new_privs = 0", "4:16 error contradiction", 4],
    ["jk_uchroot", "allow_setuid = 1\nsyscalls = login", "3:16 error contradiction", 3],
    ["jk_uchroot", "no_new_privs = 1\nallow_setuid = 1", "4:16 error contradiction", 4],
  ];
  test.each(rows)("%s %j", (file, lines, at, line) => {
    const [one, ...more] = found(file, lines);
    expect([one?.at, one?.remedy, more]).toEqual([at, disabled(file, line), []]);
  });
});

test("a word that could write is not told to write where it only reads", () => {
  const findings = found("jk_lsh", "allow = rsync upload\nread = /data");
  const one = findings.find(({ at }) => at === "3:9 warning unused-key");
  expect(one?.remedy).toContain("write = none");
  expect(one?.remedy).not.toContain("/data");
});

test("a word whose program is missing stays, where a program in executables would be free without it", () => {
  const remedies = (text: string) => {
    const kind = kindOf("jk_lsh.ini");
    if (kind === undefined) throw new Error("no kind");
    const ini = scanIni(toBytes(text), "/x/jk_lsh.ini", "c");
    const about = lint(ini, kind, world).filter(({ message }) => message.includes("not here"));
    return about.map((one) => fixText(one, ini));
  };
  const allow = "allow = rsync, scp\n";
  expect(remedies(`[u]\n${allow}executables = /opt/rsync\n`)).toEqual([undefined, undefined]);
  expect(remedies(`[u]\n${allow}`)).toEqual([
    "write in line 2 of /x/jk_lsh.ini:\nallow = scp",
    "write in line 2 of /x/jk_lsh.ini:\nallow = rsync",
  ]);
});

describe("paths", () => {
  const write = (file: string, line: number, text: string) =>
    `write in line ${line} of /x/${file}.ini:\n${text}`;
  test("that do not exist where the session would see them", () => {
    expect(found("jk_lsh", "read = /data, /gone").map(({ at, remedy }) => [at, remedy])).toEqual([
      ["3:15 warning no-such-path", write("jk_lsh", 3, "read = /data")],
    ]);
    // Nothing more may be written than before.
    expect(found("jk_lsh", "write = /gone").map(({ at, remedy }) => [at, remedy])).toEqual([
      ["3:9 warning no-such-path", write("jk_lsh", 3, "write = none")],
    ]);
  });

  test("of jk_chrootsh.ini may be in any known jail", () => {
    expect(found("jk_chrootsh", "read = /only-a, /data")).toEqual([]);
    expect(found("jk_chrootsh", "read = /only-a, /gone").map(({ at }) => at)).toEqual([
      "3:17 warning no-such-path",
    ]);
    expect(found("jk_chrootsh", "read = /gone", { jails: () => [] })).toEqual([]);
  });

  test("of jk_uchroot.ini are in its jails", () => {
    expect(found("jk_uchroot", "write = /data")).toEqual([]);
    expect(found("jk_uchroot", "write = /only-a").map(({ at }) => at)).toEqual(["3:9 warning no-such-path"]);
  });

  test.each(["read = ~, ~/in", "write = none", "read = all", "read = /data\nwrite = ~/x, /usr/bin"])(
    "%j has no fault",
    (lines) => {
      expect(found("jk_lsh", lines)).toEqual([]);
    },
  );

  test("of a value with an error are not looked at", () => {
    expect(found("jk_lsh", "read = /gone, all").map(({ at }) => at)).toEqual(["3:8 error bad-value"]);
  });
});

describe("limits", () => {
  test.each([
    ["nofile 15", "limits = nofile 256, core 0"],
    ["nproc 0", "limits = nproc 64, core 0"],
  ])("%s is too low", (limit, line) => {
    const [one, ...more] = found("jk_chrootsh", `limits = ${limit}, core 0`);
    const remedy = `write in line 3 of /x/jk_chrootsh.ini:\n${line}`;
    expect([one?.at, one?.remedy, more]).toEqual(["3:10 warning limit-too-low", remedy, []]);
    expect(one?.message).toStartWith(`'${limit}' is too low: `);
  });

  test("the least is enough", () => {
    expect(found("jk_chrootsh", "limits = nofile 16, nproc 1, core 0")).toEqual([]);
  });
});

describe("keys without effect", () => {
  const rows: ["jk_lsh" | "jk_chrootsh" | "jk_uchroot", string, string[]][] = [
    ["jk_chrootsh", "network = local\ntcp_connect = 443", ["4:15 warning unused-key"]],
    [
      "jk_chrootsh",
      "tcp_bind = none\nnetwork = none\ntcp_connect = 443",
      ["3:12 warning unused-key", "5:15 warning unused-key"],
    ],
    ["jk_chrootsh", "network = all\ntcp_connect = 443", []],
    ["jk_lsh", "no_new_privs = 0", ["3:16 warning unused-key"]],
    ["jk_uchroot", "no_new_privs = 0", ["3:16 warning unused-key"]],
    ["jk_chrootsh", "no_new_privs = 0", []],
    ["jk_lsh", "no_new_privs = 0\nconfine = 0", ["3:16 warning unused-key"]],
    ["jk_uchroot", "no_new_privs = 0\nconfine = 0", []],
    ["jk_uchroot", "no_new_privs = 0\nallow_setuid = 1", []],
  ];
  test.each(rows)("%s %j", (file, lines, expected) => {
    const findings = found(file, lines);
    expect(findings.map(({ at }) => at)).toEqual(expected);
    for (const { at, remedy } of findings) expect(remedy).toBe(disabled(file, Number(at.split(":")[0])));
  });
});

describe("confine = require", () => {
  const asked: Confinement[] = [];
  const lacking = (one: Confinement) => {
    asked.push(one);
    return one.scope ? ["scope needs Landlock of Linux 6.12"] : [];
  };
  test("on a kernel that cannot", () => {
    expect(found("jk_chrootsh", "confine = require", { lacking })).toEqual([
      {
        at: "3:11 warning kernel-lacks",
        message:
          "'confine = require' refuses every session on this kernel: scope needs Landlock of Linux 6.12",
        remedy: "write in line 3 of /x/jk_chrootsh.ini:\nconfine = 1",
      },
    ]);
    for (const file of ["jk_lsh", "jk_uchroot"] as const)
      expect(found(file, "confine = require", { lacking }).map(({ at }) => at)).toEqual([
        "3:11 warning kernel-lacks",
      ]);
  });

  test("on one that can do what is asked", () => {
    asked.length = 0;
    expect(found("jk_chrootsh", "confine = require\nscope = 0", { lacking })).toEqual([]);
    expect(asked.map(({ require, scope }) => [require, scope])).toEqual([[true, false]]);
    expect(found("jk_chrootsh", "confine = 1", { lacking })).toEqual([]);
  });
});
