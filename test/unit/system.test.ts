import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { libc } from "../../ffi/libc.ts";
import { groupIds, isOnlyGroup, isOnlyUser, userIds } from "../../ffi/process.ts";
import { adviceText } from "../../src/cli/remedy.ts";
import {
  groupByGid,
  groupByName,
  groupIdsOf,
  passwdByName,
  passwdByUid,
  userOrUnknown,
} from "../../src/system/accounts.ts";
import { processesOf } from "../../src/system/processes.ts";
import { findProgram, runProgram } from "../../src/system/run.ts";
import { parseSshdSettings } from "../../src/system/sshd/settings.ts";
import { sshdWarnings } from "../../src/system/sshd/warnings.ts";
import { openSyslog } from "../../src/system/syslog.ts";

describe("a line of the log", () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "syslog-"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("has the format of RFC 3164, with control bytes escaped, and over a stream a NUL at its end", async () => {
    const path = join(folder, "stream");
    const received = Promise.withResolvers<string>();
    const server = Bun.listen({
      unix: path,
      socket: { data: (_socket, data) => received.resolve(data.toString("latin1")) },
    });
    openSyslog("jk_test", "auth", path).write("err", "user x\n<0>forged\x1b[2J \xff");
    const line = await received.promise;
    server.stop(true);
    expect(line).toMatch(
      /^<35>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d jk_test\[\d+\]: user x\\n<0>forged\\x1b\[2J \\xff\0$/,
    );
  });

  test("is lost silently if no daemon listens, or its path is too long", () => {
    openSyslog("jk_test", "daemon", join(folder, "missing")).write("info", "nobody");
    openSyslog("jk_test", "daemon", `/${"x".repeat(200)}`).write("info", "nobody");
  });
});

describe("the ids of a process", () => {
  const SAME = 0xffffffff;

  test("belong only to its user if the real, the effective and the saved one do", () => {
    expect(isOnlyUser(0) && isOnlyGroup(0)).toBe(true);
    try {
      libc.setresuid(SAME, SAME, 4711);
      libc.setresgid(SAME, SAME, 4711);
      expect(userIds()).toEqual([0, 0, 4711]);
      expect(groupIds()).toEqual([0, 0, 4711]);
      expect(isOnlyUser(0) || isOnlyGroup(0)).toBe(false);
    } finally {
      libc.setresgid(0, 0, 0);
      libc.setresuid(0, 0, 0);
    }
  });
});

describe("accounts", () => {
  test("are found by name and by number, with the same result", () => {
    const root = passwdByName("root");
    expect(root).toMatchObject({ uid: 0, gid: 0, home: "/root" });
    expect(passwdByUid(0)).toEqual(root);
    expect(groupByName("root")).toEqual(groupByGid(0));
    expect(groupIdsOf("root", 0)).toContain(0);
  });

  // EIO, and what nslcd(8) gives while its server is down: for a login, there is no such account.
  test.each([5, 2])("without an answer of a name service, errno %d, the account is unknown", (errno) => {
    const { getpwuid_r } = libc;
    expect([userOrUnknown(0), userOrUnknown(4711)]).toEqual([passwdByUid(0), undefined]);
    try {
      libc.getpwuid_r = (() => errno) as typeof getpwuid_r;
      expect(userOrUnknown(0)).toBe("unknown");
    } finally {
      libc.getpwuid_r = getpwuid_r;
    }
  });

  test.each(["", "nosuch", "ro\xffot", "../root", `${"x".repeat(5000)}`])("%j is nobody", (name) => {
    expect(passwdByName(name)).toBeUndefined();
    expect(groupByName(name)).toBeUndefined();
  });

  test("a name with a NUL is refused, not cut", () => {
    expect(() => passwdByName("root\0x")).toThrow("NUL");
  });
});

describe("programs", () => {
  test("get their arguments unchanged and only the explicit environment", () => {
    const env = findProgram("env");
    expect(env).toBeDefined();
    const { status, stdout } = runProgram(env ?? "", ["A=$(id); `id`"], { B: "1" });
    expect(status).toBe(0);
    expect(stdout.split("\n").sort()).toEqual(
      ["", "A=$(id); `id`", "B=1", "LC_ALL=C", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"].sort(),
    );
  });

  test("that are missing, or cannot get an argument, are an error that names them", () => {
    expect(findProgram("no-such-program")).toBeUndefined();
    expect(() => runProgram("/no/such", [])).toThrow("/no/such: cannot be started");
    expect(() => runProgram("/bin/true", ["a\0b"])).toThrow("/bin/true: cannot be started");
  });

  test("get and print every byte, and both of their outputs are read at once", () => {
    const script = 'printf %s "$1"; head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero; pwd; exit 3';
    const { status, stdout, stderr, cutOff } = runProgram("/bin/sh", ["-c", script, "sh", "\xff/\xe9"]);
    expect({ status, cutOff }).toEqual({ status: 3, cutOff: false });
    expect(stdout).toBe(`\xff/\xe9${"\0".repeat(300_000)}/\n`);
    expect(stderr).toBe("\0".repeat(300_000));
  });

  test("that leave a process behind are not waited for longer, though it keeps the pipes open", () => {
    const script = "sleep 1000 & echo $!; echo error >&2; exit 3";
    const { stdout, ...left } = runProgram("/bin/sh", ["-c", script]);
    expect(left).toEqual({ status: 3, stderr: "error\n", cutOff: false });
    process.kill(Number(stdout));
  });

  test("that print too much, or that a signal ends, are reported as such", () => {
    expect(runProgram("/bin/cat", ["/dev/zero"], {}, 100_000)).toMatchObject({ status: 137, cutOff: true });
    expect(runProgram("/bin/sh", ["-c", "kill -9 $$"])).toMatchObject({ status: 137, cutOff: false });
  });
});

test("the processes of a user are found by their ids", () => {
  expect(processesOf(process.getuid?.() ?? 0)).toContain(process.pid);
  expect(processesOf(4_000_000_000)).toEqual([]);
});

describe("sshd's settings", () => {
  const codes = (text: string) => sshdWarnings(parseSshdSettings(text), "u").map(({ code }): string => code);
  test.each<[string, string[]]>([
    ["subsystem sftp internal-sftp\nchrootdirectory none\n", ["internal-sftp"]],
    ["subsystem sftp internal-sftp -l INFO\n", ["internal-sftp"]],
    ["subsystem sftp internal-sftp\nchrootdirectory /srv\n", []],
    ["subsystem sftp /usr/lib/openssh/sftp-server\nforcecommand internal-sftp\n", ["internal-sftp"]],
    ["subsystem sftp /usr/lib/openssh/internal-sftp-like\n", []],
    [
      "allowtcpforwarding yes\nallowstreamlocalforwarding local\npermittunnel yes\n",
      ["tcp-forwarding", "stream-forwarding", "tunnel"],
    ],
    ["allowtcpforwarding yes\ndisableforwarding yes\n", []],
    ["permituserenvironment yes\npermituserrc no\n", ["permit-user-environment"]],
    ["permituserenvironment LANG,LC_*\n", ["permit-user-environment", "user-rc"]],
    ["acceptenv LANG\nacceptenv LC_*\nacceptenv L?NG\npermituserrc yes\n", []],
    ["acceptenv LANG\nacceptenv *\npermituserrc yes\n", ["user-rc"]],
    ["acceptenv L*\n", ["user-rc"]],
    ["acceptenv LANG LD_PRELOA?\npermituserrc yes\n", ["user-rc"]],
    ["acceptenv *\npermituserrc no\n", []],
    ["x11forwarding yes\n", ["x11-forwarding"]],
    ["x11forwarding yes\ndisableforwarding yes\n", []],
    ["x11forwarding no\nallowagentforwarding yes\n", []],
    ["", []],
  ])("%j", (text, expected) => {
    expect(codes(text)).toEqual(expected);
  });

  test("one block is enough for all members of the group that is for it", () => {
    const remedies = (...groups: string[]) =>
      sshdWarnings(parseSshdSettings("permittunnel yes\n"), "u", { groups }).map(({ advice }) =>
        adviceText(advice),
      );
    const inBlock = (match: string) => `set 'PermitTunnel no' in a block '${match}' of /etc/ssh/sshd_config`;
    expect(remedies("users")).toEqual([inBlock("Match User u")]);
    expect(remedies("users", "jailed")).toEqual([inBlock("Match Group jailed")]);
  });

  test("without xauth no display is forwarded, and with the user's variables it runs the user's code", () => {
    const of = (text: string, more?: Parameters<typeof sshdWarnings>[2]) =>
      sshdWarnings(parseSshdSettings(`permituserrc no\nx11forwarding yes\n${text}`), "u", more).map(
        ({ code, message }) => [code, message.includes("LD_PRELOAD")],
      );
    expect(of("", { xauth: false })).toEqual([]);
    expect(of("")).toEqual([["x11-forwarding", false]]);
    expect(of("acceptenv *\n")).toEqual([["x11-forwarding", true]]);
    expect(of("", { byPam: "sshd" })).toContainEqual(["x11-forwarding", true]);
  });
});
