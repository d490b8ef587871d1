/** That the mutants of test/slow/ follow the code; to run them takes minutes, and this no time. */

import { expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Mutant } from "../slow/mutants/mutant.ts";
import { MUTANTS } from "../slow/mutants.ts";

const root = join(import.meta.dir, "../..");
const show = ({ file, from, to }: Mutant) => `${file}: ${from} -> ${to}`;

test("the rules that confine a user are covered, and each survivor has a reason", () => {
  expect(MUTANTS.length).toBeGreaterThanOrEqual(500);
  for (const { equivalent } of MUTANTS) if (equivalent !== undefined) expect(equivalent).toMatch(/\w \w/);
});

test("each changes a text that occurs once, and names tests that exist", () => {
  const occurrences = ({ file, from }: Mutant) =>
    readFileSync(join(root, file), "utf8").split(from).length - 1;
  const wrong = MUTANTS.filter(
    (one) => one.from === one.to || occurrences(one) !== 1 || !existsSync(join(root, "test", one.test)),
  );
  expect(wrong.map(show)).toEqual([]);
});

test("none is listed twice", () => {
  expect(new Set(MUTANTS.map(show)).size).toBe(MUTANTS.length);
});
