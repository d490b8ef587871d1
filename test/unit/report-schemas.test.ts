/** docs/schemas/ is what the schemas of the reports say. */
import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DECLARATION_SCHEMA_FILE } from "../../build/declaration-schema.ts";
import { documentedTools } from "../../build/documented.ts";
import { manualPages } from "../../build/man.ts";
import {
  CODES_PAGE,
  ERROR_SCHEMA_FILE,
  LOG_SCHEMA_FILE,
  REPORT_SCHEMAS,
  type ReportTool,
  schemaFileOf,
  schemaFiles,
  withCodes,
} from "../../build/schemas.ts";
import { PROBLEM_CODES } from "../../src/cli/problem-codes.ts";

const folder = join(import.meta.dir, "../../docs/schemas");

test("docs/schemas/ is the output of npm run schemas", () => {
  const written = new Map(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
  expect([...written.keys()].sort()).toEqual([...schemaFiles().keys()].sort());
  for (const [name, text] of schemaFiles()) expect([name, written.get(name)]).toEqual([name, text]);
});

test("the table of codes in docs/panels.md is that of the reports, and the code has each of them", () => {
  const page = readFileSync(CODES_PAGE, "utf8");
  expect(withCodes(page)).toBe(page);
  const codes = Object.keys(PROBLEM_CODES);
  for (const code of codes) expect(page).toContain(`\n| \`${code}\` | `);
  const root = join(import.meta.dir, "../../src");
  const others = ["cli/problem-codes.ts", "config/finding-codes.ts"];
  const sources = readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !others.includes(name))
    .map((name) => readFileSync(join(root, name), "utf8"))
    .join("\n");
  expect(codes.filter((code) => !sources.includes(`"${code}"`))).toEqual([]);
});

test("each tool with --json has a schema, and no other", async () => {
  const pages = (await documentedTools())
    .filter(({ help }) => help.options.json !== undefined)
    .map(({ page }) => page);
  expect(pages.sort()).toEqual(
    Object.keys(REPORT_SCHEMAS)
      .map((tool) => tool.replace(" ", "-"))
      .sort(),
  );
});

test("each form of each report requires version and tool", () => {
  for (const [name, text] of schemaFiles()) {
    // A line of the log is no report: its names are those of others; nor is a declaration.
    if (name === LOG_SCHEMA_FILE || name === DECLARATION_SCHEMA_FILE) continue;
    const schema = JSON.parse(text);
    for (const { properties, required } of schema.anyOf ?? [schema]) {
      const tool = name === ERROR_SCHEMA_FILE ? properties.tool.type : properties.tool.const;
      expect([name, properties.version.const, tool]).toEqual([name, 1, expect.any(String)]);
      expect([name, required]).toEqual([name, expect.arrayContaining(["version", "tool"])]);
    }
  }
});

/** The part of a JSON Schema that lists fields. */
interface Fields {
  properties: Record<string, { enum?: string[]; const?: string; items?: Fields }>;
}

/** The names that a list of a manual page has: words before commas, without what brackets say of them. */
const listed = (text: string): string[] => text.replace(/ \([^)]*\)/g, "").split(/, | and /);

/** Holds a list of fields, with their values in brackets, against a schema. */
function expectFields(text: string, { properties }: Fields): void {
  expect(listed(text).sort()).toEqual(Object.keys(properties).sort());
  for (const [, name = "", values = ""] of text.matchAll(/(\w+) \(("[^)]*)\)/g)) {
    const known = properties[name]?.enum ?? [properties[name]?.const];
    expect([name, ...[...values.matchAll(/"([^"]*)"/g)].map(([, value]) => value)]).toEqual([name, ...known]);
  }
}

describe("the manual page lists the fields of the schema", async () => {
  const pages = await manualPages();
  const schemaOf = (tool: ReportTool) => JSON.parse(schemaFiles().get(schemaFileOf(tool)) ?? "");
  /** What follows some words in a page, up to the end of the sentence. */
  function sentence(page: string, start: string): string {
    const text = pages.find(({ name }) => name === page)?.text.replaceAll("\n", " ") ?? "";
    return (text.split(start)[1] ?? "").split(/\.(?:\s|$)/)[0] ?? "";
  }

  test.each([
    ["With .Fl -json , one object: ", "steps"],
    ["For an .Ar ID , one object: ", "refusals"],
  ])("jailkit explain: %s", (start, list) => {
    const [members = "", ofEach = ""] = sentence("jailkit-explain", start).split(", each with ");
    const forms: Fields[] = schemaOf("jailkit explain").anyOf;
    const form = forms.find(({ properties }) => list in properties);
    expectFields(members, form ?? { properties: {} });
    expectFields(ofEach, form?.properties[list]?.items ?? { properties: {} });
  });

  test("jailkit config check", () => {
    const { findings } = schemaOf("jailkit config").properties;
    expectFields(sentence("jailkit-config", "with the members "), findings.items);
  });
});
