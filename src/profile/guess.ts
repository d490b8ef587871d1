import type { ByteString } from "../../ffi/bytes.ts";
import { attempt } from "../../ffi/error.ts";
import { baseName, parentOf } from "../../ffi/paths.ts";
import { JailkitError } from "../cli/error.ts";
import type { IniFile } from "../config/model.ts";
import { socketDirectory } from "../jail/fs/socket-directory.ts";
import { isDirectory, isLink } from "../jail/fs/walk.ts";
import type { Loader } from "../libraries/closure.ts";
import type { Want } from "../populate/entry.ts";
import { type FileSystem, linkTarget } from "../populate/file-system.ts";
import { createGlob } from "../populate/plan/glob.ts";
import { readProfile } from "./profile.ts";
import { type Section, selectSections } from "./sections.ts";

/** A section that explains part of a jail. */
export interface Guess {
  readonly name: ByteString;
  /** Paths of the section that the host has and the jail lacks. */
  readonly lacking: readonly ByteString[];
}

// Also /usr/bin/X11.
const PROGRAM_DIRECTORY = /\/s?bin(?:\/|$)/;

/** What a section asks for and the host has. */
export interface SectionPaths {
  readonly programs: readonly ByteString[];
  /** The same, with other names of one program together, such as vim and view. */
  readonly distinct: readonly (readonly ByteString[])[];
  readonly others: readonly ByteString[];
  /** Directories among them that it asks for with what is in them. */
  readonly trees: readonly ByteString[];
  /** It asks for something, and the host has nothing of it. */
  readonly absent?: boolean;
}

/**
 * The sections of a file from which a jail seems to be made. A section counts if the jail has all its programs that the
 * host has, or three in four (other versions of jailkit had other programs), and half of its other files. Of these, the
 * fewest that explain most: each adds a program to those before it, or, without programs, another file. `shown`: true for a
 * path that a mounted directory of the host shows, which does not tell sections apart. `known`: what sections ask for, of
 * earlier jails without such a directory.
 */
export function guessSections(
  ini: IniFile,
  host: FileSystem,
  loader: Loader,
  isThere: (path: ByteString) => boolean,
  shown?: (path: ByteString) => boolean,
  known = new Map<ByteString, SectionPaths>(),
): Guess[] {
  const glob = createGlob(host);
  const paths = shown === undefined ? known : new Map<ByteString, SectionPaths>();
  /** Directories that a section asks for, and whether the jail has at least half of what is in them. */
  const trees = new Map<ByteString, boolean>();
  // One may be there for the sake of a file in it, such as that of the time zone.
  const inJail = (path: ByteString) => isThere(path) && trees.get(path) !== false;

  function pathsOfSection(section: Section): SectionPaths {
    const found = paths.getOrInsertComputed(section.name, () => readPaths(section));
    for (const path of found.trees)
      trees.getOrInsertComputed(path, () => isThere(path) && hasHalf(host, isThere, path));
    return found;
  }

  function readPaths(section: Section): SectionPaths {
    const profile = readProfile([section], host, loader.libraryDirectories(), false);
    const { wants, notFound } = profile;
    const all = wants.flatMap((want) => pathsOf(want)).filter((path) => shown?.(path) !== true);
    const absent = all.length === 0 && wants.length + notFound.length > 0;
    const programs = all.filter((path) => PROGRAM_DIRECTORY.test(parentOf(path)));
    const others = all.filter((path) => !PROGRAM_DIRECTORY.test(parentOf(path)));
    const whole = new Set(wants.filter(({ kind }) => kind === "any").flatMap((want) => pathsOf(want)));
    const trees = others.filter((path) => whole.has(path) && isDirectory(host.lstat(path) ?? { mode: 0 }));
    return { programs, distinct: distinctPrograms(host, programs), others, trees, absent };
  }

  function pathsOf({ pattern, glob: magic, kind }: Want): ByteString[] {
    // Devices do not tell sections apart.
    if (kind === "device") return [];
    if (host.lstat(pattern) !== undefined) return [pattern];
    return magic ? glob(pattern) : [];
  }

  /** True if the jail has the paths of a section; `exactly`: with all its programs. */
  function explains({ distinct, others }: SectionPaths, exactly: boolean): boolean {
    const present = distinct.filter((names) => names.some(inJail)).length;
    const most = distinct.length >= FEW && present * 4 >= distinct.length * 3;
    if (present < distinct.length && (exactly || !most)) return false;
    return others.filter(inJail).length * 2 >= others.length;
  }

  const candidates = ini.sections.flatMap(({ name }): Candidate[] => {
    const parts = sectionsOf(ini, name)?.map(pathsOfSection) ?? [];
    const programs = [...new Set(parts.flatMap((part) => part.programs))];
    const others = [...new Set(parts.flatMap((part) => part.others))];
    // Other versions of jailkit lacked some sections of data, such as certificates.
    const counted = parts.filter(
      (part) => part === parts.at(-1) || part.programs.length > 0 || part.others.some(inJail),
    );
    const exactly = [true, false].find((one) => counted.every((part) => explains(part, one)));
    const some = [...programs, ...others].some(inJail);
    // The section itself is the last, after those that it includes.
    const empty = parts.at(-1)?.absent === true;
    return exactly === undefined || !some || empty
      ? []
      : [
          {
            name,
            programs,
            distinct: distinctPrograms(host, programs),
            others,
            exactly,
            parts: parts.length,
          },
        ];
  });
  return choose(candidates, inJail, shown !== undefined);
}

/** Whether half of what is in a directory of the host is there. */
function hasHalf(host: FileSystem, isThere: (path: ByteString) => boolean, directory: ByteString): boolean {
  const names = attempt(() => host.names(directory)) ?? [];
  return names.filter((name) => isThere(`${directory}/${name}`)).length * 2 >= names.length;
}

const MOST_LINKS = 40;

/** Programs are one if they are the same file, and its name starts with one of theirs: vim.basic, not busybox. */
function distinctPrograms(host: FileSystem, programs: readonly ByteString[]): ByteString[][] {
  const nameOf = (path: ByteString) => {
    const real = realFile(host, path);
    const stat = host.lstat(real);
    const alike = programs.some((each) => baseName(real).startsWith(baseName(each)));
    return stat === undefined || !alike
      ? path
      : `${stat.devMajor}:${stat.devMinor}:${stat.inoHigh}:${stat.inoLow}`;
  };
  return [...Map.groupBy(programs, nameOf).values()];
}

/** The file that symbolic links lead to; a broken chain ends at a link. */
function realFile(host: FileSystem, path: ByteString): ByteString {
  let at = path;
  for (let links = 0; links < MOST_LINKS; links++) {
    const stat = host.lstat(at);
    if (stat === undefined || !isLink(stat)) return at;
    at = linkTarget(at, host.readlink(at));
  }
  return at;
}

// With fewer programs, all must be there.
const FEW = 8;

interface Candidate extends Omit<SectionPaths, "absent" | "trees"> {
  readonly name: ByteString;
  readonly exactly: boolean;
  readonly parts: number;
}

/** Takes the candidates that explain most first, as long as each adds something; in a live jail, complete ones first. */
function choose(
  candidates: readonly Candidate[],
  inJail: (path: ByteString) => boolean,
  live: boolean,
): Guess[] {
  const covered = new Set<ByteString>();
  const guesses: Guess[] = [];
  const sizeOf = ({ programs, others }: Candidate) => [...programs, ...others].filter(inJail).length;
  const lackingOf = ({ others }: Candidate) => others.filter((path) => !inJail(path)).length;
  // Of two that explain the same, the one with fewer includes.
  const order = [...candidates].sort(
    (a, b) =>
      Number(b.exactly) - Number(a.exactly) ||
      // Without programs, only a file that is missing tells a section from a larger one.
      (live ? lackingOf(a) - lackingOf(b) : 0) ||
      sizeOf(b) - sizeOf(a) ||
      lackingOf(a) - lackingOf(b) ||
      a.parts - b.parts,
  );
  const take = ({ name, programs, others }: Candidate) => {
    const paths = [...programs, ...others];
    for (const path of paths) if (inJail(path)) covered.add(path);
    guesses.push({ name, lacking: paths.filter((path) => !inJail(path)) });
  };
  for (const candidate of order) {
    const isNew = (path: ByteString) => inJail(path) && !covered.has(path);
    const added = candidate.distinct.filter((names) => names.some(isNew)).length;
    const lacking = candidate.distinct.filter((names) => !names.some(inJail)).length;
    if (added > 2 * lacking) take(candidate);
  }
  for (const candidate of order) {
    const added = candidate.others.some((path) => inJail(path) && !covered.has(path));
    if (candidate.programs.length === 0 && added) take(candidate);
  }
  return guesses;
}

/** The sections that ask for sockets of the host alone, all of them in these directories. */
export function socketSections(ini: IniFile, directories: readonly ByteString[]): ByteString[] {
  return ini.sections.flatMap(({ name }) => {
    const section = sectionsOf(ini, name)?.at(-1);
    if (section === undefined || section.values.sockets.length === 0) return [];
    const { comment: _, sockets, ...others } = section.values;
    const alone = Object.values(others).every((value) => !Array.isArray(value) || value.length === 0);
    const shown = sockets.every((socket) => directories.includes(socketDirectory(socket) ?? ""));
    return alone && shown ? [name] : [];
  });
}

/** A section and those that it includes; undefined if they cannot be read. */
function sectionsOf(ini: IniFile, name: ByteString): readonly Section[] | undefined {
  try {
    return selectSections(ini, [name]).sections;
  } catch (error) {
    if (error instanceof JailkitError) return undefined;
    throw error;
  }
}
