/** The pure parts of jailkit status: what is a finding, which are shown, and that the page fits. */
import { describe, expect, test } from "bun:test";
import { utf8 } from "../../ffi/bytes.ts";
import { display } from "../../src/cli/display.ts";
import { JailkitError } from "../../src/cli/error.ts";
import type { Remedy } from "../../src/cli/remedy.ts";
import { shellWord } from "../../src/cli/shell-word.ts";
import { shortened, widest } from "../../src/cli/table.ts";
import { RecordError } from "../../src/jail/record/record-file.ts";
import type { JailFacts } from "../../src/jails/jails.ts";
import { listReport } from "../../src/jails/list-report.ts";
import type { SocketStatus } from "../../src/log-socket/monitor/status.ts";
import type { AccountFault } from "../../src/status/account-fault.ts";
import { chosen, commandForAll, findingsOf } from "../../src/status/findings.ts";
import type { MachineFacts } from "../../src/status/gather.ts";
import { FINDING_KINDS, type FindingKind } from "../../src/status/kinds.ts";
import { numbersOf } from "../../src/status/numbers.ts";
import { pageLines } from "../../src/status/page.ts";
import { statusReport } from "../../src/status/report.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";

const jailOf = (path: string, given: Partial<JailFacts> = {}): JailFacts => ({
  ...{ path, id: "0".repeat(20), condition: "ready", reason: undefined, remedy: undefined },
  ...{ live: [], sockets: [], lacking: 0, users: [], moreUsers: undefined },
  ...{ sections: [], files: [], lastRequest: 1_700_000_000, entries: 1 },
  ...given,
});

const user = (name: string, jail: string | undefined) => ({
  ...{ name, jail, home: `${jail ?? ""}/./home/${name}`, shell: "/usr/sbin/jk_chrootsh" },
});

const machine = (given: Partial<MachineFacts> = {}): MachineFacts => ({
  ...{ jailkit: "3.0.0", kernel: "6.12.8", landlock: 6, filters: true, openssh: "OpenSSH_10.0p2" },
  logins: [{ program: "/usr/sbin/jk_chrootsh", held: true, reason: "has cap_sys_chroot+ep", advice: "" }],
  list: { jails: [], damaged: [] },
  ...{
    boot: [],
    left: [],
    moves: [],
    former: [],
    users: [],
    written: new Map(),
    wantedSockets: [],
    sockets: undefined,
  },
  ...{
    ...{ startSocketd: "jk_socketd", startNames: undefined, unanswered: undefined },
    config: { files: [], findings: [], failures: [] },
    ...{ strays: [], outside: { found: [], more: undefined }, due: [], accounts: [], once: undefined },
    declarations: undefined,
  },
  ...given,
});

const socket = (path: string, given: Partial<SocketStatus> = {}): SocketStatus => ({
  settings: { path, jail: "/srv/j", type: "dgram", trust: "kernel", base: 1, peak: 2, interval: 3 },
  ...{ pid: 1, listening: true, activated: false, connected: true, user: "nobody", warning: undefined },
  counters: {
    ...{ messages: 0, bytes: 0, pauses: 0, dropped: 0, droppedBytes: 0, cut: 0, connections: 0 },
    paused: false,
  },
  ...given,
});

const page = (facts: MachineFacts) => pageLines(facts, numbersOf(facts), findingsOf(facts));
const found = (facts: MachineFacts) =>
  findingsOf(facts).map(({ kind, subject, commands }) => [kind, subject, commands[0]]);

/** Of a machine with many jails in each condition, each with a long path. */
function crowded(path = (name: string) => `/srv/customers/${"long/".repeat(20)}${name}`): MachineFacts {
  const conditions = [
    ...([
      "unsafe",
      "unmounted",
      "incomplete",
      "missing",
      "emptied",
      "unreadable",
      "unrecorded",
      "ready",
    ] as const),
  ];
  const jails = conditions.flatMap((condition) =>
    Array.from({ length: 125 }, (_, index) => {
      const own = path(`${condition}${index}`);
      const users = [user(`u${index}`, own)];
      const remedy: Remedy | undefined = condition === "ready" ? undefined : `jk_update -j ${shellWord(own)}`;
      return jailOf(own, { condition, users, remedy, reason: display(own), live: ["/usr"], lacking: 1 });
    }),
  );
  return machine({
    list: { jails, damaged: [] },
    users: [user("stray", undefined)],
    written: new Map(jails.map((jail, index) => [jail.path, 1_700_000_000 + index * 86_400])),
    wantedSockets: [`${path("ready0")}/dev/log`],
    sockets: [socket(`${path("ready1")}/dev/log`, { connected: false, warning: "others run as nobody" })],
    logins: [1, 2, 3].map((number) => ({
      program: `/opt/${number}/jk_chrootsh`,
      ...{ held: false, reason: `${path(`${number}`)} is not executable` },
      advice:
        "chown root:root /opt/jk_chrootsh && chmod 0755 /opt/jk_chrootsh && setcap cap_sys_chroot+ep /opt/jk_chrootsh",
    })),
    declarations: 1000,
  });
}

describe("shortened", () => {
  test("keeps the beginning and the end", () => {
    expect(shortened("/srv/customers/one/www", 15)).toBe("/srv.../one/www");
    expect(["/srv/j", ""].map((text) => shortened(text, 6))).toEqual(["/srv/j", ""]);
  });

  test("cuts neither an escape nor a character", () => {
    const escaped = display("/srv/\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\x1b\n\\");
    const accented = utf8("\u00e9".repeat(40));
    for (let width = 5; width < 40; width++) {
      const pieces = shortened(escaped, width).split("...");
      for (const piece of pieces) expect(piece).toMatch(/^(?:[^\\]|\\x1b|\\n|\\\\)*$/);
      for (const text of [escaped, accented])
        expect(widest([shortened(text, width)])).toBeLessThanOrEqual(width);
      expect(() =>
        new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(shortened(accented, width), "latin1")),
      ).not.toThrow();
    }
  });
});

describe("findings", () => {
  test("a machine without jails needs nothing", () => {
    expect(found(machine())).toEqual([]);
    expect(page(machine())).toContain("Nothing needs attention.");
  });

  test("a jail that is in order for jailkit list is none", () => {
    const jails = [
      jailOf("/srv/a"),
      jailOf("/srv/b", { condition: "unrecorded" }),
      jailOf("/srv/c", { condition: "emptied", remedy: "jk_update -j /srv/c" }),
    ];
    expect(found(machine({ list: { jails, damaged: [] } }))).toEqual([]);
  });

  test("a jail with programs and no record is one, and one command is for several", () => {
    const lost = (path: string, remedy: Remedy = `jailkit adopt ${path}`) =>
      jailOf(path, { condition: "unrecorded", remedy });
    const of = (...jails: JailFacts[]) => found(machine({ list: { jails, damaged: [] } }));
    const copy = lost("/srv/c", "jk_init --live -j /srv/c");
    expect(of(lost("/srv/a"), copy)).toEqual([
      ["unrecorded", "/srv/a", "jailkit adopt /srv/a"],
      ["unrecorded", "/srv/c", "jk_init --live -j /srv/c"],
    ]);
    expect(of(lost("/srv/a"), lost("/srv/b"), copy)).toEqual([
      ["unrecorded", "/srv/a", "jailkit adopt --all"],
      ["unrecorded", "/srv/b", "jailkit adopt --all"],
      ["unrecorded", "/srv/c", "jk_init --live -j /srv/c"],
    ]);
  });

  test("where what is meant decides, the command shows the ways", () => {
    const [remedy, users] = ["jk_init -j /srv/a x" as const, [user("anna", "/srv/a")]];
    const of = (condition: JailFacts["condition"]) =>
      found(machine({ list: { jails: [jailOf("/srv/a", { condition, users, remedy })], damaged: [] } }));
    for (const condition of ["missing", "emptied"] as const)
      expect(of(condition)).toEqual([[condition, "/srv/a", "jailkit list /srv/a"]]);
    for (const condition of ["unsafe", "unmounted", "incomplete", "unreadable"] as const)
      expect(of(condition)).toEqual([[condition, "/srv/a", remedy]]);
  });

  test("of an unsafe jail without one command that fixes it, the command shows what does", () => {
    const jails = [jailOf("/srv/a", { condition: "unsafe", reason: "/srv belongs to uid 7, not to root" })];
    expect(found(machine({ list: { jails, damaged: [] } }))).toEqual([
      ["unsafe", "/srv/a", "jk_check /srv/a"],
    ]);
  });

  test("a damaged record is told once", () => {
    const error = new RecordError("/var/lib/jailkit/jails/1/manifest.json", "is empty", "/srv/a");
    const lost = new RecordError("/var/lib/jailkit/jails/2/manifest.json", "is empty", undefined);
    const jails = [jailOf("/srv/a", { condition: "unreadable", reason: error.message })];
    const damaged = [error, lost].map((one, index) => ({ id: `${index}`, error: one }));
    expect(found(machine({ list: { jails, damaged } }))).toEqual([
      ["record", "/srv/a", "jailkit list /srv/a"],
      ["record", lost.file, "jailkit list"],
    ]);
  });

  test("a registry that cannot be used is one, and the rest of the page stays", () => {
    const error = new JailkitError("unsafe-registry", 1, "others can write it", undefined, "chmod 0700 /r");
    const facts = machine({ list: error, users: [user("anna", "/srv/a")] });
    expect(found(facts)).toEqual([["record", "/var/lib/jailkit/jails", "chmod 0700 /r"]]);
    expect(page(facts)).toEqual(
      expect.arrayContaining(["Jails          unknown", "Users          1 in all"]),
    );
  });

  test("errors of config files are, warnings are not", () => {
    const of = (severity: "error" | "warning", line: number) =>
      ({
        ...{ file: "/etc/jailkit/jk_lsh.ini", line, column: 1, severity, code: "unknown-key" as const },
        ...{ message: "there is no key 'x'", remedy: undefined },
      }) as const;
    const config = {
      files: ["x"],
      findings: [of("warning", 1), of("error", 2)],
      failures: ["cannot read x"],
    };
    expect(found(machine({ config }))).toEqual([
      ["config", "/etc/jailkit", "jailkit config check"],
      ["config", "/etc/jailkit/jk_lsh.ini:2", "jailkit config check"],
    ]);
    expect(page(machine({ config }))).toContain("Configuration  1 file in /etc/jailkit, 2 errors, 1 warning");
  });

  test("a home outside of the jail is told by the account, and not by its section, too", () => {
    const file = "/etc/jailkit/jails.d/a.ini";
    const of = (line: number, code: "no-home" | "not-their-home" | "holds-home" | "unknown-group") =>
      ({ file, line, column: 1, severity: "error", code, message: "x", remedy: undefined }) as const;
    const config = {
      files: [file],
      findings: [of(3, "no-home"), of(3, "unknown-group"), of(9, "no-home"), of(3, "not-their-home")],
      failures: [],
    };
    const remedy = "usermod -d /srv/a/./home/ann ann";
    const fault = { kind: "no-jail", subject: "ann", message: "x", remedy } as const;
    const declared = { kind: "user", name: "ann", file, line: 3 } as const;
    const users = [user("ann", undefined), user("bob", undefined)];
    const told = (more: Partial<AccountFault>) =>
      found(machine({ config, users, accounts: [{ ...fault, ...more }] }));
    const rest = [
      ["no-jail", "ann", remedy],
      ["no-jail", "bob", "jailkit explain bob"],
    ];
    const at = (line: number) => ["config", `${file}:${line}`, "jailkit config check"];
    expect(told({ declared })).toEqual([at(3), at(9), ...rest]);
    expect(told({})).toEqual([at(3), at(3), at(9), at(3), ...rest]);
  });

  test("log sockets that do not work", () => {
    const wantedSockets = ["/srv/a/dev/log", "/srv/b/dev/log"];
    expect(found(machine({ wantedSockets }))).toEqual([["log-socket", "jk_socketd", "jk_socketd"]]);
    const paused = socket("/srv/a/dev/log");
    if (paused.counters !== undefined) paused.counters.paused = true;
    const sockets = [paused, socket("/srv/c/dev/log", { listening: false })];
    const facts = machine({ wantedSockets, sockets });
    expect(findingsOf(facts).map(({ subject, message }) => [subject, message])).toEqual([
      ["/srv/b/dev/log", "jk_socketd does not serve it"],
      ["/srv/c/dev/log", "missing"],
    ]);
    expect(page(facts)).toContain(
      "Log sockets    jk_socketd runs, 2 configured, 1 of 2 work, 1 over the limit",
    );
    expect(found(machine({ sockets: [] }))).toEqual([]);
    expect(found(machine({ wantedSockets: undefined }))).toEqual([]);
  });

  test("a jk_chrootsh without its privilege, and an account without a jail", () => {
    const logins = [
      { program: "/usr/sbin/jk_chrootsh", held: false, reason: "has neither", advice: "setcap x" as const },
    ];
    expect(found(machine({ logins, users: [user("-x", undefined), user("anna", "/srv/a")] }))).toEqual([
      ["login", "/usr/sbin/jk_chrootsh", "setcap x"],
      ["no-jail", "-x", "jailkit explain -- -x"],
    ]);
  });
});

describe("the shown ones", () => {
  test("are the worst, and one of each kind at least, in their order", () => {
    const all = findingsOf(crowded());
    const kinds = chosen(all, 10).map(({ kind }) => kind);
    const counts = Map.groupBy(all, ({ kind }) => kind);
    expect(kinds).toHaveLength(10);
    expect([...new Set(kinds)]).toEqual([...counts.keys()]);
    const ranks = kinds.map((kind) => Object.keys(FINDING_KINDS).indexOf(kind));
    expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
    expect(kinds.filter((kind) => kind === "unsafe")).toHaveLength(10 - counts.size + 1);
    expect(chosen(all.slice(0, 3), 10)).toEqual(all.slice(0, 3));
  });

  test("the command for the others is that of their tool", () => {
    const of = (kind: FindingKind, last: string) =>
      ({ kind, subject: "x", message: "x", commands: ["x", last] }) as const;
    expect(commandForAll([of("unsafe", "jailkit list"), of("missing", "jailkit list")])).toBe("jailkit list");
    expect(commandForAll([of("unsafe", "jailkit list"), of("config", "jailkit config check")])).toBe(
      "jailkit status --json",
    );
  });
});

describe("the page", () => {
  const machines: readonly (readonly [string, MachineFacts])[] = [
    ["short paths", crowded((name) => `/srv/${name}`)],
    ["long paths", crowded()],
    ["hostile paths", crowded((name) => `/srv/\x1b[2J\n${"\xff'\\ && $(x)".repeat(8)}${name}`)],
    ["accents", crowded((name) => utf8(`/srv/${"\u00e9".repeat(90)}${name}`))],
    ["some wide characters", crowded((name) => utf8(`/srv/${"\u4e2d".repeat(12)}/${name}`))],
    ["many wide characters", crowded((name) => utf8(`/srv/${"\u4e2d".repeat(60)}${name}`))],
  ];

  const pages = machines.map(([what, facts]) => {
    const all = findingsOf(facts);
    return [what, { all, lines: pageLines(facts, numbersOf(facts), all) }] as const;
  });

  test.each(pages)("of 1,000 jails with %s has few lines of 80 columns", (_, { all, lines }) => {
    expect(lines.length).toBeLessThanOrEqual(30);
    for (const line of lines) {
      const shown = new TextDecoder("utf-8", { fatal: true }).decode(Buffer.from(line, "latin1"));
      expect(Bun.stringWidth(shown)).toBeLessThanOrEqual(80);
      expect(line).not.toMatch(/[\x00-\x1f\x7f]/);
    }
    const [, hidden] = /^and (\d+) more: (.*)$/m.exec(lines.join("\n")) ?? [];
    expect(Number(hidden)).toBeGreaterThan(all.length - 11);
  });

  test.each(pages)("with %s cuts no command", (_, { all, lines }) => {
    const text = lines.join("\n").replace(/ &&\n {4}/g, " && ");
    const whole = new Set(all.flatMap(({ commands }) => commands));
    const [, table = ""] = text.split(/^FINDING .*\n/m);
    for (const line of table.split(/\nand \d+ more/)[0]?.split("\n") ?? []) {
      const command = /^ {4}(.*)$/.exec(line)?.[1] ?? /(?: {2,})(j\S.*)$/.exec(line)?.[1];
      if (command !== undefined && command !== "jailkit status --json") expect(whole).toContain(command);
    }
  });

  test("several errors in a line of a file are one row with their number, which pushes nothing out", () => {
    const of = (file: string, message: string) =>
      ({
        ...{ file, line: 2, column: 1, severity: "error" as const, code: "unknown-key" as const },
        ...{ message, remedy: undefined },
      }) as const;
    const [many, one] = ["/etc/jailkit/jk_lsh.ini", "/etc/jailkit/jk_uchroot.ini"];
    const findings = [...Array.from({ length: 30 }, (_, index) => of(many, `no ${index}`)), of(one, "no")];
    const facts = machine({ config: { files: ["x"], findings, failures: [] } });
    expect(findingsOf(facts)).toHaveLength(31);
    const lines = page(facts);
    expect(lines.slice(lines.indexOf("") + 2, -2).map((line) => line.split(/ {2,}/))).toEqual([
      ["config", `${many}:2 (30)`, "jailkit config check"],
      ["config", `${one}:2`, "jailkit config check"],
    ]);
  });

  test("the other way stands below a command, and where it has no room none is shown alone", () => {
    const lines = (name: string) => {
      const otherwise = `if the account is to go: userdel ${name}`;
      const fault = { kind: "not-in-jail", subject: name, message: "m", remedy: "jk_jailuser x" } as const;
      return page(machine({ accounts: [{ ...fault, otherwise }] }));
    };
    expect(lines("anna").join("\n")).toMatch(
      /^not-in-jail {2}anna +jk_jailuser x\n {4}or, if the account is to go: userdel anna$/m,
    );
    const wide = lines("a".repeat(45)).join("\n");
    expect(wide).toMatch(/jk_jailuser x\n {4}or, if the account is to go:\n {8}userdel a{45}$/m);
    const long = lines("a".repeat(70)).join("\n");
    expect(long).toMatch(/^not-in-jail {2}a\S* +jailkit status --json$/m);
    expect(long).not.toContain("is to go");
  });

  test("a command that is too long goes below, and is broken between its parts alone", () => {
    const remedy: Remedy = `chown root ${"/x".repeat(20)} && chmod go-w ${"/x".repeat(20)}`;
    const of = (command: Remedy) =>
      page(
        machine({
          list: { jails: [jailOf("/srv/a", { condition: "unsafe", remedy: command })], damaged: [] },
        }),
      );
    const parts = remedy.split(" && ");
    expect(of(remedy)).toEqual(expect.arrayContaining([`    ${parts[0]} &&`, `    ${parts[1]}`]));
    // The blanks around "&&" may be those of a name.
    expect(of(`chmod go-w '${remedy}'`)).toContain("unsafe   /srv/a   jk_check /srv/a");
  });

  test("its report is as the schema says", () => {
    const none = machine({ list: new Error("x") });
    const known = machines.map(([, facts], at) => [facts, pages[at]?.[1].all ?? []] as const);
    for (const [facts, findings] of [...known, [none, findingsOf(none)] as const]) {
      const report = statusReport(facts, numbersOf(facts), findings);
      expect(statusReportSchema.parse(report).findings).toHaveLength(findings.length);
    }
  });

  test("says that there may be more users", () => {
    const facts = machine({ list: { jails: [jailOf("/srv/a", { moreUsers: "no answer" })], damaged: [] } });
    expect(page(facts)).toContain("Users          none, perhaps more");
    expect(statusReport(facts, numbersOf(facts), []).users).toMatchObject({ total: 0, more: "no answer" });
  });

  test("has the numbers", () => {
    const jails = [
      jailOf("/srv/a", { users: [user("a", "/srv/a"), { ...user("l", "/srv/a"), fromService: true }] }),
      jailOf("/srv/b", { live: ["/usr"], sockets: ["/run/mysqld"], lacking: 1, lastRequest: 1_750_000_000 }),
      jailOf("/srv/c", { condition: "missing", users: [user("c", "/srv/c")], lastRequest: undefined }),
    ];
    const written = new Map([["/srv/b", 1_760_000_000]]);
    const lines = page(machine({ list: { jails, damaged: [] }, written, users: [user("n", undefined)] }));
    expect(lines.slice(0, 9)).toEqual([
      "jailkit        3.0.0, Linux 6.12.8, Landlock 6, seccomp, OpenSSH_10.0p2",
      "Logins         has cap_sys_chroot+ep",
      "Jails          3 in all, 2 ready, 1 missing",
      "Users          4 in all, 1 of a name service, 1 in jails that do not exist,",
      "               1 in no jail",
      "Live mounts    1 mounted, 1 not as they should be",
      "Log sockets    none",
      "Requested      2023-11-14 /srv/a to 2025-06-15 /srv/b",
      "Changed        2025-10-09 /srv/b",
    ]);
  });
});

test("where no command helps, another one shows more, and a report has none", () => {
  const path = "/home/anna";
  const move = { rule: "interrupted-move", path, message: "is closed", remedy: "" } as const;
  const fault = { kind: "no-login", subject: "/srv/j", message: "cannot pass", remedy: "" } as const;
  const jails = [jailOf("/srv/j", { condition: "unsafe", reason: "is a file", remedy: "" })];
  const list = { jails, damaged: [], problems: [] };
  const found = findingsOf(machine({ moves: [move], accounts: [{ ...fault, otherwise: undefined }], list }));
  expect(found.map(({ kind, commands }) => [kind, commands])).toEqual([
    ["unsafe", ["jk_check /srv/j", "jailkit list"]],
    ["no-login", ["jk_check /srv/j"]],
    ["interrupted-move", ["jk_check"]],
  ]);
  expect(listReport(list).jails[0]?.remedy).toBeNull();
});
