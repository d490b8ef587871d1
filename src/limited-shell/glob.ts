import type { ByteString } from "../../ffi/bytes.ts";
import { PATH_MAX } from "../../ffi/constants.ts";
import type { Budget } from "./budget.ts";
import type { MarkedText } from "./fields.ts";
import type { FileView } from "./files.ts";
import { compilePattern, isMagic, matches, type Token } from "./pattern.ts";

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
    const follow = (base: ByteString): ByteString[] => {
      if (isMagic(tokens)) return matchesIn(base, tokens, files, budget);
      const whole = base + literal(tokens);
      // Before the first pattern nothing needs to be examined: the directory will be read.
      if (!matched) return [whole];
      budget.spend("entries", 1);
      return present(whole, files) ? [whole] : [];
    };
    const bases = paths.map((path) => path + slashes).filter((base) => base.length <= PATH_MAX);
    paths = bases.flatMap(follow);
    matched ||= isMagic(tokens);
  }
  return paths.length === 0 ? [field.text] : paths.sort();
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

/** The matching paths in the directory `base` ("" is the current one). */
function matchesIn(base: ByteString, tokens: Token[], files: FileView, budget: Budget): ByteString[] {
  budget.spend("entries", 1);
  const names = files.readDirectory(base === "" ? "." : base, budget.left("entries")) ?? [];
  budget.spend("entries", names.length);
  const visible = (name: ByteString) =>
    !name.startsWith(".") || (tokens[0] === 0x2e && name !== "." && name !== "..");
  return names.filter((name) => visible(name) && matches(tokens, name, budget)).map((name) => base + name);
}
