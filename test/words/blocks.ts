import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { checkout } from "../machine/helper.ts";

/** A block of a document that is shown as it is typed, written into a file, or printed. */
export interface Block {
  /** The document's path in the checkout. */
  readonly document: string;
  /** The number of its first line, from 1. */
  readonly line: number;
  /** Its lines, without indentation and as a reader sees them. */
  readonly text: string;
  /** Why it is not run, where a comment before it says so: `not run: REASON`. Empty where the reason is missing. */
  readonly notRun?: string;
}

/** The paths of README.md and of the documents in docs/: Markdown, and the sources of the manual pages. */
export function documents(): string[] {
  const below = (folder: string, pattern: RegExp) =>
    readdirSync(join(checkout, folder))
      .filter((name) => pattern.test(name))
      .map((name) => `${folder}/${name}`)
      .sort();
  return ["README.md", ...below("docs", /\.md$/), ...below("docs/man", /\.in$/)];
}

/** The default configuration files, by their paths. */
export function defaultFiles(): string[] {
  return readdirSync(join(checkout, "config"))
    .filter((name) => name.endsWith(".ini"))
    .map((name) => `config/${name}`);
}

/** The sections in a text, without the text between them. */
export function sectionsOf(text: string): string[] {
  return [...text.matchAll(/^\[.*\]\n(?:[a-z_]+ = .*(?:\n|$))+/gm)].map(([section]) => section.trim());
}

/** The text of a document. */
export const readDocument = (document: string) => readFileSync(join(checkout, document), "utf8");

/** All blocks of a document, in order. Throws where one does not end. */
export function blocksOf(document: string, text = readDocument(document)): Block[] {
  const lines = text.split("\n");
  return document.endsWith(".md") ? markdownBlocks(document, lines) : mdocBlocks(document, lines);
}

/** The comment before a line, with only empty lines between them. */
function markBefore(lines: readonly string[], index: number, comment: RegExp): { notRun?: string } {
  let before = index - 1;
  while (before >= 0 && lines[before]?.trim() === "") before--;
  const [, reason] = comment.exec(lines[before] ?? "") ?? [];
  return reason === undefined ? {} : { notRun: reason.trim() };
}

// CommonMark's fenced and indented code blocks; of the indented ones, those outside lists.
function markdownBlocks(document: string, lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  const add = (from: number, text: readonly string[], opening = from) =>
    blocks.push({
      document,
      line: from + 1,
      text: text.join("\n").trimEnd(),
      ...markBefore(lines, opening, /^<!-- not run:(.*)-->$/),
    });
  let inList = false;
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? "";
    if (/^(?:[-*]|\d+\.) /.test(line)) inList = true;
    else if (/^\S/.test(line)) inList = false;
    if (/^```/.test(line)) {
      const end = lines.indexOf("```", i + 1);
      if (end < 0) throw new Error(`${document}:${i + 1}: the block does not end`);
      add(i + 1, lines.slice(i + 1, end), i);
      i = end;
    } else if (/^ {4}\S/.test(line) && !inList && (lines[i - 1] ?? "").trim() === "") {
      let end = i;
      while (end < lines.length && /^(?: {4}|\s*$)/.test(lines[end] ?? "")) end++;
      add(
        i,
        lines.slice(i, end).map((one) => one.slice(4)),
      );
      i = end - 1;
    }
  }
  return blocks;
}

/** The text of an mdoc(7) line as a reader sees it. */
export function mdocText(line: string): string {
  const shown: Readonly<Record<string, string>> = { "\\e": "\\", "\\&": "", "\\-": "-" };
  return line.replace(/\\./g, (code) => {
    const text = shown[code];
    if (text === undefined) throw new Error(`what is ${code} in '${line}'?`);
    return text;
  });
}

function mdocBlocks(document: string, lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  const mark = (index: number) => markBefore(lines, index, /^\.\\" not run:(.*)$/);
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i] ?? "";
    if (line.startsWith(".Dl ")) {
      blocks.push({ document, line: i + 1, text: mdocText(line.slice(4)), ...mark(i) });
    } else if (line.startsWith(".Bd -literal")) {
      const end = lines.indexOf(".Ed", i + 1);
      if (end < 0) throw new Error(`${document}:${i + 1}: the block does not end`);
      const text = lines
        .slice(i + 1, end)
        .map(mdocText)
        .join("\n");
      blocks.push({ document, line: i + 2, text, ...mark(i) });
      i = end;
    }
  }
  return blocks;
}
