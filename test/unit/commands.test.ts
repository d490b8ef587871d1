import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { summaryLine } from "../../build/mdoc.ts";
import { LSH_HELP } from "../../src/enter/limited/help.ts";
import { COMMANDS, LIMITED_SHELL, TOOLS } from "../../src/tools/jailkit.ts";

const files = readdirSync(join(import.meta.dir, "../../src/tools"));

test("each command of jailkit has a file, and each file a command", () => {
  const commands = files.flatMap((file) => /^jailkit-([\w-]+)\.ts$/.exec(file)?.[1] ?? []);
  expect(Object.keys(COMMANDS)).toEqual(commands.sort());
});

test.each(Object.entries({ ...COMMANDS, ...TOOLS }))("%s has the summary of its tool", async (_, lazy) => {
  const { tool } = await lazy.load();
  expect(lazy.summary).toBe(summaryLine(tool.summary));
});

test("jk_lsh has the summary of its help", () => {
  expect(LIMITED_SHELL).toBe(LSH_HELP.summary);
});
