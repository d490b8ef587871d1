/**
 * Each config key is read by a program: in a copy of src/ in which all keys have other names, the type checker names them
 * all. test/unit/config-keys.test.ts looks at the text alone, where a common word may mean something else.
 */

import { expect, setDefaultTimeout, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { camelCase } from "../../src/config/keys.ts";
import { CONFIG_KINDS } from "../../src/config/schemas/catalogue.ts";
import { confineKeys } from "../../src/config/schemas/confine.ts";

setDefaultTimeout(120_000);

const checkout = join(import.meta.dir, "../..");

test("the type checker misses each key that is renamed", () => {
  const copy = mkdtempSync(join(tmpdir(), "config-keys-"));
  try {
    for (const name of ["src", "ffi", "package.json", "tsconfig.json"])
      cpSync(join(checkout, name), join(copy, name), { recursive: true });
    symlinkSync(join(checkout, "node_modules"), join(copy, "node_modules"));
    const tables = [...CONFIG_KINDS, { name: "jk_confine", keys: confineKeys }];
    for (const { name, keys } of tables) {
      const file = join(copy, `src/config/schemas/${name.replace(/^jk_/, "")}.ts`);
      const text = readFileSync(file, "utf8");
      const names = new RegExp(`^  (${Object.keys(keys).join("|")}):`, "gm");
      writeFileSync(file, text.replace(names, "  renamed_$1:"));
    }
    const tsc = join(checkout, "node_modules/.bin/tsc");
    const { stdout } = Bun.spawnSync(
      [tsc, "--noEmit", "--pretty", "false", "--noErrorTruncation", "-p", copy],
      { cwd: copy },
    );
    // src/config declares the keys, and src/lint only checks their values.
    const missed = `${stdout}`.split("\n").filter((line) => !/^src\/(?:config|lint)\//.test(line));
    const isMissed = (key: string) => {
      const field = camelCase(key);
      const list = `: (?:\\w+, )*${field}(?:, \\w+)*$`;
      const said = new RegExp(
        `Property '(?:${field}|${key})' |"${field}".* (?:does not satisfy|can't be used to index|is not assignable)|${list}`,
      );
      return missed.some((line) => said.test(line));
    };
    for (const { name, keys } of CONFIG_KINDS)
      expect([name, Object.keys(keys).filter((key) => !isMissed(key))]).toEqual([name, []]);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
});
