import { type ByteString, trim } from "../../ffi/bytes.ts";
import { linesOf } from "../config/fixes.ts";
import type { Fix, IniFile, Problem } from "../config/model.ts";
import { isDeclaredKey } from "../config/schemas/jails.ts";
import { readKeyLine } from "../users/key-lines.ts";

// A key of RSA with 16384 bits has 2,800 bytes.
const MOST_LINES = 64;

/** Lines that are meant to be one. */
interface Meant {
  /** The number of the first line, and how many they are. */
  readonly line: number;
  readonly count: number;
  readonly message: string;
  /** For sed(1), when it has read all of them. */
  readonly join: string;
}

/** True for a line that could be a part of a key, and is neither a whole one nor a comment. */
function isBroken(text: ByteString): boolean {
  const found = readKeyLine(text);
  return found !== undefined && "problem" in found;
}

/** A key that begins in a line, and goes on in the next ones, as terminals and mails break it. */
function brokenKey(lines: readonly ByteString[], line: number): Meant | undefined {
  let text = trim((lines[line - 1] ?? "").replace(/^authorized_keys[ \t]*=/, ""));
  if (!isBroken(text)) return undefined;
  for (let count = 2; count <= MOST_LINES; count++) {
    const more = trim(lines[line + count - 2] ?? "");
    if (!isBroken(more)) return undefined;
    text += more;
    if (isBroken(text)) continue;
    const message = `'authorized_keys', lines ${line} to ${line + count - 1} are one key: write it in one line`;
    return { line, count, message, join: "s/[[:space:]]*\\n[[:blank:]]*//g" };
  }
  return undefined;
}

const ITEM = /^[ \t]*-[ \t]+[^ \t\r,#;]+[ \t\r]*$/;

/** A list as in YAML, with a line for each item, that a line is in. */
function yamlList(lines: readonly ByteString[], line: number): Meant | undefined {
  const isItem = (number: number) => ITEM.test(lines[number - 1] ?? "");
  let first = line;
  while (isItem(first)) first--;
  const [, key = ""] = /^([\w-]+)[ \t]*[=:][ \t\r]*$/.exec(lines[first - 1] ?? "") ?? [];
  let count = 1;
  while (isItem(first + count)) count++;
  if (count === 1 || !isDeclaredKey(key) || key === "authorized_keys") return undefined;
  const message = `'${key}', lines ${first} to ${first + count - 1}: a list is one line, with commas`;
  const items = "s/[[:space:]]*\\n[[:blank:]]*-[[:blank:]]*/, /g";
  return { line: first, count, message, join: `${items};s/[[:blank:]]*[=:][[:blank:]]*,/ =/` };
}

const OF_LISTS: readonly string[] = ["empty-value", "not-a-list", "stray-text"];

function meantAt(lines: readonly ByteString[], { code, line }: Problem): Meant | undefined {
  if (code === "bad-key") return brokenKey(lines, line);
  return OF_LISTS.includes(code) ? yamlList(lines, line) : undefined;
}

// U+00A0 and the like, as web pages have them, in UTF-8.
const ODD_BLANK = /\xc2\xa0|\xe2\x80[\x80-\x8b\xaf]|\xe2\x81\x9f|\xe3\x80\x80|\xef\xbb\xbf/g;

/** The remedy of a line with such blanks: they are the reason of its problems, unless they are in a comment about somebody. */
function ordinaryBlanks(text: ByteString, line: number): Fix | undefined {
  const found = /^comment[ \t]*=/.test(text) ? [] : [...new Set(text.match(ODD_BLANK))];
  if (found.length === 0) return undefined;
  const bytes = (one: ByteString) => one.replace(/./gs, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
  return { kind: "strip", expression: found.map((one) => `${line}s/${bytes(one)}/ /g`).join(";") };
}

/** Problems, each of which may be that of such blanks. A line may be long, and have thousands. */
function withBlanks(problems: readonly Problem[], ini: IniFile): Problem[] {
  const known = new Map<string, Fix | undefined>();
  return problems.map((problem) => {
    const { file, line, message } = problem;
    const fix = known.getOrInsertComputed(`${line} ${file}`, () =>
      ordinaryBlanks(linesOf(ini, file)[line - 1] ?? "", line),
    );
    if (fix === undefined) return problem;
    return {
      ...problem,
      message: `${message}; a blank in this line only looks like one: write an ordinary one`,
      fix,
    };
  });
}

/** The problems of a file, with one for lines that are meant to be one: a key that was broken into several, or a list as in YAML. */
export function withWholeLines(problems: readonly Problem[], ini: IniFile): Problem[] {
  const told = new Set<string>();
  const found = problems.map((problem) => {
    const { file } = problem;
    const meant = meantAt(linesOf(ini, file), problem);
    if (meant === undefined || told.has(`${meant.line} ${file}`)) return { problem, isOne: false };
    const { line, count, message, join } = meant;
    for (let next = line; next < line + count; next++) told.add(`${next} ${file}`);
    // Empty lines keep the numbers of those below: other remedies of the same report name them.
    const [read, rest] = ["N;", "\\n"].map((one) => one.repeat(count - 1));
    const fix: Fix = { kind: "strip", expression: `${line}{${read}${join};s/$/${rest}/}` };
    return { problem: { ...problem, line, column: 1, message, fix }, isOne: true };
  });
  const isTold = ({ file, line }: Problem) => told.has(`${line} ${file}`);
  const left = found.filter(({ problem, isOne }) => isOne || !isTold(problem));
  return withBlanks(
    left.map(({ problem }) => problem),
    ini,
  );
}
