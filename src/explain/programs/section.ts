import type { ByteString } from "../../../ffi/bytes.ts";
import { baseName, directoryOf } from "../../../ffi/paths.ts";
import { answered } from "../../cli/error.ts";
import type { Remedy } from "../../cli/remedy.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { groupOfSection, unknownGroup } from "../../config/scan.ts";
import { isListItem } from "../../config/text.ts";
import type { LimitedPolicy } from "../../enter/limited/limited.ts";
import {
  appendRemedy,
  copyRemedy,
  isRootsProgram,
  isSectionName,
  jailSideRemedy,
  sectionLinesRemedy,
} from "../../enter/remedies.ts";
import { LIMITED_SHELL } from "../../enter/shell.ts";
import { type AllowName, isOfWord } from "../../known-programs/allow/table.ts";
import { serviceNamed, USUAL_PROGRAMS } from "../../known-programs/services.ts";
import { programWarnings } from "../../known-programs/warnings.ts";
import type { FileView } from "../../limited-shell/files.ts";
import { findProgram } from "../../limited-shell/programs.ts";
import { groupIdsOf, type PasswdEntry } from "../../system/accounts.ts";
import { hostGroup } from "../../system/name-services.ts";
import type { ReportStep } from "../report.ts";
import { stepsOf } from "../steps.ts";
import type { Shell } from "./limited-session.ts";

/** The values of two keys of a section. */
interface Allowed {
  paths: readonly ByteString[];
  executables: readonly ByteString[];
}

/** The program of a command line. */
const typedIn = (command: ByteString | undefined) => (command ?? "").split(/[\t-\r ]+/)[0] ?? "";

/**
 * The possible paths of the program of a command line, in order: in `paths`, as the limited shell searches; allowed by
 * the section; in the usual directories.
 */
function places(command: ByteString | undefined, { paths, executables }: Allowed): ByteString[] {
  const typed = typedIn(command);
  const name = typed === "internal-sftp" ? "sftp-server" : typed;
  if (!/^[\w.+/-]*[\w+-]$/.test(name)) return [];
  if (name.startsWith("/")) return [name];
  const inPaths = paths.map((directory) => below(directory, name));
  const elsewhere = [...executables, ...USUAL_PROGRAMS].filter((path) => path.endsWith(`/${name}`));
  return [...inPaths, ...elsewhere, `/usr/bin/${name}`, `/bin/${name}`];
}

/** True for a program that can start others, which is never suggested. */
const startsOthers = (path: ByteString, files: FileView) =>
  programWarnings(path, files, false, true).length > 0;

/** The program of `command`, if it exists and starts no others; else the usual programs that exist. */
function programsFor(command: ByteString | undefined, files: FileView, allowed: Allowed): ByteString[] {
  const asked = places(command, allowed).find((path) => files.isRegularFile(path));
  if (asked !== undefined && isRootsProgram(asked, files) && !startsOthers(asked, files)) return [asked];
  return USUAL_PROGRAMS.filter((path) => files.isRegularFile(path));
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
  const allowed = { paths, executables };
  return linesFor(programsFor(command, files, allowed), allowed, undefined);
}

/**
 * The command that brings a group of the host, which a jail does not know, into the jail; undefined if the user is not in
 * the group, or is in no jail.
 */
function groupRemedy(
  group: ByteString,
  { name, gid }: PasswdEntry,
  jail: ByteString | undefined,
): Remedy | undefined {
  const gidOfHost = jail === undefined ? undefined : answered(() => hostGroup(group)?.gid);
  const isMember = gidOfHost !== undefined && groupIdsOf(name, gid).includes(gidOfHost);
  return isMember && jail !== undefined ? jailSideRemedy(jail, name) : undefined;
}

/**
 * As groupRemedy, for the sections of a jk_lsh.ini that none applies of: with the group, the one that is meant for the user
 * applies, and a section of the user's own would not be needed.
 */
function memberRemedy(
  sections: readonly { name: ByteString }[],
  knows: (group: ByteString) => boolean,
  account: PasswdEntry,
  jail: ByteString | undefined,
): Remedy | undefined {
  for (const { name } of sections) {
    const about = groupOfSection(name);
    if (about === undefined || about.primary || knows(about.group)) continue;
    const remedy = groupRemedy(about.group, account, jail);
    if (remedy !== undefined) return remedy;
  }
  return undefined;
}

/** Warnings about sections [member GROUP] that are not for the user because the jail does not know the group. */
export function passedOverSteps(
  { passedOver, file }: LimitedPolicy,
  account: PasswdEntry,
  jail: ByteString | undefined,
): ReportStep[] {
  return passedOver.map((group) => {
    const remedy: Remedy = groupRemedy(group, account, jail) ?? `jailkit config check ${shellWord(file)}`;
    const where = jail === undefined ? "" : `, since ${jail}/etc/group does not have it`;
    return stepsOf(LIMITED_SHELL)("policy", "warned", `${unknownGroup(group)}${where}`, remedy);
  });
}

/** The other users of a section, as the end of a sentence; empty for a section of one user. */
export function sharedBy(section: ByteString): ByteString {
  const about = groupOfSection(section);
  if (about === undefined && section !== "DEFAULT") return "";
  const others =
    about === undefined
      ? "without a section"
      : `${about.primary ? "with the primary group" : "in the group"} ${about.group}`;
  return `; section [${section}] applies to everybody ${others}`;
}

/** A command that adds a known server to the jail; empty for other programs. */
function sectionOf(command: ByteString | undefined, root: ByteString): Remedy {
  const section = serviceNamed(typedIn(command))?.section;
  return section === undefined ? "" : `jk_init -j ${shellWord(root)} ${section}`;
}

/**
 * The remedy if a command is refused; empty if there is none. `root`: the jail, or /. `onHost`: true if a path of the
 * host is a file that only root can change, and that could be copied.
 */
export function commandRemedy(
  code: string,
  command: ByteString | undefined,
  { section, values }: { section: ByteString; values: Partial<Allowed> & { allow?: readonly AllowName[] } },
  configFile: ByteString,
  files: FileView,
  root: ByteString,
  onHost: (path: ByteString) => boolean,
): Remedy {
  if (code !== "not-allowed" && code !== "not-found") return "";
  const allowed = { paths: values.paths ?? [], executables: values.executables ?? [] };
  const candidates = places(command, allowed);
  const there = candidates.find((path) => files.isRegularFile(path));
  const asked = there ?? (root === "/" ? undefined : candidates.find(onHost));
  if (asked === undefined) return root === "/" ? "" : sectionOf(command, root);
  const copy = there === undefined ? copyRemedy(root, asked) : "";
  const lines = linesFor([asked], allowed, typedIn(command));
  // A program that a word of the key allow is about need not be listed.
  if (lines.length === 0 || (code === "not-found" && isOfWord(typedIn(command), values.allow ?? [])))
    return copy;
  if (there !== undefined && !isRootsProgram(there, files)) return "";
  if (startsOthers(asked, files)) return "";
  const written = sectionLinesRemedy(configFile, section, lines);
  return copy === "" ? written : (`${copy}; then ${written}` as Remedy);
}

/** A command line that is a pattern for itself. */
const isPlain = (line: ByteString) => /^[\w@%+=:,./ -]+$/.test(line) && !/(?:^| )\.\.\.(?: |$)/.test(line);

/**
 * The remedy for a command that no pattern of a section allows: a pattern for exactly this command. Empty if its words have
 * a meaning in patterns, or if its program is not in the jail, or can start others.
 */
export function patternRemedy(
  command: ByteString | undefined,
  { section, file, values, listed, patterns }: LimitedPolicy,
  files: FileView,
): Remedy {
  const { paths, executables = [] } = values;
  const typed = typedIn(command);
  const path = findProgram(typed, paths, files.isRegularFile);
  if (command === undefined || !isPlain(command) || !path.startsWith("/")) return "";
  if (!files.isRegularFile(path) || !isRootsProgram(path, files) || startsOthers(path, files)) return "";
  if (listed && !isListItem(path)) return "";
  const names = patterns.map(({ name }) => name);
  const base = baseName(path)
    .replace(/[^\w.-]/g, "_")
    .slice(0, 32);
  let name = base;
  for (let number = 2; names.includes(name); number++) name = `${base}-${number}`;
  const lines = listed ? linesFor([path], { paths, executables }, typed) : [];
  return sectionLinesRemedy(file, section, [...lines, `command ${name} = ${command}`]);
}

/** As allowLines, for a jk_lsh.ini without a section for a user; undefined if none of the programs exists,
 * or if no section can have the user's name. */
export function sectionRemedy(
  user: ByteString,
  command: ByteString | undefined,
  configFile: ByteString,
  files: FileView,
): Remedy | undefined {
  const lines = allowLines(command, files);
  return lines.length === 0 || !isSectionName(user)
    ? undefined
    : appendRemedy(configFile, [`[${user}]`, ...lines]);
}

/** What makes one of these sections of groups count for the user, or a section of the user's own; undefined for none. */
export function ownSection(
  { report, session, place, request }: Shell,
  sections: readonly { name: ByteString }[],
): Remedy | undefined {
  const { account } = session;
  const knows = (group: ByteString) => request.accounts.groupByName(group) !== undefined;
  return (
    memberRemedy(sections, knows, account, report.jail) ??
    sectionRemedy(account.name, session.arguments[1], place.configFile, request.files)
  );
}
