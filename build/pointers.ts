/**
 * Looks for pointers that are passed to native code without a note that says why that is safe: a comment with `SAFETY:`
 * in the three lines above, or in the doc comment of the function that made the pointer.
 */

interface Native {
  /** The functions of native libraries, and which of their arguments are pointers. */
  readonly pointers: ReadonlyMap<string, readonly number[]>;
  /** Functions that return a pointer which their SAFETY note covers. */
  readonly covered: ReadonlySet<string>;
}

/** Which items of a list end like that. */
const pointerIndexes = (list: string, end: string): number[] =>
  list.split(",").flatMap((item, index) => (item.trim().endsWith(end) ? index : []));

/** Reads the tables of dlopen() and of ffi/kernel.ts, and the functions with a SAFETY note in their doc comments. */
export function readNative(texts: Iterable<string>): Native {
  const pointers = new Map<string, number[]>();
  const covered = new Set<string>();
  for (const text of texts) {
    for (const [, name = "", list = ""] of text.matchAll(/^ +(\w+): \{ args: \[([^\]]*)\], returns:/gm)) {
      pointers.set(name, pointerIndexes(list, "pointer"));
    }
    for (const [, name = "", list = ""] of text.matchAll(/^ +(\w+): \(([^)]*)\) =>\s+call\(/gm))
      pointers.set(name, pointerIndexes(list, ": Memory"));
    for (const [, doc = "", name = ""] of text.matchAll(
      /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n(?:export )?function (\w+)/g,
    ))
      if (doc.includes("SAFETY:")) covered.add(name);
  }
  return { pointers, covered };
}

/** The arguments of the call whose parenthesis opens at `open`. */
function argumentsAt(text: string, open: number): string[] {
  const found: string[] = [];
  let depth = 0;
  let start = open + 1;
  for (let at = open; at < text.length; at++) {
    const character = text.charAt(at);
    if ("([{".includes(character)) depth++;
    else if (")]}".includes(character)) depth--;
    if (depth === 0 || (depth === 1 && character === ",")) {
      found.push(text.slice(start, at).trim());
      start = at + 1;
    }
    if (depth === 0) break;
  }
  return found;
}

/** Whether a SAFETY note is in the three lines above the statement at `at`, or at its beginning. */
function hasNote(text: string, at: number): boolean {
  const lines = text.slice(0, at).split("\n");
  let first = lines.length - 1;
  // Up to the beginning of a statement of several lines.
  while (first > 0 && !/(?:[;{}]|\*\/|=>|^)$|^\s*\/\//.test((lines[first - 1] ?? "").trim())) first--;
  return lines.slice(Math.max(0, first - 3), first).some((line) => line.includes("SAFETY:"));
}

const CALL = /\b(?:libc|base)(?:\.(\w+)|\[\w+\])\(|\b(syscall)\(|\b(addressOf|ptr|toBuffer|read\.[iu]\d+)\(/g;

/** Where a text passes a pointer without a note: lines, from 1. */
export function unnotedPointers(text: string, { pointers, covered }: Native): number[] {
  let code = text.replace(/^import [^;]*;$/gm, (lines) => lines.replace(/[^\n]/g, " "));
  for (const [, names = ""] of code.matchAll(/\{ ([\w,: ]+) \} = libc;/g)) {
    for (const item of names.split(", ")) {
      const [name = "", alias = name] = item.split(": ");
      code = code.replace(new RegExp(`(?<![.\\w])${alias}\\(`, "g"), `libc.${name}(`);
    }
  }
  const isCovered = (word: string) => word === "null" || covered.has(/^(\w+)\(/.exec(word)?.[1] ?? "");
  // What a covered function returned, as an argument of a call.
  const direct = new Set<number>();
  const found: number[] = [];
  for (const match of code.matchAll(CALL)) {
    const at = match.index;
    const open = at + match[0].length - 1;
    if (match[3] !== undefined) {
      if (!direct.has(at) && !/function $/.test(code.slice(0, at)) && !hasNote(code, at)) found.push(at);
      continue;
    }
    for (const nested of code
      .slice(open, open + argumentsAt(code, open).join(", ").length + 2)
      .matchAll(CALL)) {
      if (nested[3] === "addressOf") direct.add(open + nested.index);
    }
    const words = argumentsAt(code, open);
    const name = match[1] ?? match[2];
    const given = name === undefined ? words.map((_, index) => index) : (pointers.get(name) ?? []);
    if (!given.every((index) => isCovered(words[index] ?? "null")) && !hasNote(code, at)) found.push(at);
  }
  return found.map((at) => code.slice(0, at).split("\n").length);
}
