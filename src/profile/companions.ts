import type { BasicStat } from "../../ffi/basic-stat.ts";
import type { ByteString } from "../../ffi/bytes.ts";
import { S_IFMT, S_IFREG } from "../../ffi/constants.ts";
import { baseName, parentOf } from "../../ffi/paths.ts";
import { JailkitError } from "../cli/error.ts";
import { CONFIG_DIRECTORY, loadConfig } from "../config/load.ts";
import type { IniFile } from "../config/model.ts";
import { isDirectory } from "../jail/fs/walk.ts";
import type { Loader } from "../libraries/closure.ts";
import type { Want } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import type { Companion, Companions } from "../populate/plan/companion.ts";
import { createGlob } from "../populate/plan/glob.ts";
import { readProfile } from "./profile.ts";
import { type Section, selectSections } from "./sections.ts";

const PROGRAM_DIRECTORY = /(?:^|\/)s?bin$/;

const installed = new WeakMap<Pick<Loader, "libraryDirectories">, Companions>();

/**
 * The sections of /etc/jailkit/jk_init.ini as companions; none if the file is missing or invalid. It is read once for
 * each loader.
 */
export function installedCompanions(
  host: FileSystem,
  loader: Pick<Loader, "libraryDirectories">,
): Companions {
  return installed.getOrInsertComputed(loader, () => createCompanions(readInstalled, host, loader));
}

function readInstalled(): IniFile | undefined {
  try {
    return loadConfig(`${CONFIG_DIRECTORY}/jk_init.ini`, { dialect: "py" });
  } catch (error) {
    if (error instanceof JailkitError) return undefined;
    throw error;
  }
}

/**
 * The companions of programs by sections alone. The section of a program names the program and, outside /etc, a
 * directory of data. If a section without such a directory names the program too, it needs no more than its libraries,
 * unless a section has its name. `read` is called when first needed.
 */
export function createCompanions(
  read: () => IniFile | undefined,
  host: FileSystem,
  loader: Pick<Loader, "libraryDirectories">,
): Companions {
  return new SectionCompanions(read, host, loader);
}

interface Facts {
  readonly section: Section;
  /** Its directories of data on the host. */
  readonly trees: readonly ByteString[];
  /** Its programs: see keyOf. */
  readonly programs: ReadonlySet<string>;
}

class SectionCompanions implements Companions {
  private ini: { readonly file: IniFile | undefined } | undefined;
  private sections: readonly Section[] | undefined;
  private readonly facts = new Map<Section, Facts>();
  private readonly glob;

  constructor(
    private readonly read: () => IniFile | undefined,
    private readonly host: FileSystem,
    private readonly loader: Pick<Loader, "libraryDirectories">,
  ) {
    this.glob = createGlob(host);
  }

  ofProgram(path: ByteString): Companion | undefined {
    const facts = this.factsOf(path);
    return facts && this.companion(facts);
  }

  ofInterpreter(path: ByteString): Companion | undefined {
    // python3.13 has a directory that starts with "python".
    const stem = baseName(path).replace(/[\d.]+$/, "");
    const isNamed = (item: ByteString) => baseName(item).startsWith(stem);
    // Saves looking for the files of all sections for most scripts.
    if (stem === "" || !this.all().some((section) => itemsOf(section).some(isNamed))) return undefined;
    const facts = this.factsOf(path);
    return facts?.trees.some(isNamed) ? this.companion(facts) : undefined;
  }

  private factsOf(path: ByteString): Facts | undefined {
    const stat = this.host.stat(path);
    if (stat === undefined || !isProgram(stat)) return undefined;
    const key = keyOf(stat);
    const named = this.all().find(({ name }) => name === baseName(path));
    const own = named && this.readFacts(named);
    // Saves looking for the files of the other sections.
    if (own?.programs.has(key)) return own.trees.length > 0 ? own : undefined;
    const all = this.all()
      .map((section) => this.readFacts(section))
      .filter(({ programs }) => programs.has(key));
    return all.every(({ trees }) => trees.length > 0) ? all[0] : undefined;
  }

  private companion({ section }: Facts): Companion {
    return { section: section.name, paths: () => this.pathsOf(this.select([section.name])) };
  }

  private readFacts(section: Section): Facts {
    return this.facts.getOrInsertComputed(section, () => {
      const found = this.pathsOf([section]).map((path) => ({ path, stat: this.host.stat(path) }));
      const isTree = (path: ByteString, stat: BasicStat | undefined) =>
        stat !== undefined && isDirectory(stat) && !path.startsWith("/etc/");
      const trees = found.flatMap(({ path, stat }) => (isTree(path, stat) ? [path] : []));
      const keys = found.flatMap(({ stat }) => (stat && isProgram(stat) ? [keyOf(stat)] : []));
      return { section, trees, programs: new Set(keys) };
    });
  }

  /** What the host has of sections, as they name it. */
  private pathsOf(sections: readonly Section[]): ByteString[] {
    const { wants } = readProfile(sections, this.host, this.loader.libraryDirectories(), false);
    return wants.filter(({ kind }) => kind === "any").flatMap((want) => this.expand(want));
  }

  private expand({ pattern, glob }: Want): ByteString[] {
    if (this.host.lstat(pattern) !== undefined) return [pattern];
    return glob ? this.glob(pattern) : [];
  }

  private all(): readonly Section[] {
    this.ini ??= { file: this.read() };
    this.sections ??= this.select(this.ini.file?.sections.map(({ name }) => name) ?? []);
    return this.sections;
  }

  private select(names: readonly ByteString[]): readonly Section[] {
    const file = this.ini?.file;
    if (file === undefined) return [];
    try {
      return selectSections(file, names).sections;
    } catch (error) {
      // jk_init reports it.
      if (error instanceof JailkitError) return [];
      throw error;
    }
  }
}

/** The items of a section that may be directories of data. */
function itemsOf({ values }: Section): ByteString[] {
  const items = [
    ...[values.paths, values.libraries, values.executables, values.regularfiles, values.directories],
    values.pathsWOwner,
  ].flat();
  return items
    .map((item) => item.replace(/\/+$/, ""))
    .filter(
      (item) => item.includes("/") && !item.startsWith("/etc/") && !PROGRAM_DIRECTORY.test(parentOf(item)),
    );
}

const isProgram = ({ mode }: BasicStat) => (mode & S_IFMT) === S_IFREG && (mode & 0o111) !== 0;

const keyOf = ({ devMajor, devMinor, inoHigh, inoLow }: BasicStat) =>
  `${devMajor}:${devMinor}:${inoHigh}:${inoLow}`;
