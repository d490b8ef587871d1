/**
 * With --json, every tool prints one object with `version` and `tool` that matches its schema, and the schema allows no
 * more.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as z from "zod";
import { REPORT_SCHEMAS, type ReportTool, schemaFileOf, schemaFiles } from "../../build/schemas.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { populateReportSchema } from "../../src/populate/report-schema.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf, reportToolOf } from "../report.ts";

setDefaultTimeout(300_000);

const J = "/srv/json";

/** In this order, from no jail to none: what each does, what it refuses, and each other form that it has. */
const COMMANDS = `
jk_init --list
jk_init -j ${J} --dry-run uidbasics sftp
jk_init -j ${J} uidbasics sftp nosuch
jk_init -j ${J} --why /etc/nsswitch.conf uidbasics
jk_init -j ${J} --why /etc/nsswitch.conf
jk_init -j ${J} --why /nowhere uidbasics
jk_init -j ${J} --why /nowhere
jk_cp -j ${J} --dry-run /usr/bin/dash
jk_cp -j ${J} /usr/bin/dash /usr/bin/id
jk_cp -j ${J} /etc
jk_cp -j ${J} --why /usr/bin/dash /usr/bin/dash
jk_cp -j ${J} --why /nowhere /usr/bin/dash
jk_cp -j ${J} --remove --dry-run /usr/bin/id
jk_cp -j ${J} --remove /usr/bin/id
jk_update -j ${J} --check
jk_update -j ${J} --dry-run
jk_update --all
jk_update -j /nowhere
jk_addjailuser -j ${J} --dry-run new
jk_addjailuser -j ${J} new
jk_jailuser -j ${J} --dry-run -n -m old
jk_jailuser -j ${J} -n -m old
jk_jailuser -j ${J} --jail-side-only guest
jk_jailuser -j ${J} nosuch
jk_jailuser --unjail -n -m -s /bin/sh old
jk_check ${J}
jk_check --fix ${J}
jk_check --run ${J}
jk_check /nowhere
jk_list
jk_list -a
jk_list -j ${J}
jailkit apply
jailkit apply --check /nowhere
jailkit config check
jailkit config check /nowhere/jk_lsh.ini
jailkit explain new
jailkit explain new -- sftp-server
jailkit explain nosuch
jailkit explain --su new
jailkit explain --mail new
jailkit explain -j ${J} guest -- /usr/bin/dash
jailkit explain --launch -- -j ${J} -x /usr/bin/dash
jailkit explain JK-7Q2MX4TA
jailkit list
jailkit list /nowhere
jailkit disk
jailkit disk ${J}
jailkit disk /nowhere
jailkit log-sockets
jailkit status
jk_init --live -j /srv/live
jailkit unmount /srv/live
jailkit mount --all
jailkit mount /nowhere
jailkit adopt --dry-run --force ${J}
jailkit adopt --force ${J}
jailkit adopt --dry-run --all
jailkit adopt --dry-run --moved /srv/before
jailkit adopt --moved /srv/before /srv/after
jk_init -j ${J} --remove --dry-run sftp
jk_init -j ${J} --remove sftp
jailkit export -o /root/export.json ${J}
jailkit import --dry-run --without-users -j /srv/imported /root/export.json
jailkit import --without-users -j /srv/imported /root/export.json
jailkit import -j /srv/other /root/export.json
jailkit import -j /srv/other /etc/passwd
jailkit terminate-user --dry-run bin
jailkit terminate-user --uid 4711
jailkit forget --dry-run ${J}
jailkit forget ${J}
jailkit forget --with-users ${J}
jailkit forget /nowhere
jailkit delete --dry-run ${J}
jailkit delete --yes ${J}
jailkit delete --yes --unjail --user-files ${J}
jailkit delete --yes /nowhere
`
  .trim()
  .split("\n")
  .map((line) => line.split(" "));

/** The forms of a tool's report. */
function formsOf(tool: ReportTool): readonly z.ZodType[] {
  const schema: z.ZodType = REPORT_SCHEMAS[tool];
  return schema instanceof z.ZodUnion ? (schema.options as z.ZodType[]) : [schema];
}

const published = new Map(
  [...schemaFiles()].map(([name, text]) => [name, z.fromJSONSchema(JSON.parse(text))]),
);

let m: Machine;
const printed = new Map<string, object>();
/** The lines of --json=lines, and of jailkit apply. */
const lines = new Map<ReportTool, object[]>();
const key = (words: readonly string[]) => words.join(" ");

beforeAll(async () => {
  m = await openMachine({ under: "ours" });
  m.remove("/var/lib/jailkit");
  m.addUser("old", { home: "/home/old", createHome: true });
  m.addUser("guest");
  m.addUser("mover", { home: "/srv/before/./home/mover" });
  m.write("/etc/jailkit/jk_update.ini", "[/srv/before]\nskips = /home\n");
  m.must(["jk_init", "-j", "/srv/before", "uidbasics"]);
  m.rename("/srv/before", "/srv/after");
  m.write("/root/apply.ini", "[jail /srv/declared]\nsections = uidbasics\n");
  for (const words of [
    ["jk_update", "--json=lines", "--all", "--check"],
    ["jk_check", "--json=lines"],
    ["jailkit", "apply", "--json", "--check", "/root/apply.ini"],
  ]) {
    const tool = reportToolOf(words);
    const all = m.run(words).stdout.split("\n").slice(0, -1);
    lines.set(
      tool,
      all.map((line) => reportOf(REPORT_SCHEMAS[tool], line)),
    );
  }
  for (const words of COMMANDS) {
    const own = words[0] === "jailkit" ? 2 : 1;
    const { stdout, stderr } = m.run([...words.slice(0, own), "--json", ...words.slice(own)]);
    try {
      printed.set(key(words), reportOf(REPORT_SCHEMAS[reportToolOf(words)], stdout));
    } catch (error) {
      throw new Error(`${key(words)}: ${error}${stderr}`);
    }
  }
});
afterAll(() => m?.close());

test.each(COMMANDS.map((words) => [key(words), words] as const))("%s", (_name, words) => {
  const tool = reportToolOf(words);
  const report = printed.get(key(words));
  expect(report).toMatchObject({ version: 1, tool });
  // docs/schemas/ says the same as what it comes from.
  for (const schema of [REPORT_SCHEMAS[tool], published.get(schemaFileOf(tool))]) {
    expect(schema?.safeParse(report).success).toBe(true);
    for (const other of [
      { ...report, unexpected: 1 },
      { ...report, version: undefined },
      { ...report, tool: undefined },
      { ...report, tool: "another" },
    ])
      expect(schema?.safeParse(other).success).toBe(false);
  }
});

test("what follows a jail that was moved", () => {
  const told = {
    moved: "/srv/before",
    jail: "/srv/after",
    users: ["mover"],
    files: ["/etc/jailkit/jk_update.ini"],
  };
  expect(printed.get("jailkit adopt --dry-run --moved /srv/before")).toMatchObject({ ...told, dryRun: true });
  const done = printed.get("jailkit adopt --moved /srv/before /srv/after");
  expect(done).toMatchObject({ ...told, dryRun: false, problems: [], exitStatus: 0 });
  expect(m.read("/etc/jailkit/jk_update.ini")).toBe("[/srv/after]\nskips = /home\n");
});

describe("each tool with --json is among them", () => {
  const tools = [...new Set(COMMANDS.map(reportToolOf))];

  test("all of them", () => {
    expect([...tools].sort()).toEqual((Object.keys(REPORT_SCHEMAS) as ReportTool[]).sort());
  });

  test.each(tools)("%s, in each form that its schema has", (tool) => {
    const own = COMMANDS.filter((words) => reportToolOf(words) === tool);
    const values = [...own.map((words) => printed.get(key(words))), ...(lines.get(tool) ?? [])];
    for (const form of formsOf(tool))
      expect(values.some((value) => form.safeParse(value).success)).toBe(true);
  });
});

test("what is named twice is asked for, reported and recorded once", () => {
  const [jail, path] = ["/srv/twice", "/etc/issue.net"];
  const words = [
    "jk_init",
    "--json",
    "-j",
    jail,
    "uidbasics",
    "nosuch",
    "sftp",
    "uidbasics",
    "nosuch",
    "sftp",
  ];
  const report = reportOf(populateReportSchema("jk_init"), m.run(words).stdout);
  expect(report.asked).toEqual(["uidbasics", "sftp"]);
  expect(report.problems.map(({ path: name }) => name)).toEqual(["nosuch"]);
  const copy = m.must(["jk_cp", "--json", "-j", jail, path, path, `/usr/..${path}`]);
  expect(reportOf(populateReportSchema("jk_cp"), copy.stdout).asked).toEqual([path]);
  const { jails } = reportOf(listReportSchema, m.must(["jailkit", "list", "--json", jail]).stdout);
  expect(jails[0]).toMatchObject({ sections: ["uidbasics", "sftp"], files: [path] });
});
