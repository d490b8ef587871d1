/**
 * With --json, every tool prints one object with `version` and `tool` that matches its schema, and the schema allows no
 * more.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fromJSONSchema } from "zod";
import { documentedTools } from "../../build/documented.ts";
import { checkout } from "../machine/helper.ts";
import { type Machine, openMachine } from "../machine/machine.ts";

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
jailkit adopt --dry-run --force ${J}
jailkit adopt --force ${J}
jailkit adopt --dry-run --moved /srv/before
jailkit adopt --moved /srv/before /srv/after
jk_init -j ${J} --remove --dry-run sftp
jk_init -j ${J} --remove sftp
jailkit delete --dry-run ${J}
jailkit delete --yes ${J}
jailkit delete --yes --unjail --user-files ${J}
jailkit delete --yes /nowhere
`
  .trim()
  .split("\n")
  .map((line) => line.split(" "));

/** The name that a program has for itself: jailkit has one for each of its commands. */
const toolOf = ([program = "", command = ""]: readonly string[]) =>
  program === "jailkit" ? `${program} ${command}` : program;

type Schema = Exclude<Parameters<typeof fromJSONSchema>[0], boolean>;
const schemaOf = (tool: string): Schema =>
  JSON.parse(readFileSync(join(checkout, `docs/schemas/${tool.replace(" ", "-")}.schema.json`), "utf8"));

/** The forms of output that a schema has. */
function formsOf(schema: Schema): Schema[] {
  const { $defs = {}, anyOf } = schema;
  return anyOf?.map((form) => ({ ...form, $defs })) ?? [schema];
}

let m: Machine;
const printed = new Map<string, Record<string, unknown>>();
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
  for (const words of COMMANDS) {
    const own = words[0] === "jailkit" ? 2 : 1;
    const { stdout, stderr } = m.run([...words.slice(0, own), "--json", ...words.slice(own)]);
    try {
      printed.set(key(words), JSON.parse(stdout));
    } catch {
      throw new Error(`${key(words)}: ${stdout}${stderr}`);
    }
  }
});
afterAll(() => m?.close());

test.each(COMMANDS.map((words) => [key(words), words] as const))("%s", (_name, words) => {
  const tool = toolOf(words);
  const value = printed.get(key(words)) ?? {};
  expect({ version: value.version, tool: value.tool }).toEqual({ version: 1, tool });
  const schema = fromJSONSchema(schemaOf(tool));
  expect(() => schema.parse(value)).not.toThrow();
  for (const other of [
    { ...value, unexpected: 1 },
    { ...value, version: undefined },
    { ...value, tool: undefined },
    { ...value, tool: "another" },
  ])
    expect(() => schema.parse(other)).toThrow();
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
  const tools = [...new Set(COMMANDS.map(toolOf))];

  test("all of them", async () => {
    const documented = (await documentedTools()).filter(({ help }) => help.options.json !== undefined);
    expect(documented.map(({ page }) => page).sort()).toEqual(
      tools.map((tool) => tool.replace(" ", "-")).sort(),
    );
  });

  test.each(tools)("%s, in each form that its schema has", (tool) => {
    const values = COMMANDS.filter((words) => toolOf(words) === tool).map((words) => printed.get(key(words)));
    for (const form of formsOf(schemaOf(tool))) {
      const schema = fromJSONSchema(form);
      expect(values.some((value) => schema.safeParse(value).success)).toBe(true);
    }
  });
});
