import type { ByteString } from "../../ffi/bytes.ts";
import { baseName } from "../../ffi/paths.ts";
import { quoted } from "../cli/display.ts";
import { expandLibraryDirectory } from "../config/library-directory.ts";
import { LIMITED_SHELL } from "../enter/shell.ts";
import type { Want } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { hasMagic } from "../populate/plan/glob.ts";
import { searchPath } from "./search.ts";
import type { Section } from "./sections.ts";

/** What a jail should hold, as sections of jk_init.ini describe it. */
export interface Profile {
  readonly wants: readonly Want[];
  /** Names or numeric ids, each once. */
  readonly users: readonly ByteString[];
  readonly groups: readonly ByteString[];
  readonly needProc: boolean;
  readonly needLogsocket: boolean;
  /** What does not come: names that no directory of the search path has, for several may stand for one thing. */
  readonly notFound: readonly string[];
  /** Sections that name files, of which one at least is to be on the machine. */
  readonly needFiles: ReadonlySet<ByteString>;
}

/**
 * What becomes of the file of the limited shell, jk_lsh, which sections of jailkit 2 ask for. "built-in": it does not
 * enter the jail, for jk_chrootsh has it; "like-others": it does.
 */
export type ShellPolicy = "built-in" | "like-others";

const BUILT_IN = "jk_chrootsh has it built in (--copy-shell copies it)";

/** Paths as sections give them, and how they are taken. In sections w_owner and w_setuid names are not searched. */
const LISTS = [
  { key: "paths", search: true, glob: true, keepOwner: false, keepSetuid: false },
  { key: "libraries", search: true, glob: true, keepOwner: false, keepSetuid: false },
  { key: "executables", search: true, glob: true, keepOwner: false, keepSetuid: false },
  { key: "regularfiles", search: true, glob: true, keepOwner: false, keepSetuid: false },
  { key: "directories", search: true, glob: true, keepOwner: false, keepSetuid: false },
  { key: "pathsWOwner", search: false, glob: true, keepOwner: true, keepSetuid: false },
  { key: "pathsWSetuid", search: false, glob: false, keepOwner: true, keepSetuid: true },
] as const;

/**
 * Turns sections into one list of wants. `libraryDirectories` are what `$LIBDIR/` stands for. Names without a leading
 * slash are looked for in SEARCH_PATH.
 */
export function readProfile(
  sections: readonly Section[],
  host: FileSystem,
  libraryDirectories: readonly ByteString[],
  shell: ShellPolicy,
): Profile {
  const directories = distinct(host, libraryDirectories);
  const wants: Want[] = [];
  const notFound: string[] = [];
  const needFiles = new Set<ByteString>();
  const builtIn = new Set<ByteString>();
  for (const { name: section, values } of sections) {
    const common = { section, keepOwner: false, keepSetuid: false, glob: false } as const;
    for (const { key, search, ...how } of LISTS) {
      for (const written of values[key]) {
        for (const item of expandLibraryDirectory(written, directories)) {
          if (shell === "built-in" && baseName(item) === LIMITED_SHELL) {
            notFound.push(`section ${section}: ${quoted(item)} stays out: ${BUILT_IN}`);
            builtIn.add(section);
            continue;
          }
          needFiles.add(section);
          const pattern = item.startsWith("/") ? item : search ? searchPath(host, item) : undefined;
          if (pattern === undefined) {
            notFound.push(`section ${section}: ${quoted(item)} is not found`);
            continue;
          }
          const glob = how.glob && hasMagic(pattern);
          wants.push({ ...common, ...how, pattern, written, glob, kind: "any" });
        }
      }
    }
    for (const pattern of values.emptydirs) {
      wants.push({ ...common, pattern, written: pattern, kind: "empty-directory" });
    }
    for (const pattern of values.devices) {
      wants.push({ ...common, pattern, written: pattern, kind: "device" });
    }
  }
  const all = (pick: (section: Section) => readonly ByteString[]) => [...new Set(sections.flatMap(pick))];
  return {
    wants,
    users: all(({ values }) => values.users),
    groups: all(({ values }) => values.groups),
    needProc: sections.some(({ values }) => values.needProc),
    needLogsocket: sections.some(({ values }) => values.needLogsocket),
    notFound,
    needFiles: new Set([...needFiles].filter((section) => !builtIn.has(section))),
  };
}

/** Directories without those that are an earlier one by another path, as /usr/lib is /lib where /usr is merged. */
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
