/** docs/schemas/ is what the schemas of the reports say. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { documentedTools } from "../../build/documented.ts";
import { REPORT_SCHEMAS, schemaFiles } from "../../build/schemas.ts";

const folder = join(import.meta.dir, "../../docs/schemas");

test("docs/schemas/ is as npm run schemas writes it", () => {
  const written = new Map(
    readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), "utf8")]),
  );
  expect([...written.keys()].sort()).toEqual([...schemaFiles().keys()].sort());
  for (const [name, text] of schemaFiles()) expect([name, written.get(name)]).toEqual([name, text]);
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
