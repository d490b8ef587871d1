import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { isErrno, SystemError } from "../../ffi/error.ts";
import {
  type DirectoryEntry,
  fstat,
  openAt,
  openAt2,
  readAllFd,
  readDirectory,
  type Stat,
  statIfPresent,
  withFd,
} from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { type AclReading, aclOf, showEntries, writersOf } from "../system/acl.ts";
import { COPY_ANEW, onlyRootWrites } from "../system/exchange.ts";
import type { Sources } from "./fixes.ts";
import { type Dialect, type IniFile, largestFile, type Place, type Problem } from "./model.ts";
import { problemError } from "./place.ts";
import { linkAside, placeOfName, putAside } from "./put-aside.ts";
import { scanIni } from "./scan.ts";
import { insteadOfCommand, openTrusted, ownRemedy, placeOf, type Unsafe, unsafeConfig } from "./trusted.ts";

/** The directory of the configuration files. */
export const CONFIG_DIRECTORY = "/etc/jailkit";

/** A config file that was read. */
export interface ConfigSource {
  file: ByteString;
  /** Where it is, without symbolic links, if others than root can change it: for commands, which follow them. */
  place: ByteString;
  bytes: Uint8Array;
  stat: Stat;
  /** Read only if the group may write: the group's bits hide the ACL. */
  acl: AclReading;
}

/** The drop-in directory of a file: "/etc/jailkit/jk_lsh.d" for "/etc/jailkit/jk_lsh.ini"; undefined without .ini. */
export function dropInDirectory(file: ByteString): ByteString | undefined {
  const name = file.endsWith(".ini") ? file.slice(0, -".ini".length) : "";
  return name === "" || name.endsWith("/") ? undefined : `${name}.d`;
}

/** Whether a file in a drop-in directory is read, by its name. */
export const isDropIn = (name: ByteString): boolean => name.endsWith(".ini") && !name.startsWith(".");

const NOT_A_FILE = "not a regular file";
const A_LINK = "a symbolic link, which is not followed here, or leads nowhere";

type OnUnsafe = (path: ByteString, problem: Unsafe) => void;

/** Gets why a file cannot be read, or throws that. */
type OnUnreadable = (file: ByteString, error: JailkitError) => void;

/** Gets all that is in a drop-in directory. `holds`: whether a directory there has files that would be read here. */
type OnEntries = (
  directory: ByteString,
  entries: readonly DirectoryEntry[],
  holds: (name: ByteString) => boolean,
) => void;

/** Reads an open file and closes it; errors name `file`. */
function readSource(file: ByteString, fd: number, dialect: Dialect): ConfigSource {
  return withFd(fd, () => {
    const stat = fstat(fd);
    if ((stat.mode & C.S_IFMT) !== C.S_IFREG) throw new SystemError(C.EINVAL, NOT_A_FILE, file);
    const acl = (stat.mode & 0o020) === 0 ? "none" : aclOf(fd);
    const place = onlyRootWrites(stat) ? file : placeOf(fd, file);
    return { file, place, stat, acl, bytes: readAllFd(fd, largestFile(dialect)) };
  });
}

/** Runs `action`, which reads a file; undefined if it cannot. */
function attemptRead<T>(file: ByteString, reading: Reading, action: () => T): T | undefined {
  try {
    return action();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    reading.onUnreadable(file, unreadable(file, error, reading));
    return undefined;
  }
}

function unreadable(
  file: ByteString,
  error: SystemError,
  { exitStatus, jail }: Pick<Reading, "exitStatus" | "jail">,
): JailkitError {
  const { call, reason } = error;
  // A socket cannot even be opened.
  const isOther = call === NOT_A_FILE || isErrno(error, "ENXIO");
  const isLink = isErrno(error, "ELOOP");
  const isNoDirectory = isErrno(error, "ENOTDIR");
  const stat = isNoDirectory ? statIfPresent(C.AT_FDCWD, file) : undefined;
  if (stat !== undefined && (stat.mode & C.S_IFMT) === C.S_IFLNK) {
    const what = `${display(file)} is a symbolic link, which it may not be: a directory of files is wanted, not a link to one`;
    return linkAside(file, what, exitStatus, C.S_IFDIR);
  }
  const why = isOther ? NOT_A_FILE : isLink ? A_LINK : `${call}: ${reason}`;
  const message = `cannot read ${display(file)}: ${why}`;
  // From outside of a jail its links lead elsewhere.
  if (isLink && jail === undefined) return linkAside(file, message, exitStatus, C.S_IFREG);
  // Something else is in its place: a directory, a FIFO, or a link that leads nowhere or may not be one.
  const away = isOther || isLink || isNoDirectory || isErrno(error, "ENOENT");
  return away
    ? putAside(placeOfName(file), message, exitStatus)
    : new JailkitError("config-unreadable", exitStatus, message);
}

/** As unsafeAs, with the entries of an ACL that lets others write: the group's bits hide them. */
function unsafeSource({ place, stat, acl }: ConfigSource): Unsafe | undefined {
  const writers = writersOf(acl);
  if (stat.uid !== 0 || writers.length === 0) return unsafeAs(place, stat);
  const because = `can be written by others through its ACL (${showEntries(writers)})`;
  const remedy = ownRemedy(place, stat);
  return { because: `${because}; ${remedy === undefined ? insteadOfCommand(place) : COPY_ANEW}`, remedy };
}

function unsafeAs(place: ByteString, stat: Stat): Unsafe | undefined {
  const because = unsafeConfig(stat, place);
  return because === undefined ? undefined : { because, remedy: ownRemedy(place, stat) };
}

const DROP_IN_FLAGS = C.O_RDONLY | C.O_NOFOLLOW | C.O_NONBLOCK;

/** Opens a drop-in directory; undefined if there is none. Links in `jail` lead where they lead inside. */
function openDropIns(directory: ByteString, jail: ByteString | undefined): number | undefined {
  const flags = DROP_IN_FLAGS | C.O_DIRECTORY;
  if (jail === undefined) {
    if (statIfPresent(C.AT_FDCWD, directory) === undefined) return undefined;
    return openAt(C.AT_FDCWD, directory, flags);
  }
  try {
    return withFd(openAt(C.AT_FDCWD, jail, C.O_PATH | C.O_DIRECTORY), (root) =>
      openAt2(root, directory.slice(jail.length + 1), flags, C.RESOLVE_IN_ROOT),
    );
  } catch (error) {
    if (isErrno(error, "ENOENT", "ENOTDIR")) return undefined;
    throw error;
  }
}

interface Reading {
  readonly exitStatus: number;
  readonly dialect: Dialect;
  readonly jail: ByteString | undefined;
  readonly onUnsafe: OnUnsafe;
  readonly onUnreadable: OnUnreadable;
  readonly onEntries: OnEntries | undefined;
}

const DEEPEST = 8;

/** Whether a directory in another one has files that would be read there; false for one that cannot be read. */
function holdsDropIns(parent: number, directory: ByteString, depth = 1): boolean {
  try {
    return withFd(openAt(parent, directory, DROP_IN_FLAGS | C.O_DIRECTORY), (fd) =>
      readDirectory(fd).some(({ name, type }) =>
        type === C.DT_DIR ? depth < DEEPEST && holdsDropIns(fd, name, depth + 1) : isDropIn(name),
      ),
    );
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return false;
  }
}

function readDropIns(directory: ByteString, reading: Reading): ConfigSource[] {
  const { jail, dialect, onUnsafe } = reading;
  const flags = DROP_IN_FLAGS;
  const opened = openDropIns(directory, jail);
  if (opened === undefined) return [];
  return withFd(opened, (fd) => {
    const problem = unsafeAs(placeOf(fd, directory), fstat(fd));
    if (problem !== undefined) onUnsafe(directory, problem);
    const entries = readDirectory(fd);
    reading.onEntries?.(directory, entries, (name) => holdsDropIns(fd, name));
    const names = entries.map((entry) => entry.name).filter(isDropIn);
    // In the order of their bytes.
    return names.sort().flatMap((each): ConfigSource[] => {
      const file = `${directory}/${each}`;
      // Removed since the listing.
      if (statIfPresent(fd, each) === undefined) return [];
      const open = () => readSource(file, openAt(fd, each, flags | C.O_NOCTTY), dialect);
      const source = attemptRead(file, reading, open);
      if (source === undefined) return [];
      const problem = unsafeSource(source);
      if (problem !== undefined) onUnsafe(file, problem);
      return [source];
    });
  });
}

function readMain(file: ByteString, { jail, dialect, onUnsafe }: Reading): ConfigSource | undefined {
  const { fd, unsafe } = openTrusted(file, jail);
  const source = fd === undefined ? undefined : readSource(file, fd, dialect);
  // Also for a missing file: somebody else may have removed it.
  const problem = (source && unsafeSource(source)) ?? unsafe;
  if (problem !== undefined) onUnsafe(file, problem);
  return source;
}

/**
 * Reads a config file and then its drop-ins (`*.ini` in `dropInDirectory`, in the order of their bytes); an empty list
 * if there is no file. Throws a JailkitError if one cannot be read. Calls `onUnsafe` if users other than root
 * can change a file, the drop-in directory, or a directory above the file; it throws by default. `jail`: the jail that the
 * file is in, if this process is outside. `dialect`: how large a file may be. `alone`: without drop-ins. `onUnreadable`: gets
 * each file that cannot be read, and the others are read. `onEntries`: gets all that is in the drop-in directory.
 */
export function readConfigSources(
  file: ByteString,
  exitStatus = 1,
  onUnsafe: OnUnsafe = (path, unsafe) => {
    throw unsafeError(path, unsafe, exitStatus);
  },
  jail?: ByteString,
  { dialect = "c", alone = false, onUnreadable = refuse, onEntries }: ReadOptions = {},
): ConfigSource[] {
  const directory = alone ? undefined : dropInDirectory(file);
  const reading = { exitStatus, dialect, jail, onUnsafe, onUnreadable, onEntries };
  const main = attemptRead(file, reading, () => readMain(file, reading));
  const dropIns = directory && attemptRead(directory, reading, () => readDropIns(directory, reading));
  return [...(main === undefined ? [] : [main]), ...(dropIns || [])];
}

interface ReadOptions {
  readonly dialect?: Dialect;
  readonly alone?: boolean;
  readonly onUnreadable?: OnUnreadable;
  readonly onEntries?: OnEntries;
}

/** Why a file is not used that users other than root can change. */
export const unsafeError = (path: ByteString, { because, remedy }: Unsafe, exitStatus = 1): JailkitError =>
  new JailkitError("config-unsafe", exitStatus, `${display(path)} ${display(because)}`, undefined, remedy);

function refuse(_file: ByteString, error: JailkitError): never {
  throw error;
}

/**
 * Merges files: their sections one after the other. A section in two of them appears twice: the first wins ("c"), or
 * it is an error ("py", "plain"). A [DEFAULT] ("py") applies to its own file.
 */
export function mergeFiles(parts: readonly IniFile[], file: ByteString, dialect: Dialect): IniFile {
  const merged: IniFile = { file, dialect, sections: [], defaults: [], problems: [], texts: [] };
  const seen = new Map<ByteString, Place>();
  for (const part of parts) {
    for (const section of part.sections) {
      const { name, file, line, column } = section;
      const first = seen.get(name);
      if (first === undefined) seen.set(name, section);
      else if (first.file !== file) {
        const severity = dialect === "c" ? "warning" : "error";
        const what = dialect === "c" ? "is ignored: it is there already" : "is there already";
        const message = `section '${display(name)}' ${what}, in line ${first.line} of ${display(first.file)}`;
        part.problems.push({ file, line, column, severity, code: "duplicate-section", message });
      }
    }
    merged.sections.push(...part.sections);
    merged.defaults.push(...part.defaults);
    merged.problems.push(...part.problems);
    merged.texts.push(...part.texts);
  }
  return merged;
}

/** Throws a JailkitError for the first error among `problems`, if any, with its line in `sources`. */
export function requireNoErrors(problems: readonly Problem[], exitStatus = 1, sources?: Sources): void {
  for (const one of problems) if (one.severity === "error") throw problemError(one, exitStatus, sources);
}

/**
 * Loads a config file with its drop-ins; undefined if there is none. A file that cannot be read, or that has an
 * error, is a JailkitError with `exitStatus` (1 by default) and never the defaults; warnings are in `problems`. `jail`: as
 * for readConfigSources.
 */
export function loadConfig(
  file: ByteString,
  { dialect, exitStatus = 1, jail }: { dialect: Dialect; exitStatus?: number; jail?: ByteString | undefined },
): IniFile | undefined {
  const sources = readConfigSources(file, exitStatus, undefined, jail, { dialect });
  if (sources.length === 0) return undefined;
  const parts: IniFile[] = [];
  for (const source of sources) parts.push(scanIni(source.bytes, source.file, dialect));
  const merged = mergeFiles(parts, file, dialect);
  requireNoErrors(merged.problems, exitStatus, merged);
  return merged;
}
