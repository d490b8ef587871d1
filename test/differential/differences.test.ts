import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const documented = [
  ...readFileSync(join(import.meta.dir, "../../docs/differences.md"), "utf8").matchAll(/^- `([^`]*)`: /gm),
].map((match) => match[1]);

const used = readdirSync(import.meta.dir)
  .filter((name) => name.endsWith(".test.ts") && name !== "differences.test.ts")
  .flatMap((name) => [
    ...readFileSync(join(import.meta.dir, name), "utf8").matchAll(/\bdifference: "([^"]*)"/g),
  ])
  .map((match) => match[1]);

test("every difference that a case allows is documented, and every documented one has a case", () => {
  expect([...documented].sort()).toEqual([...new Set(used)].sort());
});

test("an id is documented once", () => {
  expect(new Set(documented).size).toBe(documented.length);
});

test("the result of each implementation is written out beside every id", () => {
  const source = readdirSync(import.meta.dir)
    .filter((name) => name.endsWith(".test.ts") && name !== "differences.test.ts")
    .map((name) => readFileSync(join(import.meta.dir, name), "utf8"))
    .join("\n");
  expect(source.match(/\bdifference:/g)?.length).toBe(used.length);
});
