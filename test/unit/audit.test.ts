/** Lines of the log with `log_format = json`: whatever users influence, a line is one whole object of the schema. */
import { describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import fc from "fast-check";
import { fromBytes, toBytes } from "../../ffi/bytes.ts";
import { logFormatOf } from "../../src/config/log-format.ts";
import { scanIni } from "../../src/config/scan.ts";
import { chrootshKeys } from "../../src/config/schemas/chrootsh.ts";
import { lshKeys } from "../../src/config/schemas/lsh.ts";
import type { Audit } from "../../src/enter/audit.ts";
import { auditLine, type Decision, type EventFacts, type Known } from "../../src/enter/audit-event.ts";
import type { CallerFacts } from "../../src/enter/facts.ts";
import { readSettings } from "../../src/enter/settings.ts";
import { readSshConnection } from "../../src/enter/ssh-connection.ts";
import { type LogEvent, logSchema } from "../../src/system/log-schema.ts";
import { syslogLine } from "../../src/system/syslog.ts";
import { savedLongAgo } from "./saved-long-ago.ts";

savedLongAgo();

const facts: EventFacts = {
  program: "jk_chrootsh",
  pid: 7,
  uid: 1000,
  time: Date.UTC(2026, 10, 28, 1, 2, 3, 4),
  severity: "err",
  message: "JK-AAAAAAAA: abort, no",
  decision: undefined,
  known: {},
  args: ["jk_chrootsh", "-c", "id"],
  connection: undefined,
};
const refused: Decision = { outcome: "refused", code: "home-owner", reason: "abort, no", exitCode: 53 };

/** A line as the log daemon gets it, without its header. */
const lineOf = (change: Partial<EventFacts>) => auditLine({ ...facts, ...change });
const parsed = (change: Partial<EventFacts>): LogEvent => logSchema.parse(JSON.parse(lineOf(change)));

describe("an event", () => {
  test("of a refused login", () => {
    const known = {
      user: { id: 1000, name: "u" },
      group: { id: 100, name: "users" },
      section: "group users",
      file: "/etc/jailkit/jk_chrootsh.ini",
      jail: () => "/srv/j",
    };
    const decision = { ...refused, remedy: "chown u /srv/j/home/u", errorId: "JK-AAAAAAAA" };
    const connection = readSshConnection("192.0.2.7 50123 2001:db8::1 22");
    expect(parsed({ decision, known, connection })).toEqual({
      "@timestamp": "2026-11-28T01:02:03.004Z",
      message: "JK-AAAAAAAA: abort, no",
      ecs: { version: "8.17.0" },
      log: { level: "err" },
      service: { name: "jk_chrootsh", type: "jailkit", version: expect.any(String) },
      event: {
        kind: "event",
        category: ["session"],
        provider: "jk_chrootsh",
        type: ["denied"],
        action: "login-refused",
        outcome: "failure",
        code: "home-owner",
        reason: "abort, no",
      },
      user: { id: "1000", name: "u", group: { id: "100", name: "users" } },
      source: { ip: "192.0.2.7", port: 50123 },
      destination: { ip: "2001:db8::1", port: 22 },
      process: { pid: 7, args: ["jk_chrootsh", "-c", "id"], args_count: 3, exit_code: 53 },
      rule: { name: "group users", ruleset: "/etc/jailkit/jk_chrootsh.ini" },
      error: { id: "JK-AAAAAAAA" },
      jailkit: { version: 1, jail: "/srv/j", section: "group users", remedy: "chown u /srv/j/home/u" },
    });
  });

  test.each([
    ["jk_chrootsh", "allowed", "login-allowed", "success"],
    ["jk_lsh", "allowed", "command-allowed", "success"],
    ["jk_lsh", "refused", "command-refused", "failure"],
    ["jk_lsh", "failed", "command-failed", "failure"],
    ["jk_uchroot", "refused", "program-refused", "failure"],
  ] as const)("%s: %s", (program, outcome, action, result) => {
    expect(parsed({ program, decision: { outcome } }).event).toMatchObject({ action, outcome: result });
  });

  test("of a line without a decision has neither arguments nor an outcome", () => {
    const { event, process } = parsed({ message: "version 3, started" });
    expect([event.action, event.outcome, process]).toEqual(["note", undefined, { pid: 7 }]);
  });

  test("has the label of a rule and what the kernel enforces", () => {
    const confinement = () => "read /data; write nothing";
    const decision: Decision = { outcome: "allowed", rule: "pull", confinement };
    const { rule, jailkit } = parsed({ decision, known: { section: "u", file: "/f" } });
    expect([rule, jailkit]).toEqual([
      { name: "pull", ruleset: "/f" },
      { version: 1, section: "u", rule: "pull", confinement: "read /data; write nothing" },
    ]);
  });

  test("has what the client asked for where the key force runs something else, and nothing if it asked for nothing", () => {
    const forced = (asked?: string) =>
      parsed({
        program: "jk_lsh",
        decision: { outcome: "allowed", rule: "force", args: ["/bin/ls"], asked },
      });
    const { process, jailkit } = forced("rm -rf \x1b[31m\n\xff");
    expect([process.args, jailkit.original_command]).toEqual([["/bin/ls"], "rm -rf \\x1b[31m\\n\\xff"]);
    for (const none of [undefined, ""]) expect(forced(none).jailkit).not.toHaveProperty("original_command");
  });

  test("names no user whose uid is another", () => {
    expect(parsed({ known: { user: { id: 0, name: "root" } } }).user).toEqual({ id: "1000" });
  });

  test("shows bytes as the text does: control bytes and what is no UTF-8 are escaped, characters stay", () => {
    const args = [
      "\x1b[31m",
      "a\nb",
      "\xff",
      "\xc3\xa9",
      'q"\\x1b',
      "\xe2\x80\xae",
      "\xed\xb2\x80",
      "\xf0\x9f\x98\x80",
    ];
    const shown = [
      "\\x1b[31m",
      "a\\nb",
      "\\xff",
      "\u00e9",
      'q"\\\\x1b',
      "\\xe2\\x80\\xae",
      "\\xed\\xb2\\x80",
      "\u{1f600}",
    ];
    expect(parsed({ decision: { outcome: "allowed", args } }).process.args).toEqual(shown);
  });

  test("shows a message and a reason, which are printable in part, without escaping that again", () => {
    const reason = "tried \\x1b and \x1b";
    const { message, event } = parsed({ message: reason, decision: { ...refused, reason } });
    expect([message, event.reason]).toEqual(["tried \\x1b and \\x1b", "tried \\x1b and \\x1b"]);
  });
});

describe("a line", () => {
  const bytes = (maxLength: number) =>
    fc.oneof(
      fc.string({ unit: "binary-ascii", maxLength }),
      fc.uint8Array({ maxLength }).map((one) => fromBytes(one)),
      fc.string({ unit: "binary", maxLength }).map((text) => fromBytes(new TextEncoder().encode(text))),
      fc
        .constantFrom('"', "\\", "\x1b", "\xff", "}", "x", "\xf0\x9f\x98\x80")
        .chain((one) => fc.nat(maxLength).map((count) => one.repeat(count))),
    );
  const text = bytes(4000);
  const anything: fc.Arbitrary<Partial<EventFacts>> = fc.record({
    message: text,
    known: fc.record({
      user: fc.record({ id: fc.constant(1000), name: text }),
      group: fc.record({ id: fc.nat(), name: text }),
      section: text,
      file: fc.constant("/etc/jailkit/jk_chrootsh.ini"),
      jail: text.map((jail) => () => jail),
    }),
    decision: fc.option(
      fc.record({
        outcome: fc.constantFrom("allowed", "refused", "failed"),
        code: fc.constant("relax-home-other-permissions"),
        reason: text,
        remedy: text,
        errorId: fc.constant("JK-AAAAAAAA"),
        executable: text,
        // Some long ones, or many.
        args: fc.oneof(fc.array(bytes(1000), { maxLength: 20 }), fc.array(bytes(20), { maxLength: 300 })),
        rule: text,
        asked: fc.option(bytes(1000), { nil: undefined }),
        confinement: text.map((one) => () => one),
      }),
      { nil: undefined },
    ),
    connection: fc.option(text, { nil: undefined }).map(readSshConnection),
  });

  test("is one whole object of the schema in printable ASCII, which no daemon cuts, whatever is in it", () => {
    fc.assert(
      fc.property(anything, (change) => {
        const line = lineOf(change);
        expect(line).toMatch(/^\{[\x20-\x7e]*\}$/);
        expect(line.length).toBeLessThan(7900);
        const event = logSchema.parse(JSON.parse(line));
        // No text has control characters, nor half a surrogate pair, which readers of JSON refuse.
        for (const text of textsOf(event)) {
          expect(text).not.toMatch(/[\x00-\x1f\x7f-\x9f]/);
          expect(text.isWellFormed()).toBe(true);
        }
        // The log sends it as it is.
        expect(syslogLine("jk_lsh", "auth", "err", line)).toEndWith(`: ${line}`);
      }),
      // Large texts take long to shrink.
      { numRuns: 100, endOnFailure: true },
    );
  });

  test("of the greatest length", () => {
    const long = '"'.repeat(9000);
    const decision = {
      ...refused,
      reason: long,
      remedy: long,
      executable: long,
      rule: long,
      asked: long,
      confinement: () => long,
    };
    const known = {
      user: { id: 1000, name: long },
      group: { id: 1e9, name: long },
      section: long,
      file: "/etc/jailkit/jk_chrootsh.ini",
      jail: () => long,
    };
    const line = lineOf({
      message: long,
      known,
      decision: { ...decision, errorId: "JK-AAAAAAAA", args: [long, long, long] },
      connection: readSshConnection(
        "2001:db8:1111:2222:3333:4444:5555:6666 50123 2001:db8:1111:2222:3333:4444:5555:7777 22222",
      ),
    });
    expect(line.length).toBeLessThan(7900);
    expect(JSON.parse(line).jailkit.cut.sort()).toEqual([
      ...["event.reason", "jailkit.confinement", "jailkit.jail", "jailkit.original_command"],
      ...[
        "jailkit.remedy",
        "jailkit.rule",
        "jailkit.section",
        "message",
        "process.args",
        "process.executable",
        "rule.name",
      ],
      ...["user.group.name", "user.name"],
    ]);
  });

  test("a text takes as many bytes as it has in JSON", () => {
    const reason = '"'.repeat(1000);
    const { event, jailkit } = parsed({ decision: { ...refused, reason } });
    expect([event.reason?.length, jailkit.cut]).toEqual([750, ["event.reason"]]);
  });

  test("says how many arguments there were", () => {
    const args = Array.from({ length: 10_000 }, () => "x");
    const { process, jailkit } = parsed({ decision: { outcome: "allowed", args } });
    expect(process.args_count).toBe(10_000);
    expect(process.args?.length).toBeLessThan(1000);
    expect(jailkit.cut).toEqual(["process.args"]);
  });
});

/** All texts in a value. */
function textsOf(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsOf) : [];
}

describe("SSH_CONNECTION", () => {
  test.each([
    ["10.0.0.1 1 10.0.0.2 22", "10.0.0.1"],
    ["::1 65535 :: 0", "::1"],
    ["fe80::1%eth0 1 fe80::2%eth0 22", "fe80::1"],
    ["::ffff:192.0.2.1 1 1:2:3:4:5:6:7:8 22", "::ffff:192.0.2.1"],
    ["1:2:3:4:5:6:192.0.2.1 1 1::8 22", "1:2:3:4:5:6:192.0.2.1"],
  ])("%j", (value, ip) => {
    expect(readSshConnection(value)?.client.ip).toBe(ip);
  });

  test.each([
    undefined,
    "",
    "UNKNOWN 65535 UNKNOWN 65535",
    "10.0.0.1 1 10.0.0.2",
    "10.0.0.1 1 10.0.0.2 22 x",
    "10.0.0.1  1 10.0.0.2 22",
    "10.0.0.1 1 10.0.0.2 65536",
    "10.0.0.1 -1 10.0.0.2 22",
    "10.0.0.1 1e1 10.0.0.2 22",
    "10.0.0.256 1 10.0.0.2 22",
    "10.0.0.01 1 10.0.0.2 22",
    "10.0.0 1 10.0.0.2 22",
    "1:2:3:4:5:6:7 1 10.0.0.2 22",
    "1:2:3:4:5:6:7:8:9 1 10.0.0.2 22",
    "1::2::3 1 10.0.0.2 22",
    "1:2:3:4::5:6:7:8 1 10.0.0.2 22",
    ":1 1 10.0.0.2 22",
    "12345::1 1 10.0.0.2 22",
    "g::1 1 10.0.0.2 22",
    '10.0.0.1","user":{"name":"root"} 1 10.0.0.2 22',
    "10.0.0.1\n 1 10.0.0.2 22",
  ])("%j is none", (value) => {
    expect(readSshConnection(value)).toBeUndefined();
  });
});

describe("log_format", () => {
  const read = (text: string) => logFormatOf(scanIni(toBytes(text), "f", "c"), lshKeys);
  test.each([
    ["[DEFAULT]\nlog_format = json\n", "json"],
    ["[u]\nexecutables = /x\n[DEFAULT]\nlog_format = json\n", "json"],
    ["[DEFAULT]\nlog_format = text\n", "text"],
    ["[DEFAULT]\nlog_format =\n", undefined],
    ["[DEFAULT]\n", undefined],
    ["[u]\nlog_format = json\n", undefined],
    // The first of two sections counts.
    ["[DEFAULT]\n[DEFAULT]\nlog_format = json\n", undefined],
    ["", undefined],
  ])("%j", (text, format) => {
    expect(read(text)).toMatchObject({ logFormat: format, problems: [] });
  });

  test("a word that is none of them is a warning, and no reason to refuse", () => {
    const { logFormat, problems } = read("[DEFAULT]\nlog_format = jsn\n");
    expect(logFormat).toBeUndefined();
    expect(problems).toMatchObject([{ severity: "warning", code: "bad-value", line: 2 }]);
  });
});

test("a section of a drop-in is known by that file, and no section by the main file", () => {
  const directory = mkdtempSync(`${tmpdir()}/audit-`);
  try {
    mkdirSync(`${directory}/jk_chrootsh.d`, { mode: 0o755 });
    const configFile = `${directory}/jk_chrootsh.ini`;
    const dropIn = `${directory}/jk_chrootsh.d/u.ini`;
    writeFileSync(configFile, "[other]\n", { mode: 0o644 });
    writeFileSync(dropIn, "[u]\n", { mode: 0o644 });
    const fileFor = (name: string) => {
      const known: Known = {};
      const log: Audit = {
        write: () => undefined,
        named: () => log,
        learn: (more) => Object.assign(known, more),
        jail: () => undefined,
        setFormat: () => undefined,
      };
      const caller: CallerFacts = {
        ...{ programName: "", uid: 1000, gid: 100, userVariable: undefined, configFile },
        configDirectory: directory,
        privilege: () => ({ held: true, reason: "", advice: "" }),
        account: () => ({ name, password: "", uid: 1000, gid: 100, gecos: "", home: "/", shell: "/" }),
        group: () => ({ name: "g", password: "", gid: 100, members: [] }),
        groups: () => [],
        configFindings: () => [],
      };
      readSettings(caller, chrootshKeys, () => undefined, 1, log);
      return known.file;
    };
    expect([fileFor("u"), fileFor("nobody")]).toEqual([dropIn, configFile]);
  } finally {
    rmSync(directory, { recursive: true });
  }
});
