/**
 * npm run completions: creates the completions of bash(1), zsh(1) and fish(1) in dist/share/, each at the path below the
 * prefix where the shell looks for it. They are static files, made from the tables of --help and from the templates in
 * build/completions/.
 */
import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { bashCompletions } from "./completion-bash.ts";
import { fishCompletions } from "./completion-fish.ts";
import { type Completed, completedTools } from "./completion-model.ts";
import { zshCompletions } from "./completion-zsh.ts";

const root = join(import.meta.dir, "..");

/** A template of build/completions/ with its words such as @REST@ replaced. */
function filled(name: string, values: Readonly<Record<string, string>>): string {
  const template = readFileSync(join(import.meta.dir, "completions", name), "utf8");
  return template.replace(/@([A-Z]+)@/g, (word, key: string) => values[key] ?? word);
}

/** Directories below share/ with nothing but completions. */
const PLACES = ["bash-completion", "zsh", "fish"];

/** A file of completions, or a symbolic link to one, by its path below share/. */
type CompletionFile = { path: string } & ({ text: string } | { linkTo: string });

/** All files of completions. bash and fish find a file by the name of the program, zsh by its first line. */
export function completionFiles(tools: readonly Completed[]): CompletionFile[] {
  const programs = tools.flatMap(({ words }) => (words.length === 1 ? [words[0]] : []));
  return [
    { path: "bash-completion/completions/jailkit", text: filled("jailkit.bash", bashCompletions(tools)) },
    ...programs.map((name) => ({ path: `bash-completion/completions/${name}`, linkTo: "jailkit" })),
    { path: "zsh/site-functions/_jailkit", text: filled("jailkit.zsh", zshCompletions(tools)) },
    ...[...programs, "jailkit"].map((name) => ({
      path: `fish/vendor_completions.d/${name}.fish`,
      text: filled("jailkit.fish", fishCompletions(tools, name)),
    })),
  ];
}

/** Writes the files below a directory, for share/. Returns their paths. */
export async function writeCompletions(directory: string): Promise<string[]> {
  for (const place of PLACES) rmSync(join(directory, place), { recursive: true, force: true });
  return completionFiles(await completedTools()).map((file) => {
    const path = join(directory, file.path);
    mkdirSync(dirname(path), { recursive: true });
    if ("text" in file) writeFileSync(path, file.text);
    else symlinkSync(file.linkTo, path);
    return path;
  });
}

if (import.meta.main) {
  const files = await writeCompletions(join(root, "dist/share"));
  console.log(`${files.length} files of completions in ${relative(process.cwd(), join(root, "dist/share"))}`);
}
