import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromJSONSchema } from "zod";
import { documentedTools } from "../../build/documented.ts";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";
import { stop, waitIn } from "./list-scene.ts";

setDefaultTimeout(120_000);

const docs = join(checkout, "docs");
const schemas = join(docs, "schemas");
const page = readFileSync(join(docs, "panels.md"), "utf8");
const tools = [
  ...["jk_init", "jk_cp", "jk_update", "jk_check", "jk_jailuser", "jk_addjailuser"],
  ...["jk_chrootsh", "jk_list", "jk_socketd", "jk_uchroot", "jailkit"],
];

const schemaOf = (name: string) =>
  fromJSONSchema(JSON.parse(readFileSync(join(schemas, `${name}.schema.json`), "utf8")));

/** The commands of the page, in order. */
const commands = [...page.matchAll(/```sh\n([^`]*)```/g)].flatMap(([, block = ""]) =>
  block
    .trim()
    .split("\n")
    .map((line) => line.split(" ")),
);

/** The schema of a command's output. */
const schemaName = ([program = "", command = ""]: readonly string[]): string =>
  program === "jailkit" ? `jailkit-${command}` : program;

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: tools });
  m.addUser("customer1");
  m.addUser("customer2", { uid: 4002, home: "/home/customer2", createHome: true });
});
afterAll(async () => m.close());

// test/words runs what is on it.
test("docs/panels.md names every command that has a schema, and every schema", () => {
  const named = new Set(commands.map(schemaName));
  const files = readdirSync(schemas).map((file) => file.replace(".schema.json", ""));
  expect([...named].sort()).toEqual(files.sort());
  for (const file of files) expect(page).toContain(`(schemas/${file}.schema.json)`);
});

describe("JSON of failures also matches the schemas", () => {
  const cases: readonly (readonly [name: string, status: number, words: readonly string[]])[] = [
    ["jk_init", 1, ["jk_init", "--json", "-j", "/srv/w", "uidbasics", "broken"]],
    ["jk_init", 0, ["jk_init", "--json", "-j", "/srv/w", "--why", "/etc/nsswitch.conf", "uidbasics"]],
    ["jk_cp", 1, ["jk_cp", "--json", "-j", "/srv/w", "/etc"]],
    ["jk_jailuser", 1, ["jk_jailuser", "--json", "-j", "/srv/w", "root", "nobody-of-that-name"]],
    ["jk_update", 1, ["jk_update", "--json", "-j", "/no/such"]],
    ["jk_update", 10, ["jk_update", "--json", "--check", "-j", "/srv/w"]],
    ["jailkit-delete", 1, ["jailkit", "delete", "--json", "--yes", "/no/such"]],
    ["jailkit-disk", 1, ["jailkit", "disk", "--json", "/no/such"]],
    ["jailkit-list", 1, ["jailkit", "list", "--json", "/no/such"]],
  ];
  test.each(cases)("%s, status %d: %j", (name, status, words) => {
    m.write("/etc/jailkit/jk_init.d/broken.ini", "[broken]\ndevices = /dev/no-such-device\n");
    if (!m.exists("/srv/w")) m.must(["jk_init", "-j", "/srv/w", "uidbasics"]);
    if (status === 10) m.remove("/srv/w/etc/nsswitch.conf");
    const result = m.run(words);
    expect([words, result.status]).toEqual([words, status]);
    const value = JSON.parse(result.stdout);
    expect(() => schemaOf(name).parse(value)).not.toThrow();
    expect(() => schemaOf(name).parse({ ...value, unexpected: 1 })).toThrow();
  });
});

describe("every --json", () => {
  const schemas = readdirSync(join(docs, "schemas")).map((file) => file.replace(".schema.json", ""));

  test("has a schema", async () => {
    const withJson = (await documentedTools()).filter(({ help }) => help.options.json !== undefined);
    expect(withJson.map(({ page }) => page).sort()).toEqual(schemas.sort());
  });

  const definitions = (schema: { $defs?: Record<string, unknown>; properties?: object }) =>
    schema.properties === undefined ? Object.values(schema.$defs ?? {}) : [schema];

  test.each(schemas)("%s prints an object with a version", (name) => {
    const schema = JSON.parse(readFileSync(join(docs, "schemas", `${name}.schema.json`), "utf8"));
    for (const one of definitions(schema) as { type: string; required: string[]; properties?: object }[]) {
      // Items in several places have a name, too.
      if (one.type !== "object" || !("version" in (one.properties ?? {}))) continue;
      expect(one.required).toContain("version");
    }
  });

  test("is so if there is something to report", async () => {
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
      const value = JSON.parse(result.stdout);
      const schema = schemaOf(schemaName(words));
      expect([words, result.status, value[filled].length > 0]).toEqual([words, status, true]);
      expect(() => schema.parse(value)).not.toThrow();
      expect(() => schema.parse({ ...value, unexpected: 1 })).toThrow();
      expect(() => schema.parse({ ...value, version: undefined })).toThrow();
    }
    await stop(waiting);
    m.must(["pkill", "-x", "jk_socketd"]);
  });
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
