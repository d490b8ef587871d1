import { type ByteString, fromBytes } from "../../ffi/bytes.ts";
import { readInto } from "../../ffi/files.ts";
import { print } from "./output.ts";

const LONGEST_ANSWER = 4096;

/** Prints a question and reads one line from standard input; undefined at its end. */
export function ask(question: string): ByteString | undefined {
  print(question);
  const byte = new Uint8Array(1);
  let line = "";
  // Byte by byte: the input after the line belongs to other programs.
  while (line.length < LONGEST_ANSWER) {
    if (readInto(0, byte) === 0) return line === "" ? undefined : line;
    if (byte[0] === 10) return line;
    line += fromBytes(byte);
  }
  return line;
}

/** Asks a yes-or-no question; Enter means yes. Undefined if standard input ends before an answer. */
export function confirm(question: string): boolean | undefined {
  const answer = ask(`${question} [Y/n] `);
  return answer === undefined ? undefined : /^(?:|y|yes)$/i.test(answer.trim());
}
