import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { appendRemedy, copyRemedy, isRootsProgram, sectionLinesRemedy } from "../../enter/remedies.ts";
import type { FileView } from "../../limited-shell/files.ts";
import { serviceNamed, USUAL_PROGRAMS } from "../../programs/services.ts";
import { programWarnings } from "../../programs/warnings.ts";

/** The values of two keys of a section. */
interface Allowed {
  paths: readonly ByteString[];
  executables: readonly ByteString[];
}

/**
 * The possible paths of the first word of a command line, in order: in `paths`, as the limited shell searches; allowed by
 * the section; in the usual directories.
 */
function places(
  command: ByteString | undefined,
  { paths, executables }: Allowed = { paths: [], executables: [] },
): ByteString[] {
  const [typed = ""] = (command ?? "").split(/\s+/);
  const name = typed === "internal-sftp" ? "sftp-server" : typed;
  if (!/^[\w.+/-]*[\w+-]$/.test(name)) return [];
  if (name.startsWith("/")) return [name];
  const inPaths = paths.map((directory) => below(directory, name));
  const elsewhere = [...executables, ...USUAL_PROGRAMS].filter((path) => path.endsWith(`/${name}`));
  return [...inPaths, ...elsewhere, `/usr/bin/${name}`, `/bin/${name}`];
}

/** The program of `command`, if it exists and starts no others; else the usual programs that exist. */
function programsFor(command: ByteString | undefined, files: FileView, allowed?: Allowed): ByteString[] {
  const asked = places(command, allowed).find((path) => files.isRegularFile(path));
  const harmless =
    asked !== undefined &&
    isRootsProgram(asked, files) &&
    programWarnings(asked, files, false, true).length === 0;
  return harmless ? [asked] : USUAL_PROGRAMS.filter((path) => files.isRegularFile(path));
}

/** A word below a directory of `paths`, as the limited shell looks for it. */
const below = (directory: ByteString, word: ByteString) => `${directory.replace(/\/$/, "")}/${word}`;

/**
 * The lines of a section that must change to allow more programs. `paths` gets the directory of a program that would not
 * be found otherwise, by `typed` or by its name.
 */
function linesFor(
  programs: readonly ByteString[],
  { paths, executables }: Allowed,
  typed: ByteString | undefined,
): ByteString[] {
  const line = (key: string, old: readonly ByteString[], wanted: readonly ByteString[]) => {
    const all = [...new Set([...old, ...wanted])];
    return all.length === old.length ? [] : [`${key} = ${all.join(", ")}`];
  };
  const isFound = (program: ByteString) => {
    // For internal-sftp, the limited shell searches executables.
    if (typed === "internal-sftp") return true;
    const word = typed ?? baseName(program);
    return word.startsWith("/") || paths.some((directory) => below(directory, word) === program);
  };
  const directories = programs.filter((program) => !isFound(program)).map(directoryOf);
  return [...line("paths", paths, directories), ...line("executables", executables, programs)];
}

/** The lines of a section that allow the program of `command` too, or the usual programs. */
export function allowLines(
  command: ByteString | undefined,
  files: FileView,
  { paths = [], executables = [] }: Partial<Allowed> = {},
): ByteString[] {
  return linesFor(programsFor(command, files, { paths, executables }), { paths, executables }, undefined);
}

/** The other users of a section, as the end of a sentence; empty for a section of one user. */
export function sharedBy(section: ByteString): ByteString {
  const group = /^group (.*)$/.exec(section)?.[1];
  const all = section === "DEFAULT" ? "everybody without a section" : undefined;
  const others = group === undefined ? all : `everybody with the primary group ${group}`;
  return others === undefined ? "" : `; section [${section}] applies to ${others}`;
}

/** A command that adds a known server to the jail; empty for other programs. */
function sectionOf(command: ByteString | undefined, root: ByteString): ByteString {
  const section = serviceNamed((command ?? "").split(/\s+/)[0] ?? "")?.section;
  return section === undefined ? "" : `jk_init -j ${shellWord(root)} ${section}`;
}

/**
 * The remedy if a command is refused; empty if there is none. `root`: the jail, or /. `onHost`: true if a path of the
 * host is a file that only root can change, and that could be copied.
 */
export function commandRemedy(
  code: string,
  command: ByteString | undefined,
  { section, values }: { section: ByteString; values: Partial<Allowed> },
  configFile: ByteString,
  files: FileView,
  root: ByteString,
  onHost: (path: ByteString) => boolean,
): ByteString {
  if (code !== "not-allowed" && code !== "not-found") return "";
  const { paths = [], executables = [] } = values;
  const candidates = places(command, { paths, executables });
  const there = candidates.find((path) => files.isRegularFile(path));
  const asked = there ?? (root === "/" ? undefined : candidates.find(onHost));
  if (asked === undefined) return root === "/" ? "" : sectionOf(command, root);
  const copy = there === undefined ? copyRemedy(root, asked) : "";
  const lines = linesFor([asked], { paths, executables }, (command ?? "").split(/\s+/)[0]);
  if (lines.length === 0) return copy;
  if (there !== undefined && !isRootsProgram(there, files)) return "";
  // Never suggest a program that can start others.
  if (programWarnings(asked, files, false, true).length > 0) return "";
  return `${copy === "" ? "" : `${copy}; then `}${sectionLinesRemedy(configFile, section, lines)}`;
}

/**
 * The lines to add to a jk_lsh.ini without a section for a user: they allow the program of `command`, if it exists and
 * starts no others, else the usual programs. Undefined if none of them exists.
 */
export function sectionRemedy(
  user: ByteString,
  command: ByteString | undefined,
  configFile: ByteString,
  files: FileView,
): ByteString | undefined {
  const programs = programsFor(command, files);
  if (programs.length === 0) return undefined;
  return appendRemedy(configFile, [`[${user}]`, ...allowLines(command, files)]);
}
