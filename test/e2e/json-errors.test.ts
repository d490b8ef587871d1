/** With --json, a command that an error ends before it has a report prints that error as an object. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import * as z from "zod";
import { REPORT_SCHEMAS } from "../../build/schemas.ts";
import { errorReportSchema } from "../../src/cli/report-schema.ts";
import { listReportSchema } from "../../src/jails/report-schema.ts";
import { statusReportSchema } from "../../src/status/report-schema.ts";
import type { Machine } from "../machine/machine.ts";
import { reportOf, reportToolOf } from "../report.ts";
import { openApplyMachine } from "./apply-scene.ts";

setDefaultTimeout(300_000);

const J = "/srv/j";
const COMMANDS = `
jailkit list
jailkit status
jailkit apply --check
jailkit apply
jailkit disk
jailkit explain ann
jailkit config check
jk_check
jk_check ${J}
jk_update --check --all
jk_update -j ${J}
jk_init -j ${J} uidbasics
jk_init --list
jk_init -n -j /srv/unsafe uidbasics
jk_cp -j ${J} /bin/ls
jk_cp -j /nowhere /bin/ls
jk_list
jailkit log-sockets
jailkit export ${J}
jk_jailuser --dry-run -n -j ${J} -s /bin/sh ann
jk_jailuser --dry-run -n -j /nowhere -s /bin/sh ann
jk_addjailuser --dry-run -j ${J} -s /bin/sh new
jailkit adopt --all
jailkit adopt /nowhere
jailkit delete --dry-run --unjail ${J}
jailkit forget --dry-run ${J}
jailkit import --dry-run -j /srv/new /root/export.json
jailkit mount --all
jailkit terminate-user --dry-run ann
`
  .trim()
  .split("\n")
  .map((line) => line.split(" "));

let m: Machine;
beforeAll(async () => {
  m = await openApplyMachine();
  m.write(
    "/etc/jailkit/jails.d/j.ini",
    `[jail ${J}]\nsections = uidbasics, basicshell\n[user ann]\njail = ${J}\nshell = /bin/bash\n`,
  );
  m.must(["jailkit", "apply"]);
  m.must(["jailkit", "export", "-o", "/root/export.json", J]);
  m.mkdir("/srv/unsafe", { mode: 0o777 });
  m.must(["chmod", "777", "/srv/unsafe"]);
});
afterAll(() => m?.close());

/** The exit status and the report of each command, by its words. Throws if one prints anything else on standard output. */
function reports() {
  return new Map(
    COMMANDS.map((words) => {
      const own = words[0] === "jailkit" ? 2 : 1;
      const { stdout, status, stderr } = m.run([...words.slice(0, own), "--json", ...words.slice(own)]);
      const schema = z.union([errorReportSchema, REPORT_SCHEMAS[reportToolOf(words)]]);
      const printed = words[1] === "apply" ? stdout.trimEnd().split("\n") : [stdout];
      const about = words.join(" ");
      try {
        const all = printed.map((one) => reportOf(schema, one));
        const report = all.at(-1);
        if (isError(report)) expect(report).toMatchObject({ exitStatus: status });
        return [about, { status, report }] as const;
      } catch (error) {
        throw new Error(`${about}: ${error}\n${stderr}`);
      }
    }),
  );
}

const isError = (report: unknown) => errorReportSchema.safeParse(report).success;
const failed = () => [...reports()].flatMap(([about, { report }]) => (isError(report) ? about : []));

test("a jail that is missing or unsafe", () => {
  expect(failed()).toEqual([
    "jk_init -n -j /srv/unsafe uidbasics",
    "jk_cp -j /nowhere /bin/ls",
    "jk_jailuser --dry-run -n -j /nowhere -s /bin/sh ann",
    "jailkit adopt /nowhere",
  ]);
});

const FILES = ["jk_check", "jk_update", "jk_init", "jk_chrootsh", "jk_socketd", "jk_lsh"];

describe.each(FILES.map((name) => `/etc/jailkit/${name}.ini`))("%s cannot be used", (file) => {
  test.each([
    ["others can write it", () => m.must(["chmod", "666", file])],
    ["it is a directory", () => [m.remove(file), m.mkdir(file)]],
  ])("%s", (_, make) => {
    const before = m.exists(file);
    if (!before) m.write(file, "");
    m.must(["cp", "-a", file, "/root/kept"]);
    make();
    let all: ReturnType<typeof reports>;
    try {
      all = reports();
    } finally {
      m.must(["rm", "-rf", file]);
      if (before) m.must(["cp", "-a", "/root/kept", file]);
    }
    expect(all.get("jailkit status")).toMatchObject({ status: 1, report: { jails: { total: 1 } } });
    expect(all.get("jailkit list")?.report).toMatchObject({ jails: [{ path: J, state: "ready" }] });
    expect(all.get("jailkit disk")?.report).toMatchObject({ jails: [{ path: J }] });
  });
});

test("a jk_check.ini that cannot be used hides no jail from the list, and is told", () => {
  m.must(["chmod", "666", "/etc/jailkit/jk_check.ini"]);
  const { status, stdout, stderr } = m.run(["jailkit", "list"]);
  const { problems } = reportOf(listReportSchema, m.run(["jailkit", "list", "--json"]).stdout);
  const { findings } = reportOf(statusReportSchema, m.run(["jailkit", "status", "--json"]).stdout);
  expect(problems).toMatchObject([{ code: "config-unsafe", path: "/etc/jailkit/jk_check.ini" }]);
  expect([status, stdout, stderr]).toEqual([
    1,
    expect.stringContaining(`${J}  ready`),
    expect.stringContaining("jailkit list: /etc/jailkit/jk_check.ini"),
  ]);
  expect(findings.map(({ kind }) => kind)).toEqual(["config"]);
  m.must(["bash", "-c", problems[0]?.remedy ?? "false"], { stdin: "y\n" });
  expect(m.run(["jailkit", "list"])).toMatchObject({ status: 0, stderr: "" });
});

test("records that others can write", () => {
  m.must(["chmod", "777", "/var/lib/jailkit"]);
  let all: ReturnType<typeof reports>;
  try {
    all = reports();
  } finally {
    m.must(["chmod", "755", "/var/lib/jailkit"]);
  }
  expect(all.get("jk_addjailuser --dry-run -j /srv/j -s /bin/sh new")?.status).toBeGreaterThan(0);
});

test("wrong options are told in words alone, and so is an error without --json", () => {
  for (const words of [
    ["jailkit", "list", "--json", "--nosuch"],
    ["jk_init", "--json"],
    ["jk_cp", "-j", "/nowhere", "/bin/ls"],
  ])
    expect(m.run(words)).toMatchObject({ stdout: "", stderr: expect.stringContaining(`${words[0]}`) });
});
