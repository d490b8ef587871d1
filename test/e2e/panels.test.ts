import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromJSONSchema } from "zod";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

setDefaultTimeout(120_000);

const docs = join(checkout, "docs");
const schemas = join(docs, "schemas");
const page = readFileSync(join(docs, "panels.md"), "utf8");
const tools = [
  ...["jk_init", "jk_cp", "jk_update", "jk_check", "jk_jailuser", "jk_addjailuser"],
  ...["jk_chrootsh", "jailkit"],
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

/** The schema of a command's output; undefined for jailkit explain, which describes its output itself. */
function schemaName([program = "", command = ""]: readonly string[]): string | undefined {
  if (program !== "jailkit") return program;
  return command === "explain" ? undefined : `jailkit-${command}`;
}

let m: Machine;
beforeAll(async () => {
  m = await openMachine({ under: "ours", only: tools });
  m.addUser("customer2", { uid: 4002, home: "/home/customer2", createHome: true });
  m.must(["jk_init", "-j", "/srv/old", "uidbasics"]);
  m.must(["jk_cp", "-j", "/srv/old", "tail"]);
  m.remove("/var/lib/jailkit");
});
afterAll(async () => m.close());

describe("docs/panels.md", () => {
  const STATUSES: Readonly<Record<string, number>> = {
    // Users see only that programs in it can start others: no fault of the jail's.
    jk_check: 1,
    // A new account has neither a password nor a key yet, or sshd cannot be asked.
    "jailkit explain": 2,
  };

  test.each(commands.map((words) => [words.join(" "), words] as const))("%s", (_, words) => {
    const { status, stdout, stderr } = m.run(words);
    const name = schemaName(words);
    expect([words, stdout === "" ? stderr : ""]).toEqual([words, ""]);
    const value: unknown = JSON.parse(stdout);
    if (name !== undefined) expect(() => schemaOf(name).parse(value)).not.toThrow();
    const allowed = [0, STATUSES[words[0] ?? ""] ?? STATUSES[words.slice(0, 2).join(" ")] ?? 0];
    expect(allowed).toContain(status);
  });

  test("what it has done", () => {
    expect(m.exists("/srv/customer")).toBe(false);
    expect(m.read("/etc/passwd")).toContain(":/home/customer2:/bin/sh");
    expect(m.read("/etc/passwd")).toMatch(/^customer1:.*:\/home\/customer1:/m);
  });

  test("names every command that has a schema, and every schema", () => {
    const named = new Set(commands.map(schemaName).filter((name) => name !== undefined));
    const files = readdirSync(schemas).map((file) => file.replace(".schema.json", ""));
    expect([...named].sort()).toEqual(files.sort());
    for (const file of files) expect(page).toContain(`(schemas/${file}.schema.json)`);
  });
});

describe("JSON of what goes wrong is as the schemas say too", () => {
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
