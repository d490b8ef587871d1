import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { statIfPresent } from "../../ffi/files.ts";
import { display, quoted } from "../cli/display.ts";
import { answered, describeError, JailkitError } from "../cli/error.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import { itemChanges, switchedOff, turnOf } from "../config/fixes.ts";
import { CONFIG_DIRECTORY, mergeFiles, readConfigSources, unsafeError } from "../config/load.ts";
import { type Fix, type IniFile, type IniSection, type Problem, problemLine } from "../config/model.ts";
import { problemError } from "../config/place.ts";
import { ASIDE, namedFault } from "../config/put-aside.ts";
import { groupOfSection, scanIni } from "../config/scan.ts";
import { inOrder, withoutConsequences } from "../config/section-problems.ts";
import type { ConfigSource } from "../config/source.ts";
import type { Unsafe } from "../config/trusted.ts";
import { byTurns } from "../config/turns.ts";
import { asideFiles, type UnreadFile, unreadFiles } from "../config/unread.ts";
import { DeclarationError, type FileError } from "./errors.ts";
import { readJail } from "./jail-section.ts";
import { DECLARATION_FILE, knownAs } from "./known-file.ts";
import { withMeantFix } from "./meant-fix.ts";
import type { Declaration, DeclaredJail, DeclaredUser } from "./model.ts";
import { withWholeLines } from "./one-line.ts";
import { isNameless, meantSubject, problemAt, subjectOf } from "./section.ts";
import { unseparated } from "./separated.ts";
import { ALL_NEW, type Standing, sharedProblems, standingHere } from "./shared.ts";
import { type Beside, repeatedProblems, toBeReadWith } from "./to-be-read.ts";
import { readUser } from "./user-section.ts";

function unknownSection(section: IniSection): Problem {
  const hint =
    section.name === "DEFAULT"
      ? "write its keys into each section that is to have them"
      : "write [jail PATH] or [user NAME], with one blank";
  const message = `there is no section ${quoted(`[${section.name}]`)}: ${hint}`;
  return problemAt(section, "unknown-section", message, fixOf(section));
}

/**
 * Nobody but who wrote it knows a name that is missing, or what such keys are for: without the section what it declares would be
 * gone. Sections for groups are of another file.
 */
function fixOf(section: IniSection): Fix {
  const meant = meantSubject(section);
  if (meant !== undefined) return { kind: "line", text: `[${meant.kind} ${meant.name}]` };
  const { name, entries } = section;
  const isEmpty = entries.length === 0 && !isNameless(name);
  return { kind: isEmpty || groupOfSection(name) !== undefined ? "disable-section" : "none" };
}

/** Of a file without any section, which may be none of ours, one problem: no line of it is to be changed. */
function withoutForeign(problems: readonly Problem[], { sections }: IniFile): Problem[] {
  const ours = new Set(
    [...sections, ...problems.filter(({ code }) => code !== "no-section")].map(({ file }) => file),
  );
  const foreign = new Set<ByteString>();
  return problems.flatMap((problem): Problem[] => {
    const { file } = problem;
    if (ours.has(file)) return [problem];
    if (foreign.has(file)) return [];
    foreign.add(file);
    const message = "the file has no section: [jail PATH] or [user NAME] is the first line of one";
    return [{ ...problem, message, fix: { kind: "none" } }];
  });
}

/**
 * The jails and users that a file declares, as far as it can be read, and all its problems in their order, those of the
 * scanner included. All of them are errors: with one, nothing may be used. What this machine has does not count. `beside`: what
 * files declare with which it is to be read; `standing`: who keeps a home or a uid that two declare. Pure but for that.
 */
export function declarationIn(
  ini: IniFile,
  beside: Beside = { jails: [], users: [] },
  standing: Standing = ALL_NEW,
): { declaration: Declaration; problems: Problem[] } {
  const problems = ini.problems.map((problem) => withMeantFix(problem, ini));
  const jails: DeclaredJail[] = [];
  const users: { declared: DeclaredUser; section: IniSection }[] = [];
  for (const section of ini.sections) {
    const subject = subjectOf(section);
    if (subject === undefined) problems.push(unknownSection(section));
    else if (subject.kind === "jail") {
      const { declared, problems: found } = readJail(section, subject);
      jails.push(declared);
      problems.push(...found);
    } else {
      const { declared, problems: found } = readUser(section, subject);
      users.push({ declared, section });
      problems.push(...found);
    }
  }
  problems.push(...repeatedProblems(ini.sections, beside), ...sharedProblems(users, beside, standing));
  // What a login would read with a warning, or in part, is not applied to a machine.
  const own = withoutForeign(withWholeLines(problems, ini), ini);
  const errors = own.map((one): Problem => ({ ...one, severity: "error" }));
  const declaration = {
    files: ini.texts.map(({ file }) => file),
    jails,
    users: users.map(({ declared }) => declared),
    unread: [],
    aside: [],
  };
  return { declaration, problems: inOrder(withoutConsequences(errors, ini), ini) };
}

/** The finding that an error about a whole file is: with a remedy, something else is in its place. */
const wholeFinding = ({ code, remedy }: JailkitError): FindingCode | undefined =>
  code === "config-unsafe" ? "unsafe-file" : remedy === "" ? undefined : "not-a-file";

const dialect = "plain";

/** jails.ini and the files of jails.d in a directory. Throws as readConfigSources does. */
export const readDeclarationSources = (directory: ByteString = CONFIG_DIRECTORY): ConfigSource[] =>
  readConfigSources(`${directory}/jails.ini`, 1, undefined, undefined, { dialect });

/** Whether a file can be read that is named, and only root can have put it there. */
export const isReadable = (file: ByteString): boolean =>
  answered(() => readConfigSources(file, 1, undefined, undefined, { dialect, alone: true }).length > 0) ===
  true;

/** What the files of this machine declare, by paths and names. */
export interface Declared {
  readonly ini: IniFile;
  readonly jails: ReadonlyMap<ByteString, DeclaredJail>;
  readonly users: ReadonlyMap<ByteString, DeclaredUser>;
}

/**
 * The same, for advice, also with errors in them. Undefined if a file cannot be read, or is not root's alone: what it says is
 * no reason to change it.
 */
export function declaredHere(): Declared | undefined {
  const sources = answered(readDeclarationSources);
  if (sources === undefined) return undefined;
  const parts = sources.map(({ bytes, file }) => scanIni(bytes, file, dialect));
  const ini = mergeFiles(parts, DECLARATION_FILE, dialect);
  const { jails, users } = declarationIn(ini).declaration;
  return {
    ini,
    jails: new Map(jails.map((jail) => [jail.path, jail])),
    users: new Map(users.map((user) => [user.name, user])),
  };
}

/** What follows from the bytes of files alone. */
export type Parsed = Pick<Declaration, "files" | "jails" | "users">;

/** Keeps what files without an error declare, for the next run. */
export interface ParsedCache {
  /** What these sources declare; undefined if others were read last. */
  readonly find: (sources: readonly ConfigSource[]) => Parsed | undefined;
  /** Keeps it, unless nothing is to be changed. A failure has no effect but the time that the next run takes. */
  readonly keep?: (sources: readonly ConfigSource[], parsed: Parsed) => void;
}

/**
 * What jails.ini and the files of jails.d in a directory declare, or `files` in their place, without drop-ins and with the
 * paths that they are known as. Without any file it declares nothing, and `files` is empty. Throws DeclarationError for problems ("config-invalid"), and for files that
 * are missing, cannot be read ("config-unreadable"), or that users other than root can change ("config-unsafe"). `cache`: for
 * the same files at the next run. `beside`: what the usual files declare.
 */
export function readDeclaration(
  files?: readonly ByteString[],
  directory: ByteString = CONFIG_DIRECTORY,
  cache?: ParsedCache,
  beside?: Declaration,
): Declaration {
  const errors: FileError[] = [];
  const add = (file: ByteString, error: JailkitError) =>
    errors.push({ file, position: undefined, finding: wholeFinding(error), error });
  const onUnsafe = (file: ByteString, unsafe: Unsafe) => add(file, unsafeError(file, unsafe));
  const addNamed = (file: ByteString, error: JailkitError) => add(file, namedFault(file, error));
  const unread: UnreadFile[] = [];
  const aside = [`${directory}/jails.ini${ASIDE}`].filter(
    (file) => statIfPresent(AT_FDCWD, file) !== undefined,
  );
  const read = (file: ByteString, alone: boolean) =>
    readConfigSources(file, 1, onUnsafe, undefined, {
      ...{ dialect, alone },
      onUnreadable: alone ? addNamed : add,
      onEntries: (place, entries, holds) => {
        unread.push(...unreadFiles(place, entries, holds));
        aside.push(...asideFiles(place, entries));
      },
    });
  const main = `${directory}/jails.ini`;
  const sources =
    files === undefined
      ? read(main, false)
      : [...new Map(files.map((file) => [knownAs(file), file]))].flatMap(([known, file]) => {
          const before = errors.length;
          const found = read(file, true);
          if (found.length === 0 && errors.length === before)
            add(file, new JailkitError("config-unreadable", 1, `${display(file)}: no such file`));
          return found.map((source) => ({ ...source, file: known }));
        });
  const known = errors.length === 0 ? cache?.find(sources) : undefined;
  // What an item of several words has named may be gone.
  if (known !== undefined && unseparated(known).length === 0) return { ...known, unread, aside };
  const trusted = !errors.some(({ error }) => error.code === "config-unsafe");
  const parts = sources.map(({ bytes, file }) => scanIni(bytes, file, dialect));
  const ini = mergeFiles(parts, files?.[0] ?? DECLARATION_FILE, dialect);
  const { declaration, problems: ofTexts } = declarationIn(
    ini,
    beside && toBeReadWith(beside, sources),
    standingHere(),
  );
  const isSaid = ({ file, line, column }: Problem) =>
    ofTexts.some((one) => one.file === file && one.line === line && one.column === column);
  const more = unseparated(declaration).filter((one) => !isSaid(one));
  const problems = inOrder(withoutConsequences([...ofTexts, ...more], ini), ini);
  const whole = {
    ...ini,
    items: itemChanges(problems),
    off: switchedOff(problems.map((one) => [one, ini])),
  };
  for (const one of byTurns(problems, (problem) => turnOf(problem, whole))) {
    // The lines of a file that somebody else may have put there are not shown, and no remedy is known.
    const error = trusted
      ? problemError(one, 1, whole)
      : new JailkitError("config-invalid", 1, problemLine(one, display(one.file)));
    errors.push({ file: one.file, position: one, finding: one.code, error });
  }
  if (errors.length > 0)
    throw new DeclarationError(
      inFileOrder(errors, files?.flatMap((file) => [file, knownAs(file)]) ?? [main]),
      unread,
    );
  const { jails, users } = declaration;
  cache?.keep?.(sources, { files: declaration.files, jails, users });
  return { ...declaration, unread, aside };
}

/**
 * What `files` declare, and what the usual files do beside them, or why that is not known. Throws DeclarationError; with
 * `needed` also for the usual files: with the errors of all, each of them once.
 */
export function readWithOthers(
  files: readonly ByteString[],
  needed: boolean,
): { declaration: Declaration; others: Declaration | DeclarationError } {
  const others = readOrError();
  const declaration = readOrError(files, others instanceof DeclarationError ? undefined : others);
  const errors = [declaration, ...(needed ? [others] : [])].flatMap((one) =>
    one instanceof DeclarationError ? one.all : [],
  );
  if (!(declaration instanceof DeclarationError) && errors.length === 0) return { declaration, others };
  const once = new Map<string, FileError>();
  for (const one of errors) once.getOrInsert(describeError(one.error), one);
  throw new DeclarationError([...once.values()], needed ? others.unread : declaration.unread);
}

function readOrError(files?: readonly ByteString[], beside?: Declaration): Declaration | DeclarationError {
  try {
    return readDeclaration(files, undefined, undefined, beside);
  } catch (error) {
    if (error instanceof DeclarationError) return error;
    throw error;
  }
}

/** Errors in the order of files: `first` ones, and then others by the bytes of their names, as drop-ins are read. */
function inFileOrder(errors: readonly FileError[], first: readonly ByteString[]): FileError[] {
  const files = new Set([...first, ...errors.map(({ file }) => file).sort()]);
  const rank = new Map([...files].map((file, index) => [file, index]));
  const of = ({ file }: FileError) => rank.get(file) ?? 0;
  // Within a file their remedies are typed in this order.
  return errors.toSorted((a, b) => of(a) - of(b));
}
