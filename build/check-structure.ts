/**
 * npm run check: checks the rules of build/rooms.ts and the SAFETY notes of pointers, and prints each breach; exit status
 * 1 if there is one. With --fix it writes the table of rooms in CONTRIBUTING.md. Biome finds import cycles.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { readNative, unnotedPointers } from "./pointers.ts";
import {
  ANY_CALL,
  CHANGES_A_JAIL,
  LIBC_WRITERS,
  LOGIN_TOOLS,
  MODULES,
  NOT_IN_A_TOOL,
  NOT_ON_A_LOGIN,
  OTHER_WRITERS,
  ROOMS,
  rankOf,
  STARTS_ENTER,
  WRITERS,
} from "./rooms.ts";

const root = join(import.meta.dir, "..");
const transpiler = new Bun.Transpiler({ loader: "ts" });
const problems: string[] = [];

interface Source {
  readonly text: string;
  /** Everything that it imports, types too. */
  readonly imports: readonly string[];
}

const sources = new Map<string, Source>();
for (const file of new Bun.Glob("{src,ffi,build,test}/**/*.ts").scanSync({ cwd: root })) {
  const text = readFileSync(join(root, file), "utf8");
  const types = [
    ...text.matchAll(/^(?:import|export|\}) (?:[^"\n=]* )?from "([^"]+)"|\bimport\("([^"]+)"\)/gm),
  ];
  const named = [
    ...types.map(([, name, type = ""]) => name ?? type),
    ...transpiler.scanImports(text).map(({ path }) => path),
  ];
  sources.set(file, { text, imports: [...new Set(named.map((name) => resolve(file, name)))] });
}

/** A relative import as a path from the root of the checkout; any other import unchanged. */
function resolve(file: string, name: string): string {
  // As package.json says.
  if (name.startsWith("#bundle/")) return `src/tools/${name.slice("#bundle/".length)}.ts`;
  return name.startsWith(".") ? relative(root, join(root, dirname(file), name)) : name;
}

/** The files that start others of src/tools/. */
const GATHERING = ["jailkit.ts", "jailkit-apply.ts", "logins.ts", "shared.ts"].map(
  (name) => `src/tools/${name}`,
);

function checkRank(file: string, target: string): void {
  if (!sources.has(target)) {
    if (/^(?:src|ffi)\//.test(file) && !MODULES.includes(target))
      problems.push(`${file}: imports ${target}, which is not in MODULES of build/rooms.ts`);
    return;
  }
  if (file.startsWith("ffi/")) {
    if (!target.startsWith("ffi/")) problems.push(`${file}: ffi/ imports ${target}`);
    return;
  }
  if (!file.startsWith("src/") || target.startsWith("ffi/")) return;
  const [from, to] = [rankOf(file), rankOf(target)];
  if (to < 0) problems.push(`${file}: ${target} is in no room of build/rooms.ts`);
  else if (target.startsWith("src/tools/") && !GATHERING.includes(file))
    problems.push(`${file}: imports ${target} from src/tools/`);
  else if (to < from) problems.push(`${file}: imports ${target} from a higher room of build/rooms.ts`);
}

/**
 * Reports refused modules that a file loads, itself or through other files; with `whenAsked`, also by import(). Imports of
 * types do not count: the compiler erases them.
 */
function checkLoads(
  refused: RegExp,
  whenAsked: boolean,
  file: string,
  chain: string[],
  seen: Set<string>,
): void {
  const source = sources.get(file);
  if (source === undefined || seen.has(file)) return;
  seen.add(file);
  const here = [...chain, file];
  for (const { path, kind } of transpiler.scanImports(source.text)) {
    // A login may load help when it is asked for. src/enter/ itself loads none of the refused modules even then.
    if (kind === "dynamic-import" && !whenAsked && !(file.startsWith("src/enter/") && refused.test(path)))
      continue;
    if (refused.test(path)) problems.push(`${here.join(" > ")}: loads ${path}`);
    checkLoads(refused, whenAsked, resolve(file, path), here, seen);
  }
}

/** The exports of ffi/ that change a file system, by calls of libc, or through each other. */
function writers(): string[] {
  const start = /^(?=(?:export |async )*(?:class|const|function\*?) \w)/m;
  const bodies = [...sources].flatMap(([file, { text }]) =>
    file.startsWith("ffi/") ? text.split(start) : [],
  );
  const named = bodies.map((body) => ({
    body,
    name: /^.*?(?:class|const|function\*?) (\w+)/.exec(body)?.[1],
  }));
  const found = new Set(WRITERS);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    const calls = new RegExp(`\\b(?:${[...found].join("|")})\\(`);
    for (const { body, name } of named)
      if (name !== undefined && (body.search(LIBC_WRITERS) >= 0 || calls.test(body))) found.add(name);
  }
  const exported = named.flatMap(({ body, name }) => (body.startsWith("export") ? name : []));
  return [...found].filter((name) => WRITERS.includes(name) || exported.includes(name));
}

/** Reports a file that changes a file system and may not, or may and does not. */
function checkWriters(file: string, { text }: Source, names: readonly string[]): void {
  if (!file.startsWith("src/") || file.startsWith("src/jail/fs/")) return;
  const wrapped = names.filter((name) => new RegExp(`\\b${name}\\b`).test(text));
  // `const { unlinkat } = libc` as calls of it.
  const taken = [...text.matchAll(/\{([^{}]*)\} = libc;/g)].map(([, names = ""]) =>
    names.replace(/\w+/g, "libc.$&"),
  );
  const calls = `${text}\n${taken.join("\n")}`;
  const used = [...wrapped, ...(calls.match(LIBC_WRITERS) ?? []), ...(text.match(ANY_CALL) ?? [])];
  const allowed = OTHER_WRITERS[file] !== undefined;
  if (used.length > 0 && !allowed)
    problems.push(`${file}: uses ${used.join(", ")}, which only src/jail/fs/ does`);
  if (used.length === 0 && allowed) problems.push(`build/rooms.ts: ${file} changes no file system`);
}

/** Reports pointers that are passed to native code without a SAFETY note. */
function checkPointers(): void {
  const files = [...sources].filter(([file]) => /^(?:ffi|src)\//.test(file));
  const native = readNative(files.map(([, { text }]) => text));
  for (const [file, { text }] of files)
    for (const line of unnotedPointers(text, native))
      problems.push(`${file}:${line}: passes a pointer without a SAFETY note (see ffi/libc.ts)`);
}

function checkReadmes(): void {
  const folders = new Set([...sources.keys()].filter((file) => file.startsWith("src/")).map(dirname));
  for (const folder of Object.keys(ROOMS)) {
    if (!folders.has(`src/${folder}`)) problems.push(`build/rooms.ts: src/${folder}/ is missing`);
    const path = join(root, "src", folder, "README.md");
    const readme = existsSync(path) ? readFileSync(path, "utf8") : "";
    if (readme === "") problems.push(`src/${folder}/README.md: is missing`);
    for (const part of folders)
      if (ROOMS[part.slice(4)] === undefined && dirname(part) === `src/${folder}`)
        if (!readme.includes(`${basename(part)}/\``))
          problems.push(`src/${folder}/README.md: does not name ${basename(part)}/`);
  }
}

/** Compares the table of rooms in CONTRIBUTING.md, between two comments; with --fix, writes it. */
function checkTable(): void {
  const path = join(root, "CONTRIBUTING.md");
  const text = readFileSync(path, "utf8");
  const rows = Object.entries(ROOMS).map(([folder, about]) => `| \`src/${folder}/\` | ${about} |`);
  const table = ["| room | what is in it |", "|---|---|", ...rows].join("\n");
  const wanted = text.replace(/(?<=<!-- rooms -->\n)[\s\S]*?(?=<!-- end of rooms -->)/, `${table}\n`);
  if (!text.includes(table) && text === wanted)
    problems.push("CONTRIBUTING.md: has no comments for the table of rooms");
  if (text === wanted) return;
  if (process.argv.includes("--fix")) writeFileSync(path, wanted);
  else problems.push("CONTRIBUTING.md: the table of rooms differs from build/rooms.ts; run: npm run fix");
}

/** Each file of src/ is in a room, and each of src/enter/ is on the path of a login. */
function checkPlaces(): void {
  const loaded = new Set<string>();
  for (const file of STARTS_ENTER) checkLoads(/^$/, true, file, [], loaded);
  for (const file of sources.keys()) {
    if (file.startsWith("src/") && rankOf(file) < 0)
      problems.push(`${file}: is in no room of build/rooms.ts`);
    if (file.startsWith("src/enter/") && !loaded.has(file))
      problems.push(`${file}: is not on the path of a login`);
  }
}

const writerNames = writers();
for (const [file, source] of sources) {
  for (const target of source.imports) checkRank(file, target);
  if (/\bimport\("[^"]+"\)\.[A-Z]/.test(source.text))
    problems.push(`${file}: names a type by import("..."), where Biome does not see a cycle`);
  checkWriters(file, source, writerNames);
}
const enter = [...sources.keys()].filter((file) => file.startsWith("src/enter/"));
for (const file of [...LOGIN_TOOLS, ...enter]) checkLoads(NOT_ON_A_LOGIN, false, file, [], new Set());
for (const file of LOGIN_TOOLS) checkLoads(CHANGES_A_JAIL, false, file, [], new Set());
for (const file of sources.keys())
  if (file.startsWith("src/tools/")) checkLoads(NOT_IN_A_TOOL, true, file, [], new Set());
checkPlaces();
checkPointers();
checkReadmes();
checkTable();

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`structure: ${sources.size} files keep the rules`);
