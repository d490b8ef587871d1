import { describe, expect, test } from "bun:test";
import { toBytes } from "../../ffi/bytes.ts";
import { readKeys } from "../../src/config/keys.ts";
import type { IniSection, Problem } from "../../src/config/model.ts";
import { scanIni } from "../../src/config/scan.ts";
import { CONFIG_KINDS } from "../../src/config/schemas/catalogue.ts";
import { checkKeys } from "../../src/config/schemas/check.ts";
import { chrootshKeys } from "../../src/config/schemas/chrootsh.ts";
import { confineKeys } from "../../src/config/schemas/confine.ts";
import { initKeys } from "../../src/config/schemas/init.ts";
import { lshKeys } from "../../src/config/schemas/lsh.ts";
import { readSocketdSection } from "../../src/config/schemas/socketd.ts";
import { uchrootKeys } from "../../src/config/schemas/uchroot.ts";
import { updateKeys } from "../../src/config/schemas/update.ts";
import { expandLibraryDirectory } from "../../src/profile/profile.ts";

function section(body: string, dialect: "c" | "py" = "c"): IniSection {
  const [first] = scanIni(toBytes(`[s]\n${body}`), "f", dialect).sections;
  if (first === undefined) throw new Error("no section");
  return first;
}

const severities = (problems: Problem[]): string[] => problems.map(({ severity }) => severity);

test("every key of every file has a help text", () => {
  for (const { keys } of CONFIG_KINDS)
    for (const { help } of Object.values(keys)) expect(help).toMatch(/^\S.*[^.\s]$/);
});

describe("jk_lsh.ini", () => {
  test("all keys", () => {
    const read = readKeys(
      section(
        "executables = /bin/ls , ,/bin/cat,\npaths = /bin\nallow_word_expansion = 1\numask = 027\n" +
          "environment = A=b, C=d=e, =f, g, H=, I = j\nenv = K\nno_new_privs = 1\nallow_spawn_options=1\n",
      ),
      lshKeys,
    );
    expect(read).toMatchObject({
      executables: ["/bin/ls", "/bin/cat"],
      paths: ["/bin"],
      allowWordExpansion: true,
      allowSpawnOptions: true,
      umask: 0o027,
      environment: [
        ["A", "b"],
        ["I", "j"],
      ],
      env: ["K"],
      noNewPrivs: true,
    });
    expect(severities(read.problems)).toEqual(["warning"]);
  });

  test("no keys: nothing is allowed, and the umask is unchanged", () => {
    expect(readKeys(section("executables =\n"), lshKeys)).toEqual({
      executables: undefined,
      allow: undefined,
      paths: [],
      command: [],
      force: undefined,
      allowWordExpansion: false,
      allowSpawnOptions: false,
      umask: undefined,
      environment: [],
      env: [],
      ...readKeys(undefined, confineKeys),
      logFormat: undefined,
      problems: [],
    });
    expect(readKeys(section("paths = /bin"), lshKeys).executables).toBeUndefined();
    expect(readKeys(section("executables = ,"), lshKeys).executables).toEqual([]);
  });

  test.each([
    ["", undefined],
    ["system", []],
    ["any", "any"],
    ["system, /srv/tools/", ["/srv/tools"]],
    ["/srv/a,system ,/srv/b", ["/srv/a", "/srv/b"]],
  ] as const)("execute = %s", (text, expected) => {
    const { execute, problems } = readKeys(section(`execute = ${text}\n`), lshKeys);
    expect(problems).toEqual([]);
    expect(execute).toEqual(expected);
  });

  test.each(["none", "ANY", "any, system", "/srv/tools", "system, tools", "system, /", "1"])(
    "execute = %s: every login is refused",
    (text) => {
      const { problems } = readKeys(section(`execute = ${text}\n`), lshKeys);
      expect(severities(problems)).toEqual(["error"]);
    },
  );

  test("a key with only the same beginning does not count", () => {
    const read = readKeys(
      section("e = /bin/sh\nexe = /bin/sh\nexecutablesX = /bin/sh\nExecutables=/bin/sh"),
      lshKeys,
    );
    expect(read.executables).toBeUndefined();
  });

  const umasks: [string, number | undefined, string[]][] = [
    ["022", 0o022, []],
    ["  7 ", 7, []],
    ["27x", 0o027, ["warning"]],
    ["089", 0, ["warning"]],
    ["-1", undefined, []],
    ["022 # c", 0o022, []],
    ["1022", 0o022, ["warning"]],
    ["abc", undefined, ["error"]],
    ["-2", undefined, ["error"]],
    ["9", undefined, ["error"]],
    ["", undefined, []],
  ];
  test.each(umasks)("umask = %s", (text, value, problems) => {
    const read = readKeys(section(`umask = ${text}\n`), lshKeys);
    expect(read.umask).toBe(value);
    expect(severities(read.problems)).toEqual(problems);
  });

  const flags: [string, boolean, string[]][] = [
    ["1", true, []],
    ["0", false, []],
    ["00", false, []],
    ["-1", true, []],
    ["+2", true, []],
    ["1 # c", true, []],
    ["0x1", false, ["warning"]],
    ["99999999999999999999", true, []],
    ["true", false, ["error"]],
    ["yes", false, ["error"]],
    ["", false, []],
  ];
  test.each(flags)("allow_word_expansion = %s", (text, value, problems) => {
    const read = readKeys(section(`allow_word_expansion = ${text}\n`), lshKeys);
    expect(read.allowWordExpansion).toBe(value);
    expect(severities(read.problems)).toEqual(problems);
  });
});

describe("jk_chrootsh.ini", () => {
  test("all keys", () => {
    const keys =
      "env = A, B\nenv_only = 1\nrelax_home_owner = 1\nrelax_home_group = 1\nrelax_home_group_permissions = 1\n" +
      "relax_home_other_permissions = 1\ninjail_shell =   /bin/sh \r\nskip_injail_passwd_check = 1\n" +
      "injail_login_shell = 1\nno_new_privs = 1\nlog_format = json\n";
    expect(readKeys(section(keys), chrootshKeys)).toEqual({
      env: ["A", "B"],
      envOnly: true,
      relaxHomeOwner: true,
      relaxHomeGroup: true,
      relaxHomeGroupPermissions: true,
      relaxHomeOtherPermissions: true,
      injailShell: "/bin/sh",
      skipInjailPasswdCheck: true,
      injailLoginShell: true,
      ...readKeys(undefined, confineKeys),
      noNewPrivs: true,
      logFormat: "json",
      problems: [],
    });
  });

  test("relax_home_group is not relax_home_group_permissions", () => {
    const read = readKeys(section("relax_home_group = 1\n"), chrootshKeys);
    expect([read.relaxHomeGroup, read.relaxHomeGroupPermissions]).toEqual([true, false]);
  });

  test("without a section nothing is relaxed", () => {
    expect(readKeys(undefined, chrootshKeys)).toMatchObject({
      env: [],
      envOnly: false,
      relaxHomeOwner: false,
      injailShell: undefined,
    });
  });

  test.each(["relax_home_owner", "skip_injail_passwd_check", "no_new_privs"])(
    "a bad %s is an error",
    (key) => {
      const { problems } = readKeys(section(`${key} = on\n`), chrootshKeys);
      expect(problems).toMatchObject([
        { severity: "error", code: "bad-value", line: 2, column: key.length + 4 },
      ]);
    },
  );
});

test.each([chrootshKeys, uchrootKeys])("an empty execute, which would be no limit, is an error", (keys) => {
  expect(readKeys(section("execute ="), keys).problems).toMatchObject([
    {
      severity: "error",
      code: "bad-value",
      message: "'execute': it has no value; 'system' is the strictest",
    },
  ]);
});

test("jk_uchroot.ini", () => {
  expect(readKeys(section("allowed_jails = /a, /b\nskip_injail_passwd_check=1\n"), uchrootKeys)).toEqual({
    allowedJails: ["/a", "/b"],
    skipInjailPasswdCheck: true,
    env: [],
    allowSetuid: false,
    ...readKeys(undefined, confineKeys),
    logFormat: undefined,
    problems: [],
  });
});

describe("jk_socketd.ini", () => {
  const rows: [string, [number, number, number], string[]][] = [
    ["", [511, 2048, 5], []],
    ["base = 1024\npeak = 10240\ninterval = 2.0\n", [1024, 10240, 2], []],
    ["base = 1\npeak = 99\ninterval = 100\n", [511, 2048, 5], ["bad-value", "bad-value", "bad-value"]],
    ["base = 5000\n", [5000, 5000, 5], ["peak-under-base"]],
    ["base = 600\npeak = 500\n", [600, 2048, 5], ["peak-under-base"]],
    ["interval = .5\nbase = x\n", [511, 2048, 0.5], ["bad-value"]],
  ];
  test.each(rows)("%p", (body, [base, peak, interval], codes) => {
    const { problems, ...values } = readSocketdSection(section(body));
    expect(values).toEqual({ base, peak, interval, type: "dgram", trust: "kernel" });
    expect(problems.map(({ severity, code }): string[] => [severity, code])).toEqual(
      codes.map((code) => ["warning", code]),
    );
  });
});

describe("jk_init.ini", () => {
  const yesno: [string, boolean, number][] = [
    ["1", true, 0],
    ["yes", true, 0],
    ["On", true, 0],
    ["0", false, 0],
    ["no", false, 0],
    ["False", false, 0],
    ["", false, 0],
    ["maybe", false, 1],
  ];
  test.each(yesno)("need_logsocket = %s", (text, value, problems) => {
    const read = readKeys(section(`need_logsocket = ${text}\n`, "py"), initKeys);
    expect([read.needLogsocket, read.problems.length]).toEqual([value, problems]);
  });

  test("lists over several lines, with commas at their ends", () => {
    const read = readKeys(section("paths = a,\n  /b ,\n  c,\nUsers =\n", "py"), initKeys);
    expect(read).toMatchObject({ paths: ["a", "/b", "c"], users: [], comment: undefined });
  });

  test("$LIBDIR/ stands for the library directories", () => {
    const directories = ["/lib/x86_64-linux-gnu", "/lib/"];
    expect(expandLibraryDirectory("$LIBDIR/libnss_*.so.2", directories)).toEqual([
      "/lib/x86_64-linux-gnu/libnss_*.so.2",
      "/lib/libnss_*.so.2",
    ]);
    expect(expandLibraryDirectory("/srv/$LIBDIR/x", directories)).toEqual(["/srv/$LIBDIR/x"]);
    expect(expandLibraryDirectory("$LIBDIRX/x", directories)).toEqual(["$LIBDIRX/x"]);
  });
});

test("an empty list of jk_check.ini ignores nothing", () => {
  expect(readKeys(section("ignorepatheverywhere =\n", "py"), checkKeys).ignorepatheverywhere).toEqual([]);
});

test("jk_update.ini takes hardlink and hardlinks", () => {
  const values = readKeys(section("hardlinks = 1\nhardlink = 0\nskips=\n", "py"), updateKeys);
  expect(values).toMatchObject({ hardlinks: true, hardlink: false, skips: [] });
});
