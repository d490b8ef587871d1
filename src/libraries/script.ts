import type { ByteString } from "../../ffi/bytes.ts";

/** The first line of a script. */
interface ScriptLine {
  /** The program after "#!". */
  interpreter: ByteString;
  /** If that is env(1): the program that it searches in PATH. */
  lookedUp: ByteString | undefined;
}

/** The kernel reads no more of a file to find its type (BINPRM_BUF_SIZE, execve(2)). */
export const SCRIPT_LINE_LIMIT = 256;

/** The default PATH of env(1). */
export const STANDARD_PATH: readonly ByteString[] =
  "/usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin".split(" ");

/** The program in the arguments of env(1): after its options and assignments. */
function programOfEnv(argument: ByteString): ByteString | undefined {
  // Linux passes everything after the interpreter as one argument; only -S splits it.
  const split = /^(?:-[iv0]*S|--split-string[= ])[\t-\r ]*/.exec(argument);
  if (split === null) return /^$|^-|=/.test(argument) ? undefined : argument;
  // Quotes count, escapes do not, which is enough to find a program.
  const words = argument.slice(split[0].length).match(/(?:[^\t-\r "']|"[^"]*"|'[^']*')+/g) ?? [];
  for (let at = 0; at < words.length; at++) {
    const word = (words[at] ?? "").replace(/["']/g, "");
    if (/^(?:-[uC]|--unset|--chdir)$/.test(word)) at++;
    else if (!word.startsWith("-") && !word.includes("=")) return word;
  }
  return undefined;
}

/**
 * Reads the "#!" line at the start of a file as Linux does (execve(2)): the interpreter ends at the first blank, the
 * line at the first newline or NUL. `start` is the first SCRIPT_LINE_LIMIT bytes. undefined for a file that is not a
 * script, or that the kernel refuses because its line is empty or too long.
 */
export function parseScriptLine(start: ByteString): ScriptLine | undefined {
  if (!start.startsWith("#!")) return undefined;
  const end = start.slice(0, SCRIPT_LINE_LIMIT).search(/[\n\0]/);
  const line = start.slice(2, end < 0 ? SCRIPT_LINE_LIMIT : end).replace(/^[ \t]+|[ \t]+$/g, "");
  const blank = line.search(/[ \t]/);
  // Without an end of line the name of the interpreter may be cut off.
  if (line === "" || (end < 0 && start.length >= SCRIPT_LINE_LIMIT && blank < 0)) return undefined;
  const interpreter = blank < 0 ? line : line.slice(0, blank);
  const argument = blank < 0 ? "" : line.slice(blank).replace(/^[ \t]+/, "");
  const isEnv = /(?:^|\/)env$/.test(interpreter);
  return { interpreter, lookedUp: isEnv ? programOfEnv(argument) : undefined };
}
