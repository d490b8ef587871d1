import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { baseName, pathComponents } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { answered, describeError, JailkitError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { hostPath, type JailRoot, release, walk } from "../../jail/fs/walk.ts";
import { createLoader, type Loader } from "../../libraries/closure.ts";
import { type DependencyProblem, isLibraryName } from "../../libraries/dependency.ts";
import { STANDARD_PATH } from "../../libraries/script.ts";
import { fileSystemAt } from "../../populate/file-system.ts";
import type { Companion, Companions } from "../../populate/plan/companion.ts";
import { installedCompanions } from "../../profile/companions.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import type { CheckFinding } from "../rules.ts";

/** A program or library of a jail, and the host's file that it was copied from. */
export interface Program {
  /** As the jail sees it. */
  readonly path: ByteString;
  readonly source: ByteString;
  /** jk_cp was asked for it by name, or nothing is known about it. */
  readonly requested: boolean;
}

/** True for a file that the kernel or the dynamic linker may execute or load. */
export function isProgram(path: ByteString, mode: number): boolean {
  return (mode & 0o111) !== 0 || isLibraryName(path);
}

/** Findings about dependencies of programs that the jail lacks, unless the host's program lacks them too. */
export function libraryFindings(root: JailRoot, programs: readonly Program[]): CheckFinding[] {
  using inside = createLoader({ root: root.path });
  using host = createLoader();
  const findings: CheckFinding[] = [];
  const faults: { program: Program; problem: DependencyProblem }[] = [];
  for (const program of programs) {
    const { path, source } = program;
    const bad = examine(inside, path);
    if (bad !== undefined && examine(host, source) === undefined) {
      const shown = hostPath(root, path);
      const message = `${display(shown)} is not a program that can be started: ${bad}`;
      findings.push({ rule: "bad-program", path: shown, jailPath: path, message });
    }
    const added = inside.problems().slice(faults.length);
    faults.push(...added.map((problem) => ({ program, problem })));
  }
  const seen = new Set<string>();
  const companions = installedCompanions(fileSystemAt(), host);
  for (const { program, problem } of faults) {
    if (lacksToo(host, program.source, problem)) continue;
    const companion = interpreterCompanion(companions, problem);
    // Scripts of sections and directories come without such interpreters; jk_cp names the section of one.
    if (companion !== undefined && !program.requested) continue;
    const finding = problemFinding(root, problem, companion?.section);
    // A library may be found under several paths.
    const key = `${finding.path}\0${problem.library}`;
    if (!seen.has(key)) findings.push(finding);
    seen.add(key);
  }
  return [...findings, ...directoryFindings(root, inside)];
}

/** The reason why a program cannot start, printable; undefined if it can, or is not a program. */
function examine(loader: Loader, path: ByteString): string | undefined {
  try {
    loader.dependencies(path);
    return undefined;
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    return describeError(error);
  }
}

function lacksToo(host: Loader, source: ByteString, problem: DependencyProblem): boolean {
  if (examine(host, source) !== undefined) return true;
  const name = baseName(problem.file);
  return host.problems().some((other) => other.library === problem.library && baseName(other.file) === name);
}

/** The section with the interpreter of a script and its library. */
function interpreterCompanion(companions: Companions, { library }: DependencyProblem): Companion | undefined {
  if (isLibraryName(library)) return undefined;
  const paths = library.includes("/") ? [library] : STANDARD_PATH.map((each) => `${each}/${library}`);
  const path = paths.find((each) => statIfPresent(AT_FDCWD, each, true) !== undefined);
  return path === undefined ? undefined : companions.ofInterpreter(path);
}

function problemFinding(
  root: JailRoot,
  { file, library, message }: DependencyProblem,
  section: ByteString | undefined,
): CheckFinding {
  const jailPath = withoutLinks(root, file);
  const path = hostPath(root, jailPath);
  const text = display(file);
  const whole = message.startsWith(text) ? message.slice(text.length) : `: ${message}`;
  // The remedy for a host does not apply to a jail.
  const rest = whole.replace(/: install .*$/, " in the jail");
  const isOnHost = statIfPresent(AT_FDCWD, file, true) !== undefined;
  const shared = isLibraryName(library) && !/\/ld-[^/]*$/.test(library);
  return {
    rule: shared ? "missing-library" : "missing-interpreter",
    path,
    jailPath,
    message: `${display(path)}${rest}`,
    // A program that is not the host's cannot be copied again, but its libraries can.
    remedy:
      section === undefined
        ? `jk_cp -f -j ${shellWord(root.path)} ${shellWord(isOnHost ? file : library)}`
        : `jk_init -j ${shellWord(root.path)} ${shellWord(section)}`,
  };
}

function withoutLinks(root: JailRoot, path: ByteString): ByteString {
  try {
    return lookUp(root, path, { follow: true })?.canonicalPath ?? path;
  } catch (error) {
    if (error instanceof JailkitError) return path;
    throw error;
  }
}

/** Findings about directories of the linker: whoever can write one controls every program of the jail. */
function directoryFindings(root: JailRoot, loader: Loader): CheckFinding[] {
  return loader.libraryDirectories().flatMap((jailPath): CheckFinding[] => {
    const path = hostPath(root, jailPath);
    const why = distrust(root, jailPath);
    if (why === undefined) return [];
    const message = `${display(path)} is searched for libraries, and ${why}`;
    const causes = untrustedOnTheWay(root, jailPath);
    return [{ rule: "library-directory", path, jailPath, causes, message }];
  });
}

/** The reason why a directory of libraries is dangerous; undefined if it is not. */
function distrust(root: JailRoot, directory: ByteString): string | undefined {
  try {
    const opened = walk(root, directory);
    release(opened);
    return opened.trusted ? undefined : "users other than root can write it or a directory above it";
  } catch (error) {
    return `it cannot be reached safely: ${describeError(error)}`;
  }
}

/** A directory of the jail and those above it that users other than root can write, as paths on the host. */
function untrustedOnTheWay(root: JailRoot, directory: ByteString): ByteString[] {
  const parts = pathComponents(directory);
  const found: ByteString[] = [];
  for (let count = 0; count <= parts.length; count++) {
    const path = `/${parts.slice(0, count).join("/")}`;
    const opened = answered(() => walk(root, path));
    if (opened === undefined) break;
    release(opened);
    // The path led through symbolic links.
    if (opened.path !== path)
      return [...found, ...untrustedOnTheWay(root, [opened.path, ...parts.slice(count)].join("/"))];
    if (!onlyRootWrites(opened.stat)) found.push(hostPath(root, path));
  }
  return found;
}
