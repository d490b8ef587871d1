import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { fixText } from "../../src/config/fixes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { kindOf } from "../../src/config/schemas/catalogue.ts";
import type { Confinement } from "../../src/confine/policy.ts";
import type { LintWorld } from "../../src/lint/context.ts";
import { lint } from "../../src/lint/lint.ts";

const directories = [
  "/shared",
  "/srv/a/shared",
  "/srv/b/shared",
  "/srv/a",
  "/srv/b",
  "/usr/bin",
  "/data",
  "/srv/a/data",
  "/srv/a/only-a",
  "/srv/b/data",
];
const world: LintWorld = {
  userExists: () => true,
  otherName: () => undefined,
  groupExists: () => true,
  groupRefusal: () => undefined,
  isOutside: () => false,
  groupOutside: () => undefined,
  copyCommand: () => undefined,
  startFault: () => undefined,
  executableCommand: () => "",
  jails: () => ["/srv/a", "/srv/b"],
  absence: () => undefined,
  jailsOf: () => ["/srv/gone", "/srv/a", "/srv/b"],
  userNames: () => ["u"],
  groupNames: () => [],
  lookUp: (path) => {
    if (path === "/usr/bin/ls") return { type: "file", executable: true };
    return directories.includes(path) ? { type: "directory", executable: true } : undefined;
  },
  exists: (path, jail = "") => (path === "/" ? jail !== "/srv/gone" : directories.includes(jail + path)),
  exchangeable: (path) => path.startsWith("/shared"),
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

describe("a value whose form shows what was meant is corrected by the remedy", () => {
  const RIGHT: [written: string, meant: string][] = [
    ["network = Local", "network = local"],
    ["syscalls = LOGIN", "syscalls = login"],
    ["tcp_connect = 80 443", "tcp_connect = 80, 443"],
    ["tcp_bind = 80 443, 8080", "tcp_bind = 80, 443, 8080"],
    ["tcp_bind = None", "tcp_bind = none"],
    ["read = None", "read = none"],
  ];
  test.each(RIGHT)("%s", (written, meant) => {
    const [one] = found("jk_chrootsh", written);
    expect(one?.at).toMatch(/ error bad-value$/);
    expect(one?.remedy).toBe(`write in line 3 of /x/jk_chrootsh.ini:\n${meant}`);
    expect(found("jk_chrootsh", meant)).toEqual([]);
  });

  test.each(["network = lan", "tcp_connect = 80 https", "tcp_connect = 80 0", "read = data out"])(
    "but not %s",
    (written) => {
      const [one] = found("jk_chrootsh", written);
      const key = written.split(" ")[0];
      expect(one?.remedy).toBe(`write in line 3 of /x/jk_chrootsh.ini:\n${key} = none`);
    },
  );
});

describe("ranges of bytes that match nothing", () => {
  const warned = (name: "jk_lsh" | "jk_chrootsh", line: string) =>
    found(name, line).filter(({ at }) => at.endsWith("doubtful-value"));
  test.each([
    ["command a = ls [z-a]", "3:17", "command a = ls [a-z]"],
    ["command a = ls 'q' x[0-9!b-Ac]*", "3:26", "command a = ls 'q' x[0-9!A-bc]*"],
    ["command a = ls [^9-0]", "3:18", "command a = ls [^0-9]"],
    ["command a = ls {x,[[:alpha:]9-0]}", "3:29", "command a = ls {x,[[:alpha:]0-9]}"],
    ["command a = ls []z-a]", "3:18", "command a = ls []a-z]"],
  ])("%s", (line, at, right) => {
    const remedy = `write in line 3 of /x/jk_lsh.ini:\n${right}`;
    expect(warned("jk_lsh", line).map((one) => [one.at, one.remedy])).toEqual([
      [`${at} warning doubtful-value`, remedy],
    ]);
    expect(warned("jk_lsh", right)).toEqual([]);
  });

  test.each([
    "command a = ls '[z-a]' \"[z-a]\" \\[z-a] z-a",
    "command a = ls [a-z] [a-a] [z-] [-a] [!-a]",
    "command a = ls [[:alpha:]a-z]",
  ])("not in %s", (line) => {
    expect(warned("jk_lsh", line)).toEqual([]);
  });

  test("in a path of jk_init.ini", () => {
    const kind = kindOf("jk_init.ini");
    if (kind === undefined) throw new Error("no kind");
    const ini = scanIni(
      toBytes("[a]\npaths = /bin/ls,\n  /usr/lib/[z-a]*.so\n"),
      "/x/jk_init.ini",
      kind.dialect,
    );
    const [one, ...more] = lint(ini, kind, world).filter(({ code }) => code === "doubtful-value");
    expect([one?.line, one?.column, one?.severity, more]).toEqual([3, 13, "warning", []]);
    expect(one && fixText(one, ini)).toBe("write in line 3 of /x/jk_init.ini:\n  /usr/lib/[a-z]*.so");
  });
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
    expect(found("jk_chrootsh", "read = /gone", { jailsOf: () => ["/srv/gone"] })).toEqual([]);
  });

  test("of jk_uchroot.ini are in its jails", () => {
    expect(found("jk_uchroot", "write = /data")).toEqual([]);
    expect(found("jk_uchroot", "write = /only-a").map(({ at }) => at)).toEqual(["3:9 warning no-such-path"]);
  });

  test.each([
    ["jk_lsh", "read = /data, /shared/x", "3:15"],
    ["jk_lsh", "read = ~/in", "3:8"],
    ["jk_lsh", "read = /shared/x\nwrite = all", "3:8"],
    ["jk_chrootsh", "read = ~, ~/in", "3:11"],
    ["jk_uchroot", "read = /data, /shared", "3:15"],
  ] as const)("of read where users can exchange them: %s %j", (file, lines, at) => {
    const exists = () => true;
    const [one, ...more] = found(file, lines, { exists });
    const remedy = `in section [u] of /x/${file}.ini write:\nwrite = none`;
    expect([one?.at, one?.remedy, more]).toEqual([`${at} warning not-read`, remedy, []]);
    expect(found(file, `${lines.replace("\nwrite = all", "")}\nwrite = none`, { exists })).toEqual([]);
  });

  test("of read and a word of allow, which writes nothing then, have no fault", () => {
    const files = (path: string) => ({ type: "file", executable: true, path }) as const;
    const ini = (lines: string) => {
      const kind = kindOf("jk_lsh.ini");
      if (kind === undefined) throw new Error("no kind");
      const scanned = scanIni(toBytes(`[u]\n${lines}\n`), "/x/jk_lsh.ini", kind.dialect);
      const all = lint(scanned, kind, { ...world, exists: () => true, lookUp: files });
      return all.filter(({ code }) => code === "not-read").length;
    };
    expect(ini("allow = rsync download\nread = ~/in")).toBe(0);
    expect(ini("allow = rsync download\nexecutables = /usr/bin/ls\nread = ~/in")).toBe(1);
    expect(ini("executables = /usr/bin/ls\nread = ~/in")).toBe(1);
  });

  test.each(["jk_chrootsh", "jk_uchroot"] as const)("of execute in %s that do not exist", (file) => {
    const lines = "execute = system, /data, /gone";
    expect(found(file, lines).map(({ at, remedy }) => [at, remedy])).toEqual([
      ["3:26 warning no-such-path", `write in line 3 of /x/${file}.ini:\nexecute = system, /data`],
    ]);
    expect(found(file, "execute = system, /data//x").map(({ at }) => at)).toEqual(["3:19 error bad-path"]);
    expect(found(file, "execute = system, /data")).toEqual([]);
    expect(found(file, "execute = any")).toEqual([]);
    // One remedy, and not a second one that would leave `any`.
    expect(found(file, "execute = any, /gone").map(({ at, remedy }) => [at, remedy])).toEqual([
      ["3:11 error bad-value", `write in line 3 of /x/${file}.ini:\nexecute = system`],
    ]);
    expect(found(file, "execute = /gone").map(({ at }) => at)).toEqual(["3:11 error bad-value"]);
  });

  test.each(["read = ~, /usr/bin", "write = none", "read = all", "read = /data\nwrite = ~/x, /usr/bin"])(
    "%j has no fault",
    (lines) => {
      expect(found("jk_lsh", lines)).toEqual([]);
    },
  );

  test("of a value that is too long have no remedy that lifts the limit", () => {
    const long = `read = ${"/gone, ".repeat(10_000)}/data`;
    expect(found("jk_chrootsh", long)).toEqual([
      {
        ...{ at: "3:1 error too-long", remedy: undefined },
        message: "the value of 'read' is over 65536 bytes",
      },
    ]);
  });

  test("of a long list are all told, each at its place", () => {
    const items = Array.from({ length: 200 }, (_, at) => (at % 70 === 5 ? "/data" : "gone"));
    const bad = items.flatMap((item, at) =>
      item === "gone"
        ? `3:${8 + items.slice(0, at).join(", ").length + (at > 0 ? 2 : 0)} error bad-value`
        : [],
    );
    expect(found("jk_lsh", `read = ${items.join(", ")}`).map(({ at }) => at)).toEqual(bad);
  });

  test("of a value with an error are not looked at", () => {
    expect(found("jk_lsh", "read = /gone, all").map(({ at }) => at)).toEqual(["3:15 error bad-value"]);
  });
});

test.each([
  ["read = /data,  data", "3:16"],
  ["write = ,/data,../x", "3:16"],
  ["tcp_connect = 443, https", "3:20"],
  ["tcp_bind = 0", "3:12"],
  ["limits = core 0, nofile x", "3:18"],
  ["limits = core 0,core 1", "3:17"],
  ["limits = core", "3:10"],
  ["execute = system, data", "3:19"],
  ["execute = /data", "3:11"],
  ["read =", "3:7"],
])("%j: an error in a list is at its item", (lines, at) => {
  expect(found("jk_lsh", lines).map((one) => one.at)).toEqual([`${at} error bad-value`]);
});

test("an unknown word of allow is named at its place", () => {
  const ats = found("jk_lsh", "allow = sftp, rsink").map((one) => one.at);
  expect(ats).toContain("3:15 error bad-value");
});

describe("limits", () => {
  test.each([
    ["nofile 15", "limits = nofile 256, core 0"],
    ["nproc 1", "limits = nproc 64, core 0"],
    ["as 3M", "limits = as 4G, core 0"],
    ["data 511K", "limits = data 2G, core 0"],
    ["stack 4096", "limits = stack 8M, core 0"],
    ["fsize 0", "limits = fsize 2G, core 0"],
  ])("%s is too low", (limit, line) => {
    const [one, ...more] = found("jk_chrootsh", `limits = ${limit}, core 0`);
    const remedy = `write in line 3 of /x/jk_chrootsh.ini:\n${line}`;
    expect([one?.at, one?.remedy, more]).toEqual(["3:10 warning limit-too-low", remedy, []]);
    expect(one?.message).toStartWith(`'${limit}' is too low: `);
  });

  test("the least is enough", () => {
    const lines =
      "limits = nofile 16, nproc 2, as 4M, data 512K, stack 64K, fsize 1, core 0, memlock 0, cpu 1";
    expect(found("jk_chrootsh", lines)).toEqual([]);
  });

  test("without anything to write, no file needs a size", () => {
    expect(found("jk_chrootsh", "limits = fsize 0\nwrite = none")).toEqual([]);
    expect(found("jk_chrootsh", "limits = fsize 0\nwrite = /data").map(({ at }) => at)).toEqual([
      "3:10 warning limit-too-low",
    ]);
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
    for (const { at, remedy } of findings)
      expect<unknown>(remedy).toBe(disabled(file, Number(at.split(":")[0])));
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
