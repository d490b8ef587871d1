// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** The servers that the limited shell knows: what they are, what they are let through with, and what they get. */

const mutant =
  (file: string, test: string) =>
  (from: string, to: string): Mutant => ({ file, from, to, test });

const SPAWN = "unit/limited-shell-spawn.test.ts";
const UNIT = "unit/programs.test.ts";
const decide = mutant("src/limited-shell/decide.ts", SPAWN);
const limited = mutant("src/enter/limited/limited.ts", "unit/enter.test.ts");
const execution = mutant("src/enter/limited/execution.ts", "unit/enter.test.ts");
const directories = mutant("src/confine/directories.ts", "attack/lsh-execute.test.ts");
const hooks = mutant("src/known-programs/hooks.ts", UNIT);
const repository = mutant("src/known-programs/git.ts", UNIT);
const options = mutant("src/known-programs/options.ts", SPAWN);
const transfer = mutant("src/known-programs/transfer.ts", SPAWN);
const versions = mutant("src/known-programs/versions.ts", SPAWN);
const git = mutant("src/known-programs/git.ts", SPAWN);
const recognise = mutant("src/known-programs/recognise.ts", UNIT);
const spawned = mutant("src/known-programs/recognise.ts", SPAWN);
const environment = mutant("src/known-programs/environment.ts", UNIT);
const warnings = mutant("src/known-programs/warnings.ts", UNIT);

export const PROGRAMS: readonly Mutant[] = [
  decide(
    "mayStart ? undefined : refusalOf(recognised, argv.slice(1), files)",
    "mayStart ? refusalOf(recognised, argv.slice(1), files) : undefined",
  ),
  limited("const given = values.allowSpawnOptions\n", "const given = true\n"),
  options("args[0] !== rule.first.word", "!args.includes(rule.first.word)"),
  options('if (word === "--" && rule.endOfOptions) break;', 'if (word === "--") break;'),
  options("      operandSeen = true;\n", ""),
  options("if (rule.withValue.includes(letter)) return undefined;", ""),
  options('(list.operands && !word.startsWith("-"))', "list.operands"),
  options('if (!value.test(args[at] ?? ""))', "if (false)"),
  options("list.words.test(word)", "list.words"),
  transfer("harmlessValue: /^[0-9]*\\.[A-Za-z0-9]*$/", "harmlessValue: /^[0-9]*\\./"),
  transfer('if (first !== "-server")', "if (first === undefined)"),
  transfer('rest[0] === "__new-rpc-mode"', "true"),
  transfer('first === "serve" ?', "true ?"),
  versions('const serves = first === "-R" && ', "const serves = "),
  versions("rest.length === 2 && ", ""),
  versions('first === "init" && rest.length === 0', 'first === "init"'),
  {
    file: "src/known-programs/git.ts",
    from: '  ["core.fsmonitor", "false"],\n',
    to: "",
    test: "attack/programs.test.ts",
    title: "followed by a gc, which reads the index",
  },
  {
    file: "src/known-programs/git.ts",
    from: '  ["receive.autogc", "false"],\n',
    to: "",
    test: "attack/programs.test.ts",
    title: "git clones and pushes, below ~ too",
  },
  repository("if (rest.length === 1 && isRootsRepository", "if (isRootsRepository"),
  versions('repository === "" ||', ""),
  versions('repository.startsWith("-") ||', ""),
  versions("|| /^[A-Za-z0-9+.-]+:/.test(repository)", ""),
  versions('!args.includes("-t") && !args.includes("--tunnel")', "false"),
  versions(
    "/^(?:-t|--tunnel|-R|--read-only|--(?:root|tunnel-user)=.+)$/",
    "/^(?:-t|--tunnel|-R|--read-only|--(?:root|tunnel-user)=.+)/",
  ),
  versions('{ "-r": /^[^-]/,', '{ "-r": /^/,'),
  versions('args.length === 1 && args[0] === "server"', 'args[0] === "server"'),
  versions("LANG|LANGUAGE|LC_[A-Z]+)=", "[A-Z_]+)="),
  versions('first === "new"\n', "true\n"),
  git('invoked.startsWith("git-")', 'invoked === "git-upload-pack"'),
  git("words.length === 1 && (command", "(command"),
  git("if (!SERVERS.includes(command))", "if (command.startsWith('-'))"),
  git("-q|--quiet|", "-q|--quiet|--help|"),
  recognise("const names = [baseName(path)];", "const names: string[] = [];"),
  recognise("    names.push(baseName(at));\n", ""),
  recognise('target.startsWith("/") ? target :', ""),
  recognise("own.links < 2", "own.links < 3"),
  recognise("?.file === own.file", "?.links === own.links"),
  recognise("of plainNames(name)) {", "of [name]) {"),
  recognise("if (isPlain(name)) return names;", "if (!/[-.]/.test(name)) return names;"),
  environment('programs.length > 0 && !byAdministrator.has("PATH")', "programs.length > 0"),
  environment('programs.length > 0 && !byAdministrator.has("PATH")', '!byAdministrator.has("PATH")'),
  environment("if (value === undefined) result.delete(name);", "if (value === undefined) return;"),
  environment("dropped?.test(name) && ", "dropped?.test(name) && false && "),
  environment("= [EVERY_PROGRAM];", "= [];"),
  environment("rows.push(environment);", ""),
  environment("gitPairs(byAdministrator)", "gitPairs(variables)"),
  environment("[...gitConfig, ...gitPairs(byAdministrator)]", "[...gitPairs(byAdministrator), ...gitConfig]"),
  warnings("if (unchecked && program.rows.length > 0) {", "if (false) {"),
  warnings("starts === undefined || start === undefined", "start === undefined"),
  warnings("if (starts.length > 0) {", "if (false) {"),
  warnings("if (!SHELLS.includes(baseName(interpreter))) return undefined;", ""),
  hooks('path !== "" && path !== "/dev/null"', 'path !== ""'),
  hooks('(kind === "git" && namesHooks(configured))', "namesHooks(configured)"),
  hooks("one.kind === kind", "true"),
  recognise("if (programs.length === 0) return undefined;", ""),
  recognise('if (starts === "system") return undefined;', 'if (starts === "system") continue;'),
  recognise("all.push(...starts);", ""),
  recognise("all.push(...starts);", "return starts;"),
  execution("    allowSpawnOptions ||\n", ""),
  execution('    execute === "any" ||\n', ""),
  execution("request.someNamedCounts({ named: execute, home })", "execute.length > 0"),
  execution("request.someNamedCounts({ named: execute, home })", "false"),
  limited("startsAnyProgram(values, home, request) ? undefined : startsOf(programs)", "startsOf(programs)"),
  limited("startsAnyProgram(values, home, request) ? undefined : startsOf(programs)", "undefined"),
  directories("{ ...scope, onlyNamed: true }", "scope"),
  spawned("args.length === 1 && versions.includes", "versions.includes"),
  limited("    starts === undefined || starts.length === 0\n", "    starts === undefined\n"),
  limited(": startsLimits(path, starts, home);", ": executeLimits(values, home);"),
  repository("found.uid !== 0 || ", ""),
  repository("found.uid !== 0 || (found.mode & 0o022) !== 0", "found.uid !== 0"),
  repository("(found.mode & 0o022) !== 0", "(found.mode & 0o002) !== 0"),
  repository("let i = 0; i <= parts.length", "let i = parts.length; i <= parts.length"),
  repository('!plain.startsWith("/") ||', ""),
  repository("/^\\.{0,2}$/", "/^\\.{0,1}$/"),
  repository('"/.git", ".git",', '".git",'),
  repository('".git", ".git/.git"]', '".git/.git"]'),
  repository('"config", "config.worktree",', '"config",'),
  repository('"config", "config.worktree",', '"config.worktree",'),
  repository(', "info/attributes"]', "]"),
  repository('kindOf(`${place}/commondir`, files) === "missing" &&', ""),
  repository("repositories.length > 0 && ", ""),
];

import type { Mutant } from "./mutant.ts";
