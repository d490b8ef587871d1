import type { ByteString } from "../../ffi/bytes.ts";
import { normalPath } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { withSlash } from "../config/confine-values.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import { describedBy, type KeyTable } from "../config/keys.ts";
import {
  type Fix,
  findEntry,
  type IniEntry,
  type IniSection,
  type Place,
  type Problem,
  valuePlace,
} from "../config/model.ts";
import { isDeclaredKey, type SectionKind, sectionKind } from "../config/schemas/jails.ts";
import { commentInValue, keyProblems } from "../config/section-problems.ts";
import { reportSeparators } from "../config/separators.ts";
import { COMMENT_BEHIND } from "../config/text.ts";
import { type KeyDescription, type ListItem, listItems } from "../config/values.ts";

const HEADER = /^(jail|user) (?=[^ \t])/;

/** What a section is about, and the place of its path or name. */
export interface Subject extends Place {
  readonly kind: SectionKind;
  /** The path or the name, without quotes around it. */
  readonly name: ByteString;
  /** There are some, which is an error. */
  readonly inQuotes: boolean;
}

/** What a text in quotes has between them; undefined for any other. Pure. */
export function withoutQuotes(text: ByteString): ByteString | undefined {
  const [, double, single] = /^(?:"([^"]+)"|'([^']+)')$/.exec(text) ?? [];
  return double ?? single;
}

/** A text without blanks at its end. One byte of a letter is none, as it is for trimEnd. Pure. */
export const withoutLastBlanks = (text: ByteString): ByteString => text.replace(/[ \t]+$/, "");

/** The subject of a section [jail PATH] or [user NAME]; undefined for any other. Pure. */
export function subjectOf({ name, file, line, column }: IniSection): Subject | undefined {
  const kind = HEADER.exec(name)?.[1];
  if (kind !== "jail" && kind !== "user") return undefined;
  const start = kind.length + 1;
  const text = name.slice(start);
  const bare = withoutQuotes(text);
  return {
    ...{ kind, name: bare ?? text, inQuotes: bare !== undefined },
    ...{ file, line, column: column + 1 + start },
  };
}

/** Whether the name of a section is that of a kind alone, so that the path or name is missing. Pure. */
export const isNameless = (name: ByteString): boolean =>
  /^[ \t]*[a-z]+[ \t]*$/i.test(name) && sectionKind(name) !== undefined;

/** What a section of another name was probably meant for; undefined if it is not known. Pure. */
export function meantSubject({
  name: written,
  entries,
}: Pick<IniSection, "name" | "entries">): Pick<Subject, "kind" | "name"> | undefined {
  // The brackets may be there twice.
  const name = /^\[+((?:[^[].*?)?)\]+$/.exec(written)?.[1] ?? written;
  const [, word = "", subject] =
    /^[ \t]*([^ \t:=/]+)(?:[ \t]*[ \t:=][ \t]*|(?=\/))([^ \t].*?)[ \t]*$/.exec(name) ??
    /^((?:jail|user)s?)[(){}[\]<>,"'](.+)$/i.exec(name) ??
    [];
  const kind = sectionKind(word);
  if (kind !== undefined && subject !== undefined) return { kind, name: subject };
  if (name.startsWith("/")) return { kind: "jail", name };
  // [group NAME] is none, and [DEFAULT] is for all of them.
  const isOne = /^[ \t]*[^ \t]+[ \t]*$/.test(name) && !isNameless(name) && name !== "DEFAULT";
  const isUser = isOne && entries.some(({ key }) => key === "jail");
  return isUser ? { kind: "user", name } : undefined;
}

/** A problem for which nothing of the declaration may be used. */
export function problemAt(
  { file, line, column }: Place,
  code: FindingCode,
  message: ByteString,
  fix?: Fix,
): Problem {
  return { file, line, column, severity: "error", code, message, ...(fix && { fix }) };
}

// Values of these kinds may go on in indented lines.
const LISTS: readonly KeyDescription["kind"][] = [
  ...(["list", "pairs", "execute", "allow", "paths", "ports", "limits"] as const),
];

/**
 * The key that an indented line was probably meant to set, be it misspelt. Only in a list of NAME=VALUE may a line be one
 * such item.
 */
function keyInLine(text: ByteString, kind: KeyDescription["kind"], table: KeyTable): ByteString | undefined {
  const [, key, blanks] = /^([\w-]+(?: [^ \t=]+)?)([ \t]*)=/.exec(text) ?? [];
  if (key === undefined) return undefined;
  return kind !== "pairs" || blanks !== "" || describedBy(table, key) !== undefined ? key : undefined;
}

/** The faults of a value of several lines: it is no list, or a comma is missing, or a line was meant as a key. */
function lineProblems(entry: IniEntry, { kind }: KeyDescription, table: KeyTable): Problem[] {
  const lines = entry.value.split("\n");
  if (kind === "lines" || lines.length === 1) return [];
  const problems: Problem[] = [];
  for (const [index, text] of lines.entries()) {
    const key = index === 0 ? undefined : keyInLine(text, kind, table);
    const place = entry.pieces?.[index];
    if (key === undefined || place === undefined) continue;
    const message = `${quoted(key)} is indented, so that it is a part of the value of ${quoted(entry.key)}`;
    problems.push(
      problemAt({ ...place, file: entry.file }, "indented-line", message, { kind: "line", text }),
    );
  }
  if (problems.length > 0) return problems;
  if (!LISTS.includes(kind)) {
    const message = `${quoted(entry.key)} goes over several lines, which only a list may`;
    const place = valuePlace(entry);
    return [problemAt(place, "indented-line", message, { kind: "none" })];
  }
  const split = listItems(entry).filter(({ value }) => value.includes("\n"));
  return split.map((item) =>
    problemAt(item, "not-a-list", `${quoted(item.value)} goes over two lines: a comma is missing`, {
      kind: "comma",
    }),
  );
}

/**
 * The problems of a section that its table shows: unknown keys, empty ones, comments in values, and values of several lines.
 * `other` is the table of the other kind of section, for hints. Pure.
 */
export function tableProblems(
  section: IniSection,
  kind: Subject["kind"],
  table: KeyTable,
  other: KeyTable,
): Problem[] {
  const problems: Problem[] = [];
  const own = section.entries.filter((entry) => {
    const isOther =
      describedBy(table, entry.key) === undefined && typeof describedBy(other, entry.key) === "object";
    if (!isOther) return true;
    const [here, there] = kind === "jail" ? ["[jail]", "[user]"] : ["[user]", "[jail]"];
    const message = `there is no key ${quoted(entry.key)} in a section ${here}; ${there} has one`;
    // It may be meant for a section whose header is missing.
    problems.push(problemAt(entry, "unknown-key", message, { kind: "none" }));
    return false;
  });
  problems.push(...keyProblems({ ...section, entries: own }, table, "plain"));
  for (const entry of own) {
    const facts = describedBy(table, entry.key);
    if (typeof facts === "object") problems.push(...lineProblems(entry, facts, table));
  }
  return problems;
}

/** The problem of a section whose name is in quotes. `name`: what to write. */
export function quotesProblem(subject: Subject, code: FindingCode, name = subject.name): Problem {
  const header = `[${subject.kind} ${name}]`;
  return problemAt(subject, code, `there is no quoting: write ${display(header)}`, {
    ...{ kind: "line", text: header },
  });
}

/** The problem of a header with a comment before its ']'; undefined if there is none. */
export function commentInHeader(subject: Subject): Problem | undefined {
  const { kind, name } = subject;
  const at = name.search(COMMENT_BEHIND);
  if (at < 0) return undefined;
  const what = kind === "jail" ? "path" : "name";
  const message = `a comment needs a line of its own; here it is part of the ${what} ${quoted(name)}`;
  const comment = name.slice(at).replace(/^[ \t]*(?:[#;]|\/\/)/, "#");
  const text = `[${kind} ${withoutLastBlanks(name.slice(0, at))}]\n${comment}`;
  return problemAt(subject, "comment-in-value", message, { kind: "line", text });
}

/** The items of a list; none for a missing key. */
export function itemsOf(section: IniSection, key: ByteString): ListItem[] {
  const entry = findEntry(section, key);
  return entry === undefined ? [] : listItems(entry);
}

/** The problem of an item that is several, or in quotes, if there is one. `isOne`: as for reportSeparators. */
export function separatorProblems(
  item: ListItem,
  isOne: (item: ByteString) => boolean = () => false,
): Problem[] {
  const problems: Problem[] = [];
  reportSeparators(item, isOne, (place, _, code, message, fix) =>
    problems.push(problemAt(place, code, message, fix)),
  );
  return problems;
}

/** Problems of items that a list has twice. */
export function twice(items: readonly ListItem[]): Problem[] {
  const seen = new Set<ByteString>();
  return items.flatMap((item) => {
    const { value } = item;
    if (!seen.has(value)) {
      seen.add(value);
      return [];
    }
    return problemAt(item, "duplicate-item", `${quoted(value)} is here twice`, { kind: "item", old: value });
  });
}

/** The plain path that was meant by one that is not; undefined if nobody else knows it. Pure. */
export function meantPath(path: ByteString): ByteString | undefined {
  const meant = path.startsWith("/") ? normalPath(path) : withSlash(path);
  return meant === undefined || lengthFault(meant) !== undefined ? undefined : meant;
}

// NAME_MAX and PATH_MAX of Linux, without the byte at the end.
const [LONGEST_NAME, LONGEST_PATH] = [255, 4095];

/** Why no file can have a path or a name, as the end of a sentence; undefined if one can. Pure. */
export function lengthFault(path: ByteString): string | undefined {
  if (path.split("/").some((name) => name.length > LONGEST_NAME))
    return `has a name of more than ${LONGEST_NAME} bytes, which no file has`;
  return path.length > LONGEST_PATH
    ? `has more than ${LONGEST_PATH} bytes, which no path of a file has`
    : undefined;
}

/** Why a path is not the plain form of an absolute one, as the end of a sentence; undefined if it is. Pure. */
export function plainFault(path: ByteString): string | undefined {
  if (!path.startsWith("/")) return "is not an absolute path";
  const plain = normalPath(path);
  return plain === path ? lengthFault(path) : `is not a plain path: write ${quoted(plain)}`;
}

/** The problem of a value that is no plain path, or that a comment follows; undefined if there is none. */
export function pathProblem(entry: IniEntry): Problem | undefined {
  if (COMMENT_BEHIND.test(entry.value)) return commentInValue(entry);
  const bare = withoutQuotes(entry.value);
  if (bare?.startsWith("/")) {
    const message = `${quoted(entry.key)}: there is no quoting: write ${display(bare)}`;
    return problemAt(valuePlace(entry), "bad-path", message, { kind: "value", text: bare });
  }
  const fault = plainFault(entry.value);
  if (fault === undefined || entry.value.includes("\n")) return undefined;
  // The name of a shell that is in /bin everywhere.
  const isShell = entry.key === "shell" && /^(?:ba|da|k|z)?sh$/.test(entry.value);
  const meant = isShell ? `/bin/${entry.value}` : meantPath(entry.value);
  const fix: Fix = meant === undefined ? { kind: "none" } : { kind: "value", text: meant };
  return problemAt(
    valuePlace(entry),
    "bad-path",
    `${quoted(entry.key)}: ${quoted(entry.value)} ${fault}`,
    fix,
  );
}

/** The problem of an item of a list of paths that is no plain one. */
export function pathItemProblem(item: ListItem): Problem[] {
  const { value } = item;
  const fault = plainFault(value);
  if (fault === undefined || value.includes("\n")) return [];
  const several = value.startsWith("/") ? [] : separatorProblems(item);
  if (several.length > 0) return several;
  const meant = meantPath(value);
  const fix: Fix = meant === undefined ? { kind: "none" } : { kind: "item", old: value, with: meant };
  return [problemAt(item, "bad-path", `${quoted(value)} ${fault}`, fix)];
}

/** The line that one without '=' was probably meant for, if its first word is a key; undefined if that is not known. Pure. */
export function meantLine(text: ByteString): ByteString | undefined {
  const [, key = "", value] = /^[ \t]*([\w-]+)[ \t]+([^ \t\r=].*?)[ \t\r]*$/.exec(text) ?? [];
  return value !== undefined && isDeclaredKey(key) ? `${key} = ${value}` : undefined;
}
