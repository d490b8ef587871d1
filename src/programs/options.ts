import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";

/** An option that is refused, under its short and its long names (without dashes). */
interface RefusedOption {
  short?: string;
  long?: readonly string[];
  /** What it does; completes "option --x ...". */
  reason: string;
  /** A short option's attached value that is harmless. */
  harmlessValue?: RegExp;
}

/**
 * How a program's arguments are read, and what in them would start a program that the administrator did not list,
 * or hide arguments from this check.
 */
export interface OptionRule {
  /** The first argument must be one of these: the only forms in which the program starts nothing else. */
  first?: { words: readonly string[]; reason: string };
  /** One of these short options must stand before the first operand, for the same reason. */
  mode?: { letters: string; reason: string };
  /** Short options that take a value: the rest of the word, or else the next word. */
  withValue: string;
  /** The only short options that are let through; all where undefined. */
  letters?: string;
  /** `--` ends the options. */
  endOfOptions: boolean;
  refused: readonly RefusedOption[];
}

// Longer than any option that there is.
const LONGEST_OPTION = 40;

/**
 * Why these arguments (without argv[0]) break a rule, as a phrase such as "option '--rsh' starts other programs";
 * undefined where they do not.
 */
export function optionReason(rule: OptionRule, args: readonly ByteString[]): string | undefined {
  if (rule.first !== undefined && !rule.first.words.includes(args[0] ?? "")) return rule.first.reason;

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
  // What has a list of harmless letters takes no long options at all.
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

// The words that come here hold harmless letters alone, none of which takes a value.
function hasLetter(word: ByteString, letters: string): boolean {
  return [...letters].some((letter) => word.includes(letter));
}

function notKnown(what: string, word: ByteString): string {
  return `${what} ${quoted(word.slice(0, LONGEST_OPTION))} is not known to be harmless`;
}

/** The only words that a program may be given, each read as one: no bundles, no abbreviations. */
interface WordList {
  /** Words that stand alone. */
  words?: RegExp;
  /** Words after which another one has to come, and what that may be. */
  withValue?: Readonly<Record<string, RegExp>>;
  /** Whatever does not begin with a dash. */
  operands?: boolean;
}

/** Why these words are not all in a list, as a phrase; undefined where they are. */
export function wordReason(list: WordList, args: readonly ByteString[]): string | undefined {
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (list.words?.test(word) || (list.operands && !word.startsWith("-"))) continue;
    const value = Object.hasOwn(list.withValue ?? {}, word) ? list.withValue?.[word] : undefined;
    if (value === undefined) return notKnown("argument", word);
    at++;
    if (!value.test(args[at] ?? "")) return notKnown(`argument of ${word}`, args[at] ?? "");
  }
  return undefined;
}
