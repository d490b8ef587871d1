import type { ByteString } from "../../ffi/bytes.ts";
import { parentOf } from "../../ffi/paths.ts";
import { JailkitError } from "../cli/error.ts";
import type { IniFile } from "../config/model.ts";
import type { Loader } from "../libraries/closure.ts";
import type { Want } from "../populate/entry.ts";
import type { FileSystem } from "../populate/file-system.ts";
import { createGlob } from "../populate/plan/glob.ts";
import { readProfile } from "./profile.ts";
import { type Section, selectSections } from "./sections.ts";

/** A section that explains part of a jail. */
export interface Guess {
  readonly name: ByteString;
  /** Paths that it asks for, that the host has, and the jail does not. */
  readonly lacking: readonly ByteString[];
}

const PROGRAM_DIRECTORY = /\/s?bin$/;

interface Asked {
  readonly programs: readonly ByteString[];
  readonly others: readonly ByteString[];
  /** It asks for something, of which the host has nothing. */
  readonly absent?: boolean;
}

/**
 * The sections of a file that a jail seems to be made of: first those of which all programs are there that the host
 * has, then those of which three in four are (other versions of jailkit asked for other ones). Of what is not a
 * program half will do. Of these the fewest that say most: each adds a program to those before it, or is all data.
 */
export function guessSections(
  ini: IniFile,
  host: FileSystem,
  loader: Loader,
  inJail: (path: ByteString) => boolean,
): Guess[] {
  const glob = createGlob(host);
  const asked = new Map<ByteString, Asked>();

  /** What a section itself asks for and the host has. */
  function askedBy(section: Section): Asked {
    const known = asked.get(section.name);
    if (known !== undefined) return known;
    const profile = readProfile([section], host, loader.libraryDirectories(), "built-in");
    const { wants, notFound } = profile;
    const paths = wants.flatMap((want) => pathsOf(want));
    const isProgram = (path: ByteString) => PROGRAM_DIRECTORY.test(parentOf(path));
    const absent = paths.length === 0 && wants.length + notFound.length > 0;
    const own = {
      programs: paths.filter(isProgram),
      others: paths.filter((path) => !isProgram(path)),
      absent,
    };
    asked.set(section.name, own);
    return own;
  }

  function pathsOf({ pattern, glob: magic, kind }: Want): ByteString[] {
    // It tells no section from another.
    if (kind === "device") return [];
    if (host.lstat(pattern) !== undefined) return [pattern];
    return magic ? glob(pattern) : [];
  }

  /** Whether a jail has what a section asks for; `exactly`: with all its programs. */
  function explains({ programs, others }: Asked, exactly: boolean): boolean {
    const there = programs.filter(inJail).length;
    const most = programs.length >= FEW && there * 4 >= programs.length * 3;
    if (there < programs.length && (exactly || !most)) return false;
    return others.filter(inJail).length * 2 >= others.length;
  }

  const candidates = ini.sections.flatMap(({ name }): Candidate[] => {
    const parts = sectionsOf(ini, name)?.map(askedBy) ?? [];
    const programs = [...new Set(parts.flatMap((part) => part.programs))];
    const others = [...new Set(parts.flatMap((part) => part.others))];
    const kinds = [true, false].filter((exactly) => parts.every((part) => explains(part, exactly)));
    const exactly = kinds[0];
    const some = [...programs, ...others].some(inJail);
    // It is the last: what it includes comes before.
    const empty = parts.at(-1)?.absent === true;
    return exactly === undefined || !some || empty
      ? []
      : [{ name, programs, others, exactly, parts: parts.length }];
  });
  return choose(candidates, inJail);
}

// With fewer programs than these, one that is missing says too much.
const FEW = 8;

interface Candidate extends Asked {
  readonly name: ByteString;
  readonly exactly: boolean;
  readonly parts: number;
}

/** Picks candidates, those that say most first, as long as they add something. */
function choose(candidates: readonly Candidate[], inJail: (path: ByteString) => boolean): Guess[] {
  const covered = new Set<ByteString>();
  const guesses: Guess[] = [];
  const sizeOf = ({ programs, others }: Candidate) => [...programs, ...others].filter(inJail).length;
  // Of two that say the same, the one that includes less.
  const order = [...candidates].sort(
    (a, b) => Number(b.exactly) - Number(a.exactly) || sizeOf(b) - sizeOf(a) || a.parts - b.parts,
  );
  const take = ({ name, programs, others }: Candidate) => {
    const paths = [...programs, ...others];
    for (const path of paths) if (inJail(path)) covered.add(path);
    guesses.push({ name, lacking: paths.filter((path) => !inJail(path)) });
  };
  for (const candidate of order) {
    const added = candidate.programs.filter((path) => inJail(path) && !covered.has(path)).length;
    const lacking = candidate.programs.filter((path) => !inJail(path)).length;
    if (added > 2 * lacking) take(candidate);
  }
  for (const candidate of order) {
    const added = candidate.others.some((path) => inJail(path) && !covered.has(path));
    if (candidate.programs.length === 0 && added) take(candidate);
  }
  return guesses;
}

/** A section and those that it includes; undefined where the file makes no sense of it. */
function sectionsOf(ini: IniFile, name: ByteString): readonly Section[] | undefined {
  try {
    return selectSections(ini, [name]).sections;
  } catch (error) {
    if (error instanceof JailkitError) return undefined;
    throw error;
  }
}
