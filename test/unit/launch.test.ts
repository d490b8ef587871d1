import { describe, expect, test } from "bun:test";
import { JailkitError, UsageError } from "../../src/cli/error.ts";
import { parseArguments } from "../../src/cli/tool.ts";
import { capabilityNames, escapes, parseCapabilities } from "../../src/enter/launch/capabilities.ts";
import { pathInJail } from "../../src/enter/launch/checks.ts";
import { resolveIds } from "../../src/enter/launch/ids.ts";
import { notifyObstacle, notifyWay } from "../../src/enter/launch/notify.ts";
import { LAUNCH_OPTIONS, launchRequest } from "../../src/enter/launch/options.ts";

const refusal = (action: () => unknown): [code: string, exitStatus: number] => {
  try {
    action();
  } catch (error) {
    if (error instanceof JailkitError) return [error.code, error.exitStatus];
    throw error;
  }
  return ["nothing", 0];
};

describe("capabilities", () => {
  test.each([
    ["", 0n],
    ["none", 0n],
    [" , ", 0n],
    ["chown", 1n],
    ["CAP_CHOWN", 1n],
    ["cap_net_bind_service", 1n << 10n],
    ["Net_Bind_Service,kill", (1n << 10n) | (1n << 5n)],
    ["cap_chown cap_kill", 1n | (1n << 5n)],
    ["checkpoint_restore", 1n << 40n],
  ])("%j", (list, set) => {
    expect(parseCapabilities(list)).toBe(set);
  });

  test.each(["chow", "cap_", "all", "10", "cap_chown;kill", "-1", "chown\0"])("%j is none", (list) => {
    // What is left of "cap_" is empty, as between two commas.
    const expected = list === "cap_" ? ["nothing", 0] : ["unknown-capability", 1];
    expect(refusal(() => parseCapabilities(list))).toEqual(expected as [string, number]);
  });

  test("their numbers are those of the kernel", () => {
    // capsh(1) knows them from the header of the kernel.
    const decoded = Bun.spawnSync(["capsh", "--decode=1ffffffffff"], { env: { PATH: "/usr/sbin:/sbin" } });
    const names = decoded.stdout.toString().trim().split("=")[1]?.split(",");
    expect(capabilityNames((1n << 41n) - 1n)).toEqual(names ?? []);
  });

  test("those that give a way out of a jail", () => {
    expect(escapes(parseCapabilities("chown,sys_chroot,sys_admin,kill"))).toEqual([
      "cap_sys_chroot",
      "cap_sys_admin",
    ]);
    expect(escapes(parseCapabilities("net_bind_service,setuid,setgid,chown"))).toEqual([]);
  });
});

const LISTS = ["execute", "read", "write", "tcpConnect", "tcpBind", "limits"];

test.each(LISTS)("an option without a value is no way to leave out a limit: %s", (option) => {
  const strings = [
    "jail",
    "user",
    "group",
    "pidfile",
    "keepCaps",
    "confine",
    "network",
    "syscalls",
    ...LISTS,
  ];
  const flags = ["noNewPrivs", "scope", "daemon", "notify", "verbose"];
  const none = {
    ...Object.fromEntries(strings.map((name) => [name, undefined])),
    ...Object.fromEntries(flags.map((name) => [name, false])),
  };
  const options = { ...none, exec: "/bin/x", [option]: "" } as Parameters<typeof launchRequest>[0];
  const request = () => launchRequest(options, ["/srv/j"]);
  expect(refusal(request)).toEqual(["usage", 1]);
});

describe("what a flag stands for", () => {
  const confineOf = (...words: string[]) => {
    const { options, operands } = parseArguments(["-x", "/bin/x", ...words, "/srv/j"], LAUNCH_OPTIONS);
    const { confine, programArguments } = launchRequest(options, operands);
    expect(programArguments).toEqual([]);
    const { noNewPrivs, scope } = confine;
    return { noNewPrivs, scope };
  };

  test.each([
    [[], undefined],
    [["--scope"], true],
    [["--scope=1"], true],
    [["--scope=0"], false],
    [["--confine=1", "--scope=0"], false],
  ] as const)("%j: scope %p", (words, scope) => {
    expect(confineOf(...words)).toEqual({ noNewPrivs: undefined, scope });
  });

  test("--no-new-privs=0 is a contradiction beside what needs it", () => {
    expect(confineOf("--no-new-privs=0", "--limits", "core 0").noNewPrivs).toBe(false);
    expect(confineOf("--no-new-privs=0", "--confine=0", "--scope=0").noNewPrivs).toBe(false);
    for (const other of ["--confine=1", "--confine=require", "--read=none", "--scope", "--tcp-bind=none"])
      expect(() => confineOf("--no-new-privs=0", other)).toThrow(
        `--no-new-privs=0 contradicts ${other.split("=")[0]}, which needs no_new_privs`,
      );
  });

  test("only 0 and 1", () => {
    for (const word of ["", "2", "yes"]) expect(() => confineOf(`--scope=${word}`)).toThrow(UsageError);
  });
});

describe("ids", () => {
  test("of a user include the group and the supplementary groups", () => {
    expect(resolveIds("daemon", undefined)).toMatchObject({ uid: 1, gid: 1 });
    expect(resolveIds("1", undefined)).toEqual(resolveIds("daemon", undefined));
    expect(resolveIds("daemon", undefined).groups).toContain(1);
    expect(resolveIds("daemon", "mail")).toMatchObject({ uid: 1, gid: 8 });
    expect(resolveIds("daemon", "mail").groups).toContain(8);
    expect(resolveIds("daemon", "8")).toEqual(resolveIds("daemon", "mail"));
  });

  test("without a user there are no supplementary groups", () => {
    const own = { uid: process.geteuid?.() ?? -1, gid: process.getegid?.() ?? -1, groups: [] };
    expect(resolveIds(undefined, undefined)).toEqual(own);
    expect(resolveIds(undefined, "mail")).toEqual({ ...own, gid: 8 });
  });

  test.each(["", " 1", "1 ", "1x", "0x1", "+1", "-1", "1.0", "1e0", "99999999", "nosuch", "root\n", "\xff"])(
    "%j is no user and no group",
    (text) => {
      expect(refusal(() => resolveIds(text, undefined))).toEqual(["unknown-user", 1]);
      expect(refusal(() => resolveIds(undefined, text))).toEqual(["unknown-group", 1]);
    },
  );

  test.each(["4294967295", "4294967296", "18446744073709551616", "9".repeat(400)])(
    "%s is too large",
    (text) => {
      expect(refusal(() => resolveIds(text, undefined))).toEqual(["bad-id", 1]);
      expect(refusal(() => resolveIds(undefined, text))).toEqual(["bad-id", 1]);
    },
  );

  test("a number may begin with a zero", () => {
    expect(resolveIds("01", undefined).uid).toBe(1);
  });
});

test.each([
  ["/srv/j", "/usr/bin/id", "/usr/bin/id"],
  ["/srv/j", "usr/bin/id", "usr/bin/id"],
  ["/srv/j", "/srv/j/usr/bin/id", "usr/bin/id"],
  ["/srv/j/", "/srv/j/usr/bin/id", "usr/bin/id"],
  ["/srv/j", "/srv/jail/id", "/srv/jail/id"],
  ["/srv/j", "/srv/j", "/srv/j"],
  ["/srv/j", "/srv/j/", ""],
  ["/srv/j", "", ""],
])("the program of -j %s -x %s is %s", (jail, program, path) => {
  expect(pathInJail(jail, program)).toBe(path);
});

test.each([
  [undefined, "none"],
  ["", "none"],
  ["@", "passes"],
  ["@a/../b", "passes"],
  ["vsock:2:1234", "passes"],
  ["vsock-stream:2:1234", "passes"],
  ["/run/systemd/notify", "bind"],
  ["/run/user/0/systemd/notify", "bind"],
] as const)("NOTIFY_SOCKET %j: %s", (socket, way) => {
  expect(notifyWay(socket)).toBe(way);
});

test.each([
  ["/run/notify", {}, undefined],
  ["/run/notify", { network: "local", syscalls: "login", scope: true }, undefined],
  ["/run/notify", { network: "none" }, "network=none"],
  ["@manager", { network: "local", syscalls: "login" }, undefined],
  ["@manager", { scope: true }, "scope=1"],
  ["vsock:2:1234", { scope: true }, undefined],
  ["vsock:2:1234", { network: "local" }, "network=local"],
  ["vsock-stream:2:1234", { syscalls: "login" }, "syscalls=login"],
] as const)("NOTIFY_SOCKET %j with %j is kept from a program by %p", (socket, keys, setting) => {
  const free = { network: "all", syscalls: "any", scope: false } as const;
  expect(notifyObstacle(socket, { ...free, ...keys })).toBe(setting);
});

test.each(["x", "run/x", "/", "/run/", "/run//x", "/run/../x", "/run/./x", "/..", "udp:1"])(
  "NOTIFY_SOCKET %j is no address",
  (socket) => {
    expect(refusal(() => notifyWay(socket))).toEqual(["notify", 1]);
  },
);
