import type { ByteString } from "../../ffi/bytes.ts";
import type { Budget } from "./budget.ts";
import type { MarkedText } from "./marked.ts";
import type { Operator } from "./parse.ts";
import { compilePattern, matchEnd } from "./pattern.ts";

/**
 * The effect of `${NAME-word}` and similar forms: the value, the word, the assigned word, an error, or nothing. The forms
 * with a colon treat an empty value as unset. Undefined for the other operators.
 */
export function chooseValue(
  operator: Operator | undefined,
  value: ByteString | undefined,
): "value" | "word" | "assign" | "fail" | "nothing" | undefined {
  if (operator === undefined) return "value";
  const present = value !== undefined && !(operator.startsWith(":") && value === "");
  switch (operator) {
    case "-":
    case ":-":
      return present ? "value" : "word";
    case "=":
    case ":=":
      return present ? "value" : "assign";
    case "?":
    case ":?":
      return present ? "value" : "fail";
    case "+":
    case ":+":
      return present ? "word" : "nothing";
    default:
      return undefined;
  }
}

/** `${NAME#pattern}`, `##`, `%`, `%%`: the value without the shortest or longest matching beginning or end. */
export function removeMatch(
  value: ByteString,
  operator: Operator,
  pattern: MarkedText,
  budget: Budget,
): ByteString {
  const tokens = compilePattern(pattern, budget);
  const want = operator.length === 1 ? "shortest" : "longest";
  if (operator.startsWith("#")) return value.slice(Math.max(0, matchEnd(tokens, value, want, budget)));
  // From the end: the same question about both, reversed.
  const end = matchEnd(tokens.reverse(), [...value].reverse().join(""), want, budget);
  return end > 0 ? value.slice(0, value.length - end) : value;
}
