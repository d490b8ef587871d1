import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { type Budget, MAXIMUM_DEPTH } from "./budget.ts";
import { WordError } from "./refusal.ts";

/** Variables that an expression reads, and may assign. */
export type Variables = Map<ByteString, ByteString>;

const TOKEN =
  /[ \t\n]*(?:([0-9][0-9A-Za-z_]*)|([A-Za-z_][A-Za-z0-9_]*)|(<<=|>>=|&&|\|\||<<|>>|[-+*/%&^|=!<>]=|[-+*/%&^|=!<>~?:()])|$)/y;

const truth = (value: boolean) => (value ? 1n : 0n);

/** Division as in C, towards 0. */
function dividing(value: (a: bigint, b: bigint) => bigint) {
  return (a: bigint, b: bigint) => {
    if (b === 0n) throw arithmeticError("division by 0");
    return value(a, b);
  };
}

type Binary = readonly [precedence: number, value: (a: bigint, b: bigint) => bigint];

// Precedence as in C, from loose to tight, and value; all of these associate to the left. For `||` and `&&`, the left
// operand has not decided. C leaves shifts beyond the width undefined; processors, and so other shells, take the count
// modulo 64. A function, since most logins have no use for them.
const binaryOperators = (): ReadonlyMap<string, Binary> =>
  new Map<string, Binary>([
    ["||", [1, (_, b) => truth(b !== 0n)]],
    ["&&", [2, (_, b) => truth(b !== 0n)]],
    ["|", [3, (a, b) => a | b]],
    ["^", [4, (a, b) => a ^ b]],
    ["&", [5, (a, b) => a & b]],
    ["==", [6, (a, b) => truth(a === b)]],
    ["!=", [6, (a, b) => truth(a !== b)]],
    ["<", [7, (a, b) => truth(a < b)]],
    [">", [7, (a, b) => truth(a > b)]],
    ["<=", [7, (a, b) => truth(a <= b)]],
    [">=", [7, (a, b) => truth(a >= b)]],
    ["<<", [8, (a, b) => a << (b & 63n)]],
    [">>", [8, (a, b) => a >> (b & 63n)]],
    ["+", [9, (a, b) => a + b]],
    ["-", [9, (a, b) => a - b]],
    ["*", [10, (a, b) => a * b]],
    ["/", [10, dividing((a, b) => a / b)]],
    ["%", [10, dividing((a, b) => a % b)]],
  ]);
let operators: ReadonlyMap<string, Binary> | undefined;

function binary(operator: string): Binary | undefined {
  operators ??= binaryOperators();
  return operators.get(operator);
}

const ASSIGNMENT = /^(?:[-+*/%&^|]|<<|>>)?=$/;

function arithmeticError(what: string) {
  return new WordError("arithmetic", `arithmetic expression: ${what}`);
}

/** An integer constant as in C: decimal, octal with 0, hexadecimal with 0x; 64 bits, two's complement. */
function constant(text: ByteString): bigint {
  if (!/^(?:0[xX][0-9A-Fa-f]+|0[0-7]*|[1-9][0-9]*)$/.test(text)) {
    throw arithmeticError(`${quoted(text)} is not a number`);
  }
  // No 64-bit number is that long: do not convert it.
  const value = text.length > 24 ? 1n << 64n : BigInt(/^0[0-7]+$/.test(text) ? `0o${text}` : text);
  if (value >= 1n << 64n) throw arithmeticError(`${display(text.slice(0, 24))} is too large`);
  return BigInt.asIntN(64, value);
}

function unary(operator: string, value: bigint): bigint {
  if (operator === "-") return BigInt.asIntN(64, -value);
  if (operator === "!") return truth(value === 0n);
  return operator === "~" ? ~value : value;
}

/** The value of `left && x` or `left || x` where x does not matter; undefined for everything else. */
function decidedBy(operator: string, left: bigint): bigint | undefined {
  if (operator === "&&" && left === 0n) return 0n;
  return operator === "||" && left !== 0n ? 1n : undefined;
}

/**
 * The value of an arithmetic expression as in sh(1): the operators of C with their precedence, without comma,
 * `++` and `--`; signed 64-bit numbers that wrap. A variable holds an integer constant; an unset or empty one is
 * 0. Assignments change `variables`. What C does not evaluate (`0 && x`, the other branch of `?:`) has no effect
 * and raises no error. An empty expression is 0. Throws a JailkitError with exit status 6.
 */
export function evaluateArithmetic(text: ByteString, variables: Variables, budget: Budget): bigint {
  return new Evaluation(text, variables, budget).value();
}

/** Reads an expression once, from left to right. `live`: this part is evaluated, and not only read. */
class Evaluation {
  #at = 0;
  #token = "";
  #kind: "number" | "name" | "operator" | "end" = "end";
  #depth = 0;

  constructor(
    readonly text: ByteString,
    readonly variables: Variables,
    readonly budget: Budget,
  ) {}

  value(): bigint {
    this.#advance();
    if (this.#kind === "end") return 0n;
    const value = this.#conditional(true);
    if (this.#at < this.text.length || this.#token !== "") throw this.#unexpected();
    return value;
  }

  #advance() {
    this.budget.spend("steps", 1);
    TOKEN.lastIndex = this.#at;
    const found = TOKEN.exec(this.text);
    if (found === null) {
      throw arithmeticError(`syntax error at ${quoted(this.text.slice(this.#at, this.#at + 20))}`);
    }
    this.#at = TOKEN.lastIndex;
    this.#token = found[1] ?? found[2] ?? found[3] ?? "";
    this.#kind = found[1] ? "number" : found[2] ? "name" : found[3] ? "operator" : "end";
  }

  #unexpected() {
    return arithmeticError(
      this.#kind === "end" ? "it ends too early" : `syntax error at ${quoted(this.#token)}`,
    );
  }

  #expect(operator: string) {
    if (this.#token !== operator) throw this.#unexpected();
    this.#advance();
  }

  #deeper(parse: () => bigint): bigint {
    if (++this.#depth > MAXIMUM_DEPTH) throw arithmeticError("it nests too deeply");
    const value = parse();
    this.#depth--;
    return value;
  }

  #conditional(live: boolean): bigint {
    const condition = this.#operation(1, live);
    if (this.#token !== "?") return condition;
    this.#advance();
    const first = this.#deeper(() => this.#conditional(live && condition !== 0n));
    this.#expect(":");
    const second = this.#deeper(() => this.#conditional(live && condition === 0n));
    return condition !== 0n ? first : second;
  }

  /** Binary operators of at least this precedence. */
  #operation(lowest: number, live: boolean): bigint {
    let left = this.#unary(live);
    for (;;) {
      const operator = this.#token;
      const found = binary(operator);
      if (found === undefined || found[0] < lowest) return left;
      const [precedence, value] = found;
      this.#advance();
      const decided = decidedBy(operator, left);
      const right = this.#operation(precedence + 1, live && decided === undefined);
      // The value of an unevaluated part is 0, so do not divide by it.
      left = live ? (decided ?? BigInt.asIntN(64, value(left, right))) : 0n;
    }
  }

  #unary(live: boolean): bigint {
    const token = this.#token;
    const kind = this.#kind;
    const isSign = kind === "operator" && "-+!~".includes(token);
    if (kind !== "number" && kind !== "name" && !isSign && token !== "(") throw this.#unexpected();
    this.#advance();
    if (kind === "number") return constant(token);
    if (kind === "name" && ASSIGNMENT.test(this.#token)) return this.#assign(token, live);
    if (kind === "name") return live ? this.#valueOf(token) : 0n;
    const value = this.#deeper(() => (isSign ? this.#unary(live) : this.#conditional(live)));
    if (isSign) return unary(token, value);
    this.#expect(")");
    return value;
  }

  #assign(name: ByteString, live: boolean): bigint {
    // None for a plain "=".
    const operation = binary(this.#token.slice(0, -1))?.[1];
    this.#advance();
    const left = live && operation !== undefined ? this.#valueOf(name) : 0n;
    const right = this.#deeper(() => this.#conditional(live));
    if (!live) return 0n;
    const value = operation === undefined ? right : BigInt.asIntN(64, operation(left, right));
    this.variables.set(name, String(value));
    return value;
  }

  #valueOf(name: ByteString): bigint {
    const text = this.variables.get(name) ?? "";
    this.budget.spend("steps", text.length);
    const value = /^[ \t\n]*([^ \t\n]*)[ \t\n]*$/.exec(text)?.[1] ?? text;
    if (value === "") return 0n;
    if (!/^[-+]/.test(value)) return constant(value);
    const magnitude = constant(value.slice(1));
    return BigInt.asIntN(64, value.startsWith("-") ? -magnitude : magnitude);
  }
}
