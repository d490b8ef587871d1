import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { LshSection } from "../config/login-keys.ts";
import type { FileView } from "../limited-shell/file-view.ts";
import { filesOf, type Service, serviceNamed } from "../programs/services.ts";
import { USUAL_PROGRAMS } from "../programs/usual.ts";
import { programWarnings } from "../programs/warnings.ts";
import { baseName } from "./facts.ts";
import { appendRemedy, sectionLinesRemedy } from "./remedies.ts";

/** Where the program of a command line is looked for, by its first word. */
function places(command: ByteString | undefined): ByteString[] {
  const [typed = ""] = (command ?? "").split(/\s+/);
  const paths = typed.startsWith("/") ? [typed] : [`/usr/bin/${typed}`, `/bin/${typed}`];
  return paths.filter((path) => /^(?:\/[\w.+-]+)+$/.test(path));
}

/** The program of `command`, if that is there and starts no others, or else what is there of the usual ones. */
function programsFor(command: ByteString | undefined, files: FileView): ByteString[] {
  const asked = places(command).find((path) => files.isRegularFile(path));
  const harmless = asked !== undefined && programWarnings(asked, files, false, true).length === 0;
  return harmless ? [asked] : USUAL_PROGRAMS.filter((path) => files.isRegularFile(path));
}

/** The lines of a section that allow the program of `command`, or what is there of the usual ones. */
export function allowLines(command: ByteString | undefined, files: FileView): ByteString[] {
  return ["paths = /usr/bin", `executables = ${programsFor(command, files).join(", ")}`];
}

/** The known server that is asked for by name, where that is not in the usual place: sftp-server never is. */
function serverFor(command: ByteString | undefined): Service | undefined {
  const [typed = ""] = (command ?? "").split(/\s+/);
  return typed.includes("/") ? undefined : serviceNamed(typed);
}

/** What brings the program of `command` into a jail; empty where this machine has none. */
function bringRemedy(command: ByteString | undefined, root: ByteString): ByteString {
  if (root === "/") return "";
  const path = places(command).find((one) => statIfPresent(AT_FDCWD, one, true) !== undefined);
  if (path !== undefined) return `jk_cp -j ${shellWord(root)} ${shellWord(path)}`;
  const section = serverFor(command)?.section;
  return section === undefined ? "" : `jk_init -j ${shellWord(root)} ${section}`;
}

/** What to do where a command is refused; empty where that is as it should be. `root`: the jail, or /. */
export function commandRemedy(
  code: string,
  command: ByteString | undefined,
  { section, values }: { section: ByteString; values: Pick<LshSection, "paths" | "executables"> },
  configFile: ByteString,
  files: FileView,
  root: ByteString,
): ByteString {
  const isThere = (path: ByteString) => files.isRegularFile(path);
  const { executables = [], paths } = values;
  const listed = places(command).find((path) => executables.includes(path));
  // It is allowed, and missing: without it no name is found in paths.
  if (listed !== undefined && !isThere(listed)) return bringRemedy(listed, root);
  if (code !== "not-allowed") return "";
  const [typed = ""] = (command ?? "").split(/\s+/);
  const server = serverFor(command);
  const there =
    places(command).find(isThere) ??
    (server && filesOf(server, isThere).paths.find((path) => baseName(path) === typed));
  if (there === undefined) return bringRemedy(command, root);
  if (programWarnings(there, files, false, true).length > 0) return "";
  const lines = executables.includes(there) ? [] : [`executables = ${[...executables, there].join(", ")}`];
  // A name is looked for in paths, and nowhere else.
  const directory = there.slice(0, there.lastIndexOf("/"));
  if (!typed.includes("/") && !paths.includes(directory))
    lines.unshift(`paths = ${[...paths, directory].join(", ")}`);
  return lines.length === 0 ? "" : sectionLinesRemedy(configFile, section, lines);
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
