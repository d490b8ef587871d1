import type { ByteString } from "../../ffi/bytes.ts";
import { display } from "../cli/display.ts";
import { evaluateArithmetic, type Variables } from "./arithmetic.ts";
import { type Budget, createBudget } from "./budget.ts";
import { splitFields } from "./fields.ts";
import type { FileView } from "./file-view.ts";
import { expandPath } from "./glob.ts";
import { markedText, plainText, type Segment } from "./marked.ts";
import { chooseValue, removeMatch } from "./parameter.ts";
import { type Part, parseWords } from "./parse.ts";
import { wordError } from "./refusal.ts";

/** The data that expansions use. */
interface ExpansionContext {
  /** The environment of the command. It is not changed: `${NAME:=word}` is for later words of the line only. */
  environment: ReadonlyMap<ByteString, ByteString>;
  /** The meaning of `~` if HOME is not in the environment. */
  home: ByteString;
  files: FileView;
  /** The limits of the line; createBudget() unless given. */
  budget?: Budget;
}

interface Evaluation {
  variables: Variables;
  home: ByteString;
  files: FileView;
  budget: Budget;
}

/**
 * The words of a command line with expansion, as wordexp(3) with WRDE_NOCMD gives them: tilde, parameter and arithmetic
 * expansion, field splitting, pathname expansion, quote removal. No program is started. Later words see assignments, as
 * in sh(1). They never reach the command's environment, where they could name a library or a remote shell. Throws a
 * JailkitError with exit status 6.
 */
export function expandWords(line: ByteString, context: ExpansionContext): ByteString[] {
  const evaluation: Evaluation = {
    variables: new Map(context.environment),
    home: context.home,
    files: context.files,
    budget: context.budget ?? createBudget(),
  };
  const { variables, files, budget } = evaluation;
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
      const home = homeDirectory(part.user, evaluation);
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

function homeDirectory(user: ByteString, { variables, home, files }: Evaluation): ByteString | undefined {
  return user === "" ? (variables.get("HOME") ?? home) : files.homeOf(user);
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
      throw wordError("parameter-not-set", `${name}: ${display(text === "" ? "parameter not set" : text)}`);
    }
    case undefined:
  }
  if (operator === undefined || operator === "length") return expanded(String((value ?? "").length));
  // As in bash, a pattern that cannot remove anything is not evaluated.
  if (value === undefined || value === "") return expanded("");
  const pattern = markedText(evaluate(part.word, evaluation));
  return expanded(removeMatch(value, operator, pattern, budget));
}
