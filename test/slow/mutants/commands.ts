/** The keys `command` and `force` of jk_lsh.ini: what a pattern matches, and what runs. */

const pattern = (from: string, to: string): Mutant => ({
  file: "src/limited-shell/command-pattern.ts",
  from,
  to,
  test: "unit/command-pattern.test.ts",
});
const matcher = (from: string, to: string): Mutant => ({
  ...pattern(from, to),
  file: "src/limited-shell/pattern.ts",
});
const command = (file: string, from: string, to: string): Mutant => ({
  file: `src/${file}`,
  from,
  to,
  test: "unit/limited-commands.test.ts",
});

export const COMMANDS: readonly Mutant[] = [
  pattern("IN_SEGMENT[SLASH] = 0;", ""),
  pattern("bracket.table[SLASH] = 0;", ""),
  pattern('mark === "u" && byte === "?" ? IN_SEGMENT', 'byte === "?" ? IN_SEGMENT'),
  pattern(
    'if (mark === "u" && byte === "*") this.#run();',
    'if (byte === "*") this.tokens.push("segment") && this.#at++;',
  ),
  pattern(' && this.word.marks[at] === "u"', ""),
  pattern('mark === "u" && byte === "["', 'byte === "["'),
  pattern('mark !== "b" && this.#alternatives', "this.#alternatives"),
  pattern('this.#at - start > 1 ? "star" : "segment"', '"star"'),
  pattern("open.mark !== mark || ", ""),
  pattern("if (this.#groups.length > 0) throw this.#error(\"a '{' is not closed\");", ""),
  pattern(
    "if (bracket === undefined) throw this.#error(\"a '[' is not closed\");",
    "if (bracket === undefined) return;",
  ),
  pattern("if (this.#groups.length === MAXIMUM_DEPTH)", "if (false)"),
  pattern("if (tokens.length === open.start + 1) throw", "if (false) throw"),
  pattern("if (texts.length + waiting.length > MOST_PROGRAMS) return undefined;", ""),
  pattern('if (program === "") throw', "if (false) throw"),
  pattern('if (program.includes("/") && !program.startsWith("/"))', "if (false)"),
  pattern(' && marks === "uuu"', ""),
  pattern('text.replaceAll("\\\\", "")', "text"),
  pattern('word.charAt(at - 1) !== "." && ', ""),
  pattern('next === "" || ENDS_OF_NAMES.includes(next)', "ENDS_OF_NAMES.includes(next)"),
  pattern('next === "" || ENDS_OF_NAMES.includes(next)', 'next === ""'),
  pattern('next === "" || ENDS_OF_NAMES.includes(next)', 'next === "" || next === "/"'),
  pattern('word.indexOf("..", at + 1)', "-1"),
  pattern('word === "" || leadsUp(word)', "leadsUp(word)"),
  pattern('word === "" || leadsUp(word)', 'word === ""'),
  pattern("return word.length + 1;", "return word.length;"),
  pattern("if (word.charCodeAt(0) !== DASH) return 0;", "return 0;"),
  pattern("word.charCodeAt(1) === DASH ? 2 : 1", "1"),
  pattern("if (literal <= word.length) following.push(state);", "following.push(state);"),
  pattern("if (following.length === 0) return", "if (false) return"),
  pattern("if (states.at(-1) === words.length) return undefined;", "return undefined;"),
  pattern(
    "if (expected === undefined) continue;",
    "if (expected === undefined) { following.push(state); continue; }",
  ),
  pattern('budget.spend("steps", states.length + 1);', ""),
  pattern('budget.spend("steps", expected.tokens.length);', ""),
  matcher("if (isRun(token) && at < literal) continue;", ""),
  matcher("(at >= literal || token === code)", "true"),
  matcher("code !== SLASH", "true"),
  matcher('budget.spend("steps", states.length);', ""),
  command("limited-shell/decide.ts", "policy.allowWordExpansion && !forced", "policy.allowWordExpansion"),
  command("limited-shell/decide.ts", "patterns: forced ? [] : patterns", "patterns"),
  command("limited-shell/decide.ts", "if (!isFor(pattern, path, paths, files.isRegularFile)) continue;", ""),
  command("limited-shell/decide.ts", "if (chosen.why !== undefined) {", "if (false) {"),
  command("limited-shell/decide.ts", "nearest.at >= failed.at", "nearest.at > failed.at"),
  command(
    "limited-shell/programs.ts",
    "if (executables !== undefined) return { executables, paths: searched };",
    "if (executables?.length) return { executables, paths: searched };",
  ),
  command("limited-shell/programs.ts", 'if (path.startsWith("/")) found.add(path);', "found.add(path);"),
  command("limited-shell/environment.ts", "variables.delete(ORIGINAL_COMMAND);", ""),
  command("enter/limited/limited.ts", "if (forced) setOriginalCommand", "setOriginalCommand"),
  command("enter/limited/limited.ts", "force ?? asked", "asked ?? force"),
  command(
    "enter/limited/limited.ts",
    "if (policy.values.force !== undefined) return policy;",
    "return policy;",
  ),
  command("enter/limited/limited.ts", ", ...bad];", "];"),
  command(
    "config/keys.ts",
    "key.slice(0, family.length).toLowerCase() === family",
    "key.slice(0, family.length) === family",
  ),
  command("config/keys.ts", "if (!key.startsWith(", "if (false && !key.startsWith("),
  command("config/keys.ts", "if (!isNameByte(name.charCodeAt(at))) return undefined;", ""),
  command("config/keys.ts", "name.length > LONGEST_NAME", "false"),
  command("config/values.ts", 'value === "" && key.kind !== "line"', 'value === ""'),
];

import type { Mutant } from "./mutant.ts";
