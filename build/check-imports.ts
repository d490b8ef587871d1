/**
 * Checks the import rule of CONTRIBUTING.md: a folder of src/ imports only from itself and from the folders below it
 * in the list, nothing imports src/tools/, and ffi/ imports nothing of ours; and on the path of a login there is
 * none of the modules that cost start-up time. Prints each breach; exit status 1 where there is one.
 */
import { dirname, join, relative } from "node:path";

const ORDER = [
  "tools",
  "inspect",
  "profile",
  "populate",
  "enter",
  "log-socket",
  "confine",
  "jail",
  "limited-shell",
  "config",
  "programs",
  "system",
  "cli",
];
const LOGIN = [
  "src/tools/jk_chrootsh.ts",
  "src/tools/jk_lsh.ts",
  "src/tools/jk_procmailwrapper.ts",
  "src/tools/jk_uchroot.ts",
];
const TOO_SLOW_FOR_A_LOGIN = /^(node:|fs$|path$|citty|zod|ini$)/;

const root = join(import.meta.dir, "..");
const transpiler = new Bun.Transpiler({ loader: "ts" });
const imports = new Map<string, string[]>();
const problems: string[] = [];

for await (const file of new Bun.Glob("{src,ffi}/**/*.ts").scan({ cwd: root })) {
  const text = await Bun.file(join(root, file)).text();
  // Types too: a rule about what may know of what does not end where the compiler erases it.
  const named = [...text.matchAll(/\bfrom\s+"([^"]+)"|\bimport\("([^"]+)"\)/g)].map(
    (m) => m[1] ?? m[2] ?? "",
  );
  imports.set(file, named);
  for (const target of named) check(file, target);
}

function folderOf(file: string): string {
  return file.startsWith("src/") ? (file.split("/")[1] ?? "") : (file.split("/")[0] ?? "");
}

function check(file: string, target: string): void {
  if (!target.startsWith(".")) return;
  const path = relative(root, join(root, dirname(file), target));
  const [from, to] = [folderOf(file), folderOf(path)];
  if (from === to && (from !== "tools" || file === "src/tools/jailkit.ts")) return;
  if (from === "ffi") problems.push(`${file}: ffi/ imports ${path}`);
  else if (to === "tools" && from !== "tools") problems.push(`${file}: imports ${path} from src/tools/`);
  else if (to === "tools") return;
  else if (to !== "ffi" && ORDER.indexOf(to) <= ORDER.indexOf(from)) {
    problems.push(`${file}: src/${from}/ stands below src/${to}/ and imports ${path}`);
  }
  if (to !== "ffi" && !ORDER.includes(to)) problems.push(`${file}: ${path} is in no known folder`);
}

function loginPath(entry: string): void {
  const seen = new Set<string>();
  const visit = async (file: string, chain: string[]): Promise<void> => {
    if (seen.has(file) || !imports.has(file)) return;
    seen.add(file);
    const text = await Bun.file(join(root, file)).text();
    // Only what is loaded with the file counts, not what it loads when asked.
    for (const { path, kind } of transpiler.scanImports(text)) {
      if (kind === "dynamic-import") continue;
      if (TOO_SLOW_FOR_A_LOGIN.test(path)) problems.push(`${[...chain, file].join(" > ")}: loads ${path}`);
      if (path.startsWith("."))
        await visit(relative(root, join(root, dirname(file), path)), [...chain, file]);
    }
  };
  pending.push(visit(entry, []));
}

const pending: Promise<void>[] = [];
for (const entry of LOGIN) loginPath(entry);
await Promise.all(pending);

for (const problem of problems) console.error(problem);
if (problems.length > 0) process.exit(1);
console.log(`imports: ${imports.size} files keep the rule`);
