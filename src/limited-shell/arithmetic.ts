import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { type Budget, MAXIMUM_DEPTH } from "./budget.ts";
import { wordError } from "./refusal.ts";

/** Variables that an expression reads, and may assign. */
export type Variables = Map<ByteString, ByteString>;

const TOKEN =
  /[ \t\n]*(?:([0-9][0-9A-Za-z_]*)|([A-Za-z_][A-Za-z0-9_]*)|(<<=|>>=|&&|\|\||<<|>>|[-+*/%&^|=!<>]=|[-+*/%&^|=!<>~?:()])|$)/y;

// C, from loose to tight; all of these associate to the left.
const BINARY: Record<string, number> = {
  "||": 1,
  "&&": 2,
  "|": 3,
  "^": 4,
  "&": 5,
  "==": 6,
  "!=": 6,
  "<": 7,
  ">": 7,
  "<=": 7,
  ">=": 7,
  "<<": 8,
  ">>": 8,
  "+": 9,
  "-": 9,
  "*": 10,
  "/": 10,
  "%": 10,
};
const ASSIGNMENT = /^(?:[-+*/%&^|]|<<|>>)?=$/;

function arithmeticError(what: string) {
  return wordError("arithmetic", `arithmetic expression: ${what}`);
}

/** An integer constant as in C: decimal, octal with 0, hexadecimal with 0x; 64 bits, two's complement. */
function constant(text: ByteString): bigint {
  if (!/^(?:0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*)$/.test(text)) {
    throw arithmeticError(`${quoted(text)} is not a number`);
  }
  // Longer than any 64-bit number: do not even convert it.
  const value = text.length > 24 ? 1n << 64n : BigInt(/^0[0-7]+$/.test(text) ? `0o${text}` : text);
  if (value >= 1n << 64n) throw arithmeticError(`${display(text.slice(0, 24))} is too large`);
  return BigInt.asIntN(64, value);
}

function binary(operator: string, a: bigint, b: bigint): bigint {
  switch (operator) {
    // Where the left operand decides, this is not called.
    case "||":
    case "&&":
      return b !== 0n ? 1n : 0n;
    case "|":
      return a | b;
    case "^":
      return a ^ b;
    case "&":
      return a & b;
    case "==":
      return a === b ? 1n : 0n;
    case "!=":
      return a !== b ? 1n : 0n;
    case "<":
      return a < b ? 1n : 0n;
    case ">":
      return a > b ? 1n : 0n;
    case "<=":
      return a <= b ? 1n : 0n;
    case ">=":
      return a >= b ? 1n : 0n;
    // C leaves shifts beyond the width undefined; processors, and so other shells, take the count modulo 64.
    case "<<":
      return a << (b & 63n);
    case ">>":
      return a >> (b & 63n);
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    default:
      if (b === 0n) throw arithmeticError("division by 0");
      return operator === "/" ? a / b : a % b;
  }
}

/**
 * The value of an arithmetic expression as in sh(1): the operators of C with their precedence, without comma,
 * `++` and `--`; signed 64-bit numbers that wrap. A variable holds an integer constant; an unset or empty one is
 * 0. Assignments change `variables`. What is not evaluated in C (`0 && x`, the other branch of `?:`) has no effect
 * and raises no error. An empty expression is 0. Throws a JailkitError with exit status 6.
 */
export function evaluateArithmetic(text: ByteString, variables: Variables, budget: Budget): bigint {
  let at = 0;
  let token = "";
  let kind: "number" | "name" | "operator" | "end" = "end";
  let depth = 0;

  const advance = () => {
    budget.spend("steps", 1);
    TOKEN.lastIndex = at;
    const found = TOKEN.exec(text);
    if (found === null) throw arithmeticError(`syntax error at ${quoted(text.slice(at, at + 20))}`);
    at = TOKEN.lastIndex;
    token = found[1] ?? found[2] ?? found[3] ?? "";
    kind = found[1] ? "number" : found[2] ? "name" : found[3] ? "operator" : "end";
  };
  const unexpected = () =>
    arithmeticError(kind === "end" ? "it ends too early" : `syntax error at ${quoted(token)}`);
  const expect = (operator: string) => {
    if (token !== operator) throw unexpected();
    advance();
  };
  const numberIn = (name: ByteString): bigint => {
    const held = variables.get(name) ?? "";
    budget.spend("steps", held.length);
    const value = /^[ \t\n]*([^ \t\n]*)[ \t\n]*$/.exec(held)?.[1] ?? held;
    if (value === "") return 0n;
    if (/^[-+]/.test(value)) {
      const magnitude = constant(value.slice(1));
      return BigInt.asIntN(64, value.startsWith("-") ? -magnitude : magnitude);
    }
    return constant(value);
  };
  const deeper = (parse: () => bigint): bigint => {
    if (++depth > MAXIMUM_DEPTH) throw arithmeticError("it nests too deeply");
    const value = parse();
    depth--;
    return value;
  };

  const unary = (live: boolean): bigint => {
    const operator = token;
    if (kind === "number") {
      advance();
      return constant(operator);
    }
    if (kind === "name") {
      advance();
      if (ASSIGNMENT.test(token)) return assign(operator, live);
      return live ? numberIn(operator) : 0n;
    }
    if (kind === "operator" && "-+!~".includes(operator)) {
      advance();
      const value = deeper(() => unary(live));
      if (operator === "-") return BigInt.asIntN(64, -value);
      if (operator === "!") return value === 0n ? 1n : 0n;
      return operator === "~" ? ~value : value;
    }
    if (operator !== "(") throw unexpected();
    advance();
    const value = deeper(() => conditional(live));
    expect(")");
    return value;
  };

  const assign = (name: ByteString, live: boolean): bigint => {
    const operator = token.slice(0, -1);
    advance();
    const left = live && operator !== "" ? numberIn(name) : 0n;
    const right = deeper(() => conditional(live));
    if (!live) return 0n;
    const value = operator === "" ? right : BigInt.asIntN(64, binary(operator, left, right));
    variables.set(name, String(value));
    return value;
  };

  const operation = (lowest: number, live: boolean): bigint => {
    let left = unary(live);
    for (;;) {
      const operator = token;
      const precedence = kind === "operator" ? BINARY[operator] : undefined;
      if (precedence === undefined || precedence < lowest) return left;
      advance();
      const decided = (operator === "&&" && left === 0n) || (operator === "||" && left !== 0n);
      const liveRight = live && !decided;
      const right = operation(precedence + 1, liveRight);
      // An operand that is not evaluated is read as 0, which must not be divided by.
      if (!live) left = 0n;
      else left = decided ? (operator === "||" ? 1n : 0n) : BigInt.asIntN(64, binary(operator, left, right));
    }
  };

  const conditional = (live: boolean): bigint => {
    const condition = operation(1, live);
    if (token !== "?") return condition;
    advance();
    const first = deeper(() => conditional(live && condition !== 0n));
    expect(":");
    const second = deeper(() => conditional(live && condition === 0n));
    return condition !== 0n ? first : second;
  };

  advance();
  if (kind === "end") return 0n;
  const value = conditional(true);
  if (at < text.length || token !== "") throw unexpected();
  return value;
}
