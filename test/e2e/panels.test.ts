import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DECLARATION_SCHEMA_FILE } from "../../build/declaration-schema.ts";
import {
  ERROR_SCHEMA_FILE,
  LOG_SCHEMA_FILE,
  REPORT_SCHEMAS,
  schemaFileOf,
  schemaFiles,
} from "../../build/schemas.ts";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { reportOf, reportToolOf } from "../report.ts";
import { blocksOf } from "../words/blocks.ts";
import { stop, waitIn } from "./list-scene.ts";

setDefaultTimeout(120_000);

const docs = join(checkout, "docs");
const page = readFileSync(join(docs, "panels.md"), "utf8");
const tools = [
  ...["jk_init", "jk_cp", "jk_update", "jk_check", "jk_jailuser", "jk_addjailuser"],
  ...["jk_chrootsh", "jk_list", "jk_socketd", "jk_uchroot", "jailkit"],
];

/** The commands of the page for one machine, in order. */
const commands = blocksOf("docs/panels.md", page)
  .filter(({ notRun }) => notRun === undefined)
  .flatMap(({ text }) => text.split("\n").map((line) => line.split(" ")))
  .filter(([program = ""]) => /^j(?:ailkit|k_)/.test(program));

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: tools });
  m.addUser("customer1");
  m.addUser("customer2", { uid: 4002, home: "/home/customer2", createHome: true });
});
afterAll(async () => m.close());

// test/words runs what is on it.
test("docs/panels.md names every command that has a schema, and every schema", () => {
  const named = new Set(commands.map((words) => schemaFileOf(reportToolOf(words))));
  const files = [...schemaFiles().keys()];
  expect([...named, ERROR_SCHEMA_FILE, LOG_SCHEMA_FILE, DECLARATION_SCHEMA_FILE].sort()).toEqual(
    files.sort(),
  );
  for (const file of files) expect(page).toContain(`(schemas/${file})`);
});

describe("JSON of failures also matches the schemas", () => {
  const cases: readonly (readonly [status: number, words: readonly string[]])[] = [
    [1, ["jk_init", "--json", "-j", "/srv/w", "uidbasics", "broken"]],
    [0, ["jk_init", "--json", "-j", "/srv/w", "--why", "/etc/nsswitch.conf", "uidbasics"]],
    [1, ["jk_cp", "--json", "-j", "/srv/w", "/etc"]],
    [1, ["jk_jailuser", "--json", "-j", "/srv/w", "root", "nobody-of-that-name"]],
    [1, ["jk_update", "--json", "-j", "/no/such"]],
    [10, ["jk_update", "--json", "--check", "-j", "/srv/w"]],
    [1, ["jailkit", "delete", "--json", "--yes", "/no/such"]],
    [1, ["jailkit", "disk", "--json", "/no/such"]],
    [1, ["jailkit", "list", "--json", "/no/such"]],
  ];
  test.each(cases)("status %d: %j", (status, words) => {
    m.write("/etc/jailkit/jk_init.d/broken.ini", "[broken]\ndevices = /dev/no-such-device\n");
    if (!m.exists("/srv/w")) m.must(["jk_init", "-j", "/srv/w", "uidbasics"]);
    if (status === 10) m.remove("/srv/w/etc/nsswitch.conf");
    const result = m.run(words);
    expect([words, result.status]).toEqual([words, status]);
    reportOf(REPORT_SCHEMAS[reportToolOf(words)], result.stdout);
  });
});

test("JSON with something to report matches its schema", async () => {
  m.must(["jk_init", "-j", "/srv/told", "uidbasics"]);
  m.must(["jk_cp", "-j", "/srv/told", "/usr/bin/dash"]);
  await m.startSyslog();
  m.write("/etc/jailkit/jk_socketd.ini", "[/srv/told/dev/log]\nbase = 511\n");
  m.mkdir("/srv/told/dev");
  m.write("/etc/jailkit/jk_lsh.ini", "[nosuch]\nexecutables = ls\nstray\n");
  m.write("/etc/jailkit/jk_uchroot.ini", "[customer2]\nallowed_jails = /srv/told\n");
  m.must(["jk_socketd"]);
  const waiting = await waitIn(m, "/srv/told");
  const cases: readonly (readonly [status: number, words: readonly string[], filled: string])[] = [
    [0, ["jailkit", "log-sockets", "--json"], "sockets"],
    [1, ["jailkit", "status", "--json"], "findings"],
    [0, ["jk_list", "--json", "-j", "/srv/told"], "processes"],
    [0, ["jk_list", "--json", "-a"], "processes"],
    [1, ["jailkit", "config", "check", "--json"], "findings"],
    [2, ["jailkit", "config", "check", "--json", "/nonexistent/jk_lsh.ini"], "failures"],
    [2, ["jailkit", "explain", "--json", "customer2", "--", "ls"], "steps"],
    [1, ["jailkit", "explain", "--json", "/srv/told", "customer2", "--", "/usr/bin/dash"], "steps"],
    [0, ["jk_init", "--list", "--json"], "sections"],
  ];
  for (const [status, words, filled] of cases) {
    const result = m.run(words);
    const report = reportOf(REPORT_SCHEMAS[reportToolOf(words)], result.stdout);
    expect([words, result.status]).toEqual([words, status]);
    expect(report).toHaveProperty([filled, 0]);
  }
  await stop(waiting);
  m.must(["pkill", "-x", "jk_socketd"]);
});

describe("docs/units", () => {
  const unit = (name: string) => readFileSync(join(docs, "units", name), "utf8");

  test("the service has the capabilities that an update needs", () => {
    const text = unit("jailkit-update.service");
    const set = /^CapabilityBoundingSet=(.*)$/m.exec(text)?.[1] ?? "";
    const capabilities = set.split(" ").map((name) => `+${name.replace("CAP_", "").toLowerCase()}`);
    expect(capabilities.length).toBeGreaterThan(5);
    m.must(["jk_init", "-j", "/srv/unit", "uidbasics", "jk_lsh", "sftp"]);
    m.write("/usr/local/bin/special", "1", { mode: 0o755 });
    m.must(["chown", "customer1", "/usr/local/bin/special"]);
    m.must(["chmod", "4755", "/usr/local/bin/special"]);
    m.must(["jk_cp", "-o", "-s", "-j", "/srv/unit", "special"]);
    m.remove("/srv/unit/dev/null");
    m.write("/usr/local/bin/special", "second");
    m.must(["chmod", "4755", "/usr/local/bin/special"]);
    const command = /^ExecStart=(.*)$/m.exec(text)?.[1]?.split(" ") ?? [];
    const confined = ["setpriv", "--no-new-privs", `--bounding-set=-all,${capabilities.join(",")}`];
    expect(m.run([...confined, ...command])).toMatchObject({ status: 0 });
    expect(m.read("/srv/unit/usr/local/bin/special")).toBe("second");
    expect(m.stat("/srv/unit/usr/local/bin/special")?.mode).toBe(0o104755);
    expect(m.exists("/srv/unit/dev/null")).toBe(true);
    expect(m.run(["jk_update", "--check", "--all"]).status).toBe(0);
  });

  test("the hook of apt runs it when dpkg has run", () => {
    m.write("/etc/apt/apt.conf.d/80jailkit", unit("apt-80jailkit.conf"));
    const dump = m.must(["apt-config", "dump"]).stdout;
    const hook = /^DPkg::Post-Invoke:: "(.*)";$/m.exec(dump)?.[1] ?? "";
    m.remove("/srv/unit/dev/null");
    m.must(["/bin/sh", "-c", hook]);
    expect(m.exists("/srv/unit/dev/null")).toBe(true);
  });
});
