/**
 * A name service that answers, but takes some names for none and then does not (nslcd(8), with its validnames): only these
 * names are errors. One that is really down is asked nothing more.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { checkReportSchema } from "../../src/check/report/report-schema.ts";
import { explainReportSchema } from "../../src/explain/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { compiledC } from "../machine/helper.ts";
import type { Machine, Syslog } from "../machine/machine.ts";
import { reportOf } from "../report.ts";
import { linesOf, openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(120_000);

const J = "/srv/a";
const FILE = "/etc/jailkit/jails.d/one.ini";
const USERS = ["anna", "berta"];
const ODD = "o'brien";
const OTHER = "m\xc3\xbcller";
const GROUP = "w\xc3\xabb";
const of = (name: string, keys = "directory = 1\nshell = /bin/bash") =>
  `[user ${name}]\njail = ${J}\n${keys}\n`;
const declared = (...more: string[]) =>
  [`[jail ${J}]\nsections = uidbasics, basicshell\n`, ...more, ...USERS.map((name) => of(name))].join("");
/** Bytes as text, as in JSON. */
const fromUtf8 = (bytes: string) => Buffer.from(bytes, "latin1").toString();
const SILENT = "does not answer";

let m: Machine;
let syslog: Syslog;
beforeAll(async () => {
  m = await openApplyMachine();
  const library = compiledC(join(import.meta.dir, "nss-refuses.c"), ["-shared", "-fPIC"]);
  const [libc = ""] = /\/\S*\/libc\.so\.6/.exec(m.must(["ldd", "/bin/sh"]).stdout) ?? [];
  m.write(`${dirname(libc)}/libnss_refuses.so.2`, readFileSync(library), { mode: 0o755 });
  const nss = m.read("/etc/nsswitch.conf").replace(/^(passwd|group):.*$/gm, "$1: files refuses");
  m.write("/etc/nsswitch.conf", nss);
  syslog = await m.startSyslog();
  m.write(FILE, declared());
  m.must(["jailkit", "apply"]);
  m.must(["jailkit", "apply"]);
});
afterAll(() => m?.close());
beforeEach(() => {
  m.write(FILE, declared());
  m.write("/run/asked", "");
  m.remove("/run/down");
});

const problems = (...options: string[]) => {
  const { status, changes, summary } = linesOf(m, ...options);
  const found = summary.problems.map(({ code, path }) => [code, path]);
  return { status, found, changes, message: summary.problems[0]?.message ?? "" };
};
const asked = () => m.read("/run/asked").split("\n").slice(0, -1);

describe("jailkit apply", () => {
  test.each([
    ["of a directory", of(ODD), ODD],
    ["of this machine", of(OTHER, "shell = /bin/bash"), OTHER],
    ["in a group", of("local", `shell = /bin/bash\ngroups = ${GROUP}`), "local"],
  ])("a user %s is an error, and no other is", (_, section, name) => {
    m.write(FILE, declared(section));
    for (const options of [["--check"], []]) {
      const { status, found, changes, message } = problems(...options);
      expect([status, found]).toEqual([1, [["name-refused", fromUtf8(name)]]]);
      expect(changes).toEqual([]);
      expect(message).toContain("validnames in /etc/nslcd.conf");
      expect(message).not.toContain(SILENT);
    }
    const { stdout } = m.run(["jailkit", "config", "check", FILE]);
    expect(stdout).toContain("does not take the name");
    expect(m.read("/etc/passwd")).not.toContain(`${name}:`);
  });

  test("a service that is down is an error for each user, and is asked nothing more", () => {
    m.write(FILE, declared(of(ODD), ...Array.from({ length: 50 }, (_, at) => of(`user${at}`))));
    m.write("/run/down", "");
    const { found } = problems("--check");
    expect(new Set(found.map(([code]) => code))).toEqual(new Set(["name-service"]));
    expect(found).toHaveLength(53);
    // The first name, and another one.
    expect(asked().length).toBeLessThanOrEqual(2);
  });
});

describe("a line with such a name in the account files of a jail", () => {
  const files = [`${J}/etc/passwd`, `${J}/etc/group`] as const;
  let before: string[];
  beforeAll(() => {
    before = files.map((file) => m.read(file));
    m.write(files[0], `${before[0]}${ODD}:x:7999:7000::/home/ob:/bin/bash\n`);
    m.write(files[1], `${before[1]}${GROUP}:x:7998:\n`);
  });
  afterAll(() => {
    for (const [at, file] of files.entries()) m.write(file, before[at] ?? "");
  });

  test("jk_check tells it, as one of no account, without a remedy that removes it, and compares the rest", () => {
    m.must(["sed", "-i", "s/^\\(anna:x:\\)7001/\\19001/", files[0]]);
    const run = m.run(["jk_check", "--json", J]);
    const [jail] = reportOf(checkReportSchema, run.stdout).jails;
    expect([run.status, jail?.problems]).toEqual([1, []]);
    const about = (rule: string) => jail?.findings.filter((one) => one.rule === rule) ?? [];
    for (const [rule, name] of [
      ["user-unknown", ODD],
      ["group-unknown", GROUP],
    ] as const) {
      const [one, ...others] = about(rule);
      expect([one?.remedy, others]).toEqual([undefined, []]);
      expect(one?.message).toMatch(
        `${fromUtf8(name)} in jail ${J}/ is not known: a name service does not take the name`,
      );
      expect(one?.message).not.toContain(SILENT);
    }
    expect(about("user-changed")[0]?.message).toContain("anna");
    m.must(["jk_jailuser", "--jail-side-only", "-j", J, "anna"]);
    m.run(["jk_check", "--fix", J]);
    expect(m.read(files[0])).toContain(ODD);
    expect(m.read(files[1])).toContain(GROUP);
  });

  test("no remedy removes a second such line either", () => {
    const text = m.read(files[0]);
    m.write(files[0], `${text}b'c:x:7999:7000::/home/bc:/bin/bash\nd'e:x:0:0::/:/bin/sh\n`);
    const { findings } = reportOf(checkReportSchema, m.run(["jk_check", "--json", J]).stdout).jails[0] ?? {};
    const about = (findings ?? []).filter(({ message }) => /b'c|d'e/.test(message));
    expect(about.map(({ rule, remedy }) => [rule, remedy])).toEqual([
      ["user-unknown", undefined],
      ["extra-root", undefined],
      ["user-unknown", undefined],
    ]);
    m.write(files[0], text);
  });

  test("status, list and export show the other users, and tell of it", () => {
    const list = reportOf(listReportSchema, m.run(["jailkit", "list", "--json"]).stdout).jails[0];
    expect(list?.users.map(({ name }) => name)).toEqual(USERS);
    expect(list?.moreUsers).toContain(`does not take the name '${ODD}'`);
    expect(m.run(["jailkit", "status"]).stdout).toMatch(
      /^Users\s+2 in all, 2 of a name service, perhaps more$/m,
    );
    for (const options of [[], ["--declaration"]]) {
      const { status, stdout } = m.run(["jailkit", "export", ...options, J]);
      expect(status).toBe(0);
      for (const name of USERS) expect(stdout).toContain(name);
    }
    expect(problems()).toMatchObject({ status: 0, found: [], changes: [] });
  });

  test("jailkit delete refuses, and says why", () => {
    const { status, stderr } = m.run(["jailkit", "delete", "--yes", J]);
    expect([status, stderr]).toEqual([expect.any(Number), expect.stringContaining("does not take the name")]);
    expect(stderr).not.toContain(SILENT);
    expect(stderr).toContain(`or use: jailkit delete --user-files ${J}`);
    expect(m.exists(`${J}/etc/passwd`)).toBe(true);
  });
});

test("jailkit explain says what is wrong with the name, and that alone", () => {
  const run = m.run(["jailkit", "explain", "--json", "--su", ODD]);
  const { steps } = reportOf(explainReportSchema, run.stdout);
  expect(steps.map(({ outcome, remedy }) => [outcome, remedy])).toEqual([["failed", null]]);
  expect(steps[0]?.message).toContain("does not take the name");
  expect(steps[0]?.message).not.toContain("start them");
});

describe("[member GROUP] of such a group", () => {
  const chrootsh = "/etc/jailkit/jk_chrootsh.ini";
  let settings: string;
  beforeAll(() => {
    settings = m.read(chrootsh);
    m.write(chrootsh, `[berta]\nenv = LANG\n[member ${GROUP}]\nenv = LANG\n`, { mode: 0o644 });
  });
  afterAll(() => m.write(chrootsh, settings, { mode: 0o644 }));

  test("refuses the logins that come to the section, and the log names the group", async () => {
    await syslog.clear();
    const login = (user: string) => m.run(["runuser", "-u", user, "--", "jk_chrootsh", "-c", "echo in"]);
    expect([login("anna").status, login("berta").stdout]).toEqual([14, "in\n"]);
    const lines = (await syslog.lines()).map(({ message }) => message).join("\n");
    expect(lines).toContain("does not take the name");
    expect(lines).toMatch(/w(?:\xc3\xab|\\xc3\\xab|\\303\\253)b/);
    expect(lines).not.toContain(SILENT);
  });

  test("jailkit config check says so", () => {
    const { status, stdout } = m.run(["jailkit", "config", "check", chrootsh]);
    expect([status, stdout]).toEqual([1, expect.stringContaining("does not take the name")]);
  });
});
