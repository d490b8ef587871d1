import type { ByteString } from "../../ffi/bytes.ts";
import type { Budget } from "./budget.ts";
import type { FileView } from "./file-view.ts";
import type { MarkedText } from "./marked.ts";
import { compilePattern, isMagic, matches, type Token } from "./pattern.ts";

// PATH_MAX
const LONGEST_PATH = 4096;

/**
 * Pathname expansion as in sh(1): the existing paths that the field matches, sorted by their bytes; the field itself if it
 * is not a pattern or matches nothing. Only a dot matches a leading dot, and no pattern matches "." and "..". Each
 * examined name counts as an entry of `budget`.
 */
export function expandPath(field: MarkedText, files: FileView, budget: Budget): ByteString[] {
  if (!mayBeMagic(field)) return [field.text];
  const pieces = splitPath(field, budget);
  if (!pieces.some((piece) => isMagic(piece.tokens))) return [field.text];

  let paths: ByteString[] = [""];
  let matched = false;
  for (const { slashes, tokens } of pieces) {
    const next: ByteString[] = [];
    for (const path of paths) {
      const base = path + slashes;
      if (base.length > LONGEST_PATH) continue;
      if (isMagic(tokens)) namesIn(base, tokens, files, budget, next);
      else {
        const whole = base + literal(tokens);
        // Before the first pattern nothing needs to be examined: the directory will be read.
        if (matched) budget.spend("entries", 1);
        if (!matched || present(whole, files)) next.push(whole);
      }
    }
    matched ||= isMagic(tokens);
    paths = next;
  }
  return paths.length === 0 ? [field.text] : paths.sort(byBytes);
}

function byBytes(a: ByteString, b: ByteString): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function mayBeMagic({ text, marks }: MarkedText): boolean {
  for (let at = 0; at < text.length; at++) {
    if (marks[at] === "u" && "*?[".includes(text.charAt(at))) return true;
  }
  return false;
}

/** The components of a path, each with the slashes before it; a trailing slash gives a last, empty one. */
function splitPath({ text, marks }: MarkedText, budget: Budget): { slashes: ByteString; tokens: Token[] }[] {
  const pieces: { slashes: ByteString; tokens: Token[] }[] = [];
  for (const found of text.matchAll(/(\/*)([^/]*)/g)) {
    const [all, slashes = "", name = ""] = found;
    if (all === "") continue;
    const start = found.index + slashes.length;
    const tokens = compilePattern({ text: name, marks: marks.slice(start, start + name.length) }, budget);
    pieces.push({ slashes, tokens });
  }
  return pieces;
}

function literal(tokens: readonly Token[]): ByteString {
  return tokens.map((token) => (typeof token === "number" ? String.fromCharCode(token) : "")).join("");
}

function present(path: ByteString, files: FileView): boolean {
  return path.endsWith("/") ? files.isDirectory(path) : files.exists(path);
}

/** Adds to `found` the matching paths in the directory `base` ("" is the current one). */
function namesIn(
  base: ByteString,
  tokens: Token[],
  files: FileView,
  budget: Budget,
  found: ByteString[],
): void {
  budget.spend("entries", 1);
  const names = files.readDirectory(base === "" ? "." : base, budget.left("entries")) ?? [];
  budget.spend("entries", names.length);
  for (const name of names) {
    if (name.startsWith(".") && (tokens[0] !== 0x2e || name === "." || name === "..")) continue;
    if (matches(tokens, name, budget)) found.push(base + name);
  }
}
