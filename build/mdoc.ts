import { RULES, SUBJECTS } from "../src/check/rules.ts";
import type { HelpSource } from "../src/cli/help.ts";
import type { KeyDescription } from "../src/config/values.ts";
import type { Program, ProgramEnvironment } from "../src/known-programs/program.ts";
import { FINDING_KINDS } from "../src/status/kinds.ts";
import { readSynopsis, type SynopsisPart, shownOptions } from "./documented.ts";

// Parts of manual pages in mdoc(7), made from the tables of --help.

/** Escapes text for roff: backslashes, the dashes of options, and a line that would be a request. */
export function escapeText(text: string): string {
  const escaped = text
    .replaceAll("\\", "\\e")
    .replace(/(^|[\s([='"/,])(-[\w-]*)/g, (_, before: string, word: string) => {
      return before + word.replaceAll("-", "\\-");
    });
  return /^[.']/.test(escaped) ? `\\&${escaped}` : escaped;
}

/** Escapes a word of a macro's line, which could be a macro or punctuation. */
function argument(word: string): string {
  const text = word.replaceAll("\\", "\\e").replaceAll("-", "\\-");
  return /^(?:[A-Z][a-z]|[.,:;()[\]?!|])$/.test(text) ? `\\&${text}` : text;
}

const REFERENCE = /(^|[\s(])([a-z_][\w.+-]*)\((\d)\)([.,;:)]*)(?=\s|$)/;

function sentenceLines(text: string): string[] {
  const found = REFERENCE.exec(text);
  if (found === null) return text === "" ? [] : [escapeText(text)];
  const [whole, before = "", name = "", section = "", after = ""] = found;
  const start = text.slice(0, found.index).trimEnd();
  // The macro puts separate brackets and points next to the name.
  const points = [...after].map((point) => ` ${point}`).join("");
  return [
    ...(start === "" ? [] : [escapeText(start)]),
    `.Xr ${before === "(" ? "( " : ""}${name} ${section}${points}`,
    ...sentenceLines(text.slice(found.index + whole.length).trimStart()),
  ];
}

/** Sentences, each on its own line as mdoc(7) requires, with references to manual pages as links. */
export const prose = (text: string) => text.split(/(?<=[.!?]) (?=["'A-Z])/).flatMap(sentenceLines);

/** A phrase of a table as a sentence. */
export function sentence(phrase: string): string {
  // Names of programs and files, and explained values, stay unchanged.
  const start = /^[a-z]+(?=[ ,;]|$)/.test(phrase) ? phrase.charAt(0).toUpperCase() + phrase.slice(1) : phrase;
  return /[.!?]$/.test(start) ? start : `${start}.`;
}

/** The lines of a synopsis, as in the table. */
export function synopsis(help: HelpSource): string {
  const [program = "", ...command] = help.name.split(" ");
  const lines = help.synopsis.flatMap((line) => [
    `.Nm ${program}`,
    ...command.map((word) => `.Cm ${word}`),
    ...group(readSynopsis(line)).map((macro) => `.${macro}`),
  ]);
  return lines.join("\n");
}

/** Macros for the parts: an option with its value, an operand, and a group in brackets are one line each. */
function group(parts: readonly SynopsisPart[]): string[] {
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.length - 1;
    if (typeof part !== "string") {
      lines.push(`Op ${group(part).join(" ")}`);
    } else if (part === "..." || part === "|") lines[last] = `${lines[last]} ${part}`;
    else if (part === "(") lines.push("Po");
    else if (part === ")") lines.push("Pc");
    else if (part === "--") lines.push("Fl -");
    else if (part.startsWith("-")) lines.push(`Fl ${argument(part.slice(1))}`);
    else if (!/^[A-Z]/.test(part)) lines.push(`Cm ${part}`);
    else if (/^Fl \S+$/.test(lines[last] ?? "")) lines[last] = `${lines[last]} Ar ${argument(part)}`;
    else lines.push(`Ar ${argument(part)}`);
  }
  return lines;
}

const list = (items: readonly string[]) => [".Bl -tag -width Ds", ...items, ".El"].join("\n");

/** The options with their descriptions. */
export function optionList(help: HelpSource): string {
  const items = shownOptions(help.options).flatMap(({ names, value, optional, description }) => {
    const flags = names.map((name) => `Fl ${argument(name.slice(1))}`).join(" , ");
    // A word that is typed as it is, or a value.
    const kind = /^[a-z]+$/.test(value ?? "") ? "Cm" : "Ar";
    const joined = optional
      ? ` Ns Op = Ns ${kind} ${argument(value ?? "")}`
      : ` Ns = Ns Ar ${argument(value ?? "")}`;
    const tail = value === undefined ? "" : joined;
    return [`.It ${flags}${tail}`, ...prose(sentence(description))];
  });
  return list(items);
}

/** The exit statuses with their meaning, and with the checks that end in them. */
export function exitStatusList(
  help: HelpSource,
  checks: readonly { name: string; exitStatus: number }[] = [],
): string {
  return list(
    Object.entries(help.exitStatus).flatMap(([status, text]) => {
      const names = checks.filter(({ exitStatus }) => String(exitStatus) === status).map(({ name }) => name);
      const label = names.length === 1 ? "Check" : "Checks";
      return [
        `.It ${status}`,
        ...prose(sentence(text)),
        ...(names.length === 0 ? [] : [`${label}: ${escapeText(names.join(", "))}.`]),
      ];
    }),
  );
}

/** The notes of the help, one paragraph each; a single line with colons is displayed. */
export function notes(help: HelpSource): string {
  const paragraphs = (help.notes ?? "").split(/\n\n/);
  return paragraphs
    .map((text) =>
      /^\S+:\S+:\S+: /.test(text) ? `.Bd -literal -offset indent\n${text}\n.Ed` : prose(text).join("\n"),
    )
    .join("\n.Pp\n")
    .replaceAll(".Pp\n.Bd", ".Bd");
}

const KINDS: Readonly<Record<Exclude<KeyDescription["kind"], "choice">, string>> = {
  list: "list",
  pairs: "list of NAME=VALUE",
  text: "text",
  flag: "0 or 1",
  yesno: "yes or no",
  octal: "octal number",
  integer: "number",
  decimal: "number, also a fraction,",
  execute: "any, or a list with system",
  allow: "list of words",
  paths: "all, none, or a list of paths",
  ports: "all, none, or a list of ports",
  limits: "list of NAME NUMBER",
  line: "command line",
  lines: "lines",
};

function kindOf(key: KeyDescription): string {
  const { kind, minimum, maximum, initial } = key;
  if (kind === "choice") {
    const choices = Object.entries(key.choices ?? {});
    const usual = choices.find(([, value]) => value === initial)?.[0];
    const words = choices.map(([word]) => word).join(" or ");
    return usual === undefined ? words : `${words}; default ${usual}`;
  }
  const bounds = minimum === undefined || maximum === undefined ? "" : ` from ${minimum} to ${maximum}`;
  const otherwise = initial === undefined ? "" : `; default ${initial}`;
  return `${KINDS[kind]}${bounds}${otherwise}`;
}

/** The keys of a config file: the kind of value, and the purpose. */
export function keyList(keys: Readonly<Record<string, KeyDescription>>): string {
  return list(
    Object.entries(keys).flatMap(([name, key]) => [
      `.It Ic ${argument(name)}${key.family === undefined ? "" : ` Ar ${key.family}`} Pq ${kindOf(key).replaceAll("-", "\\-")}`,
      // The possible values come first.
      ...prose(key.kind === "choice" && /^\w+,/.test(key.help) ? `${key.help}.` : sentence(key.help)),
    ]),
  );
}

function environmentText({ set = {}, gitConfig = [] }: ProgramEnvironment): string[] {
  const entries = Object.entries(set);
  const without = entries.flatMap(([name, value]) => (value === undefined ? name : []));
  const given = entries.flatMap(([name, value]) => (value === undefined ? [] : `${name}=${value}`));
  const say = (start: string, words: readonly string[]) =>
    words.length === 0 ? [] : prose(`${start} ${words.join(", ")}.`);
  return [
    ...say("It never gets", without),
    ...say("It gets", given),
    ...say(
      "For it git-config(1) has",
      gitConfig.map((pair) => pair.join("=")),
    ),
  ];
}

/** The server programs that the limited shell knows: command lines, environment, and what they may still start. */
export function programList(programs: readonly Program[]): string {
  const entry = ({ names, forms, versions, inputs, environment = {}, starts = [], open = [] }: Program) => {
    const lines = [...forms, ...versions.map((word) => `${names[0]} ${word}`)];
    const self =
      starts === "system" || starts.length === 0 ? "no program" : `only itself and ${starts.join(", ")}`;
    return [
      `.It Sy ${names.map(argument).join(" , ")}`,
      ...lines.map((form) => `.Dl ${escapeText(form)}`),
      ...prose(inputs),
      ...environmentText(environment),
      ...(starts === "system" ? [] : prose(`The kernel lets it execute ${self}.`)),
      ...open.flatMap(({ what, advice }) => prose(`Otherwise ${names[0]} starts ${what}: ${advice}.`)),
    ];
  };
  return list(programs.flatMap(entry));
}

/** The words of the key `allow`. */
export function wordList(words: Readonly<Record<string, { readonly help: string }>>): string {
  return list(
    Object.entries(words).flatMap(([name, { help }]) => [`.It Cm ${argument(name)}`, ...prose(help)]),
  );
}

/** The rules of jk_check by subject: their names, levels and what they report. */
export function ruleList(): string {
  const rules = SUBJECTS.flatMap((wanted) =>
    Object.entries(RULES).filter(([, { subject }]) => subject === wanted),
  );
  return list(
    rules.flatMap(([name, { level, summary }]) => [
      `.It Cm ${argument(name)} Pq ${level}`,
      ...prose(sentence(summary)),
    ]),
  );
}

/** The kinds of findings of `jailkit status`, and what each means. */
export function kindList(): string {
  return list(
    Object.entries(FINDING_KINDS).flatMap(([kind, what]) => [
      `.It Cm ${argument(kind)}`,
      ...prose(sentence(what)),
    ]),
  );
}

/** A list of pages with their subjects. */
export function pageList(
  pages: readonly { name: string; section: number | string; summary: string }[],
): string {
  return list(
    pages.flatMap(({ name, section, summary }) => [`.It Xr ${name} ${section}`, ...prose(sentence(summary))]),
  );
}
