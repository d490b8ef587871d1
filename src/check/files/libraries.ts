import type { ByteString } from "../../../ffi/bytes.ts";
import { AT_FDCWD } from "../../../ffi/constants.ts";
import { SystemError } from "../../../ffi/error.ts";
import { statIfPresent } from "../../../ffi/files.ts";
import { baseName, pathComponents } from "../../../ffi/paths.ts";
import { display } from "../../cli/display.ts";
import { describeError, JailkitError } from "../../cli/error.ts";
import { shellWord } from "../../cli/shell-word.ts";
import { lookUp } from "../../jail/fs/look.ts";
import { hostPath, type JailRoot, release, walk } from "../../jail/fs/walk.ts";
import { createLoader, type DependencyProblem, type Loader } from "../../libraries/closure.ts";
import { onlyRootWrites } from "../../system/exchange.ts";
import type { CheckFinding } from "../rules.ts";

/** A program or library of a jail, and the file of the host that it is a copy of. */
export interface Program {
  /** As the jail sees it. */
  readonly path: ByteString;
  readonly source: ByteString;
}

const LIBRARY = /\.so(?:\.|$)/;

/** True for what the dynamic linker or the kernel looks into when it starts or loads it. */
export function isProgram(path: ByteString, mode: number): boolean {
  return (mode & 0o111) !== 0 || LIBRARY.test(path.slice(path.lastIndexOf("/") + 1));
}

/** Works out anew what programs need, as the jail sees it. What is missing on the host too is no fault of the jail. */
export function libraryFindings(root: JailRoot, programs: readonly Program[]): CheckFinding[] {
  const inside = createLoader({ root: root.path });
  let host: Loader | undefined;
  try {
    const findings: CheckFinding[] = [];
    const faults: { file: ByteString; problem: DependencyProblem }[] = [];
    const onHost = (): Loader => {
      host ??= createLoader();
      return host;
    };
    let told = 0;
    for (const { path, source } of programs) {
      const bad = examine(inside, path);
      if (bad !== undefined && examine(onHost(), source) === undefined) {
        const shown = hostPath(root, path);
        const message = `${display(shown)} is not a program that can be started: ${bad}`;
        findings.push({ rule: "bad-program", path: shown, jailPath: path, message });
      }
      const problems = inside.problems();
      for (const problem of problems.slice(told)) faults.push({ file: source, problem });
      told = problems.length;
    }
    const seen = new Set<string>();
    for (const { file, problem } of faults) {
      if (lacksToo(onHost(), file, problem)) continue;
      const finding = problemFinding(root, problem);
      // A library may be found under several paths.
      const key = `${finding.path}\0${problem.library}`;
      if (!seen.has(key)) findings.push(finding);
      seen.add(key);
    }
    findings.push(...directoryFindings(root, inside));
    return findings;
  } finally {
    inside.close();
    host?.close();
  }
}

/** Why a file cannot be a program, printable; undefined where it can, or is no program at all. */
function examine(loader: Loader, path: ByteString): string | undefined {
  try {
    loader.dependencies(path);
    return undefined;
  } catch (error) {
    if (!(error instanceof JailkitError)) throw error;
    return describeError(error);
  }
}

/** True where the host's file lacks the same. */
function lacksToo(host: Loader, source: ByteString, problem: DependencyProblem): boolean {
  if (examine(host, source) !== undefined) return true;
  const name = baseName(problem.file);
  return host.problems().some((other) => other.library === problem.library && baseName(other.file) === name);
}

function problemFinding(root: JailRoot, { file, library, message }: DependencyProblem): CheckFinding {
  const jailPath = withoutLinks(root, file);
  const path = hostPath(root, jailPath);
  const text = display(file);
  const whole = message.startsWith(text) ? message.slice(text.length) : `: ${message}`;
  // What there is to do is another thing in a jail than on a machine.
  const rest = whole.replace(/: install .*$/, " in the jail");
  const shared = LIBRARY.test(baseName(library)) && !/\/ld-[^/]*$/.test(library);
  return {
    rule: shared ? "missing-library" : "missing-interpreter",
    path,
    jailPath,
    message: `${display(path)}${rest}`,
    // A program that came from elsewhere cannot be copied again; what it needs can.
    remedy: `jk_cp -f -j ${shellWord(root.path)} ${shellWord(isOnHost(file) ? file : library)}`,
  };
}

const isOnHost = (path: ByteString) => statIfPresent(AT_FDCWD, path, true) !== undefined;

function withoutLinks(root: JailRoot, path: ByteString): ByteString {
  try {
    return lookUp(root, path, { follow: true })?.canonicalPath ?? path;
  } catch (error) {
    if (error instanceof JailkitError) return path;
    throw error;
  }
}

/** Whoever can put a library where the linker looks has every program of the jail. */
function directoryFindings(root: JailRoot, loader: Loader): CheckFinding[] {
  return loader.libraryDirectories().flatMap((directory): CheckFinding[] => {
    const path = hostPath(root, directory);
    const unsafe = (why: string): CheckFinding[] => [
      {
        rule: "library-directory",
        path,
        jailPath: directory,
        causes: untrustedOnTheWay(root, directory),
        message: `${display(path)} is where programs look for libraries, and ${why}`,
      },
    ];
    try {
      const opened = walk(root, directory);
      const { trusted } = opened;
      release(opened);
      return trusted ? [] : unsafe("it or a directory above it can be written by others than root");
    } catch (error) {
      return unsafe(`it cannot be reached safely: ${describeError(error)}`);
    }
  });
}

/** The directories on the way to one of the jail's, and it itself, that are not root's alone, on the host. */
function untrustedOnTheWay(root: JailRoot, directory: ByteString): ByteString[] {
  const parts = pathComponents(directory);
  const found: ByteString[] = [];
  try {
    for (let count = 0; count <= parts.length; count++) {
      const path = `/${parts.slice(0, count).join("/")}`;
      const opened = walk(root, path);
      release(opened);
      // A link has led there, perhaps through others.
      if (opened.path !== path)
        return [...found, ...untrustedOnTheWay(root, [opened.path, ...parts.slice(count)].join("/"))];
      if (!onlyRootWrites(opened.stat)) found.push(hostPath(root, path));
    }
  } catch (error) {
    if (!(error instanceof JailkitError || error instanceof SystemError)) throw error;
  }
  return found;
}
