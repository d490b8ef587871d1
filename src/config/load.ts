import type { ByteString } from "../../ffi/bytes.ts";
import * as C from "../../ffi/constants.ts";
import { attempt, SystemError } from "../../ffi/error.ts";
import { type DirectoryEntry, fstat, openAt, readDirectory, statIfPresent, withFd } from "../../ffi/files.ts";
import { display } from "../cli/display.ts";
import { JailkitError } from "../cli/error.ts";
import { onlyRootWrites } from "../system/exchange.ts";
import type { Sources } from "./fixes.ts";
import type { Dialect, IniFile, Place, Problem } from "./model.ts";
import { problemError } from "./place.ts";
import { scanIni } from "./scan.ts";
import {
  type ConfigSource,
  changedAbove,
  DROP_IN_FLAGS,
  type Found,
  openIfPresent,
  type Reading,
  readDropIn,
  readMain,
  sameFound,
  stateAt,
  stateOf,
  unreadable,
  unsafeAs,
} from "./source.ts";
import { placeOf, type Unsafe } from "./trusted.ts";

/** The directory of the configuration files. */
export const CONFIG_DIRECTORY = "/etc/jailkit";

/** The drop-in directory of a file: "/etc/jailkit/jk_lsh.d" for "/etc/jailkit/jk_lsh.ini"; undefined without .ini. */
export function dropInDirectory(file: ByteString): ByteString | undefined {
  const name = file.endsWith(".ini") ? file.slice(0, -".ini".length) : "";
  return name === "" || name.endsWith("/") ? undefined : `${name}.d`;
}

/** Whether a file in a drop-in directory is read, by its name. */
export const isDropIn = (name: ByteString): boolean => name.endsWith(".ini") && !name.startsWith(".");

type OnUnsafe = (path: ByteString, problem: Unsafe) => void;

/** Gets why a file cannot be read, or throws that. */
type OnUnreadable = (file: ByteString, error: JailkitError) => void;

/** Gets all that is in a drop-in directory. `holds`: whether a directory there has files that would be read here. */
type OnEntries = (
  directory: ByteString,
  entries: readonly DirectoryEntry[],
  holds: (name: ByteString) => boolean,
) => void;

interface ReadingAll extends Reading {
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

/** What was read of a drop-in directory, with its files by their names, in the order of their bytes. */
interface FoundDropIns extends Found {
  readonly entries: readonly DirectoryEntry[];
  /** The directories in it for which holdsDropIns is true. */
  readonly holding: ReadonlySet<ByteString>;
  readonly files: ReadonlyMap<ByteString, Found>;
}

const NO_DROP_INS = { entries: [], holding: new Set<ByteString>(), files: new Map<ByteString, Found>() };

/** Looks at an open drop-in directory, and reads what is not as it was `before`, which is returned if all is. */
function lookInto(
  fd: number,
  directory: ByteString,
  before: FoundDropIns | undefined,
  { dialect, onEntries }: ReadingAll,
): FoundDropIns {
  const stat = fstat(fd);
  const state = stateOf(stat);
  const entries = readDirectory(fd);
  const names = entries.map(({ name }) => name).filter(isDropIn);
  const files = new Map<ByteString, Found>();
  let isSame = before?.state === state && before.files.size === names.length;
  for (const name of names.sort()) {
    const now = stateOf(statIfPresent(fd, name));
    const last = before?.files.get(name);
    const read = last?.state === now ? last : readDropIn(`${directory}/${name}`, fd, now, dialect);
    const found = read && sameFound(last, read);
    isSame &&= found === last;
    if (found !== undefined) files.set(name, found);
  }
  if (isSame && before !== undefined) return before;
  const inside = onEntries === undefined ? [] : entries.filter(({ type }) => type === C.DT_DIR);
  const holding = new Set(inside.flatMap(({ name }) => (holdsDropIns(fd, name) ? name : [])));
  const place = onlyRootWrites(stat) ? directory : placeOf(fd, directory);
  return { state, changed: stat.ctime, unsafe: unsafeAs(place, stat), entries, holding, files };
}

/** The same of one that need not be there. */
function lookAtDropIns(
  directory: ByteString,
  before: FoundDropIns | undefined,
  reading: ReadingAll,
): FoundDropIns {
  try {
    const fd = openIfPresent(directory, DROP_IN_FLAGS | C.O_DIRECTORY, reading.jail);
    if (fd !== undefined) return withFd(fd, (opened) => lookInto(opened, directory, before, reading));
    return before?.state === "" ? before : { state: "", ...NO_DROP_INS };
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return before?.state === error.message ? before : { state: error.message, error, ...NO_DROP_INS };
  }
}

/**
 * Before each look, in milliseconds: so long files may change until a reader gives up. After a pause two looks follow at once,
 * since files that change all the time seldom stay for long.
 */
const PAUSES = [0, 0, 0, 1, 0, 2, 0, 4, 0, 8, 0, 16, 0, 32, 0, 64, 0, 128, 0, 256, 0];
/** For so long, in milliseconds, an editor that saves may have put a file aside, or emptied it. */
const SAVING = 50;
/**
 * How often a reader waits for that of drop-ins: where others come and go all the time, as at the end of a large `jailkit apply`,
 * two looks that agree have to do. What holds for everybody, the main file, is not taken for missing or empty then.
 */
const WAITS = 3;

interface FoundAll {
  readonly main: Found;
  readonly dropIns: FoundDropIns | undefined;
}

/** How many milliseconds after a change, in nanoseconds since the epoch, are left of SAVING. */
function leftAfter(changed = 0n): number {
  const age = Date.now() - Number(changed / 1_000_000n);
  // Another clock may be in the future.
  return Math.abs(age) < SAVING ? SAVING - age : 0;
}

/** The same after the last change of a drop-in directory and its files. */
function leftOfDropIns(dropIns: FoundDropIns | undefined): number {
  let last = dropIns?.changed ?? 0n;
  dropIns?.files.forEach(({ changed = 0n }) => {
    if (changed > last) last = changed;
  });
  return leftAfter(last);
}

/** The same of the main file; of what is missing, after the last change of the directory above: it may have been renamed. */
function leftOfMain({ main, dropIns }: FoundAll, file: ByteString, { jail }: Reading): number {
  const left = leftAfter(main.changed);
  const isMissing = main.state === "" || dropIns?.state === "";
  return isMissing ? Math.max(left, leftAfter(changedAbove(file, jail))) : left;
}

/**
 * Reads a file and its drop-ins until two looks see the same: a file that is renamed or written anew at this moment may be
 * missing in one, there twice, or empty. What has changed is read again. If they never do, the path that changes.
 */
function readSettled(
  file: ByteString,
  directory: ByteString | undefined,
  reading: ReadingAll,
): FoundAll | ByteString {
  let all: FoundAll | undefined;
  let changing = file;
  let waits = WAITS;
  for (const pause of PAUSES) {
    if (pause > 0) Bun.sleepSync(pause);
    const state = stateAt(file, reading.jail);
    const main = all?.main.state === state ? all.main : sameFound(all?.main, readMain(file, state, reading));
    const dropIns = directory === undefined ? undefined : lookAtDropIns(directory, all?.dropIns, reading);
    const isMainSame = main === all?.main;
    const isSame = isMainSame && dropIns === all?.dropIns;
    all = { main, dropIns };
    changing = isMainSame ? (directory ?? file) : file;
    if (!isSame) continue;
    const left = leftOfMain(all, file, reading);
    const wait = waits-- > 0 ? Math.max(left, leftOfDropIns(dropIns)) : left;
    if (wait === 0) return all;
    if (left > 0) changing = file;
    Bun.sleepSync(wait);
  }
  return changing;
}

/** What changes when a config file, its drop-ins or a name beside these does. `alone`: without drop-ins. */
export function configState(file: ByteString, alone = false): ByteString {
  const states = [stateAt(file)];
  const directory = dropInDirectory(file);
  if (alone || directory === undefined) return states.join();
  attempt(() => {
    const opened = openIfPresent(directory, DROP_IN_FLAGS | C.O_DIRECTORY, undefined);
    if (opened === undefined) return;
    withFd(opened, (fd) => {
      states.push(stateOf(fstat(fd)));
      for (const { name } of readDirectory(fd)) states.push(name, stateOf(statIfPresent(fd, name)));
    });
  });
  return states.join("\0");
}

/**
 * Reads a config file and then its drop-ins (`*.ini` in `dropInDirectory`, in the order of their bytes); an empty list
 * if there is no file. Throws a JailkitError if one cannot be read, or they change all the time ("files-change"). Calls
 * `onUnsafe` if users other than root can change a file, the drop-in directory, or a directory above the file; it throws by
 * default. `jail`: the jail that the file is in, if this process is outside. `dialect`: how large a file may be. `alone`:
 * without drop-ins. `onUnreadable`: gets each file that cannot be read, and the others are read. `onEntries`: gets all that is
 * in the drop-in directory.
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
  const reading = { exitStatus, dialect, jail, onEntries };
  const all = readSettled(file, directory, reading);
  const place = directory ?? file;
  const sources: ConfigSource[] = [];
  if (typeof all === "string") {
    const message = `cannot read ${display(all)}: it changes all the time; try again when nothing does that`;
    onUnreadable(all, new JailkitError("files-change", exitStatus, message));
    return sources;
  }
  const add = (path: ByteString, { source, unsafe, error }: Found) => {
    if (error !== undefined) onUnreadable(path, unreadable(path, error, reading));
    if (unsafe !== undefined) onUnsafe(path, unsafe);
    if (source !== undefined) sources.push(source);
  };
  add(file, all.main);
  if (all.dropIns === undefined) return sources;
  const { entries, holding, files, state } = all.dropIns;
  add(place, all.dropIns);
  if (state !== "" && all.dropIns.error === undefined)
    onEntries?.(place, entries, (name) => holding.has(name));
  for (const [name, found] of files) add(`${place}/${name}`, found);
  return sources;
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
        const problem: Problem = { file, line, column, severity, code: "duplicate-section", message };
        // Which of two files of jails.d goes is not known: what a comment takes out of the other one, --prune would remove later.
        part.problems.push(dialect === "plain" ? { ...problem, fix: { kind: "none" } } : problem);
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
