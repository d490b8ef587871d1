import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { evaluateArithmetic, type Variables } from "./arithmetic.ts";
import { type Budget, createBudget } from "./budget.ts";
import { type MarkedText, markedText, plainText, type Segment, splitFields } from "./fields.ts";
import type { FileView } from "./files.ts";
import { expandPath } from "./glob.ts";
import { type Operator, type Part, parseWords } from "./parse.ts";
import { compilePattern, matchEnd } from "./pattern.ts";
import { WordError } from "./refusal.ts";

/** The data that expansions use. */
interface ExpansionContext {
  /** The environment of the command. It is not changed: `${NAME:=word}` is for later words of the line only. */
  environment: ReadonlyMap<ByteString, ByteString>;
  /** The meaning of `~` if HOME is not in the environment. */
  home: ByteString;
  files: FileView;
}

// What the home of another account costs, in entries: a look-up reads a file, or asks a directory service.
const LOOK_UP = 256;

interface Evaluation extends ExpansionContext {
  variables: Variables;
  budget: Budget;
}

/**
 * The words of a command line with expansion, as wordexp(3) with WRDE_NOCMD gives them: tilde, parameter and arithmetic
 * expansion, field splitting, pathname expansion, quote removal. No program is started. Later words see assignments, as
 * in sh(1). They never reach the command's environment, where they could name a library or a remote shell. Throws a
 * JailkitError with exit status 6.
 */
export function expandWords(
  line: ByteString,
  context: ExpansionContext,
  budget = createBudget(),
): ByteString[] {
  const { environment, files } = context;
  const variables = new Map(environment);
  const evaluation: Evaluation = { ...context, variables, budget };
  const words: ByteString[] = [];
  for (const word of parseWords(line)) {
    const segments = evaluate(word, evaluation);
    for (const field of splitFields(segments, variables.get("IFS") ?? " \t\n")) {
      const paths = expandPath(field, files, budget);
      budget.spend("words", paths.length);
      for (const path of paths) {
        budget.spend("bytes", path.length);
        words.push(path);
      }
    }
  }
  return words;
}

function evaluate(parts: readonly Part[], evaluation: Evaluation): Segment[] {
  const segments: Segment[] = [];
  for (const part of parts) {
    for (const segment of evaluatePart(part, evaluation)) {
      evaluation.budget.spend("bytes", segment.text.length);
      segments.push(segment);
    }
  }
  return segments;
}

function evaluatePart(part: Part, evaluation: Evaluation): Segment[] {
  switch (part.kind) {
    case "text":
      return [{ text: part.text, quoted: part.quoted, split: false }];
    case "tilde": {
      const { variables, home: unset, files } = evaluation;
      if (part.user !== "") evaluation.budget.spend("entries", LOOK_UP);
      const home = part.user === "" ? (variables.get("HOME") ?? unset) : files.homeOf(part.user);
      // A known home is neither split nor a pattern; an unknown name stays as it was typed.
      if (home !== undefined) return [{ text: home, quoted: true, split: false }];
      return [{ text: `~${part.user}`, quoted: false, split: false }];
    }
    case "arithmetic": {
      const expression = plainText(evaluate(part.expression, evaluation));
      const value = evaluateArithmetic(expression, evaluation.variables, evaluation.budget);
      return [{ text: String(value), quoted: part.quoted, split: true }];
    }
    case "parameter":
      return evaluateParameter(part, evaluation);
  }
}

function evaluateParameter(part: Part & { kind: "parameter" }, evaluation: Evaluation): Segment[] {
  const { name, operator, quoted } = part;
  const { variables, budget } = evaluation;
  const value = variables.get(name);
  const expanded = (text: ByteString): Segment[] => [{ text, quoted, split: true }];
  switch (chooseValue(operator, value)) {
    case "value":
      return expanded(value ?? "");
    case "nothing":
      return expanded("");
    case "word":
      return evaluate(part.word, evaluation).map((segment) => ({
        text: segment.text,
        quoted: segment.quoted || quoted,
        split: true,
      }));
    case "assign": {
      const text = plainText(evaluate(part.word, evaluation));
      variables.set(name, text);
      return expanded(text);
    }
    case "fail": {
      const text = plainText(evaluate(part.word, evaluation));
      throw new WordError(
        "parameter-not-set",
        `${name}: ${display(text === "" ? "parameter not set" : text)}`,
      );
    }
    case undefined:
  }
  if (operator === undefined || operator === "length") return expanded(String((value ?? "").length));
  // As in bash, a pattern that cannot remove anything is not evaluated.
  if (value === undefined || value === "") return expanded("");
  const pattern = markedText(evaluate(part.word, evaluation));
  return expanded(removeMatch(value, operator, pattern, budget));
}

/**
 * The effect of `${NAME-word}` and similar forms: the value, the word, the assigned word, an error, or nothing. The forms
 * with a colon treat an empty value as unset. Undefined for the other operators.
 */
function chooseValue(
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
function removeMatch(value: ByteString, operator: Operator, pattern: MarkedText, budget: Budget): ByteString {
  const tokens = compilePattern(pattern, budget);
  const want = operator.length === 1 ? "shortest" : "longest";
  if (operator.startsWith("#")) return value.slice(Math.max(0, matchEnd(tokens, value, want, budget)));
  // From the end: the same question about both, reversed.
  const end = matchEnd(tokens.reverse(), [...value].reverse().join(""), want, budget);
  return end > 0 ? value.slice(0, value.length - end) : value;
}
