import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "./display.ts";
import { UsageError } from "./error.ts";
import { longName, type OptionTable } from "./options.ts";
import { suggest } from "./suggest.ts";

/** What the arguments of a program are: its options, and the operands. */
export interface GivenArguments {
  /** In the order given. `value` is undefined for a flag. */
  options: { key: string; long: string; value: ByteString | undefined }[];
  operands: ByteString[];
}

/**
 * Reads arguments by the rules of getopt_long(3): bundled one-letter options, values joined or apart (`-jDIR`,
 * `-j DIR`, `--jail=DIR`, `--jail DIR`), unambiguous abbreviations of long options, options after operands unless
 * `posix`, and `--` as the end of the options. Throws UsageError.
 */
export function getopt(args: readonly ByteString[], table: OptionTable, posix = false): GivenArguments {
  const specs = Object.entries(table).map(([key, spec]) => {
    const long = longName(key, spec);
    const also = spec.also ?? [];
    const names = [long, ...also.filter((one) => one.length > 1)];
    return { key, spec, long, names, letters: [spec.short, ...also.filter((one) => one.length === 1)] };
  });
  const result: GivenArguments = { options: [], operands: [] };
  let at = 0;

  const take = (name: ByteString): ByteString => {
    const value = args[++at];
    if (value === undefined) throw new UsageError(`option ${quoted(name)} needs an argument`);
    return value;
  };

  const add = ({ key, long }: (typeof specs)[number], value: ByteString | undefined) => {
    result.options.push({ key, long, value });
  };

  const long = (word: ByteString) => {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
    const exact = specs.find(({ names }) => names.includes(name));
    const begun = specs.filter(({ names }) => name !== "" && names.some((one) => one.startsWith(name)));
    const candidates = exact ? [exact] : begun;
    const [entry] = candidates;
    if (entry === undefined) {
      const shown = specs.filter(({ spec }) => spec.hidden !== true).map((one) => one.long);
      const near = suggest(name, shown);
      const hint = near === undefined ? "" : `; did you mean '--${near}'?`;
      throw new UsageError(`unrecognized option ${quoted(`--${name}`)}${hint}`);
    }
    if (candidates.length > 1) {
      const names = candidates.map((candidate) => `'--${candidate.long}'`).join(" ");
      throw new UsageError(`option ${quoted(`--${name}`)} is ambiguous; possibilities: ${names}`);
    }
    const joined = equals < 0 ? undefined : word.slice(equals + 1);
    if (entry.spec.optional) add(entry, joined ?? "");
    else if (entry.spec.value !== undefined) add(entry, joined ?? take(`--${entry.long}`));
    else if (joined === undefined) add(entry, undefined);
    else if (entry.spec.words?.includes(joined)) add(entry, joined);
    else throw unexpectedWord(entry.long, entry.spec.words);
  };

  const bundle = (word: ByteString) => {
    for (let i = 1; i < word.length; i++) {
      const letter = word.charAt(i);
      const entry = specs.find((candidate) => candidate.letters.includes(letter));
      if (entry === undefined) throw new UsageError(`invalid option -- ${quoted(letter)}`);
      if (entry.spec.value !== undefined) {
        const rest = word.slice(i + 1);
        add(entry, rest === "" ? take(`-${letter}`) : rest);
        return;
      }
      add(entry, undefined);
    }
  };

  for (; at < args.length; at++) {
    const word = args[at] as ByteString;
    if (word === "--") {
      result.operands.push(...args.slice(at + 1));
      break;
    }
    if (word.startsWith("--")) long(word);
    else if (word.startsWith("-") && word !== "-") bundle(word);
    else if (posix) {
      result.operands.push(...args.slice(at));
      break;
    } else result.operands.push(word);
  }
  return result;
}

function unexpectedWord(long: string, words: readonly string[] = []): UsageError {
  const only = words.length === 0 ? "" : `, except ${words.map(quoted).join(", ")}`;
  return new UsageError(`option '--${long}' does not take an argument${only}`);
}
