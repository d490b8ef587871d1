import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import { close, fstat, openAt, readAllFd, readDirectory, type Stat, statIfPresent } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type AclReading, aclOf, removalCommand, showEntries, writersOf } from "../system/acl.ts";
import { type Dialect, type IniFile, LIMITS, type Problem, problemLine } from "./model.ts";
import { scanIni } from "./scan.ts";

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
  return /[^/]\.ini$/.test(file) ? `${file.slice(0, -4)}.d` : undefined;
}

function refuse(code: string, exitStatus: number, message: ByteString): never {
  throw new JailkitError(code, exitStatus, message);
}

/**
 * Why others than `owner` can change a file, as the end of a sentence; undefined where they cannot. An ACL gives nobody
 * what its mask, which the group's bits show, does not let through.
 */
export function unsafeBecause(stat: Stat, owner: number): ByteString | undefined {
  if (stat.uid !== owner) return `belongs to uid ${stat.uid} and not to ${owner === 0 ? "root" : owner}`;
  if ((stat.mode & 0o022) !== 0) return "can be written by its group or by others; chmod go-w it";
  return undefined;
}

/** Reads a name in an open directory; errors name `file`. Undefined where there is none. */
function readSource(
  dirfd: number,
  name: ByteString,
  file: ByteString,
  flags: number,
): ConfigSource | undefined {
  let fd = -1;
  try {
    fd = openAt(dirfd, name, C.O_RDONLY | C.O_NONBLOCK | C.O_NOCTTY | flags);
    const stat = fstat(fd);
    if ((stat.mode & C.S_IFMT) !== C.S_IFREG) throw new SystemError(22, "not a regular file", file);
    const acl = (stat.mode & 0o020) === 0 ? "none" : aclOf(fd);
    return { file, stat, acl, bytes: readAllFd(fd, LIMITS.fileBytes) };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    // A link that leads nowhere is there: it must not stand for the defaults.
    if (fd < 0 && error.code === "ENOENT" && statIfPresent(dirfd, name) === undefined) return undefined;
    throw new SystemError(error.errno, error.call, file);
  } finally {
    if (fd >= 0) close(fd);
  }
}

/** Its group is the administrator's choice; an ACL names others, and hides them behind the group's bits. */
function requireNoWriters({ file, acl }: ConfigSource, exitStatus: number): void {
  const shown = display(file);
  if (acl === "unknown") {
    const because = "can be written by its group, and its ACL cannot be read";
    refuse("config-unsafe", exitStatus, `${shown} ${because}; mend it with: chmod g-w ${shown}`);
  }
  const writers = writersOf(acl);
  if (writers.length === 0) return;
  const because = `can be written by others through its ACL (${showEntries(writers)})`;
  refuse(
    "config-unsafe",
    exitStatus,
    `${shown} ${because}; mend it with: ${removalCommand(writers)} ${shown}`,
  );
}

function dropInNames(fd: number): ByteString[] {
  const names = readDirectory(fd)
    .map((entry) => entry.name)
    .filter((name) => name.endsWith(".ini") && !name.startsWith("."));
  // Code units are bytes, so this is their order.
  return names.sort((a, b) => (a < b ? -1 : 1));
}

function readDropIns(dirfd: number, directory: ByteString, owner: number, exitStatus: number) {
  const name = directory.slice(directory.lastIndexOf("/") + 1);
  let fd: number;
  try {
    fd = openAt(dirfd, name, C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK);
  } catch (error) {
    if (isErrno(error, "ENOENT")) return [];
    throw error instanceof SystemError ? new SystemError(error.errno, error.call, directory) : error;
  }
  try {
    const unsafe = unsafeBecause(fstat(fd), owner);
    if (unsafe !== undefined) refuse("config-unsafe", exitStatus, `${display(directory)} ${unsafe}`);
    const names = dropInNames(fd);
    if (names.length > MOST_DROP_INS) {
      refuse("config-invalid", exitStatus, `${display(directory)} holds more than ${MOST_DROP_INS} files`);
    }
    return names.flatMap((each): ConfigSource[] => {
      const file = `${directory}/${each}`;
      const source = readSource(fd, each, file, C.O_NOFOLLOW);
      // It went away between the listing and now, like one that was never there.
      if (source === undefined) return [];
      const problem = unsafeBecause(source.stat, owner);
      if (problem !== undefined) refuse("config-unsafe", exitStatus, `${display(file)} ${problem}`);
      return [source];
    });
  } finally {
    close(fd);
  }
}

/**
 * Reads a config file and then its drop-ins (`*.ini` in `dropInDirectory`, in the order of their bytes), each
 * below the descriptor of its directory. No file at all: an empty list. Throws a JailkitError where one cannot be
 * read, where a drop-in or its directory can be changed by others than root, or where the file itself can be
 * changed by everybody or by whom its ACL names. (Like jailkit 2.23 it may belong to somebody else: an administrator who is not root.)
 */
export function readConfigSources(file: ByteString, exitStatus = 1, owner = 0): ConfigSource[] {
  const slash = file.lastIndexOf("/");
  const parent = slash < 0 ? "." : slash === 0 ? "/" : file.slice(0, slash);
  const directory = dropInDirectory(file);
  let dirfd = -1;
  try {
    dirfd = openAt(C.AT_FDCWD, parent, C.O_PATH | C.O_DIRECTORY);
    const main = readSource(dirfd, file.slice(slash + 1), file, 0);
    if (main !== undefined && (main.stat.mode & 0o002) !== 0) {
      refuse("config-unsafe", exitStatus, `${display(file)} can be written by everybody; chmod o-w it`);
    }
    if (main !== undefined) requireNoWriters(main, exitStatus);
    const dropIns = directory === undefined ? [] : readDropIns(dirfd, directory, owner, exitStatus);
    return main === undefined ? dropIns : [main, ...dropIns];
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    if (dirfd < 0 && isErrno(error, "ENOENT", "ENOTDIR")) return [];
    const message = `cannot read ${display(error.path ?? file)}: ${error.call}: ${error.reason}`;
    return refuse("config-unreadable", exitStatus, message);
  } finally {
    if (dirfd >= 0) close(dirfd);
  }
}

/**
 * Several files read as one: their sections one after the other. A section in two of them counts as one that is
 * there twice: the first wins ("c"), or it is an error ("py"). A [DEFAULT] ("py") holds for its own file.
 */
export function mergeFiles(parts: readonly IniFile[], file: ByteString, dialect: Dialect): IniFile {
  const merged: IniFile = { file, dialect, sections: [], defaults: [], problems: [] };
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
  }
  return merged;
}

/** Throws a JailkitError that names the first error among `problems`, if there is one. */
export function requireNoErrors(problems: readonly Problem[], exitStatus = 1): void {
  const error = problems.find((problem) => problem.severity === "error");
  if (error !== undefined) refuse("config-invalid", exitStatus, problemLine(error, display(error.file)));
}

/**
 * Loads a config file with its drop-ins. Undefined where none of them is there. A file that exists but cannot be
 * read, or that holds an error, is a JailkitError and never the defaults; warnings are in `problems`.
 */
export function loadConfig(file: ByteString, options: LoadOptions): IniFile | undefined {
  const { dialect, exitStatus = 1, owner = 0 } = options;
  const sources = readConfigSources(file, exitStatus, owner);
  if (sources.length === 0) return undefined;
  const parts = sources.map((source) => scanIni(source.bytes, source.file, dialect));
  const merged = mergeFiles(parts, file, dialect);
  requireNoErrors(merged.problems, exitStatus);
  return merged;
}
