import type { ByteString } from "../../../ffi/bytes.ts";
import { directoryOf } from "../../../ffi/paths.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { appendRemedy, copyRemedy, isRootsProgram, sectionLinesRemedy } from "../../enter/remedies.ts";
import type { FileView } from "../../limited-shell/file-view.ts";
import { serviceNamed } from "../../programs/services.ts";
import { USUAL_PROGRAMS } from "../../programs/usual.ts";
import { programWarnings } from "../../programs/warnings.ts";

/** What a section has of the two keys. */
interface Allowed {
  paths: readonly ByteString[];
  executables: readonly ByteString[];
}

/**
 * Where the program of a command line may be, by its first word, in this order: in `paths`, as the limited shell looks;
 * where a section allows it; and where programs usually are.
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

/** The program of `command`, if that is there and starts no others, or else what is there of the usual ones. */
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
 * The lines of a section that allow programs besides what it allows; those that stay as they are are left out. A directory
 * is added for a program that is not found without: by `typed`, or by its name.
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
    // sshd's name for the server is looked for in executables.
    if (typed === "internal-sftp") return true;
    const word = typed ?? program.slice(program.lastIndexOf("/") + 1);
    return word.startsWith("/") || paths.some((directory) => below(directory, word) === program);
  };
  const directories = programs.filter((program) => !isFound(program)).map(directoryOf);
  return [...line("paths", paths, directories), ...line("executables", executables, programs)];
}

/** The lines of a section that allow the program of `command`, or what is there of the usual ones, besides what it allows. */
export function allowLines(
  command: ByteString | undefined,
  files: FileView,
  { paths = [], executables = [] }: Partial<Allowed> = {},
): ByteString[] {
  return linesFor(programsFor(command, files, { paths, executables }), { paths, executables }, undefined);
}

/** Whose section it is besides the user's, as the end of a sentence; empty for a section of the user's own. */
export function sharedBy(section: ByteString): ByteString {
  const group = /^group (.*)$/.exec(section)?.[1];
  const all = section === "DEFAULT" ? "everybody who has none" : undefined;
  const whom = group === undefined ? all : `everybody whose primary group is ${group}`;
  return whom === undefined ? "" : `; section [${section}] is that of ${whom}`;
}

/** Tells what brings a known server that this machine has not either; empty for other programs. */
function sectionOf(command: ByteString | undefined, root: ByteString): ByteString {
  const section = serviceNamed((command ?? "").split(/\s+/)[0] ?? "")?.section;
  return section === undefined ? "" : `jk_init -j ${shellWord(root)} ${section}`;
}

/**
 * What to do where a command is refused; empty where that is as it should be. `root`: the jail, or /. `onHost`:
 * whether a path of the host is something that root alone has put there, and could be copied.
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
  // What starts others is not to be allowed in passing.
  if (programWarnings(asked, files, false, true).length > 0) return "";
  return `${copy === "" ? "" : `${copy}; then `}${sectionLinesRemedy(configFile, section, lines)}`;
}

/**
 * What to add to a jk_lsh.ini that has no section for a user: lines that allow the program of `command`, if that is
 * there and starts no others, or else what is there of the programs that such accounts are for. Undefined where
 * nothing is.
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
