import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, readAllFd, readDirectory, type Stat, statIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { readFirst, shellWord } from "../cli/shell-word.ts";
import { type AclReading, aclOf, removalCommand, showEntries, writersOf } from "../system/acl.ts";
import { type Dialect, type IniFile, LIMITS, type Problem } from "./model.ts";
import { problemError, type Sources } from "./place.ts";
import { scanIni } from "./scan.ts";
import { openTrusted, ownRemedy, type UnsafePlace, unsafeConfig } from "./trusted.ts";

/** The directory of the configuration files. */
export const CONFIG_DIRECTORY = "/etc/jailkit";

const MOST_DROP_INS = 1000;

/** How a config file is loaded. */
export interface LoadOptions {
  readonly dialect: Dialect;
  /** What the tool ends with when the file cannot be used; 1 unless given. */
  readonly exitStatus?: number;
  /** Who must own drop-ins and their directory; root unless given. */
  readonly owner?: number;
}

/** The bytes of a config file. */
export interface ConfigSource {
  file: ByteString;
  bytes: Uint8Array;
  stat: Stat;
  /** Read where the group's bits say that somebody may write. */
  acl: AclReading;
}

/** The directory of a file's drop-ins: "/etc/jailkit/jk_lsh.d" for "/etc/jailkit/jk_lsh.ini", undefined without .ini. */
export function dropInDirectory(file: ByteString): ByteString | undefined {
  const named = file.endsWith(".ini") && file.length > ".ini".length && !file.endsWith("/.ini");
  return named ? `${file.slice(0, -".ini".length)}.d` : undefined;
}

/** What becomes of something unsafe: its path, and what is wrong with it. */
type Unsafe = (path: ByteString, problem: UnsafePlace) => void;

function refuse(code: string, exitStatus: number, message: ByteString, remedy?: ByteString): never {
  throw new JailkitError(code, exitStatus, message, undefined, remedy);
}

/** Reads an open file and closes it; errors name `file`. */
function readSource(file: ByteString, fd: number): ConfigSource {
  try {
    const stat = fstat(fd);
    if ((stat.mode & C.S_IFMT) !== C.S_IFREG) throw new SystemError(C.EINVAL, "not a regular file", file);
    const acl = (stat.mode & 0o020) === 0 ? "none" : aclOf(fd);
    return { file, stat, acl, bytes: readAllFd(fd, LIMITS.fileBytes) };
  } finally {
    close(fd);
  }
}

/** Runs `action`; its errors name `file`. */
function about<T>(file: ByteString, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof SystemError ? new SystemError(error.errno, error.call, file) : error;
  }
}

/** The same as unsafeConfig, with the entries where it is an ACL that lets others write: the group's bits hide them. */
function unsafeSource({ file, stat, acl }: ConfigSource, owner: number): UnsafePlace | undefined {
  const writers = writersOf(acl);
  if (stat.uid !== owner || writers.length === 0) return unsafeAs(file, stat, owner);
  const because = `can be written by others through its ACL (${showEntries(writers)})`;
  const remedy = `${removalCommand(writers)} ${shellWord(file)}`;
  return { because: `${because}; read it first, then: ${remedy}`, remedy: readFirst(file) + remedy };
}

function unsafeAs(file: ByteString, stat: Stat, owner: number): UnsafePlace | undefined {
  const because = unsafeConfig(stat, owner);
  return because === undefined ? undefined : { because, remedy: ownRemedy(file, stat, owner) };
}

function dropInNames(fd: number): ByteString[] {
  const names = readDirectory(fd)
    .map((entry) => entry.name)
    .filter((name) => name.endsWith(".ini") && !name.startsWith("."));
  // Code units are bytes, so this is their order.
  return names.sort((a, b) => (a < b ? -1 : 1));
}

function readDropIns(
  directory: ByteString,
  owner: number,
  exitStatus: number,
  unsafe: Unsafe,
): ConfigSource[] {
  if (statIfPresent(C.AT_FDCWD, directory) === undefined) return [];
  const fd = openAt(C.AT_FDCWD, directory, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK);
  try {
    const problem = unsafeAs(directory, fstat(fd), owner);
    if (problem !== undefined) unsafe(directory, problem);
    const names = dropInNames(fd);
    if (names.length > MOST_DROP_INS) {
      refuse("config-invalid", exitStatus, `${display(directory)} holds more than ${MOST_DROP_INS} files`);
    }
    return names.flatMap((each): ConfigSource[] => {
      const file = `${directory}/${each}`;
      const flags = C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY | C.O_NOFOLLOW;
      // It went away between the listing and now, like one that was never there.
      if (statIfPresent(fd, each) === undefined) return [];
      const source = about(file, () => readSource(file, openAt(fd, each, flags)));
      const problem = unsafeSource(source, owner);
      if (problem !== undefined) unsafe(file, problem);
      return [source];
    });
  } finally {
    close(fd);
  }
}

function readMain(file: ByteString, owner: number, unsafe: Unsafe): ConfigSource | undefined {
  const { fd, unsafe: onTheWay } = openTrusted(file, owner);
  const source = fd === undefined ? undefined : readSource(file, fd);
  // Where there is none, somebody else may have taken it away.
  const problem = (source && unsafeSource(source, owner)) ?? onTheWay;
  if (problem !== undefined) unsafe(file, problem);
  return source;
}

/**
 * Reads a config file and then its drop-ins (`*.ini` in `dropInDirectory`, in the order of their bytes). No file at
 * all: an empty list. Throws a JailkitError where one cannot be read. Where one, the directory of the drop-ins, or
 * something on the way to the file can be changed by others than root, `unsafe` is told so; it throws unless given.
 */
export function readConfigSources(
  file: ByteString,
  exitStatus = 1,
  owner = 0,
  unsafe: Unsafe = (path, { because, remedy }) =>
    refuse("config-unsafe", exitStatus, `${display(path)} ${display(because)}`, remedy),
): ConfigSource[] {
  const directory = dropInDirectory(file);
  try {
    const main = about(file, () => readMain(file, owner, unsafe));
    const dropIns = directory === undefined ? [] : readDropIns(directory, owner, exitStatus, unsafe);
    return main === undefined ? dropIns : [main, ...dropIns];
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const message = `cannot read ${display(error.path ?? file)}: ${error.call}: ${error.reason}`;
    return refuse("config-unreadable", exitStatus, message);
  }
}

/**
 * Several files read as one: their sections one after the other. A section in two of them counts as one that is
 * there twice: the first wins ("c"), or it is an error ("py"). A [DEFAULT] ("py") holds for its own file.
 */
export function mergeFiles(parts: readonly IniFile[], file: ByteString, dialect: Dialect): IniFile {
  const merged: IniFile = { file, dialect, sections: [], defaults: [], problems: [], texts: [] };
  const seen = new Map<ByteString, ByteString>();
  for (const part of parts) {
    for (const section of part.sections) {
      const first = seen.get(section.name);
      if (first === undefined) seen.set(section.name, section.file);
      else if (first !== section.file) {
        const severity = dialect === "py" ? "error" : "warning";
        const what = dialect === "py" ? "is there already" : "is ignored: it is there already";
        const message = `section '${display(section.name)}' ${what}, in ${display(first)}`;
        const { line, column } = section;
        part.problems.push({ file: part.file, line, column, severity, code: "duplicate-section", message });
      }
    }
    merged.sections.push(...part.sections);
    merged.defaults.push(...part.defaults);
    merged.problems.push(...part.problems);
    merged.texts.push(...part.texts);
  }
  return merged;
}

/** Throws a JailkitError that names the first error among `problems`, if there is one, with its line in `sources`. */
export function requireNoErrors(problems: readonly Problem[], exitStatus = 1, sources?: Sources): void {
  const error = problems.find((problem) => problem.severity === "error");
  if (error !== undefined) throw problemError(error, exitStatus, sources);
}

/**
 * Loads a config file with its drop-ins. Undefined where none of them is there. A file that exists but cannot be
 * read, or that holds an error, is a JailkitError and never the defaults; warnings are in `problems`.
 */
export function loadConfig(file: ByteString, options: LoadOptions): IniFile | undefined {
  const { dialect, exitStatus = 1, owner = 0 } = options;
  const sources = readConfigSources(file, exitStatus, owner);
  if (sources.length === 0) return undefined;
  const parts: IniFile[] = [];
  for (const source of sources) parts.push(scanIni(source.bytes, source.file, dialect));
  const merged = mergeFiles(parts, file, dialect);
  requireNoErrors(merged.problems, exitStatus, merged);
  return merged;
}
