import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { didYouMean, suggest } from "../cli/suggest.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import { describedBy, type KeyTable, readKeys } from "../config/keys.ts";
import {
  type Dialect,
  type Fix,
  type IniEntry,
  type IniFile,
  type IniSection,
  type Place,
  type Problem,
  valuePlace,
} from "../config/model.ts";
import { CONFIG_KINDS, type ConfigKind } from "../config/schemas/catalogue.ts";
import type { KeyDescription } from "../config/values.ts";
import { lintChrootsh, lintLsh, lintUchroot } from "./accounts.ts";
import type { LintContext, LintWorld, ReportFinding } from "./context.ts";
import { lintCheck, lintInit, lintSocketd, lintUpdate } from "./jails.ts";

type SectionLint = (section: IniSection, context: LintContext) => void;

const BY_KIND: Readonly<Record<string, SectionLint>> = {
  jk_check: lintCheck,
  jk_chrootsh: lintChrootsh,
  jk_init: lintInit,
  jk_lsh: lintLsh,
  jk_socketd: lintSocketd,
  jk_uchroot: lintUchroot,
  jk_update: lintUpdate,
};

/**
 * Finds all problems of a config file merged with its drop-ins, those of the scanner included, in the order of files
 * and lines.
 */
export function lint(ini: IniFile, kind: ConfigKind, world: LintWorld): Problem[] {
  const problems: Problem[] = [...ini.problems];
  const report: ReportFinding = ({ file, line, column }, severity, code, message, fix) => {
    problems.push({ file, line, column, severity, code, message, ...(fix && { fix }) });
  };
  const byName = new Map(ini.sections.map((section) => [section.name, section]));
  const context: LintContext = { ini, byName, world, report, reported: new Set() };

  for (const section of [...ini.defaults, ...ini.sections]) lintKeys(section, kind.keys, ini.dialect, report);
  for (const section of ini.sections) {
    const own = { ...section, entries: section.entries.filter((entry) => !entry.inherited) };
    problems.push(...readKeys(own, kind.keys).problems);
    if (kind.sections === "account") lintAccountName(section, context);
    BY_KIND[kind.name]?.(section, context);
  }
  for (const section of ini.defaults) problems.push(...readKeys(section, kind.keys).problems);
  return inOrder(withoutConsequences(problems, ini), ini);
}

function inOrder(problems: Problem[], ini: IniFile): Problem[] {
  const files = [ini, ...ini.sections, ...problems].map((one) => one.file);
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

/** The kinds of values of which a comment would be a part, without an error at a login. */
const TAKES_COMMENTS: readonly KeyDescription["kind"][] = ["list", "pairs", "line", "paths", "execute"];

function lintKeys(section: IniSection, table: KeyTable, dialect: Dialect, report: ReportFinding): void {
  const known = Object.keys(table);
  for (const entry of section.entries) {
    if (entry.inherited) continue;
    const facts = describedBy(table, entry.key);
    if (facts === "misspelt") continue;
    if (facts === undefined) {
      const elsewhere = CONFIG_KINDS.find(
        (kind) => typeof describedBy(kind.keys, entry.key) === "object",
      )?.name;
      const near = elsewhere === undefined ? suggest(entry.key, known) : undefined;
      const message = `there is no key ${quoted(entry.key)}${keyHint(entry, near, elsewhere, dialect)}`;
      // If the section has the right key already, this one is disabled.
      const free = near !== undefined && !section.entries.some(({ key }) => key === near);
      const fix: Fix = free ? { kind: "key", name: near } : { kind: "disable" };
      report(entry, "error", "unknown-key", message, fix);
    } else if (entry.value === "" && facts.kind !== "line" && !facts.filled) {
      report(entry, "warning", "empty-value", `${quoted(entry.key)} is empty, which is the same as missing`);
    } else if (TAKES_COMMENTS.includes(facts.kind) && /\s[#;]/.test(entry.value)) {
      const message = `${quoted(entry.key)}: a comment needs a line of its own; here it is part of the value`;
      report(valuePlace(entry), "error", "comment-in-value", message, { kind: "comment" });
    } else if (facts.onlyDefault && section.name !== "DEFAULT") {
      const message = `${quoted(entry.key)} counts only in [DEFAULT], for the users of all sections`;
      report(entry, "warning", "default-only", message, { kind: "disable" });
    }
  }
}

function lintAccountName(section: IniSection, { world, report, byName }: LintContext) {
  const { name } = section;
  if (name === "DEFAULT") return;
  const error = (code: FindingCode, message: ByteString, header?: ByteString) => {
    const fix: Fix =
      header === undefined ? { kind: "disable-section" } : { kind: "line", text: `[${header}]` };
    report(section, "error", code, message, fix);
  };
  /** The header of the account that was probably meant, if no other section has it. */
  const meant = (known: readonly ByteString[], wanted: ByteString, prefix = "") => {
    const near = suggest(wanted, known);
    return near === undefined || byName.has(`${prefix}${near}`) ? undefined : `${prefix}${near}`;
  };
  const [, kind = "", group] = /^(group|member) ([^ ].*)$/.exec(name) ?? [];
  if (group !== undefined) {
    if (world.groupExists(group)) return;
    const outside = world.groupOutside(group);
    if (outside !== undefined) {
      const message = `the group ${quoted(group)} is not in this jail, so that the section is for nobody`;
      const { command } = outside;
      const bring: Fix =
        command === undefined ? { kind: "disable-section" } : { kind: "command", text: command };
      report(section, "error", "unknown-group", message, bring);
      return;
    }
    const names = world.groupNames();
    const message = `there is no group ${quoted(group)}${didYouMean(group, names)}`;
    return error("unknown-group", message, meant(names, group, `${kind} `));
  }
  if (world.userExists(name)) return;
  // Its section is not for the group of the same name.
  if (world.isOutside(name)) return error("unknown-user", `the user ${quoted(name)} is not in this jail`);
  const unknown = (hint: ByteString, header?: ByteString) =>
    error("unknown-user", `there is no user ${quoted(name)}${hint}`, header);
  const words = name.trim().split(/\s+/);
  const trimmed = words.join(" ");
  if (trimmed.toUpperCase() === "DEFAULT") {
    unknown("; the section for all others is [DEFAULT]", "DEFAULT");
  } else if (words.length === 2 && /^(?:group|member)$/i.test(words[0] ?? "")) {
    const header = `${words[0]?.toLowerCase()} ${words[1]}`;
    unknown(`; a section for a group is [${header}]`, header);
  } else if (world.groupExists(trimmed)) {
    unknown(`; for the group it is [group ${trimmed}]`, `group ${trimmed}`);
  } else unknown(didYouMean(name, world.userNames()), meant(world.userNames(), name));
}

// The key that is missing, by the code of the finding.
const LACKS: Readonly<Partial<Record<Problem["code"], string>>> = {
  "no-executables": "executables",
  "no-jails": "allowed_jails",
};

const isAt = (problem: Problem, { file, line, column }: Place) =>
  problem.file === file && problem.line === line && problem.column === column;

/** Whether a problem is in the value of an entry. */
function isIn({ file, line, valueColumn, pieces }: IniEntry, problem: Problem): boolean {
  const last = pieces?.at(-1)?.line ?? line;
  const behind = problem.line > line || (problem.line === line && problem.column >= valueColumn);
  return problem.file === file && behind && problem.line <= last;
}

/**
 * Removes the problems that only follow from another problem: their fix would not help, and could remove what is right.
 */
function withoutConsequences(problems: readonly Problem[], ini: IniFile): Problem[] {
  const sections = [...ini.defaults, ...ini.sections];
  const has = (code: Problem["code"]) => problems.filter((one) => one.code === code);
  const [headers, doubtful] = [has("bad-header"), has("doubtful-header")];
  // A comment after a value is part of the value, and of its items.
  const commented = sections
    .flatMap(({ entries }) => entries)
    .filter((entry) => has("comment-in-value").some((one) => isIn(entry, one)));
  const misspelt = (section: IniSection, key: string) =>
    has("unknown-key").some(
      (one) =>
        one.fix?.kind === "key" && one.fix.name === key && section.entries.some((entry) => isAt(one, entry)),
    );

  function follows(problem: Problem): boolean {
    const { code, file, line } = problem;
    if (code === "no-section") return headers.some((one) => one.file === file && one.line < line);
    if (code === "stray-text") return doubtful.some((one) => isAt(problem, one));
    if (code !== "comment-in-value" && commented.some((entry) => isIn(entry, problem))) return true;
    const key = LACKS[code];
    return key !== undefined && sections.some((one) => isAt(problem, one) && misspelt(one, key));
  }

  return problems.filter((problem) => !follows(problem));
}
