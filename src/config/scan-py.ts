import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { substitute } from "./interpolation.ts";
import {
  type Fix,
  type IniEntry,
  type IniSection,
  LIMITS,
  type Position,
  type ProblemList,
} from "./model.ts";
import { isDeclaredKey, meantHeader } from "./schemas/jails.ts";
import { lowerCase, splitLines, strip, withoutControl } from "./text.ts";

// str.strip() of Python, as far as ASCII goes
const FIRST_NON_BLANK = /[^ \t\v\f\x1c-\x1f]/;
// All but the tab.
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/** A key whose value may go on in the next line. */
interface Draft {
  entry: IniEntry;
  lines: ByteString[];
  places: Position[];
}

/**
 * Reads the text of a file in dialect "py", by the rules of Python's configparser.ConfigParser with its defaults.
 * What raises an exception there is an error here; only a `%` that is no valid interpolation is an ordinary
 * character. Returns the sections with the keys of [DEFAULT] added, and [DEFAULT] by itself.
 */
export function scanPy(
  text: ByteString,
  file: ByteString,
  problems: ProblemList,
): { sections: IniSection[]; defaults: IniSection | undefined } {
  const scanner = new Scanner(file, problems);
  scanner.text(text);
  const { sections, defaults } = scanner;
  for (const one of sections) inherit(one, defaults);
  const budget = { bytes: LIMITS.fileBytes };
  for (const one of sections) substitute(one, budget);
  if (budget.bytes < 0) problems.error(1, 1, "too-long", "the text that replaces %(...)s is too long");
  return { sections, defaults };
}

/**
 * Reads the text of a file in dialect "plain": the lines of dialect "py", without what that has for the sake of old files.
 * What could be taken in two ways is an error.
 */
export function scanPlain(text: ByteString, file: ByteString, problems: ProblemList): IniSection[] {
  const scanner = new Scanner(file, problems, "plain");
  scanner.text(text);
  return scanner.sections;
}

/** What a line without '=' was probably meant for: an item of the value above, or a key that ':' ends. */
function strayFix(text: ByteString, above: ByteString | undefined): Fix | undefined {
  const [, key, value] = /^([\w-]+)[\t-\r ]*:[\t-\r ]*([^\t-\r ].*)$/.exec(text) ?? [];
  const line: Fix | undefined = key === undefined ? undefined : { kind: "line", text: `${key} = ${value}` };
  if (line !== undefined && isDeclaredKey(key ?? "")) return line;
  const belongs = above !== undefined && (/(?:^|,)$/.test(above) || /^(?:ssh|ecdsa|sk)-/.test(text));
  return belongs ? { kind: "line", text: `  ${text}` } : line;
}

class Scanner {
  readonly sections: IniSection[] = [];
  /** [DEFAULT] */
  defaults: IniSection | undefined;
  /** Of the current line. */
  #number = 0;
  #indent = 0;
  #section: IniSection | undefined;
  /** The keys of the current section. */
  readonly #defaultKeys = new Map<ByteString, IniEntry>();
  #keys = this.#defaultKeys;
  /** The key that an indented line goes on with. */
  #draft: Draft | undefined;
  readonly #drafts: Draft[] = [];
  readonly #repeated: { readonly entry: IniEntry; readonly first: IniEntry }[] = [];
  readonly #firstLines = new Map<ByteString, number>();

  constructor(
    readonly file: ByteString,
    readonly problems: ProblemList,
    readonly dialect: "py" | "plain" = "py",
  ) {}

  text(text: ByteString) {
    for (const line of splitLines(text, this.dialect)) this.#line(line);
    this.#finishValues();
  }

  #line(line: ByteString) {
    this.#number++;
    const isPlain = this.dialect === "plain";
    const at = line.search(FIRST_NON_BLANK);
    const control = isPlain ? line.search(CONTROL) : -1;
    if (control >= 0) {
      if (line.charAt(at) === "[") this.#leaveSection(at + 1, meantHeader(strip(line))?.name);
      const fix = withoutControl(line, this.#number);
      return this.problems.error(this.#number, control + 1, "control-character", "a control character", fix);
    }
    if (at < 0) return this.#continue("", 0);
    const first = line.charAt(at);
    if (first === "#" || first === ";") return;
    const content = strip(line);
    if (isPlain && /^\/\/(?:[ \t]|$)/.test(content)) {
      const fix: Fix = { kind: "line", text: `#${content.slice(2)}` };
      return this.problems.error(this.#number, at + 1, "stray-text", "a comment begins with '#' or ';'", fix);
    }
    const draft = this.#draft;
    if (draft !== undefined && at > this.#indent) {
      const isHeader = first === "[" && content.endsWith("]");
      if (isPlain && (isHeader || meantHeader(content)?.marked)) {
        const message = `an indented section header would be part of the value of ${quoted(draft.entry.key)}`;
        this.#leaveSection(at + 1, meantHeader(content)?.name);
        return this.problems.error(this.#number, at + 1, "bad-header", message);
      }
      return this.#continue(content, at);
    }
    this.#indent = at;
    this.#draft = undefined;
    if (isPlain && first === "[") return this.#plainHeader(content, at + 1);
    if (isPlain && this.#isHeader(content)) {
      this.#leaveSection(at + 1, meantHeader(content)?.name);
      return this.problems.error(this.#number, at + 1, "bad-header", "a section header without '['");
    }
    const name = /^\[(.+)\]/.exec(content)?.[1];
    if (name !== undefined) this.#header(name, at + 1);
    else this.#option(line, at);
  }

  /** The fix of what declares something that nobody but the administrator knows: as a comment, it would be declared no more. */
  #onlyMeant(isDoubtful = true): Fix | undefined {
    return this.dialect === "plain" && isDoubtful ? { kind: "none" } : undefined;
  }

  #continue(content: ByteString, at: number) {
    this.#draft?.lines.push(content);
    this.#draft?.places.push({ line: this.#number, column: at + 1 });
  }

  /** A path behind the word jail may be meant for the key of a user who has none yet. */
  #isHeader(content: ByteString): boolean {
    const meant = meantHeader(content);
    if (meant === undefined || meant.marked || meant.kind === "user") return meant !== undefined;
    return meantHeader(`[${this.#section?.name}]`)?.kind !== "user" || this.#keys.has("jail");
  }

  #plainHeader(content: ByteString, column: number) {
    const name = content.slice(1, -1);
    const isTwice = name.endsWith("]") && !name.includes("[");
    const end = content.search(/\](?:[ \t]|$)/) + 1;
    if (end === content.length && name !== "" && !isTwice) return this.#header(name, column);
    const rest = content.slice(end);
    const at = column + end + Math.max(0, rest.search(FIRST_NON_BLANK));
    if (end === 0) this.problems.error(this.#number, column, "bad-header", "a section header without ']'");
    else if (rest !== "") this.problems.error(this.#number, at, "bad-header", "text after a section header");
    else if (isTwice)
      this.problems.error(this.#number, column, "bad-header", "a section header with two ']'");
    else this.problems.error(this.#number, column, "bad-header", "a section header without a name");
    this.#leaveSection(column, content.slice(1));
  }

  /** After a header that cannot be read: the keys that follow are no other section's. */
  #leaveSection(column: number, name = "") {
    this.#section = { name, file: this.file, line: this.#number, column, entries: [] };
    this.#keys = new Map();
    this.#draft = undefined;
  }

  #header(name: ByteString, column: number) {
    const { file, problems } = this;
    const line = this.#number;
    if (name.length > LIMITS.nameBytes) {
      const advice = this.dialect === "plain" ? ": write [jail PATH] or [user NAME] with a shorter one" : "";
      const message = `a section name over ${LIMITS.nameBytes} bytes${advice}`;
      problems.error(line, column, "too-long", message, this.#onlyMeant() ?? { kind: "disable-section" });
      return this.#leaveSection(column, name);
    }
    if (name === "DEFAULT" && this.dialect === "py") {
      this.defaults ??= { name, file, line, column, entries: [] };
      this.#section = this.defaults;
      this.#keys = this.#defaultKeys;
      return;
    }
    const first = this.#firstLines.get(name);
    if (first !== undefined) {
      const message = `section ${quoted(name)} is in line ${first} already`;
      problems.error(line, column, "duplicate-section", message);
    } else this.#firstLines.set(name, line);
    this.#section = { name, file, line, column, entries: [] };
    this.#keys = new Map();
    if (this.sections.length < LIMITS.sections) this.sections.push(this.#section);
    else problems.error(line, column, "too-many", `more than ${LIMITS.sections} sections`);
  }

  #option(text: ByteString, at: number) {
    const { file, problems } = this;
    const isPlain = this.dialect === "plain";
    const line = this.#number;
    const column = at + 1;
    if (this.#section === undefined) {
      return problems.error(line, column, "no-section", "text before the first section header");
    }
    const delimiter = text.slice(at).search(isPlain ? /=/ : /[=:]/);
    if (delimiter < 0) {
      const lacks = isPlain
        ? "a line that has no '=': what belongs to the value above is indented"
        : "a line that has no '=' and no ':'";
      // A key, or an item, that begins at the margin.
      const lines = this.#section.entries.length > 0 ? (this.#drafts.at(-1)?.lines ?? []) : [];
      const above = lines.findLast((one) => one !== "") ?? lines[0];
      const fix = isPlain ? strayFix(strip(text), above) : undefined;
      return problems.error(line, column, "stray-text", lacks, fix);
    }
    const written = strip(text.slice(at, at + delimiter));
    const key = isPlain ? written : lowerCase(written);
    if (key === "") {
      return problems.error(line, column, "stray-text", "a value without a key", this.#onlyMeant());
    }
    if (key.length > LIMITS.nameBytes) {
      return problems.error(line, column, "too-long", `a key over ${LIMITS.nameBytes} bytes`);
    }
    const earlier = this.#keys.get(key);
    if (earlier === undefined && this.#keys.size >= LIMITS.keysInSection) {
      const message = `more than ${LIMITS.keysInSection} keys in a section`;
      return problems.error(line, column, "too-many", message);
    }
    const value = text.slice(at + delimiter + 1);
    const valueColumn = at + delimiter + 2 + Math.max(0, value.search(FIRST_NON_BLANK));
    const entry = { key, value: "", file, line, column, valueColumn, pieces: undefined, inherited: false };
    this.#draft = { entry, lines: [strip(value)], places: [{ line, column: valueColumn }] };
    this.#drafts.push(this.#draft);
    if (earlier === undefined) {
      this.#keys.set(key, entry);
      this.#section.entries.push(entry);
    } else this.#repeated.push({ entry, first: earlier });
  }

  /** Joins the lines of each value; empty ones at its end do not count. */
  #finishValues(): void {
    for (const { entry, lines, places } of this.#drafts) {
      while (lines.length > 1 && lines.at(-1) === "") lines.pop();
      entry.value = lines.join("\n");
      entry.pieces = places.slice(0, lines.length);
      if (entry.value.length > LIMITS.valueBytes) {
        const message = `the value of ${quoted(entry.key)} is over ${LIMITS.valueBytes} bytes`;
        const fix = this.#onlyMeant(isDeclaredKey(entry.key));
        this.problems.error(entry.line, entry.column, "too-long", message, fix);
      }
    }
    for (const { entry, first } of this.#repeated) {
      const message = `${quoted(entry.key)} is in line ${first.line} already`;
      // Of two values nobody else knows which one is meant, or whether both are. A user has one jail: a header is missing.
      const isDoubtful = entry.value !== first.value || entry.key === "jail";
      const fix = this.#onlyMeant(isDoubtful);
      this.problems.error(entry.line, entry.column, "duplicate-key", message, fix);
    }
    // Nothing else is said of such a value, and to look into all of it would take seconds.
    for (const { entry } of this.#drafts)
      if (entry.value.length > LIMITS.valueBytes) {
        entry.value = entry.value.slice(0, LIMITS.nameBytes);
        entry.pieces = entry.pieces?.slice(0, entry.value.split("\n").length);
      }
  }
}

function inherit(section: IniSection, defaults: IniSection | undefined): void {
  const own = new Set(section.entries.map((entry) => entry.key));
  for (const entry of defaults?.entries ?? []) {
    if (!own.has(entry.key)) section.entries.push({ ...entry, inherited: true });
  }
}
