import type { ByteString } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { didYouMean, suggest } from "../cli/suggest.ts";
import { readKeys } from "../config/keys.ts";
import { type Fix, findEntry, type IniEntry, type IniSection } from "../config/model.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { leadingInteger, listItems, splitList } from "../config/values.ts";
import { hooksWarning, isHooksPair } from "../programs/hooks.ts";
import { ownStartWarning } from "../programs/own-start.ts";
import { recognise } from "../programs/recognise.ts";
import { carriesCode } from "../programs/starters.ts";
import { USUAL_PROGRAMS } from "../programs/usual.ts";
import { programWarnings } from "../programs/warnings.ts";
import {
  badPath,
  type Item,
  itemPlace,
  type LintContext,
  mendedPath,
  type Place,
  pathFix,
  valuePlace,
} from "./context.ts";
import { holdsPrograms, lintExecute } from "./execute.ts";
import { lintSeparators } from "./separators.ts";

// Where a program is looked for that stands in executables by its name alone.
const DIRECTORIES = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/** Checks jk_lsh.ini: each program that a section allows, where it is looked for, and what it is given. */
export function lintLsh(section: IniSection, context: LintContext): void {
  const { report } = context;
  const executables = findEntry(section, "executables");
  const paths = findEntry(section, "paths");
  if ((executables?.value ?? "") === "") {
    const usual = USUAL_PROGRAMS.filter((path) => context.world.lookUp(path)?.type === "file");
    const lines = ["paths = /usr/bin", `executables = ${usual.join(", ")}`];
    const fix: Fix =
      usual.length === 0 ? { kind: "disable-section" } : { kind: "in-section", section: section.name, lines };
    report(section, "warning", "no-executables", "no key executables: this section allows nothing", fix);
  }
  for (const item of paths === undefined ? [] : listItems(paths)) {
    if (paths !== undefined) lintDirectory(item, paths, context);
  }
  const free = findEntry(section, "allow_spawn_options");
  const unchecked = free !== undefined && (leadingInteger(free.value)?.number ?? 0) !== 0;
  const held = holdsPrograms(section, context);
  const environment = findEntry(section, "environment");
  const givesHome = environment !== undefined && /(?:^|,)\s*HOME\s*=/.test(environment.value);
  const directories = paths === undefined ? undefined : splitList(paths.value);
  const seen = new Set<ByteString>();
  for (const item of executables === undefined ? [] : listItems(executables)) {
    if (executables === undefined) break;
    if (seen.has(item.value)) {
      const place = itemPlace(executables, item);
      const fix: Fix = { kind: "item", old: item.value };
      report(place, "warning", "duplicate-item", `${quoted(item.value)} stands here twice`, fix);
    } else
      lintExecutable(
        item,
        executables,
        { sectionName: section.name, directories, unchecked, held, givesHome },
        context,
      );
    seen.add(item.value);
  }
  lintExecute(section, context);
  const pairs = new Map(readKeys(section, lshKeys).environment);
  if (!unchecked) lintHooks(section, context);
  for (const item of environment === undefined ? [] : listItems(environment)) {
    const name = item.value.split("=", 1)[0]?.trim() ?? "";
    if (environment === undefined || !carriesCode(name) || isHooksPair(name, pairs)) continue;
    const ignored = name.startsWith("LD_") ? " and is ignored" : "";
    const message = `${quoted(name)} can make programs run other code${ignored}`;
    report(
      itemPlace(environment, item),
      name.startsWith("LD_") ? "error" : "warning",
      "code-variable",
      message,
      { kind: "item", old: item.value },
    );
  }
  lintNames(section, context);
}

function lintDirectory(item: Item, entry: IniEntry, { world, report }: LintContext): void {
  if (lintSeparators(item, entry, (path) => world.lookUp(path) !== undefined, { report })) return;
  const place = itemPlace(entry, item);
  const bad = badPath(item.value);
  const file = bad === undefined ? world.lookUp(item.value) : undefined;
  const known = entry.key === "allowed_jails" ? world.jails() : [];
  const near = suggest(item.value, known);
  const fix: Fix = { kind: "item", old: item.value, with: near };
  if (bad !== undefined)
    report(place, "error", "bad-path", `${quoted(item.value)} ${bad}`, pathFix(item.value));
  else if (file === undefined) {
    const hint = didYouMean(item.value, known);
    report(place, "error", "no-such-path", `${quoted(item.value)} does not exist${hint}`, fix);
  } else if (file.type !== "directory") {
    report(place, "error", "not-a-directory", `${quoted(item.value)} is not a directory`, fix);
  }
}

/** What of a section the check of each program goes by. */
interface SectionFacts {
  sectionName: ByteString;
  /** The key `paths`. */
  directories: readonly ByteString[] | undefined;
  /** The key `allow_spawn_options`. */
  unchecked: boolean;
  /** The kernel lets a known program execute only what its row of the table says. */
  held: boolean;
  /** The key `environment` has a HOME. */
  givesHome: boolean;
}

function lintExecutable(
  item: Item,
  entry: IniEntry,
  { sectionName, directories, unchecked, held, givesHome }: SectionFacts,
  { world, report }: LintContext,
): void {
  const place = itemPlace(entry, item);
  const path = item.value;
  if (lintSeparators(item, entry, (one) => world.lookUp(one) !== undefined, { report })) return;
  const bad = badPath(path);
  if (bad !== undefined) {
    const code = path.startsWith("/") ? "bad-path" : "relative-executable";
    const why =
      code === "bad-path" ? "" : ", and is never run: the directory of the user would decide what it is";
    const found = DIRECTORIES.map((one) => `${one}/${path}`).find(
      (one) => world.lookUp(one)?.type === "file",
    );
    const fix: Fix =
      code === "bad-path" || path.includes("\n") ? pathFix(path) : { kind: "item", old: path, with: found };
    report(place, "error", code, `${quoted(path)} ${bad}${why}`, fix);
    return;
  }
  const file = world.lookUp(path);
  if (file === undefined) {
    const command = world.bringIn(path);
    const fix: Fix = command === undefined ? { kind: "item", old: path } : { kind: "command", text: command };
    report(place, "error", "no-such-path", `${quoted(path)} does not exist`, fix);
  } else if (file.type !== "file" || !file.executable) {
    const text = world.letExecute(path);
    const fix: Fix = file.type === "file" ? { kind: "command", text } : { kind: "item", old: path };
    report(place, "error", "not-executable", `${quoted(path)} is not an executable file`, fix);
  }
  for (const { message, remedy, spawns } of programWarnings(path, world.files, unchecked, held)) {
    const fix: Fix =
      spawns === true
        ? { kind: "in-section", section: sectionName, lines: ["allow_spawn_options = 0"] }
        : { kind: "item", old: path };
    report(place, "warning", "starts-programs", `${message}; ${remedy}`, fix);
  }
  lintKnown(place, path, { unchecked, held, givesHome }, { world, report });
  if (file?.type === "file" && file.executable && directories !== undefined)
    lintSearch(place, path, { sectionName, directories }, { world, report });
}

/** What there is to say of a program by what is known of it. */
function lintKnown(
  place: Place,
  path: ByteString,
  { unchecked, held, givesHome }: Pick<SectionFacts, "unchecked" | "held" | "givesHome">,
  { world, report }: Pick<LintContext, "world" | "report">,
): void {
  const program = recognise(path, world.files);
  const stopped = held && !unchecked ? ownStartWarning(path, program, world.ownStart(path)) : undefined;
  if (stopped !== undefined) {
    const severity = stopped.certain ? "error" : "warning";
    report(place, severity, "not-executed", `${stopped.message}; ${stopped.remedy}`, {
      kind: "item",
      old: path,
    });
  }
  const original = program.known.length === 0 && !unchecked ? world.copyOfKnown(path) : undefined;
  if (original !== undefined) {
    const message = `${quoted(path)} is a copy of ${quoted(original)}, which jk_lsh does not know under this name: nothing keeps it from starting programs`;
    report(
      place,
      "warning",
      "unknown-copy",
      `${message}; name the program by its own name, or by a link to it`,
      { kind: "item", old: path, with: original },
    );
    return;
  }
  if (!givesHome && program.known.length === 0 && world.readsPopt(path)) {
    const message = `${quoted(path)} becomes any program that the user names in ~/.popt; set HOME in the key environment to a directory that root alone can write`;
    report(place, "warning", "starts-programs", message, { kind: "item", old: path });
  }
}

/** Hooks in repositories, which the table of programs switches off. */
function lintHooks(section: IniSection, { world, report }: LintContext): void {
  const { executables = [], environment } = readKeys(section, lshKeys);
  const seen = new Set<string>();
  for (const path of executables) {
    const program = recognise(path, world.files);
    // The search is for what has hooks alone.
    if (program.known.every(({ hooks }) => hooks === undefined)) continue;
    const user = /^(?:DEFAULT$|group )/.test(section.name) ? undefined : section.name;
    const found = hooksWarning(program, world.hookedRepositories(user), new Map(environment));
    if (found === undefined || seen.has(found.message)) continue;
    seen.add(found.message);
    report(section, "warning", "hooks-off", `${found.message}; ${found.remedy}`);
  }
}

/** jk_lsh takes the first hit in `paths` for a bare name, and compares that with `executables`. */
function lintSearch(
  place: Place,
  path: ByteString,
  { sectionName, directories }: { sectionName: ByteString; directories: readonly ByteString[] },
  { world, report }: Pick<LintContext, "world" | "report">,
): void {
  const name = path.slice(path.lastIndexOf("/") + 1);
  // What is wrong with the form of a directory is told of that.
  const hits = directories.map((one) => `${(mendedPath(one) ?? one).replace(/\/$/, "")}/${name}`);
  const first = hits.find((hit) => world.lookUp(hit)?.type === "file");
  if (first === path) return;
  const how = `a user has to type ${quoted(path)}`;
  const message =
    first === undefined
      ? `${quoted(name)} is not found in paths; ${how}`
      : `${quoted(name)} is found as ${quoted(first)}, which is not the same; ${how}`;
  const own = path.slice(0, path.lastIndexOf("/"));
  const lines = [
    `paths = ${[own, ...directories.filter((one) => one.replace(/\/$/, "") !== own)].join(", ")}`,
  ];
  report(place, "warning", first === undefined ? "not-in-paths" : "other-in-paths", message, {
    kind: "in-section",
    section: sectionName,
    lines,
  });
}

/** A shell that is no plain path: as it is meant, or none. */
function shellFix(shell: ByteString): Fix {
  const mended = mendedPath(shell);
  return mended === undefined ? { kind: "disable" } : { kind: "value", text: mended };
}

/** Checks jk_chrootsh.ini. */
export function lintChrootsh(section: IniSection, context: LintContext): void {
  const { report } = context;
  const shell = findEntry(section, "injail_shell");
  if (shell !== undefined && shell.value !== "") {
    const bad = badPath(shell.value);
    if (bad !== undefined)
      report(valuePlace(shell), "error", "bad-path", `${quoted(shell.value)} ${bad}`, shellFix(shell.value));
  }
  lintNames(section, context);
}

/** Checks jk_uchroot.ini. */
export function lintUchroot(section: IniSection, context: LintContext): void {
  const jails = findEntry(section, "allowed_jails");
  if ((jails?.value ?? "") === "") {
    const message = "no key allowed_jails: this section allows nothing";
    context.report(section, "warning", "no-jails", message, { kind: "disable-section" });
  }
  for (const item of jails === undefined ? [] : listItems(jails)) {
    if (jails !== undefined) lintDirectory(item, jails, context);
  }
  lintNames(section, context);
}

/** The key `env`: names of variables that are kept. */
function lintNames(section: IniSection, { report }: LintContext): void {
  const env = findEntry(section, "env");
  for (const item of env === undefined ? [] : listItems(env)) {
    if (env === undefined) return;
    const place = itemPlace(env, item);
    if (lintSeparators(item, env, () => false, { report })) continue;
    if (!/^[A-Za-z_][A-Za-z0-9_]*$/.test(item.value)) {
      const fix: Fix = { kind: "item", old: item.value };
      report(place, "error", "bad-name", `${quoted(item.value)} is not the name of a variable`, fix);
    } else if (carriesCode(item.value)) {
      const message = `${quoted(item.value)} lets the user choose code that programs run`;
      const severity = item.value.startsWith("LD_") ? "error" : "warning";
      report(place, severity, "code-variable", message, { kind: "item", old: item.value });
    }
  }
}
