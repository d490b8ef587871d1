import type { ByteString } from "../../ffi/bytes.ts";
import { toBytes } from "../../ffi/bytes.ts";
import { quoted } from "../cli/display.ts";
import { describeError } from "../cli/error.ts";
import type { ProblemCode } from "../cli/problem-codes.ts";
import { describedBy, type KeyTable, readKeys, type SectionValues } from "../config/keys.ts";
import { CONFIG_DIRECTORY } from "../config/load.ts";
import type { Dialect, IniFile, IniSection } from "../config/model.ts";
import { scanIni } from "../config/scan.ts";
import { initKeys } from "../config/schemas/init.ts";
import { splitList } from "../config/text.ts";
import { dropInName, dropInText } from "../config/write.ts";
import type { Section } from "../profile/sections.ts";
import type { NamedKeys, TransferSection } from "./document.ts";

/** The file of sections that every machine has. */
export const SECTIONS_FILE = `${CONFIG_DIRECTORY}/jk_init.ini`;

/** The keys of a section that a table knows, lists with one blank after each comma; and the names of the others. */
export function knownKeys(
  { entries }: Pick<IniSection, "entries">,
  table: KeyTable,
): { keys: Map<ByteString, ByteString>; others: ByteString[] } {
  const keys = new Map<ByteString, ByteString>();
  const others: ByteString[] = [];
  for (const { key, value } of entries) {
    const facts = describedBy(table, key);
    // A misspelt key goes along: without it the section would allow more than it does here, which is nothing.
    if (facts === undefined) others.push(key);
    else keys.set(key, facts !== "misspelt" && facts.kind === "list" ? splitList(value).join(", ") : value);
  }
  return { keys, others };
}

/** True if two sets of keys are the same, in any order. */
export const sameKeys = (
  one: ReadonlyMap<ByteString, ByteString>,
  other: ReadonlyMap<ByteString, ByteString>,
): boolean => one.size === other.size && [...one].every(([key, value]) => other.get(key) === value);

/** A new drop-in of this machine with one section. */
export interface DropIn {
  readonly section: ByteString;
  /** On the host. */
  readonly file: ByteString;
  readonly text: ByteString;
  readonly values: Section["values"];
}

/** What is done with the sections of a transfer. */
export interface SectionChoice {
  readonly dropIns: readonly DropIn[];
  /** The sections of this machine, with the new ones. */
  readonly ini: IniFile;
  /** Names of sections that nothing defines here. */
  readonly lacking: ReadonlySet<ByteString>;
  readonly problems: readonly { code: ProblemCode; path: ByteString; message: string }[];
  readonly warnings: readonly string[];
}

/**
 * Decides which sections of a transfer become drop-ins of this machine: those of the other administrator that this machine
 * lacks, if the jail needs them here. A section that this machine has is used as it is here. `asked`: the sections that
 * the jail is made from. `isTaken`: whether a file is there already, with another text. Pure.
 */
export function chooseSections(
  sections: readonly TransferSection[],
  asked: Iterable<ByteString>,
  here: IniFile,
  isTaken: (file: ByteString, text: ByteString) => boolean,
): SectionChoice {
  const known = new Map(here.sections.map((section) => [section.name, section]));
  const needed = withIncluded(asked, sections, known);
  const dropIns: DropIn[] = [];
  const added: IniSection[] = [];
  const lacking = new Set<ByteString>();
  const problems: SectionChoice["problems"][number][] = [];
  const warnings: string[] = [];
  for (const { name, own, keys } of sections) {
    const mine = known.get(name);
    const shown = quoted(name);
    if (mine !== undefined) {
      if (!sameKeys(knownKeys(mine, initKeys).keys, keys))
        warnings.push(`section ${shown} differs on the two machines: that of this machine is used`);
      continue;
    }
    if (!own) {
      lacking.add(name);
      continue;
    }
    // The file could define sections for other jails, which their administrators ask for one day.
    if (!needed.has(name)) {
      warnings.push(`section ${shown} is not needed in the jail, and is left out`);
      continue;
    }
    const includer = here.sections.find((each) => includedBy(each).includes(name));
    const made = makeDropIn({ name, keys });
    if (includer !== undefined)
      problems.push({
        code: "bad-section",
        path: name,
        message: `section ${shown} cannot be used: section ${quoted(includer.name)} of this machine includes it, and would change`,
      });
    else if ("problem" in made) problems.push({ code: "bad-section", path: name, message: made.problem });
    else if (isTaken(made.dropIn.file, made.dropIn.text))
      problems.push({
        code: "file-exists",
        path: made.dropIn.file,
        message: `${quoted(made.dropIn.file)} is there already, without the section ${shown}: rename it`,
      });
    else {
      dropIns.push(made.dropIn);
      added.push(made.section);
    }
  }
  const ini = { ...here, sections: [...here.sections, ...added] };
  return { dropIns, ini, lacking, problems, warnings };
}

const includedBy = (section: IniSection) => readKeys(section, initKeys).includesections;

/** The names of sections, and of those that they include on this machine, or else in the file. */
function withIncluded(
  asked: Iterable<ByteString>,
  sections: readonly TransferSection[],
  known: ReadonlyMap<ByteString, IniSection>,
): ReadonlySet<ByteString> {
  const inFile = new Map(
    sections.map(({ name, keys }) => [name, splitList(keys.get("includesections") ?? "")]),
  );
  const needed = new Set(asked);
  // A set that grows is iterated to its end.
  for (const name of needed) {
    const mine = known.get(name);
    for (const each of mine === undefined ? (inFile.get(name) ?? []) : includedBy(mine)) needed.add(each);
  }
  return needed;
}

const COMMENT = "Written by jailkit import; it came with a jail from another machine.";

/**
 * A section of another machine as a drop-in `file`: its text, and what is read from it; or why it cannot be used. `shown`:
 * its name, for the message. Pure.
 */
export function readDropIn<Table extends KeyTable>(
  { name, keys }: NamedKeys,
  table: Table,
  { dialect, file, shown }: { dialect: Dialect; file: ByteString; shown: string },
): { text: ByteString; section: IniSection; values: SectionValues<Table> } | { problem: string } {
  const cannot = `section ${shown} cannot be used`;
  const strange = [...keys.keys()].find((key) => describedBy(table, key) === undefined);
  if (strange !== undefined) return { problem: `${cannot}: it has an unknown key ${quoted(strange)}` };
  try {
    const text = dropInText({ name, values: Object.fromEntries(keys) }, dialect, COMMENT);
    const section = scanIni(toBytes(text), file, dialect).sections.find((each) => each.name === name);
    if (section === undefined) return { problem: cannot };
    const values = readKeys(section, table);
    const bad = values.problems.find(({ severity }) => severity === "error");
    if (bad !== undefined) return { problem: `${cannot}: ${bad.message}` };
    return { text, section, values };
  } catch (error) {
    return { problem: `${cannot}: ${describeError(error)}` };
  }
}

function makeDropIn({
  name,
  keys,
}: NamedKeys): { dropIn: DropIn; section: IniSection } | { problem: string } {
  const shown = quoted(name);
  // Readers of ini files differ on these, and lists of sections are split at commas.
  if (/[\t-\r ,[\]]/.test(name))
    return { problem: `section ${shown} cannot be used: its name has a blank, a comma or a bracket` };
  const file = `${CONFIG_DIRECTORY}/jk_init.d/${dropInName(`/${name}`)}`;
  const read = readDropIn({ name, keys }, initKeys, { dialect: "py", file, shown });
  if ("problem" in read) return read;
  const { text, section, values } = read;
  return { dropIn: { section: name, file, text, values }, section };
}
