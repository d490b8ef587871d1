/** A rule of jk_check is reported by some code, has a fault that plants it, a paragraph in the manual page, and a name in the JSON schema. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { manualPages } from "../../build/man.ts";
import { RULES, type Rule } from "../../src/check/rules.ts";
import { FAULTS, NO_FAULT, SINGLE_FAULTS } from "../e2e/check-faults.ts";

const tests = join(import.meta.dir, "..");
const schema = JSON.parse(readFileSync(join(tests, "../docs/schemas/jk_check.schema.json"), "utf8"));
const rules = Object.keys(RULES) as Rule[];
const page = (await manualPages()).find(({ name }) => name === "jk_check")?.text ?? "";

test.each(rules)("%s is planted by a fault, or has a test of its own", (rule) => {
  const planted = [...FAULTS, ...SINGLE_FAULTS].some((fault) => fault.rule === rule);
  const own = NO_FAULT[rule];
  expect([rule, planted, own !== undefined]).toEqual([rule, own === undefined, own !== undefined]);
  if (own !== undefined) expect(readFileSync(join(tests, own), "utf8")).toContain(`"${rule}"`);
});

test("some code reports each of them", () => {
  const sources = join(tests, "../src");
  const code = [...new Bun.Glob("**/*.ts").scanSync(sources)]
    .filter((file) => /^(?:check|jail\/fs)\//.test(file) && !/check\/rules\.ts$|\/remedies\.ts$/.test(file))
    .map((file) => readFileSync(join(sources, file), "utf8"))
    .join("\n");
  // A key of a table is not quoted if it is one word.
  const isNamed = (rule: Rule) => code.includes(`"${rule}"`) || code.includes(` ${rule}: `);
  expect(rules.filter((rule) => !isNamed(rule))).toEqual([]);
});

test("the manual page lists all of them, with their levels", () => {
  const items = [...page.matchAll(/^\.It Cm (\S+) Pq (\w+)$/gm)];
  const documented = items.map(([, name = "", level = ""]) => [name.replaceAll("\\-", "-"), level]);
  expect(documented.sort()).toEqual(rules.map((rule) => [rule, RULES[rule].level]).sort());
});

test("the JSON schema lists all of them", () => {
  expect(schema.$defs.finding.properties.rule.enum).toEqual(rules);
});
