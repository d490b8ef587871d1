import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { MAXIMUM_DEPTH } from "./budget.ts";
import { refuseControlBytes, WordError } from "./refusal.ts";

/** The operator after the name in `${NAME...}`; "length" is `${#NAME}`. */
export type Operator = "length" | "-" | ":-" | "=" | ":=" | "?" | ":?" | "+" | ":+" | "#" | "##" | "%" | "%%";

/** A piece of a word, not yet expanded. `quoted`: its result is neither split nor a pattern. */
export type Part =
  | { kind: "text"; text: ByteString; quoted: boolean }
  | { kind: "tilde"; user: ByteString }
  | { kind: "parameter"; name: ByteString; operator: Operator | undefined; word: Part[]; quoted: boolean }
  | { kind: "arithmetic"; expression: Part[]; quoted: boolean };

interface Cursor {
  readonly line: ByteString;
  at: number;
  depth: number;
}

const NAME = /[A-Za-z_][A-Za-z0-9_]*/y;
const OPERATOR = /:[-=?+]|[-=?+]|##?|%%?/y;
// wordexp(3): these must not appear unquoted.
const ILLEGAL = "|&;<>(){}";

/**
 * The words of a command line as wordexp(3) with WRDE_NOCMD reads them, as a tree that `expandWords` evaluates.
 * Nothing is expanded here, so that an unused word (`${SET:-...}`) has no effect. Throws a JailkitError with
 * exit status 6 for unquoted operators, command substitution anywhere, and syntax errors.
 */
export function parseWords(line: ByteString): Part[][] {
  refuseControlBytes(line);
  const cursor: Cursor = { line, at: 0, depth: 0 };
  const words: Part[][] = [];
  for (;;) {
    while (peek(cursor) === " " || peek(cursor) === "\t") cursor.at++;
    if (cursor.at >= line.length) return words;
    words.push(parseUnquoted(cursor, "command"));
  }
}

function peek(cursor: Cursor, ahead = 0): ByteString {
  return cursor.line.charAt(cursor.at + ahead);
}

function syntaxError(what: string) {
  return new WordError("syntax-error", `shell syntax error: ${what}`);
}

function commandSubstitution() {
  return new WordError("command-substitution", "command substitution not allowed");
}

/** Runs `parse` one level deeper. */
function nested<T>(cursor: Cursor, parse: () => T): T {
  if (++cursor.depth > MAXIMUM_DEPTH)
    throw new WordError("expansion-too-large", "the command nests too deeply");
  const result = parse();
  cursor.depth--;
  return result;
}

function addText(parts: Part[], text: ByteString, isQuoted: boolean): void {
  const last = parts.at(-1);
  if (last?.kind === "text" && last.quoted === isQuoted) last.text += text;
  else parts.push({ kind: "text", text, quoted: isQuoted });
}

/** Up to a blank ("command"), or up to the `}` that closes `${...}` ("brace": blanks and operators are text). */
function parseUnquoted(cursor: Cursor, where: "command" | "brace"): Part[] {
  const parts: Part[] = [];
  parseTilde(cursor, parts);
  while (!isAtEnd(cursor, where)) {
    const byte = peek(cursor);
    cursor.at++;
    if (byte === "'") parseSingle(cursor, parts);
    else if (byte === '"') addDouble(cursor, parts);
    else if (byte === "`") throw commandSubstitution();
    else if (byte === "$") parseDollar(cursor, parts, false);
    else if (byte === "\\") parseBackslash(cursor, parts);
    else addText(parts, byte, false);
  }
  return parts;
}

/** True at the end of the unquoted text. Throws if it must not end there, and at an operator. */
function isAtEnd(cursor: Cursor, where: "command" | "brace"): boolean {
  const byte = peek(cursor);
  if (where === "brace") {
    if (byte === "") throw syntaxError("'${' is not closed");
    return byte === "}";
  }
  if (byte === "" || byte === " " || byte === "\t") return true;
  if (!ILLEGAL.includes(byte)) return false;
  throw new WordError("illegal-word", `illegal word expansion: unquoted ${quoted(byte)}`);
}

function parseBackslash(cursor: Cursor, parts: Part[]): void {
  if (peek(cursor) === "") throw syntaxError("a backslash ends the command");
  addText(parts, peek(cursor), true);
  cursor.at++;
}

/** `~` and `~user`, only where a word begins and no byte of the name is quoted or expanded. */
function parseTilde(cursor: Cursor, parts: Part[]): void {
  if (peek(cursor) !== "~") return;
  const found = /^~([^/ \t'"\\$`|&;<>(){}]*)(?=[/ \t}]|$)/.exec(
    cursor.line.slice(cursor.at, cursor.at + 300),
  );
  if (found?.[1] === undefined) return;
  parts.push({ kind: "tilde", user: found[1] });
  cursor.at += found[0].length;
}

function parseSingle(cursor: Cursor, parts: Part[]): void {
  const end = cursor.line.indexOf("'", cursor.at);
  if (end < 0) throw syntaxError("a single quote is not closed");
  addText(parts, cursor.line.slice(cursor.at, end), true);
  cursor.at = end + 1;
}

function addDouble(cursor: Cursor, parts: Part[]): void {
  for (const part of nested(cursor, () => parseDouble(cursor, '"'))) parts.push(part);
}

/** The text in double quotes, or in `${...}` within them; the closing `end` is consumed. */
function parseDouble(cursor: Cursor, end: '"' | "}"): Part[] {
  // An empty quoted text keeps a word that would otherwise vanish.
  const parts: Part[] = [{ kind: "text", text: "", quoted: true }];
  for (;;) {
    const byte = peek(cursor);
    if (byte === "") throw syntaxError(end === "}" ? "'${' is not closed" : "a double quote is not closed");
    cursor.at++;
    if (byte === end) return parts;
    const next = peek(cursor);
    if (byte === "`") throw commandSubstitution();
    if (byte === '"') addDouble(cursor, parts);
    else if (byte === "$") parseDollar(cursor, parts, true);
    else if (byte === "\\" && next !== "" && ('$`"\\'.includes(next) || next === end)) {
      addText(parts, next, true);
      cursor.at++;
    } else addText(parts, byte, true);
  }
}

/** Parses the text after a `$`. */
function parseDollar(cursor: Cursor, parts: Part[], isQuoted: boolean): void {
  const byte = peek(cursor);
  if (byte === "(") {
    if (peek(cursor, 1) !== "(") throw commandSubstitution();
    cursor.at += 2;
    const expression = nested(cursor, () => parseArithmetic(cursor));
    parts.push({ kind: "arithmetic", expression, quoted: isQuoted });
  } else if (byte === "{") {
    cursor.at++;
    parts.push(nested(cursor, () => parseBraces(cursor, isQuoted)));
  } else {
    const name = take(cursor, NAME);
    if (name !== "") parts.push({ kind: "parameter", name, operator: undefined, word: [], quoted: isQuoted });
    else if (/[0-9@*#?$!-]/.test(byte)) {
      // wordexp(3) would show its own process here.
      throw new WordError("special-parameter", `the parameter ${quoted(`$${byte}`)} has no value here`);
    } else addText(parts, "$", isQuoted);
  }
}

function take(cursor: Cursor, pattern: RegExp): ByteString {
  pattern.lastIndex = cursor.at;
  const found = pattern.exec(cursor.line)?.[0] ?? "";
  cursor.at += found.length;
  return found;
}

/** Parses the text after `${`, with the closing brace. */
function parseBraces(cursor: Cursor, isQuoted: boolean): Part {
  const isLength = peek(cursor) === "#";
  if (isLength) cursor.at++;
  const name = take(cursor, NAME);
  if (name === "" || (isLength && peek(cursor) !== "}")) throw badSubstitution(cursor);
  let operator: Operator | "" | undefined = isLength ? "length" : undefined;
  let word: Part[] = [];
  if (peek(cursor) === "}") cursor.at++;
  else {
    operator = take(cursor, OPERATOR) as Operator | "";
    if (operator === "") throw badSubstitution(cursor);
    // In a pattern, quotes have their meaning even within double quotes.
    if (isQuoted && !/[#%]/.test(operator)) word = parseDouble(cursor, "}");
    else {
      word = parseUnquoted(cursor, "brace");
      cursor.at++;
    }
  }
  return { kind: "parameter", name, operator, word, quoted: isQuoted };
}

function badSubstitution(cursor: Cursor) {
  if (peek(cursor) === "`") return commandSubstitution();
  return syntaxError(peek(cursor) === "" ? "'${' is not closed" : "bad substitution in '${'");
}

/** Parses the text after `$((`, with the closing `))`, as within double quotes. */
function parseArithmetic(cursor: Cursor): Part[] {
  const parts: Part[] = [];
  for (let open = 0; ; ) {
    const byte = peek(cursor);
    if (byte === "") throw syntaxError("'$((' is not closed");
    cursor.at++;
    if (byte === "`") throw commandSubstitution();
    if (byte === "$") {
      parseDollar(cursor, parts, true);
      continue;
    }
    if (byte === "(") open++;
    else if (byte === ")" && open > 0) open--;
    else if (byte === ")") {
      if (peek(cursor) === "") throw syntaxError("'$((' is not closed");
      // `$((a) )` is a subshell in a command substitution.
      if (peek(cursor) !== ")") throw commandSubstitution();
      cursor.at++;
      return parts;
    }
    addText(parts, byte, true);
  }
}
