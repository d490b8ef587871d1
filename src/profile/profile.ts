import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { LANGUAGE_DIRECTORY, LIBRARY_DIRECTORY } from "../config/schemas/init.ts";
import { LIMITED_SHELL } from "../enter/shell.ts";
import { hasMagic } from "../libraries/pattern.ts";
import type { Want } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { hostLanguages } from "../system/locales.ts";
import { searchPath } from "./search.ts";
import type { Section } from "./sections.ts";

/** What a jail should hold, by sections of jk_init.ini. */
export interface Profile {
  readonly wants: readonly Want[];
  /** Names or numeric ids, each once. */
  readonly users: readonly ByteString[];
  readonly groups: readonly ByteString[];
  /** As they are written. */
  readonly sockets: readonly ByteString[];
  readonly needProc: boolean;
  readonly needLogsocket: boolean;
  /** Messages about names that are not copied. They are no problem: several names may stand for one program. */
  readonly notFound: readonly string[];
  /** Printable messages about items that are probably several, without a comma between them. */
  readonly warnings: readonly string[];
  /** Sections that name files. At least one of these files should be on the machine. */
  readonly needFiles: ReadonlySet<ByteString>;
}

const BUILT_IN = "jk_chrootsh has it built in (--copy-shell copies it)";

/** Symbolic links into /proc/self/fd, as udev(7) creates them. */
const PROC_LINKS = ["/dev/fd", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

/** The keys with paths, and how they are copied. Names in paths_w_owner and paths_w_setuid are not searched. */
const LISTS = [
  ...(["paths", "libraries", "executables", "regularfiles", "directories"] as const).map(
    (key) => ({ key, search: true, glob: true, keepOwner: false, keepSetuid: false }) as const,
  ),
  { key: "pathsWOwner", search: false, glob: true, keepOwner: true, keepSetuid: false },
  { key: "pathsWSetuid", search: false, glob: false, keepOwner: true, keepSetuid: true },
] as const;

/**
 * Turns sections into one list of wants. `$LIBDIR/` stands for each of `libraryDirectories`, and `/$LANGUAGE/` for each of
 * `languages`. Names without a leading slash are searched. The file of the limited shell, which sections of jailkit 2 name,
 * counts only with `copyShell`: jk_chrootsh has it built in.
 */
export function readProfile(
  sections: readonly Section[],
  host: FileSystem,
  libraryDirectories: readonly ByteString[],
  copyShell: boolean,
  languages: () => readonly ByteString[] = hostLanguages,
): Profile {
  const directories = distinct(host, libraryDirectories);
  const read = sections.map((section) => readSection(section, { host, directories, languages }, copyShell));
  const all = (pick: (section: Section) => readonly ByteString[]) => [...new Set(sections.flatMap(pick))];
  return {
    wants: read.flatMap(({ wants }) => wants),
    users: all(({ values }) => values.users),
    groups: all(({ values }) => values.groups),
    sockets: all(({ values }) => values.sockets),
    needProc: sections.some(({ values }) => values.needProc),
    needLogsocket: sections.some(({ values }) => values.needLogsocket),
    notFound: read.flatMap(({ notFound }) => notFound),
    warnings: read.flatMap(({ warnings }) => warnings),
    needFiles: new Set(read.filter(({ namesFiles }) => namesFiles).map(({ section }) => section)),
  };
}

function readSection({ name: section, values }: Section, places: Places, copyShell: boolean) {
  const { host } = places;
  const common = { section, keepOwner: false, keepSetuid: false, glob: false } as const;
  const wants: Want[] = [];
  const notFound: string[] = [];
  const warnings: string[] = [];
  let builtIn = false;
  for (const { list, written, item } of pathsOf(values, places)) {
    const { search, key: _, ...how } = list;
    if (!copyShell && baseName(item) === LIMITED_SHELL) {
      notFound.push(`section ${section}: ${quoted(item)} stays out: ${BUILT_IN}`);
      builtIn = true;
      continue;
    }
    const pattern = item.startsWith("/") ? item : search ? searchPath(host, item) : undefined;
    if (
      /[\t-\r ]/.test(item) &&
      !hasMagic(item) &&
      (pattern === undefined || host.lstat(pattern) === undefined)
    ) {
      const shown = `section ${quoted(section)}: ${quoted(item)}`;
      warnings.push(`${shown} does not exist; commas separate the items of a list`);
    }
    if (pattern === undefined) {
      notFound.push(`section ${section}: ${quoted(item)} is not found`);
      continue;
    }
    wants.push({ ...common, ...how, pattern, written, glob: how.glob && hasMagic(pattern), kind: "any" });
  }
  for (const pattern of values.emptydirs)
    wants.push({ ...common, pattern, written: pattern, kind: "empty-directory" });
  for (const pattern of values.devices) wants.push({ ...common, pattern, written: pattern, kind: "device" });
  // Shells and scripts open these, and proc has their targets.
  if (values.needProc)
    for (const pattern of PROC_LINKS) wants.push({ ...common, pattern, written: "need_proc", kind: "link" });
  // Also if they stand for nothing here, as with `$LANGUAGE` on a machine without any.
  const namesFiles = !builtIn && LISTS.some(({ key }) => values[key].length > 0);
  return { section, wants, notFound, warnings, namesFiles };
}

/** The host, and what `$LIBDIR` and `$LANGUAGE` stand for there. */
interface Places {
  readonly host: FileSystem;
  readonly directories: readonly ByteString[];
  readonly languages: () => readonly ByteString[];
}

/** The paths of a section, by list, with `$LIBDIR` and `$LANGUAGE` replaced. */
function pathsOf(values: Section["values"], { directories, languages }: Places) {
  return LISTS.flatMap((list) =>
    values[list.key].flatMap((written) =>
      expandLibraryDirectory(written, directories)
        .flatMap((path) => expandLanguage(path, languages))
        .map((item) => ({ list, written, item })),
    ),
  );
}

/** The paths that a path with `/$LANGUAGE/` means; the path itself without it. */
function expandLanguage(path: ByteString, languages: () => readonly ByteString[]): ByteString[] {
  const at = path.indexOf(LANGUAGE_DIRECTORY);
  if (at < 0) return [path];
  const rest = path.slice(at + LANGUAGE_DIRECTORY.length);
  return languages().map((language) => `${path.slice(0, at)}/${language}/${rest}`);
}

/** The paths that an item means, with wildcards: several if it starts with `$LIBDIR/`, else the item itself. */
export function expandLibraryDirectory(
  item: ByteString,
  libraryDirectories: readonly ByteString[],
): ByteString[] {
  if (!item.startsWith(LIBRARY_DIRECTORY)) return [item];
  const rest = item.slice(LIBRARY_DIRECTORY.length);
  return libraryDirectories.map((directory) => `${directory.replace(/\/+$/, "")}/${rest}`);
}

/** Directories, without paths that lead to an earlier one, as /usr/lib does to /lib on a merged /usr. */
function distinct(host: FileSystem, directories: readonly ByteString[]): ByteString[] {
  const seen = new Set<string>();
  return directories.filter((directory) => {
    const stat = host.stat(directory);
    const inode = stat ? `${stat.devMajor}:${stat.devMinor}:${stat.inoHigh}:${stat.inoLow}` : directory;
    const first = !seen.has(inode);
    seen.add(inode);
    return first;
  });
}
