import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";

/** A refused option: its short and long names, without dashes. */
interface RefusedOption {
  short?: string;
  long?: readonly string[];
  /** Completes "option --x ...". */
  reason: string;
  /** A harmless attached value of a short option. */
  harmlessValue?: RegExp;
}

/**
 * The rule for a program's arguments: how they are read, and which are refused because they would start unlisted programs
 * or hide arguments from this check.
 */
export interface OptionRule {
  /** The required first argument: in other forms the program may start others. */
  first?: { word: string; reason: string };
  /** One of these short options must come before the first operand, for the same reason. */
  mode?: { letters: string; reason: string };
  /** Short options with a value: the rest of the word, or else the next word. */
  withValue: string;
  /** The only allowed short options; undefined allows all. */
  letters?: string;
  /** `--` ends the options. */
  endOfOptions: boolean;
  refused: readonly RefusedOption[];
}

// Longer than any real option.
const LONGEST_OPTION = 40;

/**
 * Why these arguments (without argv[0]) break a rule, as a phrase such as "option '--rsh' starts other programs";
 * undefined if they do not.
 */
export function optionReason(rule: OptionRule, args: readonly ByteString[]): string | undefined {
  if (rule.first !== undefined && args[0] !== rule.first.word) return rule.first.reason;

  let inMode = rule.mode === undefined;
  let operandSeen = false;
  for (const word of args) {
    if (word === "--" && rule.endOfOptions) break;
    if (word === "-" || !word.startsWith("-")) {
      operandSeen = true;
      continue;
    }
    const reason = word.startsWith("--") ? longReason(rule, word) : shortReason(rule, word);
    if (reason !== undefined) return reason;
    if (!operandSeen && rule.mode !== undefined && hasLetter(word, rule.mode.letters)) inMode = true;
  }
  return inMode ? undefined : rule.mode?.reason;
}

function longReason(rule: OptionRule, word: ByteString): string | undefined {
  const name = word.slice(2).split("=", 1)[0] ?? "";
  // A program with a list of harmless letters has no long options.
  if (rule.letters !== undefined) return notKnown("option", word);
  const found = rule.refused.find(({ long }) => long?.includes(name));
  return found === undefined ? undefined : `option ${quoted(`--${name}`)} ${found.reason}`;
}

/** Reads a word of bundled short options as getopt(3) and popt do: the value of an option ends the bundle. */
function shortReason(rule: OptionRule, word: ByteString): string | undefined {
  for (let at = 1; at < word.length; at++) {
    const letter = word.charAt(at);
    const found = rule.refused.find(({ short }) => short === letter);
    if (found !== undefined && !found.harmlessValue?.test(word.slice(at + 1))) {
      return `option ${quoted(`-${letter}`)} ${found.reason}`;
    }
    if (rule.letters !== undefined && !rule.letters.includes(letter)) return notKnown("option", `-${letter}`);
    if (rule.withValue.includes(letter)) return undefined;
  }
  return undefined;
}

// The words here have only harmless letters, none of which takes a value.
function hasLetter(word: ByteString, letters: string): boolean {
  return [...letters].some((letter) => word.includes(letter));
}

function notKnown(what: string, word: ByteString): string {
  return `${what} ${quoted(word.slice(0, LONGEST_OPTION))} is not known to be harmless`;
}

/** The only allowed arguments of a program, without bundles and abbreviations. */
interface WordList {
  /** Words without a value. */
  words: RegExp;
  /** Words with a value in the next word, and the pattern of the value. */
  withValue?: Readonly<Record<string, RegExp>>;
  /** All words that do not begin with a dash. */
  operands?: boolean;
}

/** Why these words are not all in a list, as a phrase; undefined if they are. */
export function wordReason(list: WordList, args: readonly ByteString[]): string | undefined {
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (list.words.test(word) || (list.operands && !word.startsWith("-"))) continue;
    const value = Object.hasOwn(list.withValue ?? {}, word) ? list.withValue?.[word] : undefined;
    if (value === undefined) return notKnown("argument", word);
    at++;
    if (!value.test(args[at] ?? "")) return notKnown(`argument of ${word}`, args[at] ?? "");
  }
  return undefined;
}
