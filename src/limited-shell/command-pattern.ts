import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type IniSection, keyPlace, type Place, type Problem } from "../config/model.ts";
import type { LshSection } from "../config/schemas/lsh.ts";
import { type Budget, createBudget, MAXIMUM_DEPTH } from "./budget.ts";
import type { MarkedText } from "./fields.ts";
import { type Branch, compileBracket, matches, type Token } from "./pattern.ts";
import { type MarkedWord, markedWords, splitWords } from "./split.ts";

/** A word of a pattern, as it is shown; without tokens it is `...`, any number of words. */
interface PatternWord {
  text: ByteString;
  tokens: readonly Token[] | undefined;
}

/** A key `command NAME = PATTERN` of jk_lsh.ini. */
export interface CommandPattern {
  name: ByteString;
  /** What the first word stands for: names, and absolute paths. */
  programs: readonly ByteString[];
  /** For the arguments. */
  words: readonly PatternWord[];
}

/** Why a pattern does not match: a phrase, and the index of the argument at which it fails. */
export interface Mismatch {
  at: number;
  why: string;
}

const [SLASH, DASH] = [0x2f, 0x2d] as const;
// Of the programs that the first word stands for.
const MOST_PROGRAMS = 64;

/** A byte but `/`. */
const IN_SEGMENT = new Uint8Array(256).fill(1);
IN_SEGMENT[SLASH] = 0;

/** An error in a pattern; its word starts at the index `at` of the pattern. */
class PatternError extends Error {
  constructor(
    message: string,
    readonly at: number,
  ) {
    super(message);
  }
}

/** Braces that are open. */
interface Group {
  /** The mark of its `{`: other commas and braces are bytes of the word. */
  mark: string | undefined;
  branch: Branch;
  /** The ends of its alternatives, which go on after the `}`. */
  ends: Branch[];
  /** Where the tokens of the group start. */
  start: number;
}

/** Compiles the words of patterns. */
class WordCompiler {
  readonly tokens: Token[] = [];
  readonly #groups: Group[] = [];
  #at = 0;

  constructor(
    readonly word: MarkedWord,
    readonly budget: Budget,
  ) {}

  compile(): Token[] {
    const { text } = this.word;
    while (this.#at < text.length) this.#next();
    if (this.#groups.length > 0) throw this.#error("a '{' is not closed");
    return this.tokens;
  }

  #error(message: string): PatternError {
    return new PatternError(`${message} in ${quoted(this.word.text)}`, this.word.start);
  }

  #next(): void {
    const { text, marks } = this.word;
    const byte = text.charAt(this.#at);
    const mark = marks[this.#at];
    // Alternatives stand for texts, so that they count in quotes too: what a client sends in quotes can be copied.
    if (mark !== "b" && this.#alternatives(byte, mark)) this.#at++;
    else if (mark === "u" && byte === "*") this.#run();
    else if (mark === "u" && byte === "[") this.#bracket();
    else {
      this.tokens.push(mark === "u" && byte === "?" ? IN_SEGMENT : text.charCodeAt(this.#at));
      this.#at++;
    }
  }

  /** `*`, or `**` and longer. */
  #run(): void {
    const start = this.#at;
    while (this.#isStar(this.#at)) this.#at++;
    this.tokens.push(this.#at - start > 1 ? "star" : "segment");
  }

  #isStar(at: number): boolean {
    return this.word.text[at] === "*" && this.word.marks[at] === "u";
  }

  #bracket(): void {
    const bracket = compileBracket(this.word, this.#at + 1, this.budget);
    if (bracket === undefined) throw this.#error("a '[' is not closed");
    bracket.table[SLASH] = 0;
    this.tokens.push(bracket.table);
    this.#at = bracket.end + 1;
  }

  /** Braces, and commas between them; false for any other byte. */
  #alternatives(byte: ByteString, mark: string | undefined): boolean {
    const { tokens } = this;
    const open = this.#groups.at(-1);
    if (byte === "{") {
      if (this.#groups.length === MAXIMUM_DEPTH) throw this.#error("braces nest too deeply");
      const start = tokens.length + 1;
      const branch: Branch = { to: [start] };
      tokens.push(branch);
      this.#groups.push({ mark, branch, ends: [], start });
      return true;
    }
    if (byte === "}" && open === undefined) throw this.#error("there is no '{' for a '}'");
    if (open === undefined || open.mark !== mark || (byte !== "," && byte !== "}")) return false;
    const end: Branch = { to: [] };
    open.ends.push(end);
    tokens.push(end);
    if (byte === ",") {
      open.branch.to.push(tokens.length);
      return true;
    }
    if (tokens.length === open.start + 1) throw this.#error("there is nothing between '{' and '}'");
    for (const one of open.ends) one.to.push(tokens.length);
    this.#groups.pop();
    return true;
  }
}

/** The texts that tokens without wildcards stand for; undefined if there are wildcards, or too many texts. */
function textsOf(tokens: readonly Token[]): ByteString[] | undefined {
  const texts: ByteString[] = [];
  const waiting: { at: number; text: ByteString }[] = [{ at: 0, text: "" }];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    const { at, text } = one;
    const token = tokens[at];
    if (typeof token === "number") waiting.push({ at: at + 1, text: text + String.fromCharCode(token) });
    else if (token === undefined) texts.push(text);
    else if (typeof token !== "object" || !("to" in token)) return undefined;
    // Of several alternatives the first one comes first.
    else for (let i = token.to.length - 1; i >= 0; i--) waiting.push({ at: token.to[i] ?? 0, text });
    if (texts.length + waiting.length > MOST_PROGRAMS) return undefined;
  }
  return texts;
}

function programsIn(word: MarkedWord, budget: Budget): ByteString[] {
  const programs = textsOf(new WordCompiler(word, budget).compile());
  const error = (why: string) => new PatternError(`the program ${quoted(word.text)} ${why}`, word.start);
  if (programs === undefined)
    throw error(`has a wildcard, or stands for more than ${MOST_PROGRAMS} programs`);
  for (const program of programs) {
    if (program === "") throw error("has no name");
    if (program.includes("/") && !program.startsWith("/"))
      throw error("is neither a name nor an absolute path");
  }
  return programs;
}

const isAnyWords = ({ text, marks }: MarkedText) => text === "..." && marks === "uuu";

/**
 * Compiles a pattern. It is split into words as a command line is. In a word `*` is any run of bytes but `/`, `**` any
 * run, `?` a byte but `/`, `[...]` one of the listed bytes, and `{a,b}` one of the alternatives, these also in quotes. The
 * word `...` is any number of words. Throws PatternError, or a JailkitError for words that cannot be formed.
 */
function compileCommand(name: ByteString, line: ByteString): CommandPattern {
  const budget = createBudget();
  const [program, ...rest] = markedWords(line);
  if (program === undefined) throw new PatternError("the pattern is empty", 0);
  const words: PatternWord[] = [];
  for (const word of rest) {
    const tokens = isAnyWords(word) ? undefined : new WordCompiler(word, budget).compile();
    words.push({ text: word.text, tokens });
  }
  return { name, programs: programsIn(program, budget), words };
}

/** The problem for an error in the value of a key. Throws any other error. */
function lineProblem(key: ByteString, { file, line, column }: Place, error: unknown): Problem {
  if (!(error instanceof PatternError || error instanceof JailkitError)) throw error;
  const at = column + (error instanceof PatternError ? error.at : 0);
  const message = `${quoted(key)}: ${error.message}`;
  return { file, line, column: at, severity: "error", code: "bad-command", message };
}

/**
 * The patterns of a section, and the errors in them and in `force`; with an error the section must not be used. An empty
 * value is an error of readKeys.
 */
export function readCommands(
  section: IniSection,
  { command, force = "" }: Pick<LshSection, "command" | "force">,
): { patterns: CommandPattern[]; problems: Problem[] } {
  const patterns: CommandPattern[] = [];
  const problems: Problem[] = [];
  for (const { name, value, place } of command) {
    try {
      if (value !== "") patterns.push(compileCommand(name, value));
    } catch (error) {
      problems.push(lineProblem(`command ${name}`, place, error));
    }
  }
  try {
    splitWords(force);
  } catch (error) {
    problems.push(lineProblem("force", keyPlace(section, "force"), error));
  }
  return { patterns, problems };
}

// A slash, and bytes at which programs split lists of paths.
const ENDS_OF_NAMES = "/,:; \t\n";

/**
 * Whether a part of a word leads to a directory above: `..` at its end, or before a slash or a byte that ends a path in a
 * list, as in `--dir=../x` and `--dirs=..,x`. Backslashes do not count: a program that expands wildcards itself, such as
 * rsync, may remove them.
 */
function leadsUp(text: ByteString): boolean {
  const word = text.replaceAll("\\", "");
  for (let at = word.indexOf(".."); at >= 0; at = word.indexOf("..", at + 1)) {
    const next = word.charAt(at + 2);
    // At the end of the word that is "", which is in every text.
    if (word.charAt(at - 1) !== "." && ENDS_OF_NAMES.includes(next)) return true;
  }
  return false;
}

/** How many bytes at the start of a word only match themselves: all of an empty one, and the dashes of an option. */
function literalBytes(word: ByteString): number {
  if (word === "" || leadsUp(word)) return word.length + 1;
  if (word.charCodeAt(0) !== DASH) return 0;
  return word.charCodeAt(1) === DASH ? 2 : 1;
}

/** How many bytes at the start of each word only match themselves, for mismatch: once for all patterns. */
export function literalsOf(words: readonly ByteString[]): number[] {
  const literals: number[] = [];
  for (const word of words) literals.push(literalBytes(word));
  return literals;
}

/**
 * Why the arguments of a command do not match a pattern; undefined if they do. A word that is empty, or in which `..`
 * leads to a directory above, matches no wildcard, and `-` or `--` at the start of a word only matches itself. All ways of
 * matching are followed at once: the cost is at most the product of the length of the pattern and that of the arguments.
 * `literals`: of the arguments, see literalsOf.
 */
export function mismatch(
  { words }: CommandPattern,
  args: readonly ByteString[],
  budget: Budget,
  literals = literalsOf(args),
): Mismatch | undefined {
  // Positions in the pattern, in ascending order.
  let states = withoutWords([0], words);
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    const literal = literals[at] ?? word.length + 1;
    budget.spend("steps", states.length + 1);
    const following: number[] = [];
    for (const state of states) {
      const expected = words[state];
      if (expected === undefined) continue;
      if (expected.tokens === undefined) {
        if (literal <= word.length) following.push(state);
      } else {
        budget.spend("steps", expected.tokens.length);
        if (matches(expected.tokens, word, budget, literal)) following.push(state + 1);
      }
    }
    if (following.length === 0) return { at, why: unexpected(at, word, words[states.at(-1) ?? 0]) };
    states = withoutWords(following, words);
  }
  if (states.at(-1) === words.length) return undefined;
  return { at: args.length, why: `${quoted(words[states.at(-1) ?? 0]?.text ?? "")} is missing at the end` };
}

/** Adds the positions after each `...`, which may be no word. Both lists ascend. */
function withoutWords(states: readonly number[], words: readonly PatternWord[]): number[] {
  const all: number[] = [];
  for (const state of states) {
    let next = state;
    // The positions after one that is in the list are there too.
    while (next > (all.at(-1) ?? -1)) {
      all.push(next);
      if (isAnyNumber(words[next])) next++;
    }
  }
  return all;
}

const isAnyNumber = (word: PatternWord | undefined) => word !== undefined && word.tokens === undefined;

const LONGEST_SHOWN = 160;

function unexpected(at: number, word: ByteString, expected: PatternWord | undefined): string {
  // The program is the first word.
  const found = `word ${at + 2}, ${quoted(word.slice(0, LONGEST_SHOWN))},`;
  return expected === undefined ? `${found} is one too many` : `${found} is not ${quoted(expected.text)}`;
}
