import { constants } from "node:os";
import { PID_PLACE } from "../../ffi/seccomp.ts";

/** A comparison of an argument with a value: under a mask, or as a whole. */
export type Comparison =
  | { readonly is: "equal"; readonly mask: bigint; readonly value: bigint }
  | { readonly is: "different"; readonly value: bigint };

/** Holds if one of the comparisons holds of the argument. */
export interface Condition {
  readonly argument: number;
  readonly anyOf: readonly Comparison[];
}

/** What happens to a call: it is made, it kills the process, or it fails with this error. */
export type Action = "allow" | "kill" | { readonly errno: number };

/** A call and what happens to it where all conditions hold. */
export interface Rule {
  readonly call: string;
  readonly action: Action;
  readonly conditions: readonly Condition[];
  readonly line: number;
}

/** A file of config/filters/. */
export interface FilterText {
  /** What happens to calls that no rule matches. */
  readonly otherwise: Action;
  /** The architecture's 32-bit programs run too, under the same rules. */
  readonly narrow: boolean;
  readonly rules: readonly Rule[];
}

/** A fault in the text of a filter; the message begins with file and line. */
export class FilterError extends Error {}

const INT = 2n ** 32n - 1n;
const LONG = 2n ** 64n - 1n;

/** What is wrong with a line. */
class Fault extends Error {}

function number(word: string): bigint {
  if (word === "PID") return BigInt(PID_PLACE);
  if (!/^(?:0x[0-9a-f]+|\d+)$/.test(word)) throw new Fault(`${word}: no number`);
  return BigInt(word);
}

/** The comparisons that together hold of the numbers from `first` to `last`: one for each block of a power of two. */
function range(first: bigint, last: bigint, mask: bigint): Comparison[] {
  if (first > last || last > mask || (mask & (mask + 1n)) !== 0n)
    throw new Fault(`${first}-${last}: no range of such an argument`);
  const found: Comparison[] = [];
  for (let at = first; at <= last; ) {
    let size = 1n;
    while (at % (2n * size) === 0n && at + 2n * size - 1n <= last) size *= 2n;
    found.push({ is: "equal", mask: mask & ~(size - 1n), value: at });
    at += size;
  }
  return found;
}

const bits = (set: bigint): bigint[] =>
  Array.from({ length: 64 }, (_, bit) => 1n << BigInt(bit)).filter((bit) => (set & bit) !== 0n);

function comparisons(mask: bigint, test: string, words: readonly string[]): readonly Comparison[] {
  if (test === "in")
    return words.flatMap((word) => {
      const [first = "", last = first] = word.split("-");
      return range(number(first), number(last), mask);
    });
  const [word = "", ...more] = words;
  if (more.length > 0) throw new Fault(`${more.join(" ")}: one value is enough for ${test}`);
  const value = number(word);
  if ((value & ~mask) !== 0n) throw new Fault(`${word}: too large for the argument`);
  if (test === "==") return [{ is: "equal", mask, value }];
  // Without a bit, a rule with "any" never holds and vanishes, and one with "none" always holds.
  if ((test === "any" || test === "none") && value === 0n) throw new Fault(`${word}: has no bit`);
  if (test === "any") return bits(value).map((bit) => ({ is: "equal", mask: bit, value: bit }));
  if (test === "none") return [{ is: "equal", mask: value, value: 0n }];
  if (test === "!=" && mask === LONG) return [{ is: "different", value }];
  throw new Fault(`${test}: unknown, or not for such an argument`);
}

function condition(text: string): Condition {
  const [, index, width = "", test = "", values = ""] =
    /^([0-5]):(int|long|0x[0-9a-f]+) (\S+) (.+)$/.exec(text.trim().replace(/\s+/g, " ")) ?? [];
  if (index === undefined) throw new Fault(`${text.trim()}: no condition`);
  const mask = width === "int" ? INT : width === "long" ? LONG : number(width);
  return { argument: Number(index), anyOf: comparisons(mask, test, values.split(" ")) };
}

function action(word: string): Action {
  if (word === "allow" || word === "kill") return word;
  const errno = new Map<string, number>(Object.entries(constants.errno)).get(word);
  if (errno === undefined) throw new Fault(`${word}: neither allow, kill, nor the name of an error`);
  return { errno };
}

function rule(text: string, line: number): Rule {
  const [, call, what = "", rest] = /^([a-z_]\w*)\s+(\w+)(?:\s+(\S.*))?$/.exec(text) ?? [];
  if (call === undefined) throw new Fault(`${text}: no rule`);
  const conditions = rest === undefined ? [] : rest.split(",").map(condition);
  const used = conditions.map(({ argument }) => argument);
  if (new Set(used).size < used.length) throw new Fault(`${text}: two conditions on one argument`);
  return { call, action: action(what), conditions, line };
}

/** Two actions for a call, or a rule without conditions beside others, would depend on the order of rules. */
function checkSame(rules: readonly Rule[], { call, action, conditions }: Rule): void {
  for (const other of rules) {
    if (other.call !== call) continue;
    if (other.conditions.length === 0 || conditions.length === 0)
      throw new Fault(`${call}: has a rule without conditions, and another rule`);
    if (JSON.stringify(other.action) !== JSON.stringify(action)) throw new Fault(`${call}: has two actions`);
  }
}

/** Reads a file of config/filters/ (see its README). Throws FilterError. */
export function parseFilter(text: string, file: string): FilterText {
  let otherwise: Action | undefined;
  let narrow = false;
  const rules: Rule[] = [];
  for (const [index, whole] of text.split("\n").entries()) {
    const line = whole.replace(/#.*/, "").trim();
    if (line === "") continue;
    try {
      const [, given] = /^default\s+(\w+)$/.exec(line) ?? [];
      if (given !== undefined && otherwise !== undefined) throw new Fault("a second default");
      if (given !== undefined) otherwise = action(given);
      else if (line === "32-bit too") narrow = true;
      else {
        const one = rule(line, index + 1);
        checkSame(rules, one);
        rules.push(one);
      }
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      throw new FilterError(`${file}:${index + 1}: ${error.message}`);
    }
  }
  if (otherwise === undefined) throw new FilterError(`${file}: has no default`);
  return { otherwise, narrow, rules };
}
