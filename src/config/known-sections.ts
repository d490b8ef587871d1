import type { ByteString } from "../../ffi/bytes.ts";
import { directoryOf } from "../../ffi/paths.ts";
import { isReported } from "../cli/error.ts";
import { versionsOf } from "../system/host-files.ts";
import { dropInDirectory, loadConfig } from "./load.ts";
import type { IniFile, IniSection } from "./model.ts";

// A run on thousands of jails adds a drop-in for each: reading all of them again for each takes time that grows with the square
// of their number.

interface Known {
  /** Of the file, its directory and that of its drop-ins. */
  versions: string;
  readonly byFile: Map<ByteString, readonly IniSection[]>;
  /** The files that have a section of a name. */
  readonly byName: Map<ByteString, Set<ByteString>>;
}

const known = new Map<ByteString, Known>();

/** The file that a drop-in belongs to: "/etc/jailkit/jk_lsh.ini" for "/etc/jailkit/jk_lsh.d/NAME.ini". */
const fileOf = (dropIn: ByteString): ByteString => directoryOf(dropIn).replace(/\.d$/, ".ini");

const versionsAt = (file: ByteString): string =>
  versionsOf([file, directoryOf(file), dropInDirectory(file) ?? ""]);

const sectionsIn = (file: ByteString): readonly IniSection[] =>
  loadConfig(file, { dialect: "c" })?.sections ?? [];

/** Replaces what is known of one file. */
function put({ byFile, byName }: Known, file: ByteString, sections: readonly IniSection[]): void {
  for (const { name } of byFile.get(file) ?? []) byName.get(name)?.delete(file);
  byFile.set(file, sections);
  for (const { name } of sections) byName.getOrInsertComputed(name, () => new Set()).add(file);
}

function knownOf(file: ByteString): Known {
  const there = known.get(file);
  const versions = versionsAt(file);
  if (there?.versions === versions) return there;
  const made: Known = { versions, byFile: new Map(), byName: new Map() };
  for (const [one, sections] of Map.groupBy(sectionsIn(file), (section) => section.file))
    put(made, one, sections);
  known.set(file, made);
  return made;
}

/** The sections of a config file of dialect "c" and its drop-ins, as one of the drop-ins finds them. */
export interface SectionsAround {
  /** Those of the drop-in itself. */
  readonly own: readonly IniSection[];
  /** Those of a name, in all files; the first counts. */
  readonly named: (name: ByteString) => readonly IniSection[];
}

/**
 * Reads the sections of a config file and its drop-ins, of which `dropIn` is one or will be. This one is read each time, the
 * others again when one of them, or the directory, was added, replaced or removed: not when a drop-in is written in its place.
 * Throws as loadConfig.
 */
export function sectionsAround(dropIn: ByteString): SectionsAround {
  const file = fileOf(dropIn);
  const all = knownOf(file);
  put(all, dropIn, sectionsIn(dropIn));
  return {
    own: all.byFile.get(dropIn) ?? [],
    named: (name) =>
      inOrder(file, all.byName.get(name) ?? []).flatMap((one) =>
        (all.byFile.get(one) ?? []).filter((section) => section.name === name),
      ),
  };
}

/** The file comes first, and then the drop-ins in the order of their bytes. */
function inOrder(file: ByteString, files: Iterable<ByteString>): ByteString[] {
  const all = new Set(files);
  const first = all.delete(file) ? [file] : [];
  return [...first, ...[...all].sort()];
}

/**
 * A config file with its drop-ins, without warnings and texts, read again as sectionsAround() does. Throws as loadConfig.
 */
export function knownConfig(file: ByteString): IniFile {
  const { byFile } = knownOf(file);
  const sections = inOrder(file, byFile.keys()).flatMap((one) => byFile.get(one) ?? []);
  return { file, dialect: "c", sections, defaults: [], problems: [], texts: [] };
}

/** Calls `change`, which writes or removes a drop-in: the others need not be read again for it. */
export function changingDropIn<T>(dropIn: ByteString, change: () => T): T {
  const file = fileOf(dropIn);
  const there = known.get(file);
  const isCurrent = there?.versions === versionsAt(file);
  known.delete(file);
  const result = change();
  if (there === undefined || !isCurrent) return result;
  try {
    put(there, dropIn, sectionsIn(dropIn));
    there.versions = versionsAt(file);
    known.set(file, there);
  } catch (error) {
    // Whoever asks next reads all of them, and gets the error.
    if (!isReported(error)) throw error;
  }
  return result;
}
