import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { readKeys } from "../config/keys.ts";
import { type Fix, type IniSection, keyPlace, type Place } from "../config/model.ts";
import { lshKeys } from "../config/schemas/lsh.ts";
import { isListItem } from "../config/text.ts";
import type { ListItem } from "../config/values.ts";
import { type AllowName, wordFiles } from "../known-programs/allow/table.ts";
import { type CommandPattern, readCommands } from "../limited-shell/command-pattern.ts";
import { allowedPrograms, fileOf } from "../limited-shell/programs.ts";
import { splitWords } from "../limited-shell/split.ts";
import { type LintContext, type LintWorld, ownItems } from "./context.ts";
import { lintRanges } from "./ranges.ts";
import { lintShellSyntax } from "./shell-syntax.ts";

/** A program that a key `command` or `force` names, and where. */
interface Named {
  key: ByteString;
  program: ByteString;
  place: Place;
}

/** Whether there is a regular file at a path. */
export const isFileIn = (world: LintWorld) => (path: ByteString) => world.lookUp(path)?.type === "file";

/** The keys of a section of jk_lsh.ini, with the programs as the limited shell takes them. */
export function readPrograms(section: IniSection, world: LintWorld) {
  const values = readKeys(section, lshKeys);
  const { patterns, problems } = readCommands(section, values);
  // With an error nothing runs.
  const force = problems.length > 0 ? undefined : values.force;
  const allowed = allowedPrograms({ ...values, force }, patterns, isFileIn(world));
  const { executables = [], paths } = allowed;
  const words = wordItems(section, values.allow ?? [], paths, isFileIn(world));
  const listed = values.executables !== undefined;
  const named = force === undefined ? namedIn(section, patterns) : [forcedIn(section, force)];
  const items: ListItem[] = listed
    ? ownItems(section, "executables")
    : named.map(({ program, place }) => ({ ...place, value: fileOf(program, paths, isFileIn(world)) }));
  return { ...values, executables, paths, patterns, problems, listed, named, items, words };
}

/** The programs of the key `allow`, each at the first word that it is for. */
function wordItems(
  section: IniSection,
  allow: readonly AllowName[],
  paths: readonly ByteString[],
  isFile: (path: ByteString) => boolean,
): ListItem[] {
  const places = ownItems(section, "allow");
  const found = new Map<ByteString, ListItem>();
  for (const [at, name] of allow.entries()) {
    const place = places[at] ?? keyPlace(section, "allow");
    for (const value of wordFiles(name, paths, isFile).files) {
      if (!found.has(value)) found.set(value, { ...place, value });
    }
  }
  return [...found.values()];
}

function namedIn(section: IniSection, patterns: readonly CommandPattern[]): Named[] {
  return patterns.flatMap(({ name, programs }) => {
    const key = `command ${name}`;
    return programs.map((program) => ({ key, program, place: keyPlace(section, key) }));
  });
}

function forcedIn(section: IniSection, force: ByteString): Named {
  return { key: "force", program: splitWords(force)[0] ?? "", place: keyPlace(section, "force") };
}

/** Adds a program to the key executables, if its path can be in a list. */
const withProgram = ({ name }: IniSection, executables: readonly ByteString[], path: ByteString): Fix =>
  isListItem(path)
    ? { kind: "in-section", section: name, lines: [`executables = ${[...executables, path].join(", ")}`] }
    : { kind: "none" };

/** The keys `command` and `force` of a section of jk_lsh.ini, except for the files of their programs that exist. */
export function lintCommands(section: IniSection, { world, report }: LintContext): void {
  const { patterns, problems, named, listed, executables, paths, force, words, ...rest } = readPrograms(
    section,
    world,
  );
  for (const one of problems) report(one, one.severity, one.code, one.message);
  for (const { name, value, place } of rest.command) {
    lintRanges(value, place, `command ${name}`, report, true);
    lintShellSyntax(value, place, `command ${name}`, report, true);
  }
  const unused = (place: Place, what: string, fix: Fix) =>
    report(place, "warning", "unused-command", what, fix);
  const write = (line: ByteString): Fix => ({ kind: "in-section", section: section.name, lines: [line] });
  for (const { key, program, place } of named) {
    const path = fileOf(program, paths, isFileIn(world));
    if (!path.startsWith("/")) {
      const text = world.copyCommand(`/usr/bin/${program}`);
      const message = `${quoted(key)}: ${quoted(program)} is not found in ${paths.join(", ")}`;
      report(
        place,
        "error",
        "no-such-path",
        message,
        text === undefined ? undefined : { kind: "command", text },
      );
    } else if (listed && !executables.includes(path) && !words.some(({ value }) => value === path)) {
      const message = `${quoted(key)} allows nothing: ${quoted(path)} is not in executables`;
      unused(place, message, withProgram(section, executables, path));
    }
  }
  if (force !== undefined) {
    lintShellSyntax(force, keyPlace(section, "force"), "force", report, false);
    for (const { name } of patterns) {
      const message = `'command ${name}' has no effect: force decides what runs`;
      unused(keyPlace(section, `command ${name}`), message, { kind: "disable" });
    }
    if (rest.allowWordExpansion && /[$*?[~]/.test(force)) {
      const message = "'force': nothing in it is expanded, even with allow_word_expansion = 1";
      const fix = write("allow_word_expansion = 0");
      report(keyPlace(section, "force"), "warning", "doubtful-value", message, fix);
    }
  } else if (listed && patterns.length > 0) {
    const files = named.map(({ program }) => fileOf(program, paths, isFileIn(world)));
    for (const item of ownItems(section, "executables")) {
      if (files.includes(item.value)) continue;
      const message = `no key command allows ${quoted(item.value)}; its first word could be ${quoted(baseName(item.value))}`;
      unused(item, message, { kind: "item", old: item.value });
    }
  }
}
