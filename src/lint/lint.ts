import { type ByteString, fromBytes, trim } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { didYouMean, suggest } from "../cli/suggest.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import { readKeys } from "../config/keys.ts";
import type { Fix, IniFile, IniSection, Problem } from "../config/model.ts";
import type { ConfigKind } from "../config/schemas/catalogue.ts";
import { inOrder, keyProblems, withoutConsequences } from "../config/section-problems.ts";
import type { ReportFinding } from "../config/separators.ts";
import { SPLIT, splitLines } from "../config/text.ts";
import { withWholeLists } from "../config/whole-lists.ts";
import { lintChrootsh, lintLsh, lintUchroot } from "./accounts.ts";
import type { LintContext, LintWorld } from "./context.ts";
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

  for (const section of [...ini.defaults, ...ini.sections])
    problems.push(...keyProblems(section, kind.keys, ini.dialect));
  for (const section of ini.sections) {
    const own = { ...section, entries: section.entries.filter((entry) => !entry.inherited) };
    problems.push(...readKeys(own, kind.keys).problems);
    if (kind.sections === "account") lintAccountName(section, context);
    BY_KIND[kind.name]?.(section, context);
  }
  for (const section of ini.defaults) problems.push(...readKeys(section, kind.keys).problems);
  const found = withoutConsequences(problems, ini);
  return withWholeLists(inOrder([...found, ...returnProblems(found, ini)], ini), ini);
}

/**
 * In dialect "py" a carriage return alone ends a line, as old editors write it. For editors and sed(1) it does not: what names a
 * line of such a file means another one there.
 */
function returnProblems(problems: readonly Problem[], { texts, dialect }: IniFile): Problem[] {
  if (dialect !== "py") return [];
  return texts.flatMap(({ file, bytes }): Problem[] => {
    const text = fromBytes(bytes);
    const at = text.search(/\r(?!\n)/);
    if (at < 0 || !problems.some((one) => one.file === file)) return [];
    const before = splitLines(text.slice(0, at), dialect);
    const place = { file, line: before.length, column: (before.at(-1)?.length ?? 0) + 1 };
    const message = "a carriage return alone ends a line here, and not for most other programs";
    const fix: Fix = { kind: "strip", expression: SPLIT, splits: true };
    return [{ ...place, severity: "warning", code: "control-character", message, fix }];
  });
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
    const refusal = kind === "member" ? world.groupRefusal(group) : undefined;
    if (refusal !== undefined) {
      const message = `everybody who comes to this section is refused: ${refusal}`;
      report(section, "error", "unknown-group", message, { kind: "none" });
    }
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
  const own = world.otherName(name);
  if (own !== undefined) {
    const message = `the name of the user ${quoted(name)} is ${quoted(own)}, so that the section is for nobody`;
    return error("unknown-user", message, byName.has(own) ? undefined : own);
  }
  if (world.userExists(name)) return;
  // Its section is not for the group of the same name.
  if (world.isOutside(name)) return error("unknown-user", `the user ${quoted(name)} is not in this jail`);
  const unknown = (hint: ByteString, header?: ByteString) =>
    error("unknown-user", `there is no user ${quoted(name)}${hint}`, header);
  const words = trim(name).split(/[\t-\r ]+/);
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
