/** A0 is a byte of letters, such as U+00E0 in UTF-8, and no blank: no function takes it for one. */
import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { toBytes, trim } from "../../ffi/bytes.ts";
import { fixText } from "../../src/config/fixes.ts";
import { scanIni } from "../../src/config/scan.ts";
import { declarationIn } from "../../src/declaration/read.ts";
import { requireGroups } from "../../src/users/groups.ts";
import { requireServices } from "../../src/users/policy.ts";

const A = "\xc3\xa0";

test("trim keeps it, and takes the blanks of C", () => {
  expect(trim(`\t\v\f\r\n ${A} x ${A} \n`)).toBe(`${A} x ${A}`);
  expect([trim(" \t"), trim("\xa0"), trim("")]).toEqual(["", "\xa0", ""]);
});

test("names of groups and services end with it in messages", () => {
  expect(() => requireGroups(`gr${A}`)).toThrow(`'gr${A}'`);
  expect(() => requireServices(`sft${A}`)).toThrow(`'sft${A}'`);
});

test.each([
  [`groups = gr${A} # x`, `write in line 4 of f:\n# x\ngroups = gr${A}`],
  ["shell\xc2\xa0= /bin/sh", "sed -i '4s/\\xc2\\xa0/ /g' f"],
])("%j has a remedy with whole letters", (line, remedy) => {
  const ini = scanIni(toBytes(`[user anna]\njail = /srv/a\nallow = sftp\n${line}\n`), "f", "plain");
  const fixes = declarationIn(ini).problems.map((one) => fixText(one, ini));
  expect<unknown[]>(fixes).toEqual([remedy]);
});

/** Text of programs with none of a user's bytes in it, and numbers. */
const OF_PROGRAMS = [
  ...[
    "src/cli/display.ts",
    "src/cli/excerpt.ts",
    "src/cli/input.ts",
    "src/check/smoke/",
    "src/processes/process.ts",
  ],
  ...["src/libraries/search/hwcaps.ts", "src/system/log-search.ts", "src/system/mounts.ts", "src/status/"],
  ...["src/tools/jk_socketd.ts", "src/tools/jailkit-delete.ts", "src/explain/sshd/counts.ts", "src/jail/fs/"],
  ...["src/populate/apply/library-cache.ts", "src/system/account-tools.ts", "src/system/sshd/"],
];

test("no pattern and no function of JavaScript for blanks is used elsewhere", () => {
  const files = readdirSync(join(import.meta.dir, "../../src"), { recursive: true, encoding: "utf8" });
  const found = files
    .filter((file) => file.endsWith(".ts") && !OF_PROGRAMS.some((one) => `src/${file}`.startsWith(one)))
    .flatMap((file) =>
      readFileSync(join(import.meta.dir, "../../src", file), "utf8")
        .split("\n")
        .filter(
          (line) => /\\s(?!\\)|\\S|\.trim(?:Start|End)?\(\)/.test(line) && !/^\s*(?:\/?\*|\/\/)/.test(line),
        )
        .map((line) => `${file}: ${line.trim()}`),
    );
  expect(found).toEqual([]);
});
