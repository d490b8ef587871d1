import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { LSH_HELP } from "../../src/enter/limited/help.ts";
import { COMMANDS, LSH_SUMMARY, TOOLS } from "../../src/tools/jailkit.ts";

const files = readdirSync(join(import.meta.dir, "../../src/tools"));
const listed = (file: string, pattern: RegExp) => {
  const text = readFileSync(join(import.meta.dir, "../..", file), "utf8");
  return [...text.matchAll(pattern)].map(([, name = ""]) => name).sort();
};
const programs = listed("src/tools/shared.ts", /(?<=^ {2}(\w+): .*import\(")(?:#bundle\/logins|\.\/\1)\b/gm);

test("each file is in a table of jailkit, and each row has a file", () => {
  const namesIn = (pattern: RegExp) => files.flatMap((file) => pattern.exec(file)?.[1] ?? []).sort();
  expect(Object.keys(COMMANDS)).toEqual(namesIn(/^jailkit-([\w-]+)\.ts$/));
  expect([...Object.keys(TOOLS), ...programs].sort()).toEqual(namesIn(/^(jk_\w+)\.ts$/));
});

test.each(Object.entries({ ...COMMANDS, ...TOOLS }))("%s has the summary of its tool", async (_, lazy) => {
  const { tool } = await lazy.load();
  expect(lazy.summary).toBe(tool.summary);
});

test("the programs that any user may start are in the list of the guard", () => {
  expect(listed("ffi/guard/main.c", /"JAILKIT_PROGRAM=(\w+)"/g)).toEqual(programs);
});

test("jk_lsh has the summary of its help", () => {
  expect(LSH_SUMMARY).toBe(LSH_HELP.summary);
});
