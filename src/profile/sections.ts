import type { ByteString } from "../../ffi/bytes.ts";
import { display, quoted } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { didYouMean, suggest } from "../cli/suggest.ts";
import { type KeyValues, readKeys } from "../config/keys.ts";
import { type IniFile, type IniSection, problemLine } from "../config/model.ts";
import { problemError } from "../config/place.ts";
import { initKeys } from "../config/schemas/init.ts";

/** The values of a section of jk_init.ini. */
type SectionValues = KeyValues<typeof initKeys>;

/** A section of jk_init.ini. */
export interface Section {
  readonly name: ByteString;
  readonly values: SectionValues;
}

/** The sections that were asked for, each after those that it includes. */
interface Selection {
  readonly sections: readonly Section[];
  /** Names that are not in the file. */
  readonly unknown: readonly ByteString[];
  /** Printable lines. */
  readonly warnings: readonly string[];
}

/** The names of the sections of a file. Pure. */
export const sectionNames = (ini: IniFile): ByteString[] => ini.sections.map(({ name }) => name);

/** Says that a file has no section of a name but `known` ones, with the one that may be meant. Pure. */
export function noSuchSection(name: ByteString, known: readonly ByteString[], file: ByteString): string {
  return `section ${quoted(name)} does not exist in ${display(file)}${didYouMean(name, known)}`;
}

/**
 * Why no section is told apart that is not known: the file with the sections is missing, or is another one, which has none of the
 * `declared` names, nor one that is near. Pure. `known`: the names in it and its drop-ins. `isThere`: whether there is the file itself.
 */
export function lostSections(
  declared: ReadonlySet<ByteString>,
  known: readonly ByteString[],
  file: ByteString,
  isThere: boolean,
): string | undefined {
  const unknown = [...declared].filter((name) => !known.includes(name));
  if (unknown.length === 0) return undefined;
  if (!isThere) return `${display(file)}, the file with the sections, is missing: ${RESTORE}`;
  // One may have a name of its own, which is wrong.
  const isMistake = (name: ByteString) =>
    suggest(name, known) !== undefined || name.split(/[^\w.-]+/).some((part) => known.includes(part));
  if (declared.size === 1 || unknown.length < declared.size || unknown.some(isMistake)) return undefined;
  const names = unknown.slice(0, 2).map(quoted).join(" nor ");
  return `${display(file)} has none of the declared sections, neither ${names}: ${RESTORE}`;
}

const RESTORE =
  "restore it from a backup, or install that of jailkit again (a package of Debian only does so with 'dpkg --force-confmiss'); until then change nothing in 'sections': --prune would take what is missing there out of the jails";

/**
 * Selects sections of jk_init.ini by name, each once and after the sections that it includes. A missing included section
 * is a warning. Throws JailkitError "include-cycle", which names the cycle, and "bad-config" for an invalid value.
 */
export function selectSections(ini: IniFile, names: readonly ByteString[]): Selection {
  const byName = new Map(ini.sections.map((section) => [section.name, section]));
  const done = new Set<ByteString>();
  const sections: Section[] = [];
  const unknown: ByteString[] = [];
  const warnings: string[] = [];

  function add(section: IniSection, chain: readonly ByteString[]): void {
    if (done.has(section.name)) return;
    if (chain.includes(section.name)) {
      const loop = [...chain.slice(chain.indexOf(section.name)), section.name].map(quoted).join(" -> ");
      throw new JailkitError("include-cycle", 1, `sections include each other in a circle: ${loop}`);
    }
    const values = valuesOf(ini, section, warnings);
    for (const name of values.includesections) {
      const included = byName.get(name);
      if (included) add(included, [...chain, section.name]);
      else {
        const what = `section ${quoted(section.name)} includes ${quoted(name)}, which does not exist`;
        warnings.push(`${what}${didYouMean(name, [...byName.keys()])}`);
      }
    }
    done.add(section.name);
    sections.push({ name: section.name, values });
  }

  for (const name of names) {
    const section = byName.get(name);
    if (section) add(section, []);
    else unknown.push(name);
  }
  return { sections, unknown, warnings };
}

function valuesOf(ini: IniFile, section: IniSection, warnings: string[]): SectionValues {
  const { problems, ...values } = readKeys(section, initKeys);
  const error = problems.find((problem) => problem.severity === "error");
  if (error) throw problemError(error, 1, ini, "bad-config");
  warnings.push(...problems.map((problem) => problemLine(problem, display(problem.file))));
  return values;
}

const NOT_ITS_OWN = new Set(["sockets", "includesections"]);

/** The sockets of a section that asks for nothing else, neither itself nor the sections that it includes. */
export function onlySockets(ini: IniFile, name: ByteString): readonly ByteString[] {
  const all = selectSections(ini, [name]).sections.map(({ values }) => values);
  const asksFor = (value: unknown) => (Array.isArray(value) ? value.length > 0 : value === true);
  const asksForMore = all.some((values) =>
    Object.entries(values).some(([key, value]) => !NOT_ITS_OWN.has(key) && asksFor(value)),
  );
  return asksForMore ? [] : all.flatMap(({ sockets }) => sockets);
}

/** The sections of a file as `jk_init --list` shows them: name and comment, sorted by name. */
export function listSections(ini: IniFile): { name: ByteString; comment: ByteString | undefined }[] {
  return ini.sections
    .map((section) => ({ name: section.name, comment: valuesOf(ini, section, []).comment }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}
