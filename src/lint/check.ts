import type { ByteString } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { attempt, SystemError } from "../../ffi/error.ts";
import { isMissing, statIfPresent } from "../../ffi/files.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { libc } from "../../ffi/libc.ts";
import { directoryOf, pathsDownTo } from "../../ffi/paths.ts";
import { display, quoted } from "../cli/display.ts";
import { describeError, type ErrorPlace, JailkitError } from "../cli/error.ts";
import { type Remedy, told, typed, withAdvice } from "../cli/remedy.ts";
import { shellWord } from "../cli/shell-word.ts";
import type { FindingCode } from "../config/finding-codes.ts";
import { fixText, itemChanges, switchedOff, turnOf } from "../config/fixes.ts";
import { CONFIG_DIRECTORY, mergeFiles, readConfigSources } from "../config/load.ts";
import { type IniFile, type Problem, problemLine } from "../config/model.ts";
import { placeOf } from "../config/place.ts";
import { namedFault } from "../config/put-aside.ts";
import { scanIni } from "../config/scan.ts";
import { CONFIG_KINDS, type ConfigKind, jailOf, kindOf } from "../config/schemas/catalogue.ts";
import type { ConfigSource } from "../config/source.ts";
import { inUnsafeDirectory, type Unsafe } from "../config/trusted.ts";
import { byTurns } from "../config/turns.ts";
import { unreadFiles } from "../config/unread.ts";
import { absentFault } from "../declaration/compare/absent.ts";
import { onceFault } from "../declaration/once.ts";
import { commandAt } from "../system/exchange.ts";
import { lintDeclaration } from "./declaration.ts";
import { DeclaredSections } from "./declared.ts";
import { lint } from "./lint.ts";
import { knownPaths, openWorld, remembering } from "./world.ts";

/** A finding, and what to type against it; undefined if only the administrator can know what is meant. */
interface Finding extends Problem {
  remedy: Remedy | undefined;
}

/** A check of config files, and what it has found. */
export class ConfigCheck {
  readonly findings: Finding[] = [];
  /** The lines that findings are about; some are about a whole file. */
  readonly places = new Map<Problem, ErrorPlace>();
  /** The files that were read, drop-ins included. */
  readonly files: ByteString[] = [];
  /** Files that cannot be read, and why; printable. */
  readonly failures: ByteString[] = [];
  readonly #declared = new DeclaredSections();
  readonly #told = new Set<string>();
  readonly #turns = new Map<Problem, number>();
  // Several files name a jail, and the search for one that was moved takes long.
  readonly #whyAbsent = remembering(absentFault);
  /** Whether the rights that are declared are checked with what is in the jails. */
  #inJails = true;

  /** Checks a file that the user has named. Throws SystemError if it is relative to a removed directory. */
  named(given: ByteString): void {
    // Its directory tells what it is, and which jail it is in.
    const file = given.startsWith("/") ? given : absolutePath(given);
    if (isMissing(file)) {
      this.failures.push(`${display(file)}: no such file`);
      return;
    }
    const kind = kindOf(file);
    if (kind !== undefined) {
      this.#file(file, kind, true);
      if (kind.sections === "declaration") this.#once();
      this.#sort();
      return;
    }
    const known = CONFIG_KINDS.map((one) => `${one.name}.ini`).join(", ");
    this.failures.push(
      `${display(file)}: cannot tell which file this is; its name should hold one of ${known}, or its directory be named jails.d`,
    );
  }

  /** Checks the files of the host, and looks into no jail. */
  host(): void {
    this.#inJails = false;
    this.#ofHost();
  }

  #ofHost(): void {
    if (isMissing(CONFIG_DIRECTORY))
      this.failures.push(
        `${CONFIG_DIRECTORY} is missing, with all settings: restore it, or install jailkit again`,
      );
    for (const kind of CONFIG_KINDS) this.#file(`${CONFIG_DIRECTORY}/${kind.name}.ini`, kind, false);
    this.#sort();
  }

  /** All remedies can be typed, in the order of the findings. */
  #sort(): void {
    const sorted = byTurns(this.findings, (one) => this.#turns.get(one) ?? 0);
    this.findings.splice(0, sorted.length, ...sorted);
  }

  /** Checks the files of the host, and those of the limited shell in known jails. */
  all(): void {
    this.#ofHost();
    this.#once();
    const shell = CONFIG_KINDS.find(({ name }) => name === "jk_lsh");
    if (shell === undefined) return;
    const jails = knownPaths((error) => this.failures.push(describeError(error))).sort();
    for (const jail of jails) this.#file(`${jail}${CONFIG_DIRECTORY}/jk_lsh.ini`, shell, false);
    this.#sort();
  }

  /** Without what was declared once, which only root can read, no declaration is carried out. */
  #once(): void {
    const fault = libc.geteuid() === 0 ? onceFault() : undefined;
    if (fault !== undefined) this.failures.push(describeError(fault));
  }

  #file(file: ByteString, kind: ConfigKind, required: boolean): void {
    const reported = new Set<ByteString>();
    let trusted = true;
    const unreadable = new Set<ByteString>();
    let sources: ConfigSource[];
    try {
      // The tools refuse an unsafe file; its content can be checked all the same.
      const onUnsafe = (path: ByteString, problem: Unsafe) => {
        trusted = false;
        const { directory } = problem;
        if (directory !== undefined) reported.add(directory.path);
        const inJail = directory !== undefined && isInJailOf(file, directory.path);
        const { because, remedy } = inJail ? inUnsafeDirectory(directory) : problem;
        this.#whole(path, "unsafe-file", `${quoted(path)} ${display(because)}`, remedy);
      };
      const onUnreadable = (path: ByteString, error: JailkitError) => {
        unreadable.add(path);
        this.#failed(path, required && path === file ? namedFault(path, error) : error);
      };
      const onEntries = (...found: Parameters<typeof unreadFiles>) => {
        for (const { file: path, message, remedy } of unreadFiles(...found))
          this.#whole(path, "unread-file", message, remedy, "warning");
      };
      const options = { dialect: kind.dialect, onUnreadable, onEntries };
      sources = readConfigSources(file, 2, onUnsafe, jailOf(file), options);
    } catch (error) {
      this.#failed(file, error);
      return;
    }
    if (required && sources[0]?.file !== file && !unreadable.has(file)) {
      this.failures.push(`${display(file)}: no such file`);
      return;
    }
    if (kind.sections === "account") this.#readable(file, sources);
    const complete = unreadable.size === 0;
    if (sources.length > 0) this.#content({ file, kind, sources, trusted, complete, reported });
  }

  /** A file cannot be read: because something else is in its place, which the error has a remedy for, or by this caller. */
  #failed(file: ByteString, error: unknown): void {
    const remedy = error instanceof JailkitError ? error.remedy : "";
    const message = describeError(error);
    if (remedy === "") this.failures.push(message);
    else this.#whole(file, "not-a-file", message, remedy);
  }

  /** Users read these files themselves. */
  #readable(file: ByteString, sources: readonly ConfigSource[]): void {
    const closed = closedDirectory(file);
    const refused = "users who cannot are refused";
    if (closed !== undefined) {
      const advice = commandAt(closed, `chmod a+x ${shellWord(closed)}`);
      const message = `${quoted(closed)} cannot be passed by everybody: ${refused}`;
      this.#whole(closed, "unreadable-file", withAdvice(message, advice), typed(advice));
    }
    for (const { file: path, stat } of sources) {
      if ((stat.mode & 0o004) !== 0) continue;
      const advice = commandAt(path, `chmod a+r ${shellWord(path)}`);
      const message = `${quoted(path)} cannot be read by everybody: ${refused}`;
      this.#whole(path, "unreadable-file", withAdvice(message, advice), typed(advice));
    }
  }

  #content({ file, kind, sources, trusted, complete, reported }: Content): void {
    this.files.push(...sources.map((source) => source.file));
    const parts = sources.map((source) => scanIni(source.bytes, source.file, kind.dialect));
    const merged = mergeFiles(parts, file, kind.dialect);
    try {
      // What follows from a finding that is there already is left out.
      const problems = this.#problemsOf(merged, kind, complete);
      const found = problems.filter(({ file: one }) => !reported.has(one));
      const placed = found.map((problem) =>
        trusted && isWritten(kind) ? this.#declared.placed(problem, merged) : { problem, ini: merged },
      );
      const items = itemChanges(placed.map(({ problem }) => problem));
      const off = switchedOff(placed.map(({ problem, ini }) => [problem, ini]));
      for (const { problem, ini } of placed) {
        // The lines of a file that somebody else may have put there are not shown.
        const place = trusted ? placeOf(ini, problem) : undefined;
        const aboutLines = sources.some((one) => one.file === problem.file);
        const fix = trusted || !aboutLines ? fixText(problem, { ...ini, items, off }) : undefined;
        // Of rights that are declared, both files tell.
        const line = problemLine(problem, problem.file);
        if (this.#told.has(line)) continue;
        this.#told.add(line);
        const { message, remedy } = told(problem.message, fix ?? "");
        const finding: Finding = { ...problem, message, remedy: remedy || undefined };
        this.findings.push(finding);
        this.#turns.set(finding, turnOf(problem, ini));
        if (place !== undefined) this.places.set(finding, place);
      }
    } catch (error) {
      if (!(error instanceof SystemError) && !(error instanceof JailkitError)) throw error;
      this.failures.push(`${display(file)} cannot be checked: ${describeError(error)}`);
    }
  }

  #problemsOf(ini: IniFile, kind: ConfigKind, complete: boolean): Problem[] {
    if (kind.sections === "declaration")
      return lintDeclaration(ini, complete, this.#inJails, this.#whyAbsent);
    using world = openWorld(ini.file, this.#whyAbsent);
    const problems = lint(ini, kind, world);
    // A file that cannot be read may have the section.
    return complete ? problems : problems.filter(({ code }) => code !== "unknown-section");
  }

  /** Adds a finding that is about a whole file. */
  #whole(
    file: ByteString,
    code: FindingCode,
    message: ByteString,
    remedy: Remedy | undefined,
    severity: Problem["severity"] = "error",
  ): void {
    this.findings.push({ file, line: 1, column: 1, severity, code, message, remedy });
  }
}

interface Content {
  readonly file: ByteString;
  readonly kind: ConfigKind;
  readonly sources: readonly ConfigSource[];
  readonly trusted: boolean;
  /** All of its files could be read. */
  readonly complete: boolean;
  /** Directories that are reported already. */
  readonly reported: ReadonlySet<ByteString>;
}

/** Whether `jailkit apply` writes sections of such files. */
const isWritten = ({ name }: ConfigKind) => name === "jk_lsh" || name === "jk_chrootsh";

/**
 * The first directory above a file that not everybody may pass; undefined if there is none. A jail may be for some
 * users alone, so the directories of a file in one count from there on.
 */
function closedDirectory(file: ByteString): ByteString | undefined {
  const jail = jailOf(file) ?? "";
  const above = pathsDownTo(directoryOf(file)).filter((path) => path.length > jail.length);
  return above.find((path) => {
    const stat = attempt(() => statIfPresent(AT_FDCWD, path, true));
    return stat !== undefined && (stat.mode & 0o001) === 0;
  });
}

/** Whether a directory is the known jail that a file is in, or is in that jail. */
function isInJailOf(file: ByteString, directory: ByteString): boolean {
  const jail = jailOf(file);
  if (jail === undefined || !knownPaths().includes(jail)) return false;
  return directory === jail || directory.startsWith(`${jail}/`);
}
