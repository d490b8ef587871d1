/** The limited shell: what is split, what is compared, and what a program gets. */

const decide = (from: string, to: string): Mutant => ({
  file: "src/limited-shell/decide.ts",
  from,
  to,
  test: "unit/limited-shell.test.ts",
});
const split = (from: string, to: string): Mutant => ({
  file: "src/limited-shell/split.ts",
  from,
  to,
  test: "unit/limited-shell-split.test.ts",
});
const environment = (from: string, to: string): Mutant => ({
  file: "src/limited-shell/environment.ts",
  from,
  to,
  test: "unit/limited-shell-environment.test.ts",
});
const limited = (from: string, to: string): Mutant => ({
  file: "src/enter/limited/limited.ts",
  from,
  to,
  test: "unit/enter.test.ts",
});

export const SHELL: readonly Mutant[] = [
  decide("if (!executables.includes(path)) {", "if (!executables.some((one) => path.startsWith(one))) {"),
  decide("if (!executables.includes(path)) {", "if (!executables.some((one) => one.startsWith(path))) {"),
  decide("if (!executables.includes(path)) {", "if (false) {"),
  decide("if (executables.length === 0) {", "if (false) {"),
  decide('if (!path.startsWith("/")) {', "if (false) {"),
  decide("if (!files.isRegularFile(path)) {", "if (false) {"),
  decide("const argv = [path, ...(granted", "const argv = [typed, ...(granted"),
  decide('if (typed === undefined || typed === "") {', "if (typed === undefined) {"),
  decide("policy.allowWordExpansion && ", ""),
  decide(
    'if (word !== "internal-sftp") return undefined;',
    'if (!word.startsWith("internal-sftp")) return undefined;',
  ),
  decide('path.endsWith("/sftp-server") && files', "files"),
  split("refuseControlBytes(line);", ""),
  { ...split("code < 0x20 && code", "code < 0x1f && code"), file: "src/limited-shell/refusal.ts" },
  { ...split(" || code === 0x7f)", ")"), file: "src/limited-shell/refusal.ts" },
  split('byte === " " || byte === "\\t"', 'byte === " "'),
  split(
    'if (end < 0) throw new WordError("unbalanced-quote", "a single quote is not closed");',
    "if (end < 0) return words;",
  ),
  split('next !== "" && \'$`"\\\\\'.includes(next)', 'next !== ""'),
  environment('if (name.startsWith("LD_")) return false;', ""),
  environment(', "SSH_PKCS11_HELPER"', ""),
  environment(" || variables.has(name)", ""),
  environment("hasControlCharacter(value) || ", ""),
  environment("value.length > LONGEST_VALUE", "value.length > 1e9"),
  environment("return rule(value);", "return true;"),
  environment('if (path.split("/").includes("..")) return false;', ""),
  environment('return !path.startsWith("/") || path.startsWith("/usr/share/zoneinfo/");', "return true;"),
  environment("if (!isPath(directory)) return false;", "return isPath(directory);"),
  environment("name.length > 3 && hasOnly(name, 3, CAPITALS)", "name.length > 3"),
  environment("name.length > 3 && ", ""),
  environment("&& name.length > 4;", ";"),
  environment('value.charAt(0) !== "." && ', ""),
  environment("value.length <= LONGEST_WORD && value.charAt", "value.charAt"),
  environment("mayHoldAnything && hasOnly(name, 4, CAPITALS_AND_DIGITS)", "mayHoldAnything"),
  environment('!value.includes("/") && !value.includes(":")', '!value.includes("/")'),
  environment('if (name.startsWith("LD_")) findings.push', 'if (name.startsWith("LD_P")) findings.push'),
  limited("if (entry.uid === uid) return entry;", "return entry;"),
  limited('if (problem.severity === "error") throw', 'if (problem.severity === "error" && false) throw'),
  limited('argv.length >= 3 && argv[argv.length - 2] === "-c" &&', "argv.length >= 2 &&"),
  limited(
    'if (group !== undefined && group.name !== "") return group;',
    "if (group !== undefined) return group;",
  ),
];

import type { Mutant } from "./mutant.ts";
