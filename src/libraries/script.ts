import type { ByteString } from "../../ffi/bytes.ts";

/** What the first line of a script asks for. */
export interface ScriptLine {
  /** The program after "#!". */
  interpreter: ByteString;
  /** Where that is env(1): the program that it is to look up in PATH. */
  lookedUp: ByteString | undefined;
}

/** The kernel reads no more of a file to find out what it is (BINPRM_BUF_SIZE, execve(2)). */
export const SCRIPT_LINE_LIMIT = 256;

/** Where env(1) looks when nobody set PATH otherwise. */
export const STANDARD_PATH = [
  "/usr/local/sbin",
  "/usr/local/bin",
  "/usr/sbin",
  "/usr/bin",
  "/sbin",
  "/bin",
] as const;

/** The words of the argument of `env -S`, as far as it takes to find a program: quotes, no escapes. */
function splitWords(text: ByteString): ByteString[] {
  const words = text.match(/(?:[^\s"']|"[^"]*"|'[^']*')+/g) ?? [];
  return words.map((word) => word.replace(/["']/g, ""));
}

/** The program in the arguments of env(1): behind its options and assignments. */
function programOfEnv(argument: ByteString): ByteString | undefined {
  // Linux hands over everything behind the interpreter as one argument; only -S takes it apart again.
  const split = /^(?:-[iv0]*S|--split-string[= ])\s*/.exec(argument);
  if (split === null) return /^$|^-|=/.test(argument) ? undefined : argument;
  const words = splitWords(argument.slice(split[0].length));
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (/^(?:-[uC]|--unset|--chdir)$/.test(word)) at++;
    else if (!word.startsWith("-") && !word.includes("=")) return word;
  }
  return undefined;
}

/**
 * Reads the "#!" line at the start of a file as Linux does (execve(2)): the interpreter ends at the first blank,
 * the line at the first newline or NUL. `start` is the first SCRIPT_LINE_LIMIT bytes. Undefined where it is not
 * a script, or one that the kernel refuses because its line is empty or too long.
 */
export function parseScriptLine(start: ByteString): ScriptLine | undefined {
  if (!start.startsWith("#!")) return undefined;
  const end = start.slice(0, SCRIPT_LINE_LIMIT).search(/[\n\0]/);
  const line = (end < 0 ? start.slice(2, SCRIPT_LINE_LIMIT) : start.slice(2, end)).replace(
    /^[ \t]+|[ \t]+$/g,
    "",
  );
  const blank = line.search(/[ \t]/);
  // Without an end of line the interpreter's name may have been cut.
  if (line === "" || (end < 0 && start.length >= SCRIPT_LINE_LIMIT && blank < 0)) return undefined;
  const interpreter = blank < 0 ? line : line.slice(0, blank);
  const argument = blank < 0 ? "" : line.slice(blank).replace(/^[ \t]+/, "");
  const isEnv = /(?:^|\/)env$/.test(interpreter);
  return { interpreter, lookedUp: isEnv ? programOfEnv(argument) : undefined };
}
