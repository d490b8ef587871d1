import type { ByteString } from "../../ffi/bytes.ts";
import type { Budget } from "./budget.ts";
import type { MarkedText } from "./fields.ts";

/**
 * One element of a pattern: a byte, `?`, `*`, or a bracket expression as a table of the 256 bytes. Patterns for commands
 * also have runs that end before a slash, and branches.
 */
export type Token = number | "any" | "star" | "segment" | Uint8Array | Branch;

/** The pattern goes on at each of these elements. */
export interface Branch {
  to: number[];
}

const isRun = (token: Token | undefined) => token === "star" || token === "segment";

const SLASH = 0x2f;

const CLASSES: ReadonlyMap<string, RegExp> = new Map(
  Object.entries({
    alnum: /[A-Za-z0-9]/,
    alpha: /[A-Za-z]/,
    blank: /[ \t]/,
    cntrl: /[\x00-\x1f\x7f]/,
    digit: /[0-9]/,
    graph: /[!-~]/,
    lower: /[a-z]/,
    print: /[ -~]/,
    punct: /[!-/:-@[-`{-~]/,
    space: /[ \t\n\v\f\r]/,
    upper: /[A-Z]/,
    xdigit: /[0-9A-Fa-f]/,
  }),
);

/**
 * Compiles a pattern as in sh(1), "Pattern Matching Notation", bytes in the C locale. Quoted bytes are literal; an
 * unquoted backslash, which only an expansion can produce, quotes the next byte. Brackets cost steps: an unclosed one is
 * read to the end of the pattern, and there may be many.
 */
export function compilePattern(pattern: MarkedText, budget: Budget): Token[] {
  const { text, marks } = pattern;
  const tokens: Token[] = [];
  for (let at = 0; at < text.length; at++) {
    const byte = marks[at] === "u" ? text.charAt(at) : "";
    if (byte === "*") {
      if (tokens.at(-1) !== "star") tokens.push("star");
    } else if (byte === "?") tokens.push("any");
    else if (byte === "[") {
      const bracket = compileBracket(pattern, at + 1, budget);
      tokens.push(bracket?.table ?? 0x5b);
      if (bracket !== undefined) at = bracket.end;
    } else {
      if (byte === "\\" && at + 1 < text.length) at++;
      tokens.push(text.charCodeAt(at));
    }
  }
  return tokens;
}

/** True if an element of the pattern is not just a byte. */
export function isMagic(tokens: readonly Token[]): boolean {
  return tokens.some((token) => typeof token !== "number");
}

/** The bracket expression after the `[` before `start`; `end` is the index of its `]`. Undefined if none closes it. */
export function compileBracket(
  pattern: MarkedText,
  start: number,
  budget: Budget,
): { table: Uint8Array; end: number } | undefined {
  const table = new Uint8Array(256);
  let at = start;
  const first = unquotedByte(pattern, at);
  const negated = first === "!" || first === "^";
  if (negated) at++;
  const firstMember = at;
  for (;;) {
    budget.spend("steps", 1);
    if (at > firstMember && unquotedByte(pattern, at) === "]") break;
    const next = addClass(table, pattern, at, budget) ?? addRange(table, pattern, at, budget);
    if (next === undefined) return undefined;
    at = next;
  }
  if (negated) for (let code = 0; code < 256; code++) table[code] = table[code] === 1 ? 0 : 1;
  return { table, end: at };
}

function unquotedByte({ text, marks }: MarkedText, at: number): ByteString {
  return marks[at] === "u" ? text.charAt(at) : "";
}

/** Adds a class such as `[:alpha:]`; returns the index after it, undefined if there is none at `at`. */
function addClass(table: Uint8Array, pattern: MarkedText, at: number, budget: Budget): number | undefined {
  if (unquotedByte(pattern, at) !== "[") return undefined;
  const found = /^\[:(.*?):\]/.exec(pattern.text.slice(at, at + 40));
  if (found === null) return undefined;
  const members = CLASSES.get(found[1] ?? "");
  budget.spend("steps", 256);
  for (let code = 0; code < 256; code++) if (members?.test(String.fromCharCode(code))) table[code] = 1;
  return at + found[0].length;
}

/** Adds a byte or a range such as `a-z`; returns the index after it, undefined if the pattern ends first. */
function addRange(table: Uint8Array, pattern: MarkedText, at: number, budget: Budget): number | undefined {
  const low = bracketByte(pattern, at);
  if (low === undefined) return undefined;
  let last = low;
  const { next } = low;
  const isRange = unquotedByte(pattern, next) === "-" && next + 1 < pattern.text.length;
  if (isRange && unquotedByte(pattern, next + 1) !== "]") {
    const high = bracketByte(pattern, next + 1);
    if (high === undefined) return undefined;
    last = high;
    budget.spend("steps", 256);
  }
  for (let code = low.code; code <= last.code; code++) table[code] = 1;
  return last.next;
}

/** One byte of a bracket expression, which may be written as `[.c.]`, `[=c=]` or with a backslash. */
function bracketByte(pattern: MarkedText, at: number): { code: number; next: number } | undefined {
  const { text, marks } = pattern;
  const unquoted = marks[at] === "u";
  const named = unquoted && text[at] === "[" ? /^\[([.=])(.)\1\]/s.exec(text.slice(at, at + 5)) : null;
  if (named?.[2] !== undefined) return { code: named[2].charCodeAt(0), next: at + 5 };
  const from = unquoted && text[at] === "\\" ? at + 1 : at;
  if (from >= text.length) return undefined;
  return { code: text.charCodeAt(from), next: from + 1 };
}

/** Whether an element other than a run matches a byte. */
function matchesByte(token: Token | undefined, code: number): boolean {
  if (typeof token === "number") return token === code;
  return token === "any" || (token instanceof Uint8Array && token[code] === 1);
}

/**
 * The end of the shortest or the longest beginning of `text` that the pattern matches; -1 if none does. All
 * ways of matching are followed at once, so that the cost is at most the product of both lengths: a matcher that
 * tries one star after the other takes time exponential in the number of stars. No wildcard, not even an empty run,
 * takes part in matching the first `literal` bytes.
 */
export function matchEnd(
  tokens: readonly Token[],
  text: ByteString,
  want: "shortest" | "longest",
  budget: Budget,
  literal = 0,
): number {
  const seen = new Int32Array(tokens.length + 1).fill(-1);
  let states: number[] = [];
  let end = -1;
  const enter = (first: number, at: number, list: number[]) => {
    const waiting = [first];
    for (let state = waiting.pop(); state !== undefined; state = waiting.pop()) {
      if (seen[state] === at) continue;
      seen[state] = at;
      const token = tokens[state];
      if (typeof token === "object" && "to" in token) {
        budget.spend("steps", 1);
        for (const next of token.to) waiting.push(next);
        continue;
      }
      if (isRun(token) && at < literal) continue;
      list.push(state);
      if (state === tokens.length) end = at;
      if (isRun(token)) waiting.push(state + 1);
    }
  };
  enter(0, 0, states);
  for (let at = 0; at < text.length && states.length > 0; at++) {
    if (want === "shortest" && end >= 0) return end;
    budget.spend("steps", states.length);
    const code = text.charCodeAt(at);
    const following: number[] = [];
    for (const state of states) {
      const token = tokens[state];
      if (token === "star" || (token === "segment" && code !== SLASH)) enter(state, at + 1, following);
      else if (matchesByte(token, code) && (at >= literal || token === code)) {
        enter(state + 1, at + 1, following);
      }
    }
    states = following;
  }
  return end;
}

/** True if the pattern matches all of `text`; no wildcard matches its first `literal` bytes. */
export function matches(
  tokens: readonly Token[],
  text: ByteString,
  budget: Budget,
  literal?: number,
): boolean {
  return matchEnd(tokens, text, "longest", budget, literal) === text.length;
}
