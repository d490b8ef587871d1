// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** The key `allow` of jk_lsh.ini: which arguments each word allows, and where. */

const allow = (file: string, from: string, to: string): Mutant => ({
  file: `src/known-programs/allow/${file}`,
  from,
  to,
  test: "unit/allow.test.ts",
});
const places = (from: string, to: string) => allow("places.ts", from, to);
const rsync = (from: string, to: string) => allow("rsync.ts", from, to);
const openssh = (from: string, to: string) => allow("openssh.ts", from, to);
const versions = (from: string, to: string) => allow("versions.ts", from, to);
const backup = (from: string, to: string) => allow("backup.ts", from, to);
const table = (from: string, to: string) => allow("table.ts", from, to);
const plan = (file: string, from: string, to: string): Mutant => ({
  ...allow("", from, to),
  file: `src/${file}`,
});

export const ALLOW_MUTANTS: readonly Mutant[] = [
  places('for (const name of path.split("/")) if (name === "..") return true;', ""),
  places("place}/`)", "place}`)"),
  places('if (place.startsWith("/")) forms', "forms"),
  places("if (climbs(path)) return", "if (false) return"),
  places("{home}/", '{""}/'),
  places("write: writes ? writable : []", "write: writable"),
  places('write ?? (read === undefined ? "all" : [])', 'write ?? "all"'),
  places('read ?? (isDrop ? [] : "all")', 'read ?? "all"'),
  rsync('if (args[0] !== "--server") return', "if (false) return"),
  rsync("if (sends && !may.download)", "if (false)"),
  rsync("if (!sends && !may.upload)", "if (false)"),
  rsync("if (sends && removes && !may.upload)", "if (false)"),
  rsync('if (path.startsWith("-")) return', "if (false) return"),
  rsync('if (paths.length === 0) paths.push(".");', ""),
  rsync('sends ? placesFault(paths, "read", places) : undefined', "undefined"),
  rsync('writes ? placesFault(paths, "write", places) : undefined', "undefined"),
  rsync("const writes = !sends || removes;", "const writes = !sends;"),
  rsync("if (limited && RSYNC_SHORT_FOLLOW.includes(letter))", "if (false)"),
  rsync('if (kind === "follow" && server.limited)', "if (false)"),
  rsync("if (!RSYNC_SHORT.includes(letter)) return", "if (false) return"),
  rsync('if (word.charAt(i) !== ".") return false;', ""),
  rsync("if (!isLetter(word.charAt(i))) return false;", ""),
  rsync(
    "if (kind === undefined) return {",
    "if (kind === undefined) return undefined;\n  if (kind === undefined) return {",
  ),
  rsync("if (equals >= 0) return { fault: notFor(word) };", ""),
  rsync("if (climbs(value)) return", "if (false) return"),
  rsync('if (!value.startsWith("/")) return undefined;', "return undefined;"),
  rsync('value === "-" ? undefined : placeFault(value, "read", places)', "undefined"),
  rsync('kind === "write" ? "write" : "read"', '"read"'),
  rsync('if (word === ".") return at;', 'if (!word.startsWith("-")) return at;'),
  openssh('readOnly ? ["-R", ...args] : args', "args"),
  openssh("writes: !limited", "writes: true"),
  openssh("if (!SFTP_VALUES.includes(word) || at + 1 >= args.length)", "if (!SFTP_VALUES.includes(word))"),
  openssh('if (mode !== "" && mode !== letter)', "if (false)"),
  openssh("} else if (!SCP_LETTERS.includes(letter))", "} else if (false)"),
  openssh('if (mode === "") return', "if (false) return"),
  openssh("if (!modes.includes(mode))", "if (false)"),
  openssh("if (paths.length === 0) return", "if (false) return"),
  openssh('if (!isEnd && path.startsWith("-"))', "if (false)"),
  openssh('placesFault(paths, writes ? "write" : "read", places) ?? { args, writes }', "{ args, writes }"),
  openssh('const writes = mode === "t";', "const writes = true;"),
  versions("if (!servers.includes(server))", "if (false)"),
  versions("if (path === undefined || more !== undefined)", "if (path === undefined)"),
  versions("if (opened === undefined) return", "if (false) return"),
  versions('expanded(name, places.home) ?? ""', "name"),
  versions('const use = writes ? "write" : "read";', 'const use = "read";'),
  versions("return other ? path : `${name}/.`;", "return path;"),
  versions("placeFault(`${opened}.git`, use, places) === undefined;", "true;"),
  versions("args.with(args.lastIndexOf(path), given)", "args"),
  versions('const added = readOnly ? ["-R"] : [];', "const added: string[] = [];"),
  versions("return isTunnel\n", "return true\n"),
  backup('if (args[0] !== "serve") return', "if (false) return"),
  backup("if (!BORG_FLAGS.includes(word) && !hasValue(word))", "if (false)"),
  backup('forced.push("--restrict-to-path", path)', "forced.slice()"),
  backup('appendOnly ? ["--append-only"] : []', "[] as string[]"),
  backup(
    "return { args: [...args, ...forced], writes: true };",
    "return { args: [...forced, ...args], writes: true };",
  ),
  backup(
    'if (write !== "all" && write.length === 0) return "nothing may be written here, and borg writes";',
    "",
  ),
  backup("args.length > 2 ||", ""),
  table('if (!directory.startsWith("/")) continue;', ""),
  table("(!isPath || path === typed) && isFile(path)", "isFile(path)"),
  table("judged.writes ? writable(word, places.write, home) : []", "writable(word, places.write, home)"),
  plan(
    "limited-shell/decide.ts",
    "policy.allowSpawnOptions && granted === undefined",
    "policy.allowSpawnOptions",
  ),
  plan("limited-shell/decide.ts", "argv = [path, ...(granted?.args ?? args)]", "argv = [path, ...args]"),
  plan("enter/limited/granted.ts", "allowSpawnOptions: false, read, write", "read, write"),
  plan("enter/limited/granted.ts", "allowSpawnOptions: false, read, write", "allowSpawnOptions: false, read"),
  plan(
    "enter/limited/granted.ts",
    "allowSpawnOptions: false, read, write",
    "allowSpawnOptions: false, write",
  ),
  plan("config/allow-value.ts", "if (!isName(item)) {\n", "if (false as boolean) {\n"),
];

import type { Mutant } from "./mutant.ts";
