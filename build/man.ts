/**
 * npm run man: creates the manual pages in dist/share/man/ from docs/man/. The prose is written by hand; the parts of
 * --help (summary, synopsis, options, notes, exit statuses) and the keys of config files come from the tables of the
 * programs, and replace words such as @OPTIONS@.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { VERSION } from "../src/cli/version.ts";
import { CONFIG_KINDS } from "../src/config/schemas/catalogue.ts";
import { jailKeys, userKeys } from "../src/config/schemas/jails.ts";
import { CHECKS_OF } from "../src/explain/login-checks.ts";
import { ALLOW } from "../src/known-programs/allow/table.ts";
import { PROGRAMS } from "../src/known-programs/table.ts";
import { type Documented, documentedTools } from "./documented.ts";
import * as mdoc from "./mdoc.ts";

const root = join(import.meta.dir, "..");
const sources = join(root, "docs/man");

/** The date of the last review, for the footers. */
const DATE = "November 24, 2026";

/** A manual page as it is installed. */
export interface ManualPage {
  readonly name: string;
  readonly section: "5" | "7" | "8";
  /** Its subject, in a few words. */
  readonly summary: string;
  /** The page in mdoc(7). */
  readonly text: string;
}

type Source = Omit<ManualPage, "summary">;

function readSources(): Source[] {
  return readdirSync(sources)
    .sort()
    .map((file) => {
      const match = /^([\w.-]+)\.([578])\.in$/.exec(file);
      if (match?.[1] === undefined) throw new Error(`docs/man/${file}: not NAME.SECTION.in`);
      const text = readFileSync(join(sources, file), "utf8");
      return { name: match[1], section: match[2] as Source["section"], text };
    });
}

/** The values of placeholders. */
type Values = Readonly<Record<string, string>>;

/** The text of a page. Each value must be used exactly once, except "", which must not be used. */
function fill({ name: page, section, text }: Source, given: Values): string {
  const header = `.Dd ${DATE}\n.Dt ${page.toUpperCase()} ${section}\n.Os jailkit ${VERSION}`;
  const values: Values = { HEADER: header, ...given };
  const used = new Set<string>();
  const file = `docs/man/${page}.${section}.in`;
  const filled = text.replace(/@([A-Z]+)@/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined || value === "") throw new Error(`${file}: @${name}@ has no value`);
    if (used.has(name)) throw new Error(`${file}: @${name}@ is there twice`);
    used.add(name);
    return value;
  });
  const missing = Object.keys(values).find((name) => values[name] !== "" && !used.has(name));
  if (missing !== undefined) throw new Error(`${file}: @${missing}@ is missing`);
  return filled;
}

/** A page with its own summary. */
function ownPage(source: Source, values: Values): ManualPage {
  const summary = /^\.Nd (.+)$/m.exec(source.text)?.[1];
  if (summary === undefined) throw new Error(`docs/man/${source.name}.${source.section}.in: no .Nd`);
  return { ...source, summary, text: fill(source, values) };
}

function toolValues(name: string, { help }: Documented) {
  const options = Object.keys(help.options).length > 0;
  return {
    SUMMARY: help.summary,
    SYNOPSIS: mdoc.synopsis(help),
    OPTIONS: options ? mdoc.optionList(help) : "",
    NOTES: help.notes === undefined ? "" : mdoc.notes(help),
    EXIT: mdoc.exitStatusList(help, CHECKS_OF[name]),
  };
}

function configPage(source: Source): ManualPage {
  const kind = CONFIG_KINDS.find(({ name }) => `${name}.ini` === source.name);
  if (kind === undefined) throw new Error(`docs/man/${source.name}.5.in: there is no such config file`);
  const programs = kind.name === "jk_lsh" ? mdoc.programList(PROGRAMS) : "";
  const words = kind.name === "jk_lsh" ? mdoc.wordList(ALLOW) : "";
  // Its two kinds of sections have a list each.
  const keys: Values =
    kind.sections === "declaration"
      ? { JAILKEYS: mdoc.keyList(jailKeys), USERKEYS: mdoc.keyList(userKeys) }
      : { KEYS: mdoc.keyList(kind.keys) };
  return ownPage(source, { ...keys, PROGRAMS: programs, WORDS: words });
}

function toolPages(all: readonly Source[], tools: readonly Documented[]): ManualPage[] {
  const commands = tools
    .filter(({ page }) => page.startsWith("jailkit-"))
    .map(({ page, help }) => ({ name: page, section: "8", summary: help.summary }));
  return tools.map((tool) => {
    const source = all.find((one) => one.name === tool.page && one.section === "8");
    if (source === undefined) throw new Error(`docs/man/${tool.page}.8.in: is missing`);
    const values = toolValues(source.name, tool);
    const lists: Readonly<Record<string, Values>> = {
      jailkit: { COMMANDS: mdoc.pageList(commands) },
      "jailkit-status": { KINDS: mdoc.kindList() },
      jk_check: { RULES: mdoc.ruleList() },
    };
    return { ...source, summary: values.SUMMARY, text: fill(source, { ...values, ...lists[tool.page] }) };
  });
}

/** All pages, by name. A source without a program is left out. */
export async function manualPages(): Promise<ManualPage[]> {
  const tools = await documentedTools();
  const all = readSources();
  const files = all.filter(({ section }) => section === "5").map(configPage);
  const programs = toolPages(all, tools);
  const lists = {
    PROGRAMS: mdoc.pageList(programs.filter(({ name }) => name !== "jailkit")),
    FILES: mdoc.pageList(files),
  };
  const overviews = all.filter(({ section }) => section === "7").map((source) => ownPage(source, lists));
  return [...programs, ...files, ...overviews].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Writes the pages below a directory, for share/man, and removes its former content. Returns their paths. */
export async function writeManualPages(directory: string): Promise<string[]> {
  rmSync(directory, { recursive: true, force: true });
  const written: string[] = [];
  for (const { name, section, text } of await manualPages()) {
    const folder = join(directory, `man${section}`);
    mkdirSync(folder, { recursive: true });
    const file = join(folder, `${name}.${section}`);
    writeFileSync(file, text);
    written.push(file);
  }
  return written;
}

if (import.meta.main) {
  const files = await writeManualPages(join(root, "dist/share/man"));
  console.log(`${files.length} manual pages in ${relative(process.cwd(), join(root, "dist/share/man"))}`);
}
