/** What decides before the login shell, as pure functions: ages, lists of users, keys, jobs, lines of logs. */

import { describe, expect, test } from "bun:test";
import { type Advice, inWords } from "../../src/cli/remedy.ts";
import { parseRefusal } from "../../src/explain/error-id.ts";
import { type LogEntry, parseJournalLine, parseLogLine } from "../../src/system/log-search.ts";
import { mayScheduleJobs } from "../../src/system/scheduled-jobs.ts";
import { accountAge, passwordState, type ShadowEntry } from "../../src/system/shadow.ts";
import { hasExpired, isAccepted, keyFiles, rsaBits } from "../../src/system/sshd/authorized-keys.ts";
import { parseSshdSettings } from "../../src/system/sshd/settings.ts";
import { userRule } from "../../src/system/sshd/users.ts";
import { keyOptions, optionValues } from "../../src/users/key-options.ts";
import { keyLinesIn } from "../../src/users/key-text.ts";

describe("shadow", () => {
  const entry: ShadowEntry = { password: "*", lastChange: 100, maximum: 30, inactive: 5, expire: -1 };
  test.each([
    ["valid", {}, 129],
    ["password-must-change", {}, 130],
    ["password-must-change", {}, 134],
    ["password-expired", {}, 135],
    ["password-must-change", { inactive: -1 }, 1000],
    ["valid", { maximum: -1 }, 1000],
    ["valid", { lastChange: -1 }, 1000],
    ["password-must-change", { lastChange: 0 }, 1],
    ["valid", {}, 50],
    ["account-expired", { expire: 120 }, 120],
    ["valid", { expire: 120 }, 119],
  ] as const)("%s: %j on day %d", (age, change, day) => {
    expect(accountAge({ ...entry, ...change }, day)).toBe(age);
  });
  test.each([
    ["", "empty"],
    ["*", "none"],
    ["x", "none"],
    ["!", "locked"],
    ["!$6$a$b", "locked"],
    ["$6$salt$hash", "usable"],
    ["$y$j9T$a$b", "usable"],
    ["abcdefghijklm", "usable"],
  ] as const)("%s is %s", (field, state) => {
    expect(passwordState(field)).toBe(state);
  });
});

describe("lists of users", () => {
  const judge = (text: string, from?: string) => {
    const rule = userRule(parseSshdSettings(`${text}\n`), { name: "u", groups: ["u", "friends"] }, from);
    return rule === undefined ? "in" : `${rule.keyword} ${rule.outcome}`;
  };
  test.each([
    ["usepam yes", undefined, "in"],
    ["allowusers root\nallowusers u", undefined, "in"],
    ["allowusers root x*", undefined, "AllowUsers refused"],
    ["denyusers ?", undefined, "DenyUsers refused"],
    ["allowusers u@192.0.2.1", undefined, "AllowUsers unknown"],
    ["allowusers u@192.0.2.1", "192.0.2.1", "in"],
    ["allowusers u@192.0.2.1", "192.0.2.2", "AllowUsers refused"],
    ["allowusers u@192.0.2.0/24", undefined, "AllowUsers unknown"],
    ["allowusers u@192.0.2.0/24", "192.0.2.2", "in"],
    ["allowusers u@198.51.100.0/24", "192.0.2.2", "AllowUsers refused"],
    // Without UseDNS the name of a host is its address.
    ["allowusers u@host.example", "192.0.2.2", "AllowUsers refused"],
    ["usedns yes\nallowusers u@host.example", "192.0.2.2", "AllowUsers unknown"],
    ["denyusers v@192.0.2.1", undefined, "in"],
    ["allowgroups friends", undefined, "in"],
    ["allowgroups others", undefined, "AllowGroups refused"],
    ["denygroups fr*", undefined, "DenyGroups refused"],
    ["denygroups fr*\ndenygroups !friends", undefined, "DenyGroups refused"],
    ["allowgroups friends\nallowgroups !friends", undefined, "in"],
    ["allowgroups my friends", undefined, "AllowGroups refused"],
    ["allowusers u x", undefined, "AllowUsers refused"],
    ["denyusers u x", undefined, "in"],
  ])("%s from %s: %s", (text, from, expected) => {
    expect(judge(text, from)).toBe(expected);
  });
  const advice = (text: string, groups: string[]): Advice | undefined =>
    userRule(parseSshdSettings(text), { name: "u", groups }, undefined)?.advice;
  test("the entry of DenyUsers that matches is the one to remove", () => {
    expect(advice("denyusers v\ndenyusers u*\n", ["u"])).toEqual(inWords("take u* out of DenyUsers"));
  });
  test("no group is advised that may allow more than a login", () => {
    const join = "groupadd -f -r jailed && gpasswd -a u jailed";
    const line = "add the group jailed to the line in sshd_config(5): AllowGroups";
    const two = "allowgroups sudo\nallowgroups my friends\n";
    expect(advice(two, ["u"])).toEqual(inWords(`${line} sudo "my friends" jailed; and type: ${join}`));
    expect(advice(two, ["u", "jailed"])).toEqual(inWords(`${line} sudo "my friends" jailed`));
    expect(advice(`${two}allowgroups jailed\n`, ["u"])).toBe(join);
  });
});

describe("keys", () => {
  const blob = `AAAAC3NzaC1lZDI1NTE5AAAAI${"A".repeat(43)}`;
  const key = `ssh-ed25519 ${blob} somebody`;
  const options = (text: string) =>
    keyLinesIn(text).map((one) => Object.fromEntries(keyOptions(one.options)));
  test("lines with keys, and lines with none", () => {
    const text = `# ${key}\n\n${key}\nssh-ed25519 AAAA\nssh-rsa ${blob}\nunknown ${key}\n  restrict ${key}`;
    expect(options(text)).toEqual([{}, { restrict: "" }]);
  });
  test("options", () => {
    expect(options(`no-pty,command="a \\"b\\", c",From="x" ${key}`)).toEqual([
      { "no-pty": "", command: 'a "b", c', from: "x" },
    ]);
    expect(options(`command="unfinished ${key}`)).toEqual([]);
  });
  test("values that sshd refuses, and empty options between commas", () => {
    for (const none of [
      ...['command="a",command="b"', 'from="a",from="b"', 'principals="a"', 'environment="A-B=c"'],
      ...['environment="AB"', 'permitopen="host"', 'permitopen="host:99999"', 'permitlisten="none"'],
      ...['tunnel="x"', 'permitopen="[::1"'],
    ])
      expect([none, options(`${none} ${key}`)]).toEqual([none, []]);
    for (const taken of [
      ...["no-pty,", ",,no-pty,,", 'permitopen="[::1]:80"', 'permitopen="host:*"', 'permitlisten="ssh"'],
      ...['tunnel="Any"', 'principals="a",cert-authority', 'environment="A=b",environment="A=c"'],
    ])
      expect([taken, options(`${taken} ${key}`).length]).toEqual([taken, 1]);
  });
  test("a line ends at a NUL byte, and only the canonical text of a key counts", () => {
    expect(options(`${key}\0x\nssh-ed25519 ${blob}\0`).length).toBe(2);
    const point = `AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABB${"A".repeat(86)}`;
    expect(["I=", "J="].map((end) => options(`ecdsa-sha2-nistp256 ${point}${end}`).length)).toEqual([1, 0]);
  });
  test("a line of any length, which a user may write, takes only the time to read it", () => {
    expect(options(`${"pty ".repeat(250_000)}${key}`)).toEqual([]);
    expect(options(`${"pty,".repeat(250_000)}pty ${key}`)).toEqual([{ pty: "" }]);
    expect(options(`${",".repeat(1 << 20)} ${key}`)).toEqual([{}]);
    expect(options(`${'permitopen="a:b",'.repeat(50_000)} ${key}`)).toEqual([]);
  });
  test("expiry", () => {
    const times = (options: string) =>
      keyLinesIn(`${options} ${key}`).flatMap((one) => optionValues(one.options, "expiry-time"));
    for (const time of ["20200101Z", "20200101utc"]) {
      const one = times(`expiry-time="${time}"`);
      expect(hasExpired(one, new Date("2019-12-31T23:59:59Z"))).toBe(false);
      expect(hasExpired(one, new Date("2020-01-01T00:00:00Z"))).toBe(true);
    }
    // Of several the earliest counts.
    const two = times('expiry-time="20200101Z",expiry-time="20400101Z"');
    expect(hasExpired(two, new Date("2021-01-01T00:00:00Z"))).toBe(true);
    for (const none of ["20201301", "20200132", "202001012400", "20200101006000Z", "2020", "20200101X"])
      expect(times(`expiry-time="${none}"`)).toEqual([]);
  });
  test("algorithms and files", () => {
    const publicKey = (bits: number) => {
      const numbers = [Buffer.of(1, 0, 1), Buffer.alloc(bits / 8, 0xff)].map((one) =>
        Buffer.concat([Buffer.of(0), one]),
      );
      const fields = [Buffer.from("ssh-rsa"), ...numbers].flatMap((field) => {
        const length = Buffer.alloc(4);
        length.writeUInt32BE(field.length);
        return [length, field];
      });
      return Buffer.concat(fields).toString("base64");
    };
    expect([1024, 2048].map((bits) => rsaBits(publicKey(bits)))).toEqual([1024, 2048]);
    for (const text of ["", "AAAA", "AAAAC3NzaC1lZDI1NTE5AAAAIA==", "AAAAB3NzaC1yc2H/////"])
      expect(rsaBits(text)).toBeUndefined();
    expect(isAccepted("ssh-rsa", ["rsa-sha2-256"])).toBe(true);
    expect(isAccepted("ssh-dss", ["ssh-ed25519"])).toBe(false);
    const account = { name: "u", uid: 7, home: "/j/./home/u" };
    expect(keyFiles([".ssh/k", "/e/%u/%U%%", "%h/x", "none"], account)).toEqual([
      "/j/./home/u/.ssh/k",
      "/e/u/7%",
      "/j/./home/u/x",
    ]);
  });
});

test.each([
  [true, undefined, undefined, true],
  [false, undefined, undefined, false],
  [false, "", undefined, true],
  [true, "v\nu\n", "u\n", true],
  [false, undefined, "u\n", true],
  [true, undefined, "v\n", false],
])("who may submit jobs: %p for allow %j, deny %j, else %p", (may, allow, deny, otherwise) => {
  expect(mayScheduleJobs("u", allow, deny, otherwise)).toBe(may);
});

describe("lines of logs", () => {
  const id = "JK-7Q2MX4TA";
  const of = (message: string): LogEntry => ({
    ...{ source: "/x", when: "now", ident: "jk_chrootsh", pid: 1, message, sender: undefined },
  });
  test.each([
    [
      "Nov 26 01:02:03 host jk_chrootsh[7]: text: more",
      { ident: "jk_chrootsh", pid: 7, message: "text: more" },
    ],
    ["2026-11-26T01:02:03.5+00:00 host jk_uchroot: text", { ident: "jk_uchroot", pid: undefined }],
    ["Nov  6 01:02:03 jk_chrootsh[7]: text", { ident: "jk_chrootsh", when: "Nov  6 01:02:03" }],
  ])("%s", (line, expected) => {
    expect(parseLogLine("/x", line)).toMatchObject(expected);
  });
  test("entries of the journal: text, bytes, missing fields", () => {
    const line = (fields: object) => parseJournalLine(JSON.stringify(fields));
    expect(
      line({ MESSAGE: [74, 75, 255], _UID: "5", _EXE: "/usr/sbin/jailkit", SYSLOG_IDENTIFIER: "jk_lsh" }),
    ).toMatchObject({ message: "JK\xff", sender: { uid: 5, program: "/usr/sbin/jailkit" }, pid: undefined });
    expect(line({ MESSAGE: null })).toMatchObject({ message: "", sender: undefined });
    expect(parseJournalLine("{")).toBeUndefined();
  });
  test("a refusal is parsed from its end", () => {
    expect(
      parseRefusal(id, of(`${id}: abort (check x, uid 1) (check home-owner, uid 7); remedy: do; it`)),
    ).toMatchObject({
      ...{
        reason: "abort (check x, uid 1)",
        check: "home-owner",
        uid: 7,
        doubt: undefined,
      },
    });
    expect(parseRefusal(id, of(`${id}: abort (check shell, uid 7)`))).toMatchObject({
      reason: "abort",
      check: "shell",
    });
    expect(parseRefusal(id, of(`x ${id}: abort`))).toBeUndefined();
    const journal = { ...of(`${id}: a (check shell, uid 7)`), sender: { uid: 8, program: "" } };
    expect(parseRefusal(id, journal)?.doubt).toContain("uid 8 wrote it");
  });
  test("a refusal in JSON", () => {
    const event = {
      error: { id },
      event: { type: ["denied"], code: "home-owner", reason: "abort, \u00e9" },
      user: { id: "7" },
    };
    const parse = (change: object) => parseRefusal(id, of(JSON.stringify({ ...event, ...change })));
    expect(parse({})).toMatchObject({
      reason: "abort, \xc3\xa9",
      check: "home-owner",
      uid: 7,
      doubt: undefined,
    });
    expect(parse({ user: { id: "-7" } })?.uid).toBeUndefined();
    expect(parse({ user: null, event: { type: ["denied"] } })).toMatchObject({
      check: undefined,
      reason: "",
    });
    expect(parse({ jk_socketd: { jail: "/j", uid: 7 } })?.doubt).toBe("it was sent from inside a jail");
    // Other lines that have the id.
    expect(parse({ error: { id: "JK-BBBBBBBB" } })).toBeUndefined();
    expect(parse({ event: { type: ["info"] } })).toBeUndefined();
    for (const text of ["{", "{}", `{"error":{"id":["${id}"]}}`])
      expect(parseRefusal(id, of(text))).toBeUndefined();
  });
});
