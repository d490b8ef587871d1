import { type ByteString, trim } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import type { Remedy } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import { didYouMean, suggest } from "../cli/suggest.ts";
import { describedBy, readKeys } from "../config/keys.ts";
import { type Fix, findEntry, type IniSection, keyPlace } from "../config/model.ts";
import { groupOfSection } from "../config/scan.ts";
import { chrootshKeys } from "../config/schemas/chrootsh.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { uchrootKeys } from "../config/schemas/uchroot.ts";
import { commentInValue } from "../config/section-problems.ts";
import { type ReportFinding, reportSeparators } from "../config/separators.ts";
import { isListItem, splitList } from "../config/text.ts";
import { type ListItem, leadingInteger } from "../config/values.ts";
import { confinementOf, executeOf } from "../confine/policy.ts";
import { executeLimits } from "../enter/limited/execution.ts";
import { sectionLinesRemedy } from "../enter/remedies.ts";
import { uchrootConfinement } from "../enter/uchroot/uchroot.ts";
import { hooksWarning, isHooksPair } from "../known-programs/hooks.ts";
import { recognise } from "../known-programs/recognise.ts";
import { USUAL_PROGRAMS } from "../known-programs/services.ts";
import { carriesCode } from "../known-programs/starters.ts";
import { onlyRootExchanges } from "../system/exchange.ts";
import { lintAllow } from "./allow.ts";
import { lintCommands, readPrograms } from "./commands.ts";
import { lintConfine, lintExecuteDirectories } from "./confine.ts";
import {
  jailsLike,
  type LintContext,
  type LintWorld,
  lintPathForm,
  ownItems,
  pathFault,
  plainForm,
  reportAbsence,
} from "./context.ts";
import { limitsExecution, lintExecute } from "./execute.ts";
import { lintProgram, type SectionFacts } from "./programs.ts";

/** Whether a section says in which form lines are logged, and nothing else. */
const isOnlyForm = ({ name, entries }: IniSection) =>
  name === "DEFAULT" && entries.length > 0 && entries.every(({ key }) => key === "log_format");

/** Checks a section of jk_lsh.ini: each program that it allows, its search path, and its environment. */
export function lintLsh(section: IniSection, context: LintContext): void {
  const { report, world } = context;
  const { items, listed, words } = readPrograms(section, world);
  const named = section.entries.some(({ key }) => key === "force" || key === "allow" || isOfCommand(key));
  if (!named && (findEntry(section, "executables")?.value ?? "") === "" && !isOnlyForm(section)) {
    const usual = USUAL_PROGRAMS.filter((path) => world.lookUp(path)?.type === "file");
    const lines = ["paths = /usr/bin", `executables = ${usual.join(", ")}`];
    const fix: Fix =
      usual.length === 0 ? { kind: "disable-section" } : { kind: "in-section", section: section.name, lines };
    report(section, "warning", "no-executables", "no key executables: this section allows nothing", fix);
  }
  // Of a pattern, no item of a list can be taken out.
  const noItem: LintContext = { ...context, report: withoutItems(report) };
  const isLost = ({ value }: ListItem) => value.startsWith("/") && world.lookUp(value) === undefined;
  const paths = ownItems(section, "paths");
  // What is not there may be lost for a while: without the key there would be other paths.
  for (const item of paths) lintDirectory(item, paths.every(isLost) ? noItem : context, false);
  lintAllow(section, context);
  lintCommands(section, context);
  const facts = { ...sectionFacts(section, context), lacksAll: items.every(isLost) };
  const about = listed ? context : noItem;
  const seen = new Set<ByteString>();
  for (const item of items) {
    if (!seen.has(item.value)) {
      if (listed || item.value.startsWith("/")) lintProgram(item, facts, about);
    } else if (listed) {
      const fix: Fix = { kind: "item", old: item.value };
      report(item, "warning", "duplicate-item", `${quoted(item.value)} is here twice`, fix);
    }
    seen.add(item.value);
  }
  const obedient = { ...facts, directories: undefined, free: false };
  for (const item of words) if (!seen.has(item.value)) lintProgram(item, obedient, noItem);
  lintExecute(section, about);
  const values = readKeys(section, lshKeys);
  const confinement = confinementOf(values, true, executeLimits(values, ""), "");
  lintConfine(
    section,
    context,
    values,
    confinement,
    (path) => world.exists(path),
    // With `read` alone, a word of `allow` writes nothing.
    (path) => (listed || values.allow === undefined) && isExchangeable(path, () => world.exchangeable(path)),
  );
  lintHooks(section, context);
  lintEnvironment(section, context);
  lintNames(section, context);
}

/** Whether a key is, or was meant to be, one of the keys `command`. */
function isOfCommand(key: ByteString): boolean {
  const facts = describedBy(lshKeys, key);
  return facts === "misspelt" || facts?.family !== undefined;
}

/** Reports findings without fixes that change an item of a list. */
const withoutItems =
  (report: ReportFinding): ReportFinding =>
  (place, severity, code, message, fix) =>
    report(place, severity, code, message, fix?.kind === "item" ? undefined : fix);

function sectionFacts(section: IniSection, context: LintContext): Omit<SectionFacts, "lacksAll"> {
  const free = findEntry(section, "allow_spawn_options")?.value ?? "";
  // A pattern says itself how its program is found.
  const isListed = (findEntry(section, "executables")?.value ?? "") !== "";
  const paths = isListed ? findEntry(section, "paths")?.value : undefined;
  const directories = paths === undefined ? undefined : splitList(paths);
  return {
    name: section.name,
    directories,
    suggested: directories ?? [],
    free: (leadingInteger(free)?.number ?? 0) !== 0,
    limited: limitsExecution(section, context),
    setsHome: /(?:^|,)[\t-\r ]*HOME[\t-\r ]*=/.test(findEntry(section, "environment")?.value ?? ""),
  };
}

/** A directory in a list. `ofJails`: a list of jails, of which one is suggested in the place of a missing one. */
function lintDirectory(item: ListItem, context: LintContext, ofJails: boolean): void {
  const { world, report } = context;
  const { value } = item;
  if (reportSeparators(item, (path) => world.lookUp(path) !== undefined, report)) return;
  if (!lintPathForm(item, report)) return;
  const file = world.lookUp(value);
  if (ofJails && file === undefined && reportAbsence(item, value, context)) return;
  const known = ofJails ? jailsLike(value, world).filter(isListItem) : [];
  const fix: Fix = { kind: "item", old: value, with: suggest(value, known) };
  if (file === undefined) {
    const message = `${quoted(value)} does not exist${didYouMean(value, known)}`;
    report(item, "error", "no-such-path", message, fix);
  } else if (file.type !== "directory") {
    report(item, "error", "not-a-directory", `${quoted(value)} is not a directory`, fix);
  }
}

/**
 * Reports jails with a comma in their paths, which is where a list is split: the pieces may be other jails. Returns the items
 * that are pieces.
 */
function reportPieces(
  { name }: IniSection,
  items: readonly ListItem[],
  jails: readonly ByteString[],
  { world, report }: LintContext,
): Set<ListItem> {
  const found = new Set<ListItem>();
  for (const jail of jails) {
    const pieces = splitList(jail);
    if (pieces.length < 2) continue;
    const at = items.findIndex((_, start) =>
      pieces.every((one, index) => items[start + index]?.value === one),
    );
    const first = items[at];
    if (first === undefined) continue;
    for (const item of items.slice(at, at + pieces.length)) found.add(item);
    const others = [items.slice(0, at), items.slice(at + pieces.length)] as const;
    const plain = jail.replace(/,[\t-\r ]*/g, "_");
    const isBeside = directoryOf(plain) === directoryOf(jail) && onlyRootExchanges(jail);
    const isFree = isListItem(plain) && isBeside && world.lookUp(plain) === undefined;
    const message = `${quoted(jail)} cannot be in a list, which is split at the comma: move the jail to a path without one, and write that here`;
    const [from, to] = [shellWord(jail), shellWord(plain)];
    const all = [...others[0].map(({ value }) => value), plain, ...others[1].map(({ value }) => value)];
    const lines = sectionLinesRemedy(first.file, name, [`allowed_jails = ${all.join(", ")}`]);
    const text: Remedy = `mv -nT ${from} ${to} && jailkit adopt --moved ${from} ${to}; then ${lines}`;
    report(first, "error", "bad-path", message, isFree ? { kind: "command", text } : { kind: "none" });
  }
  return found;
}

/** Variables in the key `environment` that make programs run other code. */
export function lintEnvironment(section: IniSection, { report }: Pick<LintContext, "report">): void {
  const pairs = new Map(readKeys(section, lshKeys).environment);
  for (const item of ownItems(section, "environment")) {
    const name = trim(item.value.split("=", 1)[0] ?? "");
    if (!carriesCode(name) || isHooksPair(name, pairs)) continue;
    const ofLinker = name.startsWith("LD_");
    const message = `${quoted(name)} can make programs run other code${ofLinker ? " and is ignored" : ""}`;
    report(item, ofLinker ? "error" : "warning", "code-variable", message, { kind: "item", old: item.value });
  }
}

/** Hooks in repositories, which the table of programs switches off. */
function lintHooks(section: IniSection, { world, report }: LintContext): void {
  const { executables, environment, words, allowSpawnOptions: free } = readPrograms(section, world);
  const reported = new Set<string>();
  for (const path of [...(free ? [] : executables), ...words.map(({ value }) => value)]) {
    const program = recognise(path, world.files);
    // The search is slow, and only for programs with hooks.
    if (program.rows.every(({ hooks }) => hooks === undefined)) continue;
    const isShared = section.name === "DEFAULT" || groupOfSection(section.name) !== undefined;
    const user = isShared ? undefined : section.name;
    const found = hooksWarning(program, world.hookedRepositories(user), new Map(environment));
    if (found === undefined || reported.has(found.message)) continue;
    reported.add(found.message);
    report(section, "warning", "hooks-off", `${found.message}; ${found.advice}`);
  }
}

/** The jails without those that are missing, which say nothing about a path. */
const present = (jails: readonly ByteString[], world: LintWorld) =>
  jails.filter((jail) => world.exists("/", jail));

/** Whether a path exists in one of these jails, or there is none. */
function existsInSome(jails: readonly ByteString[], path: ByteString, world: LintWorld): boolean {
  const there = present(jails, world);
  return there.length === 0 || there.some((jail) => world.exists(path, jail));
}

/** Whether users can exchange a path: in the homes, always; elsewhere, if that is `known`. */
const isExchangeable = (path: ByteString, known: () => boolean) =>
  path.startsWith("~/") || (path.startsWith("/") && known());

/** Whether users can exchange a path in each of these jails; false if there is none. */
const isExchangeableInAll = (jails: readonly ByteString[], path: ByteString, world: LintWorld) =>
  isExchangeable(path, () => {
    const there = present(jails, world);
    return there.length > 0 && there.every((jail) => world.exchangeable(path, jail));
  });

/** Checks a section of jk_chrootsh.ini. */
export function lintChrootsh(section: IniSection, context: LintContext): void {
  const entry = findEntry(section, "injail_shell");
  const shell = entry?.value ?? "";
  const fault = shell === "" ? undefined : pathFault(shell);
  if (entry !== undefined && /[\t-\r ][#;]/.test(shell)) {
    const { severity, code, message, fix, ...place } = commentInValue(entry);
    context.report(place, severity, code, message, fix);
  } else if (fault !== undefined) {
    const plain = plainForm(shell);
    const fix: Fix = plain === undefined ? { kind: "disable" } : { kind: "value", text: plain };
    const place = keyPlace(section, "injail_shell");
    context.report(place, "error", "bad-path", `${quoted(shell)} ${fault}`, fix);
  }
  const { world } = context;
  const values = readKeys(section, chrootshKeys);
  const jails = world.jailsOf(section.name);
  const exists = (path: ByteString) => existsInSome(jails, path, world);
  const confinement = confinementOf(values, false, executeOf(values, false, [], ""), "");
  const exchangeable = (path: ByteString) => isExchangeableInAll(jails, path, world);
  lintConfine(section, context, values, confinement, exists, exchangeable);
  lintExecuteDirectories(section, context, values.execute, exists);
  lintNames(section, context);
}

/** Checks a section of jk_uchroot.ini. */
export function lintUchroot(section: IniSection, context: LintContext): void {
  if ((findEntry(section, "allowed_jails")?.value ?? "") === "" && !isOnlyForm(section)) {
    const message = "no key allowed_jails: this section allows nothing";
    context.report(section, "warning", "no-jails", message, { kind: "disable-section" });
  }
  const jails = context.world.jails();
  const items = ownItems(section, "allowed_jails");
  const pieces = reportPieces(section, items, jails, context);
  for (const item of items) if (!pieces.has(item)) lintDirectory(item, context, true);
  const { world } = context;
  const values = readKeys(section, uchrootKeys);
  const exists = (path: ByteString) => existsInSome(values.allowedJails, path, world);
  const exchangeable = (path: ByteString) => isExchangeableInAll(values.allowedJails, path, world);
  lintConfine(section, context, values, uchrootConfinement(values, ""), exists, exchangeable);
  lintExecuteDirectories(section, context, values.execute, exists);
  lintNames(section, context);
}

/** The key `env`: names of variables that are kept. */
export function lintNames(section: IniSection, { report }: Pick<LintContext, "report">): void {
  for (const item of ownItems(section, "env")) {
    const { value } = item;
    if (reportSeparators(item, () => false, report)) continue;
    const fix: Fix = { kind: "item", old: value };
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(value)) {
      report(item, "error", "bad-name", `${quoted(value)} is not the name of a variable`, fix);
    } else if (carriesCode(value)) {
      const message = `${quoted(value)} lets the user choose code that programs run`;
      report(item, value.startsWith("LD_") ? "error" : "warning", "code-variable", message, fix);
    }
  }
}
