import { join } from "node:path";
import { type Documented, documentedTools } from "../../build/documented.ts";
import { tool as installTools } from "../../build/install.ts";
import { UsageError } from "../../src/cli/error.ts";
import { getopt } from "../../src/cli/getopt.ts";
import { longName } from "../../src/cli/options.ts";
import { CONFIG_KINDS } from "../../src/config/schemas/catalogue.ts";
import { checkout } from "../machine/helper.ts";
import { mdocText, readDocument } from "./blocks.ts";

/** Something in a line of text that is shown as it is typed. */
export interface Span {
  readonly document: string;
  readonly text: string;
}

/** Words in single quotes, as messages and comments show what is typed. */
export function quotedSpans(document: string, text: string): Span[] {
  return [...text.matchAll(/(?<!\w)'([^'\n]+(?:\n[^'\n]+)?)'/g)].map(([, span = ""]) => ({
    document,
    text: span.replace(/\s+/g, " "),
  }));
}

/**
 * The code spans of Markdown outside of blocks, the quoted literals (.Ql) and options (.Fl) of mdoc(7), and the quoted
 * words in the comments of ini files.
 */
export function spansOf(document: string, source = readDocument(document)): Span[] {
  if (/\.(?:ini|example)$/.test(document)) return quotedSpans(document, source.replace(/^# ?/gm, ""));
  if (document.endsWith(".md")) {
    const prose = source.replace(/^```[\s\S]*?^```$/gm, "").replace(/^(?: {4}.*\n)+/gm, "\n");
    return [...prose.matchAll(/(`+)([^`]+)\1/g)].map(([, , text = ""]) => ({
      document,
      text: text.replace(/\s+/g, " "),
    }));
  }
  const options = [...source.matchAll(/\bFl (\S+)/g)].map(([, name]) => ({ document, text: `-${name}` }));
  const quoted = source.split("\n").flatMap((line) => {
    const [, words] = /^\.(?:\w\w )*?Ql (.*)$/.exec(line) ?? [];
    if (words === undefined) return [];
    // Separate delimiters at the end are not part of it.
    const text = mdocText(words.replace(/(?: [.,;:)])+$/, ""));
    return text.split(" , ").map((one) => ({ document, text: one }));
  });
  return [...quoted, ...options];
}

// Text about other programs: their options, and lines of files that are not ours.
const FOREIGN: readonly RegExp[] = [
  /^(?:--pty|--rsh|-O)$/,
  // What 2.23 took for a key.
  /^(?:e = PROGRAM|relax_home_group = 1)$/,
  // Of PAM: test/attack/user-manager.test.ts uses it.
  /^session \[success=1/,
];
const SYSTEM_PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** What is known of what can be typed: our programs, the scripts of npm, and the keys of our files. */
export interface Known {
  readonly tools: readonly Documented[];
  readonly scripts: readonly string[];
  readonly keys: ReadonlySet<string>;
  /** Those of them that have a name behind them. */
  readonly families: ReadonlySet<string>;
}

/** Collects it from the tables that the programs are made of. */
export async function known(): Promise<Known> {
  const { scripts } = (await Bun.file(join(checkout, "package.json")).json()) as { scripts: object };
  const keys = Object.values(CONFIG_KINDS).flatMap((kind) => Object.entries(kind.keys));
  return {
    tools: [...(await documentedTools()), { page: "install-tools", help: installTools, posix: false }],
    scripts: [...Object.keys(scripts), "ci"],
    keys: new Set(keys.map(([key]) => key)),
    families: new Set(keys.filter(([, { family }]) => family !== undefined).map(([key]) => key)),
  };
}

function faultOfTool(words: readonly string[], { tools }: Known): string | undefined {
  const [program = "", command = ""] = words;
  const isCommand = program === "jailkit" && /^[a-z]/.test(command);
  const tool = tools.find(({ page }) => page === (isCommand ? `jailkit-${command}` : program));
  if (tool === undefined) return "there is no such program or command";
  try {
    getopt(words.slice(isCommand ? 2 : 1), tool.help.options, tool.posix);
  } catch (error) {
    if (error instanceof UsageError) return error.message;
    throw error;
  }
  return undefined;
}

/** Whether a program is on this machine, where it would be looked for by root. */
const isThere = (program: string) => Bun.which(program, { PATH: SYSTEM_PATH }) !== null;

function isOurOption(word: string, { tools }: Known): boolean {
  const [name = ""] = word.split(/[= ]/);
  return tools.some(({ help }) =>
    Object.entries(help.options).some(
      ([key, spec]) => name === `--${longName(key, spec)}` || name === `-${spec.short}`,
    ),
  );
}

/**
 * Why a reader who types this gets nowhere; undefined where it is right, or nothing that is typed. Our own programs go
 * by their tables of options; npm by its scripts; lines of several words that begin with the name of another program must
 * be ones that a shell takes, with programs that are there; an option alone must be one of ours, and so must the key of a
 * `KEY = VALUE`.
 */
export function faultOf({ text }: Span, all: Known): string | undefined {
  if (FOREIGN.some((pattern) => pattern.test(text))) return undefined;
  const words = text.split(" ");
  const [first = ""] = words;
  if (/^(?:jailkit|jk_\w+)$/.test(first)) return faultOfTool(words, all);
  if (/^--?\w/.test(first))
    return isOurOption(text, all) ? undefined : "none of our programs has this option";
  const [, family = ""] = /^([a-z_]+) [\w.-]+(?: = .*)?$/.exec(text) ?? [];
  if (all.families.has(family)) return undefined;
  const [, key] = /^([a-z_]+) = /.exec(text) ?? [];
  if (key !== undefined) return all.keys.has(key) ? undefined : "no file of ours has this key";
  if (words.length < 2 || !/^[a-z][\w.-]*$/.test(first)) return undefined;
  if (first === "npm") {
    const script = words[1] === "run" ? words[2] : words[1];
    return all.scripts.includes(script ?? "") ? undefined : "package.json has no such script";
  }
  const commands = text.split(/ *(?:;|&&|\|) */);
  const missing = commands.map((one) => one.split(" ")[0] ?? "").find((program) => !isThere(program));
  if (missing !== undefined) return `there is no program ${missing}`;
  const { exitCode, stderr } = Bun.spawnSync(["bash", "-n", "-c", text]);
  return exitCode === 0 ? undefined : stderr.toString();
}
