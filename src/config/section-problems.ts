import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { suggest } from "../cli/suggest.ts";
import { linesOf } from "./fixes.ts";
import { describedBy, type KeyTable } from "./keys.ts";
import {
  type Dialect,
  type Fix,
  type IniEntry,
  type IniFile,
  type IniSection,
  type Place,
  type Problem,
  valuePlace,
} from "./model.ts";
import { CONFIG_KINDS } from "./schemas/catalogue.ts";
import { COMMENT_BEHIND, COMMENT_IN_LINE } from "./text.ts";
import type { KeyDescription } from "./values.ts";
import { isIn, replacedBy } from "./whole-lists.ts";

/** Problems in the order of files and lines. */
export function inOrder(problems: Problem[], ini: IniFile): Problem[] {
  const files = [ini, ...ini.texts, ...problems].map((one) => one.file);
  const rank = new Map([...new Set(files)].map((file, index) => [file, index]));
  const of = (file: ByteString) => rank.get(file) ?? 0;
  return problems.sort((a, b) => of(a.file) - of(b.file) || a.line - b.line || a.column - b.column);
}

function keyHint(
  { key }: IniEntry,
  near: ByteString | undefined,
  elsewhere: ByteString | undefined,
  dialect: Dialect,
): ByteString {
  if (elsewhere !== undefined) return `; ${elsewhere}.ini has one`;
  if (near === undefined) return "";
  // An abbreviation such as `exe = ...` had an effect in jailkit 2.23.
  return dialect === "c" && near.startsWith(key)
    ? `; jailkit 2.23 took it for ${quoted(near)}: write it in full`
    : `; did you mean ${quoted(near)}?`;
}

/** The kinds of values of which a comment would be a part: all but numbers, and texts, which may look like one. */
const TAKES_COMMENTS: readonly KeyDescription["kind"][] = [
  ...(["list", "pairs", "line", "paths", "execute"] as const),
  ...(["allow", "ports", "limits", "choice", "yesno"] as const),
];

/** The kinds of values of which two slashes, with a blank before them, may be meant as a part. */
const MAY_HAVE_SLASHES: readonly KeyDescription["kind"][] = ["line", "pairs"];

/** The key of a section that is not in its table, and the one that was probably meant. */
function unknownKey(entry: IniEntry, section: IniSection, table: KeyTable, dialect: Dialect): Problem {
  const { file, line, column } = entry;
  const elsewhere = CONFIG_KINDS.find((kind) => typeof describedBy(kind.keys, entry.key) === "object")?.name;
  const near = elsewhere === undefined ? suggest(entry.key, Object.keys(table)) : undefined;
  const message = `there is no key ${quoted(entry.key)}${keyHint(entry, near, elsewhere, dialect)}`;
  // If the section has the right key already, this one is disabled.
  const free = near !== undefined && !section.entries.some(({ key }) => key === near);
  const fix: Fix = free ? { kind: "key", name: near } : { kind: "disable" };
  return { file, line, column, severity: "error", code: "unknown-key", message, fix };
}

/** The keys of a section that are not in its table, are empty, or have a comment in their value. Pure. */
export function keyProblems(section: IniSection, table: KeyTable, dialect: Dialect): Problem[] {
  const problems: Problem[] = [];
  for (const entry of section.entries) {
    if (entry.inherited) continue;
    const { file, line, column } = entry;
    const facts = describedBy(table, entry.key);
    if (facts === "misspelt") continue;
    if (facts === undefined) problems.push(unknownKey(entry, section, table, dialect));
    else if (entry.value === "" && facts.kind !== "line" && !facts.filled) {
      const message = `${quoted(entry.key)} is empty, which is the same as missing`;
      problems.push({ file, line, column, severity: "warning", code: "empty-value", message });
    } else if (
      TAKES_COMMENTS.includes(facts.kind) &&
      (MAY_HAVE_SLASHES.includes(facts.kind) ? COMMENT_IN_LINE : COMMENT_BEHIND).test(entry.value)
    ) {
      problems.push(commentInValue(entry));
    } else if (facts.onlyDefault && section.name !== "DEFAULT") {
      const message = `${quoted(entry.key)} counts only in [DEFAULT], for the users of all sections`;
      const fix: Fix = { kind: "disable" };
      problems.push({ file, line, column, severity: "warning", code: "default-only", message, fix });
    }
  }
  return problems;
}

/** The problem of an entry that has a comment in its value. */
export function commentInValue(entry: IniEntry): Problem {
  const message = `${quoted(entry.key)}: a comment needs a line of its own; here it is part of the value`;
  const fix: Fix = { kind: "comment" };
  return { ...valuePlace(entry), severity: "error", code: "comment-in-value", message, fix };
}

// The keys of which one is missing, by the code of the finding.
const LACKS: Readonly<Partial<Record<Problem["code"], readonly string[]>>> = {
  "no-executables": ["executables"],
  "no-jails": ["allowed_jails"],
  "no-jail": ["jail"],
  "no-shell": ["shell", "allow", "executables", "command", "force"],
};

const isAt = (problem: Problem, { file, line, column }: Place) =>
  problem.file === file && problem.line === line && problem.column === column;

/** Whether a header that cannot be read is between the line of a problem and that of the section to which it seems to belong. */
function isInLostSection({ file, line }: Problem, problems: readonly Problem[], ini: IniFile): boolean {
  const above = [...ini.defaults, ...ini.sections].filter((one) => one.file === file && one.line <= line);
  const first = Math.max(0, ...above.map((one) => one.line));
  const lost = problems.filter(
    (one) =>
      (one.code === "bad-header" || one.code === "stray-text") &&
      one.file === file &&
      one.line < line &&
      one.line > first,
  );
  return lost.some((one) => /^[\t-\r ]*\[/.test(linesOf(ini, file)[one.line - 1] ?? ""));
}

/** Which problems are those of values that are too long, besides that. Of a key that there is not, no value counts. */
function ofLongValues(
  problems: readonly Problem[],
  sections: readonly IniSection[],
): (problem: Problem) => boolean {
  const [long = [], unknown = []] = (["too-long", "unknown-key"] as const).map((code) =>
    problems.filter((one) => one.code === code),
  );
  const entries = sections.flatMap((section) =>
    section.entries.filter((entry) => long.some((one) => isAt(one, entry))),
  );
  return (problem) =>
    entries.some((entry) => isIn(entry, problem)) ||
    (problem.code === "too-long" && unknown.some((one) => isAt(one, problem)));
}

/**
 * Removes the problems that only follow from another problem: their fix would not help, and could remove what is right.
 */
export function withoutConsequences(problems: readonly Problem[], ini: IniFile): Problem[] {
  const sections = [...ini.defaults, ...ini.sections];
  const has = (code: Problem["code"]) => problems.filter((one) => one.code === code);
  const [headers, doubtful] = [has("bad-header"), has("doubtful-header")];
  const isOfLong = ofLongValues(problems, sections);
  // A comment after a value is part of the value, and of its items; so is an indented line.
  const inValue: readonly Problem["code"][] = ["comment-in-value", "indented-line"];
  const strange = inValue.flatMap(has);
  const spoilt = sections
    .flatMap(({ entries }) => entries)
    .filter((entry) => strange.some((one) => isIn(entry, one)));
  const misspelt = (section: IniSection, keys: readonly string[]) =>
    has("unknown-key").some(
      (one) =>
        one.fix?.kind === "key" &&
        keys.includes(one.fix.name) &&
        section.entries.some((entry) => isAt(one, entry)),
    );
  // A line of the section that its fix turns into one of the keys.
  const malformed = ({ file, line }: IniSection, keys: readonly string[]) => {
    const next = Math.min(
      ...sections.filter((one) => one.file === file && one.line > line).map((one) => one.line),
    );
    return [...has("stray-text"), ...has("indented-line")].some(
      (one) =>
        one.fix?.kind === "line" &&
        keys.includes(/^([\w-]+)[\t-\r ]*=/.exec(one.fix.text)?.[1] ?? "") &&
        one.file === file &&
        one.line > line &&
        one.line < next,
    );
  };

  // The value of the key is at the margin.
  const isBelow = ({ file, line }: Problem) =>
    has("stray-text").some(
      (one) =>
        one.fix?.kind === "line" &&
        /^[\t-\r ]/.test(one.fix.text) &&
        one.file === file &&
        one.line === line + 1,
    );
  const isEmpty = (problem: Problem) =>
    sections.some(({ entries }) => entries.some((entry) => entry.value === "" && isIn(entry, problem)));

  function follows(problem: Problem): boolean {
    const { code, file, line } = problem;
    if (code === "bad-value" && isEmpty(problem) && isBelow(problem)) return true;
    if (code === "no-section") return headers.some((one) => one.file === file && one.line < line);
    if ((code === "duplicate-key" || code === "unknown-key") && isInLostSection(problem, problems, ini))
      return true;
    if (code === "stray-text") return doubtful.some((one) => isAt(problem, one));
    if (isOfLong(problem)) return true;
    if (!inValue.includes(code) && spoilt.some((entry) => isIn(entry, problem))) return true;
    if (replacedBy(problem, ini).some((entry) => spoilt.includes(entry))) return true;
    const keys = LACKS[code];
    return (
      keys !== undefined &&
      sections.some((one) => isAt(problem, one) && (misspelt(one, keys) || malformed(one, keys)))
    );
  }

  return problems.filter((problem) => !follows(problem));
}
