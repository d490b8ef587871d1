import type { ByteString } from "../../ffi/bytes.ts";
import { withRightsOf } from "../../ffi/rights.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { FileView } from "../limited-shell/file-view.ts";
import { USUAL_PROGRAMS } from "../programs/usual.ts";
import { programWarnings } from "../programs/warnings.ts";
import { appendRemedy, isRoots, isRootsFile, sectionLinesRemedy } from "./remedies.ts";

/** Where the program of a command line is looked for, by its first word. */
function places(command: ByteString | undefined): ByteString[] {
  const [typed = ""] = (command ?? "").split(/\s+/);
  const paths = typed.startsWith("/") ? [typed] : [`/usr/bin/${typed}`, `/bin/${typed}`];
  return paths.filter((path) => /^(?:\/[\w.+-]+)+$/.test(path));
}

/** The program of `command` that is there: it may be one that the user's own key names, and the user has put there. */
const programOf = (command: ByteString | undefined, files: FileView) =>
  places(command).find((path) => files.isRegularFile(path) && isRoots(files.look(path)));

/** The program of `command`, if that is there and starts no others, or else what is there of the usual ones. */
function programsFor(command: ByteString | undefined, files: FileView): ByteString[] {
  const asked = programOf(command, files);
  const harmless = asked !== undefined && programWarnings(asked, files, false, true).length === 0;
  return harmless ? [asked] : USUAL_PROGRAMS.filter((path) => files.isRegularFile(path));
}

/** The lines of a section that allow the program of `command`, or what is there of the usual ones. */
export function allowLines(command: ByteString | undefined, files: FileView): ByteString[] {
  return ["paths = /usr/bin", `executables = ${programsFor(command, files).join(", ")}`];
}

/** What to do where a command is refused; empty where that is as it should be. `root`: the jail, or /. */
export function commandRemedy(
  code: string,
  command: ByteString | undefined,
  { section, values }: { section: ByteString; values: { executables?: readonly ByteString[] | undefined } },
  configFile: ByteString,
  files: FileView,
  root: ByteString,
): ByteString {
  const first = places(command).find((path) => withRightsOf(undefined, () => isRootsFile(path)));
  const copy = (path: ByteString) => (root === "/" ? "" : `jk_cp -j ${shellWord(root)} ${shellWord(path)}`);
  const { executables = [] } = values;
  const listed = places(command).find((path) => executables.includes(path));
  // It is allowed, and missing: without it no name is found in paths.
  if (listed !== undefined && !files.isRegularFile(listed)) return copy(listed);
  if (code !== "not-allowed") return "";
  const there = programOf(command, files);
  if (there === undefined) return first === undefined ? "" : copy(first);
  const line = `executables = ${[...executables, there].join(", ")}`;
  const warnings = programWarnings(there, files, false, true);
  return warnings.length > 0 ? "" : sectionLinesRemedy(configFile, section, [line]);
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
